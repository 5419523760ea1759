package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
)

var cmdRefer = &command{
	name: "refer", args: "CASE --to BODY --messages N,N… --out FILE", json: true, yes: true, clock: true, least: 1, most: 1,
	short: "show part of a case to another body, if its source agreed",
	long: `Refer writes the messages you name to one file that only the holders of that
body can open, signed with your key and with the source's yes in it. Without that
yes, as the source's last word about that body as it is now, it refuses. --files
names files that go along; --masks names a file that says what is masked, a line
each: text Depot 7, lines 3 5-8, message 2. A masked text is nowhere in what goes.
It shows what the other body will read, and asks. Then a short answer tells the
source that its case was referred, with your own words if --text names them:
export it.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		to := fs.String("to", "", "the `BODY` that the source agreed to, by its id in the directory")
		messages := fs.String("messages", "", "their `NUMBERS` as show gives them, like 1,3")
		files := fs.String("files", "", "`NUMBERS` of files that go along, like 2,5")
		masks := fs.String("masks", "", "a `FILE` with what is masked")
		text := fs.String("text", "", "the `FILE` with words for the source; - is standard input")
		out := fs.String("out", "", "the new `FILE` to write; its name is seen by whoever finds it")
		return func(args []string) error {
			if *to == "" || *out == "" || *messages == "" {
				return usagef("refer: --to names the body, --messages the messages, --out the file to write")
			}
			s, err := selection(*messages, *files, *masks)
			if err != nil {
				return err
			}
			draft, err := d.draft(*text, nil)
			if err != nil {
				return err
			}
			v, c, err := d.openCase(args[0])
			if err != nil {
				return err
			}
			defer v.Close()
			return d.refer(v, c, *to, *s, draft.Text, *out)
		}
	},
}

func (d *desk) refer(v *reviewer.Desk, c *reviewer.Case, to string, s reviewer.Selection, words, out string) error {
	today := v.Clock().Today()
	r, err := v.PlanReferral(c, to, s, today)
	if err != nil {
		return err
	}
	// Whoever cannot tell the source should know before the case is gone.
	reply, noReply := v.PlanReply(c, today)
	w := d.stdout
	if d.json {
		w = d.stderr // what goes is always shown; JSON goes alone to standard output
	}
	say := func(format string, a ...any) { _, _ = fmt.Fprintf(w, format, a...) }
	say("%s\n", v.ConsentLine(r.Consent))
	if c.Now.Withdrawn != 0 {
		say("! THE SOURCE WITHDRAWS THE REPORT (%s). Think before you show it to anybody.\n", c.Now.Withdrawn)
	}
	say("%s will read this and nothing else:\n", v.ReaderName(r.To))
	if err := v.WriteParts(w, r.Parts); err != nil {
		return err
	}
	say("\n")
	if noReply != nil {
		say("! The source cannot be told: %s.\n", noReply)
	}
	if err := d.confirm("Read it to the end. Refer it?"); err != nil {
		return err
	}
	if err := v.Refer(r, out); err != nil {
		return err
	}
	no := 0
	if noReply == nil {
		if no, err = v.TellReferred(reply, words); err != nil {
			return err
		}
	}
	if d.json {
		files := 0
		for _, x := range r.Parts {
			files += len(x.Files)
		}
		return d.writeJSON(struct {
			File     string `json:"file"`
			Case     string `json:"case"`
			Body     string `json:"body"`
			Messages int    `json:"messages"`
			Files    int    `json:"files"`
			Notice   int    `json:"notice_message"` // that tells the source; 0: it could not be told
		}{out, reviewer.FullID(c.ID), r.To.ID, len(r.Parts), files, no})
	}
	d.printf("It is in %s, for %s alone. There: postern-desk takeover FILE --receipt RECEIPT. Take the receipt in here.\n", shown(out), v.ReaderName(r.To))
	if no > 0 {
		d.printf("Message %d tells the source that its case was referred, and waits. Next: postern-desk export --to FOLDER\n", no)
	}
	return nil
}

// selection reads what goes.
func selection(messages, files, masks string) (*reviewer.Selection, error) {
	s := &reviewer.Selection{Masks: dossier.NewMasks()}
	if masks != "" {
		text, err := readCarried(masks)
		if err != nil {
			return nil, fmt.Errorf("reading the masks: %w", err)
		}
		if s.Masks, err = dossier.ParseMasks(text); err != nil {
			return nil, err
		}
	}
	var err error
	if s.Messages, err = numbers(messages); err != nil {
		return nil, err
	}
	if files == "" {
		return s, nil
	}
	list, err := numbers(files)
	for _, no := range list {
		err = errors.Join(err, s.Masks.Include(no))
	}
	return s, err
}

// numbers reads a list like 1,3.
func numbers(s string) (list []int, err error) {
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 {
			return nil, usagef("refer: %q is no list of numbers like 1,3", s)
		}
		list = append(list, n)
	}
	return list, nil
}

func referredFlag(fs *flag.FlagSet) *int {
	return fs.Int("referred", 0, "of a case that was referred to you, the `NUMBER` of the referral as list gives it, where there are several or the source chose you since")
}

// pickReferral finds one of the referrals of a case.
func pickReferral(v *reviewer.Desk, name string, n int) (*reviewer.Referred, error) {
	list := v.FindReferrals(name)
	if n == 0 && len(list) == 1 {
		n = 1
	}
	switch {
	case len(list) == 0:
		return nil, errors.New("nothing was referred to you of this case: list shows what was")
	case n < 1 || n > len(list):
		return nil, fmt.Errorf("%s of this case: --referred 1 to %d says which, the newest first", some(len(list), "referral is here", "referrals are here"), len(list))
	}
	return &list[n-1], nil
}

// listReferrals lists what was referred to this body.
func (d *desk) listReferrals(v *reviewer.Desk) {
	list := v.Referrals()
	if d.json || len(list) == 0 {
		return
	}
	d.printf("\nREFERRED TO YOU\n%-10s  %-10s  %8s  %5s  %s\n", "CASE", "TAKEN IN", "MESSAGES", "FILES", "FROM")
	for i := range list {
		r := &list[i]
		note := ""
		if r.Masked {
			note = "; parts masked or left out"
		}
		if r.Joined != "" {
			note += "; its source has chosen you since: case " + r.Joined
		}
		d.printf("%-10s  %-10s  %8d  %5d  %s%s\n", r.Short, r.Taken, r.Messages, r.Files, plain.SafeLine(r.Body+"/"+r.Holder), note)
	}
}

func (d *desk) showReferral(v *reviewer.Desk, name string, n int) error {
	r, err := pickReferral(v, name, n)
	if err != nil {
		return err
	}
	if !d.json {
		return v.WriteReferral(d.stdout, r)
	}
	list, err := v.ReadReferral(r)
	if err != nil {
		return err
	}
	return d.writeJSON(newReferralJSON(r, list))
}

type referralJSON struct {
	Case   string     `json:"case"`
	Body   string     `json:"referred_by"`
	Holder string     `json:"holder"`
	Day    string     `json:"day"`
	Taken  string     `json:"taken_in"`
	Agreed string     `json:"source_agreed"`
	Joined string     `json:"own_case,omitempty"`
	Good   bool       `json:"key_stands"`
	Masked bool       `json:"masked"`
	List   []partJSON `json:"list"`
}

type partJSON struct {
	No      int                 `json:"no"`
	Kind    string              `json:"kind"`
	Day     string              `json:"day"`
	From    string              `json:"from"`
	Masked  bool                `json:"masked"`
	Text    string              `json:"text"`
	Answers map[string][]string `json:"answers,omitempty"`
	Files   []fileJSON          `json:"files"`
}

func newReferralJSON(r *reviewer.Referred, list []reviewer.Part) referralJSON {
	out := referralJSON{
		Case: reviewer.FullID(r.Case), Body: r.Body, Holder: r.Holder, Day: r.Day.String(), Taken: r.Taken.String(), Agreed: r.Agreed.String(),
		Joined: r.Joined, Good: r.Standing == crypto.SignerGood, Masked: r.Masked, List: []partJSON{},
	}
	for _, x := range list {
		e := partJSON{No: x.No, Kind: reviewer.KindName(x.Kind), Day: x.Day.String(), From: x.From, Masked: x.Masked, Text: x.Words, Files: []fileJSON{}}
		if x.From == "" {
			e.From = "source"
		}
		for _, a := range x.Told {
			if e.Answers == nil {
				e.Answers = make(map[string][]string)
			}
			e.Answers[a.ID] = a.Values
		}
		for _, f := range x.Files {
			e.Files = append(e.Files, newFileJSON(f))
		}
		out.List = append(out.List, e)
	}
	return out
}

func (d *desk) extractReferred(v *reviewer.Desk, args []string, n int, to string) error {
	r, err := pickReferral(v, args[0], n)
	if err != nil {
		return err
	}
	for _, a := range args[1:] {
		no, err := strconv.Atoi(a)
		if err != nil {
			return errors.New("of a case that was referred to you, files are extracted by their numbers; show gives them")
		}
		x, err := v.ExtractReferred(r, no, to)
		if err != nil {
			return err
		}
		d.written(x)
	}
	return nil
}

func (d *desk) eraseReferral(v *reviewer.Desk, name string, n int, pass []byte) error {
	r, err := pickReferral(v, name, n)
	if err != nil {
		return err
	}
	if err := d.confirm(fmt.Sprintf("Erase what %s referred to you of case %s, for ever?", plain.SafeLine(r.Body), r.Short)); err != nil {
		return err
	}
	if err := v.EraseReferral(r, pass); err != nil {
		return err
	}
	d.printf("What %s referred of case %s is erased here. Files extracted before and backups are not.\n", plain.SafeLine(r.Body), r.Short)
	return nil
}

func (d *desk) reportReferral(t *reviewer.Takeover, receipt string) {
	switch {
	case t.Erased > 0:
		d.printf("From %s, written on %s: it was erased here, and stays erased; --again takes it back.\n", t.By(), t.Day)
		return
	case t.New == 0:
		d.printf("From %s, written on %s: it is here already, as case %s.\n", t.By(), t.Day, t.Referred.Short)
	default:
		d.printf("From %s, written on %s: case %s, referred to you, %s and %s. The source's signed yes is in it.\n", t.By(), t.Day, t.Referred.Short,
			some(t.Referred.Messages, "message", "messages"), some(t.Referred.Files, "file", "files"))
	}
	if receipt == "" {
		d.printf("takeover with --receipt FILE writes a receipt for who referred it.\n")
		return
	}
	d.printf("The receipt is in %s, for %s.\n", shown(receipt), plain.SafeLine(t.Body))
}
