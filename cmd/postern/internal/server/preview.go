package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"postern/cmd/postern/internal/instance"
	"postern/web"
)

// Preview shows the pages in an ordinary browser on this machine. The
// directory is made for it and lists three bodies whose keys were thrown away:
// what is sent there is lost, and every page says so.
func Preview(ctx context.Context, dir, address string, out, errs io.Writer) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return instance.WithHint(err, "write it as 127.0.0.1:8080")
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return instance.WithHint(fmt.Errorf("a preview on %q could be reached from outside", host), "use 127.0.0.1")
	}
	i, err := instance.OpenPreview(dir)
	if err != nil {
		return err
	}
	e, err := openEngine(i)
	if err != nil {
		return err
	}
	return errors.Join(e.preview(ctx, address, out, errs), e.close())
}

func (e *engine) preview(ctx context.Context, address string, out, errs io.Writer) error {
	tickets, err := web.NewTickets(web.TicketOptions{Host: address})
	if err != nil {
		return err
	}
	var x shown
	x.takeAll(e.Instance, e.intake.Directory(), logTo(errs))
	h := web.Source(web.SourceOptions{
		Service: e.intake, Tickets: tickets, Preview: true, Languages: e.previewLanguages(),
		Pages: x.pages.Load, Directory: x.directory.Load,
		Log: func(line string) { fmt.Fprintln(errs, "postern: a fault of ours:", line) },
	})
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	srv := web.NewServer(web.OnlyFor(h, l.Addr().String(), address, "localhost"))
	fmt.Fprintf(out, "Preview, without Tor; nobody reads what is sent here:\n  http://%s\n", l.Addr())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return srv.Close()
	}
}

// previewLanguages are all there are, those of the configuration first, so that
// an operator can look at one before enabling it.
func (e *engine) previewLanguages() []string {
	list := slices.Clone(e.Conf.Languages)
	for _, lang := range web.Locales() {
		if !slices.Contains(list, lang) {
			list = append(list, lang)
		}
	}
	return list
}
