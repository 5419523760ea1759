package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postern/intake/onion/tortest"
	"postern/web/visitor"
)

// body is one institution of the demonstration, with one holder.
type body struct {
	id, kind, name string
	exchange       string   // http://….onion
	fetched        []string // the newest volumes
	visitor        *visitor.Visitor
}

var bodies = []*body{
	{id: "ombuds", kind: "ombuds", name: "Ombuds Institution for the Armed Forces"},
	{id: "audit", kind: "audit", name: "Court of Audit"},
	{id: "ngo", kind: "civil-society", name: "Rights Watch Association"},
}

const leftOut = "ngo" // the source unticks it

const (
	narrative = "On 14 November recruits of the third company were beaten in the storage hall."
	answer    = "Thank you. We opened an inquiry. Is anybody still in danger?"
	followUp  = "The same sergeant is on duty again on Friday."
)

// play goes through the acts; each returns an error when what it must show does not hold.
func (s *stage) play(ctx context.Context) error {
	fmt.Fprintf(s.out, `Postern, one report all the way. On this machine alone: a private Tor network on
loopback, the real server, three reviewers' desks. Nothing leaves the machine.
Takes about two minutes and 100 MB in %s, removed at the end.
`, s.dir)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	d := &drama{stage: s}
	for _, act := range []func(context.Context) error{
		d.network, d.enrolment, d.opening, d.report, d.batches, d.desks, d.reply, d.inbox, d.traces,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.out, "\nAll of it held. %.0f s, %.0f MB on the disk.\n", time.Since(s.start).Seconds(), float64(size(s.dir))/1e6)
	if s.keep {
		d.howToReach()
	}
	return nil
}

// drama is what the acts share.
type drama struct {
	*stage
	socks   map[string]string // SOCKS ports: "source" and each body's
	address string
	code    string
	files   []string // of the report
	caseID  string   // as the ombuds desk calls it
	answer  string   // the file that comes with the reply
}

func (d *drama) network(ctx context.Context) (err error) {
	d.say("A private Tor network of real tor processes")
	started := time.Now()
	d.net, err = tortest.Start(ctx, tortest.Config{Dir: d.path("tor"), Progress: func(p string) {
		d.proof("%3.0f s  %s", time.Since(started).Seconds(), p)
	}})
	return err
}

func (d *drama) enrolment(ctx context.Context) error {
	d.say("The directory: a root key signs who may read")
	pass := make([]byte, 16)
	_, _ = rand.Read(pass)
	if err := os.WriteFile(d.path("passphrase"), []byte(hex.EncodeToString(pass)+"\n"), 0o600); err != nil {
		return err
	}
	made, err := d.postern(ctx, "init", "--name", "demo", "--slots", "8")
	if err != nil {
		return err
	}
	if d.address = onionIn(string(made)); d.address == "" {
		return fmt.Errorf("init named no address:\n%s", made)
	}
	if err := d.configure(); err != nil {
		return err
	}
	out, err := d.program(ctx, "postern-desk", "root", "init", "--name", "demo", "--out", d.path("root.key"), "--passphrase-file", d.path("passphrase"))
	if err != nil {
		return err
	}
	root := rootKey(string(out))
	if root == "" {
		return fmt.Errorf("root init named no key:\n%s", out)
	}
	d.proof("root key made: %s…", root[:20])
	for _, b := range bodies {
		if err := d.enrol(ctx, b); err != nil {
			return err
		}
	}
	if _, err := d.program(ctx, "postern-desk", "root", "sign", d.path("server", "proposal.txt"), "--key", d.path("root.key"),
		"--out", d.path("directory.note"), "--passphrase-file", d.path("passphrase"), "--yes"); err != nil {
		return err
	}
	if _, err := d.postern(ctx, "directory", "install", d.path("directory.note"), "--root", root); err != nil {
		return err
	}
	for _, b := range bodies {
		if _, err := d.desk(ctx, b.id, "directory", d.path("directory.note"), "--root", root, "--yes"); err != nil {
			return err
		}
	}
	d.proof("directory signed offline, installed on the server, accepted by three desks")
	return nil
}

// rootKey finds the public key in what root init printed: name+hash+base64.
func rootKey(out string) string {
	for _, f := range strings.Fields(out) {
		if strings.HasPrefix(f, "demo+") {
			return f
		}
	}
	return ""
}

// configure gives the server's tor the private network's lines, and the
// server a folder in memory for its sockets and the key of open forms.
func (d *drama) configure() error {
	path := d.path("server", "postern.conf")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var lines []string
	for l := range strings.Lines(d.net.Torrc()) {
		lines = append(lines, fmt.Sprintf("%q", strings.TrimRight(l, "\n")))
	}
	if d.run, err = os.MkdirTemp(memoryDir(), "postern-demo-"); err != nil {
		return err
	}
	conf := string(b)
	for _, change := range [][2]string{
		{"torrc = []", "torrc = [" + strings.Join(lines, ", ") + "]"},
		{`run = ""`, fmt.Sprintf("run = %q", d.run)},
	} {
		if strings.Count(conf, change[0]) != 1 {
			return fmt.Errorf("postern.conf holds %q not once", change[0])
		}
		conf = strings.Replace(conf, change[0], change[1], 1)
	}
	return os.WriteFile(path, []byte(conf), 0o600)
}

func (d *drama) enrol(ctx context.Context, b *body) error {
	holder := b.id + "-1"
	if _, err := d.desk(ctx, b.id, "init", "--body", b.id, "--holder", holder); err != nil {
		return err
	}
	var card struct {
		Phrase []string `json:"phrase"`
	}
	if err := d.deskJSON(ctx, &card, b.id, "card", "--out", d.path(b.id+".card")); err != nil {
		return err
	}
	out, err := d.postern(ctx, "reviewer", "add", d.path(b.id+".card"), "--kind", b.kind, "--name", "en="+b.name,
		"--mandate", "en=Handles complaints about security institutions", "--phrase", strings.Join(card.Phrase, " "))
	if err != nil {
		return err
	}
	for _, f := range strings.FieldsFunc(string(out), func(r rune) bool { return strings.ContainsRune(" \n\t,;()", r) }) {
		if host := strings.TrimSuffix(strings.TrimPrefix(f, "http://"), "."); strings.HasSuffix(host, ".onion") {
			b.exchange = "http://" + host
		}
	}
	if b.exchange == "" {
		return fmt.Errorf("reviewer add named no address:\n%s", out)
	}
	auth := d.path("auth-" + b.id)
	if err := os.Mkdir(auth, 0o700); err != nil {
		return err
	}
	if _, err := d.desk(ctx, b.id, "access", strings.TrimPrefix(b.exchange, "http://"), "--to", filepath.Join(auth, b.id+".auth_private")); err != nil {
		return err
	}
	d.proof("%s enrolled; card phrase %q compared", b.id, strings.Join(card.Phrase, " "))
	return nil
}

func (d *drama) opening(ctx context.Context) error {
	d.say("The server publishes its onions")
	if err := d.serve(); err != nil {
		return err
	}
	if err := d.published(ctx); err != nil {
		return err
	}
	d.proof("for sources: http://%s", d.address)
	d.socks = map[string]string{}
	for _, who := range append([]string{"source"}, ids()...) {
		auth := ""
		if who != "source" {
			auth = d.path("auth-" + who)
		}
		c, err := d.net.Client(ctx, who, auth)
		if err != nil {
			return err
		}
		d.socks[who] = c.SOCKS()
	}
	stranger := visitor.New(d.browser("source", "stranger"), bodies[0].exchange)
	if err := stranger.Get("/"); err == nil {
		return errors.New("a stranger reached a reviewer's exchange")
	}
	d.proof("%d private exchanges; without a reviewer's key tor does not even find them", len(bodies))
	return nil
}

// browser is somebody's connection to the Tor network: another name, another circuit.
func (d *drama) browser(who, circuit string) *http.Client {
	return tortest.HTTP(d.socks[who], circuit)
}

func ids() (list []string) {
	for _, b := range bodies {
		list = append(list, b.id)
	}
	return list
}

// onionIn finds the first v3 address in a text.
func onionIn(s string) string {
	i := strings.Index(s, ".onion")
	if i < 56 {
		return ""
	}
	return s[i-56 : i+len(".onion")]
}

func (d *drama) report(context.Context) error {
	d.say("A source reports, with two files, and leaves one body out")
	for name, n := range map[string]int{"duty-roster.csv": 40_000, "hall-camera.mp4": 3_000_000} {
		b := make([]byte, n)
		_, _ = rand.Read(b)
		copy(b, "demonstration evidence, "+name)
		p := d.path(name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			return err
		}
		d.files = append(d.files, p)
	}
	slices.Sort(d.files)
	v := visitor.New(d.browser("source", "source"), "http://"+d.address)
	var sizes []int
	for _, page := range []string{"/", "/report"} {
		if err := v.Get(page); err != nil {
			return err
		}
		sizes = append(sizes, v.Size)
	}
	if err := v.Submit("/report", 1, "text="+narrative, "-body="+leftOut, "file=@"+d.files[0], "file=@"+d.files[1]); err != nil {
		return err
	}
	sizes = append(sizes, v.Size)
	code, err := v.Code()
	if err != nil {
		return err
	}
	d.code = code
	if err := v.Submit("/code", 1, "code="+strings.ToUpper(code)); err != nil {
		return err
	}
	sizes = append(sizes, v.Size)
	if v.Status != 200 || slices.Min(sizes) != slices.Max(sizes) {
		return fmt.Errorf("status %d, page sizes %v: %s", v.Status, sizes, v.Text())
	}
	for _, f := range d.files {
		sum, n, err := hashFile(f)
		if err != nil {
			return err
		}
		d.proof("sent %s, %d bytes, SHA-256 %s…", filepath.Base(f), n, sum[:16])
	}
	d.proof("received; the code was shown once and typed back: nine words, %d letters", len(code))
	d.proof("every page had %d bytes, with scripts off and no cookie", sizes[0])
	return nil
}

func (d *drama) batches(ctx context.Context) error {
	d.say("Each reviewer fetches the batch over their own onion")
	if _, err := d.postern(ctx, "release"); err != nil {
		return err
	}
	var volumes []int64
	for _, b := range bodies {
		news, err := d.fetch(b)
		if err != nil {
			return fmt.Errorf("%s: %w", b.id, err)
		}
		b.fetched = news
		n := int64(0)
		for _, p := range news {
			n += size(p)
		}
		volumes = append(volumes, n)
		d.proof("%-7s fetched %d volumes, %d bytes", b.id, len(news), n)
	}
	if slices.Min(volumes) != slices.Max(volumes) {
		return errors.New("the batches of two reviewers differ in size")
	}
	d.proof("the same bytes for all: a batch does not show whom a report is for")
	return nil
}

// fetch saves the volumes that a body does not have yet on its stick.
func (d *drama) fetch(b *body) (news []string, err error) {
	b.visitor = visitor.New(d.browser(b.id, b.id), b.exchange)
	if err := b.visitor.Get("/"); err != nil {
		return nil, err
	}
	stick := d.path("stick-" + b.id)
	if err := os.MkdirAll(stick, 0o700); err != nil {
		return nil, err
	}
	for _, l := range slices.Compact(slices.Sorted(slices.Values(b.visitor.Links(".batch")))) {
		if _, err := os.Stat(filepath.Join(stick, filepath.Base(l))); err == nil {
			continue
		}
		p, err := b.visitor.Save(l, stick)
		if err != nil {
			return nil, err
		}
		news = append(news, p)
	}
	if len(news) == 0 {
		return nil, fmt.Errorf("no new batch on the page: %s", b.visitor.Text())
	}
	return news, nil
}

// imported is what `postern-desk import --json` says.
type imported struct {
	Volumes []struct {
		New   int      `json:"new"`
		Cases []string `json:"cases"`
	} `json:"volumes"`
}

// open imports volumes at a body's desk and returns how many messages they
// brought, and of which cases.
func (d *drama) open(ctx context.Context, b *body, volumes []string) (n int, cases []string, err error) {
	var done imported
	if err := d.deskJSON(ctx, &done, b.id, append([]string{"import"}, volumes...)...); err != nil {
		return 0, nil, err
	}
	for _, i := range done.Volumes {
		n += i.New
		cases = append(cases, i.Cases...)
	}
	slices.Sort(cases)
	return n, slices.Compact(cases), nil
}

func (d *drama) desks(ctx context.Context) error {
	d.say("Offline desks open what is for them")
	for _, b := range bodies {
		n, cases, err := d.open(ctx, b, b.fetched)
		if err != nil {
			return err
		}
		switch {
		case b.id == leftOut && n != 0:
			return fmt.Errorf("%s was left out and opened %d messages", b.id, n)
		case b.id == leftOut:
			d.proof("%-7s was left out: it opened nothing and learns nothing of the report", b.id)
		case n != 3 || len(cases) != 1:
			return fmt.Errorf("%s opened %d messages instead of 3", b.id, n)
		default:
			d.caseID = cases[0]
			d.proof("%-7s opened 3 messages: the report and two files", b.id)
		}
	}
	shown, err := d.words(ctx, bodies[0].id, d.caseID)
	if err != nil {
		return err
	}
	if !strings.Contains(shown, narrative) {
		return fmt.Errorf("the desk does not show the report:\n%s", shown)
	}
	d.proof("the desk shows: %q", narrative)
	out := d.path("extracted")
	if _, err := d.desk(ctx, bodies[0].id, "dossier", d.caseID, "--to", out); err != nil {
		return err
	}
	got := map[string]bool{}
	err = filepath.WalkDir(out, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		sum, _, err := hashFile(path)
		got[sum] = true
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range d.files {
		sum, _, err := hashFile(f)
		if err != nil {
			return err
		}
		if !got[sum] {
			return fmt.Errorf("%s did not arrive as it was sent", filepath.Base(f))
		}
	}
	d.proof("both files arrived as they were sent: same SHA-256")
	return nil
}

func (d *drama) reply(ctx context.Context) error {
	d.say("The ombuds institution answers, with a file")
	d.answer = d.path("receipt.txt")
	text := d.path("answer.txt")
	if err := errors.Join(os.WriteFile(text, []byte(answer), 0o600), os.WriteFile(d.answer, []byte("Receipt 1\n"), 0o600)); err != nil {
		return err
	}
	bundle, n, err := d.send(ctx, bodies[0], d.caseID, "--text", text, "--file", d.answer)
	if err != nil {
		return err
	}
	d.proof("bundle %s of %d bytes handed in; the server confirmed it", bundle, n)
	return nil
}

// send writes a reply at a body's desk and hands its bundle in.
func (d *drama) send(ctx context.Context, b *body, id string, words ...string) (bundle string, bytes int64, err error) {
	if _, err := d.desk(ctx, b.id, append([]string{"reply", id, "--yes"}, words...)...); err != nil {
		return "", 0, err
	}
	var bundles []struct {
		ID   string `json:"id"`
		Path string `json:"file"`
	}
	stick := d.path("stick-" + b.id)
	if err := d.deskJSON(ctx, &bundles, b.id, "export", "--to", stick); err != nil {
		return "", 0, err
	}
	if len(bundles) != 1 {
		return "", 0, fmt.Errorf("%d bundles for one reply", len(bundles))
	}
	file := filepath.Join(stick, filepath.Base(bundles[0].Path))
	if err := b.visitor.Get("/"); err != nil {
		return "", 0, err
	}
	if err := b.visitor.Submit("/bundle", 1, "file=@"+file); err != nil {
		return "", 0, err
	}
	if b.visitor.Status != http.StatusOK || !strings.Contains(b.visitor.Text(), bundles[0].ID) {
		return "", 0, fmt.Errorf("the exchange did not confirm bundle %s: %s", bundles[0].ID, b.visitor.Text())
	}
	return bundles[0].ID, size(file), nil
}

func (d *drama) inbox(context.Context) error {
	d.say("The source comes back with the code, on a new circuit")
	v := visitor.New(d.browser("source", "source, another day"), "http://"+d.address)
	if err := v.Get("/inbox"); err != nil {
		return err
	}
	words := strings.Fields(d.code)
	meant := words[3]
	words[3] += "s" // one word mistyped
	if err := v.Submit("/inbox", 1, "code="+strings.Join(words, "-")); err != nil {
		return err
	}
	if !strings.Contains(v.Text(), "mean "+meant) {
		return fmt.Errorf("the mistyped code was not offered repaired: %s", v.Text())
	}
	d.proof("one mistyped word was repaired and shown for confirmation")
	if err := v.Submit("/inbox", 1); err != nil {
		return err
	}
	if err := v.Submit("/reply", 1); err != nil {
		return err
	}
	if !strings.Contains(v.Text(), answer) || !strings.Contains(v.Text(), bodies[0].name) {
		return fmt.Errorf("the reply is not on the page: %s", v.Text())
	}
	d.proof("reply read: %q", answer)
	d.proof("signed by %s, verified against the directory", bodies[0].name)
	var archive bytes.Buffer
	if err := v.Download(&archive, "/download", 1); err != nil {
		return err
	}
	if err := sameInZip(archive.Bytes(), d.answer); err != nil {
		return err
	}
	d.proof("its file downloaded in an archive of %d bytes: same SHA-256", archive.Len())
	if err := v.Submit("/erase", 1); err != nil {
		return err
	}
	if err := v.Submit("/erased", 1); err != nil {
		return err
	}
	if v.Status != 200 {
		return fmt.Errorf("erasing: status %d: %s", v.Status, v.Text())
	}
	if err := v.Get("/inbox"); err != nil {
		return err
	}
	if err := v.Submit("/inbox", 1, "code="+d.code); err != nil {
		return err
	}
	if len(v.Links("")) == 0 || strings.Contains(v.Text(), "Reply 1") {
		return fmt.Errorf("the erased reply is still there: %s", v.Text())
	}
	d.proof("erased: the inbox is empty again")
	if err := v.Submit("/message", 1, "text="+followUp); err != nil {
		return err
	}
	if v.Status != 200 {
		return fmt.Errorf("follow-up: status %d: %s", v.Status, v.Text())
	}
	d.proof("a follow-up was sent with the same code")
	return nil
}

func sameInZip(archive []byte, path string) error {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return err
	}
	f, err := z.Open(filepath.Base(path))
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	want, _, err := hashFile(path)
	if err == nil && hex.EncodeToString(h.Sum(nil)) != want {
		err = errors.New("the reply's file differs")
	}
	return err
}

func (d *drama) traces(ctx context.Context) error {
	d.say("What the server's disk knows")
	if _, err := d.postern(ctx, "vacuum"); err != nil {
		return err
	}
	markers := map[string]string{
		"the report": narrative, "the reply": answer, "the follow-up": followUp, "the code": d.code,
	}
	for _, f := range d.files {
		markers["the name "+filepath.Base(f)] = filepath.Base(f)
		markers["the content of "+filepath.Base(f)] = "demonstration evidence, " + filepath.Base(f)
	}
	// The searcher must be able to find: it finds the report where a desk extracted it.
	if _, found, err := search(markers, d.path("extracted")); err != nil || len(found) == 0 {
		return fmt.Errorf("the search finds nothing where something is: %w", err)
	}
	n, found, err := search(markers, d.path("server"), d.path("server.log"))
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("found on the server's disk: %s", strings.Join(found, "; "))
	}
	d.proof("%d markers (texts, code, file names, contents) looked for in %d files, %.1f MB: none found",
		len(markers), n, float64(size(d.path("server")))/1e6)
	if _, err := d.postern(ctx, "check"); err != nil {
		return err
	}
	d.proof("postern check verified every record and cell")
	return nil
}

// howToReach tells a person with a browser how to get in.
func (d *drama) howToReach() {
	fmt.Fprintf(d.out, `
To look at it with a browser on this machine:
  Firefox, Settings, Network: SOCKS v5 host %s, "Proxy DNS when using SOCKS v5";
  in about:config set network.dns.blockDotOnion to false.
  Sources' pages: http://%s
  The code of this report: %s
`, d.socks["source"], d.address, d.code)
	for _, b := range bodies {
		fmt.Fprintf(d.out, "  Exchange of %s: %s through SOCKS %s\n", b.id, b.exchange, d.socks[b.id])
	}
	fmt.Fprintf(d.out, `To look into a desk or the server:
  %s list --vault %s --passphrase-file %s
  %s status --dir %s
`, filepath.Join(d.bin, "postern-desk"), d.path("desk-"+bodies[0].id), d.path("passphrase"),
		filepath.Join(d.bin, "postern"), d.path("server"))
}
