package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"postern/reviewer"
)

var cmdImport = &command{
	name: "import", args: "FILE|FOLDER…", json: true, clock: true, least: 1, most: -1,
	short: "read batches that were fetched from your exchange",
	long: `Import reads the files that your exchange gave you, or all of them in a folder,
in any order, and keeps what is for you, sealed. A volume is taken whole or not at
all; of a download that broke off, all that arrived whole is. Importing one twice
changes nothing. What is for others or only cover is skipped without a word: its
number says nothing. A file that the server did not sign is refused: accept the
signed directory before the first import. The last line names the number to give
your exchange next time.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			files, err := volumesOf(args)
			if err != nil {
				return err
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			return d.importAll(v, files)
		}
	},
}

// volumesOf are the files named, and those in folders named.
func volumesOf(args []string) (files []string, err error) {
	for _, arg := range args {
		st, err := os.Stat(arg)
		if err != nil || !st.IsDir() {
			files = append(files, arg) // what cannot be read is refused in its turn
			continue
		}
		list, err := reviewer.Volumes(arg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown(arg), err)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%s: no file of your exchange is in this folder: their names end in .batch or .batches", shown(arg))
		}
		files = append(files, list...)
	}
	return files, nil
}

// importAll imports files, says of each what was in it, and at last what all come to.
func (d *desk) importAll(v *reviewer.Desk, files []string) error {
	done := importsJSON{Volumes: []importJSON{}}
	var failed []error
	var all []reviewer.Imported
	o := reviewer.ImportOptions{ClockOK: d.askOnce()}
	for _, file := range files {
		name := shown(filepath.Base(file))
		var good []reviewer.Imported
		for _, x := range v.ImportFiles([]string{file}, o, nil) {
			if x.Err != nil {
				if x.Place > 1 || len(good) > 0 && x.Place > 0 {
					x.Err = fmt.Errorf("volume %d in it: %w", x.Place, x.Err)
				}
				failed = append(failed, fmt.Errorf("%s: %w", name, x.Err))
				continue
			}
			good = append(good, x)
			done.Volumes = append(done.Volumes, newImportJSON(x.Path, x.Report))
		}
		all = append(all, good...)
		if !d.json && len(good) > 0 {
			d.printf("%s: %s: ", name, volumesLine(good))
			d.reportImport(reviewer.Sum(good))
		}
	}
	if done.AskAfter = v.AskAfter(); d.json {
		if err := d.writeJSON(done); err != nil {
			return err
		}
	} else if len(all) > 0 {
		if len(files) > 1 {
			d.printf("In all %s of %s: ", some(len(all), "volume", "volumes"), some(len(files), "file", "files"))
			d.found(reviewer.Sum(all))
		}
		d.reportMissing(v)
	}
	return errors.Join(failed...)
}

// askOnce asks about the clock as each batch does, but not twice the same in one go: a yes to this
// machine's clock holds for the batches that follow, a no for all that is left. A leap is asked anew each time.
func (d *desk) askOnce() func(reviewer.Clock) bool {
	var yes, no bool
	return func(c reviewer.Clock) bool {
		if no || yes && !c.Leap {
			return !no
		}
		no = d.checkClock(c) != nil
		yes = yes || !no && !c.Leap
		return !no
	}
}

// volumesLine names the volumes of one file.
func volumesLine(list []reviewer.Imported) string {
	h := list[0].Report.Head
	if len(list) == 1 {
		return fmt.Sprintf("batch %d of %s, volume %d of %d", h.Ordinal, h.Day, list[0].Report.Volume, len(h.Volumes))
	}
	least, most := h.Ordinal, h.Ordinal
	for _, x := range list {
		least, most = min(least, x.Report.Head.Ordinal), max(most, x.Report.Head.Ordinal)
	}
	if least == most {
		return fmt.Sprintf("batch %d of %s, %d volumes", least, h.Day, len(list))
	}
	return fmt.Sprintf("batches %d to %d, %d volumes", least, most, len(list))
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
	d.printf("Next time, ask your exchange for everything after number %d.\n", v.AskAfter())
}

// found says how much is new.
func (d *desk) found(r reviewer.Report) {
	switch {
	case r.New == 0 && r.Before:
		d.printf("imported before; nothing new.\n")
	case r.New == 0:
		d.printf("nothing new.\n")
	default:
		d.printf("%s in %s (%d new): %s\n", some(r.New, "new message", "new messages"),
			some(len(r.Cases), "case", "cases"), r.NewCases, strings.Join(r.Cases, " "))
	}
}

func (d *desk) reportImport(r reviewer.Report) {
	d.found(r)
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
		d.printf("  ! It is of a time before the oldest key of this vault: what was sealed then cannot be opened here.\n")
	}
	if r.Directory != 0 {
		d.printf("  Directory version %d exists: fetch it from your exchange and accept it (postern-desk directory).\n", r.Directory)
	}
}

type importsJSON struct {
	Volumes  []importJSON `json:"volumes"`
	AskAfter uint64       `json:"ask_after"`
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
