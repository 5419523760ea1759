package reviewer

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"postern/crypto"
	"postern/reviewer/plain"
)

// WriteCase writes a case as text for a person: every message with its words,
// hostile ones shown safely. Words of others stand behind a bar, so that they
// cannot pass for lines of the desk (SECURITY.md S-15).
func (desk *Desk) WriteCase(w io.Writer, c *Case) error {
	p := plain.NewPrinter(w)
	p.Line("Case %s", c.Short)
	if c.First != 0 {
		p.Line("First message of the source %s, newest message %s.", c.First, c.Last)
	}
	if len(c.Readers) > 0 {
		p.Line("The source chose: %s.", strings.Join(desk.readerNames(c.Readers), ", "))
		if !names(c.Readers, desk.keys.Body) {
			p.Line("! YOUR BODY IS NOT AMONG THEM. No answer can be sealed.")
		}
	}
	for _, d := range c.Changed {
		p.Line("The source changed the code on %s.", d)
	}
	for _, r := range c.Rivals {
		p.Line("! CASE %s CLAIMS TO FOLLOW THE SAME EARLIER CODE. Two people had that code; one of them is not the source.", r)
		p.Line("! Until you know which, answer in neither case what could harm the source.")
	}
	for _, l := range desk.situationLines(c) {
		p.Line("%s", l)
	}
	for _, r := range desk.ReferredTo(c) {
		p.Line("%s", desk.ReferredLine(r))
	}
	for _, r := range desk.ReferredFrom(c) {
		p.Line("It was also referred to you by %s on %s; what came then stands apart.", desk.bodyName(r.Body), r.Day)
	}
	desk.workLines(p, c)
	for i := range c.Messages {
		m := &c.Messages[i]
		if m.Kind == crypto.KindChange {
			continue // no words: the head says when the source changed the code
		}
		if m.Kind == crypto.KindEvent && desk.InBook(c, m) {
			continue // its events stand below, among all others
		}
		p.Line("")
		if m.Mark == MarkAgain {
			p.Line("[%d] %s: sent again on %s, unchanged.", m.No, kindWord(m.Kind), m.Day)
			continue
		}
		l, err := desk.Read(c, m)
		if err != nil {
			p.Line("[%d] %s, %s, %s: unreadable", m.No, kindWord(m.Kind), desk.writer(m), m.Day)
			p.Line("    ! Its words cannot be read from this vault: import its batch again, or restore a backup.")
			continue
		}
		desk.writeLetter(p, l)
	}
	desk.logLines(p, c)
	return p.Err()
}

func (desk *Desk) writeLetter(p *plain.Printer, l *Letter) {
	p.Line("[%d] %s, %s, %s", l.No, kindWord(l.Kind), desk.writer(&l.Message), l.Day)
	for _, note := range desk.notes(&l.Message) {
		p.Line("    %s", note)
	}
	switch {
	case l.Unclear && l.Kind == crypto.KindReply:
		p.Line("    ! It tells the source something this desk does not know: use a newer desk to see it.")
	case l.Unclear:
		p.Line("    ! It answers questions this desk does not know: use a newer desk to see the answers.")
	}
	writeTold(p, l.Told)
	for i := range l.Events {
		p.Line("    %s", eventWord(&l.Events[i].Event))
		writeFields(p, l.Events[i].Act)
	}
	if l.Notice != nil {
		for _, s := range desk.NoticeLines(l.Notice) {
			p.Line("    %s", s)
		}
	}
	for _, c := range l.Agreed {
		p.Line("    %s", desk.ConsentLine(c))
	}
	p.Quote(l.Words)
	writeFiles(p, l.Files)
}

func writeFiles(p *plain.Printer, files []File) {
	for _, f := range files {
		p.Name(fmt.Sprintf("    File %d: ", f.No), f.Name)
		p.Name(fmt.Sprintf("            %d bytes, said to be ", f.Size), f.MediaType)
		p.Line("    sha256 %s", hex.EncodeToString(f.SHA256[:]))
	}
}

// writer says who wrote a message.
func (desk *Desk) writer(m *Message) string {
	switch {
	case m.Source:
		return "from the source"
	case m.Own:
		return "from you"
	case m.Standing == crypto.SignerGood:
		return fmt.Sprintf("from %s (holder %s)", desk.bodyName(m.Body), plain.SafeLine(m.Holder))
	case m.Standing == crypto.SignerWithdrawn:
		return fmt.Sprintf("signed with a WITHDRAWN key of %s (holder %s)", desk.bodyName(m.Body), plain.SafeLine(m.Holder))
	}
	return "signed by NOBODY in the directory"
}

// notes are what a reader must know before the words of a message.
func (desk *Desk) notes(m *Message) []string {
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	if m.Mark == MarkChanged {
		say("! Sent again, changed: an earlier message answers the same form with other content. Both are kept.")
	}
	switch m.Late {
	case LateAfter:
		say("! WRITTEN WITH THE EARLIER CODE after the source changed it: perhaps somebody else. An answer goes to the new code only.")
	case LateSameDay:
		say("! Written with the earlier code on the day on which the source changed it. Whether before or after cannot be told.")
	}
	switch {
	case m.Source, m.Own:
	case m.Standing == crypto.SignerWithdrawn:
		say("! This key was withdrawn: the words may be somebody else's.")
	}
	if m.Version == 0 && len(desk.state.History) > 0 {
		say("It was written under a directory that this desk does not know.")
	}
	if m.Own {
		switch m.State {
		case "waiting":
			say("Waiting to be exported.")
		case "sent":
			say("Exported in bundle %s; not yet seen in a batch.", m.Bundle)
		case "released":
			say("Exported in bundle %s; the server has released it.", m.Bundle)
		}
	}
	if m.Opened {
		say("The source has read it.")
	}
	if m.Handed != "" {
		say("Handed over by holder %s; no batch here held it.", plain.SafeLine(m.Handed))
	}
	if len(m.Readers) > 0 {
		say("Read by: %s.", strings.Join(desk.readerNames(m.Readers), ", "))
	}
	return out
}

// kindWord names a kind of message.
func kindWord(k crypto.Kind) string {
	switch k {
	case crypto.KindReport:
		return "Report"
	case crypto.KindFollowUp:
		return "Further message"
	case crypto.KindFile:
		return "File"
	case crypto.KindReply:
		return "Reply"
	case crypto.KindEvent:
		return "Step of the case"
	case crypto.KindChange:
		return "Change of code"
	}
	return "Message"
}

// KindName names a kind of message in one lower-case word, for scripts.
func KindName(k crypto.Kind) string {
	switch k {
	case crypto.KindReport:
		return "report"
	case crypto.KindFollowUp:
		return "follow-up"
	case crypto.KindFile:
		return "file"
	case crypto.KindReply:
		return "reply"
	case crypto.KindEvent:
		return "event"
	case crypto.KindChange:
		return "change"
	}
	return "unknown"
}
