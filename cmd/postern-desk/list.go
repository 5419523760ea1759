package main

import (
	"flag"
	"fmt"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/casework"
)

var cmdList = &command{
	name: "list", json: true,
	short: "list the cases",
	long: `List shows every case: its id, the days of its first and newest message, how
many messages and files it has, how many of your replies wait and were sent, and
how many of these the source has read, as far as it said so since. TO NOTE says
whether the source reports retaliation or new danger since, or withdraws;
whether a day that it was promised has passed; the stage; the first day on which
something is due; who works on it, labels and title. No words of a report are
shown. Cases that another body referred to you stand below.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			cases := v.Cases()
			if d.json {
				out := make([]caseJSON, len(cases))
				for i := range cases {
					out[i] = newCaseJSON(&cases[i])
				}
				return d.writeJSON(out)
			}
			if n := v.Strangers(); n > 0 {
				defer d.printf("%s from strangers: in no case here, or not by whom its source chose. Not shown.\n", some(n, "message is", "messages are"))
			}
			defer d.listReferrals(v)
			if len(cases) == 0 {
				d.printf("No cases yet.\n")
				return nil
			}
			d.printf("%-10s  %-10s  %-10s  %8s  %5s  %7s  %4s  %4s  %s\n", "CASE", "FIRST", "NEWEST", "MESSAGES", "FILES", "WAITING", "SENT", "READ", "TO NOTE")
			for i := range cases {
				c := &cases[i]
				row := fmt.Sprintf("%-10s  %-10s  %-10s  %8d  %5d  %7d  %4d  %4d  %s", c.Short, day(c.First), day(c.Last), worded(c), c.Files, c.Waiting, c.Sent, c.Opened,
					remarks(c, v.Clock().Today()))
				d.printf("%s\n", strings.TrimRight(row, " "))
			}
			for i := range cases {
				for _, r := range cases[i].Rivals {
					d.printf("! %s and %s CLAIM TO FOLLOW THE SAME EARLIER CODE: show says more.\n", cases[i].Short, r)
				}
			}
			return nil
		}
	},
}

// day is a dash for none.
func day(d crypto.Day) string {
	if d == 0 {
		return "-"
	}
	return d.String()
}

// worded counts the messages with words or files: neither repeats nor those that only say that the code was changed.
func worded(c *reviewer.Case) (n int) {
	for i := range c.Messages {
		if m := &c.Messages[i]; m.Kind != crypto.KindChange && m.Mark != reviewer.MarkAgain {
			n++
		}
	}
	return n
}

type caseJSON struct {
	Case     string   `json:"case"` // the whole id
	Short    string   `json:"short"`
	First    string   `json:"first"`
	Newest   string   `json:"newest"`
	Readers  []string `json:"readers"`
	Messages int      `json:"messages"`
	Files    int      `json:"files"`
	Waiting  int      `json:"waiting"`
	Sent     int      `json:"sent"`
	Opened   int      `json:"read"` // of those sent, by the source
	situationJSON

	workJSON

	CodeChanged []string `json:"code_changed,omitempty"`      // days
	Rivals      []string `json:"same_earlier_code,omitempty"` // cases
}

// workJSON is what people made of a case. It says nothing that depends on today.
type workJSON struct {
	Stage    string            `json:"own_stage"` // with this body; "stage" is what the source was told
	Title    string            `json:"title,omitempty"`
	Labels   []string          `json:"labels,omitempty"`
	Assignee string            `json:"assignee,omitempty"`
	Risk     string            `json:"risk,omitempty"`
	Priority int               `json:"priority,omitempty"` // 1 to 25
	Outcome  string            `json:"outcome,omitempty"`
	Hold     bool              `json:"hold,omitempty"`
	Class    string            `json:"retention,omitempty"`
	Channel  string            `json:"without_code,omitempty"` // how it came
	Flags    []string          `json:"flags,omitempty"`        // that are up
	Due      map[string]string `json:"due,omitempty"`          // earliest day by clock
	Erased   string            `json:"erased_before,omitempty"`
	Unsent   int               `json:"unsent_events,omitempty"`
	Breaks   []string          `json:"breaks,omitempty"` // where the record does not hold
}

func newWorkJSON(c *reviewer.Case) workJSON {
	s := c.Work
	w := workJSON{Stage: s.Stage, Title: s.Title, Labels: s.Labels, Assignee: s.Assignee, Hold: s.Hold != nil, Class: s.Class, Unsent: c.Unsent}
	if n := len(s.Risks); n > 0 {
		w.Risk = s.Risks[n-1].Level
	}
	if s.Priority != nil {
		w.Priority = s.Priority.Score()
	}
	if s.Outcome != nil {
		w.Outcome = s.Outcome.Finding
	}
	if s.Opened != nil {
		w.Channel = s.Opened.Channel
	}
	for _, f := range casework.Flags() {
		if len(c.Raised[f.ID]) > 0 {
			w.Flags = append(w.Flags, f.ID)
		}
	}
	for i := range c.Dues {
		if w.Due == nil {
			w.Due = make(map[string]string)
		}
		if d := &c.Dues[i]; w.Due[d.Clock] == "" {
			w.Due[d.Clock] = d.Day.String()
		}
	}
	if c.Erased != 0 {
		w.Erased = c.Erased.String()
	}
	for _, b := range c.Book.Breaks {
		w.Breaks = append(w.Breaks, b.String())
	}
	return w
}

func newCaseJSON(c *reviewer.Case) caseJSON {
	var changed []string
	for _, d := range c.Changed {
		changed = append(changed, d.String())
	}
	return caseJSON{
		CodeChanged: changed, Rivals: c.Rivals,
		Case: reviewer.FullID(c.ID), Short: c.Short, First: day(c.First), Newest: day(c.Last), Readers: readerIDs(c.Readers),
		Messages: worded(c), Files: c.Files, Waiting: c.Waiting, Sent: c.Sent, Opened: c.Opened,
		situationJSON: newSituationJSON(&c.Now), workJSON: newWorkJSON(c),
	}
}

// readerIDs are the ids of bodies.
func readerIDs(list []crypto.Reader) []string {
	ids := []string{}
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

var cmdVaultStatus = &command{
	name:  "vault status",
	short: "what the vault holds and what it lacks",
	long: `Status shows whose vault this is, from which month on its keys open batches, the
newest batch, which batches are missing below it, the directory in force and
when it expires, the day of the last backup, replies that wait, and what is to be
done for keys, directory and backups.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			d.status(v)
			return nil
		}
	},
}

func (d *desk) status(v *reviewer.Desk) {
	first, _ := v.Months()
	clock := v.Clock()
	d.printf("Vault of holder %s of body %s.\n", v.Holder(), v.Body())
	d.printf("Its keys open batches from %s on.\n", first)
	if clock.Batch == 0 {
		d.printf("No batch was imported yet.\n")
	} else {
		d.printf("The newest batch is of %s; this machine's clock says %s.\n", clock.Batch, clock.Machine)
	}
	d.reportMissing(v)
	if dir := v.Directory(); dir == nil {
		d.printf("No directory was accepted yet.\n")
	} else {
		d.printf("Directory version %d is in force, until %s.\n", dir.Version, dir.Expires)
	}
	if made := v.Backups(); len(made) > 0 {
		last := made[len(made)-1]
		d.printf("The last backup is of %s: %s.\n", last.Day, shown(last.Name))
	}
	for _, w := range v.Wishes() {
		d.printf("! %s\n", wish(&w))
	}
	if n := v.Strangers(); n > 0 {
		d.printf("%s kept from strangers: in no case here, or not by whom its source chose.\n", some(n, "message is", "messages are"))
	}
	waiting, events := 0, 0
	for _, c := range v.Cases() {
		waiting += c.Waiting
		events += c.Unsent
	}
	if events > 0 {
		d.printf("%s to go to other readers.\n", some(events, "event waits", "events wait"))
	}
	if waiting > 0 {
		d.printf("%s to be exported.\n", some(waiting, "reply waits", "replies wait"))
	}
}
