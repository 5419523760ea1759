package onion_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/intake/onion"
	"postern/intake/onion/tortest"
)

// base is a directory with a short name: control sockets lie below.
var base = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "on")
	if err != nil {
		panic(err)
	}
	clean = func() { os.RemoveAll(dir) }
	return dir
})

// network is one for all tests, started by the first that asks: a fuzzing
// worker, which is this program too, needs none.
var network = sync.OnceValue(func() *tortest.Network {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	w, err := tortest.Start(ctx, tortest.Config{Dir: filepath.Join(base(), "net")})
	if err != nil {
		panic(fmt.Errorf("private Tor network: %w", err))
	}
	stop = w.Close
	return w
})

var stop, clean = func() {}, func() {}

func TestMain(m *testing.M) {
	if dir := os.Getenv("POSTERN_TEST_CRASH"); dir != "" {
		crashChild(dir)
	}
	code := m.Run()
	stop()
	clean()
	os.Exit(code)
}

// deadline is generous: other programs use this machine too.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// logged collects what an operator would read.
func logged(t *testing.T) func(string) {
	return func(s string) { t.Log("log:", s) }
}

// config of a tor in the network.
func config(t *testing.T, name string) onion.Config {
	d := filepath.Join(base(), name)
	return onion.Config{Dir: filepath.Join(d, "data"), RunDir: filepath.Join(d, "run"), Extra: network().Torrc(), Log: logged(t)}
}

func start(ctx context.Context, t *testing.T, cfg onion.Config) *onion.Tor {
	t.Helper()
	o, err := onion.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

// serve answers on a unix socket with a text of its own.
func serve(t *testing.T, name, text string) (socket string) {
	t.Helper()
	socket = filepath.Join(base(), name+".sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s at %s", text, r.Host)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return socket
}

// client starts a client tor; keys gives it access to private addresses.
func client(ctx context.Context, t *testing.T, name string, keys map[string]*ecdh.PrivateKey) *tortest.Client {
	t.Helper()
	dir := ""
	if keys != nil {
		dir = filepath.Join(base(), name+"-auth")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for addr, k := range keys {
			id := strings.TrimSuffix(addr, ".onion")
			line := id + ":descriptor:x25519:" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(k.Bytes())
			if err := os.WriteFile(filepath.Join(dir, id[:8]+".auth_private"), []byte(line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := network().Client(ctx, name, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(ctx context.Context, c *tortest.Client, isolation, addr string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return "", err
	}
	h := c.HTTP(isolation)
	defer h.CloseIdleConnections()
	resp, err := h.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// eventually gets a page again and again: after a restart a client first has
// to find out that what it knows of the service is old.
func eventually(ctx context.Context, t *testing.T, c *tortest.Client, addr, want string) {
	t.Helper()
	for i := 0; ; i++ {
		one, cancel := context.WithTimeout(ctx, 20*time.Second)
		got, err := get(one, c, fmt.Sprintf("%s %d", t.Name(), i), addr)
		cancel()
		if err == nil {
			if got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
			return
		}
		t.Logf("try %d: %v", i, err)
		if err := c.Fresh(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not reached: %v", err)
		case <-time.After(time.Second):
		}
	}
}

func x25519(t *testing.T) (*ecdh.PrivateKey, [32]byte) {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k, [32]byte(k.PublicKey().Bytes())
}
