package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/reviewer/reviewertest"
	"postern/reviewer/window/windowtest"
	"postern/web/browsertest"
)

// mostKeys is how many keys the daily round may take besides the passphrase and the answer's own words.
const mostKeys = 80

// hand is a person at the keyboard who counts what they press.
type hand struct {
	*office
	pressed int
	shots   string // folder and beginning of the names of screenshots
}

// press presses keys; a chord counts as many as it holds.
func (h *hand) press(chords ...string) {
	h.Helper()
	for _, c := range chords {
		h.pressed += 1 + strings.Count(c, "+")
	}
	h.Key(chords...)
}

// tabTo presses Tab until the keyboard is at a node.
func (h *hand) tabTo(role, name string) *windowtest.Node {
	h.Helper()
	h.Wait(role, name)
	for range 60 {
		at := h.Focus()
		if at != nil && at.Role == role && at.Name == name {
			return at
		}
		h.press("Tab")
		h.Until("Tab goes on", func() bool { // past the last of a page to its beginning
			now := h.Focus()
			return now != nil && !now.Same(at) || now == nil && at != nil
		})
	}
	h.Fatalf("the keyboard does not come to %s %q", role, name)
	return nil
}

// choose presses Down in a closed list of choices, which has the keyboard and is at its first, until it
// comes to the one whose name ends so.
func (h *hand) choose(list, end string) {
	h.Helper()
	i := 0
	for _, n := range h.Wait("combo box", list).All() {
		if n.Role != "menu item" {
			continue
		}
		if strings.HasSuffix(n.Name, end) {
			for range i {
				h.press("Down")
			}
			return
		}
		i++
	}
	h.Fatalf("%s has no choice that ends with %q", list, end)
}

// says waits until the page says a text, however it is broken into lines.
func (h *hand) says(texts ...string) {
	h.Helper()
	for _, text := range texts {
		h.Until("the page says "+text, func() bool { return strings.Contains(flat(h.Page()), flat(text)) })
	}
}

func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

func (h *hand) shot(name string) { h.Helper(); h.Screenshot(h.shots + name) }

// picture is one of the README's, made anew where POSTERN_PICTURES is set (make pictures).
func (h *hand) picture(name string) {
	h.Helper()
	h.shot("picture-" + name)
	if os.Getenv("POSTERN_PICTURES") == "" || h.shots != "day-laptop/" {
		return
	}
	h.check(browsertest.WritePicture("pictures/"+name+".png", must(h.Screen())(h)))
}

// A day in the office, from the stick that comes in to the stick that goes out, in the real window, by
// keyboard alone: the urgent case first, read, one file taken out, answered in Arabic, looked at as the
// source will see it, sealed, exported. Afterwards the disk holds nothing of it, and the source reads
// what was written, to the letter.
func TestDay(t *testing.T) {
	for _, look := range []struct {
		name          string
		width, height int
		env           map[string]string
	}{
		{"laptop", 1366, 768, nil},
		{"4k-dark", 3840, 2160, map[string]string{"GDK_SCALE": "2", "GTK_THEME": "Adwaita:dark"}},
		{"large-text", 1366, 768, map[string]string{"GDK_DPI_SCALE": "1.5"}},
	} {
		t.Run(look.name, func(t *testing.T) {
			s := windowtest.Start(t, look.width, look.height)
			for name, value := range look.env {
				s.Set(name, value)
			}
			s.Build("postern/cmd/postern-desk", "postern/cmd/postern-window")
			workday(&hand{office: newOffice(s, 0), shots: "day-" + look.name + "/"})
		})
	}
}

func workday(h *hand) {
	began := time.Now()
	desk := h.Start(h.Trace(h.WithSticks(h.Command("postern-desk"))))
	h.WaitFocus("password text", "Passphrase of the vault")
	h.Fill()
	h.shot("1-passphrase")
	h.Type(windowPass)
	h.press("Return")
	h.Wait("heading", "Cases")
	h.Fill()
	h.says("6 cases of 6")
	h.shot("2-list")

	h.press("i")
	h.WaitFocus("push button", "Import from /media/office/POSTERN")
	h.shot("3-import")
	h.press("Return")
	h.WaitFocus("link", "Read the most urgent")
	h.shot("4-imported")
	h.press("c")
	h.says("8 cases of 8")
	h.picture("list")
	h.press("Return")
	h.says("SOMEONE IS IN DANGER", urgentReport)
	h.shot("5-case")
	h.picture("case")
	h.press("space")
	h.shot("6-case-below")

	h.press("f")
	h.tabTo("combo box", "Take out")
	h.choose("Take out", "night-shift.pdf")
	h.tabTo("push button", "Write it in clear")
	h.shot("7-files")
	h.press("Return")
	h.says("1 file was written to /media/office/POSTERN, in clear.")
	h.shot("8-taken-out")

	h.press("a")
	h.WaitFocus("entry", "Your answer")
	h.Type(urgentAnswer)
	h.Key("ctrl+a", "ctrl+x", "ctrl+v") // as somebody does who writes elsewhere
	written := func() string { return h.Focus().Text() }
	h.Until("the answer is typed", func() bool { return len(written()) >= len(urgentAnswer) })
	if got := written(); got != urgentAnswer {
		h.Errorf("typed and pasted, the answer is\n%q, not\n%q", got, urgentAnswer)
	}
	h.shot("9-answer")
	h.press("alt+p")
	h.WaitFocus("push button", "Seal this answer")
	h.says(urgentAnswer)
	h.shot("10-preview")
	h.picture("preview")
	h.press("Return")
	h.says("The answer is sealed")
	h.shot("11-sealed")
	h.press("x")
	h.WaitFocus("push button", "Export to /media/office/POSTERN")
	h.shot("12-export")
	h.press("Return")
	h.says("A bundle with 1 answer")
	h.shot("13-exported")
	h.press("ctrl+q")
	if ended, err := desk.Ended(); !ended || err != nil {
		h.Fatalf("%v %v\n%s", ended, err, desk.Said())
	}
	h.Logf("%d keys besides the passphrase and the answer's own words", h.pressed)
	if h.pressed >= mostKeys {
		h.Errorf("the day takes %d keys", h.pressed)
	}
	h.outside()
	h.OnlyUnixSockets()
	h.NothingLeft(began, map[string]string{
		"the report": urgentReport[:60], "the answer": urgentAnswer[:40], "the passphrase": windowPass[6:], "the file": strings.TrimSpace(nightShift),
		"an earlier case": "boots were paid for twice", "its title": "Boots paid for twice", "an earlier answer": "We have opened an inquiry",
	}, h.stick, "home/.postern-desk/")
}

// The rest of a day: a word is looked for over all cases, the case that holds it gets a note and its
// first stage, the list of what is due and the figures of the year are looked at, and a whole case is
// written for a court, all by keyboard.
func TestAfternoon(t *testing.T) {
	s := windowtest.Start(t, 1366, 768)
	s.Build("postern/cmd/postern-desk", "postern/cmd/postern-window")
	h := &hand{office: newOffice(s, 0), shots: "afternoon/"}
	pass := filepath.Join(s.Mkdir("safe"), "pass")
	h.check(os.WriteFile(pass, []byte(windowPass+"\n"), 0o600))
	s.Own(pass)
	desk := h.Start(h.WithSticks(h.Command("postern-desk", "--passphrase-file", pass)))
	h.Wait("heading", "Cases")
	h.Fill()

	h.press("slash")
	h.WaitFocus("entry", "Find")
	h.Type("DIESEL lorry")
	h.press("Return")
	h.says("Found in 1 case.", "diesel leave the depot on a private lorry")
	h.shot("1-found")
	h.Until("the keyboard is at the case", func() bool { at := h.Focus(); return at != nil && at.Role == "link" })
	h.press("Return")
	h.says("Every Friday about 300 litres of diesel")

	h.press("m")
	h.WaitFocus("entry", "Text")
	h.Type("Ask for the gate book of gate 2 by name.")
	h.shot("2-note")
	h.tabTo("push button", "Put it on record")
	h.press("Return")
	h.says("On record", "Ask for the gate book of gate 2 by name.")
	h.shot("3-noted")

	h.press("s")
	h.says("To: Acknowledged")
	h.Until("the keyboard is at a stage", func() bool { at := h.Focus(); return at != nil && at.Role != "document web" })
	h.press("Return")
	h.tabTo("push button", "To: Acknowledged")
	h.shot("4-stage")
	h.press("Return")
	h.says("On record")
	h.shot("5-acknowledged")

	h.press("d")
	h.Wait("heading", "Due")
	h.says("Boots paid for twice")
	h.shot("6-due")
	h.press("u")
	h.WaitFocus("entry", "First month")
	h.tabTo("push button", "Count")
	h.press("Return")
	h.Wait("push button", "Write all of it")
	h.shot("7-figures")

	h.press("slash")
	h.Until("the keyboard is where one searches", func() bool { at := h.Focus(); return at != nil && at.Role == "entry" })
	h.press("ctrl+a", "BackSpace", "Return") // what was looked for still stands there
	h.says("6 cases of 6")
	h.Until("the keyboard is at a case", func() bool { at := h.Focus(); return at != nil && at.Role == "link" })
	h.press("Return")
	h.says("The report")
	h.press("e")
	h.tabTo("push button", "Write the evidence")
	h.shot("8-dossier")
	h.press("Return")
	h.Until("the dossier is written", func() bool {
		list, _ := filepath.Glob(filepath.Join(h.stick, "case-*", "SHA256SUMS"))
		return len(list) == 1
	})
	h.says("/media/office/POSTERN/case-")
	h.shot("9-written")
	h.press("ctrl+q")
	if ended, err := desk.Ended(); !ended || err != nil {
		t.Errorf("%v %v\n%s", ended, err, desk.Said())
	}
	h.Logf("%d keys besides words", h.pressed)
	dossier := must(filepath.Glob(filepath.Join(h.stick, "case-*")))(t)
	sums := s.Command("sha256sum", "-c", "--quiet", "SHA256SUMS")
	sums.Dir = dossier[0]
	if out, err := sums.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	s.Run("postern-desk", "verify", dossier[0])
}

// outside looks at what the day left on the stick, and with the source.
func (o *office) outside() {
	o.Helper()
	b := must(os.ReadFile(filepath.Join(o.stick, "night-shift.pdf")))(o)
	if string(b) != nightShift {
		o.Errorf("the file that was taken out holds %q", b)
	}
	bundles := must(filepath.Glob(filepath.Join(o.stick, "postern-bundle-*.age")))(o)
	if len(bundles) != 1 {
		o.Fatalf("on the stick are the bundles %q", bundles)
	}
	if got := o.received(o.urgent, bundles[0]); got != urgentAnswer {
		o.Errorf("the source reads\n%q, not\n%q", got, urgentAnswer)
	}
}

// received is what a source reads in a bundle.
func (o *office) received(s *reviewertest.Source, bundle string) (text string) {
	o.Helper()
	for _, e := range o.bundle(bundle) {
		m, _, err := s.Receive(e)
		o.check(err)
		if m != nil {
			text += m.Text
		}
	}
	return text
}
