package tortest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"postern/intake/onion"
	"postern/intake/onion/tortest"
	"postern/web/browsertest"
)

const page = `<!doctype html><html lang=en><title>Report</title><h1>Report</h1>
<script>document.body.insertAdjacentHTML("beforeend","<p id=js>script ran</p>")</script>
<form method=post enctype=multipart/form-data action=/report>
<label>What happened <textarea name=text id=text></textarea></label><input type=file name=file id=file>
<button id=send>Send</button></form></html>`

// answer shows the form and says what came back.
func answer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		fmt.Fprint(w, page)
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	m, err := r.MultipartReader()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprint(w, "<!doctype html><title>Received</title><p id=received>")
	for {
		p, err := m.NextPart()
		if err != nil {
			break
		}
		h := sha256.New()
		n, _ := io.Copy(h, p)
		fmt.Fprintf(w, "%s %d %x;", p.FormName(), n, h.Sum(nil))
	}
}

// The whole of it once: a network, a service in it, and a browser at "Safest"
// that sends it a file through a client's SOCKS port.
func TestNetwork(t *testing.T) {
	dir, err := os.MkdirTemp("", "tn") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	t0 := time.Now()
	said := 0
	w, err := tortest.Start(ctx, tortest.Config{Dir: filepath.Join(dir, "net"), Progress: func(s string) {
		said++
		t.Logf("%4.1f s: %s", time.Since(t0).Seconds(), s)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if said < 5 {
		t.Errorf("%d lines of progress", said)
	}
	c, err := w.Client(ctx, "client", "")
	if err != nil {
		t.Fatal(err)
	}
	svc, err := onion.Start(ctx, onion.Config{Dir: filepath.Join(dir, "tor"), Extra: w.Torrc()})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	key, sock := onion.NewKey(), filepath.Join(dir, "web.sock")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	if err := svc.Publish(ctx, onion.Service{Name: "public", Key: key, Socket: sock, Public: true, PoW: true}); err != nil {
		t.Fatal(err)
	}
	if err := svc.WaitPublished(ctx, "public"); err != nil {
		t.Fatal(err)
	}
	t.Logf("%4.1f s: the service is published", time.Since(t0).Seconds())

	t.Run("browser", func(t *testing.T) { browse(ctx, t, dir, c, onion.Address(key)) })

	t.Run("closed", func(t *testing.T) {
		pid := c.PID()
		w.Close()
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("a client runs after Close: %v", err)
		}
	})
}

func browse(ctx context.Context, t *testing.T, dir string, c *tortest.Client, addr string) {
	f, err := browsertest.Start(ctx, browsertest.Options{Dir: filepath.Join(dir, "firefox"), SOCKS: c.SOCKS()})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	body := make([]byte, 3<<20)
	_, _ = rand.Read(body)
	file := filepath.Join(dir, "a scan.pdf")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return f.Go("http://" + addr + "/") },
		func() error { return f.Keys("#text", "what happened") },
		func() error { return f.Keys("#file", file) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if js, err := f.FindAll("#js"); err != nil || len(js) > 0 {
		t.Errorf("a script ran (%v)", err)
	}
	shot, err := f.Screenshot(true)
	if err != nil {
		t.Fatal(err)
	}
	if img, err := png.Decode(bytes.NewReader(shot)); err != nil || img.Bounds().Dx() < 500 {
		t.Errorf("screenshot of %d bytes: %v", len(shot), err)
	}
	if err := f.Click("#send"); err != nil {
		t.Fatal(err)
	}
	got, err := f.Text("#received")
	want := fmt.Sprintf("text 13 %x;file %d %x;", sha256.Sum256([]byte("what happened")), len(body), sha256.Sum256(body))
	if err != nil || got != want {
		t.Errorf("the service received %q, %v; want %q", got, err, want)
	}
}
