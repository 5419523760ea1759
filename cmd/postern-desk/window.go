package main

import (
	"context"
	"errors"
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
// that shows what the commands do. Closing it closes the vault.
func (d *desk) window() error {
	if err := vault.Exists(d.vaultDir); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	v, err := d.openInWindow(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	p := pages.New(pages.Options{Desk: v, Language: language(), Passphrase: func(why string) ([]byte, error) {
		return d.askInWindow(ctx, why, v.CheckPassphrase)
	}})
	for {
		began := time.Now()
		err := window.Run(ctx, p, window.Options{Note: d.note})
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
	_, err = d.askInWindow(ctx, "", func(pass []byte) error {
		v, err = reviewer.Open(d.vaultDir, pass, d.options)
		return err
	})
	d.vault = v
	return v, err
}

// askInWindow asks until check takes the passphrase or fails otherwise.
func (d *desk) askInWindow(ctx context.Context, why string, check func([]byte) error) (pass []byte, err error) {
	var checked error
	err = window.Ask(ctx, pages.Question(language(), why, false), func(form url.Values) (window.Reply, bool) {
		pass = []byte(form.Get(pages.Passphrase))
		checked = check(pass)
		return pages.Question(language(), why, true), !errors.Is(checked, vault.ErrPassphrase)
	}, window.Options{Note: d.note})
	if err = errors.Join(err, checked); err != nil {
		return nil, err
	}
	return pass, nil
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
