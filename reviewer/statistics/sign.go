package statistics

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
)

// ErrUnsigned says that no holder of the directory signed a table.
var ErrUnsigned = errors.New("the table is not signed by a holder of this directory")

// signer signs a note with a holder's key.
type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// keyName is what a holder's signature is under. Ids have no character that a note refuses.
func keyName(body, holder string) string { return "postern-desk/" + body + "/" + holder }

func verifier(body, holder string, key ed25519.PublicKey) (note.Verifier, error) {
	text, err := note.NewEd25519VerifierKey(keyName(body, holder), key)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(text)
}

// Sign writes the table as a signed note (golang.org/x/mod/sumdb/note, as directories are), under
// the key with which the holder signs answers. The two cannot be taken for one
// another: what is signed here begins with a brace, and there with "postern/v1 ".
func (t *Table) Sign(body, holder string, key ed25519.PrivateKey) ([]byte, error) {
	text, err := t.Encode()
	if err != nil {
		return nil, err
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("signing a table: not a key of Ed25519")
	}
	v, err := verifier(body, holder, public)
	if err != nil {
		return nil, fmt.Errorf("signing a table: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: string(text)}, signer{v, key})
	if err != nil {
		return nil, fmt.Errorf("signing a table: %w", err)
	}
	return signed, nil
}

// Open reads a signed table and says whose signature it bears. Keys that the directory
// revoked sign nothing. [ErrUnsigned], [ErrTable].
func Open(signed []byte, d *crypto.Directory) (t *Table, body, holder string, err error) {
	if len(signed) > MaxTable {
		return nil, "", "", fmt.Errorf("opening a table: %w: longer than %d bytes", ErrTable, MaxTable)
	}
	var known []note.Verifier
	names := make(map[string][2]string)
	for i := range d.Bodies {
		for _, h := range d.Bodies[i].Holders {
			if h.Status == crypto.StatusRevoked {
				continue
			}
			v, err := verifier(d.Bodies[i].ID, h.ID, h.Signing)
			if err != nil {
				return nil, "", "", fmt.Errorf("opening a table: %w", err)
			}
			known = append(known, v)
			names[v.Name()] = [2]string{d.Bodies[i].ID, h.ID}
		}
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return nil, "", "", fmt.Errorf("opening a table: %w", ErrUnsigned) // the error could repeat what is in the file
	}
	if t, err = DecodeTable([]byte(n.Text)); err != nil {
		return nil, "", "", fmt.Errorf("opening a table: %w", err)
	}
	if t.Origin != d.Origin {
		return nil, "", "", fmt.Errorf("opening a table: %w: it is of %q, and the directory of %q", ErrTable, t.Origin, d.Origin)
	}
	who := names[n.Sigs[0].Name]
	return t, who[0], who[1], nil
}
