package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"postern/cmd/postern/internal/instance"
	"postern/intake/onion"
)

// torMemory bounds what tor holds for its circuits. By itself it reckons with all
// memory of the machine, and the systemd unit gives both programs 1 GiB. What the
// operator's own lines say wins.
const torMemory = "MaxMemInQueues 256 MB\n"

func (s *server) startTor(ctx context.Context) (err error) {
	cfg := onion.Config{Log: func(line string) { s.log("%s", line) }}
	switch s.Conf.Tor.Mode {
	case instance.TorNone:
		return nil
	case instance.TorSystem:
		cfg.ControlSocket = s.Conf.Tor.ControlSocket
	default:
		cfg.Tor, cfg.Dir, cfg.RunDir = s.Conf.Tor.Binary, s.TorPath(), s.RunPath()
		cfg.Extra = torMemory
		for _, line := range s.Conf.Tor.Torrc {
			cfg.Extra += line + "\n"
		}
	}
	if s.tor, err = onion.Start(ctx, cfg); err != nil {
		err = fmt.Errorf("starting tor: %w", err)
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			err = instance.WithHint(err, "is tor installed (apt install tor)? [tor] in postern.conf says which one is used")
		}
		return err
	}
	return nil
}
