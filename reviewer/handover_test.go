package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/reviewer/reviewertest"
	"postern/reviewer/vault"
)

// office is a world in which anna has cases that ben has not: a report with a small and a large file,
// an answer that was released, one that was exported, and one that waits.
type office struct {
	*world
	source  *reviewertest.Source
	volumes [][]byte // released, in order
	large   []byte
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{world: newWorld(t), large: bytes.Repeat([]byte("ledger "), 300_000)}
	o.source = o.server.NewSource()
	f := reviewertest.NewForm()
	o.give(must(o.source.Say(f, o.today(), "They sell the fuel.", nil, "ombuds", "ngo"))(t),
		must(o.source.Attach(f, o.today(), "ledger.txt", o.large, "ombuds", "ngo"))(t),
		must(o.source.Attach(f, o.today(), "note.txt", []byte("a note"), "ombuds", "ngo"))(t))
	o.reply("anna", o.only("anna"), "The first answer.")
	sealed := o.forBatch("anna")
	o.now = o.now.AddDate(0, 0, 1)
	o.give(sealed...)
	o.reply("anna", o.only("anna"), "The second answer.")
	o.export("anna")
	return o
}

// give releases entries and imports them at anna's.
func (o *office) give(entries ...[]byte) {
	o.t.Helper()
	v := o.release(8, entries...)
	o.imports("anna", v)
	o.volumes = append(o.volumes, v)
}

// handOver writes all cases of one holder for another one.
func (w *world) handOver(from, to string) []byte {
	w.t.Helper()
	v := w.desks[from]
	h := must(v.PlanHandOver(casesOf(v), v.Referrals(), to, w.today()))(w.t)
	path := filepath.Join(w.t.TempDir(), "file")
	check(w.t, v.HandOver(h, path))
	return must(os.ReadFile(path))(w.t)
}

func casesOf(v *Desk) (out []*Case) {
	for _, c := range v.Cases() {
		out = append(out, &c)
	}
	return out
}

func (w *world) takes(holder string, file []byte, o TakeoverOptions) *Takeover {
	w.t.Helper()
	return must(w.desks[holder].TakeOver(bytes.NewReader(file), o))(w.t)
}

// view is all that a desk shows of its cases.
func (w *world) view(holder string) string {
	w.t.Helper()
	var b bytes.Buffer
	for _, c := range casesOf(w.desks[holder]) {
		check(w.t, w.desks[holder].WriteCase(&b, c))
	}
	return b.String()
}

func TestHandOver(t *testing.T) {
	o := newOffice(t)
	o.reply("anna", o.only("anna"), "This one waits.")
	plan := must(o.desks["anna"].PlanHandOver(casesOf(o.desks["anna"]), nil, "ben", o.today()))(t)
	if plan.Messages != 5 || len(plan.Waiting) != 1 || len(plan.Lost) != 0 {
		t.Fatalf("%+v", plan)
	}
	file := o.handOver("anna", "ben")
	for _, secret := range []string{"fuel", "ledger", "answer", "ombuds", "anna"} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("the file says %q to anybody", secret)
		}
	}
	got := o.takes("ben", file, TakeoverOptions{})
	if got.New != 5 || got.NewCases != 1 || got.Holder != "anna" || got.Known+got.Refused+got.Strangers+got.Erased != 0 {
		t.Fatalf("%+v", got)
	}
	ben := o.reopen("ben")
	text := o.view("ben")
	for _, want := range []string{"They sell the fuel.", "The first answer.", "The second answer.", "from Body ombuds (holder anna)", "Handed over by holder anna"} {
		if !strings.Contains(text, want) {
			t.Errorf("the case does not show %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "waits") || strings.Contains(text, "!") {
		t.Errorf("the case shows:\n%s", text)
	}
	x := must(ben.Extract(o.only("ben"), 1, t.TempDir()))(t)
	if data := must(os.ReadFile(x.Path))(t); !bytes.Equal(data, o.large) && string(data) != "a note" {
		t.Error("the file differs")
	}
	// What was handed over can be answered, and the source gets it.
	o.reply("ben", o.only("ben"), "From ben.")
	read := 0
	for _, e := range o.delivered(o.export("ben")) {
		if m, _, err := o.source.Receive(e); err == nil && m != nil && m.Text == "From ben." {
			read++
		}
	}
	if read != 1 {
		t.Errorf("the source received %d answers", read)
	}
}

// Twice is once, and nothing of what is here changes.
func TestTakeOverTwice(t *testing.T) {
	o := newOffice(t)
	file := o.handOver("anna", "ben")
	o.takes("ben", file, TakeoverOptions{})
	before := snapshot(t, o.desks["ben"].vault.Dir())
	for _, again := range []bool{false, true} {
		if got := o.takes("ben", file, TakeoverOptions{Again: again}); got.New != 0 || got.Known != 5 || len(got.Cases) != 0 {
			t.Errorf("again: %+v", got)
		}
	}
	if got := o.takes("ben", o.handOver("anna", "ben"), TakeoverOptions{}); got.New != 0 || got.Known != 5 {
		t.Errorf("another file of the same: %+v", got)
	}
	if snapshot(t, o.desks["ben"].vault.Dir()) != before {
		t.Error("the vault's files changed")
	}
}

// Whatever order batches and a hand-over come in, the desk shows the same, and what the server signed
// counts (SECURITY.md S-30, S-34).
func TestTakeOverInAnyOrder(t *testing.T) {
	o := newOffice(t)
	file := o.handOver("anna", "ben")
	steps := []func(){
		func() { o.takes("ben", file, TakeoverOptions{}) },
		func() { o.imports("ben", o.volumes[0]) },
		func() { o.imports("ben", o.volumes[1]) },
	}
	var want string
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for _, i := range order {
			steps[i]()
		}
		var state []string
		for _, e := range o.desks["ben"].state.messages.all() {
			state = append(state, string(must(json.Marshal(e))(t)))
			if e.Handed != nil && e.Release != nil {
				t.Errorf("order %v: what a batch brought counts as handed over", order)
			}
		}
		slices.Sort(state)
		got := o.view("ben") + strings.Join(state, "\n")
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("order %v shows\n%s\nwant\n%s", order, got, want)
		}
		o.forget("ben")
	}
}

// forget empties a holder's vault, but for its keys.
func (w *world) forget(holder string) {
	w.t.Helper()
	v := w.desks[holder]
	next := v.state.next()
	for id := range v.state.messages.all() {
		next.messages.remove(id)
	}
	next.batches = nil
	check(w.t, v.commit(next, new(vault.Change)))
}

// A file with any byte changed is refused, and the vault stays as it was.
func TestTakeOverChanged(t *testing.T) {
	o := newOffice(t)
	file := o.handOver("anna", "ben")
	before := snapshot(t, o.desks["ben"].vault.Dir())
	for _, at := range []int{0, 30, 2000, 13_000, 14_000, 100_000, len(file) / 2, len(file) - 1} {
		c := bytes.Clone(file)
		c[at] ^= 1
		if _, err := o.desks["ben"].TakeOver(bytes.NewReader(c), TakeoverOptions{}); !errors.Is(err, ErrNotDeskFile) && !errors.Is(err, ErrNotForDesk) {
			t.Errorf("byte %d changed: %v", at, err)
		}
		if _, err := o.desks["ben"].TakeOver(bytes.NewReader(file[:at]), TakeoverOptions{}); !errors.Is(err, ErrNotDeskFile) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
	if snapshot(t, o.desks["ben"].vault.Dir()) != before {
		t.Error("the vault's files changed")
	}
	if got := o.takes("ben", file, TakeoverOptions{}); got.New != 5 {
		t.Errorf("the whole file: %+v", got)
	}
}

// Who may hand over to whom.
func TestTakeOverFromWhom(t *testing.T) {
	o := newOffice(t)
	anna := o.desks["anna"]
	file := o.handOver("anna", "ben")
	resealed := must(o.server.Reseal(file, o.key("ben"), o.key("dora").Recipient()))(t)
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, 32))
	e := o.only("anna").entries[0]
	forge := func(key ed25519.PrivateKey, change func(f *crypto.DeskFile)) []byte {
		box := must(io.ReadAll(must(anna.openContainer(e))(t)))(t)
		f := anna.deskFile(crypto.DeskHandOver, o.today(), o.server.Readers("ombuds")[0])
		f.Items = []crypto.DeskItem{{Type: itemMessage, Size: int64(len(box)), Hash: sha256.Sum256(box)}}
		change(&f)
		var b bytes.Buffer
		w := must(crypto.Seal(&b, o.server.Directory.Policy, nil, o.key("ben").Recipient()))(t)
		check(t, crypto.WriteDeskFile(w, &f, key, func(int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(box)), nil }))
		check(t, w.Close())
		return b.Bytes()
	}
	keep := func(*crypto.DeskFile) {}
	key := func(holder string) ed25519.PrivateKey { return o.desks[holder].keys.signing() }
	for _, c := range []struct {
		name, holder string
		file         []byte
		want         error
	}{
		{"another body's holder", "cleo", file, ErrNotForDesk},
		{"the writer", "anna", file, ErrNotForDesk},
		{"sealed on to another body", "dora", resealed, ErrForOther},
		{"signed by nobody known", "ben", forge(stranger, keep), ErrStranger},
		{"signed by another body's holder", "ben", forge(key("cleo"), func(f *crypto.DeskFile) { f.From = o.server.Readers("ngo")[0] }), ErrOtherBody},
		{"signed by another body's holder in our name", "ben", forge(key("cleo"), keep), ErrStranger},
		{"for another holder", "ben", forge(key("anna"), func(f *crypto.DeskFile) { f.Holder = anna.signingKey() }), ErrForOther},
		{"for what the body was", "ben", forge(key("anna"), func(f *crypto.DeskFile) { f.To.Since++ }), ErrForOther},
		{"an item of no type known", "ben", forge(key("anna"), func(f *crypto.DeskFile) { f.Items[0].Type = 77 }), ErrNotDeskFile},
		{"a release that makes no sense", "ben", forge(key("anna"), func(f *crypto.DeskFile) { f.Items[0].About = []byte{1} }), ErrNotDeskFile},
		{"a release of no batch", "ben", forge(key("anna"), func(f *crypto.DeskFile) { f.Items[0].About = make([]byte, releaseSize) }), ErrNotDeskFile},
		{"noise", "ben", []byte("noise"), ErrNotDeskFile},
		{"nothing", "ben", nil, ErrNotDeskFile},
	} {
		before := snapshot(t, o.desks[c.holder].vault.Dir())
		if _, err := o.desks[c.holder].TakeOver(bytes.NewReader(c.file), TakeoverOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if snapshot(t, o.desks[c.holder].vault.Dir()) != before {
			t.Errorf("%s: the vault's files changed", c.name)
		}
	}
	// Who has left meanwhile could hand over before; whose key was withdrawn could not.
	o.next(func(*crypto.Directory) { o.server.End("anna", crypto.StatusRetired) })
	if got := o.takes("ben", file, TakeoverOptions{}); got.New != 5 {
		t.Errorf("after anna left: %+v", got)
	}
	if text := o.view("ben"); strings.Contains(text, "!") {
		t.Errorf("what was handed over shows a warning:\n%s", text)
	}
	_, err := anna.PlanHandOver(casesOf(anna), nil, "ben", o.today())
	if !errors.Is(err, ErrNotSigner) {
		t.Errorf("handing over after one has left: %v", err)
	}
	o.forget("ben")
	o.next(func(*crypto.Directory) { o.server.End("anna", crypto.StatusRevoked) })
	if _, err := o.desks["ben"].TakeOver(bytes.NewReader(file), TakeoverOptions{}); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("signed with a withdrawn key: %v", err)
	}
}

// What a fellow holder signed is still looked at message by message.
func TestTakeOverRefusesMessages(t *testing.T) {
	o := newOffice(t)
	anna := o.desks["anna"]
	var boxes [][]byte
	for _, e := range o.only("anna").entries {
		boxes = append(boxes, must(io.ReadAll(must(anna.openContainer(e))(t)))(t))
	}
	other := o.server.NewSource() // chose another body
	foreign := must(other.Say(reviewertest.NewForm(), o.today(), "not for you", nil, "ngo"))(t)
	boxes = append(boxes, must(io.ReadAll(must(crypto.Open(bytes.NewReader(foreign), o.key("cleo")))(t)))(t), []byte("noise"))
	for i := range boxes {
		if len(boxes[i]) == 64<<10 || len(boxes[i]) > 1<<20 { // one text, and the large file
			boxes = append(boxes, bytes.Clone(boxes[i]))
			boxes[len(boxes)-1][300] ^= 1
			if len(boxes[i]) > 1<<20 {
				break
			}
		}
	}
	f := anna.deskFile(crypto.DeskHandOver, o.today(), o.server.Readers("ombuds")[0])
	for _, b := range boxes {
		f.Items = append(f.Items, crypto.DeskItem{Type: itemMessage, Size: int64(len(b)), Hash: sha256.Sum256(b)})
	}
	var b bytes.Buffer
	w := must(crypto.Seal(&b, o.server.Directory.Policy, nil, o.key("ben").Recipient()))(t)
	check(t, crypto.WriteDeskFile(w, &f, anna.keys.signing(), func(i int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(boxes[i])), nil }))
	check(t, w.Close())
	got := o.takes("ben", b.Bytes(), TakeoverOptions{})
	if got.New != 5 || got.Refused != len(boxes)-5 || got.Refused < 3 || got.Strangers != 0 {
		t.Errorf("%+v of %d", got, len(boxes))
	}
	if packs := must(os.ReadDir(filepath.Join(o.desks["ben"].vault.Dir(), "packs")))(t); len(packs) != 2 {
		t.Errorf("%d packs, want one for small messages and one for the large file", len(packs))
	}
}

// What was erased stays erased, unless it is asked for.
func TestTakeOverErased(t *testing.T) {
	o := newOffice(t)
	file := o.handOver("anna", "ben")
	o.takes("ben", file, TakeoverOptions{})
	check(t, o.desks["ben"].Erase(o.only("ben"), []byte(testPass), "a test"))
	if got := o.takes("ben", file, TakeoverOptions{}); got.New != 0 || got.Erased != 5 || len(o.desks["ben"].Cases()) != 0 {
		t.Errorf("%+v", got)
	}
	if got := o.takes("ben", file, TakeoverOptions{Again: true}); got.New != 5 || got.Back != 5 || got.Erased != 0 {
		t.Errorf("again: %+v", got)
	}
	o.reopen("ben")
	if c := o.only("ben"); len(c.Messages) != 5 {
		t.Errorf("%d messages", len(c.Messages))
	}
	if got := o.imports("ben", o.volumes[0]); got.Known != 3 {
		t.Errorf("its batch: %+v", got)
	}
}

// A message whose pack was lost comes back.
func TestTakeOverMends(t *testing.T) {
	o := newOffice(t)
	file := o.handOver("anna", "ben")
	o.imports("ben", o.volumes[0])
	packs := filepath.Join(o.desks["ben"].vault.Dir(), "packs")
	for _, p := range must(os.ReadDir(packs))(t) {
		check(t, os.Remove(filepath.Join(packs, p.Name())))
	}
	o.reopen("ben")
	if _, err := o.desks["ben"].PlanHandOver(casesOf(o.desks["ben"]), nil, "anna", o.today()); !errors.Is(err, ErrNothingTo) {
		t.Errorf("handing over what is lost: %v", err)
	}
	got := o.takes("ben", file, TakeoverOptions{})
	if got.Mended != 3 || got.New != 2 {
		t.Errorf("%+v", got)
	}
	if text := o.view("ben"); !strings.Contains(text, "They sell the fuel.") {
		t.Errorf("shows\n%s", text)
	}
}

func TestPlanHandOverRefuses(t *testing.T) {
	o := newOffice(t)
	anna := o.desks["anna"]
	plan := func(holder, to string) error {
		v := o.desks[holder]
		_, err := v.PlanHandOver(casesOf(v), v.Referrals(), to, o.today())
		return err
	}
	for _, c := range []struct {
		name, from, to string
		want           error
	}{
		{"to oneself", "anna", "anna", ErrNoFellow},
		{"to another body", "anna", "cleo", ErrNoFellow},
		{"to nobody", "anna", "eve", ErrNoFellow},
		{"from a body with one holder", "cleo", "anna", ErrNoFellow},
		{"nothing", "ben", "anna", ErrNothingTo},
	} {
		if err := plan(c.from, c.to); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	o.now = o.now.AddDate(2, 0, 0)
	if err := plan("anna", "ben"); !errors.Is(err, ErrNoKeyMonth) {
		t.Errorf("after all months: %v", err)
	}
	o.now = o.now.AddDate(-2, 0, 0)
	// A file that is there already is not written over.
	h := must(anna.PlanHandOver(casesOf(anna), nil, "ben", o.today()))(t)
	path := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(path, []byte("mine"), 0o600))
	if err := anna.HandOver(h, path); err == nil || string(must(os.ReadFile(path))(t)) != "mine" {
		t.Errorf("over a file: %v", err)
	}
	// A damaged message is told, and no file is left.
	blob := o.only("anna").entries[0].Blob
	p := filepath.Join(anna.vault.Dir(), "packs", blob.Pack)
	data := must(os.ReadFile(p))(t)
	data[blob.Off+blob.Len-1] ^= 1
	check(t, os.WriteFile(p, data, 0o600))
	path += "2"
	if err := anna.HandOver(h, path); !errors.Is(err, errKept) {
		t.Errorf("a damaged message: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was left: %v", err)
	}
	o.next(func(*crypto.Directory) { o.server.End("ben", crypto.StatusRetired) })
	if err := plan("anna", "ben"); !errors.Is(err, ErrNoFellow) {
		t.Errorf("to one who left: %v", err)
	}
}
