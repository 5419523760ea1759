package main

import (
	"os"
	"path/filepath"
	"regexp"
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
		h.Until("Tab goes on", func() bool { now := h.Focus(); return now != nil && !now.Same(at) })
	}
	h.Fatalf("the keyboard does not come to %s %q", role, name)
	return nil
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
	number := regexp.MustCompile(`(\d): night-shift\.pdf`).FindStringSubmatch(h.Page())
	if number == nil {
		h.Fatal("no file of that name can be taken out")
	}
	for range number[1][0] - '0' { // above it stands the whole case
		h.press("Down")
	}
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
