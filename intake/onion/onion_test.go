package onion_test

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/intake/onion"
	"postern/intake/onion/tortest"
)

// The whole life of a server's tor: a public service with proof of work and a
// private one, reached and refused, over a crash of tor, to a clean stop.
func TestServices(t *testing.T) {
	ctx := deadline(t)
	o := start(ctx, t, config(t, "services"))
	public, private := onion.NewKey(), onion.NewKey()
	holder, pub := x25519(t)
	_, other := x25519(t)
	services := []onion.Service{
		{Name: "public", Key: public, Socket: serve(t, "public", "hello"), Public: true, PoW: true, MaxStreams: 64},
		{Name: "holder", Key: private, Socket: serve(t, "holder", "batches"), Clients: [][32]byte{other, pub}},
	}
	for _, s := range services {
		if err := o.Publish(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range services {
		if err := o.WaitPublished(ctx, s.Name); err != nil {
			t.Fatal(err)
		}
	}
	if s := o.Status(); !s.Up || !s.Bootstrapped || s.Progress != 100 || !s.Published["public"] || !s.Published["holder"] || s.Clock || s.Restarts != 0 {
		t.Errorf("status %+v", s)
	}
	addr, secret := onion.Address(public), onion.Address(private)
	stranger := client(ctx, t, "stranger", nil)
	inside := client(ctx, t, "inside", map[string]*ecdh.PrivateKey{secret: holder})
	eventually(ctx, t, stranger, addr, "hello at "+addr)
	eventually(ctx, t, inside, secret, "batches at "+secret)

	t.Run("without a key", func(t *testing.T) {
		wrong, _ := x25519(t)
		thief := client(ctx, t, "thief", map[string]*ecdh.PrivateKey{secret: wrong})
		// Refused by the descriptor, not unreachable by chance: tor's SOCKS port
		// says 0xF4 for a missing key and 0xF5 for one that does not fit.
		for c, want := range map[*tortest.Client]string{stranger: "code: 244", thief: "code: 245"} {
			got, err := get(ctx, c, "refused", secret)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("read %q, error %v; want %s", got, err, want)
			}
		}
		eventually(ctx, t, inside, secret, "batches at "+secret)
	})

	t.Run("tor killed", func(t *testing.T) {
		pid := o.PID()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for o.Status().Restarts == 0 {
			if ctx.Err() != nil {
				t.Fatal("tor was not started again")
			}
			time.Sleep(50 * time.Millisecond)
		}
		if o.PID() == pid {
			t.Fatal("the same process")
		}
		for _, s := range services {
			if err := o.WaitPublished(ctx, s.Name); err != nil {
				t.Fatal(err)
			}
		}
		eventually(ctx, t, stranger, addr, "hello at "+addr)
		eventually(ctx, t, inside, secret, "batches at "+secret)
	})

	t.Run("removed", func(t *testing.T) {
		for range 2 { // the second time it is not there: no error
			if err := o.Remove(ctx, "holder"); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok := o.Status().Published["holder"]; ok {
			t.Error("status still has it")
		}
		if err := o.WaitPublished(ctx, "holder"); err == nil {
			t.Error("waits for a service that was removed")
		}
		one, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := inside.Fresh(); err != nil {
			t.Fatal(err)
		}
		if got, err := get(one, inside, "removed", secret); err == nil {
			t.Errorf("still reached: %q", got)
		}
	})

	t.Run("closed", func(t *testing.T) {
		pid := o.PID()
		o.Close()
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("tor runs after Close: %v", err)
		}
		if s := o.Status(); s.Up || s.Bootstrapped || s.Published["public"] {
			t.Errorf("status %+v", s)
		}
		if err := o.WaitPublished(ctx, "public"); err == nil {
			t.Error("published after Close")
		}
	})

	t.Run("files", func(t *testing.T) {
		// Tor's state may lie on the disk; keys, addresses and configuration may not.
		err := filepath.WalkDir(filepath.Join(base(), "services"), func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			for _, k := range []onion.Key{public, private} {
				id := strings.TrimSuffix(onion.Address(k), ".onion")
				if strings.Contains(string(b), id) || strings.Contains(string(b), string(k[:])) {
					t.Errorf("%s holds a key or address", d.Name())
				}
			}
			if strings.Contains(d.Name(), "torrc") || strings.Contains(d.Name(), "log") {
				t.Errorf("%s is on the disk", d.Name())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// Services published while tor is down are there when it is up; a system tor
// keeps running when we leave, and the services end.
func TestSystemTor(t *testing.T) {
	ctx := deadline(t)
	system, err := network().Node(ctx, "system", "SocksPort 0\n")
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	cfg := onion.Config{ControlSocket: system.ControlSocket(), Log: logged(t)}
	o := start(ctx, t, cfg)
	if o.PID() != 0 {
		t.Error("a child beside the system's tor")
	}
	key := onion.NewKey()
	s := onion.Service{Name: "public", Key: key, Socket: serve(t, "sys", "system"), Public: true, PoW: true}
	if err := o.Publish(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := o.WaitPublished(ctx, "public"); err != nil {
		t.Fatal(err)
	}
	c := client(ctx, t, "sysclient", nil)
	addr := onion.Address(key)
	eventually(ctx, t, c, addr, "system at "+addr)

	system.Close()
	for o.Status().Up {
		time.Sleep(20 * time.Millisecond)
	}
	later := onion.NewKey()
	if err := o.Publish(ctx, onion.Service{Name: "later", Key: later, Socket: s.Socket, Public: true}); err != nil {
		t.Fatal(err)
	}
	if system, err = network().Node(ctx, "system", "SocksPort 0\n"); err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	for _, n := range []string{"public", "later"} {
		if err := o.WaitPublished(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	eventually(ctx, t, c, onion.Address(later), "system at "+onion.Address(later))
	o.Close()
	if err := syscall.Kill(system.PID(), 0); err != nil {
		t.Errorf("the system's tor ended with us: %v", err)
	}
	// The key is free again: its onion went with our connection.
	again := start(ctx, t, cfg)
	if err := again.Publish(ctx, s); err != nil {
		t.Error(err)
	}
}

// crashChild is this test binary, started again: it starts tor, says its
// process id and waits to be killed.
func crashChild(dir string) {
	rc, err := os.ReadFile(filepath.Join(dir, "extra"))
	if err != nil {
		panic(err)
	}
	o, err := onion.Start(context.Background(), onion.Config{Dir: filepath.Join(dir, "data"), RunDir: dir, Extra: string(rc)})
	if err != nil {
		panic(err)
	}
	fmt.Println(o.PID())
	select {}
}

// SECURITY.md S-18: a crash leaves no tor behind.
func TestCrash(t *testing.T) {
	ctx := deadline(t)
	dir := filepath.Join(base(), "crash")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "extra"), []byte(network().Torrc()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "POSTERN_TEST_CRASH="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !isTor(pid) {
		t.Fatalf("%d is no tor", pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	t0 := time.Now()
	for isTor(pid) {
		if ctx.Err() != nil {
			t.Fatal("tor outlives us")
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("tor ended %v after us", time.Since(t0).Round(time.Millisecond))
}

// isTor says whether the process runs; a zombie whose parent is slow to reap it does not.
func isTor(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), "(tor)") && !strings.Contains(string(b), ") Z ")
}

// What cannot work is refused before tor is asked, or by tor, and says so.
func TestRefused(t *testing.T) {
	ctx := deadline(t)
	cfg := config(t, "refused")
	// Were this to work, tor would take services with Flags=NonAnonymous only.
	cfg.Extra += "HiddenServiceNonAnonymousMode 1\nHiddenServiceSingleHopMode 1\n"
	o := start(ctx, t, cfg)
	key := onion.NewKey()
	good := onion.Service{Name: "a", Key: key, Socket: "/run/a.sock", Public: true}
	for _, c := range []struct {
		name   string
		change func(*onion.Service)
		want   string
	}{
		{"no name", func(s *onion.Service) { s.Name = "" }, "needs a name"},
		{"no key", func(s *onion.Service) { s.Key = onion.Key{} }, "not an onion key"},
		{"neither public nor private", func(s *onion.Service) { s.Public = false }, "name at least one key"},
		{"both", func(s *onion.Service) { s.Clients = make([][32]byte, 1) }, "leave out one"},
		{"relative socket", func(s *onion.Service) { s.Socket = "a.sock" }, "absolute"},
		{"socket with a command", func(s *onion.Service) { s.Socket = "/run/a\r\nSIGNAL HALT" }, "blanks"},
		{"socket with an argument", func(s *onion.Service) { s.Socket = "/run/a Flags=Detach" }, "blanks"},
		{"long socket", func(s *onion.Service) { s.Socket = "/" + strings.Repeat("x", 107) }, "the system takes 107"},
		{"streams", func(s *onion.Service) { s.MaxStreams = 65536 }, "streams"},
		{"many clients", func(s *onion.Service) { s.Public = false; s.Clients = make([][32]byte, 331) }, "client keys"},
	} {
		s := good
		c.change(&s)
		if err := o.Publish(ctx, s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := o.Publish(ctx, good); err != nil {
		t.Fatal(err)
	}
	twin := good
	twin.Name = "b"
	if err := o.Publish(ctx, twin); err == nil {
		t.Error("two services with one key")
	}
	if err := o.Publish(ctx, good); err != nil {
		t.Errorf("replacing a service: %v", err)
	}
	if s := o.Status(); len(s.Published) != 1 {
		t.Errorf("status %+v", s)
	}
}

// A tor that cannot start says why, and nothing stays behind.
func TestStartFails(t *testing.T) {
	ctx := deadline(t)
	for _, c := range []struct {
		name   string
		change func(*onion.Config)
		want   string
	}{
		{"no program", func(c *onion.Config) { c.Tor = "/nonexistent/tor" }, "apt-get install tor"},
		{"bad torrc", func(c *onion.Config) { c.Extra = "NoSuchOption 1" }, "NoSuchOption"},
		{"long path", func(c *onion.Config) { c.RunDir = "/" + strings.Repeat("x", 100) }, "the system takes 107"},
		{"open directory", func(c *onion.Config) { c.RunDir = "/tmp" }, "0700"},
		{"no system tor", func(c *onion.Config) { c.ControlSocket = filepath.Join(base(), "nothing") }, "control socket"},
	} {
		cfg := config(t, "fails")
		c.change(&cfg)
		o, err := onion.Start(ctx, cfg)
		if err == nil {
			o.Close()
			t.Errorf("%s: starts", c.name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
