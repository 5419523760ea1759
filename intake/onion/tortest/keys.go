package tortest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// identity of one node. dirPort and v3 are an authority's only.
type identity struct {
	name          string
	port, dirPort int
	fingerprint   string
	v3            string
}

// identities makes everyone's keys before anything runs: each torrc names all authorities.
func identities(ctx context.Context, cfg Config) ([]identity, error) {
	ports, err := freePorts(nodes + authorities)
	if err != nil {
		return nil, err
	}
	ids := make([]identity, nodes)
	errs := make(chan error, nodes)
	two := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for i := range ids {
		id := &ids[i]
		id.name, id.port = fmt.Sprintf("relay%d", i-authorities), ports[i]
		if i < authorities {
			id.name, id.dirPort = fmt.Sprintf("auth%d", i), ports[nodes+i]
		}
		two <- struct{}{}
		wg.Go(func() {
			defer func() { <-two }()
			if err := id.make(ctx, cfg); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return ids, <-errs
}

func (id *identity) make(ctx context.Context, cfg Config) error {
	dir := filepath.Join(cfg.Dir, id.name)
	keys := filepath.Join(dir, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return err
	}
	if id.dirPort != 0 {
		cert := filepath.Join(keys, "authority_certificate")
		// #nosec G204 -- the caller names the program.
		cmd := exec.CommandContext(ctx, cfg.Gencert, "--create-identity-key", "--passphrase-fd", "0",
			"-i", filepath.Join(keys, "authority_identity_key"), "-s", filepath.Join(keys, "authority_signing_key"),
			"-c", cert, "-m", "12", "-a", fmt.Sprintf("127.0.0.1:%d", id.dirPort))
		cmd.Stdin = strings.NewReader("private network\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("tor-gencert: %w: %s", err, out)
		}
		b, err := os.ReadFile(cert)
		if err != nil {
			return err
		}
		for l := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(l, "fingerprint "); ok {
				id.v3 = strings.TrimSpace(v)
			}
		}
		if id.v3 == "" {
			return fmt.Errorf("tor-gencert wrote a certificate without a fingerprint")
		}
	}
	none := filepath.Join(dir, "none")
	// #nosec G204 -- the caller names the program.
	out, err := exec.CommandContext(ctx, cfg.Tor, "--list-fingerprint", "--quiet", "--ignore-missing-torrc", "-f", none,
		"--defaults-torrc", none, "--DataDirectory", dir, "--Nickname", id.name, "--ORPort", "127.0.0.1:1",
		"--Address", "127.0.0.1", "--AssumeReachable", "1",
		"--DirAuthority", "x 127.0.0.1:1 ffffffffffffffffffffffffffffffffffffffff").CombinedOutput()
	if err != nil {
		return fmt.Errorf("tor --list-fingerprint: %w: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "fingerprint"))
	if err != nil {
		return err
	}
	f := strings.Fields(string(b))
	if len(f) != 2 || len(f[1]) != 40 {
		return fmt.Errorf("tor wrote no fingerprint for %s", id.name)
	}
	id.fingerprint = f[1]
	return nil
}
