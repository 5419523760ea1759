package reviewer

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/reviewer/keeper"
	"postern/reviewer/reviewertest"
	"postern/reviewer/vault"
)

// Only what the roots signed, newer than what is in force and of the same salt, is accepted.
func TestDirectoryIsRootSigned(t *testing.T) {
	w := newWorld(t)
	first := w.signed
	w.next()
	v := w.desks["anna"]
	if err := v.AcceptDirectory(first, nil, w.today()); !errors.Is(err, crypto.ErrRolledBack) {
		t.Errorf("an older directory: %v", err)
	}
	skey, vkey, err := crypto.NewRoot("other")
	check(t, err)
	other := must(note.NewSigner(skey))(t)
	w.server.Directory.Version++
	proposal := must(w.server.Proposal())(t)
	forged := must(crypto.SignDirectory(must(keeper.ReadProposal(proposal))(t), nil, other))(t)
	if err := v.AcceptDirectory(forged, nil, w.today()); !errors.Is(err, crypto.ErrUnsigned) {
		t.Errorf("another root: %v", err)
	}
	if err := v.AcceptDirectory(forged, []string{vkey}, w.today()); !errors.Is(err, crypto.ErrUnsigned) {
		t.Errorf("another root, named by somebody at the desk: %v", err)
	}
	w.server.Directory.Issued = w.today() + 3
	early := must(w.root.Sign(must(w.server.Proposal())(t), w.signed, w.today()))(t)
	if err := v.AcceptDirectory(early, nil, w.today()); !errors.Is(err, crypto.ErrNotYet) {
		t.Errorf("one that is not issued yet: %v", err)
	}
	w.server.Directory.Issued = w.today()
	w.server.Directory.Version++
	// A change of roots is signed by both.
	ours := must(w.root.Sign(must(w.server.Proposal())(t), w.signed, w.today()))(t)
	both := must(crypto.SignDirectory(must(keeper.ReadProposal(ours))(t), ours, other))(t)
	check(t, v.AcceptDirectory(both, []string{vkey}, w.today()))
	if !slices.Equal(w.reopen("anna").Roots(), []string{vkey}) {
		t.Error("the new root did not take over")
	}
	fresh := must(Create(filepath.Join(t.TempDir(), "v"), "ombuds", "new", []byte(testPass), w.options()))(t)
	defer fresh.Close()
	if err := fresh.AcceptDirectory(both, nil, w.today()); err == nil {
		t.Error("a first directory without a root key was accepted")
	}
}

// Past months' seeds go only after a batch two months younger is in; then no
// old batch opens, and what was imported stays.
func TestAdvance(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	v := w.desks["anna"]
	if first, next := v.Months(); first != next {
		t.Errorf("a new vault could advance from %v to %v", first, next)
	}
	late := w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "never imported", nil, "ombuds"))(t))
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "imported", nil, "ombuds"))(t)))
	november := v.keys.Month
	w.now = w.now.AddDate(0, 1, 0)
	yes := ImportOptions{ClockOK: func(Clock) bool { return true }}
	must(v.Import(bytes.NewReader(w.release(2)), yes))(t)
	if err := v.Advance(november+1, []byte(testPass)); !errors.Is(err, ErrTooEarly) {
		t.Errorf("one month later: %v", err)
	}
	w.now = w.now.AddDate(0, 1, 10)
	must(v.Import(bytes.NewReader(w.release(2)), yes))(t)
	if err := v.Advance(november+2, []byte(testPass)); !errors.Is(err, ErrTooEarly) {
		t.Errorf("a month too many: %v", err)
	}
	if err := v.Advance(november+1, []byte("wrong")); !errors.Is(err, vault.ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	check(t, v.Advance(november+1, []byte(testPass)))
	v = w.reopen("anna")
	if first, next := v.Months(); first != november+1 || next != first {
		t.Errorf("months %v, %v after advancing to %v", first, next, november+1)
	}
	r := must(v.Import(bytes.NewReader(late), yes))(t)
	if r.New != 0 || !r.OldKeys {
		t.Errorf("a batch of an erased month: %+v", r)
	}
	if m := must(v.Read(w.only("anna"), &w.only("anna").Messages[0]))(t); m.Words != "imported" {
		t.Errorf("what was imported reads %q", m.Words)
	}
	// The month after still opens: its key follows from the kept seed.
	text := must(src.Say(reviewertest.NewForm(), w.today(), "january", nil, "ombuds"))(t)
	if r := w.imports("anna", w.release(2, text)); r.New != 1 {
		t.Errorf("a batch of this month: %+v", r)
	}
}

// What was sealed months before its release, because the server was off or
// flooded, opens as long as the seed is kept; and while such messages come, it is.
func TestLateRelease(t *testing.T) {
	w := newWorld(t)
	yes := ImportOptions{ClockOK: func(Clock) bool { return true }}
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	text := must(src.Say(f, w.today(), "november", nil, "ombuds"))(t)
	file := must(src.Attach(f, w.today(), "november.bin", make([]byte, 2*smallEntry), "ombuds"))(t)
	last := must(src.Say(reviewertest.NewForm(), w.today(), "november as well", nil, "ombuds"))(t)
	november := crypto.MonthOf(w.now)
	w.now = w.now.AddDate(0, 2, 0)
	early := must(src.Say(reviewertest.NewForm(), w.today(), "january", nil, "ombuds"))(t)
	v := w.desks["anna"]
	r := must(v.Import(bytes.NewReader(w.release(6, text, file, early)), yes))(t)
	if r.New != 3 || r.OldKeys {
		t.Fatalf("two months late: %+v", r)
	}
	if first, next := v.Months(); first != november || next != november {
		t.Errorf("months %v, %v: more of november may wait", first, next)
	}
	if err := v.Advance(november+1, []byte(testPass)); !errors.Is(err, ErrTooEarly) {
		t.Errorf("while late messages come: %v", err)
	}
	w.now = w.now.AddDate(0, 1, 0)
	if r := must(v.Import(bytes.NewReader(w.release(2, last)), yes))(t); r.New != 1 {
		t.Fatalf("three months late: %+v", r)
	}
	w.now = w.now.AddDate(0, 2, 10)
	must(v.Import(bytes.NewReader(w.release(2)), yes))(t)
	if _, next := v.Months(); next != november+4 {
		t.Errorf("two months after the last of them, months could begin with %v", next)
	}
}

// A message of the last day of a month that is released in the next one opens.
func TestNeighbourMonths(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	sealed := must(src.Say(reviewertest.NewForm(), w.today(), "november", nil, "ombuds"))(t)
	w.now = w.now.AddDate(0, 0, 9)
	r := must(w.desks["anna"].Import(bytes.NewReader(w.release(2, sealed)), ImportOptions{}))(t)
	if r.New != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAccessFile(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	// The Tor Project's own onion, as published.
	onion := "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
	for _, in := range []string{onion, strings.ToUpper(onion), " http://" + onion + "/ "} {
		line := string(must(v.AccessFile(in))(t))
		parts := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(parts) != 4 || parts[0]+".onion" != onion || parts[1] != "descriptor" || parts[2] != "x25519" || len(parts[3]) != 52 {
			t.Errorf("%q gives %d parts", in, len(parts))
		}
	}
	for _, in := range []string{"", "example.org", "abc.onion", strings.Replace(onion, "2", "1", 1), onion[1:], onion + ".onion"} {
		if _, err := v.AccessFile(in); err == nil {
			t.Errorf("%q was taken for an address", in)
		}
	}
}

func TestIDs(t *testing.T) {
	for _, id := range []string{"", "A", "a b", "../x", "-a", "a-", strings.Repeat("x", 17), "ä"} {
		if _, err := Create(t.TempDir(), id, "ok", []byte(testPass), Options{ScryptLogN: 2}); err == nil {
			t.Errorf("body id %q was taken", id)
		}
		if _, err := Create(t.TempDir(), "ok", id, []byte(testPass), Options{ScryptLogN: 2}); err == nil {
			t.Errorf("holder id %q was taken", id)
		}
	}
}
