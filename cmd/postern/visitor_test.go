package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A visitor is a browser as small as can be: it knows a page's links and forms,
// fills them in as they came, and sends what it was told to change. No scripts,
// no cookies: what it cannot do, no page may need.
type visitor struct {
	client *http.Client
	page   *html.Node
	status int
	last   http.Header
}

// newVisitor goes through a unix socket, as tor does.
func newVisitor(socket string) *visitor {
	return &visitor{client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

const host = "http://postern.test"

func (v *visitor) take(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	v.status, v.last = resp.StatusCode, resp.Header
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	v.page, err = html.Parse(bytes.NewReader(b))
	return err
}

func (v *visitor) get(path string) error { return v.take(v.client.Get(host + path)) }

// all nodes of these elements, in document order.
func all(n *html.Node, names ...string) (list []*html.Node) {
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && slices.Contains(names, c.Data) {
			list = append(list, c)
		}
	}
	return list
}

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode && (c.Parent == nil || c.Parent.Data != "style") {
			b.WriteString(c.Data)
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// field is one value of a form; file is the path of one on the disk.
type field struct{ name, value, file string }

// fields of a form as it came.
func fields(form *html.Node) (list []field) {
	for _, n := range all(form, "input", "textarea", "select") {
		name, _ := attr(n, "name")
		value, _ := attr(n, "value")
		kind, _ := attr(n, "type")
		_, checked := attr(n, "checked")
		switch {
		case name == "", (kind == "checkbox" || kind == "radio") && !checked:
			continue
		case kind == "file":
			list = append(list, field{name: name, file: "none"})
			continue
		case n.Data == "textarea":
			value = strings.TrimPrefix(text(n), "\n")
		case n.Data == "select":
			for _, o := range all(n, "option") {
				if _, on := attr(o, "selected"); on {
					value, _ = attr(o, "value")
				}
			}
		}
		list = append(list, field{name: name, value: value})
	}
	return list
}

// submit sends the nth form with this action. Changes are name=value (set, or add for a
// checkbox), -name=value (untick) and name=@path (a file).
func (v *visitor) submit(action string, nth int, changes ...string) error {
	if v.page == nil {
		return fmt.Errorf("no page is open")
	}
	var form *html.Node
	for _, f := range all(v.page, "form") {
		if a, _ := attr(f, "action"); a == action {
			if nth--; nth == 0 {
				form = f
				break
			}
		}
	}
	if form == nil {
		return fmt.Errorf("no form to %s on the page: %s", action, text(v.page))
	}
	list := fields(form)
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		path, isFile := strings.CutPrefix(value, "@")
		switch untick, off := strings.CutPrefix(name, "-"); {
		case off:
			list = slices.DeleteFunc(list, func(f field) bool { return f.name == untick && f.value == value })
		case isFile:
			i := slices.IndexFunc(list, func(f field) bool { return f.name == name && f.file == "none" })
			if i < 0 {
				list = append(list, field{name: name, file: path})
			} else {
				list[i].file = path
			}
		default:
			i := slices.IndexFunc(list, func(f field) bool { return f.name == name && f.file == "" })
			if i < 0 || name == "body" {
				list = append(list, field{name: name, value: value})
			} else {
				list[i].value = value
			}
		}
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range list {
		if f.file == "" {
			if err := w.WriteField(f.name, f.value); err != nil {
				return err
			}
			continue
		}
		if err := writePart(w, f); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, host+action, &body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Origin", host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.take(v.client.Do(r))
}

func writePart(w *multipart.Writer, f field) error {
	h := textproto.MIMEHeader{"Content-Type": {"application/octet-stream"}}
	base, data := "", []byte(nil)
	if f.file != "none" {
		var err error
		if data, err = os.ReadFile(f.file); err != nil {
			return err
		}
		base = filepath.Base(f.file)
	}
	h.Set("Content-Disposition", mime.FormatMediaType("form-data", map[string]string{"name": f.name, "filename": base}))
	p, err := w.CreatePart(h)
	if err != nil {
		return err
	}
	_, err = p.Write(data)
	return err
}

// code reads the words of a code off its page.
func (v *visitor) code() (string, error) {
	for _, l := range all(v.page, "ol") {
		if class, _ := attr(l, "class"); class == "code" {
			return text(l), nil
		}
	}
	return "", fmt.Errorf("no code on the page: %s", text(v.page))
}

// fetch downloads every link that a page marks as a download, or that contains part.
func (v *visitor) fetch(part, dir string) error {
	n := 0
	for _, a := range all(v.page, "a") {
		href, _ := attr(a, "href")
		if !strings.Contains(href, part) {
			continue
		}
		resp, err := v.client.Get(host + href)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("fetching %s: status %d: %v", href, resp.StatusCode, err)
		}
		name := filepath.Base(href)
		if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
			name = filepath.Base(params["filename"])
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
		n++
	}
	if n == 0 {
		return fmt.Errorf("no link with %q on the page: %s", part, text(v.page))
	}
	return nil
}
