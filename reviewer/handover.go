package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"postern/crypto"
	"postern/reviewer/plain"
	"postern/reviewer/vault"
	"postern/store/durable"
)

// A holder who leaves, or shares the work, gives cases to a fellow holder in one file, sealed to
// that holder and signed (crypto/FORMAT.md section 13, SECURITY.md S-34). It holds messages in
// the bytes in which they came, so their own signatures verify at the other desk.

// HandOver is what a hand-over would give, and to whom: show it before it is written.
type HandOver struct {
	Holder   string  // id of the holder who gets it
	Cases    []*Case // that it holds
	Messages int
	Events   int      // of casework, that were written here; what is for this desk alone stays
	Referred int      // cases that were referred to this body, and go along
	Notes    int      // of this desk: who opened and copied what, and to whom a case was referred
	Waiting  []string // short ids of cases in which replies wait to be exported: those are left out
	Lost     []string // short ids of cases of which messages are lost from this vault: those are left out

	to    *crypto.Recipient
	file  crypto.DeskFile
	items []func() (io.ReadCloser, error)
}

// Errors of [Desk.PlanHandOver], for errors.Is.
var (
	ErrNoFellow   = errors.New("no such fellow holder")
	ErrNothingTo  = errors.New("there is no message to hand over")
	ErrNoKeyMonth = errors.New("the directory lists no key of theirs for this month: ask the operator for a new directory with their new card, and accept it")
)

// PlanHandOver says what handing cases over to a fellow holder of this body would give. Replies that
// wait to be exported stay here: who hands over can still send or drop them. referred are cases that another
// body referred to this one, which go along.
func (desk *Desk) PlanHandOver(cases []*Case, referred []Referred, to string, today crypto.Day) (*HandOver, error) {
	h, err := desk.planHandOver(cases, to, today)
	if err == nil {
		err = desk.addReferred(h, referred)
	}
	if err == nil && len(h.items) == 0 {
		err = ErrNothingTo
	}
	if err == nil {
		err = desk.addNotes(h)
	}
	if err != nil {
		return nil, fmt.Errorf("handing over: %w", err)
	}
	return h, nil
}

func (desk *Desk) planHandOver(cases []*Case, to string, today crypto.Day) (*HandOver, error) {
	body, err := desk.ownBody()
	if err != nil {
		return nil, err
	}
	fellow, err := desk.fellow(body, to)
	if err != nil {
		return nil, err
	}
	h := &HandOver{Holder: to, Cases: slices.Clone(cases)}
	var ok bool
	if h.to, ok = fellow.Recipient(crypto.MonthOf(today.Time())); !ok {
		return nil, ErrNoKeyMonth
	}
	h.file = desk.deskFile(crypto.DeskHandOver, today, body.Reader())
	h.file.Holder = fellow.Signing
	note := func(list *[]string, c *Case) {
		if !slices.Contains(*list, c.Short) {
			*list = append(*list, c.Short)
		}
	}
	seen := make(map[string]bool)
	for _, c := range cases {
		for _, e := range c.entries {
			switch {
			case seen[string(e.ID)]:
			case e.Kind == crypto.KindReply && e.Own != nil && len(e.Own.Bundle) == 0:
				note(&h.Waiting, c)
			case !desk.vault.HasPack(e.Blob.Pack):
				note(&h.Lost, c)
			default:
				seen[string(e.ID)] = true
				h.Messages++
				h.items = append(h.items, func() (io.ReadCloser, error) { return desk.openContainer(e) })
				h.file.Items = append(h.file.Items, crypto.DeskItem{
					Type: itemMessage, Size: containerSize(e.Blob.Len), Hash: [32]byte(e.ID), About: e.Release.encode(),
				})
			}
		}
	}
	for _, c := range cases {
		desk.addEvents(h, c)
	}
	return h, nil
}

// addReferred adds cases that were referred to this body: each as the file that the other body
// signed, written anew from what was kept of it.
func (desk *Desk) addReferred(h *HandOver, list []Referred) error {
	for i := range list {
		k := list[i].kept
		signed, err := desk.readBlob(k.Blobs[0])
		if err != nil {
			return err
		}
		write := func(w io.Writer) error {
			return crypto.CopyDeskFile(w, signed, func(i int) (io.ReadCloser, error) { return desk.openKept(k.Blobs[i+1]) })
		}
		sum := sha256.New()
		n := &countWriter{w: sum}
		if err := write(n); err != nil {
			return errKept
		}
		h.file.Items = append(h.file.Items, crypto.DeskItem{
			Type: itemReferral, Size: n.n, Hash: [32]byte(sum.Sum(nil)), About: binary.BigEndian.AppendUint32(nil, uint32(k.Taken)),
		})
		h.items = append(h.items, func() (io.ReadCloser, error) { return piped(write), nil })
		h.Referred++
	}
	return nil
}

// ownBody is this vault's body in the directory in force, which lists this vault's key.
func (desk *Desk) ownBody() (*crypto.Body, error) {
	if desk.dirs == nil {
		return nil, ErrNoDirectory
	}
	if listed, _ := desk.Enrolled(desk.dirs); !listed {
		return nil, ErrNotSigner
	}
	body, _ := desk.dirs.Body(desk.keys.Body)
	return body, nil
}

// ErrNotSigner says that nobody would believe a file of this desk.
var ErrNotSigner = errors.New("the directory in force does not list this vault's key, so no other desk would take the file: ask the operator to enrol your card, and accept the new directory")

// fellow finds another active holder of the body.
func (desk *Desk) fellow(body *crypto.Body, id string) (*crypto.Holder, error) {
	var ids []string
	for i := range body.Holders {
		h := &body.Holders[i]
		switch {
		case h.Status != crypto.StatusActive || h.ID == desk.keys.Holder:
		case h.ID == id:
			return h, nil
		default:
			ids = append(ids, h.ID)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: the directory in force lists no other active holder of your body; the new one has to be enrolled first", ErrNoFellow)
	}
	return nil, fmt.Errorf("%w %s: your body's other active holders are: %s", ErrNoFellow, plain.SafeLine(id), strings.Join(ids, ", "))
}

// deskFile begins a file from this desk to a body.
func (desk *Desk) deskFile(kind crypto.DeskFileKind, today crypto.Day, to crypto.Reader) (f crypto.DeskFile) {
	own, _ := desk.dirs.Body(desk.keys.Body)
	f = crypto.DeskFile{Kind: kind, Day: today, DirHash: desk.dirs.Hash(), From: own.Reader(), To: to}
	_, _ = rand.Read(f.ID[:])
	return f
}

// HandOver writes a hand-over as planned to a new file, down to the disk. The file is sealed to the
// holder who gets it. On error nothing of it stays.
func (desk *Desk) HandOver(h *HandOver, path string) error {
	err := durable.Create(path, func(w io.Writer) error {
		return desk.writeDeskFile(w, &h.file, [][]*crypto.Recipient{{h.to}}, func(i int) (io.ReadCloser, error) {
			return h.items[i]()
		})
	})
	if errors.Is(err, crypto.ErrItem) {
		err = errKept
	}
	if err != nil {
		return fmt.Errorf("handing over: %w", err)
	}
	return nil
}

// writeDeskFile seals a file to bodies and signs it.
func (desk *Desk) writeDeskFile(w io.Writer, f *crypto.DeskFile, to [][]*crypto.Recipient, open func(int) (io.ReadCloser, error)) error {
	s, err := crypto.Seal(w, desk.dirs.Policy, to)
	if err != nil {
		return err
	}
	if err := crypto.WriteDeskFile(s, f, desk.keys.signing(), open); err != nil {
		return err
	}
	return s.Close()
}

// errKept says that a message's bytes are not what they were.
var errKept = errors.New("a message in this vault is damaged: check the vault, then hand over again")

// openContainer gives a message in the bytes in which it came.
func (desk *Desk) openContainer(e *entry) (io.ReadCloser, error) { return desk.openKept(e.Blob) }

func (desk *Desk) openKept(b vault.Blob) (io.ReadCloser, error) {
	r, closer, err := desk.vault.OpenBlob(b)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{keptReader{r}, closer}, nil
}

// keptReader says of what cannot be read what to do.
type keptReader struct{ r io.Reader }

func (k keptReader) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errKept
	}
	return n, err
}

// containerSize is the length of a container whose sealed blob has n bytes: sealing
// adds to a size class less than would reach the next.
func containerSize(n int64) int64 { return crypto.ClassSize(crypto.ClassOf(n) - 1) }

// The types of items in a file from desk to desk.
const (
	itemMessage  = 1 // a container; about it: its release, or nothing
	itemConsent  = 2 // V_src ‖ data of frame 43: the source's yes to the body that gets the file
	itemPart     = 3 // see Part.encode
	itemFile     = 4 // bytes of a file; about it: see encodeFileAbout
	itemReceipt  = 5 // hash of the head of the referral that was received
	itemReferral = 6 // a whole desk file of kind 2; about it: be32(day on which it was taken in)
	itemEvent    = 7 // a signed event, as casework encodes it; about it: nothing
	itemNotes    = 8 // notes of a desk on a case, see noted.encode; about them: nothing
)

const releaseSize = 16 + 8 + 4 + 8

// encode gives what is told of a release: instance ‖ be64(ordinal) ‖ be32(day) ‖ be64(directory
// version); nothing for one that was not released.
func (r *release) encode() []byte {
	if r == nil {
		return nil
	}
	b := binary.BigEndian.AppendUint64(bytes.Clone(r.Instance), r.Ordinal)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Day))
	return binary.BigEndian.AppendUint64(b, r.Directory)
}

// decodeRelease reads what encode wrote.
func decodeRelease(b []byte) (*release, error) {
	switch len(b) {
	case 0:
		return nil, nil
	case releaseSize:
		r := &release{
			Instance: bytes.Clone(b[:16]), Ordinal: binary.BigEndian.Uint64(b[16:]),
			Day: crypto.Day(binary.BigEndian.Uint32(b[24:])), Directory: binary.BigEndian.Uint64(b[28:]),
		}
		if r.Ordinal != 0 && r.Directory != 0 {
			return r, nil
		}
	}
	return nil, errors.New("what is said of a message's release makes no sense")
}

// believe takes what a fellow holder says of a message's release, if nothing better is known: of
// several words the earliest counts, whichever came first (SECURITY.md S-30). It returns whether that is news.
func (e *entry) believe(r *release, h *handed) bool {
	switch {
	case e.Own != nil, e.Release != nil && e.Handed == nil: // written here, or from a batch
		return false
	case e.Handed != nil:
		if n := r.compare(e.Release); n > 0 || n == 0 && h.compare(e.Handed) >= 0 {
			return false
		}
	}
	e.Release, e.Handed = r, h
	return true
}

// compare orders words of holders alike at every desk.
func (h *handed) compare(o *handed) int {
	if n := int64(h.Day) - int64(o.Day); n != 0 {
		return int(n)
	}
	return bytes.Compare(h.By, o.By)
}

// signingKey is this vault's public signing key.
func (desk *Desk) signingKey() ed25519.PublicKey {
	return desk.keys.signing().Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
}
