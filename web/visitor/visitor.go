// Package visitor is a browser as small as can be, for the demonstration and
// for tests of the real server: it knows a page's links and forms, fills them
// in as they came, and sends them as Tor Browser does at its safest level. No
// scripts, no cookies: what it cannot do, no page may need.
//
//	v := visitor.New(client, "http://….onion")
//	err := v.Get("/report")
//	err = v.Submit("/report", 1, "text=What happened", "-body=press", "file=@/home/me/list.csv")
package visitor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"postern/crypto"
)

// Visitor holds one page at a time. Not safe for concurrent use.
type Visitor struct {
	client *http.Client
	base   string
	page   *html.Node

	Status int         // of the last page
	Header http.Header // of the last page
	Size   int         // of the last page, in bytes
}

// New visits base, "http://….onion", through client.
func New(client *http.Client, base string) *Visitor {
	return &Visitor{client: client, base: strings.TrimSuffix(base, "/")}
}

func (v *Visitor) take(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	v.Status, v.Header, v.Size = resp.StatusCode, resp.Header, len(b)
	v.page, err = html.Parse(bytes.NewReader(b))
	return err
}

// Get opens a page.
func (v *Visitor) Get(path string) error { return v.take(v.client.Get(v.base + path)) }

// Text is what the page says, without its layout.
func (v *Visitor) Text() string {
	if v.page == nil {
		return ""
	}
	return text(v.page)
}

// Code reads the words of a code off the page that shows it.
func (v *Visitor) Code() (string, error) {
	for _, l := range all(v.page, "ol") {
		if class, _ := attr(l, "class"); class == "code" {
			return text(l), nil
		}
	}
	return "", fmt.Errorf("no code on the page: %s", v.Text())
}

// Slips of people who type a code. Which one fits the check word once more is a
// matter of chance (for one swap in 480 a second repair does): these choose one
// that does what the test wants, and there is always one.

// Swapped is the code with two neighbouring words in the wrong order, which has
// exactly one repair.
func Swapped(code string) string {
	return typed(code, true, func(words []string, i int) []string {
		i %= len(words) - 1
		words[i], words[i+1] = words[i+1], words[i]
		return words
	})
}

// Slipped is the code with a letter too much in one word, which has exactly one repair.
func Slipped(code string) string {
	return typed(code, true, func(words []string, i int) []string {
		words[i%len(words)] += string(rune('a' + i%26))
		return words
	})
}

// Mixed is the code in an order that no repair mends.
func Mixed(code string) string {
	return typed(code, false, func(words []string, i int) []string {
		i = 1 + i%(len(words)-1)
		return slices.Concat(words[i:], words[:i])
	})
}

// typed tries slips until one is read as the code, or as none.
func typed(code string, mends bool, slip func(words []string, i int) []string) string {
	words := strings.Fields(code)
	for i := range 100 {
		s := strings.Join(slip(slices.Clone(words), i), " ")
		read, err := crypto.ParseCode(s)
		one := len(read) == 1 && !read[0].Typed() && slices.Equal(read[0].Code.Words(), words)
		if mends && one || !mends && err != nil {
			return s
		}
	}
	panic("no slip does what it should: is this a code?")
}

// all elements with these names, in document order.
func all(n *html.Node, names ...string) (list []*html.Node) {
	if n == nil {
		return nil
	}
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

// field is one value of a form. A file field has a path, or noFile.
type field struct{ name, value, file string }

const noFile = "\x00"

// fields of a form as it came, in document order.
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
			list = append(list, field{name: name, file: noFile})
			continue
		case n.Data == "textarea":
			value = ""
			for c := range n.Descendants() {
				value += c.Data
			}
			value = strings.TrimPrefix(value, "\n") // as HTML has it
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

// change applies one of Submit's changes. A field that the form does not have
// is an error: a browser could not fill it in.
func change(list []field, c string) ([]field, error) {
	name, value, _ := strings.Cut(c, "=")
	if untick, off := strings.CutPrefix(name, "-"); off {
		return slices.DeleteFunc(list, func(f field) bool { return f.name == untick && f.value == value }), nil
	}
	if tick, on := strings.CutPrefix(name, "+"); on {
		return append(list, field{name: tick, value: value}), nil
	}
	path, isFile := strings.CutPrefix(value, "@")
	last := -1
	for i := range list {
		if list[i].name != name || (list[i].file != "") != isFile {
			continue
		}
		if !isFile {
			list[i].value = value
			return list, nil
		}
		if last = i; list[i].file == noFile {
			list[i].file = path
			return list, nil
		}
	}
	if last < 0 {
		return nil, fmt.Errorf("the form has no field %q of that kind", name)
	}
	return slices.Insert(list, last+1, field{name: name, file: path}), nil // a field that takes several
}

// form finds the nth form with this action, from 1.
func (v *Visitor) form(action string, nth int) (*html.Node, error) {
	for _, f := range all(v.page, "form") {
		if a, _ := attr(f, "action"); a == action {
			if nth--; nth == 0 {
				return f, nil
			}
		}
	}
	return nil, fmt.Errorf("no form to %s on the page: %s", action, v.Text())
}

// request fills in the nth form with this action. Changes are name=value
// (set), +name=value (tick), -name=value (untick) and name=@path (a file). The
// body is streamed.
func (v *Visitor) request(action string, nth int, changes []string) (*http.Request, error) {
	form, err := v.form(action, nth)
	if err != nil {
		return nil, err
	}
	list := fields(form)
	for _, c := range changes {
		if list, err = change(list, c); err != nil {
			return nil, err
		}
	}
	pr, pw := io.Pipe()
	w := multipart.NewWriter(pw)
	r, err := http.NewRequest(http.MethodPost, v.base+action, pr)
	if err != nil {
		return nil, err
	}
	go func() {
		var err error
		for _, f := range list {
			if err = writeField(w, f); err != nil {
				break
			}
		}
		pw.CloseWithError(errors.Join(err, w.Close()))
	}()
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Origin", v.base)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r, nil
}

// Submit sends a form and opens the page that answers.
func (v *Visitor) Submit(action string, nth int, changes ...string) error {
	r, err := v.request(action, nth, changes)
	if err != nil {
		return err
	}
	return v.take(v.client.Do(r))
}

// Download sends a form whose answer is a file, and writes that to w. The page stays.
func (v *Visitor) Download(w io.Writer, action string, nth int) error {
	r, err := v.request(action, nth, nil)
	if err != nil {
		return err
	}
	return v.body(w, r)
}

func (v *Visitor) body(w io.Writer, r *http.Request) error {
	resp, err := v.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return fmt.Errorf("no file came: status %d", resp.StatusCode)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}

func writeField(w *multipart.Writer, f field) error {
	if f.file == "" {
		return w.WriteField(f.name, f.value)
	}
	name, data := "", io.Reader(strings.NewReader(""))
	if f.file != noFile {
		d, err := os.Open(f.file)
		if err != nil {
			return err
		}
		defer d.Close()
		name, data = filepath.Base(f.file), d
	}
	p, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {mime.FormatMediaType("form-data", map[string]string{"name": f.name, "filename": name})},
		"Content-Type":        {"application/octet-stream"},
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(p, data)
	return err
}

// Links are the targets of the page's links that contain part.
func (v *Visitor) Links(part string) (hrefs []string) {
	for _, a := range all(v.page, "a") {
		if href, ok := attr(a, "href"); ok && strings.Contains(href, part) {
			hrefs = append(hrefs, href)
		}
	}
	return hrefs
}

// Save downloads a link's target into dir, under the name the server gives,
// and returns the file's path.
func (v *Visitor) Save(href, dir string) (path string, err error) {
	resp, err := v.client.Get(v.base + href)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("fetching %s: status %d", href, resp.StatusCode)
	}
	name := filepath.Base(href)
	if _, p, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil && p["filename"] != "" {
		name = filepath.Base(p["filename"])
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, resp.Body)
	return f.Name(), errors.Join(err, f.Close())
}
