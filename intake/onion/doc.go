// Package onion publishes onion services through tor: the only room that
// speaks to it.
//
//	t, err := onion.Start(ctx, onion.Config{Dir: "/var/lib/postern/tor", RunDir: "/run/postern", Log: log})
//	defer t.Close()
//	err = t.Publish(ctx, onion.Service{Name: "public", Key: key, Socket: "/run/postern/public.sock", Public: true, PoW: true})
//	err = t.WaitPublished(ctx, "public")
//	fmt.Println(onion.Address(key))
//
// # Tor
//
// By default tor is a child with a data directory of its own. It has no SOCKS
// port, no torrc and no log on the disk, and it cannot outlive this process,
// whatever ends that (SECURITY.md S-18): the kernel kills it with us, and
// should it not, tor looks for us every 15 seconds. When tor ends or no longer
// answers, it is started again and all services are added again; callers do
// nothing. With [Config.ControlSocket] a tor that the system runs is used
// instead: this process then needs no network at all.
//
// Tor's own Sandbox stays off: on Debian 12 it refuses a call that the C
// library needs when it starts a thread, which leaves a random set of signals
// blocked, SIGTERM often among them. As our child tor lives under the system-call
// filter of our systemd unit.
//
// Tor is trusted: it sees the traffic of all services in clear, and whoever
// can write to its control socket can read their keys.
//
// # Services
//
// A service is an address and a unix socket that tor connects to, for port 80
// of the address. It is either Public, or for the holders of some client keys
// only: without such a key not even its descriptor can be read (SECURITY.md
// S-13). One that is neither is refused, so that an empty list of keys never
// opens a holder's address to everyone. Services live as long as the [Tor];
// their keys are the caller's to keep.
//
// # Files
//
//	key.go      keys and addresses
//	onion.go    Config, Start, supervision
//	service.go  Publish, Remove, WaitPublished
//	status.go   what tor tells us: Status, events, log lines
//	internal/tor  one tor process and its control connections
//	tortest     a private Tor network
package onion
