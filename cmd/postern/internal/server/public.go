package server

import (
	"slices"
	"sync/atomic"

	"postern/cmd/postern/internal/instance"
	"postern/crypto"
	"postern/web"
)

// shown is what the public pages are made of. It is held in memory: many
// visitors must not mean many reads of the disk.
type shown struct {
	pages     atomic.Pointer[web.Pages]
	directory atomic.Pointer[web.SignedDirectory]
}

// takeAll reads both for the first time. A page is never worth an intake that
// does not start: what is wrong is told, and what is good is shown.
func (s *shown) takeAll(i *instance.Instance, d *crypto.Directory, log func(format string, a ...any)) {
	if err := s.takeDirectory(i, d); err != nil {
		log("the signed directory cannot be downloaded: %v", err)
	}
	p, err := i.LoadPages()
	logPages(err, log)
	s.pages.Store(p)
}

// reload reads both again. Pages with a fault change nothing.
func (s *shown) reload(i *instance.Instance, d *crypto.Directory, log func(format string, a ...any)) {
	if err := s.takeDirectory(i, d); err != nil {
		log("the signed directory to download is still the one before: %v", err)
	}
	logPages(s.takePages(i), log)
}

// takeDirectory takes d, the directory in force, or none when it is nil.
func (s *shown) takeDirectory(i *instance.Instance, d *crypto.Directory) error {
	if d == nil {
		s.directory.Store(nil)
		return nil
	}
	note, err := i.SignedDirectory()
	if err != nil {
		return err
	}
	roots, err := i.Roots()
	if err != nil {
		return err
	}
	// The page says whose signature is on it, not whose could be.
	roots = slices.DeleteFunc(roots, func(r string) bool { return !instance.SignedBy(note, r) })
	x, err := web.NewSignedDirectory(d, note, roots)
	if err != nil {
		return err
	}
	s.directory.Store(x)
	return nil
}

// takePages takes the pages only if all of them are good.
func (s *shown) takePages(i *instance.Instance) error {
	p, err := i.LoadPages()
	if err == nil {
		s.pages.Store(p)
	}
	return err
}

// logPages says which files are not shown as they are.
func logPages(err error, log func(format string, a ...any)) {
	for _, line := range instance.PageFaults(err) {
		log("pages: %s", line)
	}
}
