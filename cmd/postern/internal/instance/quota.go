package instance

import (
	"errors"
	"fmt"
	"os"

	"postern/crypto"
	"postern/intake"
	"postern/store"
)

// storeOptions are how this instance keeps its database.
func (i *Instance) storeOptions(create bool) (store.Options, error) {
	o := store.Options{
		Dir: i.DBPath(), Buckets: intake.Buckets(), SmallCell: intake.SmallCell(i.Conf.Directory.Slots),
		Quota: int64(i.Conf.Storage.Quota), ReserveSmall: float64(i.Conf.Storage.ReserveText) / 100, Create: create,
		// Cover's own room, which reports cannot use: when they have filled the rest, batches still go out.
		Spare: intake.CoverRoom(i.Conf.Directory.Slots, i.Conf.Batches.Hours, i.Conf.Batches.Size, i.Conf.Batches.Urgent),
		Fill:  64 << 20,
	}
	if f := i.Conf.Storage.KeyWrappedBy; f != "" {
		w, err := newFileWrapper(f)
		if err != nil {
			return o, err
		}
		o.Key = w
	}
	return o, nil
}

// OpenStore opens the database for this process alone.
func (i *Instance) OpenStore(create bool) (*store.Store, error) {
	o, err := i.storeOptions(create)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(o)
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, WithHint(err,
			"a server runs on this directory or is just starting; if its admin socket in %s does not answer in a minute, stop it first", i.RunPath())
	case errors.Is(err, store.ErrNewer):
		return nil, WithHint(err, "install that version of postern, or a later one; nothing was changed")
	case err != nil:
		return nil, i.Damaged(err)
	}
	return s, nil
}

// Damaged adds to an error what to do first, if it says that the database is damaged.
func (i *Instance) Damaged(err error) error {
	if !errors.Is(err, store.ErrDamaged) {
		return err
	}
	return WithHint(err, "before anything else, keep a copy of %s as it is", i.DBPath())
}

// fileWrapper protects the storage key with the content of a file: a systemd
// credential, or what a TPM or a smart card was made to write (SECURITY.md S-19).
type fileWrapper struct{ key crypto.Key }

const minWrapping = 16 // bytes; fewer cannot be random enough

func newFileWrapper(path string) (*fileWrapper, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, WithHint(fmt.Errorf("reading what protects the storage key: %w", err), "see key_wrapped_by in postern.conf")
	}
	if len(b) < minWrapping {
		return nil, WithHint(fmt.Errorf("%s is too short to protect a key", path), "fill it with: head -c 32 /dev/urandom")
	}
	w := &fileWrapper{}
	copy(w.key[:], crypto.KDF(b, nil, "storage key wrapping", len(w.key)))
	clear(b)
	return w, nil
}

func (w *fileWrapper) Wrap(plain []byte) ([]byte, error) {
	return crypto.SealBox(w.key, plain, []byte("storage key")), nil
}

func (w *fileWrapper) Unwrap(wrapped []byte) ([]byte, error) {
	b, err := crypto.OpenBox(w.key, wrapped, []byte("storage key"))
	return b, WithHint(err, "the file named by key_wrapped_by is not the one this database was made with")
}
