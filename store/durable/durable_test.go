package durable

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReplace(t *testing.T) {
	for name, replace := range map[string]func(string, []byte) error{"Replace": Replace, "ReplaceSecret": ReplaceSecret} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			for _, text := range []string{"first", "", "the third, longer"} {
				if err := replace(path, []byte(text)); err != nil {
					t.Fatal(err)
				}
				if got := read(t, path); got != text {
					t.Fatalf("%q is there, want %q", got, text)
				}
				if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
					t.Fatal("left behind:", got)
				}
			}
			if st, err := os.Stat(path); err != nil || st.Mode() != 0o600 {
				t.Fatal(st.Mode(), err)
			}
			if err := replace(filepath.Join(dir, "none", "file"), nil); !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if err := replace(dir, nil); err == nil {
				t.Fatal("a folder was replaced")
			}
		})
	}
}

// TestSecretIsOverwritten: whatever step a process dies at, after the next start
// there is the old file or the new one and nothing of the other, wherever its
// bytes lay: a second name, made before, shows them.
func TestSecretIsOverwritten(t *testing.T) {
	const old, fresh = "the old secret", "the new secret"
	for _, dies := range []string{"new written", "old kept under a second name", "renamed", "old overwritten", ""} {
		t.Run(dies, func(t *testing.T) {
			dir, lab := t.TempDir(), t.TempDir()
			path, was, became := filepath.Join(dir, "key"), filepath.Join(lab, "was"), filepath.Join(lab, "became")
			if err := ReplaceSecret(path, []byte(old)); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(path, was); err != nil {
				t.Fatal(err)
			}
			seen := false
			func() {
				defer func() { _ = recover() }()
				_ = replaceSecret(path, []byte(fresh), func(s string) {
					if s == "new written" {
						if err := os.Link(path+newSuffix, became); err != nil {
							t.Error(err)
						}
					}
					if s == dies {
						seen = true
						panic("dies")
					}
				})
			}()
			if seen != (dies != "") {
				t.Fatal("there is no such step")
			}
			if err := Settle(path); err != nil {
				t.Fatal(err)
			}
			if got := names(t, dir); !slices.Equal(got, []string{"key"}) {
				t.Fatal("left behind:", got)
			}
			switch read(t, path) {
			case old:
				if read(t, became) == fresh {
					t.Error("the new bytes lie around")
				}
			case fresh:
				if read(t, was) == old {
					t.Error("the old bytes lie around")
				}
			default:
				t.Fatalf("neither: %q", read(t, path))
			}
		})
	}
}

// A folder that cannot be synced: before the rename nothing was done, after it the
// error says that something was.
func TestNotSynced(t *testing.T) {
	t.Cleanup(func() { Fsync = (*os.File).Sync })
	for fails, want := range []string{"old", "new"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "key")
		if err := ReplaceSecret(path, []byte("old")); err != nil {
			t.Fatal(err)
		}
		n := 0
		Fsync = func(f *os.File) error {
			if n++; n == fails+1 {
				return syscall.EIO
			}
			return f.Sync()
		}
		err := ReplaceSecret(path, []byte("new"))
		if got := read(t, path); got != want || !errors.Is(err, syscall.EIO) || errors.Is(err, ErrNotSynced) != (want == "new") {
			t.Errorf("sync %d fails: %q, %v", fails+1, got, err)
		}
		Fsync = (*os.File).Sync
		if err := Settle(path); err != nil || read(t, path) != want || len(names(t, dir)) != 1 {
			t.Error(err, names(t, dir))
		}
	}
}

func TestScrub(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain := bytes.Repeat([]byte("0123456789"), 20_000)
	if _, err := f.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := Scrub(f, 100, 150_000); err != nil {
		t.Fatal(err)
	}
	got := read(t, f.Name())
	if len(got) != len(plain) || got[:100] != string(plain[:100]) || got[150_100:] != string(plain[150_100:]) {
		t.Fatal("it overwrote something else")
	}
	for at := 100; at+16 <= 150_100; at += 16 {
		if got[at:at+16] == string(plain[at:at+16]) {
			t.Fatalf("byte %d was left", at)
		}
	}
}
