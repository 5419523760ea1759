package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"rsc.io/qr"

	"postern/cmd/postern/internal/instance"
	"postern/intake/onion"
)

// posterPage is black on white, needs nothing from any network, and says what
// a person must know before they type the address.
var posterPage = template.Must(template.New("poster").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Report wrongdoing</title>
<style>
@page { size: A4; margin: 18mm }
body { font: 14pt/1.45 sans-serif; color: #000; background: #fff; max-width: 42em; margin: 2em auto; padding: 0 1em }
h1 { font-size: 30pt; line-height: 1.15; margin: 0 0 .4em }
img { display: block; width: 62mm; height: 62mm; margin: 1em 0; image-rendering: pixelated }
.address { font: bold 17pt/1.5 monospace; border: 2px solid #000; padding: .5em .7em; overflow-wrap: anywhere }
.address span { margin-right: .35em }
.strip { display: flex; margin-top: 2em; border-top: 1px dashed #000 }
.strip p { writing-mode: vertical-rl; font: 9pt/1.3 monospace; border-right: 1px dashed #000; margin: 0; padding: .6em .3em; height: 62mm; overflow-wrap: anywhere; flex: 1 }
</style>
</head>
<body>
<h1>Report wrongdoing without giving your name</h1>
<p>Abuse of power, violence, corruption or discrimination in a security institution: you can tell people
who are independent of it. They can answer you. You need not say who you are.</p>
<ol>
<li>Do it from a device and a connection that are not your employer’s, away from work.</li>
<li>Get <strong>Tor Browser</strong> from torproject.org. Where it may be watched, think first about how you get it.</li>
<li>In Tor Browser, type this address and compare every character:</li>
</ol>
<p class="address">{{range .Groups}}<span>{{.}}</span><wbr>{{end}}</p>
<img src="{{.QR}}" alt="The address as a QR code">
<p>Scan it only with a device that is yours alone. Another address than this one is not ours: compare all of it,
not its beginning.</p>
<p>Do not photograph this page where you can be seen.</p>
<div class="strip">{{range .Strips}}<p>Tor Browser: {{$.Address}}</p>{{end}}</div>
</body>
</html>
`))

// poster writes a page to print: the address on paper is what visitors check.
func (c *cli) poster(_ context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	to := fs.String("to", "", "`file` to write, HTML; \"-\" for standard output")
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	return c.writeTo(*to, c.writePoster)
}

func (c *cli) writePoster(w io.Writer) error {
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	key, err := i.OnionKey()
	if err != nil {
		return err
	}
	address := onion.Address(key)
	code, err := qr.Encode("http://"+address, qr.M)
	if err != nil {
		return fmt.Errorf("drawing the QR code: %w", err)
	}
	code.Scale = 12
	var groups []string // in fours, to compare by eye
	for rest := address; rest != ""; {
		n := min(4, len(rest))
		if strings.HasPrefix(rest, ".onion") {
			n = len(rest)
		}
		groups, rest = append(groups, rest[:n]), rest[n:]
	}
	return posterPage.Execute(w, map[string]any{
		"Address": address,
		"Groups":  groups,
		"QR":      template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())), //nolint:gosec // made here
		"Strips":  make([]struct{}, 8),
	})
}
