package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/reviewertest"
)

func act(t testing.TB, kind string, pairs ...string) casework.Act {
	t.Helper()
	values := make(map[string]string)
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		values[k] = v
	}
	return must(casework.NewAct(kind, values))(t)
}

// acts writes an event in the only case of a desk.
func (w *world) acts(holder string, scope casework.Scope, kind string, pairs ...string) casework.Ref {
	w.t.Helper()
	return must(w.desks[holder].Act(w.only(holder), scope, act(w.t, kind, pairs...)))(w.t)
}

// step moves the only case of a desk.
func (w *world) step(holder, to string, pairs ...string) error {
	w.t.Helper()
	c := w.only(holder)
	_, err := w.desks[holder].Act(c, casework.Body, act(w.t, casework.KindStage, append(pairs, "from="+c.Work.Stage, "to="+to)...))
	return err
}

// notes are the texts of all notes in a case, of all bodies.
func notes(c *Case) (out []string) {
	for _, id := range c.Book.Bodies() {
		for _, n := range c.Book.State(id).Notes {
			out = append(out, n.Text)
		}
	}
	slices.Sort(out)
	return out
}

func said(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, not %q", what, got, want)
	}
}

// What a holder writes goes to those who may read it and to nobody else: the server cannot tell it from a dummy,
// the source gets nothing, and nothing in it tells of what was written for fewer.
func TestEventsBetweenReaders(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	report := w.release(3, must(src.Say(reviewertest.NewForm(), w.today(), "The store is empty.", nil, "ombuds", "ngo"))(t))
	for _, h := range []string{"anna", "ben", "cleo"} {
		w.imports(h, report)
	}
	w.acts("anna", casework.Desk, casework.KindNote, "text=for this desk")
	w.acts("anna", casework.Body, casework.KindNote, "text=for the body")
	w.acts("anna", casework.Desk, casework.KindNote, "text=for this desk too")
	w.acts("anna", casework.All, casework.KindNote, "text=for all")
	w.acts("anna", casework.All, casework.KindTake, "on=yes")
	check(t, w.step("anna", casework.StageAcknowledged))
	if c := w.only("anna"); c.Unsent != 4 {
		t.Errorf("%d events wait, not 4", c.Unsent)
	}
	bundles := must(w.desks["anna"].Export(t.TempDir()))(t)
	if len(bundles) != 1 || bundles[0].Events != 2 || bundles[0].Replies != 0 {
		t.Errorf("%+v", bundles)
	}
	raw := must(os.ReadFile(bundles[0].Path))(t)
	entries := w.delivered([][]byte{raw})
	var sealed [][]byte
	for _, e := range entries {
		if len(e.Source) != len(entries[0].Source) || len(e.Readers) != len(entries[0].Readers) {
			t.Error("an entry can be told from the others by its length")
		}
		if m, _, err := src.Receive(e); m != nil || err != nil {
			t.Errorf("the source gets %+v, %v", m, err)
		}
		sealed = append(sealed, e.Readers)
	}
	if _, err := w.desks["anna"].Export(t.TempDir()); !errors.Is(err, ErrNothing) {
		t.Errorf("exported twice: %v", err)
	}
	batch := w.release(6, sealed...)
	for _, h := range []string{"anna", "ben", "cleo"} {
		w.imports(h, batch)
		w.imports(h, batch)
		if c := w.only(h); len(c.Book.Breaks) != 0 {
			t.Errorf("%s: %v", h, c.Book.Breaks)
		}
	}
	said(t, "anna reads", notes(w.only("anna")), "for all", "for the body", "for this desk", "for this desk too")
	said(t, "ben reads", notes(w.only("ben")), "for all", "for the body")
	said(t, "cleo reads", notes(w.only("cleo")), "for all")
	if s := w.only("cleo").Book.State("ombuds"); !s.Taken || s.Stage != casework.StageReceived {
		t.Errorf("cleo sees %+v", s)
	}
	if s := w.only("ben").Work; s.Stage != casework.StageAcknowledged || !s.Taken {
		t.Errorf("ben sees %+v", s)
	}
	// Ben goes on where anna was, and anna where ben was.
	check(t, w.step("ben", casework.StageAssessed))
	batch = w.release(6, w.forBatch("ben")...)
	for _, h := range []string{"anna", "ben", "cleo"} {
		w.imports(h, batch)
	}
	check(t, w.step("anna", casework.StageInquiry))
	if s := w.only("cleo"); s.Book.State("ombuds").Stage != casework.StageReceived || s.Work.Stage != casework.StageReceived {
		t.Error("cleo sees stages that were for the body")
	}
	w.acts("cleo", casework.All, casework.KindTake, "on=yes")
	if s := w.reopen("anna"); s.Cases()[0].Work.Stage != casework.StageInquiry {
		t.Error("a stage is gone from the disk")
	}
	var b bytes.Buffer
	check(t, w.desks["anna"].WriteCase(&b, w.only("anna")))
	for _, want := range []string{"Stage with your body: Under inquiry", "Note, ombuds/anna (for this desk)", "│ for the body", "What was done:"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "DOES NOT HOLD") || strings.Contains(b.String(), "does not count") {
		t.Errorf("something is wrong in\n%s", b.String())
	}
}

// A message that was kept back is missed, and the rest is shown.
func TestEventKeptBack(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	report := w.release(3, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t))
	w.imports("anna", report)
	w.imports("cleo", report)
	for _, text := range []string{"one", "two", "three"} {
		w.acts("anna", casework.All, casework.KindNote, "text="+text)
		if sealed := w.forBatch("anna"); text != "two" {
			w.imports("cleo", w.release(6, sealed...))
		}
	}
	c := w.only("cleo")
	said(t, "notes", notes(c), "one", "three")
	if len(c.Book.Breaks) != 1 || c.Book.Breaks[0].What != casework.Missing || c.Book.Breaks[0].Number != 2 {
		t.Errorf("%v", c.Book.Breaks)
	}
	var b bytes.Buffer
	check(t, w.desks["cleo"].WriteCase(&b, c))
	if !strings.Contains(b.String(), "! THE RECORD DOES NOT HOLD: entry 2 of ombuds/anna (all)") {
		t.Error(b.String())
	}
}

// Nobody speaks for another, or where the source did not choose them.
func TestForgedEvents(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	report := w.release(3, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t))
	w.imports("anna", report)
	send := func(holder string, change func(m *crypto.Message, e *casework.Event)) {
		t.Helper()
		key := w.desks[holder].keys.signing()
		e := casework.Event{
			Case: src.Case, Author: w.desks[holder].author(), Day: w.today(), Scope: casework.All, Number: 1, Place: casework.Place{1},
			Act: act(t, casework.KindNote, "text=forged"),
		}
		m := &crypto.Message{
			Meta:    crypto.Meta{Kind: crypto.KindEvent, Case: src.Case, Counter: 1, Form: reviewertest.NewForm(), DirHash: w.server.Directory.Hash(), Day: w.today()},
			Readers: w.server.Readers("ombuds", "ngo"),
		}
		change(m, &e)
		signed := must(e.Sign(key))(t)
		if m.Event == nil {
			m.Event = must(casework.EncodePacks([]casework.Signed{signed}))(t)[0]
		}
		w.imports("anna", w.release(3, must(w.server.Seal(m, key, nil))(t)))
	}
	send("dora", func(*crypto.Message, *casework.Event) {})                                                       // the source did not choose her body
	send("cleo", func(_ *crypto.Message, e *casework.Event) { e.Author.Body, e.Author.Holder = "ombuds", "ben" }) // ben's name, her key
	send("cleo", func(_ *crypto.Message, e *casework.Event) { e.Scope, e.Place = casework.Body, casework.Place{0, 1} })
	send("cleo", func(_ *crypto.Message, e *casework.Event) { e.Scope, e.Place = casework.Desk, casework.Place{0, 0, 1} })
	send("cleo", func(_ *crypto.Message, e *casework.Event) { e.Case[0] ^= 1 })
	send("cleo", func(m *crypto.Message, _ *casework.Event) { m.Event = []byte("not of the format") })
	ben := w.desks["ben"].keys.signing()
	send("cleo", func(m *crypto.Message, e *casework.Event) { // ben's event, sent by cleo
		o := *e
		o.Author = w.desks["ben"].author()
		m.Event = must(casework.EncodePacks([]casework.Signed{must(o.Sign(ben))(t)}))(t)[0]
	})
	if n := notes(w.only("anna")); len(n) != 0 {
		t.Errorf("anna believes %q", n)
	}
	if n := w.desks["anna"].Strangers(); n != 1 {
		t.Errorf("%d strangers", n)
	}
	send("cleo", func(*crypto.Message, *casework.Event) {})
	send("ben", func(*crypto.Message, *casework.Event) {})
	said(t, "their own", notes(w.only("anna")), "forged", "forged")
	w.next(func(*crypto.Directory) { w.server.End("ben", crypto.StatusRevoked) })
	said(t, "after ben's key was withdrawn", notes(w.only("anna")), "forged")
}

// Clocks go by what was sent, not by what waits.
func TestClocksOfACase(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(3, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	due := func() (out []string) {
		for _, d := range w.desks["anna"].Dues() {
			out = append(out, d.Clock)
		}
		return out
	}
	said(t, "new", due(), "acknowledge-working", "acknowledge", "risk", "feedback")
	w.reply("anna", w.only("anna"), "Thank you.")
	said(t, "answered, not sent", due(), "acknowledge-working", "acknowledge", "risk", "feedback")
	w.export("anna")
	said(t, "sent", due(), "risk", "feedback")
	p := must(w.desks["anna"].PlanReply(w.only("anna"), w.today()))(t)
	must(w.desks["anna"].Reply(p, Draft{Notice: &form.Notice{Stage: "inquiry", Until: uint32(w.today()) + 10}}))(t)
	w.export("anna")
	said(t, "told what is done", due(), "promise", "risk")
	cal := string(w.desks["anna"].Calendar("Look at the desk"))
	if strings.Count(cal, "BEGIN:VEVENT") != 2 || strings.Contains(cal, FullID(src.Case)) {
		t.Error(cal)
	}
	// A settings file of one's own.
	s := w.desks["anna"].Settings()
	s.RiskDays, s.Reviewed = 0, "2026-11-01"
	check(t, w.desks["anna"].SetSettings(s))
	said(t, "no clock of risk", due(), "promise", "procedure")
	w.reopen("anna")
	said(t, "read again", due(), "promise", "procedure")
	s.Weekend = []string{"Sonntag"}
	if err := w.desks["anna"].SetSettings(s); !errors.Is(err, casework.ErrSettings) {
		t.Errorf("settings that make no sense: %v", err)
	}
}

// A flag that was dealt with is down until the source says so again.
func TestFlagsOfACase(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	say := func(day crypto.Day, since ...string) {
		w.imports("anna", w.release(3, must(src.Say(reviewertest.NewForm(), day, "x", form.Answers{{ID: form.QSince, Values: since}}, "ombuds"))(t)))
	}
	w.imports("anna", w.release(3, must(src.Say(reviewertest.NewForm(), w.today(), "x", form.Answers{{ID: form.QUrgency, Values: []string{"danger"}}}, "ombuds"))(t)))
	said(t, "urgent", w.only("anna").Marks(), "DANGER")
	say(w.today(), form.SinceRetaliation, form.SinceDanger)
	said(t, "since", w.only("anna").Marks(), "RETALIATION", "NEW DANGER")
	for _, flag := range []string{casework.FlagDanger, casework.FlagRetaliation} {
		must(w.desks["anna"].Act(w.only("anna"), casework.Body, must(w.only("anna").Deal(flag, "Called."))(t)))(t)
	}
	said(t, "dealt with", w.only("anna").Marks())
	if _, err := w.only("anna").Deal(casework.FlagDanger, ""); !errors.Is(err, casework.ErrAlready) {
		t.Errorf("dealt with twice: %v", err)
	}
	say(w.today(), form.SinceDanger) // on the same day
	said(t, "said again", w.only("anna").Marks(), "NEW DANGER")
}

func TestCaseWithoutCode(t *testing.T) {
	w := newWorld(t)
	anna := w.desks["anna"]
	if _, err := anna.Open("phone", w.today()+1); err == nil {
		t.Error("a case of tomorrow")
	}
	if _, err := anna.Open("pigeon", w.today()); !errors.Is(err, casework.ErrField) {
		t.Errorf("by pigeon: %v", err)
	}
	c := must(anna.Open("phone", w.today()-1))(t)
	if c.Local == nil || c.First != w.today()-1 || len(c.Dues) != 4 || len(c.Short) < 8 {
		t.Errorf("%+v", c)
	}
	w.acts("anna", casework.Body, casework.KindNote, "text=He called at night.")
	w.acts("anna", casework.Body, casework.KindTold, "what=feedback", "how=By phone.")
	if _, err := anna.PlanReply(w.only("anna"), w.today()); !errors.Is(err, ErrNoCode) {
		t.Errorf("answered: %v", err)
	}
	w.reopen("anna")
	batch := w.release(6, w.forBatch("anna")...)
	for _, h := range []string{"anna", "ben"} {
		w.imports(h, batch)
		c := w.only(h)
		if c.Local == nil || len(c.Dues) != 1 || c.ID != w.only("anna").ID {
			t.Errorf("%s: %+v", h, c)
		}
		said(t, h, notes(c), "He called at night.")
		var b bytes.Buffer
		check(t, w.desks[h].WriteCase(&b, c))
	}
	w.imports("cleo", batch)
	if n := len(w.desks["cleo"].Cases()); n != 0 {
		t.Errorf("cleo has %d cases", n)
	}
	check(t, w.desks["anna"].Erase(w.only("anna"), []byte(testPass), "a test"))
	if n := len(w.reopen("anna").Cases()); n != 0 {
		t.Errorf("anna has %d cases", n)
	}
	w.imports("anna", batch)
	if n := len(w.desks["anna"].Cases()); n != 0 {
		t.Errorf("what was erased came back: %d cases", n)
	}
}

// Erasing asks for what the body decided, and a source who returns is known.
func TestErasingByTheRules(t *testing.T) {
	w := newWorld(t)
	anna := w.desks["anna"]
	s := anna.Settings()
	s.TwoHolders = true
	check(t, anna.SetSettings(s))
	src := w.server.NewSource()
	report := w.release(3, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t))
	w.imports("anna", report)
	w.imports("ben", report)
	pass := []byte(testPass)
	refused := func(name, reasons string, want ...error) {
		t.Helper()
		err := w.desks["anna"].Erase(w.only("anna"), pass, reasons)
		for _, x := range want {
			if !errors.Is(err, x) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	refused("new", "", casework.ErrApprove, casework.ErrGrace, casework.ErrOpen)
	refused("nobody agreed", "They asked for it.", casework.ErrApprove)
	if err := w.desks["ben"].AgreeToErase(w.only("ben")); !errors.Is(err, ErrNotAsked) {
		t.Errorf("agreed to nothing: %v", err)
	}
	w.acts("anna", casework.Body, casework.KindAskErase, "reasons=They asked for it.")
	if err := w.desks["anna"].AgreeToErase(w.only("anna")); !errors.Is(err, casework.ErrApprove) {
		t.Errorf("anna agrees with herself: %v", err)
	}
	w.imports("ben", w.release(6, w.forBatch("anna")...))
	check(t, w.desks["ben"].AgreeToErase(w.only("ben")))
	w.imports("anna", w.release(6, w.forBatch("ben")...))
	hold := w.acts("anna", casework.Body, casework.KindHold, "on=yes", "reasons=The court asks.")
	refused("held", "They asked for it.", casework.ErrHeld)
	if hold == "" {
		t.Fatal("no name")
	}
	w.acts("anna", casework.Body, casework.KindHold, "on=no", "reasons=Over.")
	refused("open", "", casework.ErrOpen, casework.ErrGrace)
	check(t, w.desks["anna"].Erase(w.only("anna"), pass, "They asked for it."))
	w.reopen("anna")
	w.imports("anna", report)
	if n := len(w.desks["anna"].Cases()); n != 0 {
		t.Fatalf("%d cases", n)
	}
	w.imports("anna", w.release(3, must(src.Say(reviewertest.NewForm(), w.today(), "again", nil, "ombuds"))(t)))
	if c := w.only("anna"); c.Erased != w.today() || len(c.Book.Log) != 0 {
		t.Errorf("erased before on %s, %d entries", c.Erased, len(c.Book.Log))
	}
	other := w.server.NewSource()
	w.imports("anna", w.release(3, must(other.Say(reviewertest.NewForm(), w.today(), "new", nil, "ombuds"))(t)))
	for _, c := range w.desks["anna"].Cases() {
		if (c.ID == src.Case) != (c.Erased != 0) {
			t.Errorf("case %s: erased before on %d", c.Short, c.Erased)
		}
	}
}

// In several cases at once, in all or in none, whatever views the caller has.
func TestActAll(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		src := w.server.NewSource()
		w.imports("anna", w.release(3, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	}
	anna := w.desks["anna"]
	cases := anna.Cases()
	list := []*Case{&cases[0], &cases[1], &cases[2]}
	label := act(t, casework.KindLabel, "name=depot", "on=yes")
	must(anna.ActAll(list, casework.Body, label))(t)
	must(anna.ActAll(list, casework.Body, act(t, casework.KindAssign, "holder=ben")))(t) // with views of before
	must(anna.Act(list[0], casework.Body, act(t, casework.KindRecuse, "holder=anna", "on=yes", "reasons=A cousin.")))(t)
	if _, err := anna.ActAll(list, casework.Body, act(t, casework.KindTitle, "text=x")); !errors.Is(err, casework.ErrRecused) {
		t.Errorf("%v", err)
	}
	for _, c := range w.reopen("anna").Cases() {
		if len(c.Book.Breaks) > 0 || c.Work.Title != "" || !slices.Equal(c.Work.Labels, []string{"depot"}) || c.Work.Assignee != "ben" {
			t.Errorf("%v %+v", c.Book.Breaks, c.Work)
		}
	}
	for _, a := range []casework.Act{act(t, casework.KindAssign, "holder=cleo"), act(t, casework.KindRetain, "class=for ever")} {
		if _, err := w.desks["anna"].Act(list[1], casework.Body, a); !errors.Is(err, casework.ErrField) {
			t.Errorf("%s: %v", a.Kind, err)
		}
	}
}

// A hand-over gives what was done to a case, a case without a code as well; what is for one desk alone stays there.
func TestEventsHandedOver(t *testing.T) {
	w := newWorld(t)
	must(w.desks["anna"].Open("paper", w.today()))(t)
	w.acts("anna", casework.Body, casework.KindNote, "text=for the body")
	w.acts("anna", casework.Desk, casework.KindNote, "text=for this desk")
	w.acts("anna", casework.All, casework.KindNote, "text=for all")
	h := must(w.desks["anna"].PlanHandOver([]*Case{w.only("anna")}, nil, "ben", w.today()))(t)
	if h.Messages != 0 || h.Events != 3 {
		t.Errorf("%d messages, %d events", h.Messages, h.Events)
	}
	path := t.TempDir() + "/cases.age"
	check(t, w.desks["anna"].HandOver(h, path))
	file := must(os.ReadFile(path))(t)
	take := func(o TakeoverOptions) *Takeover {
		t.Helper()
		return must(w.desks["ben"].TakeOver(bytes.NewReader(file), o))(t)
	}
	if got := take(TakeoverOptions{}); got.Events != 3 || got.NewCases != 1 || got.Refused != 0 {
		t.Errorf("%+v", got)
	}
	if got := take(TakeoverOptions{}); got.Events != 0 || got.New != 0 {
		t.Errorf("taken twice: %+v", got)
	}
	said(t, "ben reads", notes(w.only("ben")), "for all", "for the body")
	if c := w.only("ben"); c.Local == nil || len(c.Book.Breaks) > 0 || c.Unsent != 0 {
		t.Errorf("%+v", c)
	}
	w.reopen("ben")
	check(t, w.step("ben", casework.StageAssessed))
	check(t, w.desks["ben"].Erase(w.only("ben"), []byte(testPass), "a test"))
	if got := take(TakeoverOptions{}); got.Events != 0 || len(w.desks["ben"].Cases()) != 0 {
		t.Errorf("what was erased came back: %+v", got)
	}
	if got := take(TakeoverOptions{Again: true}); got.Events != 3 || len(w.desks["ben"].Cases()) != 1 {
		t.Errorf("asked for again: %+v", got)
	}
	// Nobody hands over what another body's holder wrote, or under a name that is not theirs.
	for _, forge := range []func(e *casework.Event) ed25519.PrivateKey{
		func(e *casework.Event) ed25519.PrivateKey {
			e.Author = w.desks["cleo"].author()
			return w.desks["cleo"].keys.signing()
		},
		func(e *casework.Event) ed25519.PrivateKey {
			e.Author.Holder = "ben"
			return w.desks["anna"].keys.signing()
		},
		func(e *casework.Event) ed25519.PrivateKey {
			e.Scope, e.Place = casework.Desk, casework.Place{0, 0, 1}
			return w.desks["anna"].keys.signing()
		},
	} {
		e := casework.Event{
			Case: w.only("anna").ID, Author: w.desks["anna"].author(), Day: w.today(), Scope: casework.All, Number: 1, Place: casework.Place{1},
			Act: act(t, casework.KindNote, "text=forged"),
		}
		key := forge(&e)
		s := must(e.Sign(key))(t)
		b := must(s.Encode())(t)
		h := must(w.desks["anna"].PlanHandOver([]*Case{w.only("anna")}, nil, "ben", w.today()))(t)
		h.items, h.file.Items = []func() (io.ReadCloser, error){func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}, []crypto.DeskItem{{Type: itemEvent, Size: int64(len(b)), Hash: sha256.Sum256(b)}}
		path := t.TempDir() + "/forged.age"
		check(t, w.desks["anna"].HandOver(h, path))
		file = must(os.ReadFile(path))(t)
		if got := take(TakeoverOptions{}); got.Refused != 1 || got.Events != 0 {
			t.Errorf("forged: %+v", got)
		}
	}
}
