package reviewer

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"postern/crypto"
	"postern/intake/form"
)

// Part is one message of a case as a referral shows it to another body: built anew, without
// anything that was not chosen or that was masked.
type Part struct {
	No     int // in the referral, from 1
	Day    crypto.Day
	Kind   crypto.Kind
	From   string // "": the source; else the id of the body that wrote it
	Masked bool   // something of it was masked or left out
	Words  string
	Told   []form.Answer // not checked against the questions: values may be masked
	Files  []File        // numbered in the referral
}

const (
	maxPart = 1 << 20 // bytes, encoded
	maxTold = 255
)

var errPart = errors.New("a message of the referral makes no sense")

// encode gives the bytes of an item of type 3 (crypto/FORMAT.md section 13). Files are items of their own.
func (x *Part) encode() ([]byte, error) {
	b := binary.BigEndian.AppendUint32(nil, uint32(x.Day))
	b = append(b, byte(x.Kind), byte(btoi(x.Masked)), byte(len(x.From))) //nolint:gosec // ids are short
	b = append(b, x.From...)
	text := func(s string) {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) //nolint:gosec // bounded below
	}
	text(x.Words)
	if len(x.Told) > maxTold {
		return nil, errPart
	}
	b = append(b, byte(len(x.Told))) //nolint:gosec // bounded above
	for _, a := range x.Told {
		if len(a.ID) > maxTold || len(a.Values) > maxTold {
			return nil, errPart
		}
		b = append(append(b, byte(len(a.ID))), a.ID...) //nolint:gosec // bounded above
		b = append(b, byte(len(a.Values)))              //nolint:gosec // bounded above
		for _, v := range a.Values {
			text(v)
		}
	}
	// What would be refused must not leave.
	if _, err := decodePart(b); err != nil {
		return nil, err
	}
	return b, nil
}

// decodePart reads what encode wrote and refuses everything else.
func decodePart(b []byte) (x Part, err error) {
	if len(b) > maxPart {
		return x, errPart
	}
	bad := false
	take := func(n int) []byte {
		if bad || n > len(b) {
			bad = true
			return make([]byte, min(n, 8))
		}
		v := b[:n]
		b = b[n:]
		return v
	}
	short := func() string { return string(take(int(take(1)[0]))) }
	text := func() string {
		n := binary.BigEndian.Uint32(take(4))
		if bad || int64(n) > int64(len(b)) {
			bad = true
			return ""
		}
		s := string(take(int(n)))
		bad = bad || !utf8.ValidString(s)
		return s
	}
	x.Day = crypto.Day(binary.BigEndian.Uint32(take(4)))
	x.Kind = crypto.Kind(take(1)[0])
	masked := take(1)[0]
	x.Masked = masked == 1
	x.From = short()
	x.Words = text()
	for n := int(take(1)[0]); n > 0 && !bad; n-- {
		a := form.Answer{ID: short()}
		bad = bad || !utf8.ValidString(a.ID)
		for m := int(take(1)[0]); m > 0 && !bad; m-- {
			a.Values = append(a.Values, text())
		}
		x.Told = append(x.Told, a)
	}
	source := x.Kind == crypto.KindReport || x.Kind == crypto.KindFollowUp || x.Kind == crypto.KindFile
	switch {
	case bad, len(b) > 0, masked > 1, x.From != "" && !crypto.ValidID(x.From):
		return Part{}, errPart
	case !source && x.Kind != crypto.KindReply, source != (x.From == ""):
		return Part{}, errPart
	}
	return x, nil
}

// encodeFileAbout is what is said of an item of type 4: be16(number of the message) ‖ name length (1) ‖
// name ‖ media type.
func encodeFileAbout(message int, f *crypto.File) ([]byte, error) {
	b := binary.BigEndian.AppendUint16(nil, uint16(message)) //nolint:gosec // checked below
	b = append(append(b, byte(len(f.Name))), f.Name...)      //nolint:gosec // checked below
	b = append(b, f.MediaType...)
	m, g, err := decodeFileAbout(b)
	if err != nil || m != message || g.Name != f.Name {
		return nil, errPart
	}
	return b, nil
}

func decodeFileAbout(b []byte) (message int, f crypto.File, err error) {
	if len(b) < 3 || len(b) < 3+int(b[2]) {
		return 0, f, errPart
	}
	message = int(binary.BigEndian.Uint16(b))
	f.Name, f.MediaType = string(b[3:3+int(b[2])]), string(b[3+int(b[2]):])
	if message == 0 || f.Name == "" || len(f.MediaType) > crypto.MaxMediaType || !utf8.ValidString(f.Name) || !utf8.ValidString(f.MediaType) {
		return 0, f, errPart
	}
	return message, f, nil
}
