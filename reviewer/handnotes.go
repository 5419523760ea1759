package reviewer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"postern/crypto"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
	"postern/reviewer/vault"
)

// A hand-over also gives what the desk noted itself: who had opened and copied what of a case, and
// to whom it was referred. Nobody signed such a note when it was made: it is the word of who hands
// over (SECURITY.md S-34), and adds to what is noted here.

// noted is one note, as a desk file carries it.
type noted struct {
	of   crypto.CaseID
	kind vault.Kind // kindReferredTo or kindCustody
	id   string     // of the record
	to   ReferredTo
	by   custody
}

// noteKinds are the kinds of notes, by their numbers in a desk file.
var noteKinds = map[byte]vault.Kind{1: kindReferredTo, 2: kindCustody}

// maxNotes bounds an item of notes, in bytes.
const maxNotes = 1 << 20

var errNotes = errors.New("a desk's notes on a case make no sense")

// addNotes lists the notes on cases in a hand-over.
func (desk *Desk) addNotes(h *HandOver) error {
	for _, c := range h.Cases {
		for _, number := range slices.Sorted(maps.Keys(noteKinds)) {
			list, err := desk.notesOn(c, noteKinds[number])
			if err != nil {
				return err
			}
			h.Notes += len(list)
			for len(list) > 0 {
				b := slices.Concat([]byte{number}, c.ID[:])
				for len(list) > 0 && len(b) < maxNotes/2 {
					b = list[0].encode(b)
					list = list[1:]
				}
				h.items = append(h.items, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
				h.file.Items = append(h.file.Items, crypto.DeskItem{Type: itemNotes, Size: int64(len(b)), Hash: sha256.Sum256(b)})
			}
		}
	}
	return nil
}

// notesOn are the notes of one kind on a case, in the order of their ids.
func (desk *Desk) notesOn(c *Case, kind vault.Kind) (list []noted, err error) {
	switch kind {
	case kindReferredTo:
		found, err := Records[ReferredTo](desk, kind, c)
		if err != nil {
			return nil, err
		}
		for id, x := range found {
			list = append(list, noted{of: c.ID, kind: kind, id: id, to: x})
		}
	default:
		found, err := Records[custody](desk, kind, c)
		if err != nil {
			return nil, err
		}
		for id, x := range found {
			list = append(list, noted{of: c.ID, kind: kind, id: id, by: x})
		}
	}
	slices.SortFunc(list, func(a, b noted) int { return strings.Compare(a.id, b.id) })
	return list, nil
}

// encode appends a note (crypto/FORMAT.md section 13).
func (n *noted) encode(b []byte) []byte {
	short := func(s string) { b = append(append(b, byte(len(s))), s...) } //nolint:gosec // ids and names of ours
	long := func(v uint32) { b = binary.BigEndian.AppendUint32(b, v) }
	if n.kind == kindReferredTo {
		b = append(b, n.id...)
		short(n.to.To.ID)
		b = binary.BigEndian.AppendUint64(b, n.to.To.Since)
		long(uint32(n.to.Day))
		long(uint32(n.to.Messages))            //nolint:gosec // numbers of messages and files of one case
		long(uint32(n.to.Files))               //nolint:gosec // likewise
		b = append(b, byte(btoi(n.to.Masked))) //nolint:gosec // 0 or 1
		long(uint32(n.to.Received))
		short(n.to.By)
		return b
	}
	long(uint32(n.by.Day))
	short(n.by.Holder)
	short(string(n.by.Act))
	short(string(n.by.Message))
	long(uint32(n.by.File)) //nolint:gosec // a number of a file
	return b
}

// decodeNotes reads what addNotes wrote and refuses everything else.
func decodeNotes(b []byte) (list []noted, err error) {
	bad := false
	take := func(n int) []byte {
		if bad || n > len(b) {
			bad = true
			return make([]byte, n)
		}
		v := b[:n]
		b = b[n:]
		return v
	}
	short := func() string { return string(take(int(take(1)[0]))) }
	long := func() uint32 { return binary.BigEndian.Uint32(take(4)) }
	kind := noteKinds[take(1)[0]]
	of := crypto.CaseID(take(len(crypto.CaseID{})))
	for len(b) > 0 && !bad {
		n := noted{of: of, kind: kind}
		switch kind {
		case kindReferredTo:
			n.id = string(take(sha256.Size))
			n.to.To = crypto.Reader{ID: short(), Since: binary.BigEndian.Uint64(take(8))}
			n.to.Day, n.to.Messages, n.to.Files = crypto.Day(long()), int(long()), int(long())
			masked := take(1)[0]
			n.to.Masked = masked == 1
			n.to.Received, n.to.By = crypto.Day(long()), short()
			bad = bad || masked > 1 || !crypto.ValidID(n.to.To.ID) || n.to.To.Since == 0 || (n.to.Received == 0) != (n.to.By == "") || n.to.By != "" && !crypto.ValidID(n.to.By)
		case kindCustody:
			n.by = custody{Day: crypto.Day(long()), Holder: short(), Act: dossier.Act(short()), Message: casework.Ref(short()), File: int(long())}
			n.id = n.by.id()
			bad = bad || !crypto.ValidID(n.by.Holder) || !slices.Contains(dossier.Acts(), n.by.Act) || !validRef(n.by.Message) || n.by.File > 0 && n.by.Message == ""
		default:
			bad = true
		}
		list = append(list, n)
	}
	if bad || len(list) == 0 {
		return nil, errNotes
	}
	return list, nil
}

// validRef says whether a reference is that of a message, or none.
func validRef(r casework.Ref) bool {
	return r == "" || len(r) == len(casework.Hash{}.Ref()) && strings.Trim(string(r), "0123456789abcdef") == ""
}

// takeNotes reads the notes on a case of a hand-over. Of a case that was erased here it takes none,
// unless asked to.
func (t *taker) takeNotes(item crypto.DeskItem, r io.Reader) error {
	if item.Size > maxNotes || len(item.About) > 0 {
		return fmt.Errorf("%w: notes of %d bytes", crypto.ErrFormat, item.Size)
	}
	b := make([]byte, item.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if sha256.Sum256(b) != item.Hash {
		return crypto.ErrEntry
	}
	list, err := decodeNotes(b)
	if err != nil {
		t.out.Refused++
		return nil //nolint:nilerr // counted as refused
	}
	mark := casework.Mark(t.desk.keys.Tombs, list[0].of)
	if _, gone := t.desk.added[kindGrave][crypto.CaseID{}][string(mark[:])]; gone && !t.o.Again {
		return nil
	}
	t.notes = append(t.notes, list...)
	return nil
}

// keepNotes puts the notes that are news into a change; kept is to be called when it is committed.
// A note on a case that is not here would stay when it is erased, so it is not taken.
func (t *taker) keepNotes(c *vault.Change) (kept func(), err error) {
	here := t.casesHere()
	var marks []func()
	for i := range t.notes {
		n := &t.notes[i]
		if !here[n.of] {
			continue
		}
		have, known := t.desk.added[n.kind][n.of][n.id]
		var v any = n.by
		if n.kind == kindReferredTo {
			was := n.to
			if known {
				was = ReferredTo{}
				if err := json.Unmarshal(have, &was); err != nil {
					return nil, errRecord
				}
				known = was.Received != 0 || n.to.Received == 0 || was.To != n.to.To
				was.Received, was.By = n.to.Received, n.to.By // a receipt is news
			}
			v = was
		}
		if known {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		c.Put(n.kind, recordKey(n.of, n.id), text)
		t.out.Notes++
		marks = append(marks, func() { t.desk.keep(n.kind, n.of, n.id, text) })
	}
	return func() {
		for _, do := range marks {
			do()
		}
	}, nil
}

// casesHere are the cases that are here, or come with the file.
func (t *taker) casesHere() map[crypto.CaseID]bool {
	if len(t.notes) == 0 {
		return nil
	}
	here := make(map[crypto.CaseID]bool)
	for _, e := range t.next.messages.all() {
		here[crypto.CaseID(e.Case)] = true
	}
	for id := range t.desk.added[kindEvent] {
		here[id] = true
	}
	for i := range t.event {
		here[t.event[i].Case] = true
	}
	return here
}
