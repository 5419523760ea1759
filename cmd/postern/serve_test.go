package main_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/web/visitor"
)

// a daemon is the real program, serving an instance.
type daemon struct {
	t      testing.TB
	bin    string
	dir    string
	run    string
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
}

// newDaemon makes an instance whose directory a preview invented: bodies are
// needed to send to, their desks are not.
func newDaemon(t *testing.T, tor string, torrc []string) *daemon {
	t.Helper()
	run, err := os.MkdirTemp("", "p") // short: sockets lie there
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, bin: buildPrograms(t), dir: filepath.Join(run, "d"), run: filepath.Join(run, "r")}
	t.Cleanup(func() {
		d.kill()
		if b, err := os.ReadFile(filepath.Join(d.dir, "instance")); err == nil { // where the ticket key lies
			_ = os.RemoveAll("/dev/shm/postern-" + strings.TrimPrefix(strings.Split(string(b), "\n")[1], "id "))
		}
		_ = os.RemoveAll(run)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	look := exec.CommandContext(ctx, filepath.Join(d.bin, "postern"), "serve", "--preview", "127.0.0.1:0", "--dir", d.dir)
	out, err := look.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := look.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "Preview") {
		t.Fatalf("the preview says %q: %v", line, err)
	}
	_ = look.Process.Signal(syscall.SIGTERM)
	_, _ = io.Copy(io.Discard, out)
	if err := look.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(d.dir, "preview")); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(d.dir, "postern.conf")
	b, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, change := range [][2]string{
		{`run = ""`, fmt.Sprintf("run = %q", d.run)},
		{`mode = "none"`, fmt.Sprintf("mode = %q", tor)},
		{`torrc = []`, "torrc = [" + tomlList(torrc) + "]"},
	} {
		if strings.Count(text, change[0]) != 1 {
			t.Fatalf("the configuration holds %q not once", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func tomlList(list []string) string {
	for i, s := range list {
		list[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(list, ", ")
}

func (d *daemon) start() {
	d.t.Helper()
	d.cmd = exec.Command(filepath.Join(d.bin, "postern"), "serve", "--dir", d.dir)
	d.cmd.Stderr = &d.stderr
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { _ = cmd.Wait(); close(ended) }(d.cmd, d.ended)
	for {
		if _, _, err := d.command("status", "--json"); err == nil || !strings.Contains(err.Error(), "does not run") {
			if _, err := os.Stat(filepath.Join(d.run, "admin.sock")); err == nil {
				return
			}
		}
		select {
		case <-d.ended:
			d.t.Fatalf("the server ended: %s", d.stderr.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *daemon) kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	<-d.ended
	d.cmd = nil
}

// command runs another postern on the same instance.
func (d *daemon) command(args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(filepath.Join(d.bin, "postern"), append(args, "--dir", d.dir)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%w: %s%s", err, out.String(), errs.String())
	}
	return out.String(), errs.String(), err
}

func (d *daemon) public() *visitor.Visitor { return through(filepath.Join(d.run, "public.sock")) }

// A stop lets an upload that is running finish, and the file is kept. New
// visitors are not taken meanwhile.
func TestStopDrainsUploads(t *testing.T) {
	d := newDaemon(t, "none", nil)
	d.start()
	v := d.public()
	if err := v.Get("/report"); err != nil {
		t.Fatal(err)
	}

	body, feed := io.Pipe()
	form := multipart.NewWriter(feed)
	r, err := http.NewRequest(http.MethodPost, "http://postern.test/report", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Origin", "http://postern.test")
	var wg sync.WaitGroup
	var resp *http.Response
	var page []byte
	var postErr error
	wg.Go(func() {
		if resp, postErr = unixClient(filepath.Join(d.run, "public.sock")).Do(r); postErr == nil {
			page, postErr = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
	})
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(form.WriteField("text", "what happened"))
	check(form.WriteField("body", "example-1"))
	part, err := form.CreateFormFile("file", "evidence.bin")
	check(err)
	chunk := bytes.Repeat([]byte("e"), 1<<20)
	_, err = part.Write(chunk) // the server has read most of it when this returns
	check(err)

	check(d.cmd.Process.Signal(syscall.SIGTERM))
	for { // until the door is shut
		if err := d.public().Get("/"); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	select {
	case <-d.ended:
		t.Fatalf("the server did not wait for the upload: %s", d.stderr.String())
	default:
	}
	_, err = part.Write(chunk)
	check(err)
	check(form.Close())
	check(feed.Close())
	wg.Wait()
	check(postErr)
	if resp.StatusCode != http.StatusOK || !bytes.Contains(page, []byte("evidence.bin")) || !bytes.Contains(page, []byte(`class="code"`)) {
		t.Fatalf("status %d, and the page does not say that the file was kept", resp.StatusCode)
	}
	<-d.ended
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d: %s", code, d.stderr.String())
	}
	if out, _, err := d.command("check"); err != nil {
		t.Errorf("check: %v %s", err, out)
	}
	d.cmd = nil
}

// After kill -9 the next start is sound, and an open form survives it: the
// ticket key lies in memory, not in the process.
func TestRestartAfterKill(t *testing.T) {
	d := newDaemon(t, "none", nil)
	d.start()
	v := d.public()
	if err := v.Get("/report"); err != nil {
		t.Fatal(err)
	}
	d.kill()
	d.start()
	if err := v.Submit("/report", 1, "text=written before the crash"); err != nil || v.Status != http.StatusOK {
		t.Fatalf("status %d: %v: %s", v.Status, err, v.Text())
	}
	if _, err := v.Code(); err != nil {
		t.Fatal(err)
	}
	d.kill()
	if out, _, err := d.command("check"); err != nil {
		t.Errorf("check: %v %s", err, out)
	}
}
