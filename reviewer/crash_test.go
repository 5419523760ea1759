package reviewer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"postern/crypto/seedtest"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
	"postern/reviewer/reviewertest"
	"postern/store/durable"
)

// TestMain lets the crash tests run a step in a process of its own, to kill it.
func TestMain(m *testing.M) {
	if do := os.Getenv("REVIEWER_CRASH_DO"); do != "" {
		if err := crashDo(os.Getenv("REVIEWER_CRASH_VAULT"), do); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv("REVIEWER_CRASH_VAULT"); dir != "" {
		if err := crashImport(dir, os.Getenv("REVIEWER_CRASH_VOLUME")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func crashImport(dir, volume string) error {
	v, err := Open(dir, []byte(testPass), Options{ScryptLogN: 2})
	if err != nil {
		return err
	}
	defer v.Close()
	f, err := os.Open(volume)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = v.Import(f, ImportOptions{ClockOK: func(Clock) bool { return true }})
	return err
}

const killRounds = 16

// A desk killed at any moment of an import has the vault as it was, or with
// the whole volume in it, and nothing else lies around.
func TestKilledImport(t *testing.T) {
	w := newWorld(t)
	var entries [][]byte
	for range 24 {
		src := w.server.NewSource()
		f := reviewertest.NewForm()
		entries = append(entries, must(src.Say(f, w.today(), "x", nil, "ombuds"))(t))
		if len(entries) == 11 {
			entries = append(entries, must(src.Attach(f, w.today(), "big", make([]byte, 2<<20), "ombuds"))(t))
		}
	}
	volume := filepath.Join(t.TempDir(), "volume")
	check(t, os.WriteFile(volume, w.release(0, entries...), 0o600))
	v := w.desks["anna"]
	var backup bytes.Buffer
	check(t, v.Backup(&backup, []byte(testPass)))
	self := must(os.Executable())(t)
	start := func(dir string) *exec.Cmd {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "REVIEWER_CRASH_VAULT="+dir, "REVIEWER_CRASH_VOLUME="+volume)
		check(t, cmd.Start())
		return cmd
	}
	restore := func() string {
		dir := filepath.Join(t.TempDir(), "v")
		must(Restore(bytes.NewReader(backup.Bytes()), dir, []byte(testPass), w.options()))(t).Close()
		return dir
	}
	began := time.Now()
	check(t, start(restore()).Wait())
	whole := time.Since(began)
	old, all, r := 0, 0, seedtest.Rand(t)
	for i := range killRounds {
		dir := restore()
		cmd := start(dir)
		time.Sleep(time.Duration(r.Int64N(int64(whole * 5 / 4)))) // any moment will do
		_ = cmd.Process.Kill()
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
			t.Fatalf("the import failed by itself: %v", err)
		}
		k := must(Open(dir, []byte(testPass), w.options()))(t)
		switch n := k.state.messages.len(); n {
		case 0:
			old++
			if p := packs(t, k); p != 0 {
				t.Errorf("round %d: %d packs lie around", i, p)
			}
		case len(entries):
			all++
		default:
			t.Fatalf("round %d: %d of %d messages are there", i, n, len(entries))
		}
		again := must(k.Import(bytes.NewReader(must(os.ReadFile(volume))(t)), ImportOptions{ClockOK: func(Clock) bool { return true }}))(t)
		if again.New+again.Known != len(entries) || again.Damaged != 0 {
			t.Fatalf("round %d: importing again: %+v", i, again)
		}
		for _, e := range k.state.messages.all() {
			rd, c, err := k.vault.OpenBlob(e.Blob)
			check(t, err)
			_ = rd
			check(t, c.Close())
		}
		k.Close()
	}
	t.Logf("killed at %d moments: %d with the vault as it was, %d with the whole volume", killRounds, old, all)
}

// kindTest is of records that no room of the desk keeps.
const kindTest = KindCasework + 90

// stepRounds is how often each step is killed: before and after each of its syncs, as far as that goes,
// and then at any moment. POSTERN_KILL_ROUNDS says otherwise.
func stepRounds(t *testing.T) int {
	s := os.Getenv("POSTERN_KILL_ROUNDS")
	if s == "" {
		return 16
	}
	return must(strconv.Atoi(s))(t)
}

// crashDo says on standard output when the step begins.
func crashDo(dir, do string) error {
	v, err := Open(dir, []byte(testPass), Options{ScryptLogN: 2})
	if err != nil {
		return err
	}
	c := &v.Cases()[0]
	p, err := v.PlanReply(c, v.Clock().Today())
	if err != nil {
		return err
	}
	fmt.Println("begins")
	if at, err := strconv.Atoi(os.Getenv("REVIEWER_CRASH_AT")); err == nil {
		die := func() {
			if at--; at < 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		durable.Fsync = func(f *os.File) error { die(); err := f.Sync(); die(); return err }
	}
	switch do {
	case "reply":
		_, err = v.Reply(p, Draft{Text: "a second answer"})
	case "export":
		_, err = v.Export(dir + "-out")
	case "erase":
		err = v.Erase(c, []byte(testPass), "a test")
	case "act":
		var act casework.Act
		if act, err = casework.NewAct(casework.KindNote, map[string]string{"text": "a note"}); err == nil {
			_, err = v.Act(c, casework.All, act)
		}
	case "takeover":
		var f *os.File
		if f, err = os.Open(dir + "-file"); err == nil {
			_, err = v.TakeOver(f, TakeoverOptions{})
			_ = f.Close()
		}
	case "note":
		var change Change
		change.Put(kindTest, c, "x", "a note")
		err = v.Commit(&change)
	}
	return err
}

// A desk killed at any moment of a step shows what it showed before, or what it shows after it, and its vault
// is sound. (Package vault kills itself at each write, sync and rename in turn.)
func TestKilledSteps(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2,
		must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t),
		must(src.Say(reviewertest.NewForm(), w.today(), "y", nil, "ombuds"))(t)))
	w.reply("anna", w.only("anna"), "an answer")
	// What ben hands over: a case with a large file, an event, and a note on who opened it.
	other, f := w.server.NewSource(), reviewertest.NewForm()
	w.imports("ben", w.release(2, must(other.Say(f, w.today(), "z", nil, "ombuds"))(t), must(other.Attach(f, w.today(), "big", make([]byte, 2<<20), "ombuds"))(t)))
	must(w.desks["ben"].Act(w.only("ben"), casework.Body, must(casework.NewAct(casework.KindNote, map[string]string{"text": "from ben"}))(t)))(t)
	check(t, w.desks["ben"].LogCustody(w.only("ben"), dossier.ActOpen))
	file := w.handOver("ben", "anna")
	v := w.reopen("anna")
	self, r := must(os.Executable())(t), seedtest.Rand(t)
	// state is what can differ after a step.
	state := func(v *Desk) string {
		s := fmt.Sprint(len(v.Cases()), " cases, ", v.state.erased.len(), " erased, ", v.state.bundles.len(), " bundles")
		for _, c := range v.Cases() {
			notes := must(Records[string](v, kindTest, &c))(t)
			s += fmt.Sprint("; ", len(c.Messages), " messages, ", c.Waiting, " waiting, ", c.Sent, " sent, ", len(c.Book.Log), " events, ", len(must(v.Custody(&c))(t)), " seen, notes ", notes)
		}
		return s
	}
	before := state(v)
	v.Close()
	for _, do := range []string{"reply", "export", "erase", "note", "act", "takeover"} {
		after, saw := "", map[bool]int{}
		whole, at := time.Duration(0), 0
		for round := range stepRounds(t) {
			dir := filepath.Join(t.TempDir(), "v")
			check(t, os.CopyFS(dir, os.DirFS(v.vault.Dir())))
			check(t, os.Mkdir(dir+"-out", 0o700))
			check(t, os.WriteFile(dir+"-file", file, 0o600))
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), "REVIEWER_CRASH_DO="+do, "REVIEWER_CRASH_VAULT="+dir)
			if at > 0 {
				cmd.Env = append(cmd.Env, fmt.Sprint("REVIEWER_CRASH_AT=", at-1))
			}
			out := must(cmd.StdoutPipe())(t)
			check(t, cmd.Start())
			must(out.Read(make([]byte, 6)))(t)
			switch began := time.Now(); {
			case round == 0: // to its end
				check(t, cmd.Wait())
				whole, at = time.Since(began), 1
			case at > 0: // before and after each sync
				at++
				if cmd.Wait() == nil {
					t.Logf("%s: killed at %d places", do, at-2)
					at = 0
				}
			default: // and at any moment
				time.Sleep(time.Duration(r.Int64N(int64(whole * 5 / 4))))
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
			k := must(Open(dir, []byte(testPass), w.options()))(t)
			got := state(k)
			if round == 0 {
				after = got
			}
			if got != before && got != after || before == after {
				t.Fatalf("%s, round %d: %s\nbefore %s\nafter  %s", do, round, got, before, after)
			}
			saw[got == after]++
			if h := must(k.Check(nil))(t); !h.Sound() {
				t.Fatalf("%s, round %d: %+v", do, round, h.Vault)
			}
			k.Close()
		}
		t.Logf("%s: as before %d times, done %d times", do, saw[false], saw[true])
	}
}
