package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"postern/crypto/seedtest"
	"postern/store/engine"
	"postern/store/engine/bolt"
	"postern/store/storetest"
)

const (
	pageSize    = 4096
	recordsName = "records.db"
)

func openTest(t *testing.T, dir string) engine.Engine {
	t.Helper()
	e, err := bolt.Open(dir, 1<<30, true)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEngine(t *testing.T) { storetest.RunEngine(t, openTest) }

// filled makes a database in a directory and gives the length of its records' part
// that is in use.
func filled(t *testing.T, dir string) (path string, used int64) {
	t.Helper()
	e := openTest(t, dir)
	n, err := e.Next()
	if err == nil {
		err = n.Replace()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		value := bytes.Repeat([]byte{byte(i)}, 100+i%5*1500)
		if err := e.Commit([]engine.Op{
			{Kind: engine.Put, Bucket: "a", Name: fmt.Appendf(nil, "name%d", i), Value: value},
			{Kind: engine.Put, Bucket: fmt.Sprint("bucket", i%3), Name: fmt.Appendf(nil, "name%d", i), Value: value[:20]},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, recordsName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, int64(len(bytes.TrimRight(b, "\x00"))+pageSize-1) / pageSize * pageSize
}

// use does with a database what a server does: it reads all, writes, copies and
// looks it through. Any error will do that is one of damage; and no other.
func use(dir string) error {
	e, err := bolt.Open(dir, 1<<30, false)
	if err != nil {
		return err
	}
	var errs []error
	var ops []engine.Op
	for _, b := range []string{"a", "bucket0", "bucket1", "bucket2"} {
		for after := []byte(nil); ; {
			list, err := e.Page(b, after, 10_000)
			errs = append(errs, err)
			if len(list) == 0 {
				break
			}
			after = list[len(list)-1].Name
		}
		for i := range 60 {
			name := fmt.Appendf(nil, "name%d", i)
			_, err := e.Get(b, name)
			if errors.Is(err, engine.ErrNotFound) {
				err = nil
			}
			errs = append(errs, err)
			if i%20 == 7 { // so that pages split and merge
				ops = append(ops, engine.Op{Kind: engine.Delete, Bucket: b, Name: name})
				ops = append(ops, engine.Op{Kind: engine.Put, Bucket: b, Name: append(name, 'x'), Value: make([]byte, 3000)})
			}
		}
	}
	errs = append(errs, e.Commit(ops), e.Commit(ops[:3]))
	errs = append(errs, e.Check())
	s, err := e.Snapshot()
	if err == nil {
		err = s.Close()
	}
	return errors.Join(append(errs, err, e.Close())...)
}

// TestDamage: a file that was cut short, holds pages of zeros, flipped bits or
// noise, or nothing at all: one sentence that names the file, or all is well, and
// never a panic, wherever bbolt reads (some of that it does in goroutines of its own).
func TestDamage(t *testing.T) {
	r := seedtest.Rand(t)
	good := t.TempDir()
	path, used := filled(t, good)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := use(good); err != nil {
		t.Fatal(err)
	}
	pages := used / pageSize
	kinds := map[string]func(b []byte) []byte{
		"empty":   func([]byte) []byte { return nil },
		"a byte":  func([]byte) []byte { return []byte{1} },
		"one bit": func(b []byte) []byte { b[r.Int64N(used)] ^= 1 << r.IntN(8); return b },
		"a bit of a page's head": func(b []byte) []byte {
			b[r.Int64N(pages)*pageSize+r.Int64N(80)] ^= 1 << r.IntN(8)
			return b
		},
		"cut":          func(b []byte) []byte { return b[:r.Int64N(used)] },
		"cut at pages": func(b []byte) []byte { return b[:r.Int64N(pages)*pageSize] },
		"zeros": func(b []byte) []byte {
			n := r.Int64N(pages)
			clear(b[n*pageSize : (n+1)*pageSize])
			return b
		},
		"another page": func(b []byte) []byte {
			n, m := r.Int64N(pages), r.Int64N(pages)
			copy(b[n*pageSize:(n+1)*pageSize], b[m*pageSize:])
			return b
		},
		"noise": func(b []byte) []byte {
			at := r.Int64N(used - 64)
			for i := range int64(64) {
				b[at+i] = byte(r.Uint32())
			}
			return b
		},
	}
	const rounds = 25
	found := 0
	for name, damage := range kinds {
		for range rounds {
			dir := t.TempDir()
			bad := damage(bytes.Clone(text))
			if err := os.WriteFile(filepath.Join(dir, recordsName), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			err := use(dir)
			if err == nil {
				continue
			}
			found++
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, recordsName+" is damaged: restore ") || !errors.Is(err, engine.ErrDamaged) {
					t.Fatalf("%s: it says %q", name, line)
				}
			}
			_ = os.RemoveAll(dir)
		}
	}
	if found < rounds*len(kinds)/3 {
		t.Errorf("of %d damaged files %d were found: the test shows too little", rounds*len(kinds), found)
	}
	t.Logf("of %d damaged files %d were found", rounds*len(kinds), found)
}

// TestDamageWhileServing: the file is cut short, or overwritten, below a database
// that is open.
func TestDamageWhileServing(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(false))
	for name, damage := range map[string]func(path string, used int64) error{
		"cut":   func(path string, _ int64) error { return os.Truncate(path, 2*pageSize) },
		"empty": func(path string, _ int64) error { return os.Truncate(path, 0) },
		"zeros": func(path string, used int64) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, used-2*pageSize), 2*pageSize)
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, used := filled(t, dir)
			e := openTest(t, dir)
			if err := damage(path, used); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() { // in whichever goroutine
				defer close(done)
				_, err := e.Get("a", []byte("name7"))
				_, perr := e.Page("a", nil, 1<<20)
				_, serr := e.Snapshot()
				for _, err := range []error{err, perr, serr, e.Check(), e.Commit([]engine.Op{{Kind: engine.Put, Bucket: "a", Name: []byte("x"), Value: []byte("y")}})} {
					if !errors.Is(err, engine.ErrDamaged) {
						t.Errorf("it says: %v", err)
					}
				}
			}()
			<-done
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
