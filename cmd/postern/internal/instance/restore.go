package instance

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/intake/onion"
	"postern/store"
)

// The kinds of a backup.
const (
	kindIdentity = "identity"
	kindFull     = "full"
)

// Backup is an opened backup whose small files were read and are signed by the
// server that its directory names. Whose directory that is, the roots say: see
// [Backup.Trust]. Nothing was written yet.
type Backup struct {
	Name    string // of the instance
	Address string // host name, with .onion
	Day     crypto.Day
	Full    bool // holds the data
	// Directory is the one in force when it was made, Roots those that signed it.
	Directory *crypto.Directory
	Roots     []string
	// Left are settings that are not taken, as the configuration had them: they
	// name programs, or lines for tor, which can run programs.
	Left []string

	in      *unpacker
	server  ed25519.PublicKey
	files   map[string][]byte
	conf    *Config
	trusted bool
}

var errNoBackup = errors.New("this is no backup of postern")

// maxFiles bounds all small files of a backup, in bytes.
const maxFiles = 64 << 20

// ReadBackup reads the small files of a backup, and verifies that its server signed them.
func ReadBackup(r io.Reader) (*Backup, error) {
	b := &Backup{in: &unpacker{t: tar.NewReader(r), sum: sha256.New()}, files: map[string][]byte{}}
	name, mark, err := b.in.next()
	if name != backupMark {
		return nil, errNoBackup
	}
	if err != nil {
		return nil, cutOff(err)
	}
	if err := b.parseMark(string(mark)); err != nil {
		return nil, err
	}
	var signature []byte
	for size := 0; signature == nil; {
		name, data, err := b.in.next()
		size += len(data)
		switch {
		case err != nil:
			return nil, cutOff(err)
		case name == headSignature:
			signature = data
		case !backedUp.MatchString(name) || path.Clean(name) != name || b.files[name] != nil || size > maxFiles:
			return nil, fmt.Errorf("the backup holds a file that does not belong there: %q", name)
		default:
			b.files[name] = data
		}
	}
	return b, b.readFiles(signature)
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(errors.New("the backup is cut off"), err)
}

// parseMark reads what the first file says.
func (b *Backup) parseMark(text string) error {
	lines := strings.Split(text, "\n")
	if lines[0] != backupFormat && strings.HasPrefix(lines[0], "postern backup ") {
		return WithHint(errors.New("the backup was written by a newer version"), "install that version of postern, or a later one")
	}
	if lines[0] != backupFormat || len(lines) != 4 || lines[3] != "" || lines[1] != kindFull && lines[1] != kindIdentity {
		return errNoBackup
	}
	b.Full = lines[1] == kindFull
	day, err := time.Parse(time.DateOnly, lines[2])
	if err != nil {
		return errNoBackup
	}
	b.Day = crypto.DayOf(day)
	return nil
}

func (b *Backup) readFiles(signature []byte) (err error) {
	b.Roots = strings.Fields(string(crypto.Carried(b.files["roots"])))
	note := b.files["directory.note"]
	if b.Directory, err = crypto.OpenDirectory(note, b.Roots, nil, crypto.DayOf(time.Now())); err != nil {
		return fmt.Errorf("the directory in the backup: %w", err)
	}
	b.Roots = slices.DeleteFunc(b.Roots, func(r string) bool { return !SignedBy(note, r) })
	b.server = b.Directory.Server
	if !b.in.signed(b.server, signature) {
		return WithHint(errors.New("the backup is not signed by the server that its directory names: it was forged or changed"),
			"use another backup")
	}
	key, err := onion.ParseKey(b.files["keys/onion.key"])
	if err != nil {
		return fmt.Errorf("the onion key in the backup: %w", err)
	}
	b.Address = onion.Address(key)
	if b.conf, err = ParseConfig(string(b.files["postern.conf"])); err != nil {
		return fmt.Errorf("the configuration in the backup: %w", err)
	}
	b.Name = b.conf.Name
	b.leave()
	return nil
}

// leave puts what names a program, or a file beside the data directory, back to its default.
func (b *Backup) leave() {
	keep, defaults := *b.conf, Defaults()
	b.conf.Storage.KeyWrappedBy = defaults.Storage.KeyWrappedBy
	b.conf.Tor.Binary, b.conf.Tor.ControlSocket, b.conf.Tor.Torrc = defaults.Tor.Binary, defaults.Tor.ControlSocket, defaults.Tor.Torrc
	had, has := strings.Split(keep.Text(), "\n"), strings.Split(b.conf.Text(), "\n")
	for n := range had {
		if had[n] != has[n] {
			b.Left = append(b.Left, had[n])
		}
	}
}

// Trust says that these roots are the operator's own: they must have signed the
// directory that names the server whose signature is on the backup.
func (b *Backup) Trust(roots []string) error {
	if _, err := crypto.OpenDirectory(b.files["directory.note"], roots, nil, crypto.DayOf(time.Now())); err != nil {
		return fmt.Errorf("this is not a backup of an instance of that root: %w", err)
	}
	b.trusted = true
	return nil
}

// RootOf is the root whose words these are; none if empty.
func (b *Backup) RootOf(words []string) string {
	for _, r := range b.Roots {
		if phrase, err := crypto.RootPhrase(r); err == nil && slices.Equal(phrase, words) {
			return r
		}
	}
	return ""
}

// Restore makes an instance of a backup that is trusted, in an empty directory.
// keyWrappedBy is as in the configuration.
func (b *Backup) Restore(ctx context.Context, dir, keyWrappedBy string) (err error) {
	if !b.trusted {
		return errors.New("restoring: the backup's roots are not trusted yet")
	}
	b.conf.Storage.KeyWrappedBy = keyWrappedBy
	i := &Instance{Conf: b.conf}
	if i.Dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := i.parse(string(b.files["instance"])); err != nil {
		return err
	}
	if err := i.makeRoom(); err != nil {
		return err
	}
	b.files["postern.conf"] = []byte(b.conf.Text())
	for name, data := range b.files {
		if name == "instance" {
			continue // written last, with a new id
		}
		if err := writeFile(i.path(filepath.FromSlash(name)), data); err != nil {
			return err
		}
	}
	if err := i.fits(b.Directory); err != nil {
		return err
	}
	if b.Full {
		err = b.importStore(ctx, i)
	} else {
		var s *store.Store
		if s, err = i.OpenStore(true); err == nil {
			err = s.Close()
		}
	}
	if err != nil {
		return err
	}
	if _, _, err := b.in.next(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("the backup holds more than it should"), err)
	}
	i.newID()
	return writeFile(i.instancePath(), i.marshal())
}

// importStore fills a new database and ends what has lived long enough since
// the backup was made.
func (b *Backup) importStore(ctx context.Context, i *Instance) error {
	o, err := i.storeOptions(true)
	if err != nil {
		return err
	}
	p := &joined{b: b}
	if err := store.Import(ctx, o, p); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, p); err != nil { // to the signature
		return err
	}
	s, err := i.OpenStore(false)
	if err != nil {
		return err
	}
	transfer, err := i.Transfer()
	if err != nil {
		return errors.Join(err, s.Close())
	}
	svc, err := intake.New(intake.Options{Store: s, Transfer: transfer, Instance: i.ID})
	if err == nil {
		// On a clock that may be wrong nothing is ended; status says so later.
		if err = svc.Maintain(ctx, false); errors.Is(err, intake.ErrClock) {
			err = nil
		}
	}
	if err == nil {
		err = s.Vacuum(ctx)
	}
	if err != nil {
		err = fmt.Errorf("preparing the database: %w", err)
	}
	return errors.Join(err, s.Close())
}

// unpacker reads an archive file by file, and sums what was read before the last one.
type unpacker struct {
	t    *tar.Reader
	sum  hash.Hash
	name string // the last one, not summed yet
	data []byte
}

// next reads a file; io.EOF after the last.
func (u *unpacker) next() (string, []byte, error) {
	if u.name != "" {
		sumEntry(u.sum, u.name, u.data)
		u.name = ""
	}
	h, err := u.t.Next()
	if err != nil {
		return "", nil, err
	}
	if h.Typeflag != tar.TypeReg || h.Size > MaxInput {
		return "", nil, fmt.Errorf("the backup holds something that does not belong there: %q", h.Name)
	}
	u.name = h.Name
	u.data, err = io.ReadAll(u.t)
	return u.name, u.data, err
}

// signed says whether the last file signs all before it.
func (u *unpacker) signed(key ed25519.PublicKey, signature []byte) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, signedPart(u.sum), signature)
}

// joined reads the pieces as one stream; at its end it verifies the signature.
type joined struct {
	b     *Backup
	n     int
	piece bytes.Reader
	done  bool
}

func (j *joined) Read(p []byte) (int, error) {
	for j.piece.Len() == 0 {
		if j.done {
			return 0, io.EOF
		}
		name, data, err := j.b.in.next()
		switch {
		case err != nil:
			return 0, cutOff(err)
		case name == dataSignature && j.b.in.signed(j.b.server, data):
			j.done = true
		case name == dataSignature:
			return 0, errors.New("the data in the backup are not what its server signed")
		case name != pieceName(j.n):
			return 0, fmt.Errorf("piece %d of the database is missing in the backup", j.n)
		default:
			j.n++
			j.piece.Reset(data)
		}
	}
	return j.piece.Read(p)
}
