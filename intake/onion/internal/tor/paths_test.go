package tor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Folders have names that people give them. Tor takes each in its configuration,
// and we read each from what tor says of it: the cookie lies there.
func TestStrangePaths(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	base, err := os.MkdirTemp("", "tp") // short: a socket lies there
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	for n, name := range []string{"plain", "with blank", "#1", "José", "Größe", `"q" 'q'`, `back\slash\n`, "tab\tbell\a", "отчёт, 中", "\xff"} {
		t.Run(name, func(t *testing.T) {
			dir, socket := filepath.Join(base, fmt.Sprint(n), name), filepath.Join(base, fmt.Sprint(n), "control")
			p, err := Launch("", dir, fmt.Sprintf("DisableNetwork 1\nSocksPort 0\nControlSocket %s\nCookieAuthentication 1\n", Quote(socket)), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Stop()
			c, err := p.Connect(ctx, socket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if said, err := c.Info("config/names"); err != nil || !strings.Contains(said, "DataDirectory") {
				t.Errorf("it does not answer: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "control_auth_cookie")); err != nil {
				t.Error(err)
			}
		})
	}
}

// What [Quote] writes, unquote reads: both follow what tor does.
func FuzzQuote(f *testing.F) {
	f.Add("/a b/é\"\\#\n'")
	f.Fuzz(func(t *testing.T, s string) {
		q := Quote(s)
		if strings.ContainsAny(q, "\r\n") {
			t.Errorf("%q breaks a line", q)
		}
		if got, ok := unquote(q); !ok || got != s {
			t.Errorf("%q is written as %s and read as %q, %v", s, q, got, ok)
		}
		unquote(s)
	})
}

func TestUnquoteRefuses(t *testing.T) {
	for _, s := range []string{"", `"`, "x", `"a`, `"a"b"`, `"\"`, `"\9"`, `"\40"`, `"\400"`, `"\x41"`} {
		if got, ok := unquote(s); ok {
			t.Errorf("%s is read as %q", s, got)
		}
	}
	if got, ok := unquote(`"\'\"\\\n\303\251"`); !ok || got != "'\"\\\né" {
		t.Errorf("read as %q", got)
	}
}
