package reviewer

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"postern/crypto"
	"postern/reviewer/vault"
)

// state is everything a vault knows besides its keys. It is sealed as a whole
// under the data key and replaced as a whole. What was imported is a set: no
// part of it says in which order it came, so nothing that is shown can depend on that.
type state struct {
	Version   int          `json:"version"`
	Roots     []string     `json:"roots,omitempty"`     // vkeys a directory must be signed by
	Directory []byte       `json:"directory,omitempty"` // the signed note in force
	History   []dirVersion `json:"history,omitempty"`
	Batches   []batch      `json:"batches,omitempty"`
	Believed  []crypto.Day `json:"believed,omitempty"` // of batches: far ahead, and the holder said yes
	Doubted   []crypto.Day `json:"doubted,omitempty"`  // of batches: the holder took the yes back
	Messages  []entry      `json:"messages,omitempty"` // by ID
	Bundles   []bundle     `json:"bundles,omitempty"`
	Erased    [][]byte     `json:"erased,omitempty"` // keyed hashes of erased messages: importing them again changes nothing
}

const (
	stateVersion = 1
)

// dirVersion is one directory this vault accepted.
type dirVersion struct {
	Version uint64 `json:"version"`
	Hash    []byte `json:"hash"`
	Server  []byte `json:"server"` // key that signs batches
}

// entry is one message.
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
	Files    []crypto.File   `json:"files,omitempty"`
	Blob     vault.Blob      `json:"blob"` // the container
	Own      *own            `json:"own,omitempty"`
	Aside    aside           `json:"aside,omitzero"` // what it says besides words

	// Where it came from, as could be judged when it came and never taken
	// from what the message says of itself.
	Release *release     `json:"release,omitempty"` // nil: an own reply not seen in a batch yet
	Opened  crypto.Month `json:"opened,omitempty"`  // month of the key that opened it

	Succeeds *succession `json:"succeeds,omitempty"` // of a source who changed their code
}

// release is the first batch known to hold a message.
type release struct {
	Day       crypto.Day `json:"day"`
	Ordinal   uint64     `json:"ordinal"`
	Instance  []byte     `json:"instance"`
	Directory uint64     `json:"directory"` // version in force then
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
	Source  vault.Blob `json:"source"`
	Readers vault.Blob `json:"readers"`
}

func (p *parcel) blobs() []vault.Blob { return []vault.Blob{p.Source, p.Readers} }

// bundle is what a vault keeps of a bundle besides its replies: written once
// more, it has the same entries, or a server that compares both copies would see which are dummies.
type bundle struct {
	ID      []byte   `json:"id"`
	Dummies []parcel `json:"dummies"`
}

// blobs are the ciphertexts an entry refers to. An own message that was found
// in a batch keeps the container it was written as.
func (e *entry) blobs() []vault.Blob {
	b := []vault.Blob{e.Blob}
	if e.Own != nil && e.Own.Wire != nil {
		b = append(b, e.Own.Wire.blobs()...)
	}
	return b
}

// fromSource says whether the message is of a kind that sources write.
func (e *entry) fromSource() bool {
	switch e.Kind {
	case crypto.KindReport, crypto.KindFollowUp, crypto.KindFile, crypto.KindChange:
		return true
	}
	return false
}

// readerIDs are the ids of bodies.
func readerIDs(list []crypto.Reader) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.ID
	}
	return out
}

// names says whether a body's id is among the readers.
func names(list []crypto.Reader, id string) bool {
	return slices.ContainsFunc(list, func(r crypto.Reader) bool { return r.ID == id })
}

// clone is a state whose slices can be appended to and whose elements can be
// replaced without touching s. What elements point to is never changed in place.
func (s *state) clone() *state {
	n := *s
	n.Roots = slices.Clone(s.Roots)
	n.History = slices.Clone(s.History)
	n.Batches = slices.Clone(s.Batches)
	n.Believed = slices.Clone(s.Believed)
	n.Doubted = slices.Clone(s.Doubted)
	n.Messages = slices.Clone(s.Messages)
	n.Bundles = slices.Clone(s.Bundles)
	n.Erased = slices.Clone(s.Erased)
	return &n
}

// tombstone is the keyed hash of an erased message's id: keyed, so that state tells a
// thief of the open vault only by trial which messages were erased.
func (desk *Desk) tombstone(id []byte) []byte {
	m := hmac.New(sha256.New, desk.keys.Tombs)
	m.Write(id)
	return m.Sum(nil)[:16]
}

// packs are those that the state refers to.
func (s *state) packs() map[string]bool {
	live := make(map[string]bool)
	for _, e := range s.Messages {
		for _, b := range e.blobs() {
			live[b.Pack] = true
		}
	}
	for _, b := range s.Bundles {
		for _, d := range b.Dummies {
			for _, b := range d.blobs() {
				live[b.Pack] = true
			}
		}
	}
	return live
}

// commit makes next the state of the vault and forgets the blobs that only the
// state before referred to: see [vault.Vault.Commit].
func (desk *Desk) commit(next *state, gone ...vault.Blob) error {
	text, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("writing the vault: %w", err)
	}
	if err := desk.vault.Commit(text, next.packs(), gone...); err != nil {
		return err
	}
	desk.state = next
	return nil
}

func decodeState(text []byte) (*state, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	var head struct {
		Version int `json:"version"`
	}
	if err := d.Decode(&head); err != nil {
		return nil, errors.New("the vault's state is damaged: restore a backup")
	}
	if head.Version != stateVersion {
		return nil, fmt.Errorf("the vault's state is of version %d; this desk reads version %d: use a newer desk", head.Version, stateVersion)
	}
	d = json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var s state
	if err := d.Decode(&s); err != nil {
		return nil, errors.New("the vault's state is damaged: restore a backup")
	}
	return &s, nil
}
