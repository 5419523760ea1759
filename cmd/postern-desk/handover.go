package main

import (
	"flag"
	"strings"

	"postern/reviewer"
)

var cmdHandOver = &command{
	name: "handover", args: "CASE…|--all --to HOLDER --out FILE", json: true, yes: true, clock: true, most: -1,
	short: "give cases to a fellow holder of your body",
	long: `Handover writes cases to one file that only the holder you name can open, signed
with your key. It holds every message in the bytes in which it came, your
answers, on which day each was released, who opened and copied what, and to whom
a case was referred, but no answer that still waits: export those first. Your
copies stay here. The other desk takes the file in with takeover.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		all := fs.Bool("all", false, "every case of this vault")
		to := fs.String("to", "", "the `HOLDER` who gets them, by the id in the directory")
		out := fs.String("out", "", "the new `FILE` to write; its name is seen by whoever finds it")
		return func(args []string) error {
			switch {
			case *to == "" || *out == "":
				return usagef("handover: --to names the holder, --out the file to write")
			case *all == (len(args) > 0):
				return usagef("handover: name the cases, or all of them with --all")
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := d.checkClock(v.Clock()); err != nil {
				return err
			}
			cases, referred, err := casesOf(v, args)
			if err != nil {
				return err
			}
			h, err := v.PlanHandOver(cases, referred, *to, v.Clock().Today())
			if err != nil {
				return err
			}
			say := d.printf
			if d.json {
				say = d.errorf // JSON goes alone to standard output
			}
			if len(h.Waiting) > 0 {
				say("Answers wait in %s and are left out: export and hand them in first, then hand over again.\n", strings.Join(h.Waiting, " "))
			}
			if len(h.Lost) > 0 {
				say("Messages of %s are lost from this vault and are left out: import their batches again, or restore a backup, then hand over again.\n", strings.Join(h.Lost, " "))
			}
			if h.Referred > 0 {
				say("%s referred to your body, and along.\n", some(h.Referred, "case was", "cases were"))
			}
			what := some(h.Messages, "message", "messages")
			if h.Events > 0 {
				what += " and " + some(h.Events, "event", "events")
			}
			if h.Notes > 0 {
				say("%s of this desk along: who opened and copied what, and to whom a case was referred.\n", some(h.Notes, "note goes", "notes go"))
			}
			say("%s of %s for holder %s.\n", what, some(len(h.Cases), "case", "cases"), h.Holder)
			if err := d.confirm("Hand them over?"); err != nil {
				return err
			}
			if err := v.HandOver(h, *out); err != nil {
				return err
			}
			if d.json {
				return d.writeJSON(struct {
					File     string   `json:"file"`
					Holder   string   `json:"holder"`
					Cases    int      `json:"cases"`
					Messages int      `json:"messages"`
					Events   int      `json:"events"`
					Referred int      `json:"referred_cases"`
					Notes    int      `json:"notes"`
					Waiting  []string `json:"left_out_waiting"`
					Lost     []string `json:"left_out_lost"`
				}{*out, h.Holder, len(h.Cases), h.Messages, h.Events, h.Referred, h.Notes, listed(h.Waiting), listed(h.Lost)})
			}
			d.printf("They are in %s. On the other desk: postern-desk takeover FILE. Keep your vault until it says that all came; then destroy the file.\n", shown(*out))
			return nil
		}
	},
}

// casesOf finds cases by their names, and those that were referred to this body; without any, all.
func casesOf(v *reviewer.Desk, names []string) (list []*reviewer.Case, referred []reviewer.Referred, err error) {
	if len(names) == 0 {
		for _, c := range v.Cases() {
			list = append(list, &c)
		}
		return list, v.Referrals(), nil
	}
	for _, name := range names {
		cases, also, err := v.CasesNamed(name)
		if err != nil {
			return nil, nil, err
		}
		list, referred = append(list, cases...), append(referred, also...)
	}
	return list, referred, nil
}
