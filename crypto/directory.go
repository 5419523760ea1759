package crypto

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// Status of a holder's signing key.
type Status string

// A retired key's replies stay valid when they were delivered before the
// version that retired it; a revoked key's never are.
const (
	StatusActive  Status = "active"
	StatusRetired Status = "retired"
	StatusRevoked Status = "revoked"
)

// Limits of a directory.
const (
	maxHolders   = 3       // active ones of a body
	maxRoots     = 9       // signatures that a directory can ask for
	maxDirectory = 4 << 20 // bytes
	maxValue     = 2 << 10 // bytes of a name or mandate
	maxKind      = 64      // bytes
	maxMarks     = 6       // combining marks in a row; Burmese writes five
	maxDay       = 2932896 // 9999-12-31: a later day has no text
)

// Holder is a person of a body who reads.
type Holder struct {
	ID      string
	Signing ed25519.PublicKey
	Status  Status
	Since   uint64  // the directory version that set Status
	Epochs  []Epoch // one card's, empty when retired or revoked

	// EpochsSignature is the card's, by Signing over body, holder and Epochs:
	// roots cannot give a holder months that the holder did not make (SECURITY.md S-28).
	EpochsSignature []byte
}

// Body is an institution that reads.
type Body struct {
	ID          string
	Kind        string            // one of intake/form's body kinds; opaque here
	Independent bool              // of the institutions reported on
	Since       uint64            // the directory version since which it is what it is: see [Reader]
	Names       map[string]string // by language tag
	Mandates    map[string]string
	Languages   []string // that its people read
	Holders     []Holder
}

// Directory is who may read at an instance.
type Directory struct {
	Origin   string // the note's first line: "postern directory " and a name the operator chose, no address
	Version  uint64
	Issued   Day
	Expires  Day
	Salt     [32]byte // instance salt, for ever
	KDF      KDFParams
	Policy   Policy
	Roots    int               // root signatures needed, 1 to maxRoots
	Transfer *Recipient        // the server's, for bundles
	Server   ed25519.PublicKey // the server's, signs batches and backups
	Bodies   []Body
}

// Errors of [OpenDirectory], for errors.Is.
var (
	ErrUnsigned   = errors.New("directory is not signed by enough roots")
	ErrRolledBack = errors.New("directory is older than the one installed")
	ErrNotYet     = errors.New("directory is not issued yet")
	ErrSalt       = errors.New("directory changes what is fixed for the life of an instance: salt, key derivation, origin or slots")
	ErrHistory    = errors.New("directory contradicts the one installed: if versions between them were left out, install those first")
)

const originPrefix = "postern directory "

// IsDirectory says whether a file that begins so may be a directory, signed or proposed.
func IsDirectory(head []byte) bool { return bytes.HasPrefix(Carried(head), []byte(originPrefix)) }

func (d *Directory) check() error {
	// A key listed twice would have two standings, and a recipient listed twice
	// would stop every report to both: Seal refuses it.
	holders, keys, recipients := map[string]bool{}, map[string]bool{string(d.Server): true}, map[string]bool{}
	ids, active := map[string]bool{}, 0
	switch {
	case !strings.HasPrefix(d.Origin, originPrefix) || !validValue(d.Origin) || len(d.Origin) == len(originPrefix):
		return malformed("origin %.60q: must begin with %q and name the instance", d.Origin, originPrefix)
	case d.Version == 0 || d.Transfer == nil:
		return malformed("version or transfer recipient is missing")
	case !validSigning(d.Server):
		return malformed("the server's signing key is missing or not valid")
	case d.Roots < 1 || d.Roots > maxRoots:
		return malformed("%d roots: must be 1 to %d", d.Roots, maxRoots)
	case d.Expires < d.Issued || d.Expires > maxDay:
		return malformed("it expires before it is issued, or after the year 9999")
	case d.KDF.Time < 1 || d.KDF.Threads < 1 || d.KDF.MemoryKiB < 8*uint32(d.KDF.Threads) || d.KDF.MemoryKiB > 1<<20 || d.KDF.Time > 64:
		return malformed("key derivation parameters out of range")
	case len(d.Bodies) == 0 || len(d.Bodies) > MaxReaders:
		return malformed("%d bodies: must be 1 to %d", len(d.Bodies), MaxReaders)
	}
	if err := d.Policy.Valid(); err != nil {
		return malformed("%v", err)
	}
	for i := range d.Bodies {
		b := &d.Bodies[i]
		if !ValidID(b.ID) || ids[b.ID] || b.Kind == "" || len(b.Kind) > maxKind || strings.ContainsFunc(b.Kind, notKind) {
			return malformed("body %q: id or kind is not valid, or it is there twice", b.ID)
		}
		ids[b.ID] = true
		if b.Since == 0 || b.Since > d.Version {
			return malformed("body %q: since version %d of %d", b.ID, b.Since, d.Version)
		}
		if len(b.Names) == 0 || len(b.Languages) == 0 || len(b.Holders) == 0 {
			return malformed("body %q: a name, a language and a holder are needed", b.ID)
		}
		for _, m := range []map[string]string{b.Names, b.Mandates} {
			for lang, v := range m {
				if !validTag(lang) || !validValue(v) {
					return malformed("body %q: name or mandate in %q: must be one line of at most %d bytes, with a letter and without characters that do not show", b.ID, lang, maxValue)
				}
			}
		}
		for _, l := range b.Languages {
			if !validTag(l) {
				return malformed("body %q: language %q", b.ID, l)
			}
		}
		n := 0
		for _, h := range b.Holders {
			if !ValidID(h.ID) || holders[h.ID] || !validSigning(h.Signing) || h.Since == 0 || h.Since > d.Version {
				return malformed("holder %q: not valid, or there twice", h.ID)
			}
			if keys[string(h.Signing)] {
				return malformed("holder %q: the signing key is listed twice", h.ID)
			}
			holders[h.ID], keys[string(h.Signing)] = true, true
			for _, e := range h.Epochs {
				if e.Recipient == nil || recipients[string(e.Recipient.raw)] {
					return malformed("holder %q: the recipient of %v is missing or listed twice", h.ID, e.Month)
				}
				recipients[string(e.Recipient.raw)] = true
			}
			switch h.Status {
			case StatusActive:
				n++
				if len(h.Epochs) != EpochCount {
					return malformed("holder %q: %d months: must be the %d of a card", h.ID, len(h.Epochs), EpochCount)
				}
				signed, err := epochsSigned(b.ID, h.ID, h.Signing, h.Epochs)
				if err != nil {
					return malformed("holder %q: %v", h.ID, err)
				}
				if !Verify(h.Signing, signed, h.EpochsSignature) {
					return malformed("holder %q did not sign these months", h.ID)
				}
			case StatusRetired, StatusRevoked:
				if len(h.Epochs) != 0 || len(h.EpochsSignature) != 0 {
					return malformed("holder %q is %s and lists months", h.ID, h.Status)
				}
			default:
				return malformed("holder %q: status %q", h.ID, h.Status)
			}
		}
		if n > maxHolders {
			return malformed("body %q has %d holders: at most %d", b.ID, n, maxHolders)
		}
		active += n
	}
	if recipients[string(d.Transfer.raw)] {
		return malformed("the transfer recipient is a holder's")
	}
	if active >= d.Policy.Slots {
		return malformed("%d holders in all: at most %d with %d slots", active, d.Policy.Slots-1, d.Policy.Slots)
	}
	return nil
}

func notKind(r rune) bool { return (r < 'a' || r > 'z') && r != '-' }

// validTag takes language tags by their form alone: ASCII letters and digits, inner hyphens.
func validTag(s string) bool {
	if len(s) < 2 || len(s) > 35 || slices.Contains(strings.Split(s, "-"), "") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
}

// validValue is the rule for what people are shown: one line that holds a
// letter, and nothing that hides or turns around words. Only characters that
// draw something or are a space: no controls, format characters (bidi
// overrides among them), fillers, variation selectors, private or unassigned
// ones. Marks stand behind something, and no heap of them covers other lines.
// The two joiners stay between letters: Persian and the languages of India are
// not written without.
func validValue(s string) bool {
	if len(s) > maxValue || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return false
	}
	const zwnj, zwj = '\u200c', '\u200d'
	const blank = "\u2800\ufffc\U0001d159" // symbols, by their category, but nothing is drawn
	letters, marks, joined := 0, 0, false
	last := ' '
	for _, r := range s {
		joiner := r == zwnj || r == zwj
		switch {
		case joiner && !unicode.In(last, unicode.L, unicode.M), joined && !unicode.In(r, unicode.L, unicode.M):
			return false
		case joiner:
		case !unicode.IsGraphic(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || strings.ContainsRune(blank, r):
			return false
		case unicode.IsMark(r):
			if marks++; marks > maxMarks || last == ' ' {
				return false
			}
		default:
			marks = 0
			if unicode.IsLetter(r) {
				letters++
			}
		}
		last, joined = r, joiner
	}
	return letters > 0 && !joined
}

// Marshal is the canonical text; Hash is over it.
func (d *Directory) Marshal() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("writing a directory: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nversion %d\nissued %v\nexpires %v\nsalt %s\nkdf argon2id %d %d %d\nslots %d\nquorum %d\nroots %d\ntransfer %v\nserver %s\n",
		d.Origin, d.Version, d.Issued, d.Expires, base64.StdEncoding.EncodeToString(d.Salt[:]),
		d.KDF.Time, d.KDF.MemoryKiB, d.KDF.Threads, d.Policy.Slots, d.Policy.Quorum, d.Roots, d.Transfer, base64.StdEncoding.EncodeToString(d.Server))
	for i := range d.Bodies {
		if err := d.Bodies[i].marshal(&b); err != nil {
			return nil, fmt.Errorf("writing a directory: %w", err)
		}
	}
	if b.Len() > maxDirectory {
		return nil, fmt.Errorf("writing a directory: %d bytes: at most %d", b.Len(), maxDirectory)
	}
	return b.Bytes(), nil
}

const independentWord, chainWord = "independent", "chain"

func (b *Body) marshal(w *bytes.Buffer) error {
	word := chainWord
	if b.Independent {
		word = independentWord
	}
	fmt.Fprintf(w, "body %s %s %s %d\n", b.ID, b.Kind, word, b.Since)
	for _, m := range []struct {
		key string
		val map[string]string
	}{{"name", b.Names}, {"mandate", b.Mandates}} {
		for _, lang := range slices.Sorted(maps.Keys(m.val)) {
			fmt.Fprintf(w, "%s %s %s\n", m.key, lang, m.val[lang])
		}
	}
	fmt.Fprintf(w, "languages %s\n", strings.Join(b.Languages, " "))
	for _, h := range b.Holders {
		fmt.Fprintf(w, "holder %s %s %d %s\n", h.ID, h.Status, h.Since, base64.StdEncoding.EncodeToString(h.Signing))
		if err := writeEpochs(w, h.Epochs); err != nil {
			return fmt.Errorf("holder %q: %w", h.ID, err)
		}
		if len(h.Epochs) > 0 {
			fmt.Fprintf(w, "epochs %s\n", base64.StdEncoding.EncodeToString(h.EpochsSignature))
		}
	}
	return nil
}

// ParseDirectory reads the text, unsigned. What it reads, Marshal wrote, byte for byte.
func ParseDirectory(text []byte) (*Directory, error) {
	d, err := parseDirectory(text)
	if err != nil {
		return nil, fmt.Errorf("reading a directory: %w", err)
	}
	return d, nil
}

func parseDirectory(text []byte) (*Directory, error) {
	if len(text) > maxDirectory {
		return nil, malformed("%d bytes: at most %d", len(text), maxDirectory)
	}
	l := &lines{rest: string(text)}
	d := &Directory{
		Origin: l.line(), Version: l.number("version", 64), Issued: l.day("issued"), Expires: l.day("expires"),
	}
	copy(d.Salt[:], l.base64("salt", len(d.Salt)))
	if _, err := fmt.Sscanf(l.field("kdf"), "argon2id %d %d %d", &d.KDF.Time, &d.KDF.MemoryKiB, &d.KDF.Threads); err != nil {
		l.fail("kdf: expected argon2id and three numbers")
	}
	d.Policy = Policy{Slots: int(l.number("slots", 8)), Quorum: int(l.number("quorum", 8))} //nolint:gosec // 8 bits
	d.Roots = int(l.number("roots", 8))                                                     //nolint:gosec // 8 bits
	var err error
	if d.Transfer, err = ParseRecipient(l.field("transfer")); err != nil {
		l.fail("transfer: %v", err)
	}
	d.Server = l.base64("server", ed25519.PublicKeySize)
	for l.err == nil && l.peek() == "body" && len(d.Bodies) <= MaxReaders {
		d.Bodies = append(d.Bodies, l.body())
	}
	if err := l.end(); err != nil {
		return nil, err
	}
	again, err := d.Marshal()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, text) {
		return nil, malformed("not written as a directory is")
	}
	return d, nil
}

func (l *lines) number(key string, bits int) uint64 {
	n, err := strconv.ParseUint(l.field(key), 10, bits)
	if err != nil {
		l.fail("%s: expected a number", key)
	}
	return n
}

func (l *lines) day(key string) Day {
	t, err := time.Parse(time.DateOnly, l.field(key))
	if err != nil || t.Year() < 1970 {
		l.fail("%s: expected a day like 2026-11-24", key)
		return 0
	}
	return DayOf(t)
}

func (l *lines) body() (b Body) {
	f := strings.Split(l.field("body"), " ")
	if len(f) != 4 || f[2] != independentWord && f[2] != chainWord {
		l.fail("body: expected id, kind, %s or %s, and version", independentWord, chainWord)
		return b
	}
	var err error
	if b.Since, err = strconv.ParseUint(f[3], 10, 64); err != nil {
		l.fail("body %.40q: version", f[0])
		return b
	}
	b.ID, b.Kind, b.Independent = f[0], f[1], f[2] == independentWord
	b.Names, b.Mandates = l.byLanguage("name"), l.byLanguage("mandate")
	b.Languages = strings.Split(l.field("languages"), " ")
	for l.err == nil && l.peek() == "holder" {
		f := strings.Split(l.field("holder"), " ")
		if len(f) != 4 {
			l.fail("holder: expected id, status, version and key")
			return b
		}
		since, err := strconv.ParseUint(f[2], 10, 64)
		key, kerr := base64.StdEncoding.Strict().DecodeString(f[3])
		if err != nil || kerr != nil {
			l.fail("holder %.40q: version or key", f[0])
			return b
		}
		h := Holder{ID: f[0], Status: Status(f[1]), Since: since, Signing: key, Epochs: l.epochs()}
		if len(h.Epochs) > 0 {
			h.EpochsSignature = l.base64("epochs", ed25519.SignatureSize)
		}
		b.Holders = append(b.Holders, h)
	}
	return b
}

func (l *lines) byLanguage(key string) map[string]string {
	m := map[string]string{}
	for l.err == nil && l.peek() == key {
		lang, v, _ := strings.Cut(l.field(key), " ")
		m[lang] = v
	}
	return m
}

// Hash is H(text). The directory must be valid: one that was parsed is.
func (d *Directory) Hash() [32]byte {
	text, err := d.Marshal()
	if err != nil {
		panic("crypto: hash of a directory that was never checked: " + err.Error())
	}
	return sha256.Sum256(text)
}

// SignDirectory makes a signed note (golang.org/x/mod/sumdb/note, C2SP
// signed-note), or adds a signature to one of the same text: existing may be nil.
func SignDirectory(d *Directory, existing []byte, root note.Signer) ([]byte, error) {
	text, err := d.Marshal()
	if err != nil {
		return nil, err
	}
	n := &note.Note{Text: string(text)}
	if existing != nil {
		var u *note.UnverifiedNoteError
		if _, err := note.Open(existing, note.VerifierList()); !errors.As(err, &u) {
			return nil, fmt.Errorf("signing a directory: the file to add to: %w", err)
		}
		if u.Note.Text != n.Text {
			return nil, errors.New("signing a directory: the file to add to holds another directory")
		}
		n = u.Note
	}
	signed, err := note.Sign(n, root)
	if err != nil {
		return nil, fmt.Errorf("signing a directory: %w", err)
	}
	return signed, nil
}

// OpenDirectory verifies a signed note against the known roots, parses it, and
// refuses one that too few roots signed, that is not issued yet, older than
// prev (or another text of the same version), or that changes what codes
// depend on. prev may be nil. As many roots must have signed as the directory
// itself asks for and, so that a new version cannot lower the bar alone, as
// prev asks for. An expired directory opens: see Expired.
func OpenDirectory(signed []byte, roots []string, prev *Directory, today Day) (*Directory, error) {
	d, err := openDirectory(signed, roots, prev, today)
	if err != nil {
		return nil, fmt.Errorf("opening a directory: %w", err)
	}
	return d, nil
}

func openDirectory(signed []byte, roots []string, prev *Directory, today Day) (*Directory, error) {
	if len(signed) > maxDirectory+64<<10 {
		return nil, malformed("longer than any directory")
	}
	text, signers, err := openNote(signed, roots)
	if err != nil {
		return nil, err
	}
	d, err := parseDirectory(text)
	if err != nil {
		return nil, err
	}
	need := d.Roots
	if prev != nil {
		need = max(need, prev.Roots)
	}
	if signers < need {
		return nil, fmt.Errorf("%w: %d of %d", ErrUnsigned, signers, need)
	}
	if d.Issued > today {
		return nil, fmt.Errorf("%w: %v", ErrNotYet, d.Issued)
	}
	return d, d.Follows(prev)
}

// Follows says why d cannot come after prev, which may be nil.
func (d *Directory) Follows(prev *Directory) error {
	switch {
	case prev == nil:
		return nil
	case d.Version < prev.Version, d.Version == prev.Version && d.Hash() != prev.Hash():
		return fmt.Errorf("%w: version %d, installed is %d", ErrRolledBack, d.Version, prev.Version)
	case d.Salt != prev.Salt, d.KDF != prev.KDF, d.Origin != prev.Origin, d.Policy.Slots != prev.Policy.Slots:
		return ErrSalt
	}
	for i := range prev.Bodies {
		if err := d.keeps(&prev.Bodies[i], prev.Version); err != nil {
			return fmt.Errorf("%w: %w", ErrHistory, err)
		}
	}
	for i := range d.Bodies {
		if err := d.Bodies[i].begins(prev); err != nil {
			return fmt.Errorf("%w: %w", ErrHistory, err)
		}
	}
	return nil
}

// keeps says which of these d breaks for a body of version prev: who has which
// key, and what body and holder are since when. Nobody takes over a name that
// sources ticked, or a withdrawn key's standing. It holds as well where versions
// between were left out: a version number that jumps must not be a way around it.
func (d *Directory) keeps(was *Body, prev uint64) error {
	now, ok := d.Body(was.ID)
	if !ok {
		return fmt.Errorf("body %q is missing", was.ID)
	}
	for _, h := range was.Holders {
		i := slices.IndexFunc(now.Holders, func(n Holder) bool { return n.Signing.Equal(h.Signing) })
		if i < 0 {
			return fmt.Errorf("the signing key of holder %q of body %q is missing", h.ID, was.ID)
		}
		switch n := &now.Holders[i]; {
		case h.Status == StatusRevoked && n.Status != h.Status:
			return fmt.Errorf("holder %q was revoked and must stay so", n.ID)
		case n.Status != h.Status && n.Since <= prev:
			return fmt.Errorf("holder %q is %s since version %d, but was %s in %d", n.ID, n.Status, n.Since, h.Status, prev)
		case n.Status == h.Status && n.Since != h.Since:
			return fmt.Errorf("holder %q is %s since version %d, and not %d", n.ID, n.Status, h.Since, n.Since)
		}
	}
	switch {
	case was.Becomes(now):
		if now.Since <= prev {
			return fmt.Errorf("body %q became another after version %d, and says it is the same since %d", now.ID, prev, now.Since)
		}
	case now.Since != was.Since:
		return fmt.Errorf("body %q is the same since version %d, and not %d", now.ID, was.Since, now.Since)
	}
	return nil
}

// Becomes says whether a source that chose the body has to choose it anew: it is
// of another kind, or nobody who read for it does any more.
func (b *Body) Becomes(now *Body) bool {
	if b.Kind != now.Kind || b.Independent != now.Independent {
		return true
	}
	if !b.Active() && !now.Active() {
		return false
	}
	return !slices.ContainsFunc(now.Holders, func(n Holder) bool {
		return n.Status == StatusActive && slices.ContainsFunc(b.Holders, func(h Holder) bool {
			return h.Status == StatusActive && h.Signing.Equal(n.Signing)
		})
	})
}

// begins says whether a body, and the keys of a body, that are new since prev say so.
func (b *Body) begins(prev *Directory) error {
	was, ok := prev.Body(b.ID)
	if !ok && b.Since <= prev.Version {
		return fmt.Errorf("body %q is new after version %d, and says it is there since %d", b.ID, prev.Version, b.Since)
	}
	for _, h := range b.Holders {
		known := ok && slices.ContainsFunc(was.Holders, func(o Holder) bool { return o.Signing.Equal(h.Signing) })
		if !known && h.Since <= prev.Version {
			return fmt.Errorf("holder %q is new after version %d, and says it is %s since %d", h.ID, prev.Version, h.Status, h.Since)
		}
	}
	return nil
}

// Active says whether anybody of the body reads at present.
func (b *Body) Active() bool {
	return slices.ContainsFunc(b.Holders, func(h Holder) bool { return h.Status == StatusActive })
}

// Expired says whether no new report may be sealed under d: past its expiry
// day, or a body that reads has no recipient for the month of t, be it that
// its months are over or that they have not begun.
func (d *Directory) Expired(t time.Time) bool { return !t.Before(d.lapses(t)) }

// DaysLeft is how many days, the one of t among them, reports can still be sealed under d; 0 when
// it has expired.
func (d *Directory) DaysLeft(t time.Time) int {
	return max(0, int(d.lapses(t).Sub(t.UTC().Truncate(24*time.Hour)).Hours()/24))
}

// lapses is the first instant from t on at which d is expired; one before t,
// or t, if it is already.
func (d *Directory) lapses(t time.Time) time.Time {
	end := (d.Expires + 1).Time()
	for m := MonthOf(t); ; m++ {
		if first := (m - 1).end(); first.After(end) {
			return end
		} else if !d.readIn(m) {
			return first
		}
	}
}

// readIn says whether somebody reads, and each body that reads has a recipient for the month.
func (d *Directory) readIn(m Month) bool {
	reads := false
	for i := range d.Bodies {
		if b := &d.Bodies[i]; b.Active() {
			if len(b.Recipients(m)) == 0 {
				return false
			}
			reads = true
		}
	}
	return reads
}

// WarnDays is 60, 30 or 7 when that many days or fewer are left, else 0: until
// the directory expires, or until the months of any one holder end, who would
// from then on read nothing new while the body still does.
func (d *Directory) WarnDays(t time.Time) int {
	end := d.lapses(t)
	for i := range d.Bodies {
		for _, h := range d.Bodies[i].Holders {
			if n := len(h.Epochs); n > 0 && h.Epochs[n-1].Month.end().Before(end) {
				end = h.Epochs[n-1].Month.end()
			}
		}
	}
	left := int(end.Sub(t).Hours() / 24)
	for _, n := range []int{7, 30, 60} {
		if left <= n {
			return n
		}
	}
	return 0
}

// Body finds a body by id.
func (d *Directory) Body(id string) (*Body, bool) {
	i := slices.IndexFunc(d.Bodies, func(b Body) bool { return b.ID == id })
	if i < 0 {
		return nil, false
	}
	return &d.Bodies[i], true
}

// Reader is the body as a source chooses it now.
func (b *Body) Reader() Reader { return Reader{ID: b.ID, Since: b.Since} }

// BodyOf finds the body that a source chose, unless it has become another since.
func (d *Directory) BodyOf(r Reader) (*Body, bool) {
	b, ok := d.Body(r.ID)
	if !ok || b.Since != r.Since {
		return nil, false
	}
	return b, true
}

// Defaults are the bodies ticked before a source chose: those that are
// independent and read at present, in directory order (SECURITY.md S-7).
func (d *Directory) Defaults() (list []Reader) {
	for i := range d.Bodies {
		if b := &d.Bodies[i]; b.Independent && b.Active() {
			list = append(list, b.Reader())
		}
	}
	return list
}

// Recipients are the month's recipients of a body's active holders.
func (b *Body) Recipients(m Month) (list []*Recipient) {
	for i := range b.Holders {
		if r, ok := b.Holders[i].Recipient(m); ok {
			list = append(list, r)
		}
	}
	return list
}

// Recipient is the month's recipient of an active holder.
func (h *Holder) Recipient(m Month) (*Recipient, bool) {
	i, ok := slices.BinarySearchFunc(h.Epochs, m, func(e Epoch, m Month) int { return cmp.Compare(e.Month, m) })
	if !ok || h.Status != StatusActive {
		return nil, false
	}
	return h.Epochs[i].Recipient, true
}

// ReadersFor resolves a positive list of chosen bodies to the month's
// recipients, by body. A body that is unknown, has become another or has nobody
// for the month is an error: the source ticked it and would believe that it reads.
func (d *Directory) ReadersFor(list []Reader, m Month) (bodies [][]*Recipient, err error) {
	for _, r := range list {
		b, ok := d.BodyOf(r)
		if !ok {
			return nil, fmt.Errorf("body %q since version %d is not in the directory", r.ID, r.Since)
		}
		to := b.Recipients(m)
		if len(to) == 0 {
			return nil, fmt.Errorf("body %q has nobody who reads in %v", r.ID, m)
		}
		bodies = append(bodies, to)
	}
	return bodies, nil
}

// SignerStanding is what a reply's signing key is worth.
type SignerStanding int

// Unknown keys sign nothing; withdrawn ones are shown as such (SECURITY.md S-8).
const (
	SignerUnknown SignerStanding = iota
	SignerGood
	SignerWithdrawn
)

// Signer says whose key this is and whether it was good for a reply delivered
// under directory version delivered.
func (d *Directory) Signer(key ed25519.PublicKey, delivered uint64) (*Body, *Holder, SignerStanding) {
	for i := range d.Bodies {
		b := &d.Bodies[i]
		for j := range b.Holders {
			h := &b.Holders[j]
			if !h.Signing.Equal(key) {
				continue
			}
			if h.Status == StatusActive || h.Status == StatusRetired && delivered < h.Since {
				return b, h, SignerGood
			}
			return b, h, SignerWithdrawn
		}
	}
	return nil, nil, SignerUnknown
}
