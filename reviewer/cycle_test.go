package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/dossier"
	"postern/reviewer/reviewertest"
	"postern/reviewer/vault"
)

// A report goes to two of three bodies; both read it, the one left out sees
// nothing at all; one answers, the source reads the answer, and the other body does too.
func TestCycle(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	formID := reviewertest.NewForm()
	answers := form.Answers{{ID: form.QTopics, Values: []string{"corruption"}}, {ID: "place", Values: []string{"Camp North,\nkitchen"}}}
	report := must(src.Say(formID, w.today(), "They sell the fuel.", answers, "ombuds", "ngo"))(t)
	evidence := bytes.Repeat([]byte("ledger "), 300_000) // 2.1 MB: streamed
	file := must(src.Attach(formID, w.today(), "../ledger\u202exslx.exe", evidence, "ombuds", "ngo"))(t)
	volume := w.release(6, report, file)

	for _, h := range []string{"anna", "ben", "cleo"} {
		r := w.imports(h, volume)
		if r.New != 2 || r.NewCases != 1 || len(r.Cases) != 1 || r.Damaged+r.Again != 0 {
			t.Fatalf("%s: %+v", h, r)
		}
		c := w.only(h)
		if c.Files != 1 || !slices.Equal(c.Readers, w.server.Readers("ombuds", "ngo")) {
			t.Fatalf("%s: case %+v", h, c)
		}
	}
	if r := w.imports("dora", volume); r.New != 0 || r.Known != 0 || r.Damaged != 0 || len(r.Cases) != 0 {
		t.Fatalf("the body left out: %+v", r)
	}
	if n := len(w.desks["dora"].Cases()); n != 0 {
		t.Fatalf("the body left out has %d cases", n)
	}

	v := w.reopen("anna")
	c := w.only("anna")
	var text bytes.Buffer
	check(t, v.WriteCase(&text, c))
	for _, want := range []string{"They sell the fuel.", "Topics:\n    │ Corruption", "│ Camp North,", "│ kitchen", "ledger⟨U+202E⟩xslx.exe", "Body ombuds, Body ngo"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the case does not show %q:\n%s", want, text.String())
		}
	}
	dir := filepath.Join(t.TempDir(), "out")
	x := must(v.Extract(c, 1, dir))(t)
	if got := must(os.ReadFile(x.Path))(t); !bytes.Equal(got, evidence) {
		t.Fatal("the extracted file differs")
	}
	if filepath.Base(x.Path) != "_ledger_xslx.exe" {
		t.Errorf("extracted as %q", x.Path)
	}
	if st := must(os.Stat(x.Path))(t); st.Mode().Perm() != 0o600 {
		t.Errorf("extracted with mode %v", st.Mode())
	}

	attachment := []byte("form 7B")
	w.reply("anna", c, "Thank you. Can you say\r\nwhen?", Attachment{Name: "/home/anna/secret folder/form 7B.txt",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(attachment)), nil }})
	bundles := w.export("anna")
	if len(bundles) != 1 {
		t.Fatalf("%d bundles, want 1", len(bundles))
	}
	head, entries, err := w.server.Deliver(bundles[0])
	check(t, err)
	if len(entries) != crypto.BundleEntries || len(head.Batches) != 1 || head.Batches[0] != (crypto.BatchRef{Instance: w.server.Instance, Batch: 1}) {
		t.Fatalf("bundle of %d entries names %v", len(entries), head.Batches)
	}
	var sealed [][]byte
	read := 0
	for _, e := range entries {
		sealed = append(sealed, e.Readers)
		got, files, err := src.Receive(e)
		check(t, err)
		if got == nil {
			continue
		}
		read++
		_, holder, standing := w.server.Directory.Signer(got.Signer, 1)
		if got.Text != "Thank you. Can you say\nwhen?" || holder == nil || holder.ID != "anna" || standing != crypto.SignerGood {
			t.Errorf("the source reads %q, signed by %v (%v)", got.Text, holder, standing)
		}
		if !bytes.Equal(files["form 7B.txt"], attachment) {
			t.Errorf("the source gets files %q", files)
		}
	}
	if read != 1 {
		t.Fatalf("the source received %d replies, want 1", read)
	}

	// The reply's copy goes out to the readers with the next batch.
	w.now = w.now.AddDate(0, 0, 1)
	volume = w.release(8, sealed...)
	if r := w.imports("cleo", volume); r.New != 1 {
		t.Fatalf("the other body: %+v", r)
	}
	text.Reset()
	check(t, w.desks["cleo"].WriteCase(&text, w.only("cleo")))
	if s := text.String(); !strings.Contains(s, "from Body ombuds (holder anna)") || !strings.Contains(s, "│ Thank you. Can you say") || strings.Contains(s, "!") {
		t.Errorf("the other body reads:\n%s", s)
	}
	if r := w.imports("dora", volume); r.New != 0 {
		t.Fatalf("the body left out: %+v", r)
	}
	if r := w.imports("anna", volume); r.New != 0 || r.Known != 1 {
		t.Fatalf("the writer: %+v", r)
	}
	if m := w.only("anna").Messages; m[len(m)-1].State != "released" {
		t.Errorf("the writer's reply is %q, want released", m[len(m)-1].State)
	}
}

func TestImportTwiceChangesNothing(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	volume := w.release(4, must(src.Say(f, w.today(), "one", nil, "ombuds"))(t), must(src.Attach(f, w.today(), "a", []byte("x"), "ombuds"))(t))
	w.imports("anna", volume)
	v := w.desks["anna"]
	before := snapshot(t, v.vault.Dir())
	r := w.imports("anna", volume)
	if r.New != 0 || r.Known != 2 {
		t.Errorf("second import: %+v", r)
	}
	if snapshot(t, v.vault.Dir()) != before {
		t.Error("the second import changed the vault's files")
	}
}

// Volumes come in any order, each alone; what is missing is named.
func TestVolumesInAnyOrder(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	say := must(src.Say(f, w.today(), "one", nil, "ombuds"))(t)
	file := must(src.Attach(f, w.today(), "a", []byte("x"), "ombuds"))(t)
	v11 := w.release(2)
	w.release(2)
	w.release(2)
	four := must(w.server.ReleaseVolumes(w.today(), [][]byte{say}, [][]byte{file}))(t)
	v41, v42 := four[0], four[1]
	if r := w.imports("anna", v42); r.New != 1 || !slices.Equal(r.Missing, []string{"batch 4 volume 1", "batches 1 to 3"}) {
		t.Errorf("%+v", r)
	}
	if r := w.imports("anna", v11); !slices.Equal(r.Missing, []string{"batch 4 volume 1", "batches 2 to 3"}) {
		t.Errorf("%+v", r)
	}
	if r := w.imports("anna", v41); r.New != 1 || r.NewCases != 0 || !slices.Equal(r.Missing, []string{"batches 2 to 3"}) {
		t.Errorf("%+v", r)
	}
	if c := w.only("anna"); len(c.Messages) != 2 || c.Messages[0].Text == 0 {
		t.Errorf("messages out of order: %+v", c.Messages)
	}
}

func TestRepeats(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	w.imports("anna", w.release(4,
		must(src.Say(f, w.today(), "one", nil, "ombuds"))(t),
		must(src.Attach(f, w.today(), "a", []byte("x"), "ombuds"))(t),
		must(src.Attach(f, w.today(), "b", []byte("y"), "ombuds"))(t)))
	r := w.imports("anna", w.release(4, must(src.Say(f, w.today(), "one", nil, "ombuds"))(t)))
	if r.New != 1 || r.Again != 1 {
		t.Errorf("the same form again: %+v", r)
	}
	r = w.imports("anna", w.release(4, must(src.Say(f, w.today(), "one, but different", nil, "ombuds"))(t)))
	if r.Changed != 1 {
		t.Errorf("the same form, changed: %+v", r)
	}
	r = w.imports("anna", w.release(4, must(src.Say(reviewertest.NewForm(), w.today(), "one", nil, "ombuds"))(t)))
	if r.New != 1 || r.Again+r.Changed != 0 {
		t.Errorf("another form with the same words: %+v", r)
	}
	var marks []string
	for _, m := range w.only("anna").Messages {
		marks = append(marks, m.Mark)
	}
	if !slices.Equal(marks, []string{"", "", "", "again", "changed", ""}) {
		t.Errorf("marks %q", marks)
	}
	var text bytes.Buffer
	check(t, w.reopen("anna").WriteCase(&text, w.only("anna")))
	if s := text.String(); !strings.Contains(s, "sent again on 2026-11-24, unchanged") || !strings.Contains(s, "! Sent again, changed") {
		t.Errorf("repeats are not shown:\n%s", s)
	}
}

// Somebody who learned a case id (a fellow holder) but not the source's key
// cannot speak as the source: not into a case a desk knows, nor first, at a
// desk that never met the source.
func TestForeignKey(t *testing.T) {
	w := newWorld(t)
	src, other := w.server.NewSource(), w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "true", nil, "ombuds"))(t)))

	m := other.Head(crypto.KindReport, reviewertest.NewForm(), w.today(), "ombuds", "ngo")
	m.Text = "forged"
	var plain bytes.Buffer
	mw := must(crypto.NewMessageWriter(&plain, m, other.Signing))(t)
	check(t, mw.Close())
	b := plain.Bytes()
	const magic, head = 4, 5 // of a container, of a frame
	copy(b[magic+head+1:], src.Case[:])
	end := magic // of the frames that are signed
	for b[end] != 98 {
		end += head + int(binary.BigEndian.Uint32(b[end+1:]))
	}
	sum, public := sha256.Sum256(b[magic:end]), other.Signing.Public().(ed25519.PublicKey)
	signed := slices.Concat([]byte("postern/v1 source message\x00"), sum[:], public)
	copy(b[end+head+len(public)+head:], ed25519.Sign(other.Signing, signed))

	bodies := must(w.server.Directory.ReadersFor(m.Readers, crypto.MonthOf(w.today().Time())))(t)
	var forged bytes.Buffer
	sw := must(crypto.Seal(&forged, w.server.Directory.Policy, bodies))(t)
	must(sw.Write(b))(t)
	check(t, sw.Close())
	volume := w.release(2, forged.Bytes())
	for holder, cases := range map[string]int{"anna": 1, "cleo": 0} {
		if r := w.imports(holder, volume); r.New != 0 || r.Damaged != 1 || len(w.desks[holder].Cases()) != cases {
			t.Errorf("%s: %+v", holder, r)
		}
	}
	if p := must(w.desks["anna"].PlanReply(w.only("anna"), w.today()))(t); !slices.Equal(p.Bodies, w.server.Readers("ombuds")) {
		t.Errorf("a forged message decides who reads: %v", p.Bodies)
	}
}

// What arrives damaged, or is noise in place of an erased entry, stops nothing.
func TestNoiseAndDamage(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	noise := bytes.Repeat([]byte{7}, 70_000)
	bigNoise := bytes.Repeat([]byte{7}, 2<<20)
	bad := must(src.Say(reviewertest.NewForm(), w.today(), "cut", nil, "ombuds"))(t)
	bad[len(bad)-9] ^= 1 // inside the sealed chunk
	big := must(src.Attach(reviewertest.NewForm(), w.today(), "big", make([]byte, 3<<20), "ombuds"))(t)
	big[2<<20] ^= 1
	good := must(src.Say(reviewertest.NewForm(), w.today(), "whole", nil, "ombuds"))(t)
	r := w.imports("anna", w.release(6, noise, bigNoise, bad, big, good))
	if r.New != 1 || r.Damaged != 2 {
		t.Fatalf("%+v", r)
	}
	if n := packs(t, w.desks["anna"]); n != 1 {
		t.Errorf("%d packs, want 1: damaged entries left something", n)
	}
}

func packs(t *testing.T, v *Desk) int {
	t.Helper()
	return len(must(os.ReadDir(filepath.Join(v.vault.Dir(), "packs")))(t))
}

func TestTruncatedVolume(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	volume := w.release(3, must(src.Say(f, w.today(), "one", nil, "ombuds"))(t), must(src.Attach(f, w.today(), "a", make([]byte, 2<<20), "ombuds"))(t))
	v := w.desks["anna"]
	before := snapshot(t, v.vault.Dir())
	for _, n := range []int{0, 3, 50, 1000, len(volume) / 3, len(volume) / 2, len(volume) - 40, len(volume) - 1} {
		_, err := v.Import(bytes.NewReader(volume[:n]), ImportOptions{})
		if !errors.Is(err, ErrVolume) {
			t.Errorf("a volume cut to %d of %d bytes: %v", n, len(volume), err)
		}
		if snapshot(t, v.vault.Dir()) != before {
			t.Fatalf("a volume cut to %d bytes left something", n)
		}
	}
	flipped := slices.Clone(volume)
	flipped[len(volume)/2] ^= 1
	// One entry differs: the others are read, and the volume stays missing.
	if r := w.imports("anna", flipped); r.Differs != 1 || r.New != 1 || !slices.Equal(r.Missing, []string{"batch 1 volume 1"}) {
		t.Errorf("a volume with one bit changed: %+v", r)
	}
	if r := w.imports("anna", volume); r.New != 1 || r.Known != 1 || r.Differs != 0 || len(r.Missing) != 0 {
		t.Errorf("the whole volume afterwards: %+v", r)
	}
}

// A batch released far from what the clock says is taken only when the holder confirms.
func TestClock(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	late := must(w.server.Release(w.today()+30, 2))(t)
	if _, err := v.Import(bytes.NewReader(late), ImportOptions{}); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Fatalf("a batch from the future: %v", err)
	}
	if v.Clock().Batch != 0 {
		t.Fatal("a refused batch moved the clock")
	}
	asked := false
	must(v.Import(bytes.NewReader(late), ImportOptions{ClockOK: func(c Clock) bool { asked = c.Leap && c.Today() == w.today()+30; return true }}))(t)
	if !asked || v.Clock().Today() != w.today()+30 || !v.Clock().Doubtful() {
		t.Errorf("asked %v, clock %+v", asked, v.Clock())
	}
	// An old batch, imported late, asks nothing.
	must(v.Import(bytes.NewReader(must(w.server.Release(w.today(), 2))(t)), ImportOptions{}))(t)
	w.now = w.now.AddDate(0, 0, 31)
	if v.Clock().Doubtful() {
		t.Errorf("one day apart: %+v", v.Clock())
	}
}

// A day far ahead moves the clock only with a yes, also when the machine agrees with it; and
// a wrong yes is taken back, with nothing lost that was here (SECURITY.md S-24).
func TestWrongYes(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	src := w.server.NewSource()
	w.imports("anna", w.release(4, w.say(src, "help", "ombuds")))
	w.reply("anna", w.only("anna"), "hello")
	w.imports("anna", w.release(4, w.forBatch("anna")...))
	now, kept := w.today(), packs(t, v)

	w.now = w.now.AddDate(0, 0, 400)
	if _, err := v.Import(bytes.NewReader(w.release(2)), ImportOptions{}); err == nil {
		t.Error("400 days ahead, and nobody was asked, since machine and batch agree")
	}
	w.now = w.now.AddDate(0, 0, -400)
	yes := ImportOptions{ClockOK: func(Clock) bool { return true }}
	must(v.Import(bytes.NewReader(must(w.server.Release(now+400, 1))(t)), yes))(t)
	if got := v.Clock(); got.Batch != now+400 || packs(t, v) != kept {
		t.Errorf("with a yes: %+v, %d packs of %d", got, packs(t, v), kept)
	}
	must(v.Disbelieve(now + 3))(t)
	v = w.reopen("anna")
	if got := v.Clock(); got.Batch != now || got.Doubtful() {
		t.Errorf("taken back: %+v", got)
	}
	if first, next := v.Months(); first != next {
		t.Errorf("keys could be destroyed up to %v", next)
	}
	// Honest batches go on, and nobody is asked.
	w.tomorrow()
	w.imports("anna", w.release(2))
	if got := v.Clock(); got.Batch != now+1 {
		t.Errorf("the next batch: %+v", got)
	}
	// That very day, should it come, needs its yes once more.
	if !v.leaps(now + 400) {
		t.Error("a day that was taken back is believed again")
	}
	must(v.PlanReply(w.only("anna"), v.Clock().Today()))(t)
}

func TestExtractFiles(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	var entries [][]byte
	entries = append(entries, must(src.Say(f, w.today(), "see \x1b[2Jfiles", nil, "ombuds"))(t))
	for _, name := range []string{"same.txt", "same.txt", "NUL", "-rf", "a\x01b"} {
		if name == "a\x01b" {
			name = "a\u2066b"
		}
		entries = append(entries, must(src.Attach(f, w.today(), name, []byte(name), "ombuds"))(t))
	}
	w.imports("anna", w.release(0, entries...))
	v, c := w.desks["anna"], w.only("anna")
	dir := filepath.Join(t.TempDir(), "dossier")
	all := must(v.Dossier(c, dir, "en"))(t)
	if len(all) != 12 {
		t.Fatalf("%d files, want 12", len(all))
	}
	cmd := exec.Command("sha256sum", "--strict", "-c", "SHA256SUMS")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum -c: %v\n%s", err, out)
	}
	if b := must(os.ReadFile(filepath.Join(dir, "case.html")))(t); bytes.Contains(b, []byte("\x1b")) {
		t.Error("case.html holds an escape sequence")
	}
	if _, err := v.Dossier(c, dir, "en"); err == nil {
		t.Error("a second time into the same folder was not refused")
	}
	if r := must(dossier.Verify(dir, v.Directory()))(t); len(r.Faults) != 0 || r.Holder != "anna" {
		t.Errorf("%+v", r)
	}
	// One file twice: never over the first.
	out := t.TempDir()
	a, b := must(v.Extract(c, 1, out))(t), must(v.Extract(c, 1, out))(t)
	if a.Path == b.Path {
		t.Error("the second extraction overwrote the first")
	}
	// A link that waits under the name is not followed.
	name := filepath.Base(a.Path)
	trap := t.TempDir()
	check(t, os.Symlink(filepath.Join(trap, "elsewhere"), filepath.Join(trap, name)))
	x := must(v.Extract(c, 1, trap))(t)
	if _, err := os.Lstat(filepath.Join(trap, "elsewhere")); err == nil || filepath.Base(x.Path) == name {
		t.Error("an extraction followed a link")
	}
	if _, err := v.Extract(c, 99, out); err == nil {
		t.Error("file 99 was extracted")
	}
}

func TestErase(t *testing.T) {
	w := newWorld(t)
	keep, gone := w.server.NewSource(), w.server.NewSource()
	f := reviewertest.NewForm()
	volume := w.release(4,
		must(keep.Say(reviewertest.NewForm(), w.today(), "stays", nil, "ombuds"))(t),
		must(gone.Say(f, w.today(), "goes", nil, "ombuds"))(t),
		must(gone.Attach(f, w.today(), "big", make([]byte, 2<<20), "ombuds"))(t))
	w.imports("anna", volume)
	v := w.desks["anna"]
	c := must(v.Case(FullID(gone.Case)))(t)
	w.reply("anna", c, "a reply that will not leave")
	c = must(v.Case(FullID(gone.Case)))(t)
	var old []string // every ciphertext of the case
	for _, e := range c.entries {
		for _, b := range e.blobs() {
			p := must(os.ReadFile(filepath.Join(v.vault.Dir(), "packs", b.Pack)))(t)
			old = append(old, string(p[b.Off+200:b.Off+600]))
		}
	}
	if len(old) != 5 {
		t.Fatalf("%d ciphertexts, want 5", len(old))
	}
	check(t, v.Erase(c, []byte(testPass), "a test"))
	if _, err := v.Case(FullID(gone.Case)); !errors.Is(err, ErrNoCase) {
		t.Errorf("the erased case is still there: %v", err)
	}
	if _, err := v.Export(t.TempDir()); !errors.Is(err, ErrNothing) {
		t.Errorf("its reply is still there: %v", err)
	}
	check(t, filepath.WalkDir(v.vault.Dir(), func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		for _, o := range old {
			if bytes.Contains(b, []byte(o)) {
				t.Errorf("%s still holds the case's ciphertext", p)
			}
		}
		return err
	}))
	v = w.reopen("anna")
	if r := w.imports("anna", volume); r.New != 0 || r.Known != 3 {
		t.Errorf("its batch imported again: %+v", r)
	}
	var text bytes.Buffer
	check(t, v.WriteCase(&text, w.only("anna")))
	if !strings.Contains(text.String(), "stays") {
		t.Error("the other case suffered")
	}
	// What the source writes later is a case again.
	if r := w.imports("anna", w.release(2, must(gone.Say(reviewertest.NewForm(), w.today(), "still here", nil, "ombuds"))(t))); r.NewCases != 1 {
		t.Errorf("a later message: %+v", r)
	}
}

func TestBackupRestore(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "kept", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	file := filepath.Join(t.TempDir(), "backup.age")
	if err := v.BackupFile(file, []byte("another passphrase, long enough")); !errors.Is(err, vault.ErrPassphrase) {
		t.Errorf("a backup under another passphrase: %v", err)
	}
	check(t, v.BackupFile(file, []byte(testPass)))
	b := must(os.ReadFile(file))(t)
	if bytes.Contains(b, []byte("packs/")) || bytes.Contains(b, []byte("kept")) {
		t.Error("the backup shows what is in it")
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(bytes.NewReader(b), dir, []byte("wrong"), w.options()); !errors.Is(err, vault.ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	for _, n := range []int{0, 100, 300, len(b) / 3, len(b) / 2, len(b) * 2 / 3, len(b) - 1} {
		if _, err := Restore(bytes.NewReader(b[:n]), dir, []byte(testPass), w.options()); !errors.Is(err, vault.ErrBackup) || vault.Exists(dir) == nil {
			t.Errorf("a backup cut to %d of %d bytes was restored (%v)", n, len(b), err)
		}
	}
	r := must(Restore(bytes.NewReader(b), dir, []byte(testPass), w.options()))(t)
	defer r.Close()
	var one, two bytes.Buffer
	check(t, v.WriteCase(&one, w.only("anna")))
	check(t, r.WriteCase(&two, &r.Cases()[0]))
	if one.String() != two.String() || r.Holder() != "anna" || r.Directory().Hash() != v.Directory().Hash() {
		t.Error("the restored vault differs")
	}
	if _, err := Restore(bytes.NewReader(b), dir, []byte(testPass), w.options()); !errors.Is(err, vault.ErrExists) {
		t.Errorf("over an existing vault: %v", err)
	}
}

func TestPassphrase(t *testing.T) {
	w := newWorld(t)
	v := w.desks["dora"]
	if _, err := Open(v.vault.Dir(), []byte(testPass), w.options()); !errors.Is(err, vault.ErrInUse) {
		t.Errorf("a second desk on one vault: %v", err)
	}
	next := []byte("another passphrase, long enough")
	check(t, v.SetPassphrase(next))
	v.Close()
	if _, err := Open(v.vault.Dir(), []byte(testPass), w.options()); !errors.Is(err, vault.ErrPassphrase) {
		t.Errorf("the old passphrase: %v", err)
	}
	w.desks["dora"] = must(Open(v.vault.Dir(), next, w.options()))(t)
	if _, err := Open(t.TempDir(), next, w.options()); !errors.Is(err, vault.ErrNoVault) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Create(v.vault.Dir(), "a", "b", next, w.options()); !errors.Is(err, vault.ErrExists) {
		t.Errorf("over an existing vault: %v", err)
	}
	st := must(os.Stat(filepath.Join(v.vault.Dir(), "vault.age")))(t)
	di := must(os.Stat(v.vault.Dir()))(t)
	if st.Mode().Perm() != 0o600 || di.Mode().Perm() != 0o700 {
		t.Errorf("modes %v and %v", st.Mode(), di.Mode())
	}
}

// Nothing in the vault's files is readable, and no name says anything.
func TestVaultShowsNothing(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	secret := "narrative marker 4711"
	w.imports("anna", w.release(2,
		must(src.Say(f, w.today(), secret, nil, "ombuds"))(t),
		must(src.Attach(f, w.today(), "filename-marker.pdf", []byte("bytes marker 0815"), "ombuds"))(t)))
	w.reply("anna", w.only("anna"), "reply marker 1234")
	files := snapshot(t, w.desks["anna"].vault.Dir())
	v := w.desks["anna"]
	for _, m := range []string{secret, "filename-marker", "bytes marker", "reply marker", "ombuds", "anna", string(src.Case[:]), string(v.keys.Seed), string(v.keys.Tombs)} {
		if strings.Contains(files, hex.EncodeToString([]byte(m))) {
			t.Errorf("the vault's files hold %q", m)
		}
	}
	sum := sha256.Sum256([]byte("bytes marker 0815"))
	if strings.Contains(files, hex.EncodeToString(sum[:])) {
		t.Error("the vault's files hold a file's hash")
	}
}
