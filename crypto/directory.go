package crypto

import (
	"crypto/ed25519"
	"errors"
	"time"

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

// Holder is a person of a body who reads.
type Holder struct {
	ID      string
	Signing ed25519.PublicKey
	Status  Status
	Since   uint64  // the directory version that set Status
	Epochs  []Epoch // empty when retired or revoked
}

// Body is an institution that reads.
type Body struct {
	ID          string
	Kind        string            // one of intake/form's body kinds; opaque here
	Independent bool              // of the institution reported on
	Names       map[string]string // by language tag
	Mandates    map[string]string
	Languages   []string // that its people read
	Holders     []Holder
}

// Directory is who may read at an instance.
type Directory struct {
	Origin   string // the note's first line: "postern directory " + a name the operator chose, no address
	Version  uint64
	Issued   Day
	Expires  Day
	Salt     [32]byte // instance salt, for ever
	KDF      KDFParams
	Policy   Policy
	Roots    int        // root signatures needed
	Transfer *Recipient // the server's, for bundles
	Bodies   []Body
}

// Errors of [OpenDirectory], for errors.Is.
var (
	ErrUnsigned   = errors.New("directory is not signed by enough roots")
	ErrRolledBack = errors.New("directory is older than the one installed")
	ErrNotYet     = errors.New("directory is not issued yet")
	ErrSalt       = errors.New("directory changes the instance salt")
)

// Marshal is the canonical text; Hash is over it.
func (d *Directory) Marshal() ([]byte, error) { panic("unbuilt") }

// ParseDirectory reads the text, unsigned.
func ParseDirectory(text []byte) (*Directory, error) { panic("unbuilt") }

// Hash is H(text).
func (d *Directory) Hash() [32]byte { panic("unbuilt") }

// SignDirectory makes or adds to a signed note. existing may be nil or a note of the same text.
func SignDirectory(d *Directory, existing []byte, root note.Signer) ([]byte, error) { panic("unbuilt") }

// OpenDirectory verifies a signed note against the known roots, parses it,
// and refuses one that is unsigned, not yet issued, older than prev, or with
// another salt (prev may be nil). An expired directory opens: see Expired.
func OpenDirectory(signed []byte, roots []string, prev *Directory, today Day) (*Directory, error) {
	panic("unbuilt")
}

// Expired says whether no new report may be sealed under d: past its expiry
// day, or some body has no holder with a recipient for the month.
func (d *Directory) Expired(t time.Time) bool { panic("unbuilt") }

// WarnDays is 60, 30 or 7 when that many days or fewer are left, else 0.
func (d *Directory) WarnDays(t time.Time) int { panic("unbuilt") }

// Body finds a body by id.
func (d *Directory) Body(id string) (*Body, bool) { panic("unbuilt") }

// Recipients are the month's recipients of a body's active holders.
func (b *Body) Recipients(m Month) []*Recipient { panic("unbuilt") }

// SignerStanding is what a reply's signing key is worth.
type SignerStanding int

// Unknown keys sign nothing; withdrawn ones are shown as such.
const (
	SignerUnknown SignerStanding = iota
	SignerGood
	SignerWithdrawn
)

// Signer says whose key this is and whether it was good for a reply delivered
// under directory version delivered.
func (d *Directory) Signer(key ed25519.PublicKey, delivered uint64) (*Body, *Holder, SignerStanding) {
	panic("unbuilt")
}

// NewRoot makes a root key as note's strings: skey secret, vkey public.
func NewRoot(name string) (skey, vkey string, err error) { panic("unbuilt") }

// RootPhrase is ten words of the root's public key, to verify a downloaded
// directory offline.
func RootPhrase(vkey string) ([]string, error) { panic("unbuilt") }
