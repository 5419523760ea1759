package bolt

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"postern/store/durable"
	"postern/store/engine"
)

// cells is a plain file of equal cells. Nothing in it but its length follows from
// the order of writes, which a file of bbolt's tells by its pages.
type cells struct {
	f     *os.File
	size  int64
	count atomic.Uint32

	syncing sync.Mutex // held during a sync
	mu      sync.Mutex
	waiting *round // of syncs that did not begin yet
}

// Cells implements [engine.Engine].
func (e *Engine) Cells(class string, size int) (engine.Cells, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.cells[class]; c != nil {
		return c, nil
	}
	f, err := os.OpenFile(e.path(class+cellsSuffix), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	c := &cells{f: f, size: int64(size)}
	e.cells[class] = c
	st, err := f.Stat()
	if err == nil {
		err = durable.SyncDir(e.dir)
	}
	if err != nil {
		return nil, err
	}
	c.count.Store(uint32(st.Size() / c.size)) //nolint:gosec // files of 2^32 cells are not made
	return c, nil
}

func (c *cells) Count() uint32 { return c.count.Load() }

func (c *cells) Grow(count uint32) error {
	if err := c.f.Truncate(int64(count) * c.size); err != nil {
		return err
	}
	// Their place on the disk is found at once: to look for it at each sync takes three times as long.
	have := int64(c.count.Load()) * c.size
	if err := syscall.Fallocate(int(c.f.Fd()), 0, have, int64(count)*c.size-have); errors.Is(err, syscall.ENOSPC) { //nolint:gosec // a descriptor fits
		return err // others: this file system cannot do that
	}
	c.count.Store(count)
	return nil
}

func (c *cells) Put(number uint32, cell []byte) error {
	_, err := c.f.WriteAt(cell, int64(number)*c.size)
	return err
}

func (c *cells) Get(number uint32, part []byte) error {
	_, err := c.f.ReadAt(part, int64(number)*c.size)
	return err
}

// round is one sync that several wait for.
type round struct {
	once sync.Once
	err  error
}

// Sync: who comes while one is running waits for the next, with all others who do.
func (c *cells) Sync() error {
	c.mu.Lock()
	if c.waiting == nil {
		c.waiting = new(round)
	}
	r := c.waiting
	c.mu.Unlock()
	r.once.Do(func() {
		c.syncing.Lock()
		defer c.syncing.Unlock()
		c.mu.Lock()
		c.waiting = nil
		c.mu.Unlock()
		r.err = syscall.Fdatasync(int(c.f.Fd())) //nolint:gosec // a descriptor fits
	})
	return r.err
}
