package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"postern/cmd/postern/internal/instance"
	"postern/crypto"
)

// input reads a small text file that the operator names, "-" for standard input,
// as it was before mail and editors had it. Call it before [instance.Open], which
// may give up root.
func (c *cli) input(path string) ([]byte, error) {
	r := c.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, instance.MaxInput+1))
	if err == nil && len(b) > instance.MaxInput {
		err = errors.New("too large to be what is expected")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return crypto.Carried(b), nil
}

// writeTo writes a new file for an operator, 0600, durably, and leaves none
// behind on an error; it never overwrites one. The file is opened before write
// runs, which may open the instance and so give up root.
func (c *cli) writeTo(path string, write func(io.Writer) error) error {
	switch path {
	case "":
		return instance.WithHint(errors.New("where to?"), "add --to FILE, or --to - for standard output")
	case "-":
		return write(c.out)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return instance.WithHint(fmt.Errorf("%s is there already", path), "name a new file")
	}
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Sync())
	if err != nil { // its folder may be root's, whom we no longer are
		err = errors.Join(err, f.Truncate(0))
	}
	if err = errors.Join(err, f.Close(), dir.Sync()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
