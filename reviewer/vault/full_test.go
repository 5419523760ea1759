package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postern/store/durable/disktest"
)

// On a full disk nothing is half written, what is there can be read, and something can still be
// erased. Where there is no room to write the log anew that is said, and done with room again.
//
// The disk is a small file system in a mount namespace, which a normal user gets along with a
// user namespace.
func TestDiskFull(t *testing.T) {
	if !disktest.Alone(t) {
		return
	}
	disk := t.TempDir()
	check(t, syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=12m,mode=0700"))
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })

	v := must(Create(filepath.Join(disk, "vault"), []byte(testPass), []byte("secret"), new(Change), quick))(t)
	defer func() { v.Close() }()
	var c Change
	for i := range 3000 { // so much that there is no room for it twice
		c.Put(2, fmt.Append(nil, i), bytes.Repeat([]byte{byte(i)}, 1000))
	}
	check(t, v.Commit(&c))
	n := 0
	for ; ; n++ { // until the disk is full
		var c Change
		p, err := v.NewPack()
		if err == nil {
			c.Pack(p)
			var b Blob
			if b, err = fillBlob(p); err == nil {
				c.Put(1, fmt.Append(nil, n), bytes.Repeat([]byte("x"), 200), b)
				err = v.Commit(&c)
			}
		}
		if err != nil {
			c.Abandon()
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
	}
	for fill := must(os.Create(filepath.Join(disk, "of others")))(t); ; { // to the last byte
		if _, err := fill.Write(make([]byte, 4096)); err != nil {
			check(t, fill.Close())
			break
		}
	}
	want := dump(v)
	if h := must(v.Check(nil))(t); !h.Sound() || h.Blobs != n {
		t.Fatalf("%d blobs: %+v", n, h)
	}
	c = Change{}
	c.Put(1, []byte("more"), bytes.Repeat([]byte("x"), 9000))
	if err := v.Commit(&c); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a change on a full disk: %v", err)
	}
	if v = reopen(t, v); dump(v) != want {
		t.Fatal("opened on a full disk it differs")
	}
	name := v.log.name
	gone := mustGet(t, v, "0")
	c = Change{}
	for i := range 900 { // more than fits into what the log's last block has left
		c.Delete(2, fmt.Append(nil, i))
	}
	c.Delete(1, []byte("0"))
	check(t, v.Forget([]byte(testPass), &c))
	if _, ok := v.Get(1, []byte("0")); ok || v.HasPack(gone.Blobs[0].Pack) || v.Len(2) != 2100 {
		t.Fatal("it is not erased")
	}
	if v.log.name == name {
		if w := strings.Join(v.Warnings(), "\n"); !strings.Contains(w, "Make room on the disk") {
			t.Errorf("the log was not written anew, and it says %q", w)
		}
		if v = reopen(t, v); v.log.name != name || !strings.Contains(strings.Join(v.Warnings(), "\n"), "Make room on the disk") {
			t.Error("opened without room it does not say so once more")
		}
	} else {
		t.Error("there was room")
	}
	check(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=64m"))
	if v = reopen(t, v); v.log.name == name || len(v.Warnings()) != 0 || v.Len(2) != 2100 || v.Len(1) != n-1 {
		t.Errorf("with room again: %v, %d and %d records", v.Warnings(), v.Len(2), v.Len(1))
	}
	for file, b := range files(t, v.dir) {
		if file == name || bytes.Contains(b, gone.Blobs[0].Key[:]) {
			t.Errorf("%s: the old log, or a forgotten key", file)
		}
	}
}

// fillBlob adds a blob of 200 kB.
func fillBlob(p *Pack) (Blob, error) {
	w, done, err := p.Seal()
	if err != nil {
		return Blob{}, err
	}
	if _, err = io.Copy(w, bytes.NewReader(make([]byte, 200<<10))); err == nil {
		err = w.Close()
	}
	return done(), err
}
