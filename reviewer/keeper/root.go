package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/crypto/passphrase"
	"postern/store/durable"
)

// NewRoot makes a root key called name (the operator's name for the instance,
// without spaces or plus signs) in a new file at path, sealed under pass, and returns
// its public key. The public key and its [crypto.RootPhrase] go to everybody. logN is the work
// factor of the passphrase as a power of two; 0 is age's own (18, about a second).
func NewRoot(path, name string, pass []byte, logN int) (vkey string, err error) {
	skey, vkey, err := crypto.NewRoot(name)
	if err != nil {
		return "", fmt.Errorf("making a root key: %w", err)
	}
	r := &Root{path: path, pass: pass, logN: logN, skey: skey, vkey: vkey}
	sealed, err := r.seal()
	if err == nil {
		err = durable.CreateFile(path, sealed)
	}
	if err != nil {
		return "", fmt.Errorf("making a root key: %w", err)
	}
	return vkey, nil
}

// Root is an opened root key. Its file also holds the last directory that it signed: what
// comes next is compared with that, so nobody can name an older one as the one before, or have two
// texts of one version signed. A copy of the file remembers what it did when it was made.
type Root struct {
	signer note.Signer
	skey   string
	vkey   string
	last   []byte // the signed note; nil: it signed nothing yet

	path string
	pass []byte
	logN int // see [NewRoot]
}

// maxRoot bounds a root file's plaintext in bytes: two keys and a directory.
const maxRoot = 5 << 20

// OpenRoot opens the file that [NewRoot] made. [passphrase.ErrWrong].
func OpenRoot(path string, pass []byte, logN int) (*Root, error) {
	file, err := os.ReadFile(path) //nolint:gosec // named by the keeper
	if err != nil {
		return nil, fmt.Errorf("opening the root key: %w", err)
	}
	plain, err := passphrase.Open(bytes.NewReader(file), pass)
	if err != nil {
		return nil, fmt.Errorf("opening the root key: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxRoot))
	if err != nil {
		return nil, errors.New("opening the root key: the file is damaged")
	}
	skey, rest, _ := strings.Cut(string(text), "\n")
	vkey, last, _ := strings.Cut(rest, "\n")
	r := &Root{skey: skey, vkey: vkey, path: path, pass: pass, logN: logN}
	if r.signer, err = note.NewSigner(skey); err != nil {
		return nil, errors.New("opening the root key: the file holds no root key")
	}
	if last != "" {
		r.last = []byte(last)
		if _, err := ReadProposal(r.last); err != nil {
			return nil, errors.New("opening the root key: the directory in the file is damaged: take the file from a backup")
		}
	}
	return r, nil
}

func (r *Root) seal() ([]byte, error) {
	var b bytes.Buffer
	w, err := passphrase.Seal(&b, r.pass, r.logN)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(w, "%s\n%s\n%s", r.skey, r.vkey, r.last); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// remember seals the directory that is about to leave into the root's file.
func (r *Root) remember(signed []byte) error {
	was := r.last
	r.last = signed
	sealed, err := r.seal()
	if err == nil {
		err = durable.ReplaceSecret(r.path, sealed)
	}
	if err != nil {
		r.last = was
	}
	return err
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

// Errors of [Root.Check] and [Root.OpenPrevious], for errors.Is.
var (
	ErrNoPrevious = errors.New("this root signed no directory yet: name the signed one before the proposal, so that what changes can be shown")
	ErrOtherRoot  = errors.New("neither this root key nor one that was named signed it: name the key that did, once its ten words were compared")
	ErrTwoTexts   = errors.New("this root signed another text of this version, or a later one: have that installed, then ask for a new proposal")
)

// Last is the signed directory that this root remembers; nil: it signed none yet.
func (r *Root) Last() []byte { return r.last }

// Check says whether this root may sign a proposal, and gives the directory it is to be
// compared with: nil for the first one of an instance. previous is the signed directory in force, if
// one is given; what this root itself signed later counts instead. A root that signed nothing yet needs
// it, and previousRoots: the public keys of those who signed it.
func (r *Root) Check(proposal, previous []byte, today crypto.Day, previousRoots ...string) (old, d *crypto.Directory, err error) {
	if old, d, err = r.check(proposal, previous, today, previousRoots); err != nil {
		return nil, nil, fmt.Errorf("signing the directory: %w", err)
	}
	return old, d, nil
}

func (r *Root) check(proposal, previous []byte, today crypto.Day, previousRoots []string) (old, d *crypto.Directory, err error) {
	if d, err = ReadProposal(proposal); err != nil {
		return nil, nil, err
	}
	if previous != nil {
		if old, err = r.OpenPrevious(previous, previousRoots...); err != nil {
			return nil, nil, err
		}
	}
	if r.last != nil {
		last, err := ReadProposal(r.last)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case old != nil && old.Version == last.Version && old.Hash() != last.Hash():
			return nil, nil, fmt.Errorf("this root signed another version %d than the one named as the previous directory: find out how there came to be two", last.Version)
		case d.Version < last.Version, d.Version == last.Version && d.Hash() != last.Hash():
			return nil, nil, fmt.Errorf("version %d: %w", d.Version, ErrTwoTexts)
		case old == nil || old.Version < last.Version:
			old = last
		}
	}
	switch {
	case old == nil && d.Version != 1:
		return nil, nil, fmt.Errorf("version %d: %w", d.Version, ErrNoPrevious)
	case d.Expires <= today:
		return nil, nil, fmt.Errorf("it expired on %s: ask the operator for a new proposal", d.Expires)
	}
	return old, d, d.Follows(old)
}

// Sign adds this root's signature to a proposal that Check takes. Before the signature
// leaves, the root's file remembers what was signed.
func (r *Root) Sign(proposal, previous []byte, today crypto.Day, previousRoots ...string) (signed []byte, err error) {
	_, d, err := r.Check(proposal, previous, today, previousRoots...)
	if err != nil {
		return nil, err
	}
	var existing []byte
	if _, ok := noteText(proposal); ok {
		existing = proposal
	}
	if signed, err = crypto.SignDirectory(d, existing, r.signer); err == nil {
		err = r.remember(signed)
	}
	if err != nil {
		return nil, fmt.Errorf("signing the directory: %w", err)
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
		return nil, fmt.Errorf("reading the previous directory: %w", ErrOtherRoot)
	}
	d, err := crypto.ParseDirectory([]byte(n.Text))
	if err != nil {
		return nil, fmt.Errorf("reading the previous directory: %w", err)
	}
	return d, nil
}
