package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"postern/store/engine"
)

// A full copy of a database, as a stream. It is in clear: the caller seals it
// before it reaches a disk (SECURITY.md S-1, S-19).
//
//	"PSTCOPY1", frames of type (1) ‖ length (4, BE) ‖ data, then nothing:
//	1 record     bucket length (1) ‖ bucket ‖ key length (2) ‖ key ‖ value
//	2 item       id (32) ‖ length (8)
//	3 item data  at least 1 byte, at most a cell
//	4 item end   1: all of it is there; 0: it was erased meanwhile, drop it
//	0 end        SHA-256 of everything before this frame
//
// All records come before the first item.
const (
	copyMagic = "PSTCOPY1"

	copyEnd, copyRecord, copyItem, copyData, copyItemEnd = 0, 1, 2, 3, 4

	maxCopyFrame = 1 + 255 + 2 + 1<<15 + 1<<24
)

// Export writes all live data: the records as they are at one moment, and the
// items these speak of, without those erased meanwhile. It takes memory for one
// cell and some records, and stops nobody, however slowly w takes the copy: a
// vacuum that comes meanwhile re-keys the database, and the key of the copied
// records is then in this process's memory alone. One at a time: [ErrExporting].
func (s *Store) Export(ctx context.Context, w io.Writer) (err error) {
	if !s.exporting.TryLock() {
		return ErrExporting
	}
	defer s.exporting.Unlock()
	snap, k, err := s.snapshot()
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	buf := bufio.NewWriterSize(w, 64<<10)
	e := &exporter{s: s, keys: k, w: buf, sum: sha256.New()}
	err = e.export(ctx, snap)
	if err == nil {
		err = buf.Flush()
	}
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	return nil
}

// snapshot copies the records, sealed as they are.
func (s *Store) snapshot() (engine.Snapshot, *keys, error) {
	s.maintenance.Lock() // a vacuum would have writers wait for the copy
	defer s.maintenance.Unlock()
	if err := s.begin(); err != nil {
		return nil, nil, err
	}
	defer s.life.RUnlock()
	snap, err := s.eng.Snapshot()
	return snap, s.keys, err
}

type exporter struct {
	s    *Store
	keys *keys
	w    io.Writer
	sum  hash.Hash
}

func (e *exporter) frame(kind byte, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(n)) //nolint:gosec // at most maxCopyFrame
	for _, p := range append([][]byte{head}, parts...) {
		e.sum.Write(p)
		if _, err := e.w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) export(ctx context.Context, from engine.Reader) error {
	e.sum.Write([]byte(copyMagic))
	if _, err := io.WriteString(e.w, copyMagic); err != nil {
		return err
	}
	for name, b := range e.s.buckets {
		if name[0] == '.' {
			continue
		}
		for r, err := range pages(ctx, from, e.keys, b) {
			if err != nil {
				return err
			}
			head := append([]byte{byte(len(name))}, name...)               //nolint:gosec // at most maxBucketName
			head = binary.BigEndian.AppendUint16(head, uint16(len(r.Key))) //nolint:gosec // limited by the bucket
			if err := e.frame(copyRecord, head, r.Key, r.Value); err != nil {
				return err
			}
		}
	}
	for r, err := range pages(ctx, from, e.keys, itemBucket) {
		var p itemPart
		if err == nil {
			p, err = decodePart(r)
		}
		if err == nil && p.part == 0 {
			err = e.item(p.id)
		}
		if err != nil {
			return err
		}
	}
	return e.frame(copyEnd, e.sum.Sum(nil))
}

func (e *exporter) item(id ItemID) error {
	i, err := e.s.OpenItem(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := e.frame(copyItem, id[:], binary.BigEndian.AppendUint64(nil, uint64(i.Size()))); err != nil { //nolint:gosec // not negative
		return err
	}
	buf := make([]byte, min(int64(i.s.payload(i.item.class)), i.Size()))
	for off := int64(0); off < i.Size(); {
		n, err := i.ReadAt(buf[:min(int64(len(buf)), i.Size()-off)], off)
		if errors.Is(err, ErrNotFound) {
			return e.frame(copyItemEnd, []byte{0})
		}
		if err != nil {
			return err
		}
		if err := e.frame(copyData, buf[:n]); err != nil {
			return err
		}
		off += int64(n)
	}
	return e.frame(copyItemEnd, []byte{1})
}

var errCopy = errors.New("the copy is damaged or not whole: use another backup")

// Import makes a new database from what [Store.Export] wrote, under a fresh
// storage key. o.Dir must be empty and is left empty when it fails; cut short by a crash,
// it leaves a database that [Open] refuses. o.SmallCell may be another than that
// of the database the copy is of.
func Import(ctx context.Context, o Options, r io.Reader) (err error) {
	have, err := os.ReadDir(o.Dir)
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	if len(have) > 0 {
		return errors.New("importing: the directory is not empty: restore into an empty one")
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("importing: %w", errors.Join(err, removeAll(o.Dir)))
		}
	}()
	o.Create = true
	s, err := open(o, true)
	if err != nil {
		return err
	}
	m := &importer{ctx: ctx, s: s, r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	err = m.run()
	if err == nil {
		err = s.eng.Commit([]engine.Op{{Kind: engine.Delete, Bucket: metaName, Name: clearPartial}})
	}
	return errors.Join(err, s.Close())
}

// removeAll empties a directory that held nothing before.
func removeAll(dir string) error {
	have, err := os.ReadDir(dir)
	for _, f := range have {
		err = errors.Join(err, os.Remove(filepath.Join(dir, f.Name())))
	}
	return err
}

type importer struct {
	ctx  context.Context
	s    *Store
	r    io.Reader
	sum  hash.Hash
	ops  []Op // wait for a commit
	size int  // of ops, in bytes
}

// next frame; its data is the caller's.
func (m *importer) next() (kind byte, data []byte, err error) {
	var before, head [sha256.Size]byte
	m.sum.Sum(before[:0])
	if _, err := io.ReadFull(m.r, head[:5]); err != nil {
		return 0, nil, cutShort(err)
	}
	n := binary.BigEndian.Uint32(head[1:5])
	if n > maxCopyFrame {
		return 0, nil, errCopy
	}
	var buf bytes.Buffer // grows with what comes, not with what is claimed
	if _, err := io.CopyN(&buf, m.r, int64(n)); err != nil {
		return 0, nil, cutShort(err)
	}
	data = buf.Bytes()
	if head[0] == copyEnd && !bytes.Equal(data, before[:]) {
		return 0, nil, errCopy
	}
	m.sum.Write(head[:5])
	m.sum.Write(data)
	return head[0], data, nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCopy
	}
	return err
}

func (m *importer) run() error {
	magic := make([]byte, len(copyMagic))
	if _, err := io.ReadFull(m.r, magic); err != nil {
		return cutShort(err)
	}
	if string(magic) != copyMagic {
		return errCopy
	}
	m.sum.Write(magic)
	for items := false; ; {
		kind, data, err := m.next()
		if err != nil {
			return err
		}
		switch {
		case kind == copyRecord && !items:
			err = m.record(data)
		case kind == copyItem:
			items = true
			err = m.item(data)
		case kind == copyEnd:
			if _, err := io.ReadFull(m.r, make([]byte, 1)); !errors.Is(err, io.EOF) {
				return errCopy
			}
			return m.commit()
		default:
			err = errCopy
		}
		if err != nil {
			return err
		}
	}
}

func (m *importer) record(b []byte) error {
	if len(b) < 1 {
		return errCopy
	}
	bucket, rest, ok := cut(b[1:], int(b[0]))
	if !ok || len(rest) < 2 {
		return errCopy
	}
	key, value, ok := cut(rest[2:], int(binary.BigEndian.Uint16(rest)))
	if !ok {
		return errCopy
	}
	return m.add(Create(string(bucket), key, value), m.s.buckets[string(bucket)].sealedSize())
}

func (m *importer) add(op Op, size int) error {
	if size += nameSize; m.size+size > engine.MaxBytes || len(m.ops) == engine.MaxOps {
		if err := m.commit(); err != nil {
			return err
		}
	}
	m.ops, m.size = append(m.ops, op), m.size+size
	return nil
}

func (m *importer) commit() error {
	err := m.s.Apply(m.ctx, m.ops...)
	m.ops, m.size = nil, 0
	return err
}

func (m *importer) item(b []byte) (err error) {
	if len(b) != 40 {
		return errCopy
	}
	id, length := ItemID(b[:32]), binary.BigEndian.Uint64(b[32:])
	var buf bytes.Buffer
	var w io.Writer = &buf
	var u *Upload
	if length > uint64(m.s.small) { //nolint:gosec // not negative
		if u, err = m.s.NewUpload(id); err != nil {
			return err
		}
		w = u
		defer u.Abort()
	}
	for got := uint64(0); ; {
		kind, data, err := m.next()
		if err != nil {
			return err
		}
		switch {
		case kind == copyData && len(data) > 0 && uint64(len(data)) <= length-got:
			if _, err := w.Write(data); err != nil {
				return err
			}
			got += uint64(len(data))
		case kind == copyItemEnd && bytes.Equal(data, []byte{0}):
			return nil
		case kind == copyItemEnd && bytes.Equal(data, []byte{1}) && got == length:
			if u == nil {
				return m.add(AddItem(id, buf.Bytes()), itemBucket.sealedSize())
			}
			if err := u.Finish(); err != nil {
				return err
			}
			return m.s.Apply(m.ctx, Adopt(u))
		default:
			return errCopy
		}
	}
}
