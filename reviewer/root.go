package reviewer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/crypto/passphrase"
)

// The root key signs the directory: who may read. It lives on the offline
// machine of its keeper, in a file of its own under a passphrase, apart from
// any vault. Several roots may be needed (directory, "roots m"): each keeper
// signs what the one before signed.

// NewRoot makes a root key called name (the operator's name for the instance,
// without spaces or plus signs) and returns its file, sealed under pass, and
// its public key. The public key and its [crypto.RootPhrase] go to everybody.
func NewRoot(name string, pass []byte, o Options) (file []byte, vkey string, err error) {
	skey, vkey, err := crypto.NewRoot(name)
	if err != nil {
		return nil, "", fmt.Errorf("making a root key: %w", err)
	}
	var b bytes.Buffer
	w, err := passphrase.Seal(&b, pass, o.ScryptLogN)
	if err != nil {
		return nil, "", fmt.Errorf("making a root key: %w", err)
	}
	if _, err := io.WriteString(w, skey+"\n"+vkey+"\n"); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), vkey, nil
}

// Root is an opened root key.
type Root struct {
	signer note.Signer
	vkey   string
}

// OpenRoot opens what [NewRoot] made. [ErrPassphrase].
func OpenRoot(file, pass []byte) (*Root, error) {
	r, err := passphrase.Open(bytes.NewReader(file), pass)
	if err != nil {
		return nil, fmt.Errorf("opening the root key: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, 4<<10))
	if err != nil {
		return nil, errors.New("opening the root key: the file is damaged")
	}
	defer clear(text)
	skey, rest, _ := strings.Cut(string(text), "\n")
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, errors.New("opening the root key: the file holds no root key")
	}
	return &Root{signer: signer, vkey: strings.TrimSpace(rest)}, nil
}

// Key is the public key.
func (r *Root) Key() string { return r.vkey }

// Phrase is ten words of the public key.
func (r *Root) Phrase() ([]string, error) { return crypto.RootPhrase(r.vkey) }

// ReadProposal reads a directory to be signed: the operator's text, or a note that
// other roots signed already.
func ReadProposal(file []byte) (*crypto.Directory, error) {
	text := file
	if t, ok := noteText(file); ok {
		text = t
	}
	d, err := crypto.ParseDirectory(text)
	if err != nil {
		return nil, fmt.Errorf("reading the proposed directory: %w", err)
	}
	return d, nil
}

// noteText is the text of a signed note, whoever signed it.
func noteText(file []byte) ([]byte, bool) {
	_, err := note.Open(file, note.VerifierList())
	var un *note.UnverifiedNoteError
	if errors.As(err, &un) {
		return []byte(un.Note.Text), true
	}
	return nil, false
}

// Sign adds this root's signature to a proposal. previous is the signed
// directory in force, nil only for the first one of an instance: what this root signed before
// is checked, so that a proposal cannot roll back a version or change salt, key derivation or
// origin. A new root, which signed nothing yet, needs previousRoots: the public
// keys of those who signed previous.
func (r *Root) Sign(proposal, previous []byte, today crypto.Day, previousRoots ...string) (signed []byte, err error) {
	d, err := ReadProposal(proposal)
	if err != nil {
		return nil, err
	}
	var existing []byte
	if _, ok := noteText(proposal); ok {
		existing = proposal
	}
	if signed, err = crypto.SignDirectory(d, existing, r.signer); err != nil {
		return nil, fmt.Errorf("signing the directory: %w", err)
	}
	if previous == nil {
		if d.Version != 1 {
			return nil, fmt.Errorf("signing the directory: this is version %d: name the signed directory before it (--previous), so that what changes can be shown", d.Version)
		}
		return signed, nil
	}
	old, err := r.OpenPrevious(previous, previousRoots...)
	if err != nil {
		return nil, err
	}
	switch {
	case d.Version <= old.Version:
		return nil, fmt.Errorf("signing the directory: %w: version %d after version %d", crypto.ErrRolledBack, d.Version, old.Version)
	case d.Salt != old.Salt:
		return nil, fmt.Errorf("signing the directory: %w", crypto.ErrSalt)
	case d.KDF != old.KDF:
		return nil, errors.New("signing the directory: it derives codes in another way: every code in use would be lost")
	case d.Origin != old.Origin:
		return nil, fmt.Errorf("signing the directory: it is of %s, the one before was of %s", SafeLine(d.Origin), SafeLine(old.Origin))
	case d.Expires <= today:
		return nil, fmt.Errorf("signing the directory: it expired on %s: ask the operator for a new proposal", d.Expires)
	}
	return signed, nil
}

// OpenPrevious verifies that this root, or one of those named, signed the previous directory
// and reads it. Whether enough roots did is the server's and the desks' to check.
func (r *Root) OpenPrevious(previous []byte, roots ...string) (*crypto.Directory, error) {
	var known []note.Verifier
	keys := append(slices.Clone(roots), r.vkey)
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		verifier, err := note.NewVerifier(k)
		if err != nil {
			return nil, errors.New("reading the previous directory: a root key is not valid: copy it again")
		}
		known = append(known, verifier)
	}
	n, err := note.Open(previous, note.VerifierList(known...))
	if err != nil {
		return nil, errors.New("reading the previous directory: neither this root key nor one that was named signed it: name the key that did (--previous-root), once its ten words were compared")
	}
	d, err := crypto.ParseDirectory([]byte(n.Text))
	if err != nil {
		return nil, fmt.Errorf("reading the previous directory: %w", err)
	}
	return d, nil
}
