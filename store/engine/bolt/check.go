package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
)

// A bbolt file, as far as it must be right for bbolt not to panic:
//
//	page:    id 8 ‖ flags 2 ‖ count 2 ‖ pages that follow 4 ‖ elements
//	meta:    magic 4 ‖ version 4 ‖ page size 4 ‖ flags 4 ‖ root 8 ‖ sequence 8 ‖ freelist 8 ‖ pages 8 ‖ transaction 8 ‖ FNV-1a 8
//	branch:  offset of the key 4 ‖ its length 4 ‖ page 8
//	leaf:    flags 4 ‖ offset of the key 4 ‖ its length 4 ‖ length of the value 4
//	bucket:  root 8 ‖ sequence 8 [‖ page, when root is 0]
const (
	pageSize = 4096

	pageHead, metaSize, branchElement, leafElement, bucketHead = 16, 64, 16, 16, 16

	branchFlag, leafFlag, bucketFlag = 1, 2, 1

	magic, version = 0xED0CDAED, 2
)

var order = binary.NativeEndian

// checkFile reads a file through: each page is what the page before says, is used
// once, and holds its keys in order.
func checkFile(path string) error {
	f, err := os.Open(path) //nolint:gosec // the database's own
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	c := checker{f: f}
	if c.meta() && c.tree(c.root, nil, nil, true) {
		return nil
	}
	if c.err != nil && !errors.Is(c.err, io.EOF) {
		return c.err
	}
	return damaged(filepath.Base(path))
}

type checker struct {
	f     io.ReaderAt
	pages uint64 // the file has that many
	root  uint64
	seen  []bool
	err   error // of reading
}

func (c *checker) read(off uint64, n int) []byte {
	b := make([]byte, n)
	if _, err := c.f.ReadAt(b, int64(off)); err != nil { //nolint:gosec // a page of the file
		c.err = err
		return nil
	}
	return b
}

// meta finds the newer of the two meta pages that are whole.
func (c *checker) meta() bool {
	var newest uint64
	found := false
	for id := range uint64(2) {
		b := c.read(id*pageSize, pageHead+metaSize)
		if b == nil {
			return false
		}
		b = b[pageHead:]
		sum := fnv.New64a()
		_, _ = sum.Write(b[:56])
		tx := order.Uint64(b[48:])
		if order.Uint32(b) != magic || order.Uint32(b[4:]) != version || order.Uint32(b[8:]) != pageSize || order.Uint64(b[56:]) != sum.Sum64() ||
			found && tx < newest {
			continue
		}
		found, newest = true, tx
		c.root, c.pages = order.Uint64(b[16:]), order.Uint64(b[40:])
	}
	if !found || c.pages < 3 || c.pages > 1<<40 || c.read(c.pages*pageSize-1, 1) == nil {
		return false
	}
	c.seen = make([]bool, c.pages)
	return true
}

// tree checks the pages from id down, whose keys are at least low and below high.
func (c *checker) tree(id uint64, low, high []byte, buckets bool) bool {
	if id < 2 || id >= c.pages {
		return false
	}
	b := c.read(id*pageSize, pageSize)
	if b == nil || order.Uint64(b) != id {
		return false
	}
	more := uint64(order.Uint32(b[12:]))
	if more >= c.pages-id {
		return false
	}
	for p := id; p <= id+more; p++ {
		if c.seen[p] {
			return false
		}
		c.seen[p] = true
	}
	if more > 0 {
		if b = c.read(id*pageSize, int(more+1)*pageSize); b == nil { //nolint:gosec // within the file
			return false
		}
	}
	return c.page(b, low, high, buckets)
}

// page checks one page and what is below it.
func (c *checker) page(b, low, high []byte, buckets bool) bool {
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if flags != branchFlag && flags != leafFlag || flags == branchFlag && count == 0 || pageHead+count*leafElement > len(b) {
		return false
	}
	type child struct {
		id  uint64
		key []byte
	}
	var below []child
	for i := range count {
		at := pageHead + i*leafElement
		e, kind, size := b[at:], uint32(0), uint32(0)
		if flags == leafFlag {
			kind, size, e = order.Uint32(e), order.Uint32(e[12:]), e[4:]
		}
		pos, n := uint64(at)+uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])) //nolint:gosec // not negative
		if pos+n+uint64(size) > uint64(len(b)) {
			return false
		}
		key, value := b[pos:pos+n], b[pos+n:pos+n+uint64(size)]
		if low != nil && bytes.Compare(key, low) < 0 || i > 0 && bytes.Equal(key, low) || high != nil && bytes.Compare(key, high) >= 0 {
			return false
		}
		low = key
		switch {
		case flags == branchFlag:
			below = append(below, child{order.Uint64(b[at+8:]), key})
		case kind == bucketFlag && buckets:
			if !c.bucket(value) {
				return false
			}
		case kind != 0 || buckets:
			return false
		}
	}
	for i, ch := range below {
		next := high
		if i+1 < len(below) {
			next = below[i+1].key
		}
		if !c.tree(ch.id, ch.key, next, buckets) {
			return false
		}
	}
	return true
}

// bucket checks a bucket that lies in its root's page, or below a page of its own.
// Buckets lie in the root alone.
func (c *checker) bucket(value []byte) bool {
	if len(value) < bucketHead {
		return false
	}
	if root := order.Uint64(value); root != 0 {
		return c.tree(root, nil, nil, false)
	}
	inline := value[bucketHead:]
	return len(inline) >= pageHead && order.Uint16(inline[8:]) == leafFlag && c.page(inline, nil, nil, false)
}
