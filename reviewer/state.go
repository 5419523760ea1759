package reviewer

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"postern/crypto"
	"postern/store/durable"
)

// state is everything a vault knows besides its keys. It is sealed as a whole
// under the data key and replaced as a whole.
type state struct {
	Version   int          `json:"version"`
	Counter   uint64       `json:"counter"` // of own messages, rising
	Arrivals  uint64       `json:"arrivals"`
	Roots     []string     `json:"roots,omitempty"`     // vkeys a directory must be signed by
	Directory []byte       `json:"directory,omitempty"` // the signed note in force
	History   []dirVersion `json:"history,omitempty"`
	Newest    crypto.Day   `json:"newest"` // the latest day any batch was released: a lower bound for today
	Instance  []byte       `json:"instance,omitempty"`
	Batches   []batch      `json:"batches,omitempty"`
	Messages  []entry      `json:"messages,omitempty"`
	Bundles   []bundle     `json:"bundles,omitempty"`
	Erased    [][]byte     `json:"erased,omitempty"` // keyed hashes of erased messages: importing them again changes nothing
}

const (
	stateVersion = 1
	stateName    = "state"
	stateAAD     = "postern-desk state"
)

// dirVersion is one directory this vault accepted.
type dirVersion struct {
	Version uint64 `json:"version"`
	Hash    []byte `json:"hash"`
}

// batch is what was imported of one batch.
type batch struct {
	Instance []byte      `json:"instance"`
	Ordinal  uint64      `json:"ordinal"`
	Lane     crypto.Lane `json:"lane"`
	Day      crypto.Day  `json:"day"`
	Volumes  uint32      `json:"volumes"`
	Have     []uint32    `json:"have"`
}

// mark says what is unusual about a message.
type mark string

const (
	markNone    mark = ""
	markAgain   mark = "again"   // the same content under the same form id
	markChanged mark = "changed" // other content under the same form id
)

// entry is one message of a case.
type entry struct {
	ID       []byte           `json:"id"` // SHA-256 of the container
	Arrival  uint64           `json:"arrival"`
	Case     []byte           `json:"case"`
	Kind     crypto.Kind      `json:"kind"`
	Day      crypto.Day       `json:"day"`
	Counter  uint64           `json:"counter"`
	Form     []byte           `json:"form"`
	DirHash  []byte           `json:"dirhash"`
	Content  []byte           `json:"content"`
	Readers  []string         `json:"readers,omitempty"`
	Source   []byte           `json:"source,omitempty"` // V_src
	Signer   []byte           `json:"signer,omitempty"`
	Prekeys  []prekey         `json:"prekeys,omitempty"`
	Drop     []byte           `json:"drop,omitempty"`
	Slot     byte             `json:"slot,omitempty"`
	Text     int              `json:"text,omitempty"`    // bytes
	Answers  int              `json:"answers,omitempty"` // frames
	Files    []crypto.File    `json:"files,omitempty"`
	Blob     blob             `json:"blob"` // the container
	Batch    *crypto.BatchRef `json:"batch,omitempty"`
	Released uint64           `json:"released,omitempty"` // directory version of that batch
	Mark     mark             `json:"mark,omitempty"`
	Own      *own             `json:"own,omitempty"`
	Aside    aside            `json:"aside,omitzero"` // what it says besides words

	Succeeds *succession `json:"succeeds,omitempty"` // of a source who changed their code
}

// prekey is a reply slot and its drop; the recipient stays in the message.
type prekey struct {
	Slot byte   `json:"slot"`
	Drop []byte `json:"drop"`
}

// own is what a vault knows of a reply it wrote.
type own struct {
	Wire   *blob      `json:"wire,omitempty"`   // the age file for the server
	Size   int64      `json:"size"`             // its length
	Bundle []byte     `json:"bundle,omitempty"` // the bundle it went into; none: still waiting
	Sent   crypto.Day `json:"sent,omitempty"`
}

// bundle is what a vault keeps of a bundle besides its replies: written once
// more, it has the same entries, or a server that compares both copies would see which are dummies.
type bundle struct {
	ID      []byte  `json:"id"`
	Dummies []dummy `json:"dummies"`
}

// dummy is an entry that fills a bundle up.
type dummy struct {
	Drop []byte `json:"drop"`
	Size int64  `json:"size"`
	File blob   `json:"file"`
}

// blobs are the ciphertexts an entry refers to. An own message that was found
// in a batch keeps the container it was written as.
func (e *entry) blobs() []blob {
	b := []blob{e.Blob}
	if e.Own != nil && e.Own.Wire != nil {
		b = append(b, *e.Own.Wire)
	}
	return b
}

// fromSource says whether the message is of a kind that sources write.
func (e *entry) fromSource() bool {
	switch e.Kind {
	case crypto.KindReport, crypto.KindFollowUp, crypto.KindFile, crypto.KindPrekeys:
		return true
	}
	return false
}

// clone is a state whose slices can be appended to and whose elements can be
// replaced without touching s. What elements point to is never changed in place.
func (s *state) clone() *state {
	n := *s
	n.Roots = slices.Clone(s.Roots)
	n.History = slices.Clone(s.History)
	n.Batches = slices.Clone(s.Batches)
	n.Messages = slices.Clone(s.Messages)
	n.Bundles = slices.Clone(s.Bundles)
	n.Erased = slices.Clone(s.Erased)
	return &n
}

// tombstone is the keyed hash of an erased message's id.
func (v *Vault) tombstone(id []byte) []byte {
	m := hmac.New(sha256.New, v.keys.tombKey())
	m.Write(id)
	return m.Sum(nil)[:16]
}

// commit makes next the state of the vault and forgets the blobs that only the
// state before referred to. Packs it refers to must be finished. On error the vault is as
// before. Once the new state is in place nothing is an error any more: what fails
// then leaves a warning, and everything both states refer to.
func (v *Vault) commit(next *state, gone ...blob) error {
	if err := durable.SyncDir(filepath.Join(v.dir, packDir)); err != nil {
		return fmt.Errorf("writing the vault: %w", err)
	}
	text, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("writing the vault: %w", err)
	}
	box := crypto.SealBox(v.keys.stateKey(), text, []byte(stateAAD))
	clear(text)
	stays, err := v.replace(stateName, box)
	if err != nil {
		return fmt.Errorf("writing the vault: %w", err)
	}
	v.state = next
	if stays && len(gone) > 0 {
		if err := v.forget(gone); err != nil {
			v.warn(fmt.Errorf("keys were forgotten, but not all of their ciphertext was overwritten: %w", err))
		}
	}
	return nil
}

// replace a file of the vault and overwrite what it replaced: it held keys that were just
// forgotten. Once the new one is in place nothing is an error any more; when it might not
// stay, nothing that either of the two refers to may be removed or overwritten.
func (v *Vault) replace(name string, data []byte) (stays bool, err error) {
	err = durable.ReplaceSecret(filepath.Join(v.dir, name), data)
	stays = !errors.Is(err, durable.ErrNotSynced)
	if !stays || errors.Is(err, durable.ErrNotScrubbed) {
		v.warn(err)
		err = nil
	}
	return stays, err
}

// warn keeps what went wrong after a step was done.
func (v *Vault) warn(err error) { v.warnings = append(v.warnings, err.Error()) }

// Warnings are what went wrong since the last call without undoing anything: steps after
// a change was in the vault, like overwriting what it replaced.
func (v *Vault) Warnings() []string {
	w := v.warnings
	v.warnings = nil
	return w
}

func (v *Vault) loadState() error {
	box, err := os.ReadFile(filepath.Join(v.dir, stateName))
	if err != nil {
		return fmt.Errorf("reading the vault: %w", err)
	}
	text, err := crypto.OpenBox(v.keys.stateKey(), box, []byte(stateAAD))
	if err != nil {
		return errors.New("the vault's state is damaged: restore a backup")
	}
	defer clear(text)
	d := json.NewDecoder(bytes.NewReader(text))
	var head struct {
		Version int `json:"version"`
	}
	if err := d.Decode(&head); err != nil {
		return errors.New("the vault's state is damaged: restore a backup")
	}
	if head.Version != stateVersion {
		return fmt.Errorf("the vault's state is of version %d; this desk reads version %d: use a newer desk", head.Version, stateVersion)
	}
	d = json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var s state
	if err := d.Decode(&s); err != nil {
		return errors.New("the vault's state is damaged: restore a backup")
	}
	v.state = &s
	return nil
}
