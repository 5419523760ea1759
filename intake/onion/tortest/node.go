package tortest

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"golang.org/x/net/proxy"

	"postern/intake/onion/internal/tor"
)

// Node is one tor process in the network.
type Node struct {
	name   string
	socket string
	proc   *tor.Process
	conn   *tor.Conn
}

// Node starts a further tor in production shape, with the torrc lines given,
// and waits until it is bootstrapped. Its files lie in Dir/name.
func (w *Network) Node(ctx context.Context, name, torrc string) (*Node, error) {
	n, err := w.launch(name, w.Torrc()+torrc)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.more = append(w.more, n)
	w.mu.Unlock()
	if err := n.connect(ctx); err != nil {
		return nil, err
	}
	if err := n.bootstrapped(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

func (w *Network) launch(name, torrc string) (*Node, error) {
	dir := filepath.Join(w.cfg.Dir, name)
	n := &Node{name: name, socket: filepath.Join(dir, "control")}
	if err := tor.CheckSocket(n.socket); err != nil {
		return nil, err
	}
	var err error
	n.proc, err = tor.Launch(w.cfg.Tor, dir, fmt.Sprintf("ControlSocket %s\nCookieAuthentication 1\n%s\n", n.socket, torrc), nil)
	return n, err
}

func (n *Node) connect(ctx context.Context) (err error) {
	if n.conn, err = n.proc.Connect(ctx, n.socket); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	return nil
}

func (n *Node) bootstrapped(ctx context.Context) error {
	last := ""
	err := poll(ctx, func() (ok bool, err error) {
		last, err = n.conn.Info("status/bootstrap-phase")
		return strings.Contains(last, "PROGRESS=100"), err
	})
	if err != nil {
		return fmt.Errorf("%s: bootstrap: %w (%s)", n.name, err, last)
	}
	return nil
}

// ControlSocket of the process; its cookie can be read by this user.
func (n *Node) ControlSocket() string { return n.socket }

// PID of the process.
func (n *Node) PID() int { return n.proc.PID() }

// Close ends the process.
func (n *Node) Close() {
	if n.conn != nil {
		n.conn.Close()
	}
	n.proc.Stop()
}

// Client is a tor with a SOCKS port, as Tor Browser has one.
type Client struct {
	*Node
	socks string
}

// Client starts a client. authDir, when not empty, is a directory (0700) of
// .auth_private files, one per private onion, as a holder puts them into Tor
// Browser's ("<address without .onion>:descriptor:x25519:<BASE32 key>").
func (w *Network) Client(ctx context.Context, name, authDir string) (*Client, error) {
	rc := "SocksPort 127.0.0.1:auto IsolateSOCKSAuth ExtendedErrors\n"
	if authDir != "" {
		rc += "ClientOnionAuthDir " + authDir + "\n"
	}
	n, err := w.Node(ctx, name, rc)
	if err != nil {
		return nil, err
	}
	v, err := n.conn.Info("net/listeners/socks")
	if err != nil {
		return nil, err
	}
	return &Client{n, strings.Trim(v, `"`)}, nil
}

// SOCKS is the address of the SOCKS port, "127.0.0.1:PORT".
func (c *Client) SOCKS() string { return c.socks }

// Fresh forgets circuits and descriptors, as Tor Browser's "New Identity".
func (c *Client) Fresh() error {
	_, err := c.conn.Do("SIGNAL NEWNYM")
	return err
}

// HTTP gives a client whose connections share circuits with nobody else's:
// another name, another circuit. Redirects are followed, there is no timeout.
func (c *Client) HTTP(isolation string) *http.Client { return HTTP(c.socks, isolation) }

// HTTP is [Client.HTTP] of the tor whose SOCKS port is known.
func HTTP(socks, isolation string) *http.Client {
	d, err := proxy.SOCKS5("tcp", socks, &proxy.Auth{User: isolation, Password: "x"}, proxy.Direct)
	if err != nil { // never with these arguments
		panic(err)
	}
	return &http.Client{Transport: &http.Transport{DialContext: d.(proxy.ContextDialer).DialContext}}
}
