package main

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/cmd/scantest"
	"postern/web/browsertest"
)

// play is the second report in the demonstration's network: a person's, with
// a browser. Everything in it is marked, so that it can be searched for.
type play struct {
	demo *demo
	d    *drama // the acts, on the demonstration's own stage

	textMark, fileMark, nameMark, replyMark, receiptMark string
	code                                                 string
}

func token() string {
	b := make([]byte, 9)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// newPlay reads off what the demonstration tells a person with a browser.
func newPlay(t *testing.T, d *demo) *play {
	t.Helper()
	said := d.out.String()
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(said)
		if m == nil {
			t.Fatalf("it does not say %s", pattern)
		}
		return m[1]
	}
	p := &play{demo: d, textMark: token(), fileMark: token(), nameMark: token(), replyMark: token(), receiptMark: token()}
	p.d = &drama{
		stage:   &stage{dir: d.dir, bin: programs, out: io.Discard},
		socks:   map[string]string{"source": find(`SOCKS v5 host ([\d.:]+),`)},
		address: find(`Sources' pages: http://(\S+)`),
		code:    find(`The code of this report: ([a-z ]+)`),
	}
	for _, b := range bodies {
		b.exchange = find(`Exchange of ` + b.id + `: (\S+)`)
		p.d.socks[b.id] = find(`Exchange of ` + b.id + `: \S+ through SOCKS (\S+)`)
	}
	return p
}

// marked is n bytes of text in which a mark stands again and again.
func marked(mark string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%s, said %d times over. ", mark, i)
	}
	return b.String()[:n]
}

// tab drives one browser and fails the test where a page is not what it should be.
type tab struct {
	*testing.T
	f *browsertest.Firefox
}

func openTab(t *testing.T, o browsertest.Options) *tab {
	t.Helper()
	o.Width, o.Height = 1000, 700
	return &tab{t, browsertest.OpenFirefox(t, o)}
}

func (b *tab) must(errs ...error) {
	b.Helper()
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// page waits for the page of a heading, keeps its picture, and looks for what
// no page may have. It returns the page's text.
func (b *tab) page(name, heading string) string {
	b.Helper()
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got, err := b.f.Text("h1")
		if err == nil && got == heading {
			break
		}
		if time.Now().After(end) {
			all, _ := b.f.Text("body")
			b.Fatalf("no page %q but:\n%s", heading, all)
		}
	}
	html, err := b.f.HTML()
	b.must(err)
	html = strings.Replace(html, `<link rel="icon" href="data:,">`, "", 1) // keeps browsers from asking for one
	for _, never := range []string{"<script", "<img", "<link", "<iframe", " src=", " onclick", "javascript:"} {
		if strings.Contains(html, never) {
			b.Errorf("page %q holds %s", heading, never)
		}
	}
	picture, err := b.f.Screenshot(true)
	b.must(err)
	const dir = "../../screenshots"
	b.must(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
	text, err := b.f.Text("main")
	b.must(err)
	return text
}

// shows fails when a text lacks something.
func (b *tab) shows(text string, want ...string) {
	b.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			b.Errorf("the page lacks %q:\n%s", w, text)
		}
	}
}

// browser walks the whole way as a source with Tor Browser at its safest
// level; what reviewers do meanwhile are the demonstration's own acts.
func (p *play) browser(t *testing.T) {
	ctx, d, ombuds := t.Context(), p.d, bodies[0]
	way := listenSOCKS(t, d.socks["source"])
	down := filepath.Join(t.TempDir(), "downloads")
	b := openTab(t, browsertest.Options{SOCKS: way.address(), Downloads: down})
	b.must(os.MkdirAll(down, 0o700))
	evidence := filepath.Join(t.TempDir(), "list-"+p.nameMark+".csv")
	b.must(os.WriteFile(evidence, []byte(marked(p.fileMark, 300_000)), 0o600))
	narrative := marked(p.textMark, 2000)

	// The report.
	b.must(b.f.Go("http://" + d.address + "/"))
	b.shows(b.page("1-start", "Report abuse to people outside the institution"), bodies[0].name, bodies[1].name, bodies[2].name)
	b.must(b.f.Click("main a[href='/report']"))
	b.page("2-report", "Your report")
	b.must(b.f.Keys("#text", narrative), b.f.Click("#body-"+leftOut), b.f.Keys("input[type=file]", evidence))
	b.must(b.f.Click("main form button"))
	b.shows(b.page("3-code", "Received"), filepath.Base(evidence), bodies[0].name, bodies[1].name)
	shown, err := b.f.Text("ol.code")
	b.must(err)
	p.code = strings.Join(strings.Fields(shown), " ")
	if n := len(strings.Fields(p.code)); n != 9 {
		t.Fatalf("a code of %d words", n)
	}
	b.must(b.f.Keys("#code", strings.ToUpper(p.code)), b.f.Click("form[action='/code'] button"))
	b.page("4-kept", "You have your code")

	// Nothing waits yet.
	b.enter(d.address, p.code)
	b.shows(b.page("5-empty", "Your inbox"), "Nothing is waiting")

	// The reviewers' side.
	if _, err := d.postern(ctx, "release"); err != nil {
		t.Fatal(err)
	}
	caseID := ""
	for _, body := range bodies {
		volumes, err := d.fetch(body)
		b.must(err)
		_, cases, err := d.open(ctx, body, volumes)
		b.must(err)
		for _, id := range cases {
			words, err := d.words(ctx, body.id, id)
			b.must(err)
			switch mine := strings.Contains(words, p.textMark); {
			case mine && body.id == leftOut:
				t.Errorf("%s was left out and reads the report", body.id)
			case mine && !strings.Contains(words, narrative):
				t.Errorf("the report is not as it was typed:\n%s", words)
			case mine && body == ombuds:
				caseID = id
			}
		}
	}
	if caseID == "" {
		t.Fatal("the report did not arrive")
	}
	b.must(os.Mkdir(d.path("found"), 0o700))
	if _, err := d.desk(ctx, ombuds.id, "dossier", caseID, "--to", d.path("found")); err != nil {
		t.Fatal(err)
	}
	reply, receipt := d.path("reply.txt"), filepath.Join(t.TempDir(), "receipt.txt")
	b.must(os.WriteFile(reply, []byte("Thank you. "+marked(p.replyMark, 500)), 0o600))
	b.must(os.WriteFile(receipt, []byte(marked(p.receiptMark, 5000)), 0o600))
	if _, _, err := d.send(ctx, ombuds, caseID, "--text", reply, "--file", receipt); err != nil {
		t.Fatal(err)
	}

	// The source comes back.
	b.enter(d.address, p.code)
	b.page("6-inbox", "Your inbox")
	b.must(b.f.Click("form[action='/reply'] button"))
	b.shows(b.page("7-reply", "Reply"), p.replyMark, ombuds.name, "receipt.txt")
	b.must(b.f.Click("form[action='/download'] button"))
	var archive []byte
	for archive == nil {
		if got, err := os.ReadFile(filepath.Join(down, "files.zip")); err == nil && len(got) == 64<<10 {
			archive = got
		}
		if ctx.Err() != nil {
			t.Fatal("the reply's file did not come")
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.must(sameInZip(archive, receipt))
	b.must(b.f.Click("form[action='/erase'] button"))
	b.page("8-erase", "Erase this reply?")
	b.must(b.f.Click("form[action='/erased'] button"))
	b.page("9-erased", "Erased")
	b.must(b.f.Click("form[action='/inbox'] button"))
	b.shows(b.page("10-empty", "Your inbox"), "Nothing is waiting")

	// Firefox itself never saw anything but the onion.
	b.f.Close()
	hosts := way.hosts()
	if len(hosts) == 0 || slices.ContainsFunc(hosts, func(h string) bool { return h != d.address+":80" }) {
		t.Errorf("the browser asked for %q, not for the onion alone", hosts)
	}
}

// enter goes to the inbox with a code.
func (b *tab) enter(address, code string) {
	b.Helper()
	b.must(b.f.Go("http://" + address + "/inbox"))
	b.page("inbox-enter", "Read replies")
	b.must(b.f.Keys("#code", code), b.f.Click("main form button"))
}

// traces searches for everything that was sent, by the browser and by the
// demonstration's own visitor, at least a minute after the last request.
func (p *play) traces(t *testing.T) {
	d := p.d
	markers := []scantest.Marker{
		scantest.Bytes("the narrative", p.textMark), scantest.Bytes("the file", p.fileMark), scantest.Bytes("the file's name", p.nameMark),
		scantest.Bytes("the reply", p.replyMark), scantest.Bytes("the reply's file", p.receiptMark),
		scantest.Bytes("the first narrative", narrative[:40]), scantest.Bytes("the follow-up", followUp),
		scantest.Bytes("the first reply", answer[:30]), scantest.Bytes("the first file", "demonstration evidence"),
		scantest.Bytes("the first file's name", "hall-camera.mp4"),
	}
	for name, code := range map[string]string{"the code": p.code, "the first code": d.code} {
		m, err := scantest.Code(name, code)
		if err != nil {
			t.Fatal(err)
		}
		markers = append(markers, m...)
	}

	// Where they are, they are found: what the desk wrote out when it was asked to.
	found, _ := scantest.Files(t, markers, d.path("found"), d.path("extracted"))
	for _, want := range []string{"the file", "the file's name", "the first file"} {
		if !slices.ContainsFunc(found, func(f scantest.Finding) bool { return f.Marker == want }) {
			t.Errorf("%s is not found where it is", want)
		}
	}

	if _, err := d.postern(t.Context(), "vacuum"); err != nil {
		t.Fatal(err)
	}
	run := p.demo.sockets()
	found, files := scantest.Files(t, markers, d.path("server"), d.path("server.log"), d.path("tor"), run)
	for _, f := range found {
		t.Errorf("on the disk: %s", f)
	}
	t.Logf("%d files of the server, its tor and the network: %d findings", files, len(found))
	if files < 50 {
		t.Error("that is too few to have looked everywhere")
	}

	postern, tor := p.demo.server()
	for _, process := range []struct {
		name  string
		pid   int
		holds string // known to lie in its memory
	}{
		{"postern", postern, bodies[0].name},
		{"tor", tor, strings.TrimSuffix(d.address, ".onion")},
	} {
		known, _ := scantest.Memory(t, process.pid, []scantest.Marker{scantest.Bytes("known", process.holds)})
		if len(known) == 0 {
			t.Errorf("what is in the memory of %s is not found there", process.name)
		}
		found, size := scantest.Memory(t, process.pid, markers)
		t.Logf("memory of %s, %.0f MB: %d findings", process.name, float64(size)/1e6, len(found))
		times := map[string]int{}
		for _, f := range found {
			if times[f.Marker]++; times[f.Marker] <= 3 {
				t.Errorf("in the memory of %s: %s", process.name, f)
			}
		}
		if len(times) > 0 {
			t.Errorf("in the memory of %s, all: %v", process.name, times)
		}
	}
}

// socksTap passes a browser's connections on to tor and keeps what they ask for.
type socksTap struct {
	l   net.Listener
	to  string
	mu  sync.Mutex
	ask []string
}

func listenSOCKS(t *testing.T, to string) *socksTap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &socksTap{l: l, to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.pass(c)
		}
	}()
	return s
}

func (s *socksTap) address() string { return s.l.Addr().String() }

func (s *socksTap) hosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ask)
}

// pass reads along in the client's half of SOCKS 5 (RFC 1928) until the
// request, which names the host.
func (s *socksTap) pass(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", s.to)
	if err != nil {
		return
	}
	defer up.Close()
	go func() {
		defer c.Close()
		_, _ = io.Copy(c, up) // ends with either side
	}()
	in := bufio.NewReader(io.TeeReader(c, up))
	host, err := socksRequest(in)
	if err != nil {
		host = "not SOCKS: " + err.Error()
	}
	s.mu.Lock()
	s.ask = append(s.ask, host)
	s.mu.Unlock()
	_, _ = io.Copy(io.Discard, in)
}

func socksRequest(in io.Reader) (string, error) {
	read := func(n int) ([]byte, error) {
		b := make([]byte, n)
		_, err := io.ReadFull(in, b)
		return b, err
	}
	b, err := read(2)
	if err == nil {
		b, err = read(int(b[1])) // methods; the browser offers none but "no authentication"
	}
	if err != nil || slices.Contains(b, 2) {
		return "", fmt.Errorf("methods %v: %w", b, err)
	}
	if b, err = read(4); err != nil {
		return "", err
	}
	var host string
	switch b[3] {
	case 3:
		if b, err = read(1); err == nil {
			b, err = read(int(b[0]))
		}
		host = string(b)
	case 1, 4:
		b, err = read(map[byte]int{1: net.IPv4len, 4: net.IPv6len}[b[3]])
		host = net.IP(b).String()
	default:
		err = fmt.Errorf("address type %d", b[3])
	}
	if err != nil {
		return "", err
	}
	b, err = read(2)
	return fmt.Sprintf("%s:%d", host, binary.BigEndian.Uint16(append(b, 0, 0))), err
}

// tooLarge sends a file of the limit and 100 MB, which a browser must be let
// send to its end before it shows any answer.
func tooLarge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "preview")
	postern := filepath.Join(programs, "postern")
	var url string
	serve := func() (stop func()) {
		cmd := exec.Command(postern, "serve", "--preview", "127.0.0.1:0", "--dir", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := bufio.NewScanner(out)
		for url = ""; url == "" && said.Scan(); {
			_, after, _ := strings.Cut(said.Text(), "http://")
			url = after
		}
		if url == "" {
			t.Fatal("the preview names no address")
		}
		url = "http://" + url
		return func() {
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
			_ = cmd.Wait()
		}
	}
	serve()()
	conf := filepath.Join(dir, "postern.conf")
	c, err := os.ReadFile(conf)
	if err != nil || strings.Count(string(c), `file_size = "500MB"`) != 1 {
		t.Fatalf("no limit in the configuration: %v", err)
	}
	c = []byte(strings.Replace(string(c), `file_size = "500MB"`, `file_size = "20MB"`, 1))
	if err := os.WriteFile(conf, c, 0o600); err != nil {
		t.Fatal(err)
	}
	defer serve()()

	film := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(film, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(film, 120e6); err != nil {
		t.Fatal(err)
	}
	b := openTab(t, browsertest.Options{})
	b.must(b.f.Go(url + "/report"))
	b.page("20-preview", "Your report")
	b.must(b.f.Keys("#text", "Typed before the film."), b.f.Keys("input[type=file]", film), b.f.Click("main form button"))
	b.shows(b.page("21-too-large", "Received"), "It is larger than allowed.")
	if shown, err := b.f.Text("ol.code"); err != nil || len(strings.Fields(shown)) != 9 {
		t.Errorf("no code beside the refused file: %q, %v", shown, err)
	}
	// A form that cannot be taken comes back with what was typed, however much follows it.
	b.must(b.f.Go(url + "/report"))
	b.must(b.f.Keys("#text", "Typed and kept."), b.f.Keys("input[type=file]", film))
	boxes, err := b.f.FindAll("input[name=body]")
	b.must(err)
	for _, box := range boxes {
		if on, err := box.Selected(); err == nil && on {
			b.must(box.Click())
		}
	}
	b.must(b.f.Click("main form button"))
	for range 8 { // the page comes when all is sent; Find waits half a minute
		if _, err = b.f.Find("[role=alert]"); err == nil {
			break
		}
	}
	b.must(err)
	b.page("22-comes-back", "Your report")
	text, err := b.f.Find("#text")
	b.must(err)
	if got, err := text.Value(); err != nil || got != "Typed and kept." {
		t.Errorf("the text came back as %q, %v", got, err)
	}
}
