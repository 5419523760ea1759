package instance

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"filippo.io/age"

	"postern/crypto"
	"postern/store"
)

// A backup is one age file for the operator's offline recipient, so that the
// server, which can write it, cannot read it. Inside lies a tar archive:
//
//	postern-backup      "postern backup 1", then "identity" or "full"
//	postern.conf …      the small files of the instance, as they lie in its directory
//	db/00000000 …       a full one: the stream of the store, in pieces of 4 MiB
//
// An identity backup is what makes the addresses answer again. A full one
// holds all live data besides, still sealed to the reviewers; it ends what was
// erased only when the backup itself ends, so it is kept 14 days at most (SECURITY.md S-5, S-19).

const (
	backupMark   = "postern-backup"
	backupFormat = "postern backup 1"
	backupPiece  = 4 << 20
	pieceDir     = "db/"
)

// backedUp matches the files of an instance that a backup holds.
var backedUp = regexp.MustCompile(`^(postern\.conf|instance|roots|directory\.note|proposal\.txt|keys/(transfer|onion)\.key|holders/[a-z0-9-]+\.(card|onion)|pages/[a-z0-9-]+\.[A-Za-z0-9-]+\.md)$`)

// Backup writes the small files, and with a database everything in it, sealed
// to the offline recipient.
func (i *Instance) Backup(ctx context.Context, dst io.Writer, db *store.Store) error {
	if i.Conf.Backup.Recipient == "" {
		return WithHint(errors.New("there is no key to back up to"),
			"on another machine: postern backup key --to backup-key.txt; put its public key into [backup] recipient of %s and restart", i.ConfigPath())
	}
	to, err := crypto.ParseRecipient(i.Conf.Backup.Recipient)
	if err != nil {
		return err
	}
	sealed, err := age.Encrypt(dst, to)
	if err != nil {
		return err
	}
	t := tar.NewWriter(sealed)
	kind := "identity"
	if db != nil {
		kind = "full"
	}
	if err := addFile(t, backupMark, []byte(backupFormat+"\n"+kind+"\n")); err != nil {
		return err
	}
	if err := i.backupFiles(t); err != nil {
		return err
	}
	if db != nil {
		p := &pieces{t: t}
		if err := db.Export(ctx, p); err != nil {
			return fmt.Errorf("exporting the database: %w", err)
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), sealed.Close())
}

// backupFiles adds the small files.
func (i *Instance) backupFiles(t *tar.Writer) error {
	root := os.DirFS(i.Dir)
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && name != "keys" && name != "holders" && name != "pages" {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || !backedUp.MatchString(name) {
			return nil
		}
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		if len(b) > MaxInput { // restore would refuse it
			return WithHint(fmt.Errorf("%s is too large for what it is", name), "look what was put there")
		}
		return addFile(t, name, b)
	})
}

func addFile(t *tar.Writer, name string, data []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err := t.Write(data)
	return err
}

// pieces cuts a stream of unknown length into files of an archive.
type pieces struct {
	t   *tar.Writer
	n   int
	buf []byte
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.buf == nil {
		p.buf = make([]byte, 0, backupPiece)
	}
	written := 0
	for len(b) > 0 {
		k := min(len(b), backupPiece-len(p.buf))
		p.buf = append(p.buf, b[:k]...)
		written, b = written+k, b[k:]
		if len(p.buf) == backupPiece {
			if err := p.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

func (p *pieces) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	err := addFile(p.t, fmt.Sprintf("%s%08d", pieceDir, p.n), p.buf)
	p.n, p.buf = p.n+1, p.buf[:0]
	return err
}

// joined reads the pieces as one stream; next is the header of the first.
type joined struct {
	t *tar.Reader
	n int
	h *tar.Header // of the piece being read; nil between two
}

func (j *joined) Read(b []byte) (int, error) {
	for {
		if j.h == nil {
			h, err := j.t.Next()
			if err != nil {
				return 0, err // io.EOF: the last piece is read
			}
			j.h = h
		}
		if j.h.Name != fmt.Sprintf("%s%08d", pieceDir, j.n) || j.h.Typeflag != tar.TypeReg {
			return 0, fmt.Errorf("piece %d of the database is missing in the backup", j.n)
		}
		n, err := j.t.Read(b)
		if errors.Is(err, io.EOF) {
			j.h, j.n, err = nil, j.n+1, nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

// backupKind reads what the mark says.
func backupKind(text string) (full bool, err error) {
	format, kind, _ := strings.Cut(strings.TrimSuffix(text, "\n"), "\n")
	switch {
	case format != backupFormat && strings.HasPrefix(format, "postern backup "):
		return false, WithHint(errors.New("the backup was written by a newer version"), "install that version of postern, or a later one")
	case format != backupFormat || kind != "full" && kind != "identity":
		return false, errors.New("this is no backup of postern")
	}
	return kind == "full", nil
}

// cleanName is whether a name in an archive may be written: a positive list,
// so that no name is ever a path elsewhere (SECURITY.md S-15).
func cleanName(h *tar.Header) bool {
	return h.Typeflag == tar.TypeReg && path.Clean(h.Name) == h.Name && backedUp.MatchString(h.Name) && h.Size <= MaxInput
}
