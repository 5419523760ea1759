package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/reviewer/window/windowtest"
)

// With --desk the demonstration ends in a window on its own vault: its report is there to be read, and
// closing the window ends everything.
func TestDesk(t *testing.T) {
	s := windowtest.Start(t, 1366, 768)
	for _, name := range []string{"postern", "postern-desk", "postern-window", "postern-demo"} {
		s.Install(filepath.Join(programs, name), name)
	}
	demo := s.Start(s.Command("postern-demo", "--desk", "--dir", filepath.Join(s.Dir, "demo")))
	for end := time.Now().Add(10 * time.Minute); !strings.Contains(demo.Said(), "opens in a window"); time.Sleep(100 * time.Millisecond) {
		if !demo.Running() || time.Now().After(end) {
			t.Fatal("the window never opened")
		}
	}
	s.Wait("heading", "Cases")
	s.Fill()
	s.Screenshot("demo-list")
	s.Key("Return") // the keyboard is at the first case
	s.Until("the report and its answer are read", func() bool { return strings.Contains(s.Page(), narrative) && strings.Contains(s.Page(), answer) })
	s.Screenshot("demo-case")
	s.Key("ctrl+q")
	if ended, err := demo.Ended(); !ended || err != nil || !strings.Contains(demo.Said(), "All of it held.") {
		t.Errorf("%v %v", ended, err)
	}
}
