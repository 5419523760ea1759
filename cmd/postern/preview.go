package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/intake/form"
	"postern/web"
)

// previewMark marks a directory whose reviewers were invented: it is never
// served to anybody, and nothing real is ever previewed.
func (i *instance) previewMark() string { return i.path("preview") }

// servePreview shows the pages in an ordinary browser on this machine. The
// directory is made for it and lists three bodies whose keys were thrown away:
// what is sent there is lost, and every page says so.
func (c *cli) servePreview(ctx context.Context, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return withHint(err, "write it as 127.0.0.1:8080")
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return withHint(fmt.Errorf("a preview on %q could be reached from outside", host), "use 127.0.0.1")
	}
	i, err := previewInstance(c.dir)
	if err != nil {
		return err
	}
	e, err := openEngine(i)
	if err != nil {
		return err
	}
	return errors.Join(c.preview(ctx, e, address), e.close())
}

func (c *cli) preview(ctx context.Context, e *engine, address string) error {
	tickets, err := web.NewTickets(web.TicketOptions{Host: address})
	if err != nil {
		return err
	}
	var x shown
	x.takeAll(e.instance, e.intake.Directory(), logTo(c.err))
	h := web.Source(web.SourceOptions{
		Service: e.intake, Tickets: tickets, Preview: true, Languages: e.previewLanguages(),
		Pages: x.pages.Load, Directory: x.directory.Load,
		Log: func(line string) { fmt.Fprintln(c.err, "postern: a fault of ours:", line) },
	})
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	srv := web.NewServer(h)
	fmt.Fprintf(c.out, "Preview, without Tor; nobody reads what is sent here:\n  http://%s\n", l.Addr())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return srv.Close()
	}
}

// previewLanguages are all there are, those of the configuration first, so that
// an operator can look at one before enabling it.
func (e *engine) previewLanguages() []string {
	list := slices.Clone(e.conf.Languages)
	for _, lang := range web.Locales() {
		if !slices.Contains(list, lang) {
			list = append(list, lang)
		}
	}
	return list
}

// previewInstance opens a directory that an earlier preview made, or makes
// one where there is nothing. Everything else is refused.
func previewInstance(dir string) (*instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	i := &instance{dir: dir}
	if _, err := os.Stat(i.previewMark()); err == nil {
		return openInstance(dir)
	}
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return nil, withHint(fmt.Errorf("%s was not made by a preview", dir),
			"a preview takes a new directory of its own: --dir /tmp/postern-preview")
	}
	text := newConfig("preview", "", 16, torNone, "")
	if i.conf, err = parseConfig(text); err != nil {
		return nil, err
	}
	if err := i.create(text); err != nil {
		return nil, err
	}
	if err := writeFile(i.previewMark(), []byte("made by postern serve --preview; throw it away\n")); err != nil {
		return nil, err
	}
	return i, i.inventDirectory(time.Now())
}

// inventDirectory installs three bodies that do not exist. The keys of their
// holders and of the root end with this call.
func (i *instance) inventDirectory(now time.Time) error {
	transfer, err := i.transferRecipient()
	if err != nil {
		return err
	}
	d := &crypto.Directory{
		Origin: i.origin(), Version: 1, Issued: crypto.DayOf(now), Expires: crypto.DayOf(now) + 90, Salt: i.salt,
		KDF: crypto.DefaultKDF, Policy: crypto.Policy{Slots: i.conf.Directory.Slots, Quorum: 1}, Roots: 1, Transfer: transfer,
	}
	for n, b := range []struct{ kind, name, mandate string }{
		{"ombuds", "Example ombuds institution", "Looks into complaints about the armed forces and answers to parliament."},
		{"parliament", "Example parliamentary committee", "Oversees the intelligence services."},
		{"inspectorate", "Example inspectorate", "Inspects units on behalf of the minister."},
	} {
		kind, ok := form.BodyKindOf(b.kind)
		if !ok {
			return fmt.Errorf("no kind of body %q", b.kind)
		}
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		h := crypto.Holder{ID: fmt.Sprintf("holder-%d", n+1), Signing: public, Status: crypto.StatusActive, Since: 1}
		seed := crypto.EpochSeed{Month: crypto.MonthOf(now), Seed: crypto.NewKey()}
		for range crypto.EpochCount {
			h.Epochs = append(h.Epochs, crypto.Epoch{Month: seed.Month, Recipient: seed.Identity().Recipient()})
			seed = seed.Next()
		}
		d.Bodies = append(d.Bodies, crypto.Body{
			ID: fmt.Sprintf("example-%d", n+1), Kind: kind.ID, Independent: kind.Independent,
			Names: map[string]string{"en": b.name}, Mandates: map[string]string{"en": b.mandate},
			Languages: []string{"en"}, Holders: []crypto.Holder{h},
		})
	}
	skey, vkey, err := crypto.NewRoot("preview")
	if err != nil {
		return err
	}
	root, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	signed, err := crypto.SignDirectory(d, nil, root)
	if err != nil {
		return fmt.Errorf("making an example directory: %w", err)
	}
	return errors.Join(writeFile(i.rootsPath(), []byte(vkey+"\n")), writeFile(i.directoryPath(), signed))
}
