package store

import (
	"errors"

	"postern/store/engine"
)

// Bucket is a kind of record. Limits are part of the format: a record is
// sealed at its bucket's one length.
type Bucket struct {
	Name     string
	MaxKey   int // bytes
	MaxValue int // bytes
	// Spare: new records may use Options.Spare, as [AddSpare] does.
	Spare bool
}

// Options of [Open].
type Options struct {
	// Dir holds the database and storage.key. It must exist, 0700.
	Dir string
	// Buckets the caller uses. A bucket in the file that is not named here is kept; a
	// known name with other limits is refused.
	Buckets []Bucket
	// SmallCell is how many bytes one small cell must hold: the sealed size of one
	// message of the smallest class. Fixed when the database is created.
	SmallCell int
	// Quota bounds records and cells together, in bytes; ReserveSmall of it (0.10 for
	// 10 %) can only be used by records and small items, so that text gets in when
	// files filled the disk. Spare bytes of it besides are for [AddSpare] and
	// Bucket.Spare alone, so that what the owner of the store must write goes on when
	// others' items have filled all the rest.
	Quota        int64
	ReserveSmall float64
	Spare        int64
	// Fill bytes of small cells are made in advance.
	Fill int64
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
	ErrExists   = errors.New("record exists") // Create
	ErrChanged  = engine.ErrChanged           // Swap, Require
	ErrNotFound = engine.ErrNotFound          // Get, OpenItem
	ErrTooLarge = engine.ErrTooLarge          // Apply
	ErrFull     = errors.New("storage quota is used up")
	ErrBroken   = errors.New("storage failed: end the process, check the database and start anew")
	ErrDamaged  = engine.ErrDamaged // "FILE is damaged: restore …"
	ErrNewer    = errors.New("database was written by a newer version")
	ErrLocked   = engine.ErrLocked

	ErrExporting = errors.New("another backup is being written: wait for its end")
)

// ItemID names an item: random.
type ItemID [32]byte

// Op is one declarative operation of [Store.Apply]. The functions below make them.
type Op struct {
	Kind       Kind
	Bucket     string
	Key, Value []byte
	Old        []byte // of Swap
	Item       ItemID
	Data       []byte  // of AddItem and AddSpare
	Upload     *Upload // of Adopt
}

// Kind of an [Op].
type Kind int

// Kinds, each with a function of its name.
const (
	KindCreate Kind = iota + 1
	KindPut
	KindSwap
	KindDelete
	KindRequire
	KindRequireAbsent
	KindTouch
	KindAddItem
	KindAddSpare
	KindAdopt
	KindForget
	kindPart   // of an item's record: put
	kindUnpart // and deleted
)

// Create adds a record that must not exist ([ErrExists]).
func Create(bucket string, key, value []byte) Op {
	return Op{Kind: KindCreate, Bucket: bucket, Key: key, Value: value}
}

// Put adds or replaces a record.
func Put(bucket string, key, value []byte) Op {
	return Op{Kind: KindPut, Bucket: bucket, Key: key, Value: value}
}

// Swap replaces a record whose value must be old ([ErrChanged]).
func Swap(bucket string, key, old, value []byte) Op {
	return Op{Kind: KindSwap, Bucket: bucket, Key: key, Old: old, Value: value}
}

// Delete removes a record; one that is not there is no error.
func Delete(bucket string, key []byte) Op { return Op{Kind: KindDelete, Bucket: bucket, Key: key} }

// Require fails the whole list with [ErrChanged] unless the record has this value.
func Require(bucket string, key, value []byte) Op {
	return Op{Kind: KindRequire, Bucket: bucket, Key: key, Value: value}
}

// RequireAbsent fails the whole list with [ErrChanged] if the record exists.
func RequireAbsent(bucket string, key []byte) Op {
	return Op{Kind: KindRequireAbsent, Bucket: bucket, Key: key}
}

// Touch writes a record of the bucket anew, as it is: for each key always the same
// one, until the next vacuum, and never the key's own. Who has the file alone sees what
// a Put of a record that is there shows. In a bucket with no other record nothing is done.
func Touch(bucket string, key []byte) Op { return Op{Kind: KindTouch, Bucket: bucket, Key: key} }

// AddItem stores data, at most SmallCell bytes, as a new item in one cell.
func AddItem(id ItemID, data []byte) Op { return Op{Kind: KindAddItem, Item: id, Data: data} }

// AddSpare is [AddItem] for what must go in when storage is full: it may use
// the last Options.Spare bytes of the quota.
func AddSpare(id ItemID, data []byte) Op { return Op{Kind: KindAddSpare, Item: id, Data: data} }

// Adopt makes a finished upload an item.
func Adopt(u *Upload) Op { return Op{Kind: KindAdopt, Upload: u} }

// Forget erases an item; one that is not there is no error.
func Forget(id ItemID) Op { return Op{Kind: KindForget, Item: id} }
