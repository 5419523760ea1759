package crypto

import "io"

// Lane is why a volume exists.
type Lane byte

// The lanes: the fixed hours, the hourly urgent one, and larger items.
const (
	LaneRegular Lane = 0
	LaneUrgent  Lane = 1
	LaneFiles   Lane = 2
)

// InstanceID names one life of a server's database; a restore makes a new one.
type InstanceID [16]byte

// VolumeHeader is the first frame of a batch volume.
type VolumeHeader struct {
	Instance   InstanceID
	Batch      uint64 // ordinal, rising
	Lane       Lane
	Volume     uint32 // 1-based
	Volumes    uint32 // of this batch
	Day        Day    // of release: a desk's lower bound for today
	Slots      uint16
	DirVersion uint64
	Entries    uint32
}

// Name is the file name a volume is offered under: numbered, with the hash
// of header and entry lengths; letters, digits, dots and hyphens only.
func (h *VolumeHeader) Name() string { panic("unbuilt") }

// VolumeWriter writes a batch volume: header, entries of declared length, padding, hash.
type VolumeWriter struct{}

// NewVolumeWriter writes the header. size is the total length in bytes that
// Close pads to (0: no padding); see [VolumeSize].
func NewVolumeWriter(dst io.Writer, h VolumeHeader, size int64) (*VolumeWriter, error) {
	panic("unbuilt")
}

// Entry copies exactly n bytes from r as one entry.
func (w *VolumeWriter) Entry(n int64, r io.Reader) error { panic("unbuilt") }

// Close pads (frames of zeros) to size and writes the end frame with the
// SHA-256 of everything before it.
func (w *VolumeWriter) Close() error { panic("unbuilt") }

// VolumeSize is the exact length of an unpadded volume of entries of these lengths.
func VolumeSize(entries []int64) int64 { panic("unbuilt") }

// ReadVolume reads a volume, calling onEntry for each entry (which must read
// r or leave it: the rest is drained). The hash is known only at the end: on error
// the caller tells its user to fetch the volume again.
func ReadVolume(src io.Reader, onHeader func(VolumeHeader) error, onEntry func(i int, n int64, r io.Reader) error) error {
	panic("unbuilt")
}
