package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"flag"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
)

var cmdShow = &command{
	name: "show", args: "CASE", json: true, least: 1, most: 1,
	short: "read a case",
	long: `Show prints every message of a case, oldest first. Words of others stand behind a
bar. Characters that could hide or reorder words or take over the terminal are
shown as their numbers, like ⟨U+202E⟩; what nobody sees is left out. Files are
listed with size and hash and not opened. extract writes the words in their own
bytes, to copy from. The head says what the source was told besides words, to which
further bodies it lets the case be shown, and whether it reports retaliation or new
danger, or withdraws. A case that another body referred to you is shown as it came.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		referred := referredFlag(fs)
		return func(args []string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			c, err := v.Case(args[0])
			if errors.Is(err, reviewer.ErrReferred) || *referred > 0 {
				return d.showReferral(v, args[0], *referred)
			}
			if err != nil {
				return err
			}
			d.opened(v, c)
			if d.json {
				return d.showJSON(v, c)
			}
			w := bufio.NewWriter(d.stdout)
			return errors.Join(v.WriteCase(w, c), w.Flush())
		}
	},
}

// opened records that the messages of a case were read. A vault that cannot be written, on a full
// disk perhaps, can be read all the same: somebody may be in danger.
func (d *desk) opened(v *reviewer.Desk, c *reviewer.Case) {
	var all []int
	for i := range c.Messages {
		all = append(all, c.Messages[i].No)
	}
	if err := v.LogCustody(c, dossier.ActOpen, all...); err != nil {
		d.errorf("%v: note on paper that you read case %s today", err, c.Short)
	}
}

type messageJSON struct {
	No       int                 `json:"no"`
	ID       string              `json:"id"` // the same at every desk
	Kind     string              `json:"kind"`
	Day      string              `json:"day"`
	From     string              `json:"from"` // source, you, or the body's id; empty when unknown
	Holder   string              `json:"holder,omitempty"`
	Standing string              `json:"signature"`
	Mark     string              `json:"mark,omitempty"`
	Opened   bool                `json:"read_by_source,omitempty"`
	Late     string              `json:"earlier_code,omitempty"` // written with it "after" its change, or on the "same-day"
	State    string              `json:"state,omitempty"`
	Bundle   string              `json:"bundle,omitempty"`
	Readers  []string            `json:"readers"`
	Text     string              `json:"text"`
	Answers  map[string][]string `json:"answers,omitempty"`
	Files    []fileJSON          `json:"files"`
	Lost     bool                `json:"unreadable,omitempty"` // its words are lost from this vault
	Notice   *noticeJSON         `json:"notice,omitempty"`
	Consents []consentJSON       `json:"consents,omitempty"`
}

// eventJSON is one event of the case's record.
type eventJSON struct {
	Event  string            `json:"event"` // its name: 16 digits
	Day    string            `json:"day"`
	By     string            `json:"by"`  // body/holder
	For    string            `json:"for"` // all, body or desk
	Number uint32            `json:"number"`
	Kind   string            `json:"kind"`
	Fields map[string]string `json:"fields,omitempty"`
	Void   string            `json:"does_not_count,omitempty"` // why
}

func newLogJSON(c *reviewer.Case) []eventJSON {
	out := []eventJSON{}
	for i := range c.Book.Log {
		e := &c.Book.Log[i]
		x := eventJSON{Event: string(e.Hash.Ref()), Day: e.Day.String(), By: e.Author.Name(), For: e.Scope.String(), Number: e.Number, Kind: e.Kind}
		for _, f := range e.Fields {
			if x.Fields == nil {
				x.Fields = make(map[string]string)
			}
			x.Fields[f.Name] = f.Value
		}
		if e.Err != nil {
			x.Void = e.Err.Error()
		}
		out = append(out, x)
	}
	return out
}

type fileJSON struct {
	No        int    `json:"no"`
	Name      string `json:"name"`
	SafeName  string `json:"safe_name"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
}

func newFileJSON(f reviewer.File) fileJSON {
	return fileJSON{f.No, f.Name, plain.SafeName(f.Name), f.MediaType, f.Size, hex.EncodeToString(f.SHA256[:])}
}

func (d *desk) showJSON(v *reviewer.Desk, c *reviewer.Case) error {
	out := struct {
		caseJSON
		List []messageJSON `json:"list"`
		Log  []eventJSON   `json:"log"`
	}{caseJSON: newCaseJSON(c), List: []messageJSON{}, Log: newLogJSON(c)}
	for i := range c.Messages {
		l, err := v.Read(c, &c.Messages[i])
		if err != nil {
			l = &reviewer.Letter{Message: c.Messages[i]}
		}
		m := newMessageJSON(l)
		m.Lost = err != nil
		out.List = append(out.List, m)
	}
	return d.writeJSON(out)
}

func newMessageJSON(l *reviewer.Letter) messageJSON {
	m := messageJSON{
		No: l.No, ID: l.ID, Kind: reviewer.KindName(l.Kind), Day: l.Day.String(), Holder: l.Holder,
		Standing: standing(&l.Message), Mark: l.Mark, Opened: l.Opened, Late: l.Late, State: l.State, Bundle: l.Bundle,
		Readers: readerIDs(l.Readers), Text: l.Words, Files: []fileJSON{},
		Notice: newNoticeJSON(l.Notice), Consents: newConsentsJSON(l.Agreed),
	}
	switch {
	case l.Own:
		m.From = "you"
	case l.Source:
		m.From = "source"
	default:
		m.From = l.Body
	}
	for _, a := range l.Told {
		if m.Answers == nil {
			m.Answers = make(map[string][]string)
		}
		m.Answers[a.ID] = a.Values
	}
	for _, f := range l.Files {
		m.Files = append(m.Files, newFileJSON(f))
	}
	return m
}

// standing says in one word what a message's signature is worth.
func standing(m *reviewer.Message) string {
	switch {
	case m.Source, m.Own, m.Standing == crypto.SignerGood:
		return "good"
	case m.Standing == crypto.SignerWithdrawn:
		return "withdrawn"
	}
	return "unknown"
}
