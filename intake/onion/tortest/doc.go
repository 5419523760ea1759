// Package tortest is a private Tor network on 127.0.0.1, made of real tor
// processes: 3 directory authorities and 5 relays, and any number of clients
// and services. Nothing in it knows the public network, and nothing leaves the
// machine. The tests of onions use it, and the demonstration program.
//
//	net, err := tortest.Start(ctx, tortest.Config{Dir: dir})   // about 15 s
//	defer net.Close()
//	svc, err := onion.Start(ctx, onion.Config{Dir: …, Extra: net.Torrc()})
//	cl, err := net.Client(ctx, "source", "")
//	resp, err := cl.HTTP("first").Get("http://….onion/")
//
// It needs Debian's tor (which brings tor-gencert), no privileges, some 250 MiB
// of memory and 30 MiB of disk.
//
// # What makes it reliable
//
// Each of these was a failure once in a few starts before it was cured:
//
//   - The authorities vote only when each of them has every descriptor: a first
//     consensus without some relay would stay for five minutes.
//   - A bandwidth file gives all nodes one weight. Without it the first
//     consensus weighs them by the few bytes they happened to carry, and one
//     relay becomes guard and last hop of every path. Authorities stay
//     unmeasured, so the five relays carry all circuits; three are too few for comfort.
//   - No node is less "Stable" than another for being a second younger.
//   - Ports lie below 32768, where no outgoing connection takes them first.
//   - Clients and services are tors without TestingTorNetwork, as in real use;
//     they agree with the others about time periods through hsdir_interval.
package tortest
