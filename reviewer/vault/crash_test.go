package vault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"postern/store/durable"
)

const (
	crashDo  = "VAULT_CRASH_DO"  // action
	crashDir = "VAULT_CRASH_DIR" // of the vault
	crashAt  = "VAULT_CRASH_AT"  // step before which the process kills itself
)

// TestMain lets a test run an action in a process of its own that dies at a step of it.
func TestMain(m *testing.M) {
	if name := os.Getenv(crashDo); name != "" {
		n, _ := strconv.Atoi(os.Getenv(crashAt))
		die := func(string) {
			if n--; n < 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		begin := func() {
			step = die
			durable.Fsync = func(f *os.File) error { die("before a sync"); err := f.Sync(); die("after it"); return err }
			writeAt = func(f *os.File, b []byte, off int64) (int, error) { // torn in the middle
				half := len(b) / 2
				if n, err := f.WriteAt(b[:half], off); err != nil {
					return n, err
				}
				die("within a write")
				k, err := f.WriteAt(b[half:], off+int64(half))
				return half + k, err
			}
		}
		if err := crashActions[name](os.Getenv(crashDir), begin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const otherPass = "another passphrase, long enough"

// crashActions call begin where the process may die.
var crashActions = map[string]func(dir string, begin func()) error{
	"commit": func(dir string, begin func()) error {
		return crashChange(dir, begin, func(v *Vault, c *Change) error { return v.Commit(c) })
	},
	"forget": func(dir string, begin func()) error {
		return crashChange(dir, begin, func(v *Vault, c *Change) error { return v.Forget([]byte(testPass), c) })
	},
	"passphrase": func(dir string, begin func()) error {
		v, err := Open(dir, []byte(testPass), quick)
		if err != nil {
			return err
		}
		begin()
		return v.SetPassphrase([]byte(otherPass))
	},
	"open": func(dir string, begin func()) error { // one that has much to end
		begin()
		_, err := Open(dir, []byte(testPass), quick)
		return err
	},
	"create": func(dir string, begin func()) error {
		begin()
		_, err := Create(dir+"-new", []byte(testPass), []byte("secret"), new(Change), quick)
		return err
	},
	"restore": func(dir string, begin func()) error {
		f, err := os.Open(dir + ".backup")
		if err != nil {
			return err
		}
		begin()
		_, err = Restore(f, dir+"-new", []byte(testPass), quick)
		return err
	},
}

// crashChange puts two records with blobs, changes one, and deletes one.
func crashChange(dir string, begin func(), do func(*Vault, *Change) error) error {
	v, err := Open(dir, []byte(testPass), quick)
	if err != nil {
		return err
	}
	begin()
	var c Change
	p, err := v.NewPack()
	if err != nil {
		return err
	}
	c.Pack(p)
	for _, key := range []string{"new", "changed"} {
		sealed, k, err := SealBlob([]byte("new blob of " + key))
		if err != nil {
			return err
		}
		b, err := p.Add(sealed, k)
		if err != nil {
			return err
		}
		c.Put(1, []byte(key), []byte("new"), b)
	}
	c.Delete(1, []byte("deleted"))
	c.Delete(1, []byte("shares a pack"))
	return do(v, &c)
}

// A vault whose program is killed before, within and after any write, sync, rename or removal is as
// it was before the action or as it is after it; nothing lies around; and what was
// forgotten is, whenever it is not there.
func TestKilledAnywhere(t *testing.T) {
	base := newVault(t)
	for _, key := range []string{"kept", "changed", "deleted"} {
		put(t, base, 1, key, key, "the blob "+key)
	}
	var c Change
	p := must(base.NewPack())(t)
	c.Pack(p)
	c.Put(1, []byte("shares a pack"), nil, addTo(t, p, strings.Repeat("shared ", 40)))
	c.Put(1, []byte("stays in it"), nil, addTo(t, p, "stays"))
	check(t, base.Commit(&c))
	before := dump(base)
	check(t, base.BackupFile(filepath.Join(t.TempDir(), "b"), []byte(testPass)))
	var backup bytes.Buffer
	check(t, base.Backup(&backup, []byte(testPass)))
	base.Close()
	pristine := files(t, base.dir)
	after := strings.Join([]string{`1 "changed" = "new" "new blob of changed"`, `1 "kept" = "kept" "the blob kept"`, `1 "new" = "new" "new blob of new"`, `1 "stays in it" = "" "stays"`}, "\n")
	self := must(os.Executable())(t)
	rounds := 0
	for name := range crashActions {
		ended := false
		saw := make(map[string]int)
		for at := 0; !ended; at++ {
			rounds++
			dir := filepath.Join(t.TempDir(), "v")
			check(t, os.CopyFS(dir, os.DirFS(base.dir)))
			check(t, os.WriteFile(dir+".backup", backup.Bytes(), 0o600))
			if name == "open" { // that a forget left right after its change
				killAt(t, self, "forget", dir, 20)
			}
			ended = killAt(t, self, name, dir, at)
			what := fmt.Sprintf("%s, killed at step %d", name, at)
			if name == "create" || name == "restore" {
				dir += "-new"
				if Exists(dir) != nil {
					if ended {
						t.Fatal(what, ": it is not there")
					}
					saw["nothing"]++
					var err error
					var v *Vault
					if name == "create" {
						v, err = Create(dir, []byte(testPass), []byte("secret"), new(Change), quick)
					} else {
						v, err = Restore(bytes.NewReader(backup.Bytes()), dir, []byte(testPass), quick)
					}
					if err != nil {
						t.Fatal(what, ": and once more: ", err)
					}
					v.Close()
				} else {
					saw["all"]++
				}
			}
			v, err := Open(dir, []byte(testPass), quick)
			if name == "passphrase" && errors.Is(err, ErrPassphrase) {
				saw["the other passphrase"]++
				v, err = Open(dir, []byte(otherPass), quick)
			}
			if err != nil {
				t.Fatal(what, ": ", err)
			}
			got := dump(v)
			saw["before"] += b2i(got == before)
			saw["after"] += b2i(got == after)
			if got != before && got != after && name != "create" {
				t.Fatalf("%s: it holds\n%s", what, got)
			}
			if h := must(v.Check(nil))(t); !h.Sound() {
				t.Fatalf("%s: %+v", what, h)
			}
			whole(t, what, v)
			if name == "forget" && got == after || name == "open" && got == after {
				forgotten(t, what, v, pristine)
			}
			if ended && (name == "commit" || name == "forget") && got != after {
				t.Fatalf("%s ended and left\n%s", name, got)
			}
			v.Close()
		}
		t.Log(name, saw)
		if name == "open" && saw["before"] > 0 {
			t.Error("there was nothing to end")
		}
	}
	t.Logf("%d rounds", rounds)
	if rounds < 100 {
		t.Error("that is few")
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// killAt runs an action that dies before its n-th step, and says whether it ended instead.
func killAt(t *testing.T, self, name, dir string, n int) (ended bool) {
	t.Helper()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), crashDo+"="+name, crashDir+"="+dir, crashAt+"="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
		t.Fatalf("%s failed by itself at step %d: %v\n%s", name, n, err, out)
	}
	return err == nil
}

// whole says that an opened vault has the files it needs and no others.
func whole(t *testing.T, what string, v *Vault) {
	t.Helper()
	for name := range files(t, v.dir) {
		pack := strings.HasPrefix(name, packDir) && v.live.refs[filepath.Base(name)] > 0
		if name != keyName && name != v.log.name && name != spareName && name != lockName && !pack {
			t.Fatalf("%s: %s lies around", what, name)
		}
	}
	if entries := must(os.ReadDir(filepath.Dir(v.dir)))(t); len(entries) > 3 {
		t.Fatalf("%s: beside the vault lie %v", what, entries)
	}
}

// forgotten says that nothing of the old log, nor of packs that are gone, is in any file.
func forgotten(t *testing.T, what string, v *Vault, old map[string][]byte) {
	t.Helper()
	now := files(t, v.dir)
	for name, b := range old {
		if !strings.HasPrefix(name, logPrefix) {
			continue
		}
		for at := 0; at+64 <= len(b); at += 64 {
			for file, is := range now {
				if bytes.Contains(is, b[at:at+64]) {
					t.Fatalf("%s: %s holds a part of the old log", what, file)
				}
			}
		}
	}
}
