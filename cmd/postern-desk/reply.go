package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
)

var cmdReply = &command{
	name: "reply", args: "CASE [--text FILE|-] [--file FILE]… [--stage STAGE] [--by DAY] [--ask BODY]", json: true, yes: true, clock: true, least: 1, most: 1,
	short: "answer the source",
	long: `Reply seals an answer to the source and to the bodies the source chose, signs it
with your key, and keeps it in the vault until export. It shows who will read it
and asks first. Files keep their name but not their folder; what a program wrote
inside them (author, place, time) goes along: clean them before.

Besides words a reply can tell the source how far the case is (--stage), promise
that it hears more by a day (--by 2026-12-31, or --by +30), and ask whether the
case may be shown to one more body (--ask). Each of them can also stand alone.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		text := fs.String("text", "", "the `FILE` with the answer's text; - is standard input")
		var tell noticeFlags
		tell.define(fs)
		var files list
		fs.Var(&files, "file", "a `FILE` to send along, once for each")
		return func(args []string) error {
			if *text == "" && len(files) == 0 && !tell.given() {
				return usagef("reply: --text names the file with the answer, - is standard input; --stage, --by and --ask can also stand alone")
			}
			if _, err := tell.notice(0); err != nil { // before anybody types a passphrase
				return err
			}
			draft, err := d.draft(*text, files)
			if err != nil {
				return err
			}
			v, c, err := d.openCase(args[0])
			if err != nil {
				return err
			}
			defer v.Close()
			today := v.Clock().Today()
			plan, err := v.PlanReply(c, today)
			if err != nil {
				return err
			}
			if draft.Notice, err = tell.notice(today); err != nil {
				return err
			}
			if err := v.CheckNotice(plan, draft.Notice); err != nil {
				return fmt.Errorf("reply: %w", err)
			}
			out := d.stdout
			if d.json {
				out = d.stderr // who will read it is always shown; JSON goes alone to standard output
			}
			showPlan(out, v, plan)
			showNotice(out, v, plan, draft.Notice)
			if err := d.confirm("Seal this reply?"); err != nil {
				return err
			}
			no, err := v.Reply(plan, *draft)
			if err != nil {
				return err
			}
			if d.json {
				return d.writeJSON(struct {
					Case    string      `json:"case"`
					Message int         `json:"message"`
					Readers []string    `json:"readers"`
					Unable  []string    `json:"unable"`
					Narrow  bool        `json:"narrowed"`
					Notice  *noticeJSON `json:"notice,omitempty"`
				}{reviewer.FullID(c.ID), no, readerIDs(plan.Bodies), readerIDs(plan.Unable), plan.Narrowed, newNoticeJSON(draft.Notice)})
			}
			d.printf("The reply is message %d of case %s and waits. Next: postern-desk export --to FOLDER\n", no, c.Short)
			return nil
		}
	},
}

func showPlan(w io.Writer, v *reviewer.Desk, p *reviewer.Plan) {
	say := func(format string, a ...any) { _, _ = fmt.Fprintf(w, format, a...) }
	names := make([]string, len(p.Bodies))
	for i, b := range p.Bodies {
		names[i] = v.ReaderName(b)
	}
	say("This reply will be read by the source and by: %s.\n", strings.Join(names, ", "))
	for _, b := range p.Unable {
		say("The source also chose %s, which cannot read it: it is another body by now, or has no key for this month.\n", v.ReaderName(b))
	}
	if p.Narrowed {
		say("The source erased everything and wrote again on one day: only bodies that both choices name will read it.\n")
	}
}

func (d *desk) draft(text string, files []string) (*reviewer.Draft, error) {
	var draft reviewer.Draft
	switch text {
	case "":
	case "-":
		if d.passFile == "-" {
			return nil, usagef("passphrase and text cannot both come from standard input")
		}
		var err error
		if draft.Text, err = readText(d.stdin); err != nil {
			return nil, err
		}
	default:
		f, err := os.Open(text) //nolint:gosec // named by the holder
		if err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		defer func() { _ = f.Close() }()
		if draft.Text, err = readText(f); err != nil {
			return nil, err
		}
	}
	for _, name := range files {
		st, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("attaching a file: %w", err)
		}
		if !st.Mode().IsRegular() {
			return nil, fmt.Errorf("attaching a file: %s is not a file", name)
		}
		draft.Files = append(draft.Files, reviewer.Attachment{
			Name: reviewer.AttachmentName(name),
			Open: func() (io.ReadCloser, error) { return os.Open(name) }, //nolint:gosec // named by the holder
		})
	}
	return &draft, nil
}

// maxTextFile bounds the file of an answer. What is longer is refused, never cut.
const maxTextFile = 1 << 20

// otherFormats begin like this and are no plain text.
var otherFormats = []struct{ begins, what string }{
	{"{\\rtf", "RTF, which holds more than its words"},
	{"PK\x03\x04", "a document of an office program, or an archive"},
	{"\xd0\xcf\x11\xe0", "a document of an office program"},
	{"%PDF", "a PDF"},
	{"<!doctype", "a web page"},
	{"<html", "a web page"},
}

// readText reads an answer: plain text, in UTF-8, clean.
func readText(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxTextFile+1))
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	for _, f := range otherFormats {
		if begins := b[:min(len(b), len(f.begins))]; strings.EqualFold(string(begins), f.begins) {
			return "", fmt.Errorf("reading the answer: the file is %s: save the words as plain text (UTF-8), or send the file along with --file", f.what)
		}
	}
	switch text := form.Clean(string(b)); {
	case len(b) > maxTextFile:
		return "", fmt.Errorf("reading the answer: the file is larger than %d bytes, and a reply's text holds %d: send it along with --file", maxTextFile, crypto.MaxText)
	case !utf8.Valid(b):
		return "", errors.New("reading the answer: the text is not UTF-8: save it as UTF-8")
	case text == "":
		return "", errors.New("reading the answer: there are no words in it")
	case len(text) > crypto.MaxText:
		return "", fmt.Errorf("reading the answer: the text has %d bytes (a letter takes one to four), a reply holds %d: shorten it, or send the rest as a second reply", len(text), crypto.MaxText)
	default:
		return text, nil
	}
}
