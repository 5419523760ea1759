package store

import (
	"errors"
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
	// Spare bytes of it besides are for [AddSpare] alone, so that what the owner of
	// the store must write goes on when others' items have filled all the rest.
	Quota        int64
	ReserveSmall float64
	Spare        int64
	// Key wraps the storage key file; nil keeps it as it is in storage.key (0600).
	Key KeyWrapper
	// Create makes a new database when there is none; without it Open fails.
	Create bool

	step func(name string) // tests stop here, between two steps of a vacuum
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

	ErrExporting = errors.New("another backup is being written: wait for its end")
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
	opAddSpare
	opAdopt
	opForget
	opTouch
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

// AddSpare is [AddItem] for what must go in when storage is full: it may use
// the last Options.Spare bytes of the quota.
func AddSpare(id ItemID, data []byte) Op { return Op{kind: opAddSpare, item: id, data: data} }

// Adopt makes a finished upload an item.
func Adopt(u *Upload) Op { return Op{kind: opAdopt, upload: u} }

// Forget erases an item; one that is not there is no error.
func Forget(id ItemID) Op { return Op{kind: opForget, item: id} }

// Touch writes a record of the bucket anew, as it is: for each key always the same
// one, until the next vacuum, and never the key's own. Who has the file alone sees what
// a Put of a record that is there shows. In a bucket with no other record nothing is done.
func Touch(bucket string, key []byte) Op { return Op{kind: opTouch, bucket: bucket, key: key} }
