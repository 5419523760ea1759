package intake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20"

	"postern/crypto"
	"postern/store"
)

// ErrNoVolume means that the batch ended or never was.
var ErrNoVolume = errors.New("no such batch or volume: batches are kept for 60 days")

func (s *Service) volume(number uint64, volume int) (*batch, error) {
	b, err := s.loadBatch(number)
	if errors.Is(err, store.ErrNotFound) || err == nil && (volume < 1 || volume > len(b.volumes)) {
		return nil, ErrNoVolume
	}
	return b, err
}

// Volume describes one volume, or [ErrNoVolume].
func (s *Service) Volume(number uint64, volume int) (VolumeInfo, error) {
	b, err := s.volume(number, volume)
	if err != nil {
		return VolumeInfo{}, err
	}
	return b.info().Volumes[volume-1], nil
}

// WriteVolume writes a volume's bytes from offset to its end. The bytes of one name are
// the same each time; an exchange of entries gives it another. When one comes while entries are
// being written, the reader finds that an entry differs, and fetches again.
func (s *Service) WriteVolume(ctx context.Context, w io.Writer, number uint64, volume int, offset int64) error {
	b, err := s.volume(number, volume)
	if err != nil {
		return err
	}
	h := b.head()
	out := &skipWriter{w: w, skip: offset}
	vw, err := crypto.NewVolumeWriter(out, crypto.SignBatchHead(h, s.signing), volume, padded(h, volume))
	if err != nil {
		return err
	}
	for _, e := range b.volumes[volume-1] {
		if err := ctx.Err(); err != nil {
			return err
		}
		var r io.Reader = &entryReader{s: s, e: e}
		switch {
		case out.skip >= crypto.EntrySize(e.size):
			r = zeros{} // all of it is dropped: who resumes a long download costs no reading of what they have
		case e.kind == entryNoise:
			r = noise(e.id, e.size)
		}
		if err := vw.Entry(r); err != nil {
			return fmt.Errorf("writing batch %d: %w", number, err)
		}
	}
	return vw.Close()
}

// noise of n bytes.
func noise(seed [32]byte, n int64) io.Reader {
	c, err := chacha20.NewUnauthenticatedCipher(seed[:], make([]byte, chacha20.NonceSize))
	if err != nil {
		panic("intake: " + err.Error()) // only for a key of another length
	}
	return io.LimitReader(keystream{c}, n)
}

type keystream struct{ c *chacha20.Cipher }

func (k keystream) Read(p []byte) (int, error) {
	clear(p)
	k.c.XORKeyStream(p, p)
	return len(p), nil
}

// entryReader reads an item, and random bytes once it is not there any more: the
// entries behind it must get through.
type entryReader struct {
	s    *Service
	e    entry
	off  int64
	item *store.Item
	gone bool
}

func (r *entryReader) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), r.e.size-r.off)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	if r.item == nil && !r.gone {
		it, err := r.s.store.OpenItem(r.e.id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
		r.item, r.gone = it, err != nil
	}
	if !r.gone {
		n, err := r.item.ReadAt(p, r.off)
		r.off += int64(n)
		if n > 0 {
			return n, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			r.s.damaged.Add(1)
		}
		r.gone = true
	}
	_, _ = rand.Read(p)
	r.off += int64(len(p))
	return len(p), nil
}

// skipWriter drops the first skip bytes.
type skipWriter struct {
	w    io.Writer
	skip int64
}

func (s *skipWriter) Write(p []byte) (int, error) {
	n := len(p)
	if s.skip > 0 {
		k := min(s.skip, int64(n))
		s.skip -= k
		p = p[k:]
	}
	if len(p) == 0 {
		return n, nil
	}
	if _, err := s.w.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}
