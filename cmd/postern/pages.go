package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"postern/crypto"
	"postern/web"
)

// pagesPath is where the operator's own pages lie.
func (i *instance) pagesPath() string { return i.path("pages") }

// loadPages reads the operator's pages, and nothing outside their directory: a
// link that leads out of it is no page. Those that are good are given beside
// the error, which has one line for each file that is not.
func (i *instance) loadPages() (*web.Pages, error) {
	root, err := os.OpenRoot(i.pagesPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	defer root.Close()
	return web.LoadPages(root.FS())
}

// shown is what the public pages are made of. It is held in memory: many
// visitors must not mean many reads of the disk.
type shown struct {
	pages     atomic.Pointer[web.Pages]
	directory atomic.Pointer[web.SignedDirectory]
}

// takeAll reads both for the first time. A page is never worth an intake that
// does not start: what is wrong is told, and what is good is shown.
func (s *shown) takeAll(i *instance, d *crypto.Directory, log func(format string, a ...any)) {
	if err := s.takeDirectory(i, d); err != nil {
		log("the signed directory cannot be downloaded: %v", err)
	}
	p, err := i.loadPages()
	logPages(err, log)
	s.pages.Store(p)
}

// reload reads both again. Pages with a fault change nothing.
func (s *shown) reload(i *instance, d *crypto.Directory, log func(format string, a ...any)) {
	if err := s.takeDirectory(i, d); err != nil {
		log("the signed directory to download is still the one before: %v", err)
	}
	logPages(s.takePages(i), log)
}

// takeDirectory takes d, the directory in force, or none when it is nil.
func (s *shown) takeDirectory(i *instance, d *crypto.Directory) error {
	if d == nil {
		s.directory.Store(nil)
		return nil
	}
	note, err := i.signedDirectory()
	if err != nil {
		return err
	}
	roots, err := i.roots()
	if err != nil {
		return err
	}
	// The page says whose signature is on it, not whose could be.
	roots = slices.DeleteFunc(roots, func(r string) bool { return signedBy(note, r) != nil })
	x, err := web.NewSignedDirectory(d, note, roots)
	if err != nil {
		return err
	}
	s.directory.Store(x)
	return nil
}

// takePages takes the pages only if all of them are good.
func (s *shown) takePages(i *instance) error {
	p, err := i.loadPages()
	if err == nil {
		s.pages.Store(p)
	}
	return err
}

// logPages says which files are not shown as they are.
func logPages(err error, log func(format string, a ...any)) {
	for _, line := range pageFaults(err) {
		log("pages: %s", line)
	}
}

// pageFaults are the lines of an error of loadPages.
func pageFaults(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// checkPages checks the operator's pages, lists them, and has a running server show them.
func (c *cli) checkPages(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	if _, err := c.parse(fs, args, 0); err != nil {
		return err
	}
	i, err := openInstance(c.dir)
	if err != nil {
		return err
	}
	p, err := i.loadPages()
	if faults := pageFaults(err); len(faults) > 0 {
		for _, f := range faults {
			fmt.Fprintf(c.err, "postern: %s\n", f)
		}
		return withHint(fmt.Errorf("something is wrong in %s; a running server still shows what it showed before", i.pagesPath()),
			"correct it, and run postern pages again")
	}
	c.listPages(i, p)
	err = i.ask(ctx, "pages", io.Discard)
	switch {
	case errors.Is(err, errNoServer):
		fmt.Fprintln(c.out, "The server will show them when it starts.")
	case err != nil:
		return withHint(fmt.Errorf("the pages are good, but the running server did not take them: %w", err), "systemctl restart postern")
	default:
		fmt.Fprintln(c.out, "The running server shows them.")
	}
	return nil
}

func (c *cli) listPages(i *instance, p *web.Pages) {
	list := p.List(i.conf.Languages[0])
	if len(list) == 0 {
		fmt.Fprintf(c.out, "There is no page in %s: README.md, Your own pages.\n", i.pagesPath())
		return
	}
	t := tabwriter.NewWriter(c.out, 0, 0, 3, ' ', 0)
	for _, x := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\n", x.Path, strings.Join(x.Languages, ","), x.Title)
	}
	_ = t.Flush()
	for _, x := range list {
		if !slices.Contains(x.Languages, i.conf.Languages[0]) {
			fmt.Fprintf(c.err, "postern: note: %s is not there in %s, which visitors see when there is no translation for them\n", x.Path, i.conf.Languages[0])
		}
	}
}

// opPages has the server read the pages again.
func opPages(_ context.Context, e *engine, w io.Writer) error {
	if e.server != nil {
		if err := e.server.shown.takePages(e.instance); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, "Taken.")
	return err
}

// inspectPages tells of pages that are not shown as they lie there.
func (i *instance) inspectPages(r *report) {
	_, err := i.loadPages()
	switch faults := pageFaults(err); len(faults) {
	case 0:
	case 1:
		r.problem("one of your own pages is not right: "+faults[0], "correct it, then: postern pages")
	default:
		r.problem(fmt.Sprintf("%d of your own pages are not right, the first: %s", len(faults), faults[0]), "postern pages lists them all")
	}
}
