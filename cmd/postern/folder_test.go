package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/web/visitor"
)

// A data directory may have any name that people give to folders: what init
// makes there, serve can use, with a real tor, and the other commands find it.
func TestFolderOfAnyName(t *testing.T) {
	bin := buildPrograms(t)
	for _, name := range []string{"with blank", "José Größe #1", `it's "the", one\n`, strings.Repeat("long", 20)} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			postern := func(args ...string) *exec.Cmd {
				return exec.Command(filepath.Join(bin, "postern"), append(args, "--dir", dir)...)
			}
			made, err := postern("init", "--name", "example").CombinedOutput()
			if err != nil {
				t.Fatalf("init: %v: %s", err, made)
			}
			address := regexp.MustCompile(`http://\S+\.onion`).FindString(string(made))
			text, err := os.ReadFile(filepath.Join(dir, "instance"))
			if err != nil {
				t.Fatal(err)
			}
			run := "/dev/shm/postern-" + strings.TrimPrefix(strings.Split(string(text), "\n")[1], "id ")
			defer os.RemoveAll(run)
			conf := filepath.Join(dir, "postern.conf")
			if text, err = os.ReadFile(conf); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(conf, []byte(strings.Replace(string(text), "torrc = []", `torrc = ["DisableNetwork 1"]`, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			serve := postern("serve")
			var said strings.Builder
			serve.Stderr = &said
			if err := serve.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { _ = serve.Wait(); close(ended) }()
			for {
				var r struct {
					Server bool
					Tor    struct{ Up bool }
				}
				out, _ := postern("status", "--json").Output() // fails: nothing is enrolled
				if json.Unmarshal(out, &r) == nil && r.Server && r.Tor.Up {
					break
				}
				select {
				case <-ended:
					t.Fatalf("the server ended: %s", said.String())
				case <-time.After(100 * time.Millisecond):
				}
			}
			v := visitor.New(unixClient(filepath.Join(run, "public.sock")), address)
			if err := v.Get("/"); err != nil || v.Status != 200 {
				t.Errorf("no page: %d, %v", v.Status, err)
			}
			_ = serve.Process.Signal(syscall.SIGTERM)
			<-ended
			if code := serve.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit status %d: %s", code, said.String())
			}
		})
	}
}
