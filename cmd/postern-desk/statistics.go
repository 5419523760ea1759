package main

import (
	"flag"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/statistics"
)

var cmdStatistics = &command{
	name: "statistics", args: "--from MONTH --to MONTH [--merge FILE]… [--before FILE]… --out FOLDER", clock: true, json: true,
	short: "figures of a period for the public, in which nobody can be found",
	long: `Statistics counts the cases of a period, those that were erased among them, and
writes into FOLDER: the signed table (.json), a table for a spreadsheet (.csv),
and pages for the operator to publish under /about. No number under 5 is shown,
zero included, nor one from which such a number could be worked out. Name every
table that was published before with --before, or it can be subtracted. --merge
adds the rows that desks of other bodies sealed for yours with "statistics rows":
a case that several bodies read counts once.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		from, to := fs.String("from", "", "the first `MONTH`, like 2026-01"), fs.String("to", "", "the last `MONTH`, like 2026-12")
		out := fs.String("out", "", "the `FOLDER` to write to")
		var merge, before, langs list
		fs.Var(&merge, "merge", "a `FILE` of rows that another desk sealed for this one")
		fs.Var(&before, "before", "a signed table (`FILE`) that was published earlier")
		fs.Var(&langs, "language", "a `LANGUAGE` of pages, each time one: "+strings.Join(statistics.Languages(), ", ")+"; without it all")
		return func([]string) error {
			if *out == "" && !d.json {
				return usagef("statistics: --out names the folder to write to")
			}
			var months [2]statistics.Month
			for i, s := range []string{*from, *to} {
				m, err := crypto.ParseMonth(s)
				if err != nil {
					return usagef("statistics: --from and --to name the first and the last month, like 2026-01 and 2026-12")
				}
				months[i] = statistics.Month(m)
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := d.checkClock(v.Clock()); err != nil {
				return err
			}
			f, err := v.StatisticsOf(months[0], months[1], merge, before)
			if err != nil {
				return err
			}
			if d.json {
				text, err := f.Encode()
				if err == nil {
					_, err = d.stdout.Write(text)
				}
				return err
			}
			return d.publish(v, f, *out, langs)
		}
	},
}

// publish writes all that is made of a table.
func (d *desk) publish(v *reviewer.Desk, f *reviewer.Figures, dir string, langs []string) error {
	if len(langs) == 0 {
		langs = statistics.Languages()
	}
	list, err := v.Publish(f, dir, langs)
	if err != nil {
		return err
	}
	for i := range list {
		d.printf("%s\n", shown(list[i].Path))
	}
	d.printf("%d of %s are shown. Give the pages (.md) to the operator, and keep %s.json: name it with --before from now on.\n",
		len(f.Counts)-f.Withheld(), some(len(f.Counts), "number", "numbers"), f.Scope.PageName())
	for _, lang := range langs {
		if w, err := statistics.WordsIn(lang); err == nil && w.Reviewed() == "" {
			d.printf("Nobody who speaks it has read the words in %q yet: have somebody look at those pages.\n", lang)
		}
	}
	return nil
}

var cmdStatisticsRows = &command{
	name: "statistics rows", args: "--for BODY --out FILE", clock: true,
	short: "seal what you know for the body that merges several bodies' figures",
	long: `Statistics rows writes one line of ids, months and numbers of days for each case,
without a word of it, signed and sealed to the holders of BODY. Whoever merges
sees that a case of that kind exists, also where the source did not choose it as a
reader: agree with the other bodies on one that merges.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		body, out := fs.String("for", "", "the `BODY` that merges, by its id"), fs.String("out", "", "the `FILE` to write")
		return func([]string) error {
			if *body == "" || *out == "" {
				return usagef("statistics rows: name --for and --out")
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := d.checkClock(v.Clock()); err != nil {
				return err
			}
			n, err := v.SealRowsFile(*out, *body)
			if err != nil {
				return err
			}
			d.printf("%s, sealed for %s, in %s\n", some(n, "case", "cases"), shown(*body), shown(*out))
			return nil
		}
	},
}
