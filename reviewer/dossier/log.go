package dossier

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"postern/reviewer/casework"
)

const (
	logTitle = "postern event log"
	maxLog   = 256 << 20 // bytes
)

// ErrLog is wrapped by every refusal of a log.
var ErrLog = errors.New("the log of events does not hold")

// encodeLog writes events in the order of their book: a line of what each says, and its bytes
// with the signature.
func encodeLog(events []casework.Signed) ([]byte, error) {
	book := casework.Fold(events)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nentries %d\n", logTitle, len(book.Log))
	for i := range book.Log {
		line, err := logLine(i+1, &book.Log[i].Signed)
		if err != nil {
			return nil, fmt.Errorf("writing the log: %w", err)
		}
		b.WriteString(line)
	}
	return b.Bytes(), nil
}

func logLine(no int, s *casework.Signed) (string, error) {
	raw, err := s.Encode()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s %s %s %s\n", no, s.Day, s.Author.Name(), s.Kind, base64.StdEncoding.EncodeToString(raw)), nil
}

// decodeLog reads what encodeLog wrote, byte for byte. Every signature holds, and the order is the
// book's; whether keys are whose they say, and what is missing, [Verify] tells. [ErrLog].
func decodeLog(text []byte) (*casework.Book, error) {
	if len(text) > maxLog {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrLog, maxLog)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 3 || lines[0] != logTitle || lines[len(lines)-1] != "" {
		return nil, fmt.Errorf("%w: it is cut, or no log", ErrLog)
	}
	var events []casework.Signed
	for i, l := range lines[2 : len(lines)-1] {
		raw, err := base64.StdEncoding.Strict().DecodeString(l[strings.LastIndexByte(l, ' ')+1:])
		if err != nil {
			return nil, fmt.Errorf("%w: entry %d was changed", ErrLog, i+1)
		}
		s, err := casework.DecodeSigned(raw)
		if err != nil || !s.Verify() {
			return nil, fmt.Errorf("%w: entry %d was changed: its signature does not hold", ErrLog, i+1)
		}
		events = append(events, s)
	}
	if want := fmt.Sprintf("entries %d", len(events)); lines[1] != want {
		return nil, fmt.Errorf("%w: it says %.40q, and there are %d: an entry was deleted or added", ErrLog, lines[1], len(events))
	}
	again, err := encodeLog(events)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLog, err)
	}
	if !bytes.Equal(again, text) {
		return nil, fmt.Errorf("%w: its entries are not in their order, or not written as a desk does", ErrLog)
	}
	return casework.Fold(events), nil
}
