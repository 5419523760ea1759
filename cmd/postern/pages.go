package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"postern/cmd/postern/internal/instance"
	"postern/cmd/postern/internal/server"
	"postern/web"
)

// checkPages checks the operator's pages, lists them, and has a running server show them.
func (c *cli) checkPages(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	p, err := i.LoadPages()
	if faults := instance.PageFaults(err); len(faults) > 0 {
		for _, f := range faults {
			fmt.Fprintf(c.err, "postern: %s\n", f)
		}
		return instance.WithHint(fmt.Errorf("something is wrong in %s; a running server still shows what it showed before", i.PagesPath()),
			"correct it, and run postern pages again")
	}
	c.listPages(i, p)
	err = server.Ask(ctx, i, "pages", io.Discard)
	switch {
	case errors.Is(err, server.ErrNoServer):
		fmt.Fprintln(c.out, "The server will show them when it starts.")
	case err != nil:
		return instance.WithHint(fmt.Errorf("the pages are good, but the running server did not take them: %w", err), "systemctl restart postern")
	default:
		fmt.Fprintln(c.out, "The running server shows them.")
	}
	return nil
}

func (c *cli) listPages(i *instance.Instance, p *web.Pages) {
	list := p.List(i.Conf.Languages[0])
	if len(list) == 0 {
		fmt.Fprintf(c.out, "There is no page in %s: README.md, Your own pages.\n", i.PagesPath())
		return
	}
	t := tabwriter.NewWriter(c.out, 0, 0, 3, ' ', 0)
	for _, x := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\n", x.Path, strings.Join(x.Languages, ","), x.Title)
	}
	_ = t.Flush()
	for _, x := range list {
		if !slices.Contains(x.Languages, i.Conf.Languages[0]) {
			fmt.Fprintf(c.err, "postern: note: %s is not there in %s, which visitors see when there is no translation for them\n", x.Path, i.Conf.Languages[0])
		}
	}
}
