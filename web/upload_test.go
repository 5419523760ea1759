package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"postern/crypto"
	"postern/intake/form"
)

// read parses a form with boundary "b" and returns its fields and files.
func read(body io.Reader) (f *fields, files []string, err error) {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	u, err := newUpload(r, newPacedBody(httptest.NewRecorder(), r, 1<<30), time.Now)
	if err != nil {
		return nil, nil, err
	}
	if f, err = u.fields(time.Now); err != nil {
		return f, nil, err
	}
	err = u.files(func(name, _ string, r io.Reader) {
		b, _ := io.ReadAll(r)
		files = append(files, name+"="+string(b))
	})
	return f, files, err
}

func textPart(name, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

func filePart(name, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\nContent-Type: a/b\r\n\r\n" + value + "\r\n"
}

// rawPart is a part with a Content-Disposition of one's own.
func rawPart(disposition, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; " + disposition + "\r\n\r\n" + value + "\r\n"
}

const lastPart = "--b--\r\n"

func TestUpload(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		text  string
		files []string
		err   bool
	}{
		"fields":            {textPart("text", "a\r\nb") + lastPart, "a\nb", nil, false},
		"files":             {textPart("text", "a") + filePart("x", "1") + filePart("y", "2") + lastPart, "a", []string{"x=1", "y=2"}, false},
		"no file chosen":    {textPart("text", "a") + filePart("", "") + lastPart, "a", nil, false},
		"empty file":        {filePart("x", "") + lastPart, "", []string{"x="}, false},
		"text after a file": {textPart("text", "a") + filePart("x", "1") + textPart("text", "late") + filePart("y", "2") + lastPart, "a", []string{"x=1", "y=2"}, false},
		"path":              {filePart("/home/me/x", "1") + filePart(`C:\me\y`, "2") + lastPart, "", []string{"x=1", "y=2"}, false},
		"unknown field":     {textPart("isadmin", "1") + textPart("text", "a") + lastPart, "a", nil, false},
		"preamble":          {"hello\r\n" + textPart("text", "a") + lastPart, "a", nil, false},
		"nothing":           {lastPart, "", nil, false},
		"empty":             {"", "", nil, true}, // a file has vanished: see TestNothingArrived
		"cut in a field":    {textPart("ticket", "t") + "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nabc", "abc", nil, true},
		"cut in a file":     {textPart("text", "a") + strings.TrimSuffix(filePart("x", "123"), "\r\n"), "a", []string{"x=123"}, true},
		"cut in a header":   {textPart("text", "a") + "--b\r\nContent-Dispo", "a", nil, true},
		"endless header":    {textPart("text", "a") + "--b\r\nX: " + strings.Repeat("x", 1<<20), "a", nil, true},
		"endless preamble":  {strings.Repeat("x", 1<<20), "", nil, true},
		"too many parts":    {textPart("text", "a") + strings.Repeat(textPart("x", "x"), maxParts) + lastPart, "a", nil, true},
		"second text":       {textPart("text", "a") + textPart("text", "b") + lastPart, "a", nil, true},
		"second ticket":     {textPart("ticket", "a") + textPart("ticket", "b") + lastPart, "", nil, true},
		"no name":           {textPart("text", "a") + filePart("", "1") + filePart("y", "2") + lastPart, "a", []string{"file=1", "y=2"}, false},
		"only slashes":      {filePart("///", "1") + lastPart, "", []string{"file=1"}, false},
		"cut before a file": {textPart("text", "a") + strings.TrimSuffix(filePart("", ""), "\r\n"), "a", nil, true},
		"many empty files":  {textPart("text", "a") + strings.Repeat(filePart("", ""), 2*maxParts) + filePart("x", "1") + lastPart, "a", []string{"x=1"}, false},
		"half of a text":    {textPart("ticket", "t") + strings.TrimSuffix(textPart("text", "half a"), "\r\n"), "half a", nil, true},
		"in the middle":     {textPart("text", "a\r\n--c\r\n-- b\r\n-") + filePart("x", "\r\n--\r\n") + lastPart, "a\n--c\n-- b\n-", []string{"x=\r\n--\r\n"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, files, err := read(strings.NewReader(c.body))
			if (err != nil) != c.err || f.text != c.text || !slices.Equal(files, c.files) {
				t.Errorf("text %q, files %q, %v", f.text, files, err)
			}
		})
	}
}

// TestFilesWithOddNames: nothing with content is dropped for its header, what
// browsers do to a name is undone, and what has neither name nor content is no file.
func TestFilesWithOddNames(t *testing.T) {
	for d, name := range map[string]string{
		`filename="a"; filename="b"`: "a", `filename=a b.txt`: "a b.txt", `filename*=UTF-8''%zz`: "", `filename="a"b.txt"`: `a"b.txt`,
		`filename=`: "", `filename`: "", `FileName="a"; FILENAME="b"`: "a", `x="filename`: "", `filename="a"; ;;`: "a",
		`filename="the %22list%22 – final.pdf"`: `the "list" – final.pdf`, `filename="100%25 %2F.txt"`: "100%25 %2F.txt",
		`filename="a%0D%0Ab.txt"`: "a\r\nb.txt", `filename="old \"browser\".txt"`: `old "browser".txt`,
		"filename=\"a\x01b\x00.txt\"": "a\x01b\x00.txt", "filename=\"a\nb.txt\"": "a", "filename=\"a;b\xff.txt\"": "a;b\xff.txt",
		`filename="ü я.txt"`: "ü я.txt",
	} {
		for _, value := range []string{"", "1", "123"} {
			called := name
			if name == "" {
				called = "file"
			}
			var want []string
			if value != "" || name != "" {
				want = []string{called + "=" + value}
			}
			body := textPart("text", "a") + rawPart(d, value) + filePart("y", "2") + rawPart(d, value) + lastPart
			f, files, err := read(strings.NewReader(body))
			if want = slices.Concat(want, []string{"y=2"}, want); err != nil || f.text != "a" || !slices.Equal(files, want) {
				t.Errorf("%s with %q: files %q, want %q, %v", d, value, files, want, err)
			}
		}
	}
}

// TestPartsLikeMime: what mime/multipart writes and reads is read the same, however
// the bytes come.
func TestPartsLikeMime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		if err := m.SetBoundary("b-Q"); err != nil {
			t.Fatal(err)
		}
		content := rapid.SliceOfN(rapid.SampledFrom([]string{"\r\n--b-", "\r\n--", "\r", "\n", "-", "b", "x", strings.Repeat("y", 20_000), "\r\n--b\r\n"}), 0, 8)
		var want []string
		for range rapid.IntRange(0, 6).Draw(t, "parts") {
			data := strings.Join(content.Draw(t, "content"), "")
			name := rapid.SampledFrom([]string{"text", "file", "q-place", "ü"}).Draw(t, "name")
			if err := m.WriteField(name, data); err != nil {
				t.Fatal(err)
			}
			want = append(want, name+"="+data)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		src := io.Reader(&b)
		switch rapid.SampledFrom([]string{"whole", "halves", "bytes", "data and end"}).Draw(t, "how") {
		case "halves":
			src = iotest.HalfReader(src)
		case "bytes":
			src = iotest.OneByteReader(src)
		case "data and end":
			src = iotest.DataErrReader(src)
		}
		p, err := newParts(m.FormDataContentType(), src)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			x, err := p.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(x)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, x.field+"="+string(data))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d parts, want %d", len(got), len(want))
		}
	})
}

func TestUploadIsMultipart(t *testing.T) {
	for _, ct := range []string{
		"", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "multipart/mixed; boundary=b",
		"multipart/form-data; boundary=" + strings.Repeat("b", 71), "multipart/form-data; boundary=b",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("a=b"))
		r.Header.Set("Content-Type", ct)
		_, err := newUpload(r, newPacedBody(httptest.NewRecorder(), r, 1<<20), time.Now)
		if (err == nil) != strings.HasSuffix(ct, "data; boundary=b") {
			t.Errorf("%q: %v", ct, err)
		}
	}
}

// TestUploadBounds: however long parts are, what is kept is bounded.
func TestUploadBounds(t *testing.T) {
	f, _, err := read(strings.NewReader(
		textPart("ticket", strings.Repeat("t", 1<<20)) + textPart("text", strings.Repeat("x", 1<<20)) +
			textPart("q-place", strings.Repeat("p", 1<<20)) + textPart("q-unknown", "x") + lastPart))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.ticket) != maxShort || len(f.text) != maxTextRead || !f.cut || len(f.answers["place"][0]) != maxAnswerRead || len(f.answers) != 1 {
		t.Errorf("kept %d, %d, %d", len(f.ticket), len(f.text), len(f.answers["place"][0]))
	}
}

// size is what fields keep.
func (f *fields) size() int {
	n := len(f.ticket) + len(f.code) + len(f.text) + len(strings.Join(f.bodies, ""))
	for _, v := range f.answers {
		n += len(strings.Join(v, ""))
	}
	return n
}

// TestFieldsTogetherAreBounded: many parts, each within its own bound, and the
// longest form of ours, which must fit.
func TestFieldsTogetherAreBounded(t *testing.T) {
	full := textPart("ticket", strings.Repeat("t", maxShort)) + textPart("text", strings.Repeat("x", maxTextRead))
	long := textPart("code", strings.Repeat("c", maxShort))
	for range crypto.MaxReaders {
		full += textPart("body", strings.Repeat("b", crypto.MaxBodyID))
		long += textPart("body", strings.Repeat("b", maxShort))
	}
	for _, q := range form.Questions() {
		for _, o := range q.Options {
			full += textPart("q-"+q.ID, o.ID)
		}
		if q.Kind == form.Text {
			full += textPart("q-"+q.ID, strings.Repeat("a", maxAnswerRead))
		}
	}
	many := strings.Repeat(textPart("q-place", strings.Repeat("p", maxAnswerRead)), maxParts/2) +
		strings.Repeat(textPart("q-topics", strings.Repeat("p", maxShort)), maxParts/4) +
		strings.Repeat(textPart("q-urgency", "danger"), maxParts/8)
	for name, c := range map[string]struct {
		body string
		keep int
		err  error
	}{
		"the longest of ours": {full + lastPart, maxShort + maxTextRead, nil},
		"repeats":             {many + lastPart, maxAnswerRead + len("danger"), nil},
		"too long together":   {full + long + lastPart, maxFields, errForm},
		"too many bodies":     {strings.Repeat(textPart("body", "b"), crypto.MaxReaders+1) + lastPart, 0, errForm},
	} {
		f, _, err := read(strings.NewReader(c.body))
		if !errors.Is(err, c.err) || f.size() > maxFields || err == nil && f.size() < c.keep {
			t.Errorf("%s: %d bytes kept, %v", name, f.size(), err)
		}
		if name == "repeats" && f.size() != c.keep {
			t.Errorf("repeats: %d bytes kept, want %d", f.size(), c.keep)
		}
	}
}

func FuzzUpload(f *testing.F) {
	f.Add([]byte(textPart("text", "a") + filePart("x", "1") + lastPart))
	f.Add([]byte(filePart("../x\x00", "1") + textPart("text", "a")))
	f.Add([]byte("--b\r\n\r\n--b--"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs, files, _ := read(bytes.NewReader(b))
		if fs == nil {
			t.Fatal("no fields")
		}
		if fs.size() > maxFields {
			t.Errorf("%d bytes kept", fs.size())
		}
		for _, name := range files {
			name, _, _ = strings.Cut(name, "=")
			if strings.ContainsAny(name, `/\`) {
				t.Errorf("a path: %q", name)
			}
		}
		if len(files) > 0 && fs.text != "" && !bytes.Contains(b, []byte("filename")) {
			t.Error("a file out of nothing")
		}
	})
}

// deadlines records what a body sets.
type deadlines struct {
	http.ResponseWriter
	read []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.read = append(d.read, t); return nil }

func TestPacedBody(t *testing.T) {
	d := &deadlines{ResponseWriter: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hello"))
	p := newPacedBody(d, r, 100)
	if b, err := io.ReadAll(p); err != nil || string(b) != "hello" {
		t.Fatalf("%q, %v", b, err)
	}
	if len(d.read) != 2 || !d.read[1].IsZero() {
		t.Errorf("deadlines %v: one while reading, none after", d.read)
	}
	if in := time.Until(d.read[0]); in > grace || in < grace-10*time.Second {
		t.Errorf("first deadline in %v", in)
	}

	// Slower than the rate since long ago: no time is left.
	d.read = nil
	p = newPacedBody(d, httptest.NewRequest(http.MethodPost, "/", noiseBody()), 1<<20)
	p.start = time.Now().Add(-time.Hour)
	if _, err := p.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if !d.read[0].Before(time.Now()) {
		t.Error("a body below the minimum rate still has time")
	}
	// Fast until now: a pause is still bounded by the grace.
	p.n, p.armed = 1<<19, time.Time{}
	p.start = time.Now()
	if _, err := p.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if in := time.Until(d.read[1]); in > grace {
		t.Errorf("a fast body may pause for %v", in)
	}
	// And it has an end.
	if _, err := io.Copy(io.Discard, p); !errors.Is(err, errTooMuch) || p.n != 1<<20 {
		t.Errorf("%d bytes, %v", p.n, err)
	}
}

func noiseBody() io.Reader { return io.LimitReader(noise{}, 1<<30) }

// TestReadDeadlineEndsABody: a real line that stalls.
func TestReadDeadlineEndsABody(t *testing.T) {
	done := make(chan error, 1)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := newPacedBody(w, r, 1<<20)
		p.start = time.Now().Add(-grace + 50*time.Millisecond) // the grace is nearly over
		_, err := io.Copy(io.Discard, p)
		done <- err
		fmt.Fprint(w, "too slow")
	}))
	pr, pw := io.Pipe()
	defer pw.Close()
	go func() { _, _ = pw.Write([]byte("x")) }()
	go func() {
		if r, err := http.Post(url, "text/plain", pr); err == nil {
			r.Body.Close()
		}
	}()
	if err := <-done; err == nil {
		t.Error("a stalled body was read to its end")
	}
}
