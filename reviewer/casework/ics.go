package casework

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postern/crypto"
)

// Calendar writes due days as a calendar file (RFC 5545), for a calendar on a machine that may be
// read by others. It tells no more than on which days somebody looks at the desk: one all-day entry
// for each day, whatever is due on it, with the summary alone; what is overdue stands on today.
// The key is the vault's: an entry keeps its UID from file to file, and nobody else can tell what it stands for.
func Calendar(dues []Due, today crypto.Day, key []byte, summary string) []byte {
	var days []crypto.Day
	for _, d := range dues {
		days = append(days, max(d.Day, today))
	}
	slices.Sort(days)
	days = slices.Compact(days)

	var b bytes.Buffer
	put := func(format string, a ...any) { fold(&b, fmt.Sprintf(format, a...)) }
	put("BEGIN:VCALENDAR")
	put("VERSION:2.0")
	put("PRODID:-//desk//EN")
	for _, d := range days {
		put("BEGIN:VEVENT")
		put("UID:%s", uid(key, d))
		put("DTSTAMP:%sT000000Z", basic(today))
		put("DTSTART;VALUE=DATE:%s", basic(d))
		put("DTEND;VALUE=DATE:%s", basic(d+1))
		put("SUMMARY:%s", escapeText(summary))
		put("CLASS:PRIVATE")
		put("TRANSP:TRANSPARENT")
		put("END:VEVENT")
	}
	put("END:VCALENDAR")
	return b.Bytes()
}

func basic(d crypto.Day) string { return strings.ReplaceAll(d.Time().Format(time.DateOnly), "-", "") }

func uid(key []byte, d crypto.Day) string {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte("postern/v1 calendar entry\x00"))
	_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(d)))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// escapeText writes a text value (section 3.3.11).
func escapeText(s string) string {
	return strings.NewReplacer("\\", "\\\\", ";", "\\;", ",", "\\,", "\r\n", "\\n", "\n", "\\n", "\r", "\\n").Replace(s)
}

// maxContentLine is how many octets a line has at most, its end left out (section 3.1).
const maxContentLine = 75

// fold writes a content line, folded between characters.
func fold(b *bytes.Buffer, line string) {
	room := maxContentLine
	for len(line) > room {
		n := room
		for n > 0 && !utf8.RuneStart(line[n]) {
			n--
		}
		b.WriteString(line[:n])
		b.WriteString("\r\n ")
		line, room = line[n:], maxContentLine-1
	}
	b.WriteString(line)
	b.WriteString("\r\n")
}
