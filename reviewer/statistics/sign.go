package statistics

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
)

// ErrUnsigned says that no holder of the directory signed a table, or rows.
var ErrUnsigned = errors.New("no holder of this directory signed it")

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
	return sign(text, body, holder, key)
}

// SignRows writes rows as a signed note, as [Table.Sign] writes a table. They are the signer's
// body's own: see [OpenRows].
func SignRows(rows []Row, body, holder string, key ed25519.PrivateKey) ([]byte, error) {
	text, err := EncodeRows(rows)
	if err != nil {
		return nil, err
	}
	return sign(text, body, holder, key)
}

func sign(text []byte, body, holder string, key ed25519.PrivateKey) ([]byte, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("signing figures: not a key of Ed25519")
	}
	v, err := verifier(body, holder, public)
	if err != nil {
		return nil, fmt.Errorf("signing figures: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: string(text)}, signer{v, key})
	if err != nil {
		return nil, fmt.Errorf("signing figures: %w", err)
	}
	return signed, nil
}

// Open reads a signed table and says whose signature it bears. Keys that the directory
// revoked sign nothing. [ErrUnsigned], [ErrTable].
func Open(signed []byte, d *crypto.Directory) (t *Table, body, holder string, err error) {
	if len(signed) > MaxTable {
		return nil, "", "", fmt.Errorf("opening a table: %w: longer than %d bytes", ErrTable, MaxTable)
	}
	text, body, holder, err := open(signed, d)
	if err != nil {
		return nil, "", "", fmt.Errorf("opening a table: %w", err)
	}
	if t, err = DecodeTable(text); err != nil {
		return nil, "", "", fmt.Errorf("opening a table: %w", err)
	}
	if t.Origin != d.Origin {
		return nil, "", "", fmt.Errorf("opening a table: %w: it is of %q, and the directory of %q", ErrTable, t.Origin, d.Origin)
	}
	return t, body, holder, nil
}

// OpenRows reads signed rows and says whose they are. A body tells what it knows itself: rows that
// speak for another one are refused. [ErrUnsigned], [ErrRow].
func OpenRows(signed []byte, d *crypto.Directory) (rows []Row, body, holder string, err error) {
	text, body, holder, err := open(signed, d)
	if err != nil {
		return nil, "", "", fmt.Errorf("opening rows: %w", err)
	}
	if rows, err = DecodeRows(text); err != nil {
		return nil, "", "", fmt.Errorf("opening rows: %w", err)
	}
	for i := range rows {
		r := &rows[i]
		if len(r.Bodies) != 1 || r.Bodies[0] != body || slices.ContainsFunc(r.Recommendations, func(x Recommendation) bool { return x.Body != body }) {
			return nil, "", "", fmt.Errorf("opening rows: %w: %s speaks for another body", ErrRow, body)
		}
	}
	return rows, body, holder, nil
}

func open(signed []byte, d *crypto.Directory) (text []byte, body, holder string, err error) {
	var known []note.Verifier
	names := make(map[string][2]string)
	for i := range d.Bodies {
		for _, h := range d.Bodies[i].Holders {
			if h.Status == crypto.StatusRevoked {
				continue
			}
			v, err := verifier(d.Bodies[i].ID, h.ID, h.Signing)
			if err != nil {
				return nil, "", "", err
			}
			known = append(known, v)
			names[v.Name()] = [2]string{d.Bodies[i].ID, h.ID}
		}
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return nil, "", "", ErrUnsigned // the error could repeat what is in the file
	}
	who := names[n.Sigs[0].Name]
	return []byte(n.Text), who[0], who[1], nil
}
