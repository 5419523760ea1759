package main

import (
	"flag"
	"strings"

	"postern/reviewer"
	"postern/reviewer/plain"
)

var cmdSearch = &command{
	name: "search", args: "WORD…", json: true, least: 1, most: -1,
	short: "find words in all cases",
	long: `Search reads every message and shows where all the words stand: in its text, in
answers, in names of files, or in what was noted of a case. A part of a word will
do; capitals, accents, Arabic vowel signs and the script of digits make no
difference. Nothing that it reads is kept.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			query := strings.Join(args, " ")
			v.AwaitSearch()
			found := v.Search(query)
			if d.json {
				hits := []hitJSON{}
				for _, h := range found.Hits {
					hits = append(hits, hitJSON{reviewer.FullID(h.Case), h.Short, h.No})
				}
				return d.writeJSON(hits)
			}
			for i := range found.Hits {
				d.hit(v, &found.Hits[i], query)
			}
			if len(found.Hits) == 0 {
				d.printf("Nothing is found.\n")
			}
			if found.Left > 0 {
				d.printf("! %s not looked through: unreadable, or too much text.\n", some(found.Left, "message was", "messages were"))
			}
			return nil
		}
	},
}

type hitJSON struct {
	Case  string `json:"case"` // the whole id
	Short string `json:"short"`
	No    int    `json:"message,omitempty"` // none: the case itself
}

// excerptWidth is how many characters of a message are shown beside a hit.
const excerptWidth = 48

func (d *desk) hit(v *reviewer.Desk, h *reviewer.Hit, query string) {
	if h.No == 0 {
		d.printf("%-10s  the case\n", h.Short)
		return
	}
	excerpt := ""
	if c, err := v.Case(reviewer.FullID(h.Case)); err == nil && h.No <= len(c.Messages) {
		if l, err := v.Read(c, &c.Messages[h.No-1]); err == nil {
			excerpt = plain.Fold(plain.SafeLine(reviewer.Excerpt(l, query, excerptWidth)), excerptWidth)[0]
		}
	}
	d.printf("%-10s  message %-4d │ %s\n", h.Short, h.No, excerpt)
}
