package instance

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"postern/intake/onion"
	"postern/store/durable"
)

// Create makes a new instance with this configuration in an empty or missing directory.
func Create(dir string, conf *Config) (*Instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := conf.valid(); err != nil {
		return nil, WithHint(err, "postern help init lists the options")
	}
	i := &Instance{Dir: dir, Conf: conf}
	return i, i.create()
}

func (i *Instance) create() error {
	if err := i.makeRoom(); err != nil {
		return err
	}
	i.newID()
	_, _ = rand.Read(i.Salt[:])
	key := onion.NewKey()
	for path, data := range map[string][]byte{
		i.ConfigPath():   []byte(i.Conf.Text()),
		i.transferPath(): newSeed(),
		i.signingPath():  newSeed(),
		i.onionPath():    key[:],
	} {
		if err := writeFile(path, data); err != nil {
			return err
		}
	}
	s, err := i.OpenStore(true)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("closing the new database: %w", err)
	}
	return writeFile(i.instancePath(), i.marshal()) // last: what makes it an instance
}

// makeRoom makes the folders of an instance in an empty or missing directory.
func (i *Instance) makeRoom() error {
	if err := os.MkdirAll(i.Dir, 0o700); err != nil {
		return err
	}
	there, err := os.ReadDir(i.Dir)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return WithHint(fmt.Errorf("%s is not empty", i.Dir), "nothing was changed; name another directory with --dir, or move this one away yourself")
	}
	if err := os.Chmod(i.Dir, 0o700); err != nil { //nolint:gosec // a directory that only its owner enters
		return err
	}
	if err := becomeOwner(i.Dir); err != nil {
		return err
	}
	for _, d := range []string{"keys", "holders", "pages", "db", "tor", "run"} {
		if err := os.Mkdir(i.path(d), 0o700); err != nil {
			return err
		}
	}
	return errors.Join(durable.SyncDir(i.Dir), durable.SyncDir(filepath.Dir(i.Dir)))
}
