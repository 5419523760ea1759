package reviewer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/reviewer/reviewertest"
)

// kinds are what a vault wants, in the order it says it.
func (w *world) kinds(holder string) string {
	var out []string
	for _, x := range w.desks[holder].Wishes() {
		out = append(out, x.Kind)
	}
	return strings.Join(out, " ")
}

// wants checks what a vault wants, as it is open and as it is opened anew.
func (w *world) wants(want string) {
	w.t.Helper()
	for range 2 {
		if got := w.kinds("anna"); got != want {
			w.t.Errorf("on %s the vault wants %q, not %q", w.today(), got, want)
		}
		w.reopen("anna")
	}
}

const onion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

// Steps of enrolment stay done, whichever way they were done.
func TestSteps(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	dir := t.TempDir()
	next := func(want Step) {
		t.Helper()
		var got Step
		for _, x := range v.Wishes() {
			if x.Kind == WishEnrol {
				got = x.Step
			}
		}
		if got != want {
			t.Errorf("it goes on with %q, not %q", got, want)
		}
	}
	next(StepCard)
	card := must(v.WriteCard(filepath.Join(dir, "anna.card")))(t)
	if got := must(crypto.ParseCard(must(os.ReadFile(filepath.Join(dir, "anna.card")))(t)))(t); !got.Signing.Equal(card.Signing) {
		t.Error("another card was written")
	}
	if !slices.Equal(v.SigningWords(), crypto.SigningWords(card.Signing)) {
		t.Error("other words than the card's")
	}
	if _, err := v.WriteCard(filepath.Join(dir, "anna.card")); err == nil {
		t.Error("a card was overwritten")
	}
	next(StepAccess)
	if err := v.WriteAccess("nonsense", filepath.Join(dir, "x.auth_private")); err == nil {
		t.Error("a key file for no address")
	}
	next(StepAccess)
	check(t, v.WriteAccess(onion, filepath.Join(dir, "x.auth_private")))
	next(StepBackup)
	check(t, v.BackupFile(filepath.Join(dir, "one.age"), []byte(testPass)))
	next("")
	v = w.reopen("anna")
	next("")
	fresh := must(Create(filepath.Join(t.TempDir(), "vault"), "ombuds", "carl", []byte(testPass), w.options()))(t)
	defer fresh.Close()
	check(t, fresh.WriteAccess(onion, filepath.Join(dir, "y.auth_private")))
	if all, done := fresh.Steps(); len(all) != 4 || done[StepDirectory] || done[StepCard] || !done[StepAccess] {
		t.Errorf("%v %v", all, done)
	}
}

// ready does what enrolment leaves.
func (w *world) ready(v *Desk) {
	w.t.Helper()
	dir := w.t.TempDir()
	must(v.WriteCard(filepath.Join(dir, "card")))(w.t)
	check(w.t, v.WriteAccess(onion, filepath.Join(dir, "x.auth_private")))
	check(w.t, v.BackupFile(filepath.Join(dir, "backup.age"), []byte(testPass)))
}

// Each backup, whichever way it was made, is remembered; whatever it still holds that was destroyed since
// makes it one to replace.
func TestBackupsAge(t *testing.T) {
	w := newWorld(t)
	w.ready(w.desks["anna"])
	w.wants("")
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "one", nil, "ombuds"))(t)))
	w.wants("")
	w.now = w.now.AddDate(0, 0, 30)
	w.wants("")
	w.now = w.now.AddDate(0, 0, 1)
	w.wants("backup-old")
	v := w.desks["anna"]
	if x := v.Wishes()[0]; x.Days != 31 {
		t.Errorf("%+v", x)
	}
	path := filepath.Join(t.TempDir(), "two.age")
	check(t, v.BackupFile(path, []byte(testPass)))
	w.wants("destroy")
	v = w.desks["anna"]
	if made := v.Backups(); len(made) != 2 || made[1].Name != "two.age" || made[1].Day != w.today() {
		t.Errorf("%+v", made)
	}
	check(t, v.BackupsDestroyed())
	w.wants("")
	v = w.desks["anna"]
	if made := v.Backups(); len(made) != 1 || made[0].Name != "two.age" {
		t.Errorf("the wrong one is left: %+v", made)
	}
	check(t, v.BackupsDestroyed()) // the only one stays
	check(t, v.Erase(w.only("anna"), []byte(testPass), "a test"))
	w.wants("backup")
	v = w.desks["anna"]
	check(t, v.BackupFile(filepath.Join(t.TempDir(), "three.age"), []byte(testPass)))
	w.wants("destroy")
	v = w.desks["anna"]
	check(t, v.BackupsDestroyed())
	check(t, v.SetPassphrase([]byte(testPass))) // the same words, another key
	w.wants("backup")
	v = w.desks["anna"]
	check(t, v.BackupFile(filepath.Join(t.TempDir(), "four.age"), []byte(testPass)))
	check(t, v.BackupsDestroyed())
	// What a backup holds does not know of itself.
	b := must(os.ReadFile(path))(t)
	r := must(Restore(bytes.NewReader(b), filepath.Join(t.TempDir(), "restored"), []byte(testPass), w.options()))(t)
	defer r.Close()
	if made := r.Backups(); len(made) != 1 || made[0].Name != "backup.age" {
		t.Errorf("the restored vault knows of %+v", made)
	}
}

// Once months' keys are destroyed, the backup that has them is to be replaced.
func TestAdvanceWantsABackup(t *testing.T) {
	w := newWorld(t)
	w.ready(w.desks["anna"])
	for range 5 {
		w.now = w.now.AddDate(0, 0, 20)
		w.imports("anna", w.release(1))
	}
	v := w.desks["anna"]
	if got := w.kinds("anna"); got != "backup-old advance" {
		t.Fatalf("the vault wants %q", got)
	}
	check(t, v.BackupFile(filepath.Join(t.TempDir(), "too-early.age"), []byte(testPass)))
	check(t, v.BackupsDestroyed())
	w.wants("advance")
	v = w.desks["anna"]
	_, next := v.Months()
	if x := v.Wishes()[0]; x.Month != next {
		t.Errorf("%+v", x)
	}
	check(t, v.Advance(next, []byte(testPass)))
	w.wants("backup")
	v = w.desks["anna"]
	check(t, v.BackupFile(filepath.Join(t.TempDir(), "new.age"), []byte(testPass)))
	w.wants("destroy")
}

// A desk warns 60, 30 and 7 days before its months, or the directory, end.
func TestWarningDays(t *testing.T) {
	w := newWorld(t)
	w.ready(w.desks["anna"])
	v := w.desks["anna"]
	wish := func(kind string) *Wish {
		for _, x := range w.desks["anna"].Wishes() {
			if x.Kind == kind {
				return &x
			}
		}
		return nil
	}
	months := v.inForce().Epochs
	last := months[len(months)-1].Month.Last()
	end := v.Directory().Expires
	for _, c := range []struct {
		kind, over string
		end        crypto.Day
	}{{WishMonths, WishMonthsOver, last}, {WishDirectory, WishDirectoryOver, min(end, last)}} {
		for _, left := range []int{61, 60, 31, 30, 8, 7, 1, 0, -1} {
			w.now = (c.end + 1 - crypto.Day(left)).Time().Add(9 * 3600e9)
			x, over := wish(c.kind), wish(c.over)
			switch {
			case left > 60 && (x != nil || over != nil), left <= 0 && (x != nil || over == nil):
				t.Errorf("%s: %d days are left: %+v, %+v", c.kind, left, x, over)
			case left > 0 && left <= 60 && (x == nil || x.Days != left || over != nil):
				t.Errorf("%s: %d days are left: %+v, %+v", c.kind, left, x, over)
			}
		}
	}
	for left, want := range map[int]int{61: 0, 60: 60, 31: 60, 30: 30, 8: 30, 7: 7, 0: 7} {
		if got := Urgency(left); got != want {
			t.Errorf("%d days are left: %d", left, got)
		}
	}
}

// A vault whose name stands in the directory with another key says so first.
func TestReplacedIsWishedFirst(t *testing.T) {
	w := newWorld(t)
	other := must(Create(filepath.Join(t.TempDir(), "vault"), "ombuds", "anna", []byte(testPass), w.options()))(t)
	defer other.Close()
	check(t, other.AcceptDirectory(w.signed, []string{w.vkey}, w.today()))
	if list := other.Wishes(); list[0].Kind != WishReplaced {
		t.Errorf("%+v", list)
	}
}
