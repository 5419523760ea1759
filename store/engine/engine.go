// Package engine says what a database must do for package store, which seals
// everything before it comes here: names, values and cells are bytes that look
// random. An engine keeps records, committed in lists, and cells, numbered
// places of one size; and it can put a new set of records in the place of the
// old one, whose bytes are then to be found as little as the engine can manage.
// Package storetest holds the suite that every engine must pass.
package engine

import "errors"

// Bounds of one commit, so that a distributed engine can take it.
const (
	MaxOps   = 100     // changes, and as many conditions
	MaxBytes = 1 << 20 // of values
)

// Errors, for errors.Is.
var (
	ErrNotFound = errors.New("no such record")
	ErrChanged  = errors.New("record is not as required")
	ErrTooLarge = errors.New("too much for one commit")
	ErrFull     = errors.New("the engine takes no more")
	ErrLocked   = errors.New("database is in use by another process")
	// ErrDamaged: its text follows the name of what is damaged. Whatever a file
	// holds, reading it gives this and no panic.
	ErrDamaged = errors.New("is damaged: restore the newest full backup")
)

// Kind of an [Op].
type Kind int

// Kinds. Conditions are judged against the state before the list; then changes are
// made in order.
const (
	Put     Kind = iota + 1
	Delete       // one that is not there is no error
	Require      // the record must have this value
	Absent       // there must be no record
)

// Op is a change of one record, or a condition.
type Op struct {
	Kind        Kind
	Bucket      string
	Name, Value []byte
}

// Bound refuses a list that is too large for one commit.
func Bound(list []Op) error {
	changes, size := 0, 0
	for _, op := range list {
		if op.Kind == Put || op.Kind == Delete {
			changes++
			size += len(op.Value)
		}
	}
	if changes > MaxOps || len(list)-changes > MaxOps || size > MaxBytes {
		return ErrTooLarge
	}
	return nil
}

// Record is a name and a value.
type Record struct{ Name, Value []byte }

// Reader reads a set of records.
type Reader interface {
	// Get returns a copy, or [ErrNotFound], also for a bucket that nothing was put into.
	Get(bucket string, name []byte) ([]byte, error)
	// Page returns copies of the records after a name (nil: from the first), in the
	// order of their names: one at least if there is one, and not much more than size
	// bytes of values.
	Page(bucket string, after []byte, size int) ([]Record, error)
}

// Engine is a database. Safe for concurrent use; one process at a time has it ([ErrLocked]).
type Engine interface {
	Reader
	// Commit does all of a list or none. When it returns nil it is durable. After any
	// error but [ErrChanged], [ErrTooLarge] and [ErrFull] nobody knows what is stored.
	Commit(list []Op) error
	// Empty: there is no set of records yet; make one with Next.
	Empty() bool
	// Next begins an empty set beside this one; one that was begun before ends.
	Next() (Next, error)
	// Snapshot keeps the records as they are now, for one reader at a time.
	Snapshot() (Snapshot, error)
	// Cells of a class, which has one size for the life of the database.
	Cells(class string, size int) (Cells, error)
	// Check looks for damage in how records are laid out, while nobody commits.
	Check() error
	// Size in bytes.
	Size() (int64, error)
	Close() error
}

// Next is a set of records that is to replace the engine's.
type Next interface {
	// Commit is not durable; [ErrTooLarge] does not bound it.
	Commit(list []Op) error
	// Sync makes durable what was committed: Replace then has less to do.
	Sync() error
	// Replace puts this set in the place of the engine's, durably and at once. Readers
	// of the old set have ended, or read the new one; the old one is given up.
	Replace() error
	// Drop ends it; the engine's set stays. Harmless after Replace.
	Drop() error
}

// Snapshot is a set of records that nobody changes.
type Snapshot interface {
	Reader
	Close() error
}

// Cells are numbered from 0. They are never deleted.
type Cells interface {
	Count() uint32
	// Grow to that many; durable with the next Sync. New ones read as zeros.
	Grow(count uint32) error
	// Put writes one; [Cells.Sync] makes it durable.
	Put(number uint32, cell []byte) error
	// Sync: what was Put before the call is durable when it returns nil.
	Sync() error
	// Get fills part from the beginning of a cell. Of one being written it may be anything.
	Get(number uint32, part []byte) error
}
