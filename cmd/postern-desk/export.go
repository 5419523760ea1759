package main

import (
	"flag"

	"postern/reviewer"
)

var cmdExport = &command{
	name: "export", args: "--to FOLDER [--again ID]…", json: true,
	short: "write waiting replies and events as bundles to carry back",
	long: `Export writes the replies that wait, and what other readers may know of your
casework, into FOLDER, usually the stick's, as sealed bundles that only the
server opens. Every bundle holds the same number of entries, so it does not show
how much you wrote. Hand each in on your exchange. A bundle that was lost is
written again with --again and its ID; handing one in twice changes nothing.
Destroy each file once it was handed in: whoever has it, and one day the
server's keys and the source's code, could open a reply that the source erased.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		to := fs.String("to", "", "the `FOLDER` to write to")
		var again list
		fs.Var(&again, "again", "write the bundle with this `ID` once more")
		return func(args []string) error {
			if *to == "" {
				return usagef("export: --to names the folder to write to")
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			bundles, err := export(v, *to, again)
			if err != nil {
				return err
			}
			if d.json {
				out := []bundleJSON{}
				for _, b := range bundles {
					out = append(out, bundleJSON(b))
				}
				return d.writeJSON(out)
			}
			for _, b := range bundles {
				what := some(b.Replies, "reply", "replies")
				if b.Events > 0 {
					what += " and " + some(b.Events, "message", "messages") + " to other readers"
				}
				d.printf("Bundle %s with %s is in %s\n", b.ID, what, shown(b.Path))
			}
			d.printf("Hand in each file on your exchange, and compare the id it shows. Then destroy the file.\n")
			return nil
		}
	},
}

func export(v *reviewer.Desk, to string, again []string) ([]reviewer.Bundle, error) {
	if len(again) == 0 {
		return v.Export(to)
	}
	var out []reviewer.Bundle
	for _, id := range again {
		b, err := v.ExportAgain(to, id)
		if err != nil {
			return nil, err
		}
		out = append(out, *b)
	}
	return out, nil
}

type bundleJSON struct {
	ID      string `json:"id"`
	Path    string `json:"file"`
	Replies int    `json:"replies"`
	Events  int    `json:"events"` // messages to other readers
}
