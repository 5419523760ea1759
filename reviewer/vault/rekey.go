package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"postern/crypto"
	"postern/store/durable"
)

// spareName is the file whose removal makes room for a change that forgets something, and
// spareSize its size in bytes: a change of ten thousand records fits.
const (
	spareName = "spare"
	spareSize = 1 << 20
)

// Forget makes a change (SECURITY.md S-31) of which what it deletes can be read by nobody afterwards, with this
// vault's passphrase or without: the log is written anew under a fresh key. pass must be the
// vault's. On a full disk room is made for the change; should there be none to write the log
// anew, a warning says so and it is done at the next start. Copies and backups made before hold what they
// held.
func (v *Vault) Forget(pass []byte, c *Change) error {
	if err := v.forget(pass, c); err != nil {
		return fmt.Errorf("writing the vault: %w", err)
	}
	return nil
}

func (v *Vault) forget(pass []byte, c *Change) error {
	if err := v.CheckPassphrase(pass); err != nil {
		c.Abandon()
		return err
	}
	if c.Empty() {
		c.Abandon()
		return nil
	}
	c.Put(ownKind, []byte(todoRekey), nil)
	if err := v.commit(c, v.dropSpare); err != nil {
		return err
	}
	v.finishForgetting(pass)
	return nil
}

// finishForgetting writes the log anew after a change that forgets, and says so where it cannot.
func (v *Vault) finishForgetting(pass []byte) {
	err := v.rekey(pass, v.keys.Secret)
	if isFull(err) && v.dropSpare() {
		err = v.rekey(pass, v.keys.Secret)
	}
	if err != nil {
		v.warn(fmt.Errorf("what was erased is gone from the vault, but its keys can still be read from the vault's log by whoever has the passphrase: the log could not be written anew (%w). Make room on the disk, then open the vault again: that does it", err))
	}
	v.keepSpare()
}

// dropSpare makes room on a full disk, if there is a spare to give up.
func (v *Vault) dropSpare() bool {
	step("drop spare")
	return os.Remove(filepath.Join(v.dir, spareName)) == nil
}

// keepSpare holds room back, unless the disk is full.
func (v *Vault) keepSpare() {
	path := filepath.Join(v.dir, spareName)
	if st, err := os.Stat(path); err == nil && st.Size() == spareSize {
		return
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	step("keep spare")
	_ = durable.Create(path, func(w io.Writer) error { // noise: some file systems keep no zeros
		_, err := io.CopyN(w, rand.Reader, spareSize)
		return err
	})
}

// SetPassphrase seals the vault under another passphrase and writes its log anew: who knows
// the old passphrase opens nothing with an old copy of the key file and today's log.
// Copies and backups of the whole vault made before keep the old one.
func (v *Vault) SetPassphrase(pass []byte) error {
	if err := v.rekey(pass, v.keys.Secret); err != nil {
		return fmt.Errorf("changing the passphrase: %w", err)
	}
	return nil
}

// SetSecret replaces the owner's secret; the one before can be read by nobody afterwards. pass must be the vault's.
func (v *Vault) SetSecret(pass, secret []byte) error {
	if err := v.CheckPassphrase(pass); err != nil {
		return err
	}
	return v.rekey(pass, secret)
}

// rekey writes the log anew under a fresh key, and a key file that names it in place of
// the one before. A crash between any two steps leaves a key file that names a whole log; the other
// log, and what [durable.ReplaceSecret] left of the other key file, go at the next start. On
// error the vault is as before.
func (v *Vault) rekey(pass, secret []byte) error {
	switch {
	case v.log == nil:
		return errClosed
	case v.log.failed != nil:
		return v.log.failed
	}
	key := crypto.NewKey()
	next := &keyFile{Version: keyFileVersion, Log: newLogName(), Key: key[:], Secret: secret}
	sealed, err := next.seal(pass, v.o.ScryptLogN)
	if err != nil {
		return err
	}
	if err := next.valid(); err != nil {
		return err
	}
	_, isDue := v.live.by[ownKind][todoRekey]
	var ops []op
	for k := range v.done {
		ops = append(ops, op{kind: ownKind, key: k})
	}
	v.live.apply(append(ops, op{kind: ownKind, key: todoRekey}))
	v.done = make(map[string]bool)
	l, err := v.writeLog(next.Log, next.Key)
	if err == nil {
		step("replace key file")
		if err = durable.ReplaceSecret(filepath.Join(v.dir, keyName), sealed); err != nil && !isInPlace(err) {
			err = errors.Join(err, l.f.Close(), os.Remove(filepath.Join(v.dir, next.Log)))
		} else if err != nil {
			v.warn(err)
		}
	}
	if err != nil && !isInPlace(err) {
		if isDue {
			v.live.apply([]op{{kind: ownKind, key: todoRekey, put: true}})
		}
		return err
	}
	step("key file replaced")
	old := v.log
	v.log = l
	if &v.keys.Secret[0] != &secret[0] {
		clear(v.keys.Secret)
	}
	clear(v.keys.Key)
	v.keys = next
	old.frames.wipe()
	_ = old.f.Close()
	if errors.Is(err, durable.ErrNotSynced) { // the old key file may be back after a power cut, and wants its log
		return nil
	}
	if err := scrubFile(filepath.Join(v.dir, old.name)); err != nil {
		v.warn(fmt.Errorf("the vault's log was written anew, but the old one could not be overwritten: %w", err))
	}
	return nil
}

// isInPlace says whether a file was replaced in spite of the error.
func isInPlace(err error) bool {
	return errors.Is(err, durable.ErrNotSynced) || errors.Is(err, durable.ErrNotScrubbed)
}

// compactSize is how many bytes of dead weight a log may have, besides as many as it has of live records.
const compactSize = 4 << 20

// heavy says whether most of the log is of records that are no more.
func (v *Vault) heavy() bool { return v.log.size > 2*v.live.bytes+compactSize }
