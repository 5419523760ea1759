package pages

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"postern/crypto"
	"postern/reviewer/dossier"
	"postern/reviewer/window"
)

// dossierOf is the case of a path.
func (w *world) custodyOf(path string) (list []string) {
	w.Helper()
	c := must(w.anna.Case(strings.TrimPrefix(path, "/case/")))(w)
	for _, x := range must(w.anna.Custody(c))(w) {
		list = append(list, x.Line())
	}
	return list
}

func TestDossierPage(t *testing.T) {
	w := newWorld(t).open("en").office().open("en")
	path := w.caseOf("تعرّض")
	r := w.pages.Answer(window.Request{Method: window.Key, Path: path, Key: "e"})
	if r.Location != path+"/dossier" {
		t.Fatalf("e leads to %q", r.Location)
	}
	w.get(r.Location).has("As evidence", "A working copy", "Masked wherever it stands", "Mask its lines", "is masked, but for its day", "report-7.pdf", "⟨U+202E⟩gnp.exe")
	w.post(path+"/dossier", "folder", "/nowhere").has("There is no such folder")
	w.post(path+"/dossier", "folder", w.stick, "language", "fr").has("files were written to", w.stick+"/case-")
	w.post(path+"/dossier", "folder", w.stick).has("-2, in clear.") // the first stays as it is
	page := string(read(w, must(filepath.Glob(w.stick + "/case-*/case.html"))(w)[0]))
	if !strings.Contains(page, `lang="fr"`) {
		t.Error("the page is not in French")
	}
	// Who has read and taken out stands at the case, the newest first.
	w.post(path+"/take", "file", "1", "folder", w.stick)
	w.get(path).has("Who has read and taken out", "entries", "evidence written", "file taken out", "file 1", "read", "messages 1, 2", "ombuds/anna")
	// Verified from the stick; a change shows.
	dir := must(filepath.Glob(w.stick + "/case-*-2"))(w)[0]
	w.get("/verify").has(dir)
	w.post("/verify", "folder", dir).has("Nothing was changed since it was signed.", "The directory that you accepted lists this key", "Made on 29 November 2026 by ombuds/anna.")
	w.check(os.WriteFile(filepath.Join(dir, "words", "message1.txt"), []byte("x"), 0o600))
	w.post("/verify", "folder", dir).has("not as it was made: 1 fault", `"words/message1.txt" was changed`).hasNot("Nothing was changed")
	w.post("/verify", "typed", w.TempDir()).has("This folder is not a dossier")
	w.post("/verify", "folder", "/nowhere").has("There is no such folder")
}

// What is masked is in no byte of the preview, and in none of what is written.
func TestMaskedPreview(t *testing.T) {
	w := newWorld(t).open("en").office().open("en")
	path := w.caseOf("The purchase")
	form := func(texts string, more ...string) []string {
		return append([]string{"texts", texts, "numbering", numberingOf(w.get(path + "/dossier"))}, more...)
	}
	if a := w.pages.Answer(window.Request{Method: window.Get, Path: path + copyPage}); a.Location != path+"/dossier" {
		t.Errorf("before anything was masked it leads to %q", a.Location)
	}
	w.post(path+"/masks", form("a")...).has("two letters or digits at least")
	w.post(path+"/masks", form("boots", "lines-1", "9-2")...).has("like 3, 5-8").has("boots") // what was typed is kept
	w.post(path+"/masks", form("Working copy")...).has("Mask a longer text")
	w.post(path+"/masks", form(strings.Repeat("x", dossier.MaxMaskFile+1))...).has("So many texts cannot be masked")
	w.post(path+"/masks", form("b-o ots\nInvoices", "lines-1", "1")...).has("Read all of it", "█████")
	p := w.post(path+"/masks", form("b o o t s\ninvoices", "lines-1", "")...).has("The purchase of █████ was paid twice.", "I have seen both █████.", "masked")
	if body := strings.ToLower(string(p.r.Body)); strings.Contains(body, "boots") || strings.Contains(body, "invoices") {
		t.Error("a masked text is in the preview")
	}
	if strings.Contains(p.title(), strings.TrimPrefix(path, "/case/")[:4]) {
		t.Errorf("the title names the case: %q", p.title())
	}
	w.post(path+"/copy", "folder", "/nowhere").has("There is no such folder")
	w.post(path+"/copy", "folder", w.stick).has("The working copy is in "+w.stick+"/working-copy", "2 files")
	page := string(read(w, filepath.Join(w.stick, "working-copy", "case.html")))
	for _, m := range previewed(p) {
		if !strings.Contains(html.UnescapeString(page), m) {
			t.Errorf("%q is not in what was written", m)
		}
	}
	if strings.Contains(page, "boots") {
		t.Error("a masked text was written")
	}
	if got := w.custodyOf(path); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "\tcopy\tthe case") }) {
		t.Errorf("custody: %q", got)
	}
	// Files: left out unless chosen, and only plain text beside masked texts.
	path = w.caseOf("تعرّض")
	w.post(path+"/masks", form("", "file-1", maskInclude)...).has("gnp.exe")
	w.post(path+"/masks", form("القيادة", "file-1", maskInclude)...).has("gnp.exe") // plain text goes along
	w.post(path+"/masks", form("", "file-1", maskHide)...).hasNot("gnp.exe").has("File 1: masked")
	w.post(path+"/masks", form("", "message-1", maskWhole, "lines-3", "1")...).hasNot("النور", "We have read it").has("This message is masked.", "█████")
	w.post(path+"/masks", "texts", "x", "numbering", "old").has("numbers have moved")
	if _, err := os.Stat(filepath.Join(w.stick, "working-copy-2")); err == nil {
		t.Error("a preview wrote something")
	}
}

func numberingOf(p *shown) string { return fieldOf(p, "numbering") }

// previewed are the words of a preview.
func previewed(p *shown) (list []string) {
	for n := range p.doc.Descendants() {
		if n.Data == "p" && attr(n, "class") == "words" {
			list = append(list, strings.TrimSpace(textOf(n)))
		}
	}
	return list
}

// Whatever is masked, and whichever message, no byte of the preview has it, and the words are
// those that are written.
func TestMaskedPreviewIsWhatIsWritten(t *testing.T) {
	w := newWorld(t).open("en").office().open("en")
	paths := []string{w.caseOf("The purchase"), w.caseOf("تعرّض"), w.caseOf("Des recrues"), w.caseOf("Командир")}
	words := []string{"boots", "both invoices", "النور", "الضابط", "report-7", "caserne", "personne n’écrit", "отчёт", "Командир", "прочитали", "audit office"}
	n, numberings := 0, make(map[string]string)
	for _, path := range paths {
		numberings[path] = numberingOf(w.get(path + "/dossier"))
	}
	rapid.Check(t, func(r *rapid.T) {
		if n > 20 {
			return // each writes a folder
		}
		path := rapid.SampledFrom(paths).Draw(r, "case")
		texts := rapid.SliceOfN(rapid.SampledFrom(words), 1, 3).Draw(r, "texts")
		fields := []string{"numbering", numberings[path], "texts", strings.Join(texts, "\n"), "token", w.pages.token, "language", rapid.SampledFrom(dossier.Languages()).Draw(r, "language")}
		f := window.Request{Method: window.Post, Path: path + "/masks", Form: map[string][]string{}}
		for i := 0; i < len(fields); i += 2 {
			f.Form.Set(fields[i], fields[i+1])
		}
		for _, m := range []string{"1", "2", "3"} {
			if rapid.IntRange(0, 3).Draw(r, "message "+m) == 0 {
				f.Form.Set("message-"+m, maskWhole)
			}
		}
		a := w.pages.Answer(f)
		if a.Location != path+copyPage {
			w.pages.said = nil // refused: a text stands in words of the page's own
			return
		}
		p := w.get(a.Location)
		for _, x := range texts {
			if strings.Contains(string(p.r.Body), x) || strings.Contains(strings.ToLower(string(p.r.Body)), strings.ToLower(x)) {
				r.Fatalf("%q is in the preview:\n%s", x, p.text)
			}
		}
		n++
		dir := w.TempDir()
		w.post(path+"/copy", "folder", dir).has("The working copy is in")
		page := html.UnescapeString(string(read(w, filepath.Join(dir, copyName, "case.html"))))
		for _, x := range previewed(p) {
			if !strings.Contains(page, x) {
				r.Fatalf("%q is previewed and not written:\n%s", x, page)
			}
		}
		if got, want := strings.Count(page, "█"), strings.Count(string(p.r.Body), "█"); got != want {
			r.Fatalf("%d masks are written and %d were shown", got, want)
		}
	})
	if n == 0 {
		t.Error("nothing was written")
	}
}

// A PDF of a page waits in memory until it is said where it goes, and goes nowhere else.
func TestPrint(t *testing.T) {
	w := newWorld(t).open("en").office().open("en")
	path := w.caseOf("The purchase")
	c := must(w.anna.Case(strings.TrimPrefix(path, "/case/")))(w)
	pdf := func(p string, data string) window.Reply {
		return w.pages.Answer(window.Request{Method: window.Print, Path: p, PDF: []byte(data)})
	}
	day := crypto.DayOf(w.now).String()
	for _, x := range []struct{ path, data string }{{path, "<html>"}, {path, ""}, {"/case/nonsense", "%PDF-1"}, {pagePrint, "%PDF-1"}} {
		if a := pdf(x.path, x.data); a.Location != "" || w.pages.printed != nil {
			t.Errorf("%s, %q: taken", x.path, x.data)
		}
	}
	waits := func() bool {
		return w.pages.Answer(window.Request{Method: window.Get, Path: pagePrint}).Location == ""
	}
	if waits() {
		t.Error("a PDF waits")
	}
	if a := pdf(path, "%PDF-1.7 page of a case"); a.Location != pagePrint {
		t.Fatalf("it leads to %q", a.Location)
	}
	name := "case-" + c.Short + "-" + day + ".pdf"
	w.get(pagePrint).has("The page of case "+c.Short, name, "in memory only")
	held := w.pages.printed.pdf
	w.post(pagePrint, "folder", "/nowhere").has("There is no such folder", name) // it waits on
	w.post(pagePrint, "folder", w.stick).has("The PDF is in "+filepath.Join(w.stick, name), "The purchase of boots")
	if got := string(read(w, filepath.Join(w.stick, name))); got != "%PDF-1.7 page of a case" {
		t.Errorf("written: %q", got)
	}
	if w.pages.printed != nil || strings.Trim(string(held), "\x00") != "" {
		t.Error("the PDF is still in memory")
	}
	if got := w.custodyOf(path); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "\tprint\tthe case") }) {
		t.Errorf("custody: %q", got)
	}
	// Dropped when it is not wanted, and when the reviewer goes on.
	pdf("/figures", "%PDF-1")
	w.get(pagePrint).has("figures-" + day + ".pdf")
	w.post(pagePrint, "do", "drop", "folder", w.stick).has("Figures for the public")
	pdf(path+copyPage, "%PDF-1")
	w.get(pagePrint).has("working-copy-" + day + ".pdf")
	w.get("/help")
	if waits() {
		t.Error("a PDF waits though the reviewer went on")
	}
	if left := must(filepath.Glob(w.stick + "/*.pdf"))(w); len(left) != 1 {
		t.Errorf("on the stick: %q", left)
	}
	// What cannot be recorded is not written.
	pdf(path, "%PDF-2")
	w.post(pagePrint, "folder", w.stick).has("A file of that name is there already", name)
	if w.pages.printed == nil {
		t.Error("it was dropped though it was not written")
	}
}
