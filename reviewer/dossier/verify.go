package dossier

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/reviewer/casework"
)

// ErrFolder says that a folder is not a dossier, or not all of one.
var ErrFolder = errors.New("not a dossier")

// Report is what Verify found.
type Report struct {
	Body, Holder string            // who made the folder, as its directory names the key
	Key          ed25519.PublicKey // compare its six words ([crypto.SigningWords]) with that holder's card
	Origin       string
	Case         string // the whole id, in hex
	Made         crypto.Day
	Files        int
	Events       int
	Faults       []string // what does not hold; none: all holds
}

const maxSmall = 16 << 20 // of what is read whole, in bytes

// Verify checks a folder that [Write] wrote, with what is in it alone. An error says that it cannot be
// checked at all; what does not hold is in the report.
//
// That the directory in it is the true one the folder cannot prove: compare the six words of the
// key, or give the directory that you trust; nil is the folder's own.
func Verify(dir string, trusted *crypto.Directory) (*Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	defer root.Close()
	r := &Report{}
	if err := r.verify(root.FS(), trusted); err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	return r, nil
}

func (r *Report) fault(format string, a ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, a...))
}

func (r *Report) verify(dir fs.FS, trusted *crypto.Directory) error {
	d := trusted
	if d == nil {
		signed, err := readFile(dir, directoryName, maxSmall)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFolder, err)
		}
		if d, err = unverified(signed); err != nil {
			r.fault("%s was changed: %v", directoryName, err)
			d = &crypto.Directory{}
		}
	}
	sealed, err := readFile(dir, SealName, maxSmall)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	sums, err := r.open(sealed, d)
	if err != nil {
		r.fault("%s does not hold: %v", SealName, err)
	}
	listed, err := readFile(dir, sumsName, maxSmall)
	switch {
	case err != nil:
		r.fault("%s is missing", sumsName)
	case sums != nil && !bytes.Equal(listed, sums):
		r.fault("%s is not what was signed", sumsName)
	}
	if sums == nil {
		sums = listed
	}
	r.files(dir, sums)
	r.log(dir, d)
	return nil
}

// unverified reads a directory's text: whether its root is the right one, only a person can tell.
func unverified(signed []byte) (*crypto.Directory, error) {
	var u *note.UnverifiedNoteError
	if _, err := note.Open(signed, note.VerifierList()); !errors.As(err, &u) {
		return nil, errors.New("it is no signed directory")
	}
	return crypto.ParseDirectory([]byte(u.Note.Text))
}

// open reads the signature over the sums.
func (r *Report) open(sealed []byte, d *crypto.Directory) (sums []byte, err error) {
	var known []note.Verifier
	keys := make(map[string]crypto.Holder)
	for i := range d.Bodies {
		for _, h := range d.Bodies[i].Holders {
			v, err := verifier(d.Bodies[i].ID, h.ID, h.Signing)
			if err != nil {
				return nil, err
			}
			known = append(known, v)
			keys[v.Name()] = h
		}
	}
	n, err := note.Open(sealed, note.VerifierList(known...))
	if err != nil {
		return nil, errors.New("no holder of the directory signed it")
	}
	h := keys[n.Sigs[0].Name]
	r.Key, r.Holder = h.Signing, h.ID
	if h.Status == crypto.StatusRevoked {
		r.fault("it is signed with a key of %s that was withdrawn: perhaps by somebody else", h.ID)
	}
	lines := strings.SplitAfterN(n.Text, "\n", 6)
	if len(lines) < 6 {
		return nil, errors.New("it says nothing of a case")
	}
	got := head{origin: strings.TrimSuffix(lines[1], "\n"), id: strings.TrimSuffix(strings.TrimPrefix(lines[2], "case "), "\n")}
	got.body, got.holder, _ = strings.Cut(strings.TrimSuffix(strings.TrimPrefix(lines[3], "by "), "\n"), "/")
	if got.made, err = casework.ParseDay(strings.TrimSuffix(strings.TrimPrefix(lines[4], "made "), "\n")); err != nil {
		return nil, errors.New("it says nothing of a day")
	}
	if got.text() != strings.Join(lines[:5], "") || n.Sigs[0].Name != "postern-desk/"+got.body+"/"+got.holder {
		return nil, errors.New("its first lines are not written as a desk does")
	}
	r.Body, r.Origin, r.Case, r.Made = got.body, got.origin, got.id, got.made
	return []byte(lines[5]), nil
}

// files compares what is there with the sums.
func (r *Report) files(dir fs.FS, sums []byte) {
	want := make(map[string]string)
	for _, l := range linesOf(sums) {
		sum, name, ok := strings.Cut(l, "  ")
		if !ok || want[name] != "" {
			r.fault("%s has a line that is none", sumsName)
			continue
		}
		want[name] = sum
	}
	r.Files = len(want)
	seen := make(map[string]bool)
	err := fs.WalkDir(dir, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if name == sumsName || name == SealName {
			return nil
		}
		seen[name] = true
		sum, ok := want[name]
		switch {
		case !ok:
			r.fault("%q was added", name)
		case !e.Type().IsRegular():
			r.fault("%q is no file", name)
		default:
			got, err := sumOf(dir, name)
			if err != nil {
				return err
			}
			if got != sum {
				r.fault("%q was changed", name)
			}
		}
		return nil
	})
	if err != nil {
		r.fault("the folder cannot be read: %v", err)
	}
	for name := range want {
		if !seen[name] {
			r.fault("%q is missing", name)
		}
	}
	slices.Sort(r.Faults)
}

func sumOf(dir fs.FS, name string) (string, error) {
	f, err := dir.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// log checks the events: signatures, order, chains, and whose keys they are.
func (r *Report) log(dir fs.FS, d *crypto.Directory) {
	text, err := readFile(dir, logName, maxLog)
	if err != nil {
		r.fault("%s cannot be read: %v", logName, err)
		return
	}
	book, err := decodeLog(text)
	if err != nil {
		r.fault("%v", err)
		return
	}
	r.Events = len(book.Log)
	for _, b := range book.Breaks {
		r.fault("the log has a gap: %s", b)
	}
	strangers := make(map[string]bool)
	for i := range book.Log {
		a := book.Log[i].Author
		if !listed(d, a) && !strangers[a.Name()] {
			strangers[a.Name()] = true
			r.fault("entries of %q are signed with a key that the directory does not name", a.Name())
		}
	}
}

func listed(d *crypto.Directory, a casework.Author) bool {
	b, ok := d.Body(a.Body)
	return ok && slices.ContainsFunc(b.Holders, func(h crypto.Holder) bool { return bytes.Equal(h.Signing, a.Key[:]) })
}

func readFile(dir fs.FS, name string, most int64) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s is missing", name)
	}
	defer f.Close()
	return readAll(f, most)
}
