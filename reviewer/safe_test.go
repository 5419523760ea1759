package reviewer

import (
	"os"
	"path/filepath"
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
		{"carriage return overwrites", "innocent\rguilty", "innocent⟨U+000D⟩guilty"},
		{"windows line ends", "a\r\nb", "a\nb"},
		{"backspace, NUL, DEL", "a\bb\x00c\x7f", "a⟨U+0008⟩b⟨U+0000⟩c⟨U+007F⟩"},
		{"bidi override", "report\u202efdp.exe", "report⟨U+202E⟩fdp.exe"},
		{"isolates", "\u2066a\u2069", "⟨U+2066⟩a⟨U+2069⟩"},
		{"marks of direction", "\u200ea\u200f\u061c", "⟨U+200E⟩a⟨U+200F⟩⟨U+061C⟩"},
		{"zero width", "pay\u200bpal\ufeff\u2060", "pay⟨U+200B⟩pal⟨U+FEFF⟩⟨U+2060⟩"},
		{"separators", "a\u2028b\u2029", "a⟨U+2028⟩b⟨U+2029⟩"},
		{"tags", "x\U000e0041", "x⟨U+E0041⟩"},
		{"soft hyphen", "a\u00adb", "a⟨U+00AD⟩b"},
		{"blank letter", "a\u3164b", "a⟨U+3164⟩b"},
		{"private use", "\ue000", "⟨U+E000⟩"},
		{"broken UTF-8", "\xff\xc3(", "⟨0xFF⟩⟨0xC3⟩("},
		{"replacement character itself", "\ufffd", "\ufffd"},
		{"Persian keeps its non-joiner", "می\u200cشود", "می\u200cشود"},
		{"a joiner elsewhere is shown", "a\u200db", "a⟨U+200D⟩b"},
		{"a joiner beside a control is shown", "ب\u200c\u202eب", "ب⟨U+200C⟩⟨U+202E⟩ب"},
		{"marks pile up", "a\u0301\u0301\u0301\u0301\u0301\u0301", "a\u0301\u0301\u0301\u0301⟨U+0301⟩⟨U+0301⟩"},
		{"emoji with its selector", "❤\ufe0f", "❤\ufe0f"},
		{"Arabic and Cyrillic", "تقرير доклад", "تقرير доклад"},
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

// checkText is what SafeText promises, for any input.
func checkText(t interface{ Fatalf(string, ...any) }, in string) {
	out := SafeText(in)
	if !utf8.ValidString(out) {
		t.Fatalf("SafeText(%q) is no UTF-8: %q", in, out)
	}
	for i, r := range out {
		switch {
		case r == '\n', r == '\t', r == '\ufe0e', r == '\ufe0f':
		case r == '\u200c', r == '\u200d':
			before, _ := utf8.DecodeLastRuneInString(out[:i])
			if !joined(before) || !joined(first(out[i+len("\u200c"):])) {
				t.Fatalf("SafeText(%q) keeps a joiner outside its scripts: %q", in, out)
			}
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r), !unicode.IsGraphic(r):
			t.Fatalf("SafeText(%q) lets U+%04X through", in, r)
		}
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
	for _, s := range []string{"", "\x1b[31m", "می\u200cشود", "a\u202eb", "\xff", "\r\n\r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkText(t, s) })
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"", "../x", "NUL", "con.txt", ".x", strings.Repeat("é.", 99), "a\u0301" + strings.Repeat("x", 130) + ".tar.gz"} {
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
