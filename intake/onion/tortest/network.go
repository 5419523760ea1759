package tortest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"postern/intake/onion/internal/tor"
)

// The network's shape.
const (
	authorities = 3
	relays      = 5
	nodes       = authorities + relays
)

// Voting, in seconds: the first interval is short, the following ones are
// long, so that the first consensus is valid for the whole run (three intervals).
const (
	firstInterval = 5
	interval      = 300
	delay         = 2
)

// Config of a network.
type Config struct {
	// Dir holds all its files; made when missing. At most 80 bytes long:
	// the control sockets lie in it. Nothing in it is wanted after Close.
	Dir string
	// Tor and Gencert are the programs: a path, or a name in PATH. Empty: "tor", "tor-gencert".
	Tor, Gencert string
	// Progress is called with a short line at each step of the start; may be nil.
	Progress func(string)
}

// Network is a running private network.
type Network struct {
	cfg   Config
	auths []string // DirAuthority lines
	core  []*Node  // authorities first, then relays

	mu   sync.Mutex
	more []*Node
}

// Start makes and starts a network. It returns when every node has the
// consensus that names them all; on an error everything has been stopped.
func Start(ctx context.Context, cfg Config) (_ *Network, err error) {
	if cfg.Gencert == "" {
		cfg.Gencert = "tor-gencert"
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.Tor, err = tor.Look(cfg.Tor); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	w := &Network{cfg: cfg}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	cfg.Progress("making the keys of 8 relays")
	ids, err := identities(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("keys of the private Tor network: %w", err)
	}
	for _, id := range ids[:authorities] {
		w.auths = append(w.auths, fmt.Sprintf("DirAuthority %s orport=%d no-v2 v3ident=%s 127.0.0.1:%d %s",
			id.name, id.port, id.v3, id.dirPort, id.fingerprint))
	}
	weights := filepath.Join(cfg.Dir, "bandwidths")
	if err := writeWeights(weights, ids); err != nil {
		return nil, err
	}
	cfg.Progress("starting 8 relays")
	for i, id := range ids {
		if i == authorities { // a relay that finds no authority tries again much later
			for _, a := range ids[:authorities] {
				if err := w.waitPort(ctx, a.dirPort); err != nil {
					return nil, err
				}
			}
		}
		n, err := w.launch(id.name, w.common()+relayConfig(id, weights))
		if err != nil {
			return nil, err
		}
		w.core = append(w.core, n)
	}
	for _, n := range w.core {
		if err := n.connect(ctx); err != nil {
			return nil, err
		}
	}
	cfg.Progress("waiting for the relays to make themselves known")
	if err := w.vote(ctx); err != nil {
		return nil, err
	}
	cfg.Progress("the authorities vote")
	if err := w.waitConsensus(ctx); err != nil {
		return nil, err
	}
	cfg.Progress("the network is up")
	return w, nil
}

// Torrc is what a tor in production shape needs to live in this network, and
// no more: for onion.Config.Extra, or for a tor of one's own.
func (w *Network) Torrc() string {
	return `ClientBootstrapConsensusAuthorityDownloadInitialDelay 0
ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay 0
DirAllowPrivateAddresses 1
ExtendAllowPrivateAddresses 1
EnforceDistinctSubnets 0
ClientRejectInternalAddresses 0
UseDefaultFallbackDirs 0
` + w.everywhere()
}

// common is the same for the network's own nodes.
func (w *Network) common() string {
	return "TestingTorNetwork 1\nSocksPort 0\n" + w.everywhere()
}

// everywhere: no geography (25 MiB and 0.4 s a process), and cells sent every
// millisecond: tor's usual 10 add up over six hops.
func (w *Network) everywhere() string {
	return `PathsNeededToBuildCircuits 0.67
GeoIPFile /dev/null
GeoIPv6File /dev/null
KISTSchedRunInterval 1 msec
` + strings.Join(w.auths, "\n") + "\n"
}

func relayConfig(id identity, weights string) string {
	rc := fmt.Sprintf(`Nickname %s
ORPort 127.0.0.1:%d
Address 127.0.0.1
AssumeReachable 1
ExitRelay 0
TestingMinExitFlagThreshold 0
ServerDNSDetectHijacking 0
ServerDNSTestAddresses
ServerDNSResolvConfFile /dev/null
ContactInfo none@test.invalid
NumCPUs 1
ShutdownWaitLength 0
`, id.name, id.port)
	if id.dirPort == 0 {
		return rc
	}
	// Half an hour until the first vote: vote sets the real time when all
	// descriptors are in. Keep clear of the half hours, when it would come by itself.
	offset := 0
	if time.Now().Unix()%1800 > 1680 {
		offset = 200
	}
	return rc + fmt.Sprintf(`DirPort 127.0.0.1:%d
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
TestingV3AuthInitialVotingInterval 1800
TestingV3AuthVotingStartOffset %d
TestingV3AuthInitialVoteDelay %d
TestingV3AuthInitialDistDelay %[3]d
V3AuthVotingInterval %d
V3AuthVoteDelay %[3]d
V3AuthDistDelay %[3]d
V3AuthNIntervalsValid 3
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
AuthDirVoteStableGuaranteeMinUptime 0
AuthDirVoteStableGuaranteeMTBF 0
AuthDirTestReachability 0
V3BandwidthsFile %[5]s
ConsensusParams hsdir_interval=%[6]d
`, id.dirPort, offset, delay, interval, weights, 24*interval/60)
}

func writeWeights(file string, ids []identity) error {
	s := fmt.Sprintln(time.Now().Unix())
	for _, id := range ids {
		s += fmt.Sprintf("node_id=$%s bw=10000 nick=%s\n", id.fingerprint, id.name)
	}
	return os.WriteFile(file, []byte(s), 0o600)
}

// vote waits until every authority has every descriptor, and lets them vote.
func (w *Network) vote(ctx context.Context) error {
	for _, a := range w.core[:authorities] {
		err := poll(ctx, func() (bool, error) {
			v, err := a.conn.Info("desc/all-recent")
			return strings.Count("\n"+v, "\nrouter ") >= nodes, err
		})
		if err != nil {
			return fmt.Errorf("descriptors at %s: %w", a.name, err)
		}
	}
	// The vote begins two delays before the interval's end: that end is one
	// interval from the next full second.
	end := time.Now().Unix() + 1 + firstInterval
	for _, a := range w.core[:authorities] {
		if _, err := a.conn.Do(fmt.Sprintf("SETCONF TestingV3AuthVotingStartOffset=%d TestingV3AuthInitialVotingInterval=%d",
			end%firstInterval, firstInterval)); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// waitConsensus waits until every node knows all of them as running
// directories of onions. Relays that asked too early would ask again only
// after a growing delay: a RELOAD makes them ask at once.
func (w *Network) waitConsensus(ctx context.Context) error {
	var poked time.Time
	for i, n := range w.core {
		err := poll(ctx, func() (bool, error) {
			v, err := n.conn.Info("ns/all")
			if err != nil {
				return false, err
			}
			known := 0
			for l := range strings.Lines(v) {
				if strings.HasPrefix(l, "s ") && strings.Contains(l, " HSDir") && strings.Contains(l, " Running") {
					known++
				}
			}
			if known < nodes && i >= authorities && time.Since(poked) > 2*time.Second {
				poked = time.Now()
				for _, r := range w.core[i:] {
					if _, err := r.conn.Do("SIGNAL RELOAD"); err != nil {
						return false, err
					}
				}
			}
			return known >= nodes, nil
		})
		if err != nil {
			return fmt.Errorf("consensus at %s: %w", n.name, err)
		}
	}
	return nil
}

func (w *Network) waitPort(ctx context.Context, port int) error {
	return poll(ctx, func() (bool, error) {
		for _, n := range w.core {
			if err := n.proc.Err(); err != nil {
				return false, fmt.Errorf("%s: %w", n.name, err)
			}
		}
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
}

// Close ends every process of the network, clients included.
func (w *Network) Close() {
	w.mu.Lock()
	all := append(w.more, w.core...)
	w.more, w.core = nil, nil
	w.mu.Unlock()
	var wg sync.WaitGroup
	for _, n := range all {
		wg.Go(n.Close)
	}
	wg.Wait()
}

// poll calls f until it is satisfied.
func poll(ctx context.Context, f func() (bool, error)) error {
	for {
		if ok, err := f(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freePorts finds n free ports below the ephemeral range.
func freePorts(n int) (ports []int, err error) {
	for range 50 * n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000)))
		if err != nil {
			continue
		}
		defer l.Close() // all are held until the last is found
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		if len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("not enough free ports on 127.0.0.1")
}
