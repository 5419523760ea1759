package casework

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postern/crypto"
)

func clocks(list []Due) (out []string) {
	for _, d := range list {
		out = append(out, d.Clock+" "+d.Day.String())
	}
	return out
}

func TestDues(t *testing.T) {
	s := DefaultSettings()
	f := Facts{Received: today, Wrote: today}
	d := &diary{tb: t}
	check := func(name string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, clocks(s.Dues(testCase, f, d.book().State("ombuds")))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	// Friday 27 November: three working days are over on Wednesday.
	check("new", "acknowledge-working 2026-12-02", "acknowledge 2026-12-04", "risk 2026-12-27", "feedback 2027-02-27")
	f.Acknowledged = today + 2
	check("acknowledged", "risk 2026-12-27", "feedback 2027-02-27")
	f.Promised = today + 10
	check("promised", "promise 2026-12-07", "risk 2026-12-27", "feedback 2027-02-27")
	f.Promised = 0
	d.write(anna, today+5, Body, act(KindRisk, "level=high", "reasons=x"))
	check("assessed", "risk 2027-01-01", "feedback 2027-02-27")
	f.Alarmed = today + 6
	check("alarmed", "risk 2026-12-06", "feedback 2027-02-27")
	f.Alarmed = today + 5
	check("alarmed on the day it was assessed", "risk 2027-01-01", "feedback 2027-02-27")
	f.Alarmed = today + 6
	d.write(anna, today+7, Body, act(KindRisk, "level=critical", "reasons=x", "again=2026-12-10"))
	check("assessed again", "risk 2026-12-10", "feedback 2027-02-27")
	d.write(anna, today+7, Body, act(KindExtend, "reasons=An expert is needed."))
	check("extended", "risk 2026-12-10", "feedback 2027-05-27")
	bar := d.write(anna, today+7, Body, act(KindDate, "what=bar", "day=2026-12-01", "text=Crime"))
	rec := d.write(anna, today+7, Body, act(KindRecommend, "aim=repair", "text=x", "to=y", "due=2027-03-01"))
	check("dates", "bar 2026-12-01", "risk 2026-12-10", "recommendation 2027-03-01", "feedback 2027-05-27")
	d.write(anna, today+7, Body, act(KindStrike, "of="+string(bar), "reasons=Done."))
	d.write(anna, today+7, Body, act(KindFate, "of="+string(rec), "fate=accepted"))
	d.write(anna, today+7, Body, act(KindTold, "what=feedback", "how=By phone."))
	check("told", "risk 2026-12-10", "recommendation 2027-03-01")
	d.write(anna, today+7, Body, act(KindFate, "of="+string(rec), "fate=rejected"))
	if err := errors.Join(d.move(anna, today+8, StageWithdrawn, "reasons=x"), d.move(anna, today+8, StageClosed, usual(StageClosed)...)); err != nil {
		t.Fatal(err)
	}
	check("closed")
	d.write(anna, today+8, Body, act(KindRetain, "class=short"))
	check("retained", "erase 2027-03-05")
	f.Wrote = mustDay("2027-03-01")
	check("the source wrote", "erase 2027-04-01")
	f.Alarmed = f.Wrote
	check("of danger", "risk 2027-03-04", "erase 2027-04-01")
	d.write(anna, today+8, Body, act(KindHold, "on=yes", "reasons=The court asks."))
	check("held", "risk 2027-03-04")

	none := Settings{Classes: s.Classes}
	if got := none.Dues(testCase, Facts{Received: today}, newState("x")); len(got) != 0 {
		t.Errorf("no clocks: %v", clocks(got))
	}
	if got := s.Dues(testCase, Facts{}, newState("x")); len(got) != 0 {
		t.Errorf("nothing received: %v", clocks(got))
	}
	phone := &diary{tb: t}
	phone.write(anna, today, Desk, act(KindOpened, "channel=phone", "received=2026-11-26"))
	if got := clocks(s.Dues(testCase, Facts{}, phone.book().State("ombuds"))); len(got) != 4 || got[0] != "acknowledge-working 2026-12-01" {
		t.Errorf("by phone: %v", got)
	}
	s.Reviewed = "2024-02-29"
	if p, ok := s.Procedure(); !ok || p.Day != mustDay("2027-02-28") {
		t.Errorf("procedure: %v", p.Day)
	}
}

func TestWhen(t *testing.T) {
	s := DefaultSettings()
	for n, want := range map[int]When{-400: Overdue, -1: Overdue, 0: Today, 1: Soon, 7: Soon, 8: Later} {
		d := Due{Day: today + crypto.Day(n)} //nolint:gosec // small
		if got := d.When(today, &s); got != want || got.String() == "" {
			t.Errorf("in %d days: %s", n, got)
		}
	}
}

func TestFlagsReturn(t *testing.T) {
	d := &diary{tb: t}
	one, two, late := Ref("1111111111111111"), Ref("2222222222222222"), Ref("0000000000000000")
	d.write(anna, today, Body, act(KindDealt, "flag=danger", "messages=1111111111111111 2222222222222222", "reasons=Police called."))
	st := d.book().State("ombuds")
	if up := st.Raised(FlagDanger, []Ref{one, two}); len(up) != 0 {
		t.Errorf("still up: %v", up)
	}
	if up := st.Raised(FlagDanger, []Ref{late, one, two}); len(up) != 1 || up[0] != late {
		t.Errorf("said again: %v", up)
	}
	if up := st.Raised(FlagRetaliation, []Ref{one}); len(up) != 1 {
		t.Errorf("another flag: %v", up)
	}
}

func TestMayErase(t *testing.T) {
	s := DefaultSettings()
	d := &diary{tb: t}
	f := Facts{Received: today, Wrote: today}
	check := func(name string, day crypto.Day, final bool, want ...error) {
		t.Helper()
		err := s.MayErase(f, d.book().State("ombuds"), day)
		for _, w := range []error{ErrOpen, ErrHeld, ErrApprove, ErrGrace, ErrKept} {
			wanted := false
			for _, x := range want {
				wanted = wanted || errors.Is(x, w)
			}
			if errors.Is(err, w) != wanted {
				t.Errorf("%s: %v", name, err)
			}
		}
		if Final(err) != final {
			t.Errorf("%s: final %v", name, Final(err))
		}
	}
	check("open", today, false, ErrOpen, ErrGrace)
	check("open, later", today+31, false, ErrOpen)
	if err := errors.Join(d.move(anna, today, StageOutOfScope, "reasons=x"), d.move(anna, today, StageClosed, usual(StageClosed)...)); err != nil {
		t.Fatal(err)
	}
	check("closed", today+31, false, ErrKept)
	d.write(anna, today, Body, act(KindRetain, "class=short"))
	check("retained", today+89, false, ErrKept)
	check("over", today+90, false)
	f.Wrote = today + 80
	check("the source wrote", today+110, false, ErrGrace)
	check("grace is over", today+111, false)
	d.write(anna, today, Body, act(KindHold, "on=yes", "reasons=x"))
	check("held", today+111, true, ErrHeld)
	d.write(anna, today, Body, act(KindHold, "on=no", "reasons=x"))
	s.TwoHolders = true
	check("nobody asked", today+111, true, ErrApprove)
	d.write(anna, today+79, Body, act(KindAskErase, "reasons=x"))
	check("the source wrote after the request", today+111, true, ErrApprove)
	ask := d.write(anna, today+81, Body, act(KindAskErase, "reasons=x"))
	check("asked", today+111, true, ErrApprove)
	d.write(ben, today+81, Body, act(KindMayErase, "of="+string(ask)))
	check("agreed", today+111, false)
	f.Wrote = today + 82
	check("the source wrote after both", today+120, true, ErrApprove)
	f.Wrote = today + 80
	d.write(anna, today+82, Body, act(KindStrike, "of="+string(ask), "reasons=Not yet."))
	check("taken back", today+111, true, ErrApprove)
}

func TestMark(t *testing.T) {
	a, b := Mark([]byte("key"), testCase), Mark([]byte("key"), crypto.CaseID{9})
	if a == b || a != Mark([]byte("key"), testCase) || a == Mark([]byte("other"), testCase) {
		t.Error("marks do not tell cases and keys apart")
	}
}

func TestCalendar(t *testing.T) {
	id := crypto.CaseID{7, 7, 7}
	dues := []Due{
		{Clock: ClockPromise, Day: today - 9, Case: id, Text: "depot"}, {Clock: ClockBar, Day: today, Case: id, Text: "torture"},
		{Clock: ClockBar, Day: today + 3, Case: id, Text: "depot"}, {Clock: ClockRisk, Day: today + 3, Case: id},
		{Clock: ClockRisk, Day: mustDay("2028-02-29"), Case: id},
	}
	got := string(Calendar(dues, today, []byte("key"), "Look at the desk"))
	for _, secret := range []string{"depot", "torture", "bar", "risk", "promise", "case", CaseText(id), "postern"} {
		if strings.Contains(strings.ToLower(got), secret) {
			t.Errorf("the calendar says %q", secret)
		}
	}
	if n := strings.Count(got, "BEGIN:VEVENT\r\n"); n != 3 || strings.Count(got, "SUMMARY:Look at the desk\r\n") != n {
		t.Errorf("%d entries\n%s", n, got)
	}
	for _, line := range []string{"DTSTART;VALUE=DATE:20261127\r\nDTEND;VALUE=DATE:20261128", "DTSTART;VALUE=DATE:20261130", "DTSTART;VALUE=DATE:20280229\r\nDTEND;VALUE=DATE:20280301", "DTSTAMP:20261127T000000Z"} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
	if again := string(Calendar(dues[4:], today+1, []byte("key"), "x")); !strings.Contains(got, again[strings.Index(again, "UID:"):strings.Index(again, "DTSTAMP")]) {
		t.Error("a day changes its UID from file to file")
	}
	if other := string(Calendar(dues, today, []byte("other"), "Look at the desk")); other == got {
		t.Error("UIDs do not depend on the key")
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringN(0, 200, 600).Filter(func(s string) bool { return utf8.ValidString(s) && !strings.ContainsAny(s, "\x00") }).Draw(t, "summary")
		b := Calendar(dues, today, nil, s)
		var open strings.Builder
		for line := range bytes.SplitSeq(bytes.TrimSuffix(b, []byte("\r\n")), []byte("\r\n")) {
			if len(line) > 75 || !utf8.Valid(line) || bytes.ContainsAny(line, "\r\n") {
				t.Fatalf("line %q", line)
			}
			if !bytes.HasPrefix(line, []byte(" ")) {
				open.WriteString("\n")
			}
			open.Write(bytes.TrimPrefix(line, []byte(" ")))
		}
		want := strings.NewReplacer("\\", "\\\\", ";", "\\;", ",", "\\,", "\r\n", "\\n", "\n", "\\n", "\r", "\\n").Replace(s)
		if !strings.Contains(open.String(), "\nSUMMARY:"+want+"\n") {
			t.Fatalf("unfolded: %q", open.String())
		}
	})
}

func TestSettings(t *testing.T) {
	s := DefaultSettings()
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeSettings(b); err != nil || !cmp.Equal(got, s) {
		t.Errorf("%v\n%s", err, cmp.Diff(s, got))
	}
	got, err := DecodeSettings([]byte(`{"weekend": ["friday"], "classes": [{"id": "all"}]}`))
	if err != nil || len(got.Weekend) != 1 || len(got.Classes) != 1 || got.Classes[0].Days != 0 || got.AcknowledgeDays != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	for name, c := range map[string]string{
		"empty": "", "no object": "[]", "unknown": `{"acknowledge": 3}`, "behind": "{} {}", "weekend": `{"weekend": ["Sunday"]}`,
		"whole week": `{"weekend": ["monday","tuesday","wednesday","thursday","friday","saturday","sunday"]}`, "twice": `{"weekend": ["sunday","sunday"]}`,
		"holiday": `{"holidays": ["2026-02-30"]}`, "negative": `{"grace_days": -1}`, "large": `{"soon_days": 1000}`, "months": `{"feedback_months": 7}`,
		"no class": `{"classes": []}`, "class twice": `{"classes": [{"id":"a"},{"id":"a"}]}`, "reviewed": `{"reviewed": "soon"}`, "text": `{"grace_days": "7"}`,
	} {
		if _, err := DecodeSettings([]byte(c)); !errors.Is(err, ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzSettings(f *testing.F) {
	s := DefaultSettings()
	b, err := s.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"weekend": [], "holidays": null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSettings(b)
		if err != nil {
			return
		}
		out, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeSettings(out)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := again.Encode(); err != nil || !bytes.Equal(third, out) {
			t.Fatalf("%v: %s\n%s", err, out, third)
		}
	})
}
