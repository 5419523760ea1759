package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"postern/crypto"
	"postern/intake"
)

// getExchange fetches a page and holds it to its structure.
func (w *world) getExchange(path string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.Get(w.exch + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		w.checkExchange(b)
	}
	return r, string(b)
}

func (w *world) checkExchange(b []byte) {
	w.t.Helper()
	doc, err := html.Parse(bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	checkStructure(w.t, doc)
}

func TestExchangeListsAndResumes(t *testing.T) {
	w := newWorld(t)
	if r, b := w.getExchange("/"); r.StatusCode != 200 || !strings.Contains(b, "There is no batch yet.") || !strings.Contains(b, "first desk") {
		t.Errorf("empty exchange: %d", r.StatusCode)
	}
	w.get("/report").form("/report").set("text", "x").file("big.bin", io.LimitReader(noise{}, 1<<20)).send().want(200, "Received")
	for _, l := range []crypto.Lane{crypto.LaneRegular, crypto.LaneUrgent} {
		if _, err := w.service.Release(context.Background(), l); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.service.Batches()
	if err != nil {
		t.Fatal(err)
	}
	_, page := w.getExchange("/")
	for _, b := range list {
		for _, v := range b.Volumes {
			path := fmt.Sprintf("/volumes/%d/%d/%s", b.Ordinal, v.Number, v.Name)
			if !strings.Contains(page, `href="`+path+`"`) || !strings.Contains(page, fmt.Sprintf("%d bytes", v.Size)) {
				t.Errorf("volume %s is not listed", v.Name)
			}
			var whole bytes.Buffer
			if err := w.service.WriteVolume(context.Background(), &whole, b.Ordinal, v.Number, 0); err != nil {
				t.Fatal(err)
			}
			w.checkRanges(path, v, whole.Bytes())
		}
	}
	if !strings.Contains(page, "None is missing in between.") {
		t.Error("the page does not say that the list is complete")
	}
	for _, path := range []string{"/nowhere", "/volumes/9/1/x", "/volumes/1/9/x", "/volumes/1/1/wrong", "/volumes/99999999999999999999/1/x"} {
		if r, b := w.getExchange(path); r.StatusCode != 404 || !strings.Contains(b, "There is no such page or file") {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func (w *world) checkRanges(path string, v intake.VolumeInfo, whole []byte) {
	w.t.Helper()
	n := int64(len(whole))
	tag := `"` + v.Name + `"`
	for _, c := range []struct {
		name     string
		head     map[string]string
		status   int
		from, to int64
	}{
		{"all", nil, 200, 0, n},
		{"resume", map[string]string{"Range": "bytes=1000-"}, 206, 1000, n},
		{"resume, same file", map[string]string{"Range": "bytes=70000-", "If-Range": tag}, 206, 70000, n},
		{"resume, other file", map[string]string{"Range": "bytes=1000-", "If-Range": `"other"`}, 200, 0, n},
		{"middle", map[string]string{"Range": "bytes=10-99"}, 206, 10, 100},
		{"last byte", map[string]string{"Range": fmt.Sprintf("bytes=%d-", n-1)}, 206, n - 1, n},
		{"tail", map[string]string{"Range": "bytes=-5"}, 206, n - 5, n},
		{"beyond", map[string]string{"Range": fmt.Sprintf("bytes=%d-", n)}, 416, 0, 0},
		{"several", map[string]string{"Range": "bytes=0-1,5-6"}, 200, 0, n},
	} {
		req, err := http.NewRequest(http.MethodGet, w.exch+path, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		for k, x := range c.head {
			req.Header.Set(k, x)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != c.status {
			w.t.Errorf("%s: status %d, %v", c.name, r.StatusCode, err)
			continue
		}
		if c.status == 416 {
			continue
		}
		if !bytes.Equal(b, whole[c.from:c.to]) {
			w.t.Errorf("%s: %d bytes are not bytes %d to %d", c.name, len(b), c.from, c.to)
		}
		want := ""
		if c.status == 206 {
			want = fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, n)
		}
		if got := r.Header.Get("Content-Range"); got != want || r.Header.Get("Accept-Ranges") != "bytes" || r.Header.Get("ETag") != tag {
			w.t.Errorf("%s: Content-Range %q, want %q", c.name, got, want)
		}
		if d := r.Header.Get("Content-Disposition"); d != `attachment; filename="`+v.Name+`"` {
			w.t.Errorf("%s: %s", c.name, d)
		}
	}
	r, err := http.Head(w.exch + path)
	if err != nil || r.ContentLength != n {
		w.t.Errorf("HEAD says %d bytes of %d, %v", r.ContentLength, n, err)
	}
	r.Body.Close()
}

func TestExchangeTakesBundles(t *testing.T) {
	w := newWorld(t)
	good := w.bundle()
	page := w.handIn(good)
	w.checkExchange([]byte(page))
	if !strings.Contains(page, "Bundle received") {
		t.Error("no receipt")
	}
	if again := w.handIn(good); again != page {
		t.Error("the same bundle twice gives another receipt")
	}
	for name, c := range map[string]struct {
		data []byte
		file string
		says string
	}{
		"cut":       {w.bundle()[:len(good)/2], "b", "no complete bundle"},
		"not one":   {[]byte("hello"), "b", "no complete bundle"},
		"too large": {bytes.Repeat([]byte{1}, 20<<20), "b", "no complete bundle"},
		"no file":   {nil, "", "No file was chosen"},
	} {
		r := postFile(t, w.exch+"/bundle", w.exch, c.file, bytes.NewReader(c.data))
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 400 || !strings.Contains(string(b), c.says) {
			t.Errorf("%s: %d, %v", name, r.StatusCode, err)
		}
		w.checkExchange(b)
	}
	r := postFile(t, w.exch+"/bundle", "http://other.onion", "b", bytes.NewReader(good))
	r.Body.Close()
	if r.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", r.StatusCode)
	}
}

func TestExchangeOffersTheDirectory(t *testing.T) {
	w := newWorld(t)
	r, err := http.Get(w.exch + "/directory.note")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err != nil || r.StatusCode != http.StatusOK || string(b) != "signed" {
		t.Errorf("%d %q %v", r.StatusCode, b, err)
	}
	r, err = http.Get(w.exch + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err != nil || !bytes.Contains(b, []byte(`href="/directory.note"`)) {
		t.Errorf("the page has no link to the directory: %v", err)
	}
}

func TestExchangeShowsGaps(t *testing.T) {
	w := newWorld(t)
	e, ok := Exchange(ExchangeOptions{Service: w.service}).(*exchange)
	if !ok {
		t.Fatal("not our handler")
	}
	day := crypto.DayOf(noon)
	v := e.batchesView([]intake.BatchInfo{
		{Number: 52, Ordinal: 12, Day: day}, {Number: 51, Ordinal: 11, Day: day, Lane: crypto.LaneUrgent}, {Number: 49, Ordinal: 9, Day: day - 1}, {Number: 45, Ordinal: 5, Day: day - 1},
		{Number: 40, Ordinal: 40, Day: day - 1}, // of before the server was restored
	})
	if v.Oldest != 5 || v.Newest != 12 || v.Missing != "10, 6–8" || len(v.Days) != 2 || !v.Days[0].Open || v.Days[1].Open {
		t.Errorf("%+v", v)
	}
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"", "bytes=0-", "bytes=-5", "bytes=1-2", "bytes=9-1", "bytes=-", "bytes=1-2,3-4", "lines=1-2", "bytes=99999999999999999999-"} {
		f.Add(s, int64(100))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		from, to, kind := parseRange(s, size)
		switch {
		case kind == rangeNone && (from != 0 || to != size),
			kind == rangePart && (from < 0 || from >= to || to > size),
			kind == rangeBeyond && from != to:
			t.Errorf("%q of %d: %d to %d, %d", s, size, from, to, kind)
		}
	})
}
