package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postern/reviewer"
	"postern/reviewer/pages"
	"postern/reviewer/vault"
	"postern/reviewer/window"
)

// steady is how long a window must have lived for another one to follow when it
// ended by itself: one that ends at once would do so again.
const steady = 10 * time.Second

// window is the desk without a command: it opens the vault, and a window on it
// that shows what the commands do. Where there is no vault, the window makes one, or restores a
// backup. Closing it closes the vault.
func (d *desk) window() error {
	if err := window.Check(); err != nil { // before anybody types a passphrase
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	defer func() {
		if d.vault != nil {
			d.vault.Close()
		}
	}()
	var p *pages.Pages
	o := pages.Options{Language: language()}
	o.Passphrase = func(why string) ([]byte, error) {
		return d.askInWindow(ctx, p.Language(), why, d.vault.CheckPassphrase)
	}
	o.NewPassphrase = func() ([]byte, error) { return d.newInWindow(ctx, p.Language(), d.vault.CheckPassphrase) }
	switch err := vault.Exists(d.vaultDir); {
	case err == nil:
		if o.Desk, err = d.openInWindow(ctx); err != nil {
			return err
		}
	case !errors.Is(err, vault.ErrNoVault):
		return err
	default:
		o.Begin = &pages.Begin{
			Now: d.options.Now,
			Create: func(body, holder string) (*reviewer.Desk, error) {
				return d.createInWindow(ctx, p.Language(), body, holder)
			},
			Restore: func(backup string) (*reviewer.Desk, error) { return d.restoreInWindow(ctx, p.Language(), backup) },
		}
	}
	p = pages.New(o)
	for {
		began := time.Now()
		err := window.Run(ctx, p, window.Options{First: p.First(), Note: d.note})
		switch {
		case errors.Is(err, context.Canceled): // by a signal: the vault is closed like any other time
			return nil
		case errors.Is(err, window.ErrEnded) && time.Since(began) > steady:
			d.errorf("%v\nopening another one", err)
		default:
			return err
		}
	}
}

func (d *desk) note(text string) { d.errorf("note: %s", text) }

// openInWindow opens the vault. Its passphrase is typed into a window whose process
// ends before any other page is shown (SECURITY.md S-32).
func (d *desk) openInWindow(ctx context.Context) (v *reviewer.Desk, err error) {
	if d.passFile != "" {
		return d.open()
	}
	_, err = d.askInWindow(ctx, language(), "", func(pass []byte) error {
		v, err = reviewer.Open(d.vaultDir, pass, d.options)
		return err
	})
	d.vault = v
	return v, err
}

// askInWindow asks until check takes the passphrase or fails otherwise.
func (d *desk) askInWindow(ctx context.Context, lang, why string, check func([]byte) error) (pass []byte, err error) {
	var checked error
	err = window.Ask(ctx, pages.Question(lang, why, false), func(form url.Values) (window.Reply, bool) {
		pass = []byte(form.Get(pages.Passphrase))
		checked = check(pass)
		return pages.Question(lang, why, true), !errors.Is(checked, vault.ErrPassphrase)
	}, window.Options{Note: d.note})
	if err = errors.Join(err, checked); err != nil {
		return nil, err
	}
	return pass, nil
}

// newInWindow asks for a new passphrase, after the one so far if old checks it.
func (d *desk) newInWindow(ctx context.Context, lang string, old func([]byte) error) ([]byte, error) {
	n := pages.AskNewPassphrase(lang, old)
	if err := window.Ask(ctx, n.Page(), n.Take, window.Options{Note: d.note}); err != nil {
		return nil, err
	}
	return n.Passphrase()
}

// createInWindow makes the vault. An empty folder of it is no vault yet, so nothing is left when the
// window was closed without a passphrase.
func (d *desk) createInWindow(ctx context.Context, lang, body, holder string) (*reviewer.Desk, error) {
	pass, err := d.newInWindow(ctx, lang, nil)
	if err != nil {
		return nil, err
	}
	v, err := reviewer.Create(d.vaultDir, body, holder, pass, d.options)
	d.vault = v
	return v, err
}

// restoreInWindow makes the vault of a backup.
func (d *desk) restoreInWindow(ctx context.Context, lang, backup string) (*reviewer.Desk, error) {
	f, err := os.Open(backup) //nolint:gosec // named by the holder
	if err != nil {
		return nil, fmt.Errorf("reading the backup: %w", err)
	}
	defer func() { _ = f.Close() }()
	pass, err := d.askInWindow(ctx, lang, pages.WhyRestore(lang), func(pass []byte) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return vault.CheckBackup(f, pass)
	})
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	v, err := reviewer.Restore(f, d.vaultDir, pass, d.options)
	d.vault = v
	return v, err
}

// language is what the session's user reads, as "fr"; pages know which they speak.
func language() string {
	for _, name := range []string{"LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			first, _, _ := strings.Cut(v, ":")
			lang, _, _ := strings.Cut(strings.ToLower(first), "_")
			lang, _, _ = strings.Cut(lang, ".")
			return lang
		}
	}
	return ""
}
