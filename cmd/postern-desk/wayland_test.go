package main

import (
	"image/color"
	"strings"
	"testing"

	"postern/reviewer/window/windowtest"
)

// Under Wayland the window opens, is read by screen readers, takes keys and an Arabic text, and looks as
// the desktop's user wants windows to look, which the box keeps it from asking.
func TestWayland(t *testing.T) {
	for _, look := range []struct {
		name  string
		scale int
		says  map[string]any
		dark  bool
	}{
		{"plain", 1, nil, false},
		{"dark-large", 2, map[string]any{"org.freedesktop.appearance color-scheme": uint32(1), "org.gnome.desktop.interface text-scaling-factor": 1.25}, true},
	} {
		t.Run(look.name, func(t *testing.T) {
			s := windowtest.StartWayland(t, 1366*look.scale, 768*look.scale, look.scale)
			if look.says != nil {
				s.Portal(look.says)
			}
			s.Build("postern/cmd/postern-desk", "postern/cmd/postern-window")
			newOffice(s, 0)
			desk := s.Start(s.WithSticks(s.Command("postern-desk")))
			s.WaitFocus("password text", "Passphrase of the vault")
			answer(s, windowPass)
			s.Wait("heading", "Cases")
			s.Screenshot("wayland-" + look.name + "-list")
			m := must(s.Screen())(t)
			if c := color.GrayModel.Convert(m.At(m.Bounds().Dx()/2, m.Bounds().Dy()-20)).(color.Gray); (c.Y < 128) != look.dark { //nolint:forcetypeassert // what the model makes
				t.Errorf("below the list the window's grey is %d", c.Y)
			}
			s.Key("i")
			s.WaitFocus("push button", "Import from /media/office/POSTERN")
			s.Key("Return")
			s.WaitFocus("link", "Read the most urgent")
			s.Key("Return")
			s.Until("the urgent report is read", func() bool { return strings.Contains(flat(s.Page()), flat(urgentReport)) })
			s.Screenshot("wayland-" + look.name + "-case")
			s.Key("a")
			s.WaitFocus("entry", "Your answer")
			s.Type(urgentAnswer)
			s.Until("the answer is typed", func() bool { at := s.Focus(); return at != nil && at.Text() == urgentAnswer })
			s.Key("alt+p")
			s.WaitFocus("push button", "Seal this answer")
			s.Screenshot("wayland-" + look.name + "-preview")
			s.Key("Return")
			s.Until("it is sealed", func() bool { return strings.Contains(s.Page(), "The answer is sealed") })
			s.Key("ctrl+q")
			if ended, err := desk.Ended(); !ended || err != nil {
				t.Errorf("%v %v\n%s", ended, err, desk.Said())
			}
		})
	}
}
