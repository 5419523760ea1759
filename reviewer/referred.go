package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/vault"
	"postern/store/durable"
)

// The receiving side of a referral: see referral.go.

// referral begins to take one in.
func (t *taker) referral(f *crypto.DeskFile, signed []byte) error {
	if f.Items[0].Type != itemConsent {
		return ErrNotAgreed
	}
	hash := f.Hash()
	t.kept = &referral{
		Hash: hash[:], From: f.From, Signer: f.Signer, Directory: t.by.Directory, Day: f.Day, Taken: t.desk.Clock().Today(),
	}
	switch erased := t.next.erased.has(string(t.desk.tombstone(hash[:]))); {
	case t.next.referrals.has(string(hash[:])):
		t.out.Known, t.kept = 1, nil
		return nil
	case erased && !t.o.Again:
		t.out.Erased, t.kept = 1, nil
		return nil
	case erased:
		t.out.Back = 1
		t.next.erased.remove(string(t.desk.tombstone(hash[:])))
	}
	blob, err := t.seal(signed)
	t.kept.Blobs = []vault.Blob{blob}
	return err
}

// handedReferral takes a referral that a fellow holder had taken in: the file that the other body
// signed, which is verified as if it had come from there.
func (t *taker) handedReferral(taken crypto.Day, r io.Reader) error {
	file, by, out, packs := t.file, t.by, t.out, len(t.packs)
	src := &stickyReader{r: r}
	t.out = Takeover{}
	err := crypto.ReadDeskFile(src, func(f *crypto.DeskFile, signed []byte) error {
		if f.Kind != crypto.DeskReferral || f.To != file.To {
			return ErrForOther
		}
		version := t.desk.dirs.Version
		if v, ok := t.desk.versionOf(f.DirHash[:]); ok {
			version = v
		}
		b, _, standing := t.desk.dirs.Signer(f.Signer, version)
		if standing == crypto.SignerUnknown || b.ID != f.From.ID {
			return ErrStranger
		}
		t.file, t.by.Directory = f, version // one that was withdrawn is shown as that
		return t.referral(f, signed)
	}, t.piece)
	if err == nil {
		t.keepReferral()
		if t.kept != nil {
			t.kept.Taken = taken
		}
	}
	in := t.out
	t.file, t.by, t.out, t.kept = file, by, out, nil
	switch {
	case src.err != nil:
		return src.err
	case errors.Is(err, crypto.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, ErrForOther), errors.Is(err, ErrStranger), errors.Is(err, ErrNotAgreed):
		t.out.Refused++
		t.dropPacks(packs)
		return nil
	}
	t.out.Referrals += in.New
	t.out.Known += in.Known
	t.out.Erased += in.Erased
	t.out.Back += in.Back
	return err
}

// dropPacks removes packs that were begun since there were n, but for the one of small things.
func (t *taker) dropPacks(n int) {
	keep := t.packs[:n:n]
	for _, p := range t.packs[n:] {
		if p == t.pack {
			keep = append(keep, p)
		} else {
			p.Abandon()
		}
	}
	t.packs = keep
}

// seal keeps bytes in the pack of small things.
func (t *taker) seal(b []byte) (vault.Blob, error) {
	sealed, key, err := vault.SealBlob(b)
	if err != nil {
		return vault.Blob{}, err
	}
	if t.pack == nil {
		if t.pack, err = t.newPack(); err != nil {
			return vault.Blob{}, err
		}
	}
	return t.pack.Add(sealed, key)
}

// piece takes one item of a referral.
func (t *taker) piece(i int, item crypto.DeskItem, r io.Reader) error {
	if t.kept == nil {
		return nil
	}
	bad := func(err error) error { return fmt.Errorf("%w: %w", crypto.ErrFormat, err) }
	if item.Type == itemFile {
		message, _, err := decodeFileAbout(item.About)
		if err != nil || message != t.kept.Messages {
			return bad(errPart)
		}
		t.kept.Files++
		return t.pieceFile(item, r)
	}
	if item.Size > maxPart || len(item.About) > 0 {
		return bad(errPart)
	}
	b := make([]byte, item.Size)
	defer clear(b)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if sha256.Sum256(b) != item.Hash {
		return crypto.ErrEntry
	}
	switch {
	case item.Type == itemConsent && i == 0:
		c, source, err := decodeGrant(b)
		if err != nil {
			return bad(err)
		}
		if !c.Yes || !c.Verify(source) || (crypto.Reader{ID: c.Body, Since: c.Since}) != t.file.To {
			return ErrNotAgreed
		}
		t.kept.Source, t.kept.Consent = source, c.Day
	case item.Type == itemPart:
		x, err := decodePart(b)
		if err != nil {
			return bad(err)
		}
		t.kept.Messages++
		t.kept.Masked = t.kept.Masked || x.Masked
	default:
		return bad(fmt.Errorf("an item of type %d", item.Type))
	}
	blob, err := t.seal(b)
	t.kept.Blobs = append(t.kept.Blobs, blob)
	return err
}

// pieceFile streams a file of a referral into the vault: a large one into a pack of its own.
func (t *taker) pieceFile(item crypto.DeskItem, r io.Reader) error {
	pack := t.pack
	if item.Size > smallEntry {
		var err error
		if pack, err = t.newPack(); err != nil {
			return err
		}
	}
	w, done, err := pack.Seal()
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("writing a pack: %w", err)
	}
	t.kept.Blobs = append(t.kept.Blobs, done())
	return nil
}

// keepReferral makes the referral part of the next state.
func (t *taker) keepReferral() {
	if t.kept == nil {
		return
	}
	t.out.New, t.news = 1, true
	t.next.referrals.set(string(t.kept.Hash), t.kept)
}

// foundReferral says what is here of the referral in the file.
func (t *taker) foundReferral() error {
	hash := t.file.Hash()
	if k, ok := t.desk.state.referrals.get(string(hash[:])); ok {
		r := t.desk.referred(k)
		t.out.Referred = &r
		t.out.Cases = []string{r.Short}
	}
	return nil
}

// decodeGrant takes an item of type 2 apart.
func decodeGrant(b []byte) (crypto.Consent, ed25519.PublicKey, error) {
	if len(b) < ed25519.PublicKeySize {
		return crypto.Consent{}, nil, errPart
	}
	c, err := crypto.DecodeConsent(b[ed25519.PublicKeySize:])
	return c, bytes.Clone(b[:ed25519.PublicKeySize]), err
}

// receipt notes who received a referral of this desk.
func (t *taker) receipt(r io.Reader) error {
	var hash [sha256.Size]byte
	if _, err := io.ReadFull(r, hash[:]); err != nil {
		return err
	}
	for _, c := range t.desk.Cases() {
		list, err := Records[ReferredTo](t.desk, kindReferredTo, &c)
		if err != nil {
			return err
		}
		x, ok := list[string(hash[:])]
		if !ok {
			continue
		}
		if x.To.ID != t.out.Body {
			return ErrStranger
		}
		t.out.Case, t.out.Known = c.Short, 1
		if x.Received == 0 {
			x.Received, x.By = max(1, t.file.Day), t.out.Holder
			t.change.Put(kindReferredTo, &c, string(hash[:]), x)
			t.out.Known, t.out.New = 0, 1
		}
		t.out.Receipt = &x
		return nil
	}
	return ErrNoReferral
}

// Receipt writes a receipt for a referral that was taken in to a new file, sealed to the holders of
// the body that wrote it and signed with this holder's key.
func (desk *Desk) Receipt(r *Referred, path string, today crypto.Day) error {
	if err := desk.receiptFor(r, path, today); err != nil {
		return fmt.Errorf("writing the receipt: %w", err)
	}
	return nil
}

func (desk *Desk) receiptFor(r *Referred, path string, today crypto.Day) error {
	if _, err := desk.ownBody(); err != nil {
		return err
	}
	body, ok := desk.dirs.Body(r.kept.From.ID)
	if !ok || len(body.Recipients(crypto.MonthOf(today.Time()))) == 0 {
		return ErrNoKeyMonth
	}
	f := desk.deskFile(crypto.DeskReceipt, today, body.Reader())
	f.Items = []crypto.DeskItem{{Type: itemReceipt, Size: sha256.Size, Hash: sha256.Sum256(r.kept.Hash)}}
	return durable.Create(path, func(w io.Writer) error {
		return desk.writeDeskFile(w, &f, [][]*crypto.Recipient{body.Recipients(crypto.MonthOf(today.Time()))}, func(int) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(r.kept.Hash)), nil
		})
	})
}

// headOf opens the signed head of a referral and verifies it.
func (desk *Desk) headOf(k *referral) (*crypto.DeskFile, error) {
	signed, err := desk.readBlob(k.Blobs[0])
	if err != nil {
		return nil, err
	}
	f, err := crypto.OpenDeskHead(signed)
	if err != nil {
		return nil, err
	}
	if hash := f.Hash(); !bytes.Equal(hash[:], k.Hash) || len(f.Items)+1 != len(k.Blobs) {
		return nil, errKept
	}
	return f, nil
}

func (desk *Desk) readBlob(b vault.Blob) ([]byte, error) {
	r, closer, err := desk.vault.OpenBlob(b)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	return text, errors.Join(err, closer.Close())
}

// ReadReferral gives what a referral shows, as it was signed.
func (desk *Desk) ReadReferral(r *Referred) ([]Part, error) {
	list, err := desk.readReferral(r)
	if err != nil {
		return nil, fmt.Errorf("reading a referral: %w", err)
	}
	return list, nil
}

func (desk *Desk) readReferral(r *Referred) (list []Part, err error) {
	f, err := desk.headOf(r.kept)
	if err != nil {
		return nil, err
	}
	files := 0
	for i, item := range f.Items {
		switch item.Type {
		case itemPart:
			b, err := desk.readBlob(r.kept.Blobs[i+1])
			if err != nil {
				return nil, err
			}
			x, err := decodePart(b)
			if err != nil || sha256.Sum256(b) != item.Hash {
				return nil, errKept
			}
			x.No = len(list) + 1
			list = append(list, x)
		case itemFile:
			_, one, err := decodeFileAbout(item.About)
			if err != nil || len(list) == 0 {
				return nil, errKept
			}
			files++
			one.Size, one.SHA256 = item.Size, item.Hash
			x := &list[len(list)-1]
			x.Files = append(x.Files, File{No: files, File: one})
		}
	}
	return list, nil
}

// ExtractReferred writes one file of a referral, by its number in it, in clear into dir, as
// [Desk.Extract] does.
func (desk *Desk) ExtractReferred(r *Referred, no int, dir string) (*dossier.Written, error) {
	x, err := desk.extractReferred(r, no, dir)
	if err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	return x, nil
}

func (desk *Desk) extractReferred(r *Referred, no int, dir string) (*dossier.Written, error) {
	f, err := desk.headOf(r.kept)
	if err != nil {
		return nil, err
	}
	at := 0
	for i, item := range f.Items {
		if item.Type != itemFile {
			continue
		}
		if at++; at != no {
			continue
		}
		_, one, err := decodeFileAbout(item.About)
		if err != nil {
			return nil, err
		}
		src, closer, err := desk.vault.OpenBlob(r.kept.Blobs[i+1])
		if err != nil {
			return nil, err
		}
		defer func() { _ = closer.Close() }()
		return into(dir, func(out *dossier.Folder) (*dossier.Written, error) {
			return out.Create("", one.Name, func(w io.Writer) error {
				h := sha256.New()
				if _, err := io.Copy(io.MultiWriter(w, h), src); err != nil {
					return err
				}
				if [32]byte(h.Sum(nil)) != item.Hash {
					return errKept
				}
				return nil
			})
		})
	}
	return nil, fmt.Errorf("the referral has no file %d", no)
}

// EraseReferral forgets a referral that was taken in, as [Desk.Erase] does a case.
func (desk *Desk) EraseReferral(r *Referred, pass []byte) error {
	next := desk.state.next()
	next.referrals.remove(string(r.kept.Hash))
	next.erased.set(string(desk.tombstone(r.kept.Hash)), struct{}{})
	if err := desk.commit(next, new(vault.Change), pass); err != nil {
		return fmt.Errorf("erasing a referral: %w", err)
	}
	return nil
}

// WriteReferral writes a referral as text for a person, as [Desk.WriteCase] does a case.
func (desk *Desk) WriteReferral(w io.Writer, r *Referred) error {
	p := plain.NewPrinter(w)
	p.Line("Case %s, REFERRED TO YOU by %s (holder %s) on %s; taken in on %s.", r.Short, desk.bodyName(r.Body), plain.SafeLine(r.Holder), r.Day, r.Taken)
	p.Line("The source agreed on %s, signed, that your body sees it.", r.Agreed)
	if r.Standing == crypto.SignerWithdrawn {
		p.Line("! The key that signed it was withdrawn since: perhaps somebody else made it.")
	}
	if r.Joined == "" {
		p.Line("No answer can be sealed to the source, unless it chooses your body itself.")
	} else {
		p.Line("The source has chosen your body since: its own messages are case %s.", r.Joined)
	}
	if r.Masked {
		p.Line("Parts are masked (█████) or left out by %s.", desk.bodyName(r.Body))
	}
	list, err := desk.ReadReferral(r)
	if err != nil {
		p.Line("! What came cannot be read from this vault: take the file in again, or restore a backup.")
		return p.Err()
	}
	desk.writeParts(p, list)
	return p.Err()
}

// WriteParts writes what a referral would show, as the other body will read it.
func (desk *Desk) WriteParts(w io.Writer, list []Part) error {
	p := plain.NewPrinter(w)
	desk.writeParts(p, list)
	return p.Err()
}

func (desk *Desk) writeParts(p *plain.Printer, list []Part) {
	for i := range list {
		x := &list[i]
		from := "from the source"
		if x.From != "" {
			from = "from " + desk.bodyName(x.From)
		}
		p.Line("")
		p.Line("[%d] %s, %s, %s", x.No, kindWord(x.Kind), from, x.Day)
		if x.Masked {
			p.Line("    Parts are masked or left out.")
		}
		writeTold(p, x.Told)
		p.Quote(x.Words)
		writeFiles(p, x.Files)
	}
}

// writeTold writes answers to questions.
func writeTold(p *plain.Printer, told []form.Answer) {
	for _, a := range told {
		q, ok := form.QuestionOf(a.ID)
		switch {
		case !ok:
			p.Name("    Question ", a.ID)
			p.Quote(strings.Join(a.Values, "\n"))
		case q.Kind == form.Text:
			p.Line("    %s:", q.Label)
			p.Quote(strings.Join(a.Values, "\n"))
		default:
			labels := make([]string, len(a.Values))
			for i, o := range a.Values {
				if labels[i] = form.Label(q.Options, o); labels[i] == "" {
					labels[i] = o
				}
			}
			p.Line("    %s:", q.Label)
			p.Quote(strings.Join(labels, "\n"))
		}
	}
}
