package reviewer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/reviewer/reviewertest"
)

// Any number of replies can wait; a bundle holds four, and bundles are alike in size. What the
// source has read, its next message says.
func TestManyReplies(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	volume := w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t))
	for _, h := range []string{"anna", "ben", "cleo"} {
		w.imports(h, volume)
	}
	for i := range 9 {
		w.reply("cleo", w.only("cleo"), fmt.Sprint("reply ", i))
	}
	bundles := w.export("cleo")
	if len(bundles) != 3 || len(bundles[0]) != len(bundles[2]) {
		t.Errorf("%d bundles", len(bundles))
	}
	if c := w.only("cleo"); c.Waiting != 0 || c.Sent != 9 || c.Opened != 0 {
		t.Errorf("%+v", c)
	}
	var forBatch [][]byte
	read := 0
	for _, e := range w.delivered(bundles) {
		forBatch = append(forBatch, e.Readers)
		if read < 5 {
			m, _, err := src.Receive(e)
			check(t, err)
			read += btoi(m != nil)
		}
	}
	next := w.release(2, append(forBatch, must(src.Say(reviewertest.NewForm(), w.today(), "y", nil, "ombuds", "ngo"))(t))...)
	for _, h := range []string{"anna", "ben", "cleo"} {
		w.imports(h, next)
	}
	if c := w.only("cleo"); c.Opened != 5 {
		t.Errorf("the source has read %d of its replies, want 5", c.Opened)
	}
	for _, h := range []string{"anna", "cleo"} { // a fellow reader sees the same
		if n := strings.Count(w.printed(h, w.only(h)), "    The source has read it.\n"); n != 5 {
			t.Errorf("%s is shown that %d replies were read", h, n)
		}
	}
}

// A reply's counter says nothing of other cases, and rises in its own, also from day to day
// and when the case was erased here in between (SECURITY.md S-29).
func TestCounterIsOfTheCase(t *testing.T) {
	w := newWorld(t)
	one, other := w.server.NewSource(), w.server.NewSource()
	first := w.say(one, "one", "ombuds", "ngo")
	w.imports("anna", w.release(4, first, w.say(other, "two", "ombuds")))
	a := w.desks["anna"]
	of := func(s *reviewertest.Source) *Case { return must(a.Case(FullID(s.Case)))(t) }
	counters := func() (list []uint64) { // as cleo reads them
		for _, e := range w.forBatch("anna") {
			r, err := crypto.Open(bytes.NewReader(e), w.key("cleo"))
			if err != nil {
				continue
			}
			list = append(list, must(crypto.ReadMessage(r, nil))(t).Meta.Counter)
		}
		slices.Sort(list)
		return list
	}
	w.reply("anna", of(one), "hello")
	for range 5 {
		w.reply("anna", of(other), "to the other")
	}
	w.reply("anna", of(one), "hello again")
	day := uint64(w.today()) << 16
	if got := counters(); !slices.Equal(got, []uint64{day, day + 1}) {
		t.Errorf("cleo reads %v, want the first two of the day", got)
	}
	w.tomorrow()
	check(t, a.Erase(of(one), []byte(testPass), "a test"))
	w.imports("anna", w.release(4, w.say(one, "more", "ombuds", "ngo")))
	w.reply("anna", of(one), "and again")
	if got := counters(); len(got) != 1 || got[0] <= day+1 {
		t.Errorf("after the case was erased: %v", got)
	}
}

// The latest choice of the source decides, not the union of all it ever made.
func TestLatestChoiceReads(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	say := func(bodies ...string) []byte {
		return must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, bodies...))(t)
	}
	plan := func() *Plan { return must(w.desks["anna"].PlanReply(w.only("anna"), w.today()))(t) }
	w.imports("anna", w.release(2, say("ombuds", "ngo", "inspect")))
	if p := plan(); !slices.Equal(readerIDs(p.Bodies), []string{"ombuds", "ngo", "inspect"}) {
		t.Fatalf("%v", p.Bodies)
	}
	w.imports("anna", w.release(2, say("ombuds", "ngo")))
	if p := plan(); !slices.Equal(readerIDs(p.Bodies), []string{"ombuds", "ngo"}) || p.Narrowed {
		t.Fatalf("%v", p.Bodies)
	}
	// Everything erased, and written again the same day.
	src.EraseAll()
	w.imports("anna", w.release(2, say("ombuds", "inspect")))
	if p := plan(); !slices.Equal(readerIDs(p.Bodies), []string{"ombuds"}) || !p.Narrowed {
		t.Errorf("after a new beginning on the same day: %v, narrowed %v", p.Bodies, p.Narrowed)
	}
	// A day later there is no doubt any more.
	w.now = w.now.AddDate(0, 0, 1)
	w.imports("anna", w.release(2, say("ombuds", "inspect")))
	src.EraseAll()
	w.now = w.now.AddDate(0, 0, 1)
	w.imports("anna", w.release(2, say("ombuds", "ngo")))
	if p := plan(); !slices.Equal(readerIDs(p.Bodies), []string{"ombuds", "ngo"}) || p.Narrowed {
		t.Errorf("a new beginning on another day: %v, narrowed %v", p.Bodies, p.Narrowed)
	}
	// The reply key is the newest life's, too.
	w.reply("anna", w.only("anna"), "hello")
	if texts, _ := w.hands("anna", src); len(texts) != 1 {
		t.Errorf("the source received %d replies, want 1", len(texts))
	}
}

func TestReplyRefusals(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	p := must(v.PlanReply(w.only("anna"), w.today()))(t)
	for name, d := range map[string]Draft{
		"empty":     {Text: " \n"},
		"too long":  {Text: strings.Repeat("x", crypto.MaxText+1)},
		"not UTF-8": {Text: "a\xff"},
	} {
		before := packs(t, v)
		if _, err := v.Reply(p, d); err == nil {
			t.Errorf("a reply that is %s was sealed", name)
		}
		if packs(t, v) != before || w.only("anna").Waiting != 0 {
			t.Errorf("a refused reply left something")
		}
	}
	if _, err := v.Reply(p, Draft{Text: "x", Files: []Attachment{{Name: "gone", Open: nil}}}); err == nil {
		t.Error("a file that cannot be opened was attached")
	}
	if _, err := v.Export(t.TempDir()); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing to export: %v", err)
	}
	// A vault whose key is not in the directory answers nobody.
	w.next(func(*crypto.Directory) { w.server.End("anna", crypto.StatusRetired) })
	if _, err := v.PlanReply(w.only("anna"), w.today()); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("not enrolled: %v", err)
	}
}

// A reply of a fellow whose key was withdrawn is shown for what it is; one of nobody, and
// one of a body that the source did not choose, are strangers'.
func TestStanding(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	volume := w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t))
	w.imports("anna", volume)
	w.imports("cleo", volume)
	w.reply("cleo", w.only("cleo"), "from cleo")
	all := w.forBatch("cleo")
	stranger := w.desks["dora"].keys.signing() // listed, but of a body the source did not choose
	m := &crypto.Message{
		Meta:    crypto.Meta{Kind: crypto.KindReply, Case: src.Case, Form: reviewertest.NewForm(), DirHash: w.server.Directory.Hash(), Day: w.today()},
		Readers: w.server.Readers("ombuds", "ngo"), Text: "from outside", Drop: new(crypto.Drop),
	}
	all = append(all, must(w.server.Seal(m, stranger, nil))(t))
	m.Text = "from nobody"
	k := newKeySet("x", "x", 0)
	all = append(all, must(w.server.Seal(m, k.signing(), nil))(t))
	if r := w.imports("anna", w.release(8, all...)); r.New != 1 || r.Strangers != 2 {
		t.Errorf("%+v", r)
	}
	w.next(func(d *crypto.Directory) {
		w.server.End("cleo", crypto.StatusRevoked)
		b, _ := d.Body("ngo")
		b.Since = d.Version
	})
	var text bytes.Buffer
	check(t, w.reopen("anna").WriteCase(&text, w.only("anna")))
	if want := "signed with a WITHDRAWN key of Body ngo (holder cleo)"; !strings.Contains(text.String(), want) || strings.Contains(text.String(), "| from ") {
		t.Errorf("not shown: %q in\n%s", want, text.String())
	}
}

// A key that was retired signs nothing later, whatever a message says of its own day and
// directory: when it was released, the server signed.
func TestRetiredSignsNothing(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(4, w.say(src, "help", "ombuds")))
	early := w.server.Directory.Hash()
	reply := func(text string) []byte {
		m := &crypto.Message{
			Meta:    crypto.Meta{Kind: crypto.KindReply, Case: src.Case, Day: w.today() - 9, DirHash: early, Form: reviewertest.NewForm()},
			Readers: w.server.Readers("ombuds"), Text: text, Drop: new(crypto.Drop),
		}
		return must(w.server.SealTo(m, w.desks["ben"].keys.signing(), nil, []*crypto.Recipient{w.key("anna").Recipient()}))(t)
	}
	before := w.release(4, reply("while he was here"))
	w.next(func(*crypto.Directory) { w.server.End("ben", crypto.StatusRetired) })
	w.imports("anna", w.release(4, reply("closed")))
	w.imports("anna", before)
	for _, m := range w.only("anna").Messages {
		l := must(w.desks["anna"].Read(w.only("anna"), &m))(t)
		want := map[string]crypto.SignerStanding{"while he was here": crypto.SignerGood, "closed": crypto.SignerWithdrawn}[l.Words]
		if m.Standing != want {
			t.Errorf("%q stands as %v, want %v", l.Words, m.Standing, want)
		}
	}
}

// A server restored from a backup has another instance id: the desk says
// which bundles to hand in again, and writes them under their old id.
func TestServerRestored(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	w.reply("anna", w.only("anna"), "lost at sea")
	v := w.desks["anna"]
	b := must(v.Export(t.TempDir()))(t)[0]
	w.server.Restore()
	w.now = w.now.AddDate(0, 0, 1)
	r := w.imports("anna", w.release(2))
	if !slices.Equal(r.HandIn, []string{b.ID}) {
		t.Fatalf("hand in again: %v, want %s", r.HandIn, b.ID)
	}
	again := must(v.ExportAgain(t.TempDir(), b.ID))(t)
	head, entries, err := w.server.Deliver(must(os.ReadFile(again.Path))(t))
	check(t, err)
	if r := w.imports("anna", w.release(2)); len(r.HandIn) != 0 {
		t.Errorf("handed in again and still asked for: %v", r.HandIn)
	}
	if fmt.Sprintf("%x", head.ID) != b.ID || head.Batches[0].Instance != w.server.Instance {
		t.Errorf("the second copy has id %x", head.ID)
	}
	got := 0
	for _, e := range entries {
		m, _, err := src.Receive(e)
		check(t, err)
		if m != nil && m.Text == "lost at sea" {
			got++
		}
	}
	if got != 1 {
		t.Errorf("%d replies in the second copy", got)
	}
	// Long after its release the sealed copy is given up; the words stay in the case.
	var sealed [][]byte
	for _, e := range entries {
		sealed = append(sealed, e.Readers)
	}
	w.imports("anna", w.release(8, sealed...))
	n := packs(t, v)
	w.now = w.now.AddDate(0, 0, handInDays+5)
	must(v.Import(bytes.NewReader(w.release(2)), ImportOptions{ClockOK: func(Clock) bool { return true }}))(t)
	if packs(t, v) != n-3 { // of the two copies of the reply, and of the dummies beside it
		t.Errorf("%d packs, want %d", packs(t, v), n-3)
	}
	if _, err := v.ExportAgain(t.TempDir(), b.ID); err == nil {
		t.Error("a reply that was given up was exported")
	}
	var text bytes.Buffer
	check(t, w.reopen("anna").WriteCase(&text, w.only("anna")))
	if !strings.Contains(text.String(), "lost at sea") {
		t.Error("the reply's words are gone")
	}
}

// A reply that waits can be taken back; one that was exported cannot.
func TestWithdraw(t *testing.T) {
	w := newWorld(t)
	s := w.server.NewSource()
	w.imports("anna", w.release(4, must(s.Say([16]byte{1}, w.today(), "help", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	w.reply("anna", w.only("anna"), "one")
	w.reply("anna", w.only("anna"), "two")
	c := w.only("anna")
	if c.Waiting != 2 {
		t.Fatalf("%d replies wait", c.Waiting)
	}
	gone := c.Messages[1]
	check(t, v.Withdraw(c, &gone))
	if err := v.Withdraw(c, &gone); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("taken back twice: %v", err)
	}
	if err := v.Withdraw(c, &c.Messages[0]); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("a report was taken back: %v", err)
	}
	v = w.reopen("anna")
	c = w.only("anna")
	if c.Waiting != 1 || len(c.Messages) != 2 {
		t.Fatalf("%d replies wait, of %d messages", c.Waiting, len(c.Messages))
	}
	w.export("anna")
	c = w.only("anna")
	if err := v.Withdraw(c, &c.Messages[1]); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("an exported reply was taken back: %v", err)
	}
}

// readerIDs are the ids of bodies.
func readerIDs(list []crypto.Reader) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.ID
	}
	return out
}
