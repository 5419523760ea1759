package intake_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/reviewer"
)

// deskWorld is a world with one more body, whose holder has a real vault, and a
// copy of it to which nothing comes unless a test brings it.
func deskWorld(t *testing.T) (w *world, v, fresh *reviewer.Vault) {
	t.Helper()
	pass := []byte("seven random words are good enough here")
	now := func() time.Time {
		if w == nil { // not made yet
			return time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)
		}
		return w.now()
	}
	o := reviewer.Options{ScryptLogN: 2, Now: now}
	dir := t.TempDir()
	v, err := reviewer.Create(filepath.Join(dir, "vault"), "board", "anna", pass, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	text, _, err := v.Card()
	if err != nil {
		t.Fatal(err)
	}
	card, err := crypto.ParseCard(text)
	if err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, roomy, func(o *intake.Options) {
		o.Directory.Bodies = append(o.Directory.Bodies, crypto.Body{
			ID: card.Body, Kind: "ombuds", Independent: true,
			Names: map[string]string{"en": "Board"}, Mandates: map[string]string{"en": "reads"}, Languages: []string{"en"},
			Holders: []crypto.Holder{{ID: card.Holder, Signing: card.Signing, Status: crypto.StatusActive, Since: 1, Epochs: card.Epochs}},
		})
	})
	file, key, err := reviewer.NewRoot("test", pass, o)
	if err != nil {
		t.Fatal(err)
	}
	root, err := reviewer.OpenRoot(file, pass)
	if err != nil {
		t.Fatal(err)
	}
	proposal, err := w.dir.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := root.Sign(proposal, nil, crypto.DayOf(w.now()))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.AcceptDirectory(signed, []string{key}, crypto.DayOf(w.now())); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(filepath.Join(dir, "vault"))); err != nil {
		t.Fatal(err)
	}
	if fresh, err = reviewer.Open(filepath.Join(dir, "copy"), pass, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fresh.Close)
	return w, v, fresh
}

// carry releases a batch and imports it.
func (w *world) carry(v *reviewer.Vault) (*reviewer.Report, uint64) {
	w.t.Helper()
	n := w.release(crypto.LaneRegular)
	var b bytes.Buffer
	if err := w.s.WriteVolume(context.Background(), &b, n, 1, 0); err != nil {
		w.t.Fatal(err)
	}
	r, err := v.Import(&b, reviewer.ImportOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return r, n
}

// answer writes a reply at the desk and returns the bundle that carries it.
func (w *world) answer(v *reviewer.Vault, text string) []byte {
	w.t.Helper()
	cases := v.Cases()
	if len(cases) != 1 {
		w.t.Fatalf("%d cases", len(cases))
	}
	p, err := v.PlanReply(&cases[0], crypto.DayOf(w.now()))
	if err == nil {
		_, err = v.Reply(p, reviewer.Draft{Text: text})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := v.Export(w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := os.ReadFile(out[0].Path)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// inbox is the texts that wait for a code.
func (w *world) inbox(c crypto.Code) (texts []string) {
	w.t.Helper()
	ctx := context.Background()
	list, err := w.enter(c).Inbox(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range list {
		r, err := w.enter(c).Reply(ctx, s.Slot)
		if err != nil || r.Body != "board" || r.Standing != crypto.SignerGood {
			w.t.Fatalf("%+v, %v", r, err)
		}
		texts = append(texts, r.Text)
	}
	return texts
}

// The whole way of a changed code, from the source's visit to the desk and back (SECURITY.md S-21).
func TestCodeChangedFromEndToEnd(t *testing.T) {
	ctx := context.Background()
	w, v, fresh := deskWorld(t)
	first, second := crypto.NewCode(), crypto.NewCode()
	w.submit(first, "They sell the fuel.", "board")
	_, reported := w.carry(v)
	before := v.Cases()[0]
	onItsWay := w.answer(v, "on its way")

	w.advance(24 * time.Hour)
	w.change(first, second)
	w.deliver(onItsWay)
	if got := w.inbox(second); strings.Join(got, "|") != "on its way" {
		t.Errorf("the new code reads %q", got)
	}
	w.empty(first)

	r, _ := w.carry(v)
	if len(r.CodeChanged) != 1 || r.CodeChanged[0] != before.Short || r.NewCases != 0 || r.Late != 0 {
		t.Errorf("the desk learns %+v", r)
	}
	if c := v.Cases(); len(c) != 1 || c[0].ID != before.ID || len(c[0].Changed) != 1 || c[0].Readers[0] != "board" || c[0].Left != before.Left-1 {
		t.Errorf("the desk shows %+v", c)
	}
	w.deliver(w.answer(v, "to the new code"))
	if got := w.inbox(second); len(got) != 2 || !strings.Contains(strings.Join(got, "|"), "to the new code") {
		t.Errorf("the new code reads %q", got)
	}
	w.empty(first)

	// Somebody who saw the earlier code tries to pass for the source.
	w.advance(24 * time.Hour)
	w.submit(first, "Forget it all.", "board", "press")
	w.submit(second, "They know.", "board", "audit")
	if r, _ = w.carry(v); r.Late != 1 || r.NewCases != 0 {
		t.Errorf("the desk learns %+v", r)
	}
	cases := v.Cases()
	if len(cases) != 1 || strings.Join(cases[0].Readers, " ") != "audit board" {
		t.Fatalf("the desk shows %+v", cases)
	}
	var text bytes.Buffer
	if err := v.WriteCase(&text, &cases[0]); err != nil {
		t.Fatal(err)
	}
	flag, forged := strings.Index(text.String(), "! WRITTEN WITH THE EARLIER CODE"), strings.Index(text.String(), "│ Forget it all.")
	if flag < 0 || forged < flag || strings.Count(text.String(), "WRITTEN WITH") != 1 {
		t.Errorf("not flagged:\n%s", text.String())
	}
	w.deliver(w.answer(v, "We heard you."))
	if got := w.inbox(second); len(got) != 3 {
		t.Errorf("the new code reads %q", got)
	}
	if got := w.inbox(first); len(got) != 0 {
		t.Errorf("the earlier code reads %q", got)
	}

	// Everything is erased with the new code: the first one's report, too; what was written with the earlier code since is not its owner's.
	if err := w.enter(second).EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	w.empty(second)
	var volume bytes.Buffer
	if err := w.s.WriteVolume(ctx, &volume, reported, 1, 0); err != nil {
		t.Fatal(err)
	}
	if r, err := fresh.Import(&volume, reviewer.ImportOptions{ClockOK: func(reviewer.Clock) bool { return true }}); err != nil || r.New != 0 || r.Damaged != 0 {
		t.Errorf("a desk that fetches the first batch again opens %+v, %v", r, err)
	}
}
