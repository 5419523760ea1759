package reviewer

import (
	"encoding/json"
	"fmt"
	"slices"

	"postern/crypto"
	"postern/reviewer/vault"
)

// additions are what the handling of cases added: records of other rooms, by kind, by the
// case of the code they were kept under, and by an id of their own.
type additions map[vault.Kind]map[crypto.CaseID]map[string]json.RawMessage

// Change is what one step of a case's handling keeps and removes: [Desk.Commit] makes it one
// durable step, small whatever the vault holds. Kinds are listed in records.go, from
// [KindCasework] on. The zero value changes nothing.
type Change struct {
	vault vault.Change
	do    []func(*Desk)
	err   error
}

// maxRecord bounds the id of a record of casework, in bytes.
const maxRecord = 256

// Put keeps value as JSON under a kind, a case and an id, in place of what was there. of nil
// is the desk itself, like settings: such records stay when cases are erased.
func (c *Change) Put(kind vault.Kind, of *Case, id string, value any) {
	text, err := json.Marshal(value)
	if err == nil && (kind < KindCasework || len(id) > maxRecord) {
		err = fmt.Errorf("no record of kind %d and an id of %d bytes", kind, len(id))
	}
	if err != nil {
		c.err = err
		return
	}
	under := caseOf(of)
	c.vault.Put(kind, recordKey(under, id), text)
	c.do = append(c.do, func(desk *Desk) { desk.keep(kind, under, id, text) })
}

// Delete removes a record. It is gone from what the desk shows, and can be read in the vault's
// log, with the passphrase, until that is written anew.
func (c *Change) Delete(kind vault.Kind, of *Case, id string) {
	for _, code := range codesOf(of) {
		c.vault.Delete(kind, recordKey(code, id))
		c.do = append(c.do, func(desk *Desk) { desk.drop(kind, code, id) })
	}
}

// Commit makes a change, down to the disk. On error nothing is changed.
func (desk *Desk) Commit(c *Change) error {
	if c.err != nil {
		return fmt.Errorf("writing the vault: %w", c.err)
	}
	if err := desk.vault.Commit(&c.vault); err != nil {
		return err
	}
	for _, do := range c.do {
		do(desk)
	}
	return nil
}

// Records decodes the records of one kind of a case, whichever of its source's codes they
// were kept under, by their ids. of nil is the desk itself.
func Records[T any](desk *Desk, kind vault.Kind, of *Case) (map[string]T, error) {
	out := make(map[string]T)
	for _, code := range codesOf(of) {
		for id, text := range desk.added[kind][code] {
			var v T
			if err := json.Unmarshal(text, &v); err != nil {
				return nil, fmt.Errorf("reading the vault: %w", errRecord)
			}
			out[id] = v
		}
	}
	return out, nil
}

// caseOf is what new records of a case are kept under: the code that names it now.
func caseOf(c *Case) (id crypto.CaseID) {
	if c != nil {
		id = c.ID
	}
	return id
}

// codesOf are the cases of all codes of a case's source, the newest first, so that what is kept under
// the case's present name counts where two hold one id.
func codesOf(c *Case) []crypto.CaseID {
	if c == nil {
		return []crypto.CaseID{{}}
	}
	codes := slices.Clone(c.codes)
	slices.Reverse(codes)
	return codes
}

func recordKey(of crypto.CaseID, id string) []byte { return append(slices.Clone(of[:]), id...) }

// keep and drop are what a change does once it is in the vault.
func (desk *Desk) keep(kind vault.Kind, of crypto.CaseID, id string, text json.RawMessage) {
	desk.added.put(kind, of, id, text)
	if desk.search != nil {
		desk.search.keep(noteID(kind, of, id), kind, text)
	}
}

func (desk *Desk) drop(kind vault.Kind, of crypto.CaseID, id string) {
	delete(desk.added[kind][of], id)
	if len(desk.added[kind][of]) == 0 {
		delete(desk.added[kind], of)
	}
	if desk.search != nil {
		desk.search.drop(noteID(kind, of, id))
	}
}

func (w additions) put(kind vault.Kind, of crypto.CaseID, id string, text json.RawMessage) {
	if w[kind] == nil {
		w[kind] = make(map[crypto.CaseID]map[string]json.RawMessage)
	}
	if w[kind][of] == nil {
		w[kind][of] = make(map[string]json.RawMessage)
	}
	w[kind][of][id] = text
}

// loadCasework reads the records of all kinds from KindCasework on.
func (desk *Desk) loadCasework() {
	desk.added = make(additions)
	for kind := KindCasework; kind != 0; kind++ { // to the last and around
		for key, r := range desk.vault.All(kind) {
			var of crypto.CaseID
			if n := copy(of[:], key); n == len(of) {
				desk.added.put(kind, of, key[n:], r.Value)
			}
		}
	}
}

// eraseCasework removes all records of a case.
func (desk *Desk) eraseCasework(c *vault.Change, of *Case) (forget func()) {
	for kind, cases := range desk.added {
		for _, code := range of.codes {
			for id := range cases[code] {
				c.Delete(kind, recordKey(code, id))
			}
		}
	}
	return func() {
		for kind, cases := range desk.added {
			for _, code := range of.codes {
				for id := range cases[code] {
					desk.drop(kind, code, id)
				}
			}
		}
	}
}
