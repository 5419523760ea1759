package web

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"postern/crypto"
	"postern/intake"
)

// How long tickets live.
const (
	startLife  = 24 * time.Hour   // of a report's form and of the page with its code
	slideLife  = 30 * time.Minute // of an inbox page
	visitLife  = 4 * time.Hour    // of a visit, however often it slides
	keyLife    = 24 * time.Hour   // of a ticket key, before it becomes the previous one
	ticketSize = 1 + 16 + 3*8 + 2*17 + 8 + 4 + 1 + len(intake.ReplyID{})
)

// action is the one thing a ticket is good for.
type action string

// The actions, one for each form that needs a ticket.
const (
	actReport   action = "report"   // send a report
	actCode     action = "code"     // type the code back
	actFiles    action = "files"    // add files to the report just sent
	actEarly    action = "early"    // the same, while the code is not typed back
	actInbox    action = "inbox"    // back to the inbox, or in with a code that was repaired
	actMessage  action = "message"  // write again
	actReply    action = "reply"    // read one reply
	actDownload action = "download" // fetch its files
	actErase    action = "erase"    // ask before erasing
	actErased   action = "erased"   // erase
	actConsent  action = "consent"  // answer what a reply asks
	actChange   action = "change"   // show a new code
	actChanged  action = "changed"  // take it
)

// everything in place of a reply's number, in a ticket of actErase or actErased.
const everything = 1<<32 - 1

var (
	errTicket  = errors.New("ticket does not open")
	errExpired = errors.New("ticket has expired")
)

// ticket is what one page remembers for the next. It is a secret: it holds the code.
type ticket struct {
	form    crypto.FormID
	issued  time.Time
	started time.Time // of the visit, for its end
	expires time.Time
	code    crypto.Code
	next    crypto.Code    // in a ticket of actChanged: the new one
	listed  uint64         // version of the directory whose bodies the page showed; 0: none
	number  uint32         // of a reply
	part    uint8          // of a long reply, or of the inbox, from 0
	reply   intake.ReplyID // of that number
}

// TicketOptions of [NewTickets].
type TicketOptions struct {
	// Path of the key file. It should lie on tmpfs: it then survives a restart of
	// the process, but not of the machine. It is trusted: an attacker who can read
	// it can open the tickets of pages that are open in sources' browsers, and
	// with them their codes. "" keeps the key in memory only.
	Path string
	// Host is the onion address the pages are served under; a ticket of another
	// instance does not open.
	Host string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Tickets seals and opens tickets. The key is renewed daily and the previous
// one accepted, so that every ticket opens for at least the 24 hours it may live.
// Safe for concurrent use.
type Tickets struct {
	path string
	host string
	now  func() time.Time

	mu       sync.Mutex
	made     time.Time // when current was
	current  crypto.Key
	previous crypto.Key
}

// NewTickets reads the key file, or makes one (0600).
func NewTickets(o TicketOptions) (*Tickets, error) {
	t := &Tickets{path: o.Path, host: o.Host, now: o.Now}
	if t.now == nil {
		t.now = time.Now
	}
	if t.path != "" {
		switch err := t.load(); {
		case err == nil:
			return t, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("reading the ticket key: %w; delete the file to make a new one: pages that are open now must then be opened anew", err)
		}
	}
	t.made, t.current, t.previous = t.now(), crypto.NewKey(), crypto.NewKey()
	if err := t.save(); err != nil {
		return nil, err
	}
	return t, nil
}

const (
	keyMagic    = "postern tickets 1\n"
	keyFileSize = len(keyMagic) + 8 + 2*32
)

func (t *Tickets) load() error {
	fi, err := os.Lstat(t.path)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() || fi.Mode().Perm()&0o077 != 0 {
		return errors.New("it must be a file that only its owner can read (chmod 600)")
	}
	b, err := os.ReadFile(t.path)
	if err != nil {
		return err
	}
	defer clear(b)
	if len(b) != keyFileSize || !bytes.HasPrefix(b, []byte(keyMagic)) {
		return errors.New("it is no ticket key")
	}
	rest := b[len(keyMagic):]
	t.made = time.Unix(int64(binary.BigEndian.Uint64(rest)), 0) //nolint:gosec // any time will do: a wrong one rotates the key
	copy(t.current[:], rest[8:])
	copy(t.previous[:], rest[40:])
	return nil
}

// save replaces the file in one step. It is not synced: on tmpfs there is
// nothing to sync to, and a lost key costs open pages, never a report.
func (t *Tickets) save() error {
	if t.path == "" {
		return nil
	}
	b := append(make([]byte, 0, keyFileSize), keyMagic...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.made.Unix())) //nolint:gosec // not before 1970
	b = append(append(b, t.current[:]...), t.previous[:]...)
	defer clear(b)
	fresh := t.path + ".new"
	_ = os.Remove(fresh)                                                   // left by a crash
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the operator's
	if err != nil {
		return fmt.Errorf("writing the ticket key: %w", err)
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(fresh, t.path)
	}
	if err != nil {
		_ = os.Remove(fresh)
		return fmt.Errorf("writing the ticket key: %w", err)
	}
	return nil
}

// keys returns both keys, renewed when it is time.
func (t *Tickets) keys() (current, previous crypto.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A clock that was set back makes the age negative: renew, or the key never ends.
	if age := t.now().Sub(t.made); age >= keyLife || age < 0 {
		t.previous = t.current
		if age >= 2*keyLife || age < 0 {
			t.previous = crypto.NewKey() // nothing it sealed may still live
		}
		t.made, t.current = t.now(), crypto.NewKey()
		// A key that cannot be written still serves this process: refusing sources
		// would be worse than losing open pages at the next restart.
		_ = t.save()
	}
	return t.current, t.previous
}

func (t *Tickets) aad(a action) []byte { return []byte(string(a) + "\x00" + t.host) }

// seal makes the text that goes into a form.
func (t *Tickets) seal(a action, k ticket) string {
	b := append(make([]byte, 0, ticketSize), 1)
	b = append(b, k.form[:]...)
	for _, x := range []time.Time{k.issued, k.started, k.expires} {
		b = binary.BigEndian.AppendUint64(b, uint64(x.Unix())) //nolint:gosec // not before 1970
	}
	b = append(append(b, k.code.Canonical()...), k.next.Canonical()...)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, k.listed), k.number)
	b = append(append(b, k.part), k.reply[:]...)
	defer clear(b)
	key, previous := t.keys()
	defer key.Wipe()
	previous.Wipe()
	return base64.RawURLEncoding.EncodeToString(crypto.SealBox(key, b, t.aad(a)))
}

// open opens a ticket of one action as of the time its form arrived. With
// errExpired the ticket is returned too: who sealed it is certain, only late.
func (t *Tickets) open(a action, s string, at time.Time) (ticket, error) {
	box, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(box) != ticketSize+crypto.BoxOverhead {
		return ticket{}, errTicket
	}
	key, previous := t.keys()
	defer key.Wipe()
	defer previous.Wipe()
	b, err := crypto.OpenBox(key, box, t.aad(a))
	if err != nil {
		b, err = crypto.OpenBox(previous, box, t.aad(a))
	}
	if err != nil || len(b) != ticketSize || b[0] != 1 {
		return ticket{}, errTicket
	}
	defer clear(b)
	var k ticket
	rest := b[1+copy(k.form[:], b[1:]):]
	for _, x := range []*time.Time{&k.issued, &k.started, &k.expires} {
		*x = time.Unix(int64(binary.BigEndian.Uint64(rest)), 0) //nolint:gosec // sealed by us
		rest = rest[8:]
	}
	for _, c := range []*crypto.Code{&k.code, &k.next} {
		if *c, err = crypto.CodeFromCanonical(rest[:17]); err != nil {
			return ticket{}, errTicket
		}
		rest = rest[17:]
	}
	k.listed, k.number, k.part = binary.BigEndian.Uint64(rest), binary.BigEndian.Uint32(rest[8:]), rest[12]
	copy(k.reply[:], rest[13:])
	if at.Before(k.issued.Add(-time.Minute)) || !at.Before(k.expires) {
		return k, errExpired
	}
	return k, nil
}

// start is the ticket of a new report: a fresh code and form id.
func (t *Tickets) start() ticket {
	now := t.now()
	return ticket{form: newFormID(), issued: now, started: now, expires: now.Add(startLife), code: crypto.NewCode()}
}

// visit is the ticket of an inbox that was just entered.
func (t *Tickets) visit(c crypto.Code) ticket {
	return t.slide(ticket{code: c, started: t.now()})
}

// slide renews a visit's ticket for the next page, with a fresh form id.
func (t *Tickets) slide(k ticket) ticket {
	now := t.now()
	k.form, k.issued, k.expires = newFormID(), now, now.Add(slideLife)
	if end := k.started.Add(visitLife); end.Before(k.expires) {
		k.expires = end
	}
	return k
}

// shows notes which directory's bodies stand on the page, and unticks those that have
// become others since the page before was made (SECURITY.md S-27).
func (k *ticket) shows(d *crypto.Directory, f *fields) {
	f.bodies = slices.DeleteFunc(f.bodies, func(id string) bool {
		b, ok := d.Body(id)
		return k.listed > 0 && ok && b.Since > k.listed
	})
	k.listed = d.Version
}

func newFormID() (f crypto.FormID) { _, _ = rand.Read(f[:]); return f }

// typedBack remembers for a day which forms' codes were typed back. A form id
// is random and stands in no other place on the server in clear.
type typedBack struct {
	mu  sync.Mutex
	ids map[crypto.FormID]time.Time
}

// maxTyped bounds the memory; beyond it the oldest is forgotten.
const maxTyped = 8192

func (m *typedBack) add(id crypto.FormID, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ids == nil {
		m.ids = map[crypto.FormID]time.Time{}
	}
	var oldest crypto.FormID
	first := now
	for k, t := range m.ids {
		if now.Sub(t) >= startLife {
			delete(m.ids, k)
		} else if !t.After(first) {
			oldest, first = k, t
		}
	}
	if len(m.ids) >= maxTyped {
		delete(m.ids, oldest)
	}
	m.ids[id] = now
}

func (m *typedBack) has(id crypto.FormID, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.ids[id]
	return ok && now.Sub(t) < startLife
}
