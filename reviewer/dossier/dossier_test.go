package dossier

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"golang.org/x/net/html"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"postern/crypto"
	"postern/locale"
	"postern/locale/localetest"
	"postern/reviewer/casework"
)

var holderKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// trusted is a directory in which the holder and a fellow stand.
func trusted() *crypto.Directory {
	return &crypto.Directory{Origin: "postern directory test", Bodies: []crypto.Body{{ID: "ombuds", Holders: []crypto.Holder{
		{ID: "anna", Signing: public(holderKey), Status: crypto.StatusActive},
		{ID: "ben", Signing: public(benKey), Status: crypto.StatusActive},
	}}}}
}

var benKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32))

func testEvents(t testing.TB) (list []casework.Signed) {
	id := crypto.CaseID{1, 2, 3}
	for i, text := range []string{"first note", "second note", "third <b>note</b>", "fourth"} {
		key, holder := holderKey, "anna"
		if i == 2 {
			key, holder = benKey, "ben"
		}
		a, err := casework.NewAct(casework.KindNote, map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		e, err := casework.Fold(list).Write(casework.Author{Body: "ombuds", Holder: holder, Key: [32]byte(public(key))}, id, 20700+crypto.Day(i), casework.Body, a)
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

func testFile(no int, name, content string) File {
	return File{No: no, Name: name, MediaType: "text/plain", Size: int64(len(content)), SHA256: sha256.Sum256([]byte(content)),
		Open: func(w io.Writer) error { _, err := io.WriteString(w, content); return err }}
}

func testCase(t testing.TB) *Case {
	return &Case{
		ID: crypto.CaseID{1, 2, 3}, Short: "aebq-gaaa", Title: "The depot", Origin: "postern directory test", Body: "ombuds", Holder: "anna", Made: 20800, Received: 20700,
		Readers: []string{"Ombuds <institution>", "أمين المظالم"},
		Messages: []Message{
			{No: 1, Day: 20700, Kind: "report", From: "source", Words: "At Depot 7.\r\nمستودع رقم ٧\n<script>alert(1)</script>\x1b[2J\u202e",
				Answers: []Answer{{"topics", []string{"corruption", "other"}}, {"place", []string{"Depot 7, north gate"}}},
				Files:   []File{testFile(1, "../../Depot 7.txt", "guarded by Depot 7\n"), testFile(2, "photo.jpg", "\xff\xd8\x00depot")}},
			{No: 2, Day: 20710, Kind: "reply", From: "ombuds/anna", Words: "Thank you.\nsecond line\nthird line"},
			{No: 3, Day: 20711, Kind: "file", From: "source", Unreadable: true},
		},
		Events: testEvents(t), Custody: []Custody{{20701, "ombuds/anna", ActOpen, 1}, {20702, "ombuds/anna", ActExtract, 2}, {20800, "ombuds/anna", ActDossier, 0}},
		Directory: []byte("a directory\n"),
	}
}

func readTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		all[rel] = string(b)
		if i, err := e.Info(); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", rel, i.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEvidence(t *testing.T) {
	for _, lang := range Languages() {
		dir := filepath.Join(t.TempDir(), "evidence")
		c := testCase(t)
		if _, err := Write(dir, c, lang, holderKey); err != nil {
			t.Fatal(err)
		}
		all := readTree(t, dir)
		if all["words/message1.txt"] != c.Messages[0].Words || all["files/file1-_.._Depot 7.txt"] != "guarded by Depot 7\n" {
			t.Errorf("words and files are not as they came: %q", slices.Collect(keys(all)))
		}
		out, err := exec.Command("sh", "-c", "cd \"$1\" && sha256sum --strict -c SHA256SUMS", "sh", dir).CombinedOutput()
		if err != nil || bytes.Count(out, []byte(": OK\n")) != len(all)-2 {
			t.Errorf("sha256sum: %v, %s", err, out)
		}
		r, err := Verify(dir, trusted())
		if err != nil || len(r.Faults) > 0 || r.Body != "ombuds" || r.Holder != "anna" || r.Events != 4 || r.Files != len(all)-2 || r.Made != 20800 || !r.Key.Equal(public(holderKey)) {
			t.Errorf("%+v, %v", r, err)
		}
		checkPage(t, all[pageName], lang)
		if _, err := Write(dir, c, lang, holderKey); err == nil {
			t.Error("written into a folder that is not empty")
		}
	}
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// checkPage holds a page to its rules: nothing runs, nothing is loaded, nothing leads away, and each
// paragraph of others finds its own direction.
func checkPage(t *testing.T, page, lang string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	allowed := strings.Fields("html head meta title style body h1 h2 h3 p strong div ul li br code table thead tbody tr th td")
	autos, policy := 0, ""
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			if !slices.Contains(allowed, n.Data) {
				t.Errorf("element <%s>", n.Data)
			}
			for i, a := range n.Attr {
				switch a.Key {
				case "dir":
					if a.Val == "auto" {
						autos++
					}
				case "content":
					if n.Attr[0].Val == "Content-Security-Policy" && i == 1 {
						policy = a.Val
					}
				case "lang", "class", "charset", "http-equiv", "name", "scope":
				default:
					t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if autos < 8 || !strings.Contains(page, `lang="`+lang+`"`) || strings.ContainsAny(page, "\x1b\u202e") {
		t.Errorf("%d paragraphs find their direction: %.300s", autos, page)
	}
}

// Whatever is done to a folder shows.
func TestVerifyShows(t *testing.T) {
	edit := func(name string, change func(string) string) func(string) error {
		return func(dir string) error {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			next := change(string(b))
			if next == string(b) {
				return errors.New("nothing was changed")
			}
			return os.WriteFile(filepath.Join(dir, name), []byte(next), 0o600)
		}
	}
	lines := func(change func([]string) []string) func(string) string {
		return func(s string) string {
			return strings.Join(change(strings.SplitAfter(s, "\n")), "")
		}
	}
	for name, x := range map[string]struct {
		do   func(string) error
		says string
	}{
		"a file changed":       {edit("words/message1.txt", func(s string) string { return s + " " }), `"words/message1.txt" was changed`},
		"a file removed":       {func(d string) error { return os.Remove(filepath.Join(d, "custody.txt")) }, `"custody.txt" is missing`},
		"a file added":         {func(d string) error { return os.WriteFile(filepath.Join(d, "words", "x"), nil, 0o600) }, `"words/x" was added`},
		"a file linked":        {func(d string) error { os.Remove(d + "/custody.txt"); return os.Symlink("case.html", d+"/custody.txt") }, `"custody.txt" is no file`},
		"sums changed":         {edit(sumsName, func(s string) string { return strings.Replace(s, "a", "b", 1) }), "SHA256SUMS is not what was signed"},
		"seal changed":         {edit(SealName, func(s string) string { return strings.Replace(s, "anna", "bert", 1) }), "does not hold"},
		"an entry deleted":     {edit(logName, lines(func(l []string) []string { return slices.Delete(l, 3, 4) })), "an entry was deleted or added"},
		"deleted and counted":  {edit(logName, lines(func(l []string) []string { l[1] = "entries 3\n"; return slices.Delete(l, 2, 3) })), "not in their order"},
		"entries swapped":      {edit(logName, lines(func(l []string) []string { l[2], l[3] = l[3], l[2]; return l })), "not in their order"},
		"an entry changed":     {edit(logName, lines(func(l []string) []string { l[3] = l[3][:60] + "A" + l[3][61:]; return l })), "entry 2 was changed"},
		"the last one cut off": {edit(logName, lines(func(l []string) []string { l[1] = "entries 3\n"; return slices.Delete(l, 5, 6) })), `"events.log" was changed`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "evidence")
			if _, err := Write(dir, testCase(t), "en", holderKey); err != nil {
				t.Fatal(err)
			}
			if err := x.do(dir); err != nil {
				t.Fatal(err)
			}
			r, err := Verify(dir, trusted())
			if err != nil || !slices.ContainsFunc(r.Faults, func(f string) bool { return strings.Contains(f, x.says) }) {
				t.Errorf("faults %q, %v, want %q", r.Faults, err, x.says)
			}
		})
	}
	// An entry taken out of the middle by whoever can sign the folder anew.
	c := testCase(t)
	c.Events = slices.Delete(c.Events, 1, 2)
	dir := filepath.Join(t.TempDir(), "evidence")
	if _, err := Write(dir, c, "en", holderKey); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(dir, trusted()); err != nil || len(r.Faults) != 1 || !strings.Contains(r.Faults[0], "the log has a gap") {
		t.Errorf("%+v, %v", r, err)
	}
	// Signed by somebody else.
	dir = filepath.Join(t.TempDir(), "stranger")
	if _, err := Write(dir, testCase(t), "en", benKey); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(dir, trusted()); err != nil || len(r.Faults) == 0 {
		t.Errorf("signed by another: %+v, %v", r, err)
	}
	if _, err := Verify(t.TempDir(), trusted()); !errors.Is(err, ErrFolder) {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestDamagedFileWritesNothing(t *testing.T) {
	c := testCase(t)
	c.Messages[0].Files[1].SHA256[0] ^= 1
	dir := filepath.Join(t.TempDir(), "evidence")
	if _, err := Write(dir, c, "en", holderKey); err == nil || !strings.Contains(err.Error(), "file 2 differs") {
		t.Errorf("%v", err)
	}
	if all := readTree(t, dir); len(all) != 0 {
		t.Errorf("left: %q", slices.Collect(keys(all)))
	}
}

func FuzzDecodeLog(f *testing.F) {
	log, err := encodeLog(testEvents(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(log)
	f.Add([]byte("postern event log\nentries 0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		book, err := decodeLog(b)
		if err != nil {
			if !errors.Is(err, ErrLog) {
				t.Error(err)
			}
			return
		}
		var events []casework.Signed
		for i := range book.Log {
			events = append(events, book.Log[i].Signed)
		}
		if again, err := encodeLog(events); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q became %q, %v", b, again, err)
		}
	})
}

func TestLocales(t *testing.T) {
	wanted := localetest.Wanted{}
	wanted.Code(t, ".", func(string) bool { return true })
	for _, k := range []string{"report", "follow-up", "file", "reply", "event"} {
		wanted.Add("kind.", k)
	}
	for _, a := range Acts() {
		wanted.Add("act.", string(a))
	}
	en, err := locale.Read(assets, "locales", "en")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range Languages() {
		l, err := locale.Read(assets, "locales", lang)
		if err != nil {
			t.Fatal(err)
		}
		wanted.Complete(t, l, en, func(k string) bool { return k == "kind." || k == "act." })
	}
}

// hides are ways in which somebody could have written a text.
var hides = map[string]func(string) string{
	"as it is":   func(s string) string { return s },
	"capitals":   strings.ToUpper,
	"decomposed": norm.NFD.String,
	"composed":   norm.NFC.String,
	"full width": func(s string) string {
		return strings.Map(func(r rune) rune {
			if r > ' ' && r < 0x7f {
				return r + 0xFEE0
			}
			return r
		}, s)
	},
	"broken":        func(s string) string { return strings.ReplaceAll(s, " ", "\n") },
	"together":      func(s string) string { return strings.ReplaceAll(s, " ", "") },
	"spaced":        func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
	"hyphens":       func(s string) string { return strings.Join(strings.Split(s, ""), "\u2010") },
	"soft hyphens":  func(s string) string { return strings.Join(strings.Split(s, ""), "\u00ad") },
	"joiners":       func(s string) string { return strings.Join(strings.Split(s, ""), "\u200b\u2060") },
	"accents":       func(s string) string { return strings.Join(strings.Split(s, ""), "\u0301") },
	"invalid bytes": func(s string) string { return strings.Join(strings.Split(s, ""), "\xff\xc0") },
	"overridden": func(s string) string {
		r := []rune(s)
		slices.Reverse(r)
		return "\u202e" + string(r) + "\u202c"
	},
	"tags": func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < 0x7f && r >= ' ' {
				return r + 0xE0000
			}
			return -1
		}, s)
	},
	"inside itself": func(s string) string {
		n := len([]rune(s)) / 2
		return string([]rune(s)[:n]) + s + string([]rune(s)[n:])
	},
	"alike": func(s string) string {
		return strings.NewReplacer("a", "а", "e", "е", "o", "о", "p", "р", "c", "с").Replace(s)
	},
}

// plainest is a text as a person who strips all disguise reads it: written anew.
func plainest(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0xE0020 && r < 0xE007F {
			r -= 0xE0000
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(strings.NewReplacer("а", "a", "е", "e", "о", "o", "р", "p", "с", "c").Replace(strings.ToValidUTF8(s, ""))))
}

// findIn looks for a text in everything that a folder is made of.
func findIn(all map[string]string, text string) (found []string) {
	want := plainest(text)
	r := []rune(want)
	slices.Reverse(r)
	wide := func(s string) string {
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	for name, content := range all {
		for _, s := range []string{name, content, html.UnescapeString(content)} {
			for form, x := range map[string]string{"bytes": text, "escaped": html.EscapeString(text), "utf-16": wide(text), "upper": strings.ToUpper(text), "decomposed": norm.NFD.String(text)} {
				if strings.Contains(s, x) {
					found = append(found, name+": "+form)
				}
			}
			if p := plainest(s); strings.Contains(p, want) || strings.Contains(p, string(r)) {
				found = append(found, name+": in disguise")
			}
		}
	}
	return found
}

// What is masked is nowhere in any byte of a working copy, however it was written and wherever.
func TestMaskedIsNowhere(t *testing.T) {
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"Depot 7", "Karaoğlu", "O'Neill & Sons", "مستودع ٧", "ж-512", "straße nine", "José Ñandú", "محمود"}).Draw(t, "text")
		hide := func(where string) string {
			return hides[rapid.SampledFrom(slices.Sorted(func(y func(string) bool) {
				for k := range hides {
					if !y(k) {
						return
					}
				}
			})).Draw(t, where)](text)
		}
		around := func(where string) string { return "before " + hide(where) + " after " + hide(where) }
		content := strings.ToValidUTF8(around("file"), "") // what is not UTF-8 is no text
		c := &Case{
			ID: crypto.CaseID{1}, Short: "aebq", Title: around("title"), Origin: "o", Body: "ombuds", Holder: "anna", Made: 20800,
			Readers: []string{around("reader")},
			Messages: []Message{
				{No: 1, Day: 20700, Kind: "report", From: "source", Words: around("words"), Notes: []string{around("note")},
					Answers: []Answer{{"place", []string{around("answer")}}, {around("question"), []string{around("option")}}}},
				{No: 2, Day: 20700, Kind: "file", From: around("from"), Files: []File{testFile(1, around("name")+".txt", content), testFile(2, around("name"), "x")}},
			},
		}
		m, err := ParseMasks([]byte("text " + text + "\ninclude 1\n"))
		if err != nil {
			t.Fatal(err)
		}
		n++
		dir := filepath.Join(root, fmt.Sprint(n))
		if _, err := WriteCopy(dir, c, rapid.SampledFrom(Languages()).Draw(t, "language"), m); err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		_ = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			b, _ := os.ReadFile(p)
			all[strings.TrimPrefix(p, dir)] = string(b)
			return err
		})
		if len(all) < 4 || !strings.Contains(all["/"+pageName], maskSign) || !strings.Contains(all["/files/file1.txt"], "before") && !strings.Contains(all["/files/file1"], "before") {
			t.Fatalf("not written: %q", slices.Collect(keys(all)))
		}
		if found := findIn(all, text); len(found) > 0 {
			t.Fatalf("%q is in %q: %s", text, found, all["/"+pageName])
		}
	})
}

func TestCopy(t *testing.T) {
	c := testCase(t)
	m, err := ParseMasks([]byte("# what must not be seen\n\ntext north gate\nlines 2 2-3\nmessage 3\nfile 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if _, err := WriteCopy(dir, c, "en", m); err != nil {
		t.Fatal(err)
	}
	all := readTree(t, dir)
	page := all[pageName]
	if len(all) != 2 || strings.Contains(page, "second line") || strings.Contains(page, "photo") || strings.Contains(page, "note") && strings.Contains(page, "first note") {
		t.Errorf("%q: %s", slices.Collect(keys(all)), page)
	}
	for _, want := range []string{"Thank you.", maskSign, "Depot 7, " + maskSign, "This message is masked.", "File 2: masked", "Depot 7.txt\u2069 · left out"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page: %s", want, page)
		}
	}
	for _, id := range []string{c.Short, fmt.Sprintf("%x", c.ID), casework.CaseText(c.ID)} {
		if strings.Contains(page, id) {
			t.Errorf("the copy names the case: %s", id)
		}
	}
	checkPage(t, page, "en")
	// Files that cannot be looked into.
	m, err = ParseMasks([]byte("text north gate\ninclude 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteCopy(filepath.Join(t.TempDir(), "x"), c, "en", m); !errors.Is(err, ErrMask) {
		t.Errorf("a picture beside masked texts: %v", err)
	}
	m, err = ParseMasks([]byte("include 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "y")
	if _, err := WriteCopy(dir, c, "en", m); err != nil || readTree(t, dir)["files/file2.jpg"] != "\xff\xd8\x00depot" {
		t.Errorf("a picture alone: %v", err)
	}
	// What this program says itself cannot be masked.
	m, err = ParseMasks([]byte("text Working copy\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "z")
	if _, err := WriteCopy(dir, c, "en", m); !errors.Is(err, ErrMask) || len(readTree(t, dir)) != 0 {
		t.Errorf("its own words: %v", err)
	}
}

func TestParseMasksRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"words Depot":       "line 1: masks cannot be used: it begins with none",
		"\n\ntext a":        "line 3: masks cannot be used: a text needs two letters",
		"text !!!":          "line 1: masks cannot be used: a text needs two letters",
		"message two":       "line 1: masks cannot be used: a number is expected",
		"lines 2 5-3":       "line 1: masks cannot be used: lines are given like 5-8",
		"lines 2":           "line 1: masks cannot be used: lines are given like",
		"message 2 3":       "line 1: masks cannot be used: one number",
		"file 1\ninclude 1": "masked and included",
		"file 0":            "line 1: masks cannot be used: a number",
		"text \xff":         "not UTF-8",
		strings.Repeat("text abcdefgh\n", maxMasks+1): "at most",
	} {
		if _, err := ParseMasks([]byte(text)); !errors.Is(err, ErrMask) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %q", text, err, says)
		}
	}
	c := testCase(t)
	for _, text := range []string{"message 9", "lines 9 1", "file 9", "include 9"} {
		m, err := ParseMasks([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := WriteCopy(filepath.Join(t.TempDir(), "x"), c, "en", m); !errors.Is(err, ErrMask) {
			t.Errorf("%q hits nothing: %v", text, err)
		}
	}
}

// FuzzMasks: a masked text never stands in what is left.
func FuzzMasks(f *testing.F) {
	f.Add("Depot 7", "At the DEPOT\n7, depot7 and D e p o t 7")
	f.Add("aa", "aaaaa a\u0301a")
	f.Add("ab", "aabb a\xffb")
	f.Fuzz(func(t *testing.T, text, s string) {
		if len(text) > 50 || len(s) > 2000 {
			return
		}
		m, err := ParseMasks([]byte("text " + text))
		if err != nil {
			return
		}
		out := fold(m.apply(s))
		for _, needle := range m.folded {
			for i := 0; i+len(needle) <= len(out.runes); i++ {
				if slices.Equal(out.runes[i:i+len(needle)], needle) {
					t.Fatalf("%q is in %q", text, m.apply(s))
				}
			}
		}
	})
}
