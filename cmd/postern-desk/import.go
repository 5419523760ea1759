package main

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"postern/reviewer"
)

var cmdImport = &command{
	name: "import", args: "FILE…", json: true, clock: true, least: 1, most: -1,
	short: "read batches that were fetched from your exchange",
	long: `Import reads volumes, in any order, and keeps what is for you, sealed. A volume is
taken whole or not at all; importing one twice changes nothing. What is for others
or only cover is skipped without a word: its number says nothing. A file that the
server did not sign is refused: accept the signed directory before the first import.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			done := []importJSON{}
			var failed []error
			v.ImportFiles(args, reviewer.ImportOptions{ClockOK: func(c reviewer.Clock) bool { return d.checkClock(c) == nil }}, func(x reviewer.Imported) {
				if x.Err != nil {
					failed = append(failed, fmt.Errorf("%s: %w", shown(filepath.Base(x.Path)), x.Err))
					return
				}
				done = append(done, newImportJSON(x.Path, x.Report))
				if !d.json {
					d.reportImport(x.Path, x.Report)
				}
			})
			if d.json {
				if err := d.writeJSON(done); err != nil {
					return err
				}
			} else if len(done) > 0 {
				d.reportMissing(v)
			}
			return errors.Join(failed...)
		}
	},
}

// reportMissing says what is not here, or does not fit together, of what the server made.
func (d *desk) reportMissing(v *reviewer.Desk) {
	if m := v.Missing(); len(m) > 0 {
		d.printf("Not imported yet: %s.\n", strings.Join(m, ", "))
	}
	for _, b := range v.Broken() {
		d.printf("! THE SERVER CONTRADICTS ITSELF: %s. Keep the files, and tell the operator and the other reviewers by voice.\n", b)
	}
	for _, id := range v.HandIn() {
		d.printf("! The server was restored from a backup. Hand bundle %s in again: postern-desk export --again %s --to FOLDER\n", id, id)
	}
}

func (d *desk) reportImport(file string, r *reviewer.Report) {
	d.printf("%s: batch %d of %s, volume %d of %d: ", shown(filepath.Base(file)), r.Head.Ordinal, r.Head.Day, r.Volume, len(r.Head.Volumes))
	switch {
	case r.New == 0 && r.Before:
		d.printf("imported before; nothing new.\n")
	case r.New == 0:
		d.printf("nothing new.\n")
	default:
		d.printf("%s in %s (%d new): %s\n", some(r.New, "new message", "new messages"),
			some(len(r.Cases), "case", "cases"), r.NewCases, strings.Join(r.Cases, " "))
	}
	if r.Mended > 0 {
		d.printf("  %s lost from this vault, and back.\n", some(r.Mended, "message was", "messages were"))
	}
	if r.Again > 0 {
		d.printf("  %s sent again, unchanged.\n", some(r.Again, "was", "were"))
	}
	if r.Changed > 0 {
		d.printf("  %s sent again, changed: both versions are kept.\n", some(r.Changed, "was", "were"))
	}
	for _, id := range r.CodeChanged {
		d.printf("  The source of case %s changed the code.\n", id)
	}
	if r.Late > 0 {
		d.printf("  ! %s WRITTEN WITH AN EARLIER CODE, on the day when the source changed it or after: perhaps by somebody else. show marks them.\n", some(r.Late, "was", "were"))
	}
	if r.Strangers > 0 {
		d.printf("  %s from strangers: in no case here, or not by or for whom its source chose. Not shown.\n", some(r.Strangers, "is", "are"))
	}
	if r.Damaged > 0 {
		d.printf("  ! %s for you but damaged, and not kept: fetch the volume again; if it stays, tell the operator.\n", some(r.Damaged, "was", "were"))
	}
	if r.Differs > 0 {
		d.printf("  ! %s NOT WHAT THE SERVER SIGNED: the file was damaged or changed on its way. Fetch it again; if it stays, tell the operator.\n", some(r.Differs, "entry is", "entries are"))
	}
	if r.OldKeys {
		d.printf("  ! The batch is older than the oldest key of this vault: what it holds cannot be opened here.\n")
	}
	if r.Directory != 0 {
		d.printf("  Directory version %d exists: fetch it from your exchange and accept it (postern-desk directory).\n", r.Directory)
	}
}

type importJSON struct {
	File      string   `json:"file"`
	Batch     uint64   `json:"batch"`
	Volume    int      `json:"volume"`
	Volumes   int      `json:"volumes"`
	Day       string   `json:"day"`
	New       int      `json:"new"`
	Cases     []string `json:"cases"`
	NewCases  int      `json:"new_cases"`
	Known     int      `json:"known"`
	Mended    int      `json:"mended"`
	Again     int      `json:"again"`
	Changed   int      `json:"changed"`
	Before    bool     `json:"imported_before"`
	Strangers int      `json:"from_strangers"`
	Damaged   int      `json:"damaged"`
	Differs   int      `json:"not_as_signed"`
	OldKeys   bool     `json:"old_keys"`
	Missing   []string `json:"missing"`
	Broken    []string `json:"contradictions"`
	HandIn    []string `json:"hand_in_again"`
	Directory uint64   `json:"newer_directory"`

	CodeChanged []string `json:"code_changed"` // cases
	Late        int      `json:"earlier_code"`
}

func newImportJSON(file string, r *reviewer.Report) importJSON {
	return importJSON{
		File: file, Batch: r.Head.Ordinal, Volume: r.Volume, Volumes: len(r.Head.Volumes), Day: r.Head.Day.String(),
		New: r.New, Cases: listed(r.Cases), NewCases: r.NewCases, Known: r.Known, Mended: r.Mended, Again: r.Again, Changed: r.Changed,
		Before: r.Before, Strangers: r.Strangers, Damaged: r.Damaged, Differs: r.Differs, OldKeys: r.OldKeys,
		Missing: listed(r.Missing), Broken: listed(r.Broken), HandIn: listed(r.HandIn), Directory: r.Directory,
		CodeChanged: listed(r.CodeChanged), Late: r.Late,
	}
}
