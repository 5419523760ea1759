package main

import (
	"flag"
	"fmt"
	"io"

	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
	"postern/store/durable"
)

var cmdDue = &command{
	name: "due", args: "[--ics FILE]", json: true,
	short: "what is due, and when",
	long: `Due lists what cases want, the earliest first: that a person answers, feedback,
promises, time bars, reviews, the risk to the source, retention. --ics writes a
calendar file that says on which days to look at the desk, and nothing else.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		ics := fs.String("ics", "", "write a calendar to a new `FILE`")
		return func([]string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if *ics != "" {
				calendar := v.Calendar("Look at the desk")
				if err := durable.Create(*ics, func(w io.Writer) error {
					_, err := w.Write(calendar)
					return err
				}); err != nil {
					return fmt.Errorf("writing the calendar: %w", err)
				}
				d.printf("The calendar is in %s\n", shown(*ics))
				return nil
			}
			return d.due(v)
		}
	},
}

type dueJSON struct {
	Clock string `json:"clock"`
	Day   string `json:"day"`
	When  string `json:"when"` // overdue, today, soon, later
	Case  string `json:"case,omitempty"`
	Text  string `json:"text,omitempty"`
}

func (d *desk) due(v *reviewer.Desk) error {
	names := make(map[string]string)
	for _, c := range v.Cases() {
		names[reviewer.FullID(c.ID)] = c.Short
	}
	s, today := v.Settings(), v.Clock().Today()
	list := v.Dues()
	if d.json {
		out := []dueJSON{}
		for i := range list {
			out = append(out, newDueJSON(&list[i], v))
		}
		return d.writeJSON(out)
	}
	if len(list) == 0 {
		d.printf("Nothing is due.\n")
		return nil
	}
	said := map[casework.When]string{casework.Overdue: "OVERDUE", casework.Today: "TODAY", casework.Soon: "soon", casework.Later: ""}
	p := plain.NewPrinter(d.stdout)
	for i := range list {
		x := &list[i]
		p.Name(fmt.Sprintf("%-10s  %-7s  ", names[reviewer.FullID(x.Case)], said[x.When(today, &s)]), reviewer.DueLine(x))
	}
	return p.Err()
}

func newDueJSON(x *casework.Due, v *reviewer.Desk) dueJSON {
	s := v.Settings()
	out := dueJSON{Clock: x.Clock, Day: x.Day.String(), When: x.When(v.Clock().Today(), &s).String(), Text: x.Text}
	if x.Clock != casework.ClockProcedure {
		out.Case = reviewer.FullID(x.Case)
	}
	return out
}
