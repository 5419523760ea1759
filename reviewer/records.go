package reviewer

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"postern/reviewer/vault"
)

// The kinds of records of a vault. A number stays what it is.
const (
	kindFormat    vault.Kind = 1 // one: version of all others
	kindDirectory vault.Kind = 2 // one: accepted
	kindClock     vault.Kind = 3 // one: clock
	kindBatch     vault.Kind = 4 // batch, by a hash of what batch.compare looks at
	kindMessage   vault.Kind = 5 // entry, by id; blobs: the container, and of an own reply both copies for the server
	kindBundle    vault.Kind = 6 // bundle, by id; blobs: both copies of each dummy
	kindErased    vault.Kind = 7 // nothing, by tombstone
	kindReferral  vault.Kind = 8 // referral, by the hash of its head; blobs: the signed head, and every item

	// KindCasework is the first kind of what a case's handling adds: see [Change]. Its records
	// are of one case each and leave with it; those of no case stay.
	KindCasework vault.Kind = 32

	kindReferredTo vault.Kind = 48               // ReferredTo, by the hash of the file's head
	kindEvent                 = KindCasework     // ownEvent, by the event's hash
	kindSettings              = KindCasework + 1 // casework.Settings of the body, of no case
	kindGrave                 = KindCasework + 2 // grave, of no case, by casework.Mark
	kindTally                 = KindCasework + 3 // statistics.Row of an erased case, of no case, by its first mark
	kindCustody               = KindCasework + 4 // custody, by what was done to what on which day
	kindUpkeep     vault.Kind = 80               // what was done for the vault itself, of no case, by what it is

	// What a window leaves for the next one (package pages).
	KindSeen    vault.Kind = 128 // true, of a case, by a message's id: it was on a page
	KindDraft   vault.Kind = 129 // of a case: the answer that is being written
	KindSetting vault.Kind = 130 // text, of no case, by the setting's name
)

const formatVersion = 1

// next is a state that a step can change without touching s.
func (s *state) next() *state {
	n := *s
	n.Roots, n.History = slices.Clone(s.Roots), slices.Clone(s.History)
	n.Believed, n.Doubted = slices.Clone(s.Believed), slices.Clone(s.Doubted)
	n.batches = slices.Clone(s.batches)
	n.messages, n.bundles, n.erased = s.messages.next(), s.bundles.next(), s.erased.next()
	n.referrals = s.referrals.next()
	return &n
}

func newState() *state {
	return &state{messages: newTable[*entry](), bundles: newTable[*bundle](), erased: newTable[struct{}](), referrals: newTable[*referral]()}
}

// key names a batch's record. Revisions of one have the same.
func (b *batch) key() []byte {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d %d %x %x %x %d %d %d", b.Day, b.Ordinal, b.Instance, b.Released, b.Before, b.Lane, b.Directory, b.Volumes)
	return h.Sum(nil)[:16]
}

// diff puts into a change what differs between this state and the next.
func (s *state) diff(next *state, c *vault.Change) error {
	put := func(kind vault.Kind, key []byte, v any, blobs ...vault.Blob) error {
		text, err := json.Marshal(v)
		if err == nil {
			c.Put(kind, key, text, blobs...)
		}
		return err
	}
	var err error
	if !reflect.DeepEqual(s.accepted, next.accepted) {
		err = errors.Join(err, put(kindDirectory, nil, next.accepted))
	}
	if !reflect.DeepEqual(s.clock, next.clock) {
		err = errors.Join(err, put(kindClock, nil, next.clock))
	}
	if !slices.EqualFunc(s.batches, next.batches, func(a, b batch) bool {
		return a.compare(&b) == 0 && a.Revision == b.Revision && slices.Equal(a.Have, b.Have)
	}) {
		err = errors.Join(err, s.diffBatches(next, c, put))
	}
	for id, e := range next.messages.put {
		err = errors.Join(err, put(kindMessage, []byte(id), e, e.blobs()...))
	}
	for id := range next.messages.gone {
		c.Delete(kindMessage, []byte(id))
	}
	for id, b := range next.bundles.put {
		err = errors.Join(err, put(kindBundle, []byte(id), b, b.blobs()...))
	}
	for id := range next.bundles.gone {
		c.Delete(kindBundle, []byte(id))
	}
	for id, r := range next.referrals.put {
		err = errors.Join(err, put(kindReferral, []byte(id), r, r.Blobs...))
	}
	for id := range next.referrals.gone {
		c.Delete(kindReferral, []byte(id))
	}
	for id := range next.erased.put {
		c.Put(kindErased, []byte(id), nil)
	}
	for id := range next.erased.gone {
		c.Delete(kindErased, []byte(id))
	}
	return err
}

func (s *state) diffBatches(next *state, c *vault.Change, put func(vault.Kind, []byte, any, ...vault.Blob) error) (err error) {
	old := make(map[string]*batch, len(s.batches))
	for i := range s.batches {
		old[string(s.batches[i].key())] = &s.batches[i]
	}
	for i := range next.batches {
		b := &next.batches[i]
		key := b.key()
		if o := old[string(key)]; o == nil || !reflect.DeepEqual(o, b) {
			err = errors.Join(err, put(kindBatch, key, b))
		}
		delete(old, string(key))
	}
	for key := range old {
		c.Delete(kindBatch, []byte(key))
	}
	return err
}

// blobs are the ciphertexts an entry refers to: the container first. An own message that was
// found in a batch keeps the container it was written as.
func (e *entry) blobs() []vault.Blob {
	b := []vault.Blob{e.Blob}
	if e.Own != nil && e.Own.Wire != nil {
		b = append(b, e.Own.Wire.blobs()...)
	}
	return b
}

func (b *bundle) blobs() (list []vault.Blob) {
	for i := range b.Dummies {
		list = append(list, b.Dummies[i].blobs()...)
	}
	return list
}

func (p *parcel) blobs() []vault.Blob { return []vault.Blob{p.Source, p.Readers} }

// setBlobs is blobs the other way round.
func (p *parcel) setBlobs(list []vault.Blob) { p.Source, p.Readers = list[0], list[1] }

var errRecord = errors.New("a record in the vault is damaged, or of a newer desk: use that one, or restore a backup")

// decodeJSON takes fields that it does not know in silence: kindFormat says whose they are, and a
// decoder that refuses them takes twice as long to open a large vault.
func decodeJSON(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return errRecord
	}
	return nil
}

func decodeEntry(r vault.Record) (*entry, error) {
	e := new(entry)
	if err := decodeJSON(r.Value, e); err != nil {
		return nil, err
	}
	wire := e.Own != nil && e.Own.Wire != nil
	if len(r.Blobs) != 1+2*btoi(wire) {
		return nil, errRecord
	}
	e.Blob = r.Blobs[0]
	if wire {
		e.Own.Wire.setBlobs(r.Blobs[1:])
	}
	return e, nil
}

func decodeBundle(r vault.Record) (*bundle, error) {
	b := new(bundle)
	if err := decodeJSON(r.Value, b); err != nil {
		return nil, err
	}
	if len(r.Blobs) != 2*len(b.Dummies) {
		return nil, errRecord
	}
	for i := range b.Dummies {
		b.Dummies[i].setBlobs(r.Blobs[2*i:])
	}
	return b, nil
}

// loadState reads what the vault holds.
func loadState(v *vault.Vault) (*state, error) {
	var version int
	if r, ok := v.Get(kindFormat, nil); !ok || json.Unmarshal(r.Value, &version) != nil {
		return nil, errRecord
	}
	if version != formatVersion {
		return nil, fmt.Errorf("the vault's records are of version %d; this desk reads version %d: use a newer desk", version, formatVersion)
	}
	s := newState()
	for kind, to := range map[vault.Kind]any{kindDirectory: &s.accepted, kindClock: &s.clock} {
		if r, ok := v.Get(kind, nil); ok {
			if err := decodeJSON(r.Value, to); err != nil {
				return nil, err
			}
		}
	}
	for _, r := range v.All(kindBatch) {
		var b batch
		if err := decodeJSON(r.Value, &b); err != nil {
			return nil, err
		}
		s.batches = append(s.batches, b)
	}
	slices.SortFunc(s.batches, func(a, b batch) int { return a.compare(&b) })
	for id, r := range v.All(kindBundle) {
		b, err := decodeBundle(r)
		if err != nil {
			return nil, err
		}
		s.bundles.base[id] = b
	}
	for id := range v.All(kindErased) {
		s.erased.base[id] = struct{}{}
	}
	for id, r := range v.All(kindReferral) {
		k := new(referral)
		if err := decodeJSON(r.Value, k); err != nil {
			return nil, err
		}
		if len(r.Blobs) < 2 || len(k.Source) != ed25519.PublicKeySize {
			return nil, errRecord
		}
		k.Blobs = r.Blobs
		s.referrals.base[id] = k
	}
	return s, s.loadMessages(v)
}

// loadMessages decodes messages on all cores: they are most of a vault.
func (s *state) loadMessages(v *vault.Vault) error {
	type job struct {
		id string
		r  vault.Record
	}
	const chunk = 256
	var jobs []job
	for id, r := range v.All(kindMessage) {
		jobs = append(jobs, job{id, r})
	}
	out := make([]*entry, len(jobs))
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed error
		from   = make(chan int)
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for at := range from {
				for i := at; i < min(at+chunk, len(jobs)); i++ {
					e, err := decodeEntry(jobs[i].r)
					if err != nil || string(e.ID) != jobs[i].id {
						mu.Lock()
						failed = errRecord
						mu.Unlock()
						continue
					}
					out[i] = e
				}
			}
		})
	}
	for at := 0; at < len(jobs); at += chunk {
		from <- at
	}
	close(from)
	wg.Wait()
	if failed != nil {
		return failed
	}
	s.messages.base = make(map[string]*entry, len(out))
	for i, e := range out {
		s.messages.base[jobs[i].id] = e
	}
	return nil
}

// commit makes next the state of the desk, and c, which may hold packs and records of
// casework, part of the same step: see [vault.Vault.Commit]. With a passphrase what the step deletes
// is forgotten for good: see [vault.Vault.Forget].
func (desk *Desk) commit(next *state, c *vault.Change, pass ...[]byte) error {
	if err := desk.state.diff(next, c); err != nil {
		c.Abandon()
		return fmt.Errorf("writing the vault: %w", err)
	}
	var err error
	if len(pass) > 0 {
		err = desk.vault.Forget(pass[0], c)
	} else {
		err = desk.vault.Commit(c)
	}
	if err != nil {
		return err
	}
	desk.index = desk.with(desk.index, next)
	if desk.search != nil {
		desk.search.update(&next.messages)
	}
	next.messages.settle()
	next.bundles.settle()
	next.erased.settle()
	next.referrals.settle()
	desk.state = next
	return nil
}
