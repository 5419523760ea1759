package main

import (
	"flag"
	"fmt"
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
	where := "the case"
	if h.No > 0 {
		where = fmt.Sprintf("message %d", h.No)
	}
	excerpt := plain.Fold(plain.SafeLine(v.Excerpt(h, query, excerptWidth)), excerptWidth)[0]
	d.printf("%-10s  %-12s │ %s\n", h.Short, where, excerpt)
}
