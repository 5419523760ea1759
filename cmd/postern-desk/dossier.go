package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"postern/crypto"
	"postern/reviewer/dossier"
)

var cmdDossier = &command{
	name: "dossier", args: "CASE --to FOLDER [--working-copy] [--mask FILE]", least: 1, most: 1, clock: true,
	short: "write a whole case in clear, as evidence or as a masked copy",
	long: `Dossier writes a whole case into a new FOLDER: case.html to read and print, the
words and files in their original bytes, the signed log of its steps, who opened
and copied what, and SHA256SUMS, which sha256sum -c checks and your signature
covers. verify checks all of it. With --working-copy it writes a copy to pass
around, without the case's id, log and files, in which --mask FILE says what
nobody may see:

    text Depot 7        wherever it stands, however it is written
    message 2           all of message 2
    lines 3 5-8         lines 5 to 8 of the words of message 3
    file 1              not even the name of file 1
    include 2           file 2 goes along

Another word for the same thing is not found: read the copy before you pass it on.
What is written lies there in clear. That it was written is recorded.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		to := fs.String("to", "", "the new `FOLDER` to write to")
		lang := fs.String("language", "en", "the `LANGUAGE` of the page: "+strings.Join(dossier.Languages(), ", "))
		working := fs.Bool("working-copy", false, "a copy to pass around, not evidence")
		mask := fs.String("mask", "", "the `FILE` of masks, for a working copy")
		return func(args []string) error {
			if *to == "" {
				return usagef("dossier: --to names the folder to write to")
			}
			if *mask != "" && !*working {
				return usagef("dossier: evidence is not masked: give --working-copy as well")
			}
			masks, err := readMasks(*mask)
			if err != nil {
				return err
			}
			v, c, err := d.openCase(args[0])
			if err != nil {
				return err
			}
			defer v.Close()
			var all []dossier.Written
			if *working {
				all, err = v.WorkingCopy(c, *to, *lang, masks)
			} else {
				all, err = v.Dossier(c, *to, *lang)
			}
			if err != nil {
				return err
			}
			for i := range all {
				d.written(&all[i])
			}
			return nil
		}
	},
}

func readMasks(file string) (*dossier.Masks, error) {
	if file == "" {
		return dossier.ParseMasks(nil)
	}
	b, err := readFile(file, dossier.MaxMaskFile)
	if err != nil {
		return nil, fmt.Errorf("reading masks: %w", err)
	}
	return dossier.ParseMasks(b)
}

// readFile reads a file of at most so many bytes.
func readFile(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is longer than %d bytes", name, most)
	}
	return b, err
}

var cmdVerify = &command{
	name: "verify", args: "FOLDER", least: 1, most: 1,
	short: "check a dossier: whether anything in it was changed",
	long: `Verify checks a folder that dossier wrote, without a vault: every file against its
sum, the signature over the sums, and every entry of the log of steps by its own
signature, its order and the entry before it. The folder brings its directory
along: compare the six words of the key with the card of whoever made the dossier.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			r, err := dossier.Verify(args[0], nil)
			if err != nil {
				return err
			}
			if r.Holder != "" {
				d.printf("Made on %s by %s/%s, with the key: %s\n", r.Made, shown(r.Body), shown(r.Holder), strings.Join(crypto.SigningWords(r.Key), " "))
			}
			d.printf("%s, and %s in the log.\n", some(r.Files, "file", "files"), some(r.Events, "entry", "entries"))
			for _, f := range r.Faults {
				d.printf("! %s\n", shown(f))
			}
			if len(r.Faults) > 0 {
				return fmt.Errorf("the dossier is not as it was made: %s", some(len(r.Faults), "fault", "faults"))
			}
			d.printf("Nothing was changed since, if those are the words of that holder's key.\n")
			return nil
		}
	},
}
