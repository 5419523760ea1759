package instance

import (
	"archive/tar"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"regexp"
	"time"

	"filippo.io/age"

	"postern/crypto"
	"postern/store"
)

// A backup is one age file for the operator's offline recipient, so that the
// server, which can write it, cannot read it. Anybody who knows the recipient can
// write one as well: so it is signed, by the key that the directory names as this
// server's (SECURITY.md S-19). Inside lies a tar archive:
//
//	postern-backup      "postern backup 1", then "identity" or "full", and the day
//	postern.conf …      the small files of the instance, as they lie in its directory
//	signature           over all of this: what it holds can be shown before it is used
//	db/00000000 …       a full one: the stream of the store, in pieces of 4 MiB
//	db/signature        of a full one, over all of it
//
// An identity backup is what makes the addresses answer again. A full one
// holds all live data besides, still sealed to the reviewers; it ends what was
// erased only when the backup itself ends, so it is kept 14 days at most (SECURITY.md S-5).

const (
	backupMark   = "postern-backup"
	backupFormat = "postern backup 1"
	backupPiece  = 4 << 20
	pieceDir     = "db/"

	headSignature = "signature"
	dataSignature = pieceDir + headSignature
)

// backedUp matches the files of an instance that a backup holds. It is a positive
// list, so that no name is ever a path elsewhere (SECURITY.md S-15).
var backedUp = regexp.MustCompile(`^(postern\.conf|instance|roots|directory\.note|proposal\.txt|keys/(transfer|onion|signing)\.key|holders/[a-z0-9-]+\.(card|onion)|pages/[a-z0-9-]+\.[A-Za-z0-9-]+\.md)$`)

// archive writes files and signs what it has written.
type archive struct {
	t   *tar.Writer
	sum hash.Hash
	key ed25519.PrivateKey
}

func (a *archive) add(name string, data []byte) error {
	sumEntry(a.sum, name, data)
	if err := a.t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err := a.t.Write(data)
	return err
}

func (a *archive) sign(name string) error {
	return a.add(name, ed25519.Sign(a.key, signedPart(a.sum)))
}

// sumEntry adds a file to what is signed.
func sumEntry(sum hash.Hash, name string, data []byte) {
	sum.Write(fmt.Appendf(nil, "%s\x00", name))
	sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(data))))
	sum.Write(data)
}

func signedPart(sum hash.Hash) []byte { return sum.Sum([]byte("postern/v1 backup\x00")) }

// Backup writes the small files, and with a database everything in it, sealed
// to the offline recipient.
func (i *Instance) Backup(ctx context.Context, dst io.Writer, db *store.Store) error {
	if i.Conf.Backup.Recipient == "" {
		return WithHint(errors.New("there is no key to back up to"),
			"on another machine: postern backup key --to backup-key.txt; put its public key into [backup] recipient of %s and restart", i.ConfigPath())
	}
	if d, err := i.Installed(); err != nil {
		return err
	} else if d == nil {
		return WithHint(errors.New("no directory is in force, and without one nobody could tell this backup from a forged one"),
			"install the first directory, then back up")
	}
	to, err := crypto.ParseRecipient(i.Conf.Backup.Recipient)
	if err != nil {
		return err
	}
	key, err := i.Signing()
	if err != nil {
		return err
	}
	sealed, err := age.Encrypt(dst, to)
	if err != nil {
		return err
	}
	a := &archive{tar.NewWriter(sealed), sha256.New(), key}
	kind := kindIdentity
	if db != nil {
		kind = kindFull
	}
	if err := a.add(backupMark, fmt.Appendf(nil, "%s\n%s\n%v\n", backupFormat, kind, crypto.DayOf(time.Now()))); err != nil {
		return err
	}
	if err := i.backupFiles(a); err != nil {
		return err
	}
	if err := a.sign(headSignature); err != nil {
		return err
	}
	if db != nil {
		p := &pieces{a: a}
		if err := db.Export(ctx, p); err != nil {
			return fmt.Errorf("exporting the database: %w", err)
		}
		if err := errors.Join(p.flush(), a.sign(dataSignature)); err != nil {
			return err
		}
	}
	return errors.Join(a.t.Close(), sealed.Close())
}

// backupFiles adds the small files.
func (i *Instance) backupFiles(a *archive) error {
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
		return a.add(name, b)
	})
}

// pieces cuts a stream of unknown length into files of an archive.
type pieces struct {
	a   *archive
	n   int
	buf []byte
}

func pieceName(n int) string { return fmt.Sprintf("%s%08d", pieceDir, n) }

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
	err := p.a.add(pieceName(p.n), p.buf)
	p.n, p.buf = p.n+1, p.buf[:0]
	return err
}
