package reviewer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"postern/crypto/seedtest"
	"postern/reviewer/reviewertest"
)

// TestMain lets the crash test run an import in a process of its own, to kill it.
func TestMain(m *testing.M) {
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
