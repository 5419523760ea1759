package reviewer

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"unicode/utf8"

	"postern/crypto"
	"postern/intake/form"
)

// WriteCase writes a case as text for a person: every message with its words,
// hostile ones shown safely. Words of others stand behind a bar, so that they
// cannot pass for lines of the desk (SECURITY.md S-15).
func (v *Vault) WriteCase(w io.Writer, c *Case) error {
	p := &printer{w: w}
	p.line("Case %s", c.Short)
	if c.First != 0 {
		p.line("First message of the source %s, newest message %s.", c.First, c.Last)
	}
	if len(c.Readers) > 0 {
		p.line("The source chose: %s.", strings.Join(v.readerNames(c.Readers), ", "))
		if !names(c.Readers, v.keys.Body) {
			p.line("! YOUR BODY IS NOT AMONG THEM. No answer can be sealed.")
		}
	}
	for _, d := range c.Changed {
		p.line("The source changed the code on %s.", d)
	}
	for _, r := range c.Rivals {
		p.line("! CASE %s CLAIMS TO FOLLOW THE SAME EARLIER CODE. Two people had that code; one of them is not the source.", r)
		p.line("! Until you know which, answer in neither case what could harm the source.")
	}
	for _, l := range v.situationLines(&c.Now) {
		p.line("%s", l)
	}
	for i := range c.Messages {
		m := &c.Messages[i]
		if m.Kind == crypto.KindChange {
			continue // no words: the head says when the source changed the code
		}
		p.line("")
		if m.Mark == MarkAgain {
			p.line("[%d] %s: sent again on %s, unchanged.", m.No, kindWord(m.Kind), m.Day)
			continue
		}
		l, err := v.Read(c, m)
		if err != nil {
			p.line("[%d] %s, %s, %s: unreadable", m.No, kindWord(m.Kind), v.writer(m), m.Day)
			p.line("    ! Its words cannot be read from this vault: import its batch again, or restore a backup.")
			continue
		}
		v.writeLetter(p, l)
	}
	return p.err
}

func (v *Vault) writeLetter(p *printer, l *Letter) {
	p.line("[%d] %s, %s, %s", l.No, kindWord(l.Kind), v.writer(&l.Message), l.Day)
	for _, note := range v.notes(&l.Message) {
		p.line("    %s", note)
	}
	switch {
	case l.Unclear && l.Kind == crypto.KindReply:
		p.line("    ! It tells the source something this desk does not know: use a newer desk to see it.")
	case l.Unclear:
		p.line("    ! It answers questions this desk does not know: use a newer desk to see the answers.")
	}
	for _, a := range l.Told {
		q, ok := form.QuestionOf(a.ID)
		switch {
		case !ok:
			p.name("    Question ", a.ID)
			p.quote(strings.Join(a.Values, "\n"))
		case q.Kind == form.Text:
			p.line("    %s:", q.Label)
			p.quote(strings.Join(a.Values, "\n"))
		default:
			labels := make([]string, len(a.Values))
			for i, o := range a.Values {
				if labels[i] = form.Label(q.Options, o); labels[i] == "" {
					labels[i] = o
				}
			}
			p.line("    %s:", q.Label)
			p.quote(strings.Join(labels, "\n"))
		}
	}
	if l.Event != nil {
		p.line("    Stage: %s", form.Label(form.Stages(), l.Event.Stage))
		p.quote(l.Event.Note)
	}
	if l.Notice != nil {
		for _, s := range v.NoticeLines(l.Notice) {
			p.line("    %s", s)
		}
	}
	for _, c := range l.Agreed {
		p.line("    %s", v.ConsentLine(c))
	}
	p.quote(l.Words)
	for _, f := range l.Files {
		p.name(fmt.Sprintf("    File %d: ", f.No), f.Name)
		p.name(fmt.Sprintf("            %d bytes, said to be ", f.Size), f.MediaType)
		p.line("    sha256 %s", hex.EncodeToString(f.SHA256[:]))
	}
}

// writer says who wrote a message.
func (v *Vault) writer(m *Message) string {
	switch {
	case m.Source:
		return "from the source"
	case m.Own:
		return "from you"
	case m.Standing == crypto.SignerGood:
		return fmt.Sprintf("from %s (holder %s)", v.bodyName(m.Body), SafeLine(m.Holder))
	case m.Standing == crypto.SignerWithdrawn:
		return fmt.Sprintf("signed with a WITHDRAWN key of %s (holder %s)", v.bodyName(m.Body), SafeLine(m.Holder))
	}
	return "signed by NOBODY in the directory"
}

// notes are what a reader must know before the words of a message.
func (v *Vault) notes(m *Message) []string {
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
	if m.Version == 0 && len(v.state.History) > 0 {
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
	if len(m.Readers) > 0 {
		say("Read by: %s.", strings.Join(v.readerNames(m.Readers), ", "))
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

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", a...)
	}
}

// quote writes words of others, each row behind a bar.
func (p *printer) quote(words string) {
	if words == "" {
		return
	}
	for l := range strings.SplitSeq(strings.TrimRight(SafeText(words), "\n"), "\n") {
		for _, row := range fold(l, rowWidth) {
			p.line("    │ %s", row)
		}
	}
}

// name writes one line of others' words after words of the desk; what does not fit follows behind a bar.
func (p *printer) name(before, words string) {
	for i, row := range fold(SafeLine(words), rowWidth-utf8.RuneCountInString(before)) {
		if i == 0 {
			p.line("%s%s", before, row)
		} else {
			p.line("            │ %s", row)
		}
	}
}
