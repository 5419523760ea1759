package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

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

// batchWithFile releases one batch of each lane, of which the first holds a file.
func (w *world) batchWithFile() []intake.BatchInfo {
	w.t.Helper()
	w.get("/report").form("/report").set("text", "x").file("big.bin", io.LimitReader(noise{}, 1<<20)).send().want(200, "Received")
	return w.release(crypto.LaneRegular, crypto.LaneUrgent)
}

// release makes batches and lists all, newest first.
func (w *world) release(lanes ...crypto.Lane) []intake.BatchInfo {
	w.t.Helper()
	for _, l := range lanes {
		if _, err := w.service.Release(context.Background(), l); err != nil {
			w.t.Fatal(err)
		}
	}
	list, err := w.service.Batches()
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) volume(batch uint64, v intake.VolumeInfo) []byte {
	w.t.Helper()
	var whole bytes.Buffer
	if err := w.service.WriteVolume(context.Background(), &whole, batch, v.Number, 0); err != nil {
		w.t.Fatal(err)
	}
	return whole.Bytes()
}

func TestExchangeListsAndResumes(t *testing.T) {
	w := newWorld(t)
	if r, b := w.getExchange("/"); r.StatusCode != 200 || !strings.Contains(b, "There is no batch yet.") || !strings.Contains(b, "first desk") {
		t.Errorf("empty exchange: %d", r.StatusCode)
	}
	list := w.batchWithFile()
	_, page := w.getExchange("/")
	var all []byte
	for _, b := range slices.Backward(list) {
		for _, v := range b.Volumes {
			path := fmt.Sprintf("/volumes/%d/%d/%s", b.Ordinal, v.Number, v.Name)
			if !strings.Contains(page, `href="`+path+`"`) || !strings.Contains(page, fmt.Sprintf("%d bytes", v.Size)) {
				t.Errorf("volume %s is not listed", v.Name)
			}
			whole := w.volume(b.Number, v)
			w.checkRanges(path, v.Name, v.Name, whole)
			all = append(all, whole...)
		}
	}
	if !strings.Contains(page, "None is missing in between.") {
		t.Error("the page does not say that the list is complete")
	}
	path := w.everythingAfter("0")
	parts := strings.Split(path, "/")
	w.checkRanges(path, parts[5], parts[4], all)
	for _, path := range []string{
		"/nowhere", "/volumes/9/1/x", "/volumes/1/9/x", "/volumes/1/1/wrong", "/volumes/99999999999999999999/1/x",
		"/after/0/99999999999999999999/x/y", "/after/2/1/x/y", "/after/1", "/after/x/2/y/z",
	} {
		if r, b := w.getExchange(path); r.StatusCode != 404 || !strings.Contains(b, "There is no such page or file") {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

// asked is the answer to a number typed into the exchange's form, whose redirect is not followed.
func (w *world) asked(address, n string) (*http.Response, string) {
	w.t.Helper()
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := c.Get(address + "/after?" + url.Values{"n": {n}}.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(b) > 0 {
		w.checkExchange(b)
	}
	return r, string(b)
}

// everythingAfter is the path to which the exchange leads who asks for it.
func (w *world) everythingAfter(n string) string {
	w.t.Helper()
	r, page := w.asked(w.exch, n)
	if r.StatusCode != http.StatusSeeOther || page != "" {
		w.t.Fatalf("everything after %s: %d %s", n, r.StatusCode, page)
	}
	return r.Header.Get("Location")
}

// A download that breaks off, at any byte and again and again, is resumed to the bytes that
// one without a break has, also when batches come meanwhile.
func TestEverythingAfterIsResumed(t *testing.T) {
	w := newWorld(t)
	w.batchWithFile()
	path := w.everythingAfter("0")
	_, whole := w.getExchange(path)
	rapid.Check(t, func(t *rapid.T) {
		var got []byte
		tag := ""
		for breaks := rapid.IntRange(1, 4).Draw(t, "breaks"); len(got) < len(whole); breaks-- {
			r, err := http.NewRequest(http.MethodGet, w.exch+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := http.StatusOK
			if tag != "" {
				r.Header.Set("Range", fmt.Sprintf("bytes=%d-", len(got)))
				r.Header.Set("If-Range", tag)
				want = http.StatusPartialContent
			}
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			cut := int64(len(whole))
			if breaks > 0 {
				cut = rapid.Int64Range(1, cut).Draw(t, "until it breaks off")
			}
			b, err := io.ReadAll(io.LimitReader(a.Body, cut))
			a.Body.Close() // also in the midst: the line is gone
			if tag = a.Header.Get("ETag"); err != nil || a.StatusCode != want || tag == "" {
				t.Fatalf("status %d, tag %q, %v", a.StatusCode, tag, err)
			}
			got = append(got, b...)
		}
		if string(got) != whole {
			t.Fatal("other bytes than without a break")
		}
	})
	w.release(crypto.LaneRegular)
	if r, again := w.getExchange(path); r.StatusCode != 200 || again != whole {
		t.Errorf("with a batch more: %d, %d bytes", r.StatusCode, len(again))
	}
	if next := w.everythingAfter("2"); !strings.HasPrefix(next, "/after/2/3/") {
		t.Errorf("the batch that came is %s", next)
	}
}

// What is not there is said: in words, by status, and the same for every holder.
func TestEverythingAfterRefuses(t *testing.T) {
	w := newWorld(t)
	says := func(address, n string, status int, words string) {
		t.Helper()
		if r, page := w.asked(address, n); r.StatusCode != status || !strings.Contains(page, words) {
			t.Errorf("after %q: %d\n%s", n, r.StatusCode, page)
		}
	}
	says(w.exch, "0", 404, "0 is the newest number")
	w.release(crypto.LaneRegular, crypto.LaneUrgent, crypto.LaneRegular)
	says(w.exch, "3", 404, "3 is the newest number")
	says(w.exch, " 4 ", 404, "the newest is 3")
	for _, n := range []string{"", "x", "-1", "1.5", "1e3", "99999999999999999999", "١٢x"} {
		says(w.exch, n, 400, "no number of a batch")
	}
	for _, n := range []string{"1", " 1", "١", "۱", "0001"} {
		if path := w.everythingAfter(n); !strings.HasPrefix(path, "/after/1/3/") {
			t.Errorf("after %q: %s", n, path)
		}
	}
	// Another night, and what lies above is served no more under the same name.
	before := w.everythingAfter("0")
	status, said, nights := 200, "", 0
	for ; nights < 20 && status == 200; nights++ { // which entries are ever exchanged is drawn: perhaps none
		w.in.Night()
		r, page := w.getExchange(before)
		status, said = r.StatusCode, page
	}
	if status != 200 && (status != 404 || !strings.Contains(said, "not the same any more")) {
		t.Errorf("after nights: %d", status)
	}
	// Two months on, the oldest have ended; a file that named them has, too.
	w.advance(time.Duration(53-nights) * 24 * time.Hour)
	w.release(crypto.LaneRegular)
	before = w.everythingAfter("0")
	w.advance(9 * 24 * time.Hour)
	w.in.Night()
	if path := w.everythingAfter("0"); !strings.HasPrefix(path, "/after/0/4/") || !strings.HasSuffix(path, "-000004-to-000004.batches") {
		t.Errorf("when three have ended: %s", path)
	}
	if r, page := w.getExchange(before); r.StatusCode != 404 || !strings.Contains(page, "not the same any more") {
		t.Errorf("a file that named them: %d", r.StatusCode)
	}
	// A server that was restored counts anew.
	w.in.Options.Instance = crypto.InstanceID{2}
	w.in.Restart()
	w.service = w.in.Service
	restored := serve(t, Exchange(ExchangeOptions{Service: w.service, Log: w.log}))
	w.release(crypto.LaneRegular)
	says(restored, "4", 404, "counts anew: please ask for everything after 0")
	if r, _ := w.asked(restored, "0"); !strings.HasPrefix(r.Header.Get("Location"), "/after/0/1/") {
		t.Errorf("in another life: %s", r.Header.Get("Location"))
	}
}

// Every holder gets the same bytes, whether something in them is for them or not.
func TestEverythingAfterIsTheSameForAll(t *testing.T) {
	w := newWorld(t)
	w.batchWithFile()
	path := w.everythingAfter("0")
	r, whole := w.getExchange(path)
	other := serve(t, Exchange(ExchangeOptions{Service: w.service, Holder: "Somebody else", Log: w.log}))
	a, err := http.Get(other + path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if b, err := io.ReadAll(a.Body); err != nil || string(b) != whole || fmt.Sprint(a.Header) != fmt.Sprint(r.Header) {
		t.Errorf("another holder gets others: %v", err)
	}
}

// The pages are in the languages of the desk: by the address, or as the browser prefers.
func TestExchangeLanguages(t *testing.T) {
	w := newWorld(t)
	w.batchWithFile()
	for _, lang := range exchangeLanguages() {
		e := w.exchange(lang)
		for _, way := range []string{"address", "wish"} {
			path, head := "/", lang+", en;q=0.5"
			if way == "address" {
				path, head = "/"+lang+"/", "de"
			}
			r, err := http.NewRequest(http.MethodGet, w.exch+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Language", head)
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(a.Body)
			a.Body.Close()
			page := string(b)
			if err != nil || !strings.Contains(page, fmt.Sprintf(`<html lang="%s" dir="%s">`, lang, e.words.Dir)) ||
				!strings.Contains(page, e.words.Word("exchange.after")) || strings.Contains(page, `"~/`) {
				t.Errorf("%s by %s is another page", lang, way)
			}
			if read := strings.Contains(page, e.words.Word("language.unreviewed")); read != (e.words.Reviewed == "") {
				t.Errorf("%s: says that nobody read it: %v", lang, read)
			}
			prefix := strings.TrimSuffix(path, "/")
			for _, to := range []string{"/after", "/bundle"} {
				if !strings.Contains(page, `action="`+prefix+to+`"`) {
					t.Errorf("%s by %s: no form to %s%s", lang, way, prefix, to)
				}
			}
			if !strings.Contains(page, `href="`+prefix+"/volumes/") {
				t.Errorf("%s by %s: no link to volumes", lang, way)
			}
			for _, other := range exchangeLanguages() {
				if offered := strings.Contains(page, `href="/`+other+`/" lang`); offered != (other != lang) {
					t.Errorf("%s offers %s: %v", lang, other, offered)
				}
			}
		}
		r, _ := w.asked(w.exch+"/"+lang, "0")
		if to := r.Header.Get("Location"); !strings.HasPrefix(to, "/"+lang+"/after/0/2/") {
			t.Errorf("%s leads to %s", lang, to)
		}
		_, page := w.asked(w.exch+"/"+lang, "2")
		if says, _, _ := strings.Cut(e.words.Word("refused.nothing"), "{"); !strings.Contains(page, says) {
			t.Errorf("%s refuses in another language", lang)
		}
	}
}

// checkRanges asks for parts of a file of the exchange.
func (w *world) checkRanges(path, name, tag string, whole []byte) {
	w.t.Helper()
	n := int64(len(whole))
	tag = `"` + tag + `"`
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
		if d := r.Header.Get("Content-Disposition"); d != `attachment; filename="`+name+`"` {
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
	if !strings.Contains(page, "The bundle is stored.") {
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

// handInAll hands in several files with one form.
func (w *world) handInAll(body io.Reader) (int, string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.exch+"/bundle", body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r.Header.Set("Origin", w.exch)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.checkExchange(b)
	return a.StatusCode, string(b)
}

// Several bundles in one form, one of them damaged: the others are stored, each is
// answered for itself, and what they hold reaches its sources.
func TestExchangeTakesManyBundles(t *testing.T) {
	w := newWorld(t)
	var bundles []string
	var codes []string
	for i := range 3 {
		codes = append(codes, w.report(fmt.Sprintf("report %d", i)).code())
		for _, m := range w.fetchAll("audit") {
			if m.Meta.Kind == crypto.KindReport {
				b := w.bundle(w.in.ReplyWith("audit", m.Read, func(x *crypto.Message) { x.Text = fmt.Sprintf("answer %d", i) }, nil))
				bundles = append(bundles, string(b))
			}
		}
	}
	damaged := []byte(bundles[1])
	damaged[len(damaged)/2] ^= 1
	waits := func(i int) bool {
		p := w.enter(codes[i])
		return len(find(p.doc, "form")) > 0 && strings.Contains(p.body, `action="/reply"`)
	}
	status, page := w.handInAll(strings.NewReader(filePart("one.bundle", bundles[0]) + filePart("two <b>.bundle", string(damaged)) +
		filePart("", "") + filePart("three.bundle", bundles[2]) + filePart("one.bundle", bundles[0]) + lastPart))
	receipts := strings.Count(page, `class="receipt"`)
	if status != 400 || receipts != 3 || strings.Count(page, "no complete bundle") != 1 || !strings.Contains(page, "Bundles stored: 3.") ||
		!strings.Contains(page, "two &lt;b&gt;.bundle") {
		t.Errorf("status %d, %d receipts:\n%s", status, receipts, page)
	}
	for i, want := range []bool{true, false, true} {
		if waits(i) != want {
			t.Errorf("an answer waits for source %d: %v, want %v", i, !want, want)
		}
	}
	// The damaged one once more, whole, with one that the line cuts.
	body := filePart("two.bundle", bundles[1]) + filePart("one.bundle", bundles[0])
	status, page = w.handInAll(strings.NewReader(body[:len(body)-1000]))
	if status != 400 || strings.Count(page, `class="receipt"`) != 1 || strings.Count(page, "connection broke off") != 1 || !waits(1) {
		t.Errorf("with a cut one behind: status %d:\n%s", status, page)
	}
	if status, page = w.handInAll(strings.NewReader(filePart("", "") + lastPart)); status != 400 || !strings.Contains(page, "No file was chosen") {
		t.Errorf("none: status %d", status)
	}
	many := strings.Repeat(filePart("x.bundle", "x"), bundlesInOne+5)
	if status, page = w.handInAll(strings.NewReader(many + lastPart)); status != 400 || strings.Count(page, "no complete bundle") != bundlesInOne || strings.Count(page, "more than 32 files") != 1 {
		t.Errorf("too many: status %d:\n%s", status, page)
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
	e := w.exchange("en")
	day := crypto.DayOf(noon)
	v := e.batchesView([]intake.BatchInfo{
		{Number: 52, Ordinal: 12, Day: day}, {Number: 51, Ordinal: 11, Day: day, Lane: crypto.LaneUrgent}, {Number: 49, Ordinal: 9, Day: day - 1}, {Number: 45, Ordinal: 5, Day: day - 1},
		{Number: 40, Ordinal: 40, Day: day - 1}, // of before the server was restored
	})
	if v.Oldest != 5 || v.Newest != 12 || v.Missing != "10, 6 to 8" || len(v.Days) != 2 || !v.Days[0].Open || v.Days[1].Open {
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
