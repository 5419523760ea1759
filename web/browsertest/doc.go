// Package browsertest drives a real Firefox ESR for tests: a profile as like
// Tor Browser's as preferences make it, at its level "Safest" (no scripts) or
// "Standard", through a SOCKS port of tor or directly to 127.0.0.1.
//
//	f, err := browsertest.Start(ctx, browsertest.Options{Dir: dir, SOCKS: client.SOCKS()})
//	defer f.Close()
//	err = f.Go("http://….onion/")
//	err = f.Keys("#text", "what happened")
//	err = f.Keys("input[type=file]", "/path/of/a/file")
//	err = f.Click("button")
//	text, err := f.Text("#code")
//
// It needs Debian's firefox-esr, and the fonts that Tor Browser brings along
// (fonts-croscore, fonts-noto-core): pages are shown in these alone, whatever
// else a machine has. Nothing more: the browser's own remote protocol,
// Marionette, works with scripts off too. Firefox is not Tor Browser. What
// NoScript does there at "Safest" is done here by preferences: scripts, web
// fonts, media, SVG and MathML are off.
//
// Nothing leaves the machine but through the SOCKS port: without one, every
// host but 127.0.0.1 is unreachable. Firefox's own services are off.
//
// A file input takes several paths, separated by line breaks, when it is "multiple".
// Marionette clicks and types as a user does: what is hidden or covered cannot be used.
package browsertest
