package vault

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"errors"

	"postern/crypto"
)

// Kind tells apart what records are of. The owner gives kinds their meaning; 0 is the vault's own.
type Kind byte

// ownKind are the vault's own records: see todo.
const ownKind Kind = 0

// Record is what is kept under a kind and a key. Neither may be changed.
type Record struct {
	Value []byte
	Blobs []Blob // whose keys only this record holds; a zero Blob is none
}

// Change is what one [Vault.Commit] does. The zero value does nothing.
type Change struct {
	ops   []op
	at    map[string]int // of kind and key in ops
	packs []*Pack
}

// op puts a record, or deletes it.
type op struct {
	kind Kind
	key  string
	put  bool
	Record
}

// Put keeps a record in place of the one under this kind and key, if there is one. The
// blobs that that one held and this one does not are let go.
func (c *Change) Put(kind Kind, key, value []byte, blobs ...Blob) {
	c.add(op{kind: kind, key: string(key), put: true, Record: Record{Value: value, Blobs: blobs}})
}

// Delete removes a record and lets its blobs go. One that is not there is no error.
func (c *Change) Delete(kind Kind, key []byte) { c.add(op{kind: kind, key: string(key)}) }

// Pack makes a new pack part of the change: it is finished when the change is committed,
// and removed when the change fails.
func (c *Change) Pack(p *Pack) { c.packs = append(c.packs, p) }

// Empty says whether the change would do nothing.
func (c *Change) Empty() bool { return len(c.ops) == 0 }

// Abandon removes the packs of a change that is not to be committed.
func (c *Change) Abandon() {
	for _, p := range c.packs {
		p.Abandon()
	}
	c.packs = nil
}

// add lets the last word on a record count.
func (c *Change) add(o op) {
	id := string([]byte{byte(o.kind)}) + o.key
	if i, ok := c.at[id]; ok {
		c.ops[i] = o
		return
	}
	if c.at == nil {
		c.at = make(map[string]int)
	}
	c.at[id] = len(c.ops)
	c.ops = append(c.ops, o)
}

// Operations in a change's bytes. What follows an opEnd is padding.
const (
	opEnd byte = iota
	opPut
	opDelete
)

const (
	packNameSize = 15 // bytes; a name is their base32
	blobSize     = packNameSize + 8 + 8 + 32
	maxKey       = 1 << 10 // bytes
)

var packNames = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// encode appends the bytes of operations.
func encode(out []byte, ops []op) []byte {
	for _, o := range ops {
		code := opDelete
		if o.put {
			code = opPut
		}
		out = append(out, code, byte(o.kind))
		out = binary.AppendUvarint(out, uint64(len(o.key)))
		out = append(out, o.key...)
		if !o.put {
			continue
		}
		out = binary.AppendUvarint(out, uint64(len(o.Blobs)))
		for _, b := range o.Blobs {
			out = appendBlob(out, b)
		}
		out = binary.AppendUvarint(out, uint64(len(o.Value)))
		out = append(out, o.Value...)
	}
	return out
}

func appendBlob(out []byte, b Blob) []byte {
	raw := make([]byte, packNameSize)
	_, _ = packNames.Decode(raw, []byte(b.Pack)) // "" leaves zeros
	out = append(out, raw...)
	out = binary.BigEndian.AppendUint64(out, uint64(b.Off)) //nolint:gosec // not negative
	out = binary.BigEndian.AppendUint64(out, uint64(b.Len)) //nolint:gosec // not negative
	return append(out, b.Key[:]...)
}

var errChange = errors.New("a change in the vault's log makes no sense: use a newer desk, or restore a backup")

// decode reads the operations of a frame. Values and keys share its memory.
func decode(b []byte) ([]op, error) {
	r := &reader{b: b}
	var ops []op
	for len(r.b) > 0 && !r.bad {
		code := r.byte()
		if code == opEnd {
			if len(bytes.Trim(r.b, "\x00")) > 0 {
				return nil, errChange
			}
			return ops, nil
		}
		if code != opPut && code != opDelete {
			return nil, errChange
		}
		o := op{kind: Kind(r.byte()), key: string(r.bytes(maxKey)), put: code == opPut}
		if o.put {
			for n := r.count(blobSize); n > 0 && !r.bad; n-- {
				o.Blobs = append(o.Blobs, r.blob())
			}
			o.Value = r.bytes(maxFrame)
		}
		ops = append(ops, o)
	}
	if r.bad {
		return nil, errChange
	}
	return ops, nil
}

// reader takes values from the front of b; once one is not there, bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, min(n, blobSize))
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte { return r.take(1)[0] }

// count reads how many things of size bytes follow.
func (r *reader) count(size int) int {
	n, k := binary.Uvarint(r.b)
	if k <= 0 || k > 1 && r.b[k-1] == 0 || n > uint64(len(r.b)/size) { //nolint:gosec // a length; too long, or longer than it need be
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[k:]
	return int(n) //nolint:gosec // bounded
}

func (r *reader) bytes(most int) []byte {
	n := r.count(1)
	if n > most {
		r.bad, r.b = true, nil
		return nil
	}
	return r.take(n)
}

func (r *reader) blob() (b Blob) {
	raw := r.take(blobSize)
	if name := raw[:packNameSize]; len(bytes.Trim(name, "\x00")) > 0 {
		b.Pack = packNames.EncodeToString(name)
	}
	off, n := binary.BigEndian.Uint64(raw[packNameSize:]), binary.BigEndian.Uint64(raw[packNameSize+8:])
	if off > 1<<62 || n > 1<<62 {
		r.bad = true
		return b
	}
	b.Off, b.Len = int64(off), int64(n) //nolint:gosec // bounded
	b.Key = crypto.Key(raw[packNameSize+16:])
	return b
}
