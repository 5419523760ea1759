package store

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Bucket is a kind of record. Limits are part of the format: a record is
// sealed at its bucket's one length.
type Bucket struct {
	Name     string
	MaxKey   int // bytes
	MaxValue int // bytes
}

// Options of [Open].
type Options struct {
	// Dir holds records.db, cells.db, storage.key. It must exist, 0700.
	Dir string
	// Buckets the caller uses. A bucket in the file that is not named here is kept; a
	// known name with other limits is refused.
	Buckets []Bucket
	// SmallCell is how many bytes one small cell holds: the sealed size of one
	// message of the smallest class. Fixed when the database is created.
	SmallCell int
	// Quota bounds cells.db in bytes; ReserveSmall of it (0.10 for 10 %) can only
	// be used by small items, so that text gets in when files filled the disk.
	Quota        int64
	ReserveSmall float64
	// Key wraps the storage key file; nil keeps it as it is in storage.key (0600).
	Key KeyWrapper
	// Create makes a new database when there is none; without it Open fails.
	Create bool
}

// KeyWrapper protects the storage key file by passphrase, credential or TPM.
type KeyWrapper interface {
	Wrap(plain []byte) ([]byte, error)
	Unwrap(wrapped []byte) ([]byte, error)
}

// Errors, for errors.Is.
var (
	ErrExists   = errors.New("record exists")             // Create
	ErrChanged  = errors.New("record is not as required") // Swap, Require
	ErrNotFound = errors.New("no such record")            // Get, OpenItem
	ErrFull     = errors.New("storage quota is used up")
	ErrBroken   = errors.New("storage failed and must be checked before it goes on")
	ErrNewer    = errors.New("database was written by a newer version")
	ErrLocked   = errors.New("database is in use by another process")
)

// ItemID names an item: random.
type ItemID [32]byte

// Op is one declarative operation of [Store.Apply].
type Op struct {
	kind       opKind
	bucket     string
	key        []byte
	value, old []byte
	item       ItemID
	data       []byte
	upload     *Upload
}

type opKind int

const (
	opCreate opKind = iota + 1
	opPut
	opSwap
	opDelete
	opRequire
	opAbsent
	opAddItem
	opAdopt
	opForget
)

// Create adds a record that must not exist ([ErrExists]).
func Create(bucket string, key, value []byte) Op {
	return Op{kind: opCreate, bucket: bucket, key: key, value: value}
}

// Put adds or replaces a record.
func Put(bucket string, key, value []byte) Op {
	return Op{kind: opPut, bucket: bucket, key: key, value: value}
}

// Swap replaces a record whose value must be old ([ErrChanged]).
func Swap(bucket string, key, old, value []byte) Op {
	return Op{kind: opSwap, bucket: bucket, key: key, old: old, value: value}
}

// Delete removes a record; one that is not there is no error.
func Delete(bucket string, key []byte) Op { return Op{kind: opDelete, bucket: bucket, key: key} }

// Require fails the whole list with [ErrChanged] unless the record has this value.
func Require(bucket string, key, value []byte) Op {
	return Op{kind: opRequire, bucket: bucket, key: key, value: value}
}

// RequireAbsent fails the whole list with [ErrChanged] if the record exists.
func RequireAbsent(bucket string, key []byte) Op { return Op{kind: opAbsent, bucket: bucket, key: key} }

// AddItem stores data, at most SmallCell bytes, as a new item in one small cell.
func AddItem(id ItemID, data []byte) Op { return Op{kind: opAddItem, item: id, data: data} }

// Adopt makes a finished upload an item.
func Adopt(u *Upload) Op { return Op{kind: opAdopt, upload: u} }

// Forget erases an item; one that is not there is no error.
func Forget(id ItemID) Op { return Op{kind: opForget, item: id} }

// Store is an open database. Safe for concurrent use.
type Store struct{}

// Open opens or creates the database, finishing or undoing an interrupted
// vacuum. Only one process may have it open ([ErrLocked]).
func Open(o Options) (*Store, error) { panic("unbuilt") }

// Close waits for running operations and releases the files.
func (s *Store) Close() error { panic("unbuilt") }

// Apply does all ops or none; when it returns nil they are durable (fsync
// done). Concurrent calls share a commit. Ops are checked in order against the state before
// the list.
func (s *Store) Apply(ctx context.Context, ops ...Op) error { panic("unbuilt") }

// Get returns a copy of a record's value, or [ErrNotFound].
func (s *Store) Get(bucket string, key []byte) ([]byte, error) { panic("unbuilt") }

// All yields a bucket's records (copies) in no meaningful order. No
// transaction is open while the caller's loop body runs; a record written or deleted meanwhile may or may
// not be seen.
func (s *Store) All(bucket string) iter.Seq2[Record, error] { panic("unbuilt") }

// Record is a key and its value.
type Record struct{ Key, Value []byte }

// Upload is an item being written: registered before its first cell, so that
// the collector leaves its cells alone. Not safe for concurrent use.
type Upload struct{}

// NewUpload registers an upload of a large item. small lets it use the
// reserve (text). Errors: [ErrFull].
func (s *Store) NewUpload(id ItemID) (*Upload, error) { panic("unbuilt") }

// Write seals and writes cells as they fill. [ErrFull] when the quota is used up.
func (u *Upload) Write(p []byte) (int, error) { panic("unbuilt") }

// Finish pads and writes the last cell and makes all cells durable. Apply(Adopt(u), …) makes it an item.
func (u *Upload) Finish() error { panic("unbuilt") }

// Abort forgets the upload; its cells become free. Harmless after Adopt.
func (u *Upload) Abort() { panic("unbuilt") }

// Size is the number of bytes written so far.
func (u *Upload) Size() int64 { panic("unbuilt") }

// Item is a stored item, read cell by cell; no transaction spans a call.
type Item struct{}

// OpenItem opens an item, or [ErrNotFound]. An item erased while it is read
// gives [ErrNotFound] from ReadAt.
func (s *Store) OpenItem(id ItemID) (*Item, error) { panic("unbuilt") }

// Size in bytes.
func (i *Item) Size() int64 { panic("unbuilt") }

// ReadAt implements [io.ReaderAt].
func (i *Item) ReadAt(p []byte, off int64) (int, error) { panic("unbuilt") }

var _ io.ReaderAt = (*Item)(nil)

// Usage is how full the store is, in bytes.
type Usage struct {
	Quota     int64
	Used      int64 // by live items
	FileSize  int64 // of both files
	FreeSmall bool  // a small item still fits
	FreeLarge int64 // bytes that large items may still take
	Records   map[string]int
}

// Usage counts.
func (s *Store) Usage() (Usage, error) { panic("unbuilt") }

// Vacuum re-keys records.db under a new storage key while serving, and
// overwrites the old key. It returns when the old file and key are gone.
func (s *Store) Vacuum(ctx context.Context) error { panic("unbuilt") }

// Check reads everything that can be verified: both bbolt files' structure, every
// record's seal and length, every item's cells and their seals, no cell used
// twice. It reports problems without any content.
func (s *Store) Check(ctx context.Context, problem func(string)) error { panic("unbuilt") }
