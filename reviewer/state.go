package reviewer

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"slices"

	"postern/crypto"
	"postern/reviewer/vault"
)

// state is everything a vault knows besides its keys and what a case's handling adds
// (additions.go). What was imported is a set: no part of it says in which order it came, so
// nothing that is shown can depend on that. A step changes the [state.next] of it.
type state struct {
	accepted
	clock
	batches   []batch          // in the order of batch.compare
	messages  table[*entry]    // by ID
	bundles   table[*bundle]   // by ID
	referrals table[*referral] // by the hash of the head
	erased    table[struct{}]  // by tombstone: importing these messages again changes nothing
}

// accepted is what the holder accepted of directories.
type accepted struct {
	Roots     []string     `json:"roots,omitempty"`     // vkeys a directory must be signed by
	Directory []byte       `json:"directory,omitempty"` // the signed note in force
	History   []dirVersion `json:"history,omitempty"`
}

// clock is what the holder said of days.
type clock struct {
	Believed []crypto.Day `json:"believed,omitempty"` // of batches: far ahead, and the holder said yes
	Doubted  []crypto.Day `json:"doubted,omitempty"`  // of batches: the holder took the yes back
}

// dirVersion is one directory this vault accepted.
type dirVersion struct {
	Version uint64 `json:"version"`
	Hash    []byte `json:"hash"`
	Server  []byte `json:"server"` // key that signs batches
}

// entry is one message. Its words and the names of its files are in the container alone: a record
// is small whatever was sent. What it points to is never changed in place.
type entry struct {
	ID       []byte          `json:"id"` // SHA-256 of the container
	Case     []byte          `json:"case"`
	Kind     crypto.Kind     `json:"kind"`
	Day      crypto.Day      `json:"day"`
	Counter  uint64          `json:"counter"`
	Form     []byte          `json:"form"`
	DirHash  []byte          `json:"dirhash"`
	Content  []byte          `json:"content"`
	Readers  []crypto.Reader `json:"readers,omitempty"`
	Source   []byte          `json:"source,omitempty"` // V_src
	Life     []byte          `json:"life,omitempty"`   // of the source's mailbox
	Signer   []byte          `json:"signer,omitempty"`
	Receipts []byte          `json:"receipts,omitempty"` // of replies that the source has opened, and noise
	Drop     []byte          `json:"drop,omitempty"`
	Text     int             `json:"text,omitempty"`    // bytes
	Answers  int             `json:"answers,omitempty"` // frames
	Files    []fileEntry     `json:"files,omitempty"`
	Blob     vault.Blob      `json:"-"` // the container
	Own      *own            `json:"own,omitempty"`
	Aside    aside           `json:"aside,omitzero"`   // what it says besides words
	Events   []byte          `json:"events,omitempty"` // of a message between readers, as casework encodes them; verified

	// Where it came from, as could be judged when it came and never taken
	// from what the message says of itself.
	Release *release     `json:"release,omitempty"` // nil: an own reply not seen in a batch yet
	Opened  crypto.Month `json:"opened,omitempty"`  // month of the key that opened it
	Handed  *handed      `json:"handed,omitempty"`  // it came by hand, and Release is that holder's word; no batch here held it yet

	Succeeds *succession `json:"succeeds,omitempty"` // of a source who changed their code
}

// fileEntry is one file of a message.
type fileEntry struct {
	Size   int64  `json:"size"`
	SHA256 []byte `json:"sha256"`
}

// release is the first batch known to hold a message.
type release struct {
	Day       crypto.Day `json:"day"`
	Ordinal   uint64     `json:"ordinal"`
	Instance  []byte     `json:"instance"`
	Directory uint64     `json:"directory"` // version in force then
}

// handed says whose word it is that a message was released as it says: who handed it over.
type handed struct {
	By        []byte     `json:"by"`        // signing key of a holder of this body
	Day       crypto.Day `json:"day"`       // by their clock
	Directory uint64     `json:"directory"` // version under which they did; the message existed then
}

// compare orders releases alike at every desk: by day and, on one day, by number;
// nil, not yet released, comes last.
func (r *release) compare(o *release) int {
	if r == nil || o == nil {
		return cmp.Compare(btoi(r == nil), btoi(o == nil))
	}
	return cmp.Or(cmp.Compare(r.Day, o.Day), cmp.Compare(r.Ordinal, o.Ordinal), bytes.Compare(r.Instance, o.Instance))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// own is what a vault knows of a reply it wrote.
type own struct {
	Wire     *parcel    `json:"wire,omitempty"`     // what the server gets; none: given up
	Bundle   []byte     `json:"bundle,omitempty"`   // the bundle it went into; none: still waiting
	Sent     crypto.Day `json:"sent,omitempty"`     // when it was exported first
	Instance []byte     `json:"instance,omitempty"` // the server's life that it was exported to last
}

// parcel is an entry of a bundle: a reply's two copies, or a dummy's.
type parcel struct {
	Drop    []byte     `json:"drop"`
	Size    int64      `json:"size"` // of each copy
	Source  vault.Blob `json:"-"`
	Readers vault.Blob `json:"-"`
}

// bundle is what a vault keeps of a bundle besides its replies: written once
// more, it has the same entries, or a server that compares both copies would see which are dummies.
type bundle struct {
	ID      []byte   `json:"id"`
	Dummies []parcel `json:"dummies"`
}

// fromSource says whether the message is of a kind that sources write.
func (e *entry) fromSource() bool {
	switch e.Kind {
	case crypto.KindReport, crypto.KindFollowUp, crypto.KindFile, crypto.KindChange:
		return true
	}
	return false
}

// names says whether a body's id is among the readers.
func names(list []crypto.Reader, id string) bool {
	return slices.ContainsFunc(list, func(r crypto.Reader) bool { return r.ID == id })
}

// tombstone is the keyed hash of an erased message's id: keyed, so that state tells a
// thief of the open vault only by trial which messages were erased.
func (desk *Desk) tombstone(id []byte) []byte {
	m := hmac.New(sha256.New, desk.keys.Tombs)
	m.Write(id)
	return m.Sum(nil)[:16]
}
