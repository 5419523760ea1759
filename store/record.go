package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"

	"postern/store/engine"
)

// A record in the file:
//
//	HMAC(index key, bucket ‖ 0 ‖ key) → nonce 24 ‖ XChaCha20-Poly1305(seal key, AAD bucket ‖ 0 ‖ name in the file)
//	of: key length (2) ‖ key ‖ value length (4) ‖ value ‖ zeros up to the bucket's constant
const recordOverhead = 24 + 16

// nameSize of a record in the file.
const nameSize = sha256.Size

// cost of a record against the quota: what it takes in a tree of half-full pages.
func (b Bucket) cost() int64 { return int64(b.sealedSize()+nameSize+16) * 3 / 2 }

func (b Bucket) plainSize() int  { return 2 + b.MaxKey + 4 + b.MaxValue }
func (b Bucket) sealedSize() int { return recordOverhead + b.plainSize() }

func (b Bucket) aad(fileKey []byte) []byte {
	return append(append([]byte(b.Name), 0), fileKey...)
}

// sealRecord assumes that key and value keep the bucket's limits.
func (k *keys) sealRecord(b Bucket, fileKey, key, value []byte) []byte {
	out := make([]byte, 24, b.sealedSize())
	_, _ = rand.Read(out)
	plain := make([]byte, 0, b.plainSize())
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(key))) //nolint:gosec // limited by the bucket
	plain = append(plain, key...)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(value))) //nolint:gosec // limited by the bucket
	plain = append(plain, value...)
	return k.seal.Seal(out, out[:24], plain[:b.plainSize()], b.aad(fileKey))
}

// errRecord: a record does not open, or does not say what a record says.
var errRecord = fmt.Errorf("a record %w", ErrDamaged)

// openRecord returns copies. It accepts nothing that sealRecord does not make.
func (k *keys) openRecord(b Bucket, fileKey, sealed []byte) (Record, error) {
	if len(sealed) != b.sealedSize() {
		return Record{}, errRecord
	}
	plain, err := k.seal.Open(nil, sealed[:24], sealed[24:], b.aad(fileKey))
	if err != nil {
		return Record{}, errRecord
	}
	key, rest, ok := cut(plain[2:], int(binary.BigEndian.Uint16(plain)))
	if !ok || len(key) > b.MaxKey || len(rest) < 4 {
		return Record{}, errRecord
	}
	value, zeros, ok := cut(rest[4:], int(binary.BigEndian.Uint32(rest)))
	if !ok || len(value) > b.MaxValue || len(bytes.TrimRight(zeros, "\x00")) != 0 {
		return Record{}, errRecord
	}
	if !bytes.Equal(k.fileKey(b.Name, key), fileKey) {
		return Record{}, errRecord
	}
	return Record{key, value}, nil
}

// put is the operation that writes a record.
func (k *keys) put(b Bucket, key, value []byte) engine.Op {
	name := k.fileKey(b.Name, key)
	return engine.Op{Kind: engine.Put, Bucket: b.Name, Name: name, Value: k.sealRecord(b, name, key, value)}
}

// pageBytes of records are copied out at once.
const pageBytes = 256 << 10

// pages yields all records of a bucket; one that does not open as an error.
func pages(ctx context.Context, r engine.Reader, k *keys, b Bucket) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for after := []byte(nil); ; {
			list, err := r.Page(b.Name, after, pageBytes)
			if err = cmp.Or(err, ctx.Err()); err != nil {
				yield(Record{}, err)
				return
			}
			for _, e := range list {
				if len(e.Name) != nameSize {
					continue // in clear
				}
				if !yield(k.openRecord(b, e.Name, e.Value)) {
					return
				}
			}
			if len(list) == 0 {
				return
			}
			after = list[len(list)-1].Name
		}
	}
}

func cut(b []byte, n int) (head, rest []byte, ok bool) {
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

// Buckets of the store itself; names of the caller's do not begin with a dot.
const (
	metaName = ".meta" // what the file is; holds two records in clear
	itemName = ".item"
)

var (
	metaBucket = Bucket{Name: metaName, MaxKey: 40, MaxValue: 8}
	itemBucket = Bucket{Name: itemName, MaxKey: itemKeySize, MaxValue: itemValueSize, Spare: true} // the cells' tier decides
)

// In clear in .meta: what must be known before there is a key.
var (
	clearVersion = []byte("version") // be32
	clearKey     = []byte("key")     // id of the storage key
	clearPartial = []byte("partial") // there while a backup is being restored into the file
)

const formatVersion = 1

// Sealed in .meta: the size of a small cell and the buckets' limits.
var metaSmallCell = []byte("small cell")

func metaLimits(bucket string) []byte { return append([]byte("bucket "), bucket...) }

const maxBucketName = 32

func (b Bucket) limits() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(b.MaxKey)), uint32(b.MaxValue)) //nolint:gosec // valid
}

// valid checks a bucket that a caller names.
func (b Bucket) valid() error {
	if b.Name == "" || b.Name[0] == '.' || len(b.Name) > maxBucketName {
		return fmt.Errorf("bucket %q: a name has 1 to %d bytes and does not begin with a dot", b.Name, maxBucketName)
	}
	if b.MaxKey < 1 || b.MaxKey > 1<<15 || b.MaxValue < 0 || b.MaxValue > 1<<24 {
		return fmt.Errorf("bucket %q: keys have 1 byte to 32 KiB, values at most 16 MiB", b.Name)
	}
	return nil
}
