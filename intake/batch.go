package intake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"postern/crypto"
	"postern/store"
)

// A batch is the same for every holder and tells its size only: exactly N
// entries of the smallest class in random order, cover filling up
// (SECURITY.md S-16). Larger items follow in volumes of their own.

// keepDays is how long a batch can be fetched.
const keepDays = 60

type entryKind byte

// The kinds of entries.
const (
	entryItem  entryKind = iota
	entryPool            // cover that a nightly exchange may take (exchange.go)
	entryNoise           // a large one that was erased: noise of its length, from its id
)

type entry struct {
	id   store.ItemID
	size int64
	hash [32]byte
	kind entryKind
	week uint32 // of arrival; known until it is released
}

// batch is what the database keeps of one. Its number is unique in the database; its
// ordinal is that of the head, counted from 1 in each life of an instance.
type batch struct {
	number   uint64
	instance crypto.InstanceID
	ordinal  uint64
	lane     crypto.Lane
	day      crypto.Day
	version  uint64 // of the directory
	slots    uint16 // of every entry
	revision uint32
	before   [32]byte
	released [32]byte // hash of the first revision's head, in later ones
	volumes  [][]entry
}

const (
	entrySize      = 32 + 8 + 32 + 1
	batchKeySize   = 8 + 2
	batchChunkSize = 2048
	chunkEntries   = batchChunkSize / entrySize
	batchHeadSize  = 16 + 8 + 1 + 4 + 8 + 2 + 4 + 32 + 32 + 2
	maxVolumes     = (batchChunkSize - batchHeadSize) / 4
	maxEntries     = 85 * chunkEntries // a batch's records go into one commit
)

func batchKey(number uint64, chunk int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(nil, number), uint16(chunk)) //nolint:gosec // few
}

func (b *batch) entries() []entry { return slices.Concat(b.volumes...) }

// chunks is how many records hold the entries.
func (b *batch) chunks() int { return (len(b.entries()) + chunkEntries - 1) / chunkEntries }

// headRecord is chunk 0.
func (b *batch) headRecord() []byte {
	h := append(make([]byte, 0, batchChunkSize), b.instance[:]...)
	h = binary.BigEndian.AppendUint64(h, b.ordinal)
	h = append(h, byte(b.lane))
	h = binary.BigEndian.AppendUint32(h, uint32(b.day))
	h = binary.BigEndian.AppendUint64(h, b.version)
	h = binary.BigEndian.AppendUint16(h, b.slots)
	h = binary.BigEndian.AppendUint32(h, b.revision)
	h = append(append(h, b.before[:]...), b.released[:]...)
	h = binary.BigEndian.AppendUint16(h, uint16(len(b.volumes))) //nolint:gosec // at most maxVolumes
	for _, v := range b.volumes {
		h = binary.BigEndian.AppendUint32(h, uint32(len(v))) //nolint:gosec // few
	}
	return h
}

// chunkRecord is chunk i, from 1.
func (b *batch) chunkRecord(i int) (c []byte) {
	list := b.entries()[(i-1)*chunkEntries:]
	for _, e := range list[:min(len(list), chunkEntries)] {
		c = append(c, e.id[:]...)
		c = binary.BigEndian.AppendUint64(c, uint64(e.size)) //nolint:gosec // not negative
		c = append(append(c, e.hash[:]...), byte(e.kind))
	}
	return c
}

// chunk reads a part of a batch's entries, or [store.ErrNotFound].
func (s *Service) chunk(number uint64, i int) (list []entry, err error) {
	c, err := s.store.Get(bucketBatch, batchKey(number, i))
	if err != nil {
		return nil, err
	}
	if len(c) == 0 || len(c)%entrySize != 0 {
		return nil, errRecord
	}
	for ; len(c) > 0; c = c[entrySize:] {
		list = append(list, entry{
			id: store.ItemID(c[:32]), size: int64(binary.BigEndian.Uint64(c[32:])), hash: [32]byte(c[40:]), kind: entryKind(c[72]), //nolint:gosec // written by chunkRecord
		})
	}
	return list, nil
}

// loadBatch reads one batch, or [store.ErrNotFound].
func (s *Service) loadBatch(number uint64) (*batch, error) {
	h, err := s.store.Get(bucketBatch, batchKey(number, 0))
	if err != nil {
		return nil, err
	}
	b, counts, err := decodeBatchHead(number, h)
	if err != nil {
		return nil, err
	}
	var list []entry
	total := 0
	for _, n := range counts {
		total += n
	}
	for i := 1; len(list) < total; i++ {
		part, err := s.chunk(number, i)
		if err != nil {
			return nil, fmt.Errorf("reading batch %d: %w", number, err)
		}
		list = append(list, part...)
	}
	if len(list) != total {
		return nil, errRecord
	}
	for _, n := range counts {
		b.volumes = append(b.volumes, list[:n:n])
		list = list[n:]
	}
	return b, nil
}

func decodeBatchHead(number uint64, h []byte) (*batch, []int, error) {
	if len(h) < batchHeadSize {
		return nil, nil, errRecord
	}
	b := &batch{number: number}
	h = h[copy(b.instance[:], h):]
	b.ordinal, b.lane, b.day = binary.BigEndian.Uint64(h), crypto.Lane(h[8]), crypto.Day(binary.BigEndian.Uint32(h[9:]))
	b.version, b.slots, b.revision = binary.BigEndian.Uint64(h[13:]), binary.BigEndian.Uint16(h[21:]), binary.BigEndian.Uint32(h[23:])
	h = h[27:]
	h = h[copy(b.before[:], h):]
	h = h[copy(b.released[:], h):]
	n := int(binary.BigEndian.Uint16(h))
	h = h[2:]
	if len(h) != 4*n {
		return nil, nil, errRecord
	}
	counts := make([]int, n)
	for i := range counts {
		counts[i] = int(binary.BigEndian.Uint32(h[4*i:]))
	}
	return b, counts, nil
}

// head is what the server signs of it (SECURITY.md S-24).
func (b *batch) head() *crypto.BatchHead {
	h := &crypto.BatchHead{
		Instance: b.instance, Ordinal: b.ordinal, Lane: b.lane, Day: b.day, DirVersion: b.version, Slots: b.slots,
		Revision: b.revision, Before: b.before, Released: b.released, Volumes: make([][]crypto.EntryRef, len(b.volumes)),
	}
	for i, v := range b.volumes {
		for _, e := range v {
			h.Volumes[i] = append(h.Volumes[i], crypto.EntryRef{Size: e.size, Hash: e.hash})
		}
	}
	return h
}

// BatchInfo is one batch as a holder's page lists it.
type BatchInfo struct {
	Number  uint64 // in this database: names it in [Service.Volume]
	Ordinal uint64
	Lane    crypto.Lane
	Day     crypto.Day
	Volumes []VolumeInfo
}

// VolumeInfo is one downloadable file of a batch.
type VolumeInfo struct {
	Number int // 1-based
	Name   string
	Size   int64 // bytes
}

func (b *batch) info() BatchInfo {
	bi := BatchInfo{Number: b.number, Ordinal: b.ordinal, Lane: b.lane, Day: b.day}
	h := b.head()
	for i := range b.volumes {
		bi.Volumes = append(bi.Volumes, VolumeInfo{Number: i + 1, Name: h.VolumeName(i + 1), Size: padded(h, i+1)})
	}
	return bi
}

// padded is the size of a volume in bytes: file volumes are rounded up to a power of two, so
// that their length tells little of the files in them.
func padded(h *crypto.BatchHead, volume int) int64 {
	n := h.VolumeSize(volume)
	if volume == 1 {
		return n
	}
	if size := crypto.ClassSize(crypto.ClassOf(n)); size == n {
		return size
	}
	return crypto.ClassSize(crypto.ClassOf(n + 5)) // padding takes 5 bytes at least
}

// Batches lists the batches kept, newest first.
func (s *Service) Batches() ([]BatchInfo, error) {
	numbers, err := s.batchNumbers()
	if err != nil {
		return nil, err
	}
	var list []BatchInfo
	for _, n := range slices.Backward(numbers) {
		b, err := s.loadBatch(n)
		if errors.Is(err, store.ErrNotFound) {
			continue // ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, b.info())
	}
	return list, nil
}

func (s *Service) batchNumbers() ([]uint64, error) {
	var list []uint64
	for r, err := range s.store.All(bucketBatch) {
		if err != nil {
			return nil, fmt.Errorf("listing batches: %w", err)
		}
		if len(r.Key) == batchKeySize && r.Key[8] == 0 && r.Key[9] == 0 {
			list = append(list, binary.BigEndian.Uint64(r.Key))
		}
	}
	slices.Sort(list)
	return list, nil
}
