package plain

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSafeText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "Sgt. Müller, 3 Bn — «done»\n\tsecond line", "Sgt. Müller, 3 Bn — «done»\n\tsecond line"},
		{"escape sequence", "\x1b[2J\x1b]0;root\x07gone", "⟨U+001B⟩[2J⟨U+001B⟩]0;root⟨U+0007⟩gone"},
		{"one-byte CSI", "\u009b31mred", "⟨U+009B⟩31mred"},
		{"raw C1 byte", "a\x9b31m", "a⟨0x9B⟩31m"},
		{"carriage return overwrites nothing", "innocent\rguilty", "innocent\nguilty"},
		{"windows line ends", "a\r\nb", "a\nb"},
		{"every line break", "a\vb\fc\u0085d\u2028e\u2029f\r\rg", "a\nb\nc\nd\ne\nf\n\ng"},
		{"backspace, NUL, DEL", "a\bb\x00c\x7f", "a⟨U+0008⟩b⟨U+0000⟩c⟨U+007F⟩"},
		{"separators of files and groups", "a\x1cb\x1d\x1e\x1f", "a⟨U+001C⟩b⟨U+001D⟩⟨U+001E⟩⟨U+001F⟩"},
		{"bidi override", "report\u202efdp.exe", "report⟨U+202E⟩fdp.exe"},
		{"both overrides, and their end", "a\u202db\u202c c\u202ed\u202c", "a⟨U+202D⟩b⟨U+202C⟩ c⟨U+202E⟩d⟨U+202C⟩"},
		{"an end that ends nothing", "a\u202cb\u2069\u202e\nc\u202c", "ab⟨U+202E⟩\nc"},
		{"a turn to the left of words that run right", "\u2067fdp.exe\u2069 \u202bx\u202c \u200f1 2", "⟨U+2067⟩fdp.exe⟨U+2069⟩ ⟨U+202B⟩x⟨U+202C⟩ ⟨U+200F⟩1 2"},
		{"override among letters that run left", "שלום\u202eabc", "שלום⟨U+202E⟩abc"},
		{"tags", "x\U000e0041\U000e007f", "x⟨U+E0041⟩⟨U+E007F⟩"},
		{"tags behind a flag that is none", "🏴\U000e0041\U000e007f", "🏴⟨U+E0041⟩⟨U+E007F⟩"},
		{"blank letter", "a\u3164b\u2800", "a⟨U+3164⟩b⟨U+2800⟩"},
		{"annotation hides", "\ufff9a\ufffab\ufffb", "⟨U+FFF9⟩a⟨U+FFFA⟩b⟨U+FFFB⟩"},
		{"old formats", "\u206e1", "⟨U+206E⟩1"},
		{"unassigned, no character, private", "\u0378\uffff\U000f0000", "⟨U+0378⟩⟨U+FFFF⟩⟨U+F0000⟩"},
		{"broken UTF-8", "\xff\xc3(", "⟨0xFF⟩⟨0xC3⟩("},
		{"replacement character itself", "\ufffd", "\ufffd"},
		{"marks pile up", "a\u0301\u0301\u0301\u0301\u0301\u0301", "a\u0301\u0301\u0301\u0301⟨U+0301⟩⟨U+0301⟩"},
		{"different marks pile up", "a\u0300\u0301\u0302\u0303\u0304", "a\u0300\u0301\u0302\u0303⟨U+0304⟩"},
		{"one Thai mark piles up", "ก\u0e47\u0e47\u0e47\u0e47\u0e47", "ก\u0e47\u0e47\u0e47\u0e47⟨U+0E47⟩"},
		{"what nobody sees holds no pile apart", "a\u0300\u0301\u200b\u0302\u0303\u034f\u0304", "a\u0300\u0301\u0302\u0303⟨U+0304⟩"},
		{"a message in zero width", "a" + strings.Repeat("\u200b\u2060", 5), "a" + strings.Repeat("⟨U+200B⟩⟨U+2060⟩", 5)},
		{"a joiner at the end of a row", "ب" + strings.Repeat("\u2060", 9) + "\u200cx", "ب" + strings.Repeat("⟨U+2060⟩", 9) + "⟨U+200C⟩x"},
		{"a message in variation selectors", "😀\ufe0f" + strings.Repeat("\U000e0100", 9), "😀\ufe0f" + strings.Repeat("⟨U+E0100⟩", 9)},
	} {
		if got := SafeText(c.in); got != c.want {
			t.Errorf("%s: SafeText(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
	if got := SafeLine("a\nb\tc"); got != "a⟨U+000A⟩b⟨U+0009⟩c" {
		t.Errorf("SafeLine keeps lines apart: %q", got)
	}
}

func TestSafeName(t *testing.T) {
	long := strings.Repeat("ä", 100)
	for _, c := range []struct{ in, want string }{
		{"photo 1.jpg", "photo 1.jpg"},
		{"../../etc/passwd", "_.._etc_passwd"},
		{`..\..\boot.ini`, "_.._boot.ini"},
		{"/absolute", "_absolute"},
		{"C:\\x", "C__x"},
		{"name\x00.txt", "name_.txt"},
		{"a\u202egpj.exe", "a_gpj.exe"},
		{"-rf", "rf"},
		{".bashrc", "bashrc"},
		{"~root", "_root"},
		{"con", "_con"},
		{"NUL.txt", "_NUL.txt"},
		{"Com7.tar.gz", "_Com7.tar.gz"},
		{"lpt1 .x", "_lpt1 .x"},
		{"LPT10", "LPT10"},
		{"com¹", "com_"},
		{"‘quoted’ „list“ – “final” («a»).pdf", "‘quoted’ „list“ – “final” («a»).pdf"},
		{"报告（最终）、《一》。pdf", "报告（最终）、《一》。pdf"},
		{"צה״ל — דו׳׳ח.pdf", "צה״ל — דו׳׳ח.pdf"},
		{"Приказ №5.pdf", "Приказ №5.pdf"},
		{"Screen Shot 3.14.15\u202fPM.png", "Screen Shot 3.14.15 PM.png"},
		{"می\u200cشود.pdf", "می\u200cشود.pdf"},
		{"ශ්\u200dරී.pdf", "ශ්\u200dරී.pdf"},
		{"a／b＼c＂d＜e：f\u037eg․h…i⁄j∕k＇l.pdf", "a_b_c_d_e_f_g_h_i_j_k_l.pdf"},
		{"👩\u200d⚕\ufe0f.pdf", "__.pdf"},
		{"pay\u200bpal\u200e.pdf", "paypal.pdf"},
		{"con." + strings.Repeat("x", 120) + ".pdf", "_con." + strings.Repeat("x", 111) + ".pdf"},
		{strings.Repeat("Приказ ", 20) + ".документ", strings.Repeat("Приказ ", 7) + "Приказ.документ"},
		{strings.Repeat("ก", 90) + ".pdf", strings.Repeat("ก", 38) + ".pdf"},
		{"aux", "_aux"},
		{"trailing. . ", "trailing"},
		{"...", "file"},
		{"", "file"},
		{"\xff\xfe", "__"},
		{"a|b>c<d?e*f\"g:h", "a_b_c_d_e_f_g_h"},
		{"$(rm -rf).sh", "_(rm -rf).sh"},
		{"`x`;y&z", "_x__y_z"},
		{"line\nbreak", "line_break"},
		{"تقرير.pdf", "تقرير.pdf"},
		{long + ".jpeg", strings.Repeat("ä", 57) + ".jpeg"},
		{long, strings.Repeat("ä", 60)},
	} {
		if got := SafeName(c.in); got != c.want {
			t.Errorf("SafeName(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

// What people write, with all that their scripts, phones and programs need, is shown as it is.
func TestLivingLanguages(t *testing.T) {
	for name, s := range map[string]string{
		"Sinhala":                    "ශ්\u200dරී ලංකා",
		"Bengali":                    "র\u200d্যাব সদস্য",
		"Malayalam":                  "അവന്\u200d പറഞ്ഞു",
		"Marathi":                    "दऱ्\u200dयाखोऱ्\u200dया",
		"Persian":                    "می\u200cشود",
		"Persian behind Latin":       "PDF\u200cها",
		"Persian behind a digit":     "۳\u200cهزار",
		"Arabic abbreviation":        "١٤٤٥ ه\u200d يوم",
		"end of a verse":             "الحمد\u06dd١",
		"Burmese":                    "မျှော်လင့်ချက်",
		"Hebrew, with accents":       "בְּרֵאשִׁ֖ית אֱלֹהִ֑֜ים שּׁׁ֥",
		"Tibetan":                    "ཧཱུྃ ཀྵྨླྺྱྀཾ",
		"Khmer":                      "ខ្ញុំ",
		"Vietnamese, decomposed":     "Vie\u0323\u0302t",
		"Mongolian":                  "ᠮᠣᠩᠭᠣᠯ\u180eᠠ ᠠ\u180b",
		"Japanese name":              "葛\U000e0100城市",
		"Braille":                    "⠓⠊\u2800⠓⠊",
		"family":                     "👨\u200d👩\u200d👧",
		"officer":                    "👮🏿\u200d♀\ufe0f",
		"keycap and heart":           "1\ufe0f\u20e3 ❤\ufe0f\u200d🔥 🙂\u200d↔\ufe0f",
		"flags":                      "🇺🇦 🏳\ufe0f\u200d🌈 " + flags[0] + flags[1],
		"an emoji younger than Go's": "\U0001fae9",
		"Word's bullet":              "\uf0b7 first point",
		"Arabic and Cyrillic":        "تقرير доклад",
		"narrow blank":               "~\u202fB: +00\u00a0170",
	} {
		if got := SafeText(s); got != s {
			t.Errorf("%s: %+q is shown as %+q", name, s, got)
		}
	}
}

// What phones and programs put into a text unseen does not come to the reader.
func TestUnseenMarks(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"exported chat", "\u200e[12.03.25, 14:22:01] Sgt A: \u200eimage omitted", "[12.03.25, 14:22:01] Sgt A: image omitted"},
		{"exported chat with names", "\u200e[1] \u2068Anna\u2069: \u2066x\u2069", "[1] Anna: x"},
		{"exported Hebrew chat", "\u200e[1] \u2068דנה\u2069: \u202bשלום\u202c!\u200f \u200eתמונה", "[1] דנה: שלום! תמונה"},
		{"phone number from contacts", "call \u202a+00 170 000000\u202c", "call +00 170 000000"},
		{"soft hyphens", "Dienst\u00advor\u00adschrift", "Dienstvorschrift"},
		{"byte order mark", "\ufeffStart of a file", "Start of a file"},
		{"word breaks", "ខ្ញុំ\u200bបាន\u200bឃើញ", "ខ្ញុំបានឃើញ"},
		{"in Latin words", "pay\u200bpal\ufeff\u2060 a\u200db\u200cc", "paypal abc"},
		{"a formula", "f\u2061(x)\u2062y", "f(x)y"},
		{"what is left of an emoji", " \ufe0f\u200d x", "  x"},
		{"a joiner behind something unseen", "x\u200c\u200bب", "xب"},
	} {
		if got := SafeText(c.in); got != c.want {
			t.Errorf("%s: SafeText(%+q) = %+q, want %+q", c.name, c.in, got, c.want)
		}
	}
}

// checkText is what SafeText promises, for any input.
func checkText(t interface{ Fatalf(string, ...any) }, in string) {
	out := SafeText(in)
	if !utf8.ValidString(out) {
		t.Fatalf("SafeText(%q) is no UTF-8: %q", in, out)
	}
	thin := 0 // characters in a row that draw nothing
	for i, r := range out {
		switch before, _ := utf8.DecodeLastRuneInString(out[:i]); {
		case r == '\n', r == '\t', !neverSeen(r) && unicode.IsGraphic(r):
			thin = 0
			continue
		case r >= '\ue000' && r <= '\uf8ff', r >= 0x1f000 && r <= 0x1faff, unicode.Is(unicode.Prepended_Concatenation_Mark, r):
			thin = 0 // they draw something
		case r >= 0xe0020 && r <= 0xe007f:
			if c, _, _ := strings.Cut(out[:i+4], "\U000e007f"); !slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, c[strings.LastIndex(c, "🏴"):]) }) {
				t.Fatalf("SafeText(%+q) lets a tag through: %+q", in, out)
			}
		case unicode.Is(unicode.Bidi_Control, r), !neverSeen(r):
			t.Fatalf("SafeText(%+q) lets U+%04X through", in, r)
		case (i == 0 || unicode.IsSpace(before)) && r != zwnj && r != zwj:
			t.Fatalf("SafeText(%+q) keeps U+%04X behind nothing: %+q", in, r, out)
		default:
			if thin++; thin > 2 {
				t.Fatalf("SafeText(%+q) keeps a row of what nobody sees: %+q", in, out)
			}
		}
	}
	// Nothing that is seen is lost, and nothing is in another order.
	bare := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !hidden(r) && r != utf8.RuneError && r != '\u2800' {
				return r
			}
			return -1
		}, s)
	}
	if got, want := bare(screened(in, false, func(rune, bool) string { return "" })), bare(in); got != want {
		t.Fatalf("SafeText(%+q) keeps of its letters %+q", in, got)
	}
	if again := SafeText(out); again != out {
		t.Fatalf("SafeText is not stable: %q, then %q", out, again)
	}
	if strings.ContainsAny(SafeLine(in), "\n\t\r") {
		t.Fatalf("SafeLine(%q) has lines", in)
	}
}

// checkName is what SafeName promises, for any input.
func checkName(t interface{ Fatalf(string, ...any) }, in string) {
	n := SafeName(in)
	switch {
	case n == "", len(n) > maxSafeName, !utf8.ValidString(n):
		t.Fatalf("SafeName(%q) = %q", in, n)
	case strings.ContainsAny(n, "/\\:*?\"<>|$`;&'\x00\n"), strings.ContainsAny(n[:1], ".-~ "), strings.ContainsAny(n[len(n)-1:], ". "):
		t.Fatalf("SafeName(%q) = %q", in, n)
	case filepath.Base(n) != n, !filepath.IsLocal(n), device(n):
		t.Fatalf("SafeName(%q) = %q is no plain name", in, n)
	case SafeLine(n) != n:
		t.Fatalf("SafeName(%q) = %q cannot be shown", in, n)
	case SafeName(n) != n:
		t.Fatalf("SafeName is not stable: %q, then %q", n, SafeName(n))
	}
}

// nasty makes strings out of pieces that have hurt programs before, and of anything else.
func nasty() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.OneOf(
			rapid.String(),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4), func(b []byte) string { return string(b) }),
			rapid.SampledFrom([]string{
				"../", "..", ".", "-", "~", "/", "\\", "\x00", "\x1b[", "\u009b", "\u202e", "\u2066", "\u200b", "\u200c",
				"\u200d", "\u2067", "\u2069", "\u202c", "\u200f", "\u180e", "\u180b", "ᠠ", "്", "ന", "\ufe0f", "\U000e0100", "葛", "👩", "🏴", flags[0], "\u2800", "⠓",
				"\u2028", "\u0085", "\v", "\u0e47", "\u05b0", "’", "（", "／", "\u2024", "№", "\u202f", "בְּ", ".документ", "\ue000", "\u06dd",
				"ب", "CON", "nul", "COM1", "LPT9", " ", "\r", "\n", "\xff", "\u0301", ".txt", "ä", "\U000e0041",
			})), 0, 60).Draw(t, "parts")
		return strings.Join(parts, "")
	})
}

func TestSafeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := nasty().Draw(t, "s")
		checkText(t, s)
		checkName(t, s)
	})
}

func FuzzSafeText(f *testing.F) {
	for _, s := range []string{
		"", "\x1b[31m", "می\u200cشود", "a\u202eb", "\xff", "\r\n\r", "שלום\u202b!\u202c\u200f", "👮🏿\u200d♀\ufe0f" + flags[0], "ᠯ\u180eᠠ\u180b",
		"মျှော်\u200d", "葛\U000e0100", "⠓\u2800", "a\u034f\u0301\u200b\u0301", "x\u2067y\u2069z\v\u2028", strings.Repeat("\u2060", 9), "\U000e0067\U000e007f",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkText(t, s) })
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"", "../x", "NUL", "con.txt", ".x", strings.Repeat("é.", 99), "a\u0301" + strings.Repeat("x", 130) + ".tar.gz",
		"’“«（״№", "／＼\u2024", "می\u200c.pdf", "👩\u200d⚕\ufe0f", "con." + strings.Repeat("й", 99) + ".документ", strings.Repeat("ක්\u200d", 40)} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, s string) {
		checkName(t, s)
		p := filepath.Join(dir, SafeName(s))
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatalf("no file can have the name SafeName(%q) = %q: %v", s, SafeName(s), err)
		}
		_ = os.Remove(p)
	})
}
