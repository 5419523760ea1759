package web

import (
	"archive/zip"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/crypto"
	"postern/intake"
	"postern/intake/form"
	"postern/web/visitor"
)

func TestTheWholeWay(t *testing.T) {
	w := newWorld(t)
	w.get("/").want(200, "Report abuse to people outside the institution").has("The ombuds office").has("Part of the chain")

	f := w.get("/report").form("/report")
	if got := f.values["body"]; !slices.Equal(got, []string{"ombuds", "audit", "press"}) {
		t.Fatalf("ticked at the start: %v", got)
	}
	f.set("text", "It <b>happened</b> & \"nobody\" cared.\nTwice.").set("body", "ombuds", "audit").
		set("q-topics", "crime", "corruption").set("q-place", "Barracks 5").set("q-commanders", "yes")
	f.file("plan.txt", strings.NewReader("the plan")).file(`C:\Users\me\list.txt`, strings.NewReader("the list"))
	p := f.send().want(200, "Received").has("plan.txt").has("list.txt").hasNot("Users").has("The audit office")
	code := p.code()
	if len(strings.Fields(code)) != 9 {
		t.Fatalf("a code of %d words", len(strings.Fields(code)))
	}

	p.form("/code").set("code", "wrong words").send().want(200, "Received").has("A code has nine words; 2 were read.")
	p.form("/code").set("code", strings.Join(crypto.NewCode().Words(), " ")).send().want(200, "Received").has("not the one shown here")
	kept := p.form("/code").set("code", strings.ToUpper(strings.ReplaceAll(code, " ", "-"))).send().want(200, "You have your code").hasNot(code)
	kept.form("/files").file("late.txt", strings.NewReader("late")).send().want(200, "Received").has("late.txt")
	kept.form("/files").send().want(200, "Not yet").has("No file was chosen yet.")
	// Sent again after the code was typed back: stored, not shown.
	again := f
	again.files = nil
	again.send().want(200, "Received already").hasNot(strings.Fields(code)[0] + "</li>")
	p.form("/code").set("code", "wrong").send().want(200, "Received already")

	inbox := w.enter(code).has("Nothing is waiting")
	if got := inbox.form("/message").values["body"]; !slices.Equal(got, []string{"ombuds", "audit"}) {
		t.Errorf("ticked at the next visit: %v", got)
	}

	got := w.fetch(crypto.LaneRegular, "ombuds")
	if len(w.open(1, "press")) > 0 {
		t.Error("a body that was not ticked reads")
	}
	var first *crypto.Read
	var files []string
	for _, m := range got {
		if m.Meta.Kind == crypto.KindReport {
			first = m.Read
		}
		for i, f := range m.Files {
			files = append(files, f.Name+"="+string(m.data[i]))
		}
	}
	if first == nil || first.Text != "It <b>happened</b> & \"nobody\" cared.\nTwice." || len(first.Answers) != 3 {
		t.Fatalf("the report did not arrive as written: %+v", first)
	}
	slices.Sort(files)
	if want := []string{"late.txt=late", "list.txt=the list", "plan.txt=the plan"}; !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}

	w.reply("ombuds", first, "We <i>read</i> it.\x1b[31m & thank you", map[string]string{"../../evil\u202etxt.exe": "answer"})
	inbox = w.enter(code).hasNot("Nothing is waiting")
	reply := inbox.form("/reply").send().want(200, "Reply").has("We <i>read</i> it.[31m & thank you").has("The ombuds office").hasNot("\u202e").hasNot("../")
	archive := reply.form("/download").do(w.url)
	b, err := io.ReadAll(archive.Body)
	archive.Body.Close()
	if err != nil || len(b) != 64<<10 || archive.Header.Get("Content-Type") != "application/zip" {
		t.Fatalf("archive of %d bytes, %v", len(b), err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(z.File) != 2 || strings.ContainsAny(z.File[0].Name, "/\u202e") {
		t.Errorf("archive: %v, %v", z, err)
	}
	done := reply.form("/erase").send().want(200, "Erase this reply?").form("/erased").send().want(200, "Erased")
	done.form("/inbox").send().want(200, "Your inbox").has("Nothing is waiting")
	reply.form("/download").send().want(200, "Your inbox").has("erased meanwhile")
	inbox.form("/reply").send().want(200, "Your inbox").has("erased meanwhile").has("Nothing is waiting")

	sent := w.enter(code).form("/message").set("text", "Something new").file("more.txt", strings.NewReader("more")).send().want(200, "Received").has("more.txt")
	sent.form("/inbox").send().want(200, "Your inbox")
	w.enter(code).form("/erase").send().want(200, "Erase everything?").form("/erased").send().want(200, "Erased")
	if got := w.enter(code).form("/message").values["body"]; !slices.Equal(got, []string{"ombuds", "audit", "press"}) {
		t.Errorf("ticked after everything was erased: %v", got)
	}
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		if m.Meta.Kind != crypto.KindReply { // readers' own entry, not the source's
			t.Errorf("an erased message of kind %d went out", m.Meta.Kind)
		}
	}
}

func TestUnknownCodeIsAnInbox(t *testing.T) {
	w := newWorld(t)
	code := strings.Join(crypto.NewCode().Words(), " ")
	a := w.enter(code).has("Nothing is waiting")
	b := w.enter(w.report("x").code())
	if a, b := likeness(a), likeness(b); a != b {
		t.Errorf("a code never used shows another page:\n%s\nand one in use:\n%s", a, b)
	}
}

// likeness is a page without what two codes must not share: tickets, greeting and marker.
func likeness(p *shown) string {
	for n := range p.doc.Descendants() {
		switch {
		case n.Type == html.ElementNode && attr(n, "name") == "ticket":
			for i := range n.Attr {
				if n.Attr[i].Key == "value" {
					n.Attr[i].Val = fmt.Sprintf("%d letters", len(n.Attr[i].Val))
				}
			}
		case n.Type == html.CommentNode: // what makes all pages as long
			n.Data = ""
		case n.Parent != nil && attr(n.Parent, "class") == "pair":
			n.Data = "two words"
		}
	}
	var b strings.Builder
	if err := html.Render(&b, p.doc); err != nil {
		p.w.t.Fatal(err)
	}
	return b.String()
}

func TestCodeHints(t *testing.T) {
	w := newWorld(t)
	code := strings.Join(crypto.NewCode().Words(), " ")
	words := strings.Fields(code)
	ask := func(s string) *shown { return w.get("/inbox").form("/inbox").set("code", s).send() }
	ask("").want(200, "Read replies").has("nine words; 0 were read")
	ask(strings.Join(words[:8], " ")).want(200, "Read replies").has("nine words; 8 were read")
	bad := slices.Clone(words)
	bad[2], bad[6] = "qqqqqqqqqq", "zzzzzzzzzz"
	ask(strings.Join(bad, " ")).want(200, "Read replies").has("counted from the first: 3, 7")
	ask(visitor.Swapped(code)).want(200, "Is this what you meant?").form("/inbox").send().want(200, "Your inbox")
	ask(visitor.Mixed(code)).want(200, "Read replies")
}

func TestFormsComeBack(t *testing.T) {
	w := newWorld(t)
	form := func() *fill { return w.get("/report").form("/report") }
	for name, c := range map[string]struct {
		f    *fill
		says string
		text string
		at   string // the link to what is wrong
	}{
		"empty":     {form(), "There is nothing in it yet", "", "text"},
		"no reader": {form().set("text", "a & <b>").set("body"), "Too few readers are ticked", "a & <b>", "bodies"},
		"stranger":  {form().set("text", "x").set("body", "nobody"), "Too few readers are ticked", "x", "bodies"},
		"changed":   {form().set("text", "x").set("body", "nobody", "audit"), "The list of readers has changed", "x", "bodies"},
		"too long":  {form().set("text", strings.Repeat("é", 16<<10)+"!"), "Letters sent: 16\u202f385; letters that fit: 16\u202f384.", strings.Repeat("é", 16<<10) + "!", "text"},
		"answer":    {form().set("text", "x").set("q-period", strings.Repeat("y", 301)), "One of the answers is too long", "x", "q-period"},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.f.send().want(200, "Your report").has(c.says)
			if !strings.Contains(p.body, `<a href="#`+c.at+`">`) {
				t.Errorf("no link leads to %q", c.at)
			}
			back := p.form("/report")
			if back.values["text"][0] != c.text {
				t.Errorf("the text came back with %d bytes of %d", len(back.values["text"][0]), len(c.text))
			}
			if name == "answer" && back.values["q-period"][0] != strings.Repeat("y", 301) {
				t.Error("the answer did not come back")
			}
			if name == "no reader" && len(back.values["body"]) > 0 {
				t.Error("readers were ticked for the source")
			}
			// Put right, it is taken.
			back.set("text", "short").set("body", "audit").set("q-period", "May").send().want(200, "Received")
		})
	}
	// Far more than a page holds: what fits comes back.
	p := form().set("text", strings.Repeat("long & <long> \"text\" ", 20_000)).send().want(200, "Your report").has("too long")
	if n := len(p.form("/report").values["text"][0]); n < 40<<10 {
		t.Errorf("only %d bytes came back", n)
	}
}

func TestAFormIsNeverRefusedForItsTicket(t *testing.T) {
	w := newWorld(t)
	page := w.get("/report")
	page.form("/report").set("text", "x").set("ticket", "nonsense").send().want(200, "Received").code()
	page.form("/report").set("text", "x").set("ticket", "").send().want(200, "Received").code()
	a := page.form("/report").set("text", "x").send().want(200, "Received").code()
	b := page.form("/report").set("text", "x").send().want(200, "Received").code() // a reload
	if a != b {
		t.Error("the same form gave two codes")
	}
	w.advance(25 * time.Hour)
	if c := page.form("/report").set("text", "x").send().want(200, "Received").code(); c == a {
		t.Error("an expired ticket still gave its code")
	}
}

// TestACodesTicketEnds: typing wrong codes back does not keep a ticket with the
// right one alive.
func TestACodesTicketEnds(t *testing.T) {
	w := newWorld(t)
	form := w.get("/report")
	w.advance(12 * time.Hour)
	back := form.form("/report").send().want(200, "Your report").form("/report") // a form that comes back
	w.advance(11 * time.Hour)
	p := back.set("text", "x").send().want(200, "Received")
	w.advance(50 * time.Minute)
	p = p.form("/code").set("code", "wrong").send().want(200, "Received").has("nine words; 1 was read")
	w.advance(15 * time.Minute)
	p.form("/code").set("code", "wrong").send().want(200, "Read replies").has("has expired")
	p.form("/files").file("a.txt", strings.NewReader("a")).send().want(200, "Read replies").has("has expired")
	if c := back.set("text", "x").send().want(200, "Received").code(); c == p.code() {
		t.Error("a form that came back kept its code for more than a day")
	}
	// An upload that took all day leaves time to type the code back.
	slow := w.get("/report").form("/report").set("text", "x").file("slow.bin", readerFunc(func([]byte) (int, error) {
		w.advance(30 * time.Hour)
		return 0, io.EOF
	})).send().want(200, "Received")
	slow.form("/code").set("code", slow.code()).send().want(200, "You have your code")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestNoFileIsLostSilently sends file parts whose names Go cannot parse.
func TestNoFileIsLostSilently(t *testing.T) {
	w := newWorld(t)
	names := []string{`a"; filename="b`, `in "quotes" is`, ``}
	f := w.get("/report").form("/report").set("body", "audit")
	for _, n := range names {
		f.file(n, strings.NewReader("content of "+n))
	}
	if s := textOf(f.send().want(200, "Received").doc); strings.Count(s, nameless) < len(names) || !strings.Contains(s, "Files received") {
		t.Errorf("the page does not name the files")
	}
	var got []string
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		for i, x := range m.Files {
			got = append(got, x.Name+"="+string(m.data[i]))
		}
	}
	slices.Sort(got)
	if want := []string{`a=content of a"; filename="b`, "file=content of ", `in "quotes" is=content of in "quotes" is`}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestVisitExpires(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	inbox := w.enter(code)
	w.advance(31 * time.Minute)
	p := inbox.form("/message").set("text", "typed <slowly>").set("body", "audit").send().want(200, "Write again").has("has expired")
	f := p.form("/message")
	if f.values["text"][0] != "typed <slowly>" || !slices.Equal(f.values["body"], []string{"audit"}) || f.values["ticket"] != nil {
		t.Errorf("what came back: %v", f.values)
	}
	f.set("code", "one two").send().want(200, "Write again").has("2 were read")
	repaired := f.set("code", visitor.Swapped(code)).send().want(200, "Write again").has("take it to mean")
	if f := repaired.form("/message"); f.values["code"][0] != code || f.values["text"][0] != "typed <slowly>" {
		t.Errorf("what came back: %v", f.values)
	}
	repaired.form("/message").send().want(200, "Received")
	f.set("code", code).send().want(200, "Received")
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		if m.Meta.Kind == crypto.KindFollowUp && m.Text != "typed <slowly>" {
			t.Errorf("follow-up %q", m.Text)
		}
	}
	inbox.form("/erase").send().want(200, "Read replies").has("has expired")
}

// Who adds files before the code was noted comes back to it, until it was typed back.
func TestFilesBeforeTheCode(t *testing.T) {
	w := newWorld(t)
	p := w.report("x")
	early := p.form("/files")
	for _, sent := range []*shown{early.send(), early.file("a.txt", strings.NewReader("a")).send()} {
		sent.hasNot(w.first().words.Word("sent.close"))
		if again := sent.form("/again/code").send().want(200, "Received"); again.code() != p.code() {
			t.Error("another code is shown")
		}
		if next := sent.form("/files").send().want(200, "Not yet"); next.form("/again/code") == nil {
			t.Error("no way back to the code")
		}
	}
	kept := p.form("/code").set("code", p.code()).send().want(200, "You have your code")
	for _, f := range []*fill{early, kept.form("/files")} {
		f.files = []file{{"b.txt", strings.NewReader("b")}}
		f.send().want(200, "Received").has(w.first().words.Word("sent.close")).hasNot("/again/code")
	}
	later := w.enter(p.code()).form("/message").set("text", "y").send().want(200, "Received").hasNot("/again/code")
	later.form("/files").file("c.txt", strings.NewReader("c")).send().want(200, "Received").hasNot("/again/code") // a code that was entered is never shown
}

func TestUrgentTakesTheFastLane(t *testing.T) {
	w := newWorld(t)
	w.get("/report").form("/report").set("text", "now").set("q-urgency", "danger").send().want(200, "Received")
	got := w.fetch(crypto.LaneUrgent, "audit")
	if len(got) != 1 || got[0].Text != "now" {
		t.Errorf("%d messages in the urgent lane", len(got))
	}
}

func TestFilesBeyondTheLimits(t *testing.T) {
	w := newWorld(t, func(c *settings) { c.options.Limits = intake.Limits{FileSize: 1 << 20, Files: 2} })
	f := w.get("/report").form("/report").set("text", "words")
	f.file("big.bin", io.LimitReader(noise{}, 9<<20)).file("small.txt", strings.NewReader("s")).file("third.txt", strings.NewReader("t"))
	f.send().want(200, "Received").has("Files received: 1 of 3").has("Files not received: 2").
		has("It is larger than allowed. Send a part of it, or say in words what it shows.\nbig.bin").has("small.txt").
		has("There were too many files at once. Please send it in a second round.\nthird.txt")
	// Refused fields with a file: the body is read to its end and the page says so.
	w.get("/report").form("/report").set("body").file("big.bin", io.LimitReader(noise{}, 9<<20)).send().
		want(200, "Your report").has("please choose them again")
	var kinds []crypto.Kind
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		kinds = append(kinds, m.Meta.Kind)
	}
	if slices.Sort(kinds); !slices.Equal(kinds, []crypto.Kind{crypto.KindReport, crypto.KindFile}) {
		t.Errorf("stored: %v", kinds)
	}
}

// noise is bytes without end.
type noise struct{}

func (noise) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}

// TestNoTempFile uploads with a TMPDIR that does not exist and one that is watched.
func TestNoTempFile(t *testing.T) {
	w := newWorld(t)
	send := func() {
		t.Helper()
		w.get("/report").form("/report").set("text", "x").file("a.bin", io.LimitReader(noise{}, 40<<20)).send().want(200, "Received").has("a.bin")
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	send()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	stop, seen := make(chan struct{}), make(chan string, 1)
	go func() {
		name := ""
		for {
			if e, err := os.ReadDir(dir); err == nil && len(e) > 0 {
				name = e[0].Name()
			}
			select {
			case <-stop:
				seen <- name
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	send()
	close(stop)
	if name := <-seen; name != "" {
		t.Errorf("temp file %s", name)
	}
}

// TestACutUploadKeepsTheWords breaks the line inside a file.
func TestACutUploadKeepsTheWords(t *testing.T) {
	w := newWorld(t)
	f := w.get("/report").form("/report").set("text", "words first")
	f.file("cut.bin", strings.NewReader(strings.Repeat("x", 1<<20)))
	var b bytes.Buffer
	m, err := f.encode(&b)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /report HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", m.FormDataContentType(), b.Len())
	if _, err := conn.Write(b.Bytes()[:b.Len()/2]); err != nil {
		t.Fatal(err)
	}
	// Half-closed: the server sees the end and answers, which must say so.
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if !strings.Contains(string(answer), "connection broke off") {
		t.Errorf("answered %.80q", answer)
	}
	got := w.fetch(crypto.LaneRegular, "audit")
	if len(got) != 1 || got[0].Text != "words first" || len(got[0].Files) != 0 {
		t.Errorf("%d messages", len(got))
	}
}

func TestHostileNamesAndTexts(t *testing.T) {
	const evil = `</textarea></title><script>alert(1)</script><img src=x onerror=alert(1)>"'` + "`{{.}}\u202e\x00"
	w := newWorld(t, func(c *settings) {
		b := body("evil", "media", true)
		name := strings.Trim(evil, "\u202e\x00") // a directory refuses these itself
		b.Names["en"], b.Mandates["en"] = name, name
		c.bodies = append(c.bodies, b)
	})
	w.get("/") // checkStructure refuses every element that is not ours
	f := w.get("/report").form("/report").set("text", evil).set("q-place", evil).set("q-topics", evil).set("body", evil)
	f.send().want(200, "Your report")
	p := f.set("body", "evil").set("q-place", evil).file(strings.NewReplacer(`"`, "%22", "\x00", "").Replace(evil), strings.NewReader("x")).send().want(200, "Received")
	w.get("/inbox").form("/inbox").set("code", evil).send().want(200, "Read replies")
	p.form("/code").set("code", evil).send().want(200, "Received")
	for _, m := range w.fetch(crypto.LaneRegular, "evil") {
		if m.Meta.Kind == crypto.KindReport {
			w.reply("evil", m.Read, strings.Trim(evil, "\x00"), map[string]string{strings.Trim(evil, "\x00"): "x"})
		}
	}
	w.enter(p.code()).form("/reply").send().want(200, "Reply").has("<script>alert(1)</script>")
}

// TestTicketsAreForOneReply: pages of a reply that was erased neither erase nor show the one that
// came after it.
func TestTicketsAreForOneReply(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	first := w.fetch(crypto.LaneRegular, "audit")[0].Read
	w.reply("audit", first, "the older", map[string]string{"older.txt": "older"})
	inbox := w.enter(code)
	older := inbox.form("/reply").send().want(200, "Reply").has("the older")
	sure := older.form("/erase").send().want(200, "Erase this reply?")
	w.reply("audit", first, "the newer", map[string]string{"newer.txt": "newer"})
	sure.form("/erased").send().want(200, "Erased")
	for name, p := range map[string]*shown{
		"asked to erase": sure.form("/erased").send(), "asked first": older.form("/erase").send().form("/erased").send(),
		"read": inbox.form("/reply").send(), "download": older.form("/download").send(),
	} {
		t.Log(name)
		p.want(200, "Your inbox").has("erased meanwhile").
			form("/reply").send().want(200, "Reply").has("the newer")
	}
	newer := w.enter(code).form("/reply").send().want(200, "Reply").has("the newer").form("/erase").send().form("/erased")
	newer.send().want(200, "Erased")
	newer.send().want(200, "Your inbox").has("erased meanwhile").has("Nothing is waiting") // sent twice
}

// TestInboxSaysWhatIsNew: replies stand in the order of their writing, each with who wrote it, when, and whether
// it was opened; what does not fit one page is on the next.
func TestInboxSaysWhatIsNew(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	first := w.fetch(crypto.LaneRegular, "audit")[0].Read
	w.reply("audit", first, "one", nil)
	w.advance(24 * time.Hour)
	w.reply("ombuds", first, "two", map[string]string{"a": strings.Repeat("x", 100_000)})
	lines := func(p *shown) (list []string) {
		for _, ul := range find(p.doc, "ul") {
			if attr(ul, "class") == "list" {
				for _, li := range find(ul, "li") {
					list = append(list, strings.Join(strings.Fields(textOf(li)), " "))
				}
			}
		}
		return list
	}
	words := w.first().words
	day := func(ago int) string { return words.Date(crypto.DayOf(w.now()) - crypto.Day(ago)) }
	p := w.enter(code)
	if got := lines(p); len(got) != 2 || got[0] != "Reply 1 new The audit office "+day(1)+" Read reply 1" || !strings.HasPrefix(got[1], "Reply 2 new "+day(0)+" with files, at most") {
		t.Errorf("%q", got)
	}
	p.form("/reply").send().has("one")
	p.form("/reply", 1).send().has("two")
	if got := lines(w.enter(code)); len(got) != 2 || strings.Contains(got[0]+got[1], "new") {
		t.Errorf("read, and still %q", got)
	}
	for i := range 11 {
		var list []crypto.BundleEntry
		for j := range crypto.BundleEntries {
			list = append(list, w.in.Reply("audit", first, fmt.Sprint("more ", i*4+j)))
		}
		w.handIn(w.bundle(list...))
	}
	p = w.enter(code).has("6 more wait: show them")
	if got := lines(p); len(got) != intake.PageReplies {
		t.Errorf("%d replies on a page", len(got))
	}
	p = p.form("/inbox").send().want(200, "Your inbox").hasNot("more wait")
	if got := lines(p); len(got) != 6 || !strings.HasPrefix(got[0], "Reply 41 The audit") {
		t.Errorf("on the page of older ones: %q", got)
	}
	p.form("/reply").send().want(200, "Reply").has("one")
}

// TestForeignBytesCanBeErased: what is no reply of this case waits until the
// source erases it.
func TestForeignBytesCanBeErased(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	first := *w.fetch(crypto.LaneRegular, "audit")[0].Read
	first.Meta.Case[0]++ // another case's, under this drop
	w.reply("audit", &first, "not for this case", nil)
	p := w.enter(code).form("/reply").send().want(200, "Reply").has("damaged, or was not signed by any reader").hasNot("not for this case")
	p.form("/erase").send().form("/erased").send().want(200, "Erased")
	w.enter(code).has("Nothing is waiting")
}

// TestFullStorageHasWords: no room is neither a fault of ours, which would be
// logged, nor the end of reading and erasing.
func TestFullStorageHasWords(t *testing.T) {
	w := newWorld(t, func(c *settings) { c.quota = 300 * int64(intake.SmallCell(8)) })
	first := w.report("x").code()
	r := w.fetch(crypto.LaneRegular, "audit")[0].Read
	w.reply("audit", r, "an answer", nil)
	f := w.get("/report").form("/report").set("text", "flood")
	p := f.send()
	for n := 0; p.title() == "Received" && n < 1000; n++ {
		p = f.send()
	}
	p.want(200, "Your report").has("There is no room left here")
	w.enter(strings.Join(crypto.NewCode().Words(), " ")).form("/message").set("text", "more").send().
		want(200, "Write again").has("There is no room left here")
	w.enter(first).form("/reply").send().want(200, "Reply").has("an answer").
		form("/erase").send().form("/erased").send().want(200, "Erased")
	w.enter(first).form("/erase").send().form("/erased").send().want(200, "Erased")

	// Beyond the reserve the steps of a visit are refused too, in words.
	s := w.first()
	for i, c := range []struct {
		err  error
		says string
	}{
		{intake.ErrFull, "The storage of this service is full"},
		{intake.ErrBusy, "Many people are entering codes"},
		{intake.ErrClosed, "New reports cannot be taken"},
	} {
		path := fmt.Sprintf("/failed/%d", i)
		s.router.HandleFunc(path, s.serve(func(v *visit) answer { return s.failed(v, "erasing", fmt.Errorf("visiting: %w", c.err)) }))
		if rec := w.record(httptest.NewRequest(http.MethodGet, path, nil)); rec.Code != 503 || !strings.Contains(rec.Body.String(), c.says) {
			t.Errorf("%v: status %d", c.err, rec.Code)
		}
	}
}

// TestLongestReply: 32 KiB that must all be escaped need more than one page.
func TestLongestReply(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	text := strings.Repeat("&<", 16<<10)
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		w.reply("audit", m.Read, text, nil)
	}
	p := w.enter(code).form("/reply").send().want(200, "Reply").has("Part 1 of 3")
	var whole string
	for {
		for _, d := range find(p.doc, "div") {
			if attr(d, "class") == "letter" {
				whole += textOf(d)
			}
		}
		if !strings.Contains(p.body, "Read on") {
			break
		}
		p = p.form("/reply").send().want(200, "Reply")
	}
	if whole != text {
		t.Errorf("the parts are not the text: %d of %d bytes", len(whole), len(text))
	}
}

func TestWithdrawnAndUnknownSigners(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	first := w.fetch(crypto.LaneRegular, "audit")[0].Read
	w.reply("audit", first, "from audit", nil)
	d := *w.dir
	d.Version = 2
	d.Bodies = slices.Clone(d.Bodies)
	for i := range d.Bodies {
		if d.Bodies[i].ID == "audit" {
			h := d.Bodies[i].Holders[0]
			h.Status, h.Since, h.Epochs, h.EpochsSignature = crypto.StatusRevoked, 2, nil, nil
			d.Bodies[i].Holders = []crypto.Holder{h}
		}
	}
	if err := w.service.SetDirectory(&d); err != nil {
		t.Fatal(err)
	}
	w.enter(code).form("/reply").send().want(200, "Reply").has("has since been withdrawn")
	if s := w.get("/report").body; strings.Contains(s, "The audit office") {
		t.Error("a body that nobody reads for is offered")
	}
	for i := range d.Bodies {
		if d.Bodies[i].ID == "audit" {
			d.Bodies = slices.Delete(d.Bodies, i, i+1)
			break
		}
	}
	d.Version = 3
	if err := w.service.SetDirectory(&d); err != nil {
		t.Fatal(err)
	}
	w.enter(code).form("/reply").send().want(200, "Reply").has("not signed by any reader").hasNot("from audit")
}

func TestDirectoryEnds(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	page := w.get("/report")
	inbox := w.enter(code)
	w.advance((300 - 20) * 24 * time.Hour)
	w.get("/").has("must be renewed within 30 days")
	w.advance(30 * 24 * time.Hour)
	w.get("/").has("New reports cannot be taken").hasNot(`href="/report">Write a report</a> <a class="button quiet"`)
	w.get("/report").want(503, "New reports cannot be taken at the moment")
	back := page.form("/report").set("text", "kept").send().want(200, "Your report").has("New reports cannot be taken")
	if back.form("/report").values["text"][0] != "kept" {
		t.Error("the text is lost")
	}
	_ = inbox
	w.enter(code).has("New reports cannot be taken").form("/erase").send().want(200, "Erase everything?")
}

// TestOneSizeSameHeaders asks every route in every state.
func TestOneSizeSameHeaders(t *testing.T) {
	w := newWorld(t, everyLanguage)
	code := w.report("x").code()
	inbox := w.enter(code)
	sent := inbox.form("/message").set("text", "again").send()
	ticket := func(p *shown, action string) string { return p.form(action).values["ticket"][0] }
	type request struct {
		name, method, path string
		fields             [][2]string
		head               map[string]string
	}
	var all []request
	for _, path := range []string{
		"/", "/report", "/code", "/files", "/inbox", "/message", "/reply", "/download", "/erase", "/erased",
		"/consent", "/change", "/changed", "/again/report", "/again/message", "/again/inbox", "/again/code", "/again/change", "/again/files", "/again/nothing",
		"/about", "/about/", "/about/directory", "/about/nothing", "/about/directory.note", // there is none in this world
		"/fr", "/fr/", "/ar/report", "/fa/again/report", "/xx/report", "/fr/ar/report", "/fr//report",
		"/nowhere", "//", "//report", "/report/", "/./report", "/..%2f", "/favicon.ico", "/robots.txt", "/report?x=1", "/%ff",
	} {
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "FOO"} {
			all = append(all, request{name: "no body", method: m, path: path})
		}
		for name, f := range map[string][][2]string{
			"empty form":  {},
			"bad ticket":  {{"ticket", "x"}},
			"bad code":    {{"code", "x"}},
			"good code":   {{"code", code}},
			"text":        {{"text", "x"}, {"body", "audit"}},
			"all of it":   {{"code", code}, {"text", "x"}, {"body", "audit"}},
			"long text":   {{"text", strings.Repeat("<", 70<<10)}},
			"long ticket": {{"ticket", strings.Repeat("x", 10<<10)}},
			"many parts":  slices.Repeat([][2]string{{"body", "audit"}}, 1000),
			"inbox":       {{"ticket", ticket(sent, "/inbox")}},
			"message":     {{"ticket", ticket(inbox, "/message")}, {"text", "y"}, {"body", "audit"}},
			"erase":       {{"ticket", ticket(inbox, "/erase")}},
		} {
			all = append(all, request{name: name, method: "POST", path: path, fields: f})
		}
		all = append(all, request{name: "another site", method: "POST", path: path, fields: [][2]string{{"code", code}},
			head: map[string]string{"Origin": "http://other.onion"}})
		all = append(all, request{name: "another site", method: "POST", path: path, head: map[string]string{"Sec-Fetch-Site": "cross-site"}})
		all = append(all, request{name: "url-encoded", method: "POST", path: path,
			head: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
	}
	want := headerOf(t, w.url, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	t.Logf("headers:\n%s", want)
	for _, h := range []string{"Date", "Server", "Set-Cookie", "ETag", "Last-Modified"} {
		if strings.Contains(want, h+":") {
			t.Errorf("header %s is sent", h)
		}
	}
	statuses := map[int]int{}
	for _, r := range all {
		var b bytes.Buffer
		f := &fill{values: map[string][]string{}}
		for _, x := range r.fields {
			if !slices.Contains(f.names, x[0]) {
				f.names = append(f.names, x[0])
			}
			f.values[x[0]] = append(f.values[x[0]], x[1])
		}
		m, err := f.encode(&b)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(r.method, w.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		var raw strings.Builder
		fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\nHost: x\r\n", r.method, r.path)
		body := ""
		if r.fields != nil {
			req.Header.Set("Content-Type", m.FormDataContentType())
			body = b.String()
		}
		for k, v := range r.head {
			req.Header.Set(k, v)
		}
		if err := req.Header.Write(&raw); err != nil {
			t.Fatal(err)
		}
		if r.method == "POST" {
			fmt.Fprintf(&raw, "Content-Length: %d\r\n", len(body))
		}
		raw.WriteString("\r\n" + body)
		status, head, size := exchangeRaw(t, w.url, raw.String())
		if head != want {
			t.Errorf("%s %s (%s): status %d, other headers:\n%s", r.method, r.path, r.name, status, head)
		}
		if wantSize := PageSize; r.method != "HEAD" && size != wantSize || r.method == "HEAD" && size != 0 {
			t.Errorf("%s %s (%s): status %d, %d bytes", r.method, r.path, r.name, status, size)
		}
		statuses[status]++
	}
	t.Logf("%d requests, statuses %v", len(all), statuses)
	if statuses[http.StatusInternalServerError] > 0 {
		t.Errorf("%d internal errors", statuses[http.StatusInternalServerError])
	}
}

func headerOf(t *testing.T, url, raw string) string {
	t.Helper()
	_, head, _ := exchangeRaw(t, url, raw)
	return head
}

// exchangeRaw sends a request as bytes and returns the answer's status, its
// header block as sent and the length of its body. A second request on the same
// line shows where the first answer ended.
func exchangeRaw(t *testing.T, url, raw string) (status int, head string, size int) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("answered %.80q", line)
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
		head += line
	}
	if _, err := io.WriteString(conn, "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _, ok := strings.Cut(string(rest), "HTTP/1.1 404 Not Found\r\n")
	if !ok {
		t.Fatalf("no second answer on the same line")
	}
	return status, head, len(body)
}

// TestWorstPages renders the largest page of each kind in every language.
func TestWorstPages(t *testing.T) {
	var bodies []crypto.Body
	long := "a" + strings.Repeat(`"&'<+>`, 300)
	for i := range 31 {
		b := body(fmt.Sprintf("body-number-%d", i), "detention-monitor", i%2 == 0)
		b.Names["en"], b.Mandates["en"] = long, long
		b.Languages = []string{"ar", "de", "en", "es", "fa", "fr", "pt", "ru", "sq", "sr", "tr", "uk"}
		bodies = append(bodies, b)
	}
	for _, lang := range Locales() {
		w := newWorld(t, func(c *settings) {
			c.bodies, c.slots, c.source.Languages, c.source.Preview = bodies, 32, append([]string{lang}, others(lang)...), true
		})
		w.get("/")
		f := w.get("/report").form("/report")
		f.set("text", strings.Repeat("<", 8<<10)) // 32 KiB as escaped
		for _, n := range f.names {
			if q, ok := form.QuestionOf(strings.TrimPrefix(n, fieldAnswer)); ok && q.Kind == form.Text {
				f.set(n, strings.Repeat(`"`, q.MaxBytes))
			}
		}
		back := f.set("body").send()
		t.Logf("%s: the fullest report's page leaves %d bytes", lang, PageSize-strings.LastIndex(back.body, padOpen))
		if got := back.form("/report").values["text"][0]; got != strings.Repeat("<", 8<<10) {
			t.Errorf("%s: %d bytes of the text came back", lang, len(got))
		}
		// Every answer too long, each with a note that says so: the narrative is still whole.
		for _, n := range f.names {
			if q, ok := form.QuestionOf(strings.TrimPrefix(n, fieldAnswer)); ok && q.Kind == form.Text {
				f.set(n, strings.Repeat(`"`, maxAnswerRead))
			}
		}
		back = f.send()
		if got := back.form("/report").values["text"][0]; got != strings.Repeat("<", 8<<10) {
			t.Errorf("%s: %d bytes of the text came back beside answers that are too long", lang, len(got))
		}
		for _, n := range f.names {
			if q, ok := form.QuestionOf(strings.TrimPrefix(n, fieldAnswer)); ok && q.Kind == form.Text {
				f.set(n, strings.Repeat(`"`, q.MaxBytes))
			}
		}
		f.set("body", "body-number-0")
		for i := range maxNamed + 5 {
			f.file(strings.Repeat("&", 200)+fmt.Sprint(i), strings.NewReader("x"))
		}
		p := f.send()
		inbox := w.get("/inbox").form("/inbox").set("code", p.code()).send()
		inbox.form("/message").set("text", strings.Repeat("<", 8<<10)).set("body").send()
	}
}

// TestQuantum: pages behind a code leave at multiples of the quantum only.
func TestQuantum(t *testing.T) {
	const q = 100 * time.Millisecond
	w := newWorld(t, func(c *settings) { c.source.Quantum = q })
	page := w.get("/report")
	for name, ask := range map[string]func() *shown{
		"report": func() *shown { return page.form("/report").set("text", "x").send() },
		"login":  func() *shown { return w.enter(strings.Join(crypto.NewCode().Words(), " ")) },
		"typo":   func() *shown { return w.get("/inbox").form("/inbox").set("code", "x").send() },
	} {
		began := time.Now()
		ask()
		if d := time.Since(began); d < q {
			t.Errorf("%s answered after %v", name, d)
		}
	}
}

func TestPanicIsAPage(t *testing.T) {
	w := newWorld(t)
	s := w.first()
	s.router.HandleFunc("/panic", s.serve(func(*visit) answer { panic("with the secret narrative") }))
	rec := w.record(httptest.NewRequest(http.MethodGet, "/panic", nil))
	if rec.Code != 500 || rec.Body.Len() != PageSize {
		t.Errorf("status %d, %d bytes", rec.Code, rec.Body.Len())
	}
	if len(w.logs) != 1 || strings.Contains(w.logs[0], "secret") || !strings.Contains(w.logs[0], "TestPanicIsAPage") {
		t.Errorf("logged %q", w.logs)
	}
	w.logs = nil
}

func TestPreviewSaysSo(t *testing.T) {
	w := newWorld(t, func(c *settings) { c.source.Preview = true })
	code := w.report("x").has("Do not report anything here").code()
	for _, p := range []*shown{w.get("/"), w.get("/report"), w.get("/inbox"), w.get("/nowhere"), w.enter(code)} {
		p.has("Do not report anything here")
	}
}

// TestALostLineLosesNothingSent closes the line right after the form's last byte.
func TestALostLineLosesNothingSent(t *testing.T) {
	w := newWorld(t)
	var b bytes.Buffer
	m, err := w.get("/report").form("/report").set("text", "sent and gone").encode(&b)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /report HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", m.FormDataContentType(), b.Len())
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for w.in.Waiting(crypto.LaneRegular) == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := w.fetch(crypto.LaneRegular, "audit"); len(got) != 1 || got[0].Text != "sent and gone" {
		t.Errorf("%d messages", len(got))
	}
}

// TestBusyIsAPage: more logins than wait in the queue; reports still get in, and the
// code that was typed stands in the form that comes back.
func TestBusyIsAPage(t *testing.T) {
	w := newWorld(t, func(c *settings) { c.kdf = crypto.KDFParams{Time: 5, MemoryKiB: 19 << 10, Threads: 1} })
	code := strings.Join(crypto.NewCode().Words(), " ")
	login := w.get("/inbox").form("/inbox").set("code", code)
	report := w.get("/report").form("/report").set("text", "x")
	const n = 60
	titles := make(chan string, n)
	const busy = "Read replies"
	for range n {
		go func() {
			p := login.send()
			if p.title() == busy && (p.status != http.StatusServiceUnavailable || !strings.Contains(p.body, "was not looked at") || p.form("/inbox").values["code"][0] != code) {
				t.Errorf("a form without what was typed: status %d", p.status)
			}
			titles <- p.title()
		}()
	}
	report.send().want(200, "Received")
	got := map[string]int{}
	for range n {
		got[<-titles]++
	}
	if got[busy] == 0 || got["Your inbox"] == 0 || len(got) != 2 {
		t.Errorf("answers: %v", got)
	}
}
