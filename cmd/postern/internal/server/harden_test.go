package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postern/cmd/postern/internal/instance"
)

// hardened marks the child process of TestHarden: what harden and confine take
// away does not come back.
const hardened = "POSTERN_TEST_HARDENED"

func TestHarden(t *testing.T) {
	if dir := os.Getenv(hardened); dir != "" {
		checkHardened(t, dir)
		return
	}
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	if err := os.WriteFile(outside, []byte("readable before"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := instance.Defaults()
	conf.Name, conf.Tor.Mode = "example", instance.TorNone
	if _, err := instance.Create(filepath.Join(dir, "srv"), &conf); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestHarden$", "-test.v")
	child.Env = append(os.Environ(), hardened+"="+dir)
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestHarden") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func checkHardened(t *testing.T, dir string) {
	if err := Harden(); err != nil {
		t.Fatal(err)
	}
	// What a change of identity does where fs.suid_dumpable is 1.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	i, err := instance.Open(filepath.Join(dir, "srv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := confine(i); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || n != 0 {
		t.Errorf("the process can be dumped: %d, %v", n, err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core.Cur != 0 || core.Max != 0 {
		t.Errorf("core dumps are on: %+v, %v", core, err)
	}
	if f, err := os.CreateTemp("", "x"); err == nil {
		t.Errorf("a temporary file was made at %s", f.Name())
	}
	if b, err := os.ReadFile(filepath.Join(dir, "outside")); err == nil {
		t.Errorf("a file outside was read: %s", b)
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err == nil {
		t.Error("a file outside was written")
	}
	inside := filepath.Join(i.Dir, "inside")
	if err := os.WriteFile(inside, []byte("x"), 0o666); err != nil {
		t.Errorf("a file inside was refused: %v", err)
	}
	if info, err := os.Stat(inside); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file inside is %v, %v", info.Mode(), err)
	}
	s, err := i.OpenStore(false)
	if err != nil {
		t.Fatalf("the database does not open: %v", err)
	}
	if err := s.Vacuum(t.Context()); err != nil {
		t.Errorf("vacuum: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
