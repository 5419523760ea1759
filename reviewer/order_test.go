package reviewer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/reviewertest"
)

// shown is everything a desk shows, and what an answer would do.
func (w *world) shown(t testing.TB, v *Desk) string {
	var b bytes.Buffer
	for _, c := range v.Cases() {
		fmt.Fprintf(&b, "%s %s %s readers %v, files %d, waiting %d, sent %d, opened %d, again %d, changed %v, rivals %v, now %+v\n",
			c.Short, c.First, c.Last, c.Readers, c.Files, c.Waiting, c.Sent, c.Opened, c.Again, c.Changed, c.Rivals, c.Marks())
		check(t, v.WriteCase(&b, &c))
		p, err := v.PlanReply(&c, w.today())
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		to, err := v.replyTo(p)
		check(t, err)
		fmt.Fprintf(&b, "an answer goes to %v, not %v, %v, %x\n", p.Bodies, p.Unable, p.Narrowed, crypto.DropOf(to))
	}
	first, next := v.Months()
	fmt.Fprintf(&b, "strangers %d, missing %v, broken %v, hand in %v, months %v %v, newest %v\n",
		v.Strangers(), v.Missing(), v.Broken(), v.HandIn(), first, next, v.Clock().Batch)
	return b.String()
}

// fresh is a copy of a desk's vault as it is on the disk.
func (w *world) fresh(holder string) *Desk {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "vault")
	check(w.t, os.CopyFS(dir, os.DirFS(w.desks[holder].vault.Dir())))
	return must(Open(dir, []byte(testPass), w.options()))(w.t)
}

var clockYes = ImportOptions{ClockOK: func(Clock) bool { return true }}

// sameInAnyOrder imports volumes in the order of their release and in others, and says where a desk shows something else.
func (w *world) sameInAnyOrder(t *testing.T, volumes [][]byte, orders ...[]int) (first string) {
	t.Helper()
	for n, order := range orders {
		v := w.fresh("anna")
		for _, i := range order {
			must(v.Import(bytes.NewReader(volumes[i]), clockYes))(t)
		}
		got := w.shown(t, v)
		v.Close()
		if n == 0 {
			first = got
		} else if got != first {
			t.Fatalf("imported in the order %v, not %v:\n%s\nand not\n%s", order, orders[0], got, first)
		}
	}
	return first
}

func permutations(n int) (out [][]int) {
	if n == 0 {
		return [][]int{{}}
	}
	for _, p := range permutations(n - 1) {
		for i := n - 1; i >= 0; i-- {
			out = append(out, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return out
}

// An old message, sealed anew by a body that was unticked since, brings nobody back: in
// none of the orders in which volumes come (SECURITY.md S-7).
func TestResealedInAnyOrder(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	old := w.say(src, "more", "ombuds", "ngo")
	volumes := [][]byte{w.release(1, w.say(src, "first", "ombuds", "ngo"), old)}
	src.EraseAll()
	volumes = append(volumes, w.release(1, w.say(src, "second", "ombuds")))
	volumes = append(volumes, w.release(1, must(w.server.Reseal(old, w.key("cleo"), w.key("anna").Recipient()))(t)))
	got := w.sameInAnyOrder(t, volumes, permutations(3)...)
	if !strings.Contains(got, "an answer goes to [{ombuds 1}], not []") {
		t.Errorf("shown:\n%s", got)
	}
	// Also where the first batch is lost.
	w.sameInAnyOrder(t, volumes, []int{1, 2}, []int{2, 1})
}

// Which of two that claim one earlier code is followed does not depend on the order in which
// batches came, whether the server was restored in between or both are in volumes of one batch.
func TestRivalsInAnyOrder(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	thief := *src // has the code
	report := w.release(1, w.say(src, "first", "ombuds"))
	mine := src.ChangeCode(w.today())
	x := w.release(1, w.say(mine, "from the source", "ombuds"))
	w.server.Restore()
	theirs := thief.ChangeCode(w.today())
	y := w.release(1, w.say(theirs, "from the thief", "ombuds"))
	w.sameInAnyOrder(t, [][]byte{report, x, y}, permutations(3)...)

	w = newWorld(t)
	src = w.server.NewSource()
	thief = *src
	report = w.release(1, w.say(src, "first", "ombuds"))
	mine, theirs = src.ChangeCode(w.today()), thief.ChangeCode(w.today())
	both := must(w.server.ReleaseVolumes(w.today(), [][]byte{w.say(mine, "from the source", "ombuds")}, [][]byte{w.say(theirs, "from the thief", "ombuds")}))(t)
	w.sameInAnyOrder(t, [][]byte{report, both[0], both[1]}, permutations(3)...)

	// Of one day and one server, the one that was released first.
	for range 4 {
		src = w.server.NewSource()
		thief = *src
		report = w.release(1, w.say(src, "first", "ombuds"))
		mine, theirs = src.ChangeCode(w.today()), thief.ChangeCode(w.today())
		x = w.release(1, w.say(mine, "from the source", "ombuds"))
		y = w.release(1, w.say(theirs, "from the thief", "ombuds"))
		for holder, order := range map[string][][]byte{"anna": {report, x, y}, "ben": {y, x, report}} {
			for _, volume := range order {
				w.imports(holder, volume)
			}
			if c := must(w.desks[holder].Case(FullID(src.Case)))(t); c.tip != string(mine.Case[:]) {
				t.Errorf("%s: the case follows another", holder)
			}
		}
	}
}

// story draws what sources, readers and thieves do over some days, and how it is released.
type story struct {
	*world
	r       *rapid.T
	codes   []*reviewertest.Source
	queue   [][]byte
	sent    [][]byte
	forms   []crypto.FormID
	volumes [][]byte
}

func (s *story) bodies() []string {
	all := [][]string{{"ombuds"}, {"ombuds", "ngo"}, {"ngo", "ombuds", "inspect"}, {"ngo"}, {"inspect", "ombuds"}}
	return rapid.SampledFrom(all).Draw(s.r, "bodies")
}

func (s *story) form() crypto.FormID {
	if len(s.forms) == 0 || rapid.Bool().Draw(s.r, "another form") {
		s.forms = append(s.forms, reviewertest.NewForm())
	}
	return rapid.SampledFrom(s.forms).Draw(s.r, "form")
}

func (s *story) add(sealed []byte, err error) {
	check(s.t, err)
	s.queue, s.sent = append(s.queue, sealed), append(s.sent, sealed)
}

// toAnna is a message of a reviewer's kind, under any key, sealed to anna alone.
func (s *story) toAnna(c crypto.CaseID) {
	kind := rapid.SampledFrom([]crypto.Kind{crypto.KindReply, crypto.KindEvent}).Draw(s.r, "kind")
	day := rapid.SampledFrom([]crypto.Day{0, 1, s.today() - 1, s.today(), s.today() + 9}).Draw(s.r, "its day")
	m := &crypto.Message{
		Meta:    crypto.Meta{Kind: kind, Case: c, Counter: rapid.Uint64Range(0, 3).Draw(s.r, "counter"), Form: reviewertest.NewForm(), Day: day},
		Readers: s.server.Readers(s.bodies()...),
	}
	if kind == crypto.KindReply {
		m.Text, m.Drop = "a reply", new(crypto.Drop)
		m.Notice, _ = form.Notice{Stage: "inquiry", Ask: "inspect"}.Encode()
	} else {
		m.Event = []byte("x")
	}
	k := newKeySet("x", "x", 0)
	key := k.signing()
	if h := rapid.SampledFrom([]string{"", "ben", "cleo", "dora"}).Draw(s.r, "signer"); h != "" {
		key = s.desks[h].keys.signing()
	}
	s.add(s.server.SealTo(m, key, nil, []*crypto.Recipient{s.key("anna").Recipient()}))
}

func (s *story) step() {
	code := rapid.SampledFrom(s.codes).Draw(s.r, "code")
	switch rapid.IntRange(0, 15).Draw(s.r, "step") {
	case 0, 1, 2:
		s.add(code.Say(s.form(), s.today(), rapid.SampledFrom([]string{"one", "two"}).Draw(s.r, "words"), nil, s.bodies()...))
	case 3:
		s.add(code.Attach(s.form(), s.today(), "f", []byte("x"), s.bodies()...))
	case 4:
		s.add(code.Agree(s.form(), s.today(), "inspect", rapid.Bool().Draw(s.r, "yes"), s.bodies()...))
	case 5:
		code.EraseAll()
	case 6:
		if len(s.codes) < 5 {
			thief := *code
			s.codes = append(s.codes, code.ChangeCode(s.today()))
			if rapid.Bool().Draw(s.r, "by two") {
				s.codes = append(s.codes, thief.ChangeCode(s.today()))
			}
		}
	case 7:
		s.toAnna(code.Case)
	case 8, 9, 10:
		old := rapid.SampledFrom(append(s.sent, nil)).Draw(s.r, "sealed anew")
		for _, h := range []string{"anna", "cleo"} {
			if e, err := s.server.Reseal(old, s.key(h), s.key("anna").Recipient()); err == nil {
				s.queue = append(s.queue, e)
				break
			}
		}
	case 11:
		s.tomorrow()
	case 12:
		if rapid.IntRange(0, 2).Draw(s.r, "restored") == 0 {
			s.server.Restore()
		}
	default:
		s.release()
	}
}

func (s *story) release() {
	var one, two [][]byte
	for _, e := range s.queue {
		if rapid.Bool().Draw(s.r, "first volume") {
			one = append(one, e)
		} else {
			two = append(two, e)
		}
	}
	s.queue = nil
	s.volumes = append(s.volumes, must(s.server.ReleaseVolumes(s.today(), one, two))(s.t)...)
	if s.server.Batch > 1 && rapid.IntRange(0, 4).Draw(s.r, "exchange") == 0 {
		s.volumes = append(s.volumes, must(s.server.Exchange(s.server.Batch-1, one...))(s.t)...)
	}
}

// Property: what a desk shows, and whom it answers, does not depend on the order in which volumes
// come, whatever they hold: messages sealed anew, repeats, lives and codes of one day, rivals, strangers,
// entries exchanged since, a server that was restored (SECURITY.md S-30).
func TestAnyOrderShowsTheSame(t *testing.T) {
	w := newWorld(t)
	now := w.now
	rapid.Check(t, func(r *rapid.T) {
		w.now = now
		w.server.Restore()
		s := &story{world: w, r: r, codes: []*reviewertest.Source{w.server.NewSource(), w.server.NewSource()}}
		for range rapid.IntRange(4, 14).Draw(r, "steps") {
			s.step()
		}
		s.release()
		order := make([]int, len(s.volumes))
		for i := range order {
			order[i] = i
		}
		want := ""
		for n := range 2 {
			if n > 0 {
				order = rapid.Permutation(order).Draw(r, "order")
			}
			v := w.fresh("anna")
			for _, i := range order {
				must(v.Import(bytes.NewReader(s.volumes[i]), clockYes))(t)
			}
			got := w.shown(t, v)
			v.Close()
			check(t, os.RemoveAll(v.vault.Dir()))
			if n == 0 {
				want = got
			} else if got != want {
				r.Fatalf("imported in the order %v:\n%s\nand in the order of their release:\n%s", order, got, want)
			}
		}
	})
}
