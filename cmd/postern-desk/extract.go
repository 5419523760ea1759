package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"strconv"
	"strings"

	"postern/reviewer"
	"postern/reviewer/dossier"
)

var cmdExtract = &command{
	name: "extract", args: "CASE FILE|textN… --to FOLDER", least: 2, most: -1,
	short: "write files of a case in clear",
	long: `Extract writes the original bytes of the numbered files into FOLDER, under safe
names, never over another file. text1 is the words of message 1, in the bytes in
which they came: to copy from, or for another program. That they left the vault is
recorded. What is written lies there in clear: choose an encrypted disk, and wipe
it afterwards. Open files of strangers, and their words, only on a machine you can
do without. dossier writes a whole case.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		to := fs.String("to", "", "the `FOLDER` to write to")
		referred := referredFlag(fs)
		return func(args []string) error {
			if *to == "" {
				return usagef("extract: --to names the folder to write to")
			}
			type wanted struct {
				no    int
				write func(*reviewer.Desk, *reviewer.Case, int, string) (*dossier.Written, error)
			}
			var list []wanted
			for _, a := range args[1:] {
				w := wanted{write: (*reviewer.Desk).Extract}
				number, text := strings.CutPrefix(a, "text")
				if text {
					w.write = (*reviewer.Desk).ExtractText
				}
				var err error
				if w.no, err = strconv.Atoi(number); err != nil {
					return usagef("extract: %q is no file number, nor text1 for the words of message 1: show numbers both", a)
				}
				list = append(list, w)
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			c, err := v.Case(args[0])
			if errors.Is(err, reviewer.ErrReferred) || *referred > 0 {
				return d.extractReferred(v, args, *referred, *to)
			}
			if err != nil {
				return err
			}
			for _, w := range list {
				x, err := w.write(v, c, w.no, *to)
				if err != nil {
					return err
				}
				d.written(x)
			}
			return nil
		}
	},
}

// written says what lies in clear now.
func (d *desk) written(x *dossier.Written) {
	d.printf("%s  %s  (%d bytes, in clear)\n", hex.EncodeToString(x.SHA256[:]), shown(x.Path), x.Size)
}
