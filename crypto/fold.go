package crypto

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// lookAlikes are letters that NFKD leaves alone and that stand where a letter
// from a to z was meant: on the same key or of the same shape in another
// alphabet, or put there by autocorrection. The first field is what was meant.
// FORMAT.md section 3 has the same lines.
const lookAlikes = `
a  Аа Αα ա ɑ ᴀ
b  Вв Ββ Ьь ʙ
c  Сс ᴄ
d  Ԁԁ Đđ ᴅ
e  Ее Єє Εε ɛ ə ᴇ
f  ƒ ꜰ
g  ց ɡ ɢ
h  Нн Һһ Η հ Ħħ ʜ
i  Іі Ӏӏ Ιι ı ɩ ɪ
j  Јј ϳ յ ȷ ᴊ
k  Кк Κκ ĸ ᴋ
l  Łł ʟ
m  Мм Μ ᴍ
n  Пп Ν η ո Ŋŋ ɴ
o  Оо Οο σ օ Øø ᴏ
p  Рр Ρρ Þþ ᴘ
q  Ԛԛ զ
r  ʀ
s  Ѕѕ ς ꜱ
t  Тт Ττ Ŧŧ ᴛ
u  υ μ ս ᴜ
v  Ѵѵ ν ᴠ
w  Ԝԝ Шш ω ᴡ
x  Хх Χχ
y  Уу Үү Υ γ ʏ
z  Ζζ ᴢ
ss ẞß
ae Ææ
oe Œœ
`

// meant is what a letter stands for.
var meant = func() map[rune]string {
	m := map[rune]string{}
	for line := range strings.Lines(lookAlikes) {
		f := strings.Fields(line)
		for i, letters := range f {
			for _, r := range letters {
				if i > 0 {
					m[r] = f[0]
				}
			}
		}
	}
	return m
}()

// fold undoes what keyboards, autocorrection and documents do to plain words:
// other widths and shapes, ligatures, accents, characters that cannot be seen,
// capitals, and letters of other alphabets that look alike (FORMAT.md section 3).
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		switch to, ok := meant[r]; {
		case r < utf8.RuneSelf:
			b.WriteByte(lower(byte(r))) //nolint:gosec // below RuneSelf
		case ok:
			b.WriteString(to)
		case !unicode.In(r, unicode.M, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point):
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
