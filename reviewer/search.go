package reviewer

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"sync"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/search"
	"postern/reviewer/vault"
)

// maxSearch bounds the text that is kept for searching, in bytes: what a desk with 400 MB of
// memory can spare. What does not fit is counted, not passed over in silence.
const maxSearch = 256 << 20

// Hit is something of a case in which all words of a query stand.
type Hit struct {
	Case  crypto.CaseID
	Short string
	No    int // message of the case; 0: its id, or what its handling added

	notes []string // records of casework, by their ids in the index
}

// Found is the answer to a query.
type Found struct {
	Hits []Hit // by case, the one with the newest message first, then by message
	Read int   // messages that were looked through
	Of   int   // of so many; while what was noted of cases is read, more
	Left int   // of these, messages that cannot be: unreadable, or too much text
}

// Complete says that nothing is still to be read.
func (f *Found) Complete() bool { return f.Read+f.Left >= f.Of }

// Search finds the cases and messages in which all words of a query stand: in a message's words,
// answers and names of files, in what a case's handling added, or at the beginning of a case's id. The first
// call begins to read the messages, the newest first; until that is done, what it finds is of
// those that were read. Nothing of it is kept on the disk.
func (desk *Desk) Search(query string) *Found {
	desk.startSearch()
	f := new(Found)
	f.Read, f.Left, f.Of = desk.search.progress()
	q := search.Parse(query)
	if len(q) == 0 {
		return f
	}
	ids := desk.search.index.Find(q)
	noted := desk.findCasework(q)
	prefix := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(query), "-", ""))
	if len(prefix) >= 4 {
		for _, first := range desk.index.find(prefix) {
			id := crypto.CaseID([]byte(first))
			if _, ok := noted[id]; !ok {
				noted[id] = nil
			}
		}
	}
	for _, c := range desk.order() {
		h, found := Hit{Case: c.ID, Short: c.Short}, false
		for _, id := range c.codes {
			records, ok := noted[id]
			h.notes, found = append(h.notes, records...), found || ok
		}
		if found {
			f.Hits = append(f.Hits, h)
		}
		for i, e := range c.entries {
			if ids[string(e.ID)] {
				f.Hits = append(f.Hits, Hit{Case: c.ID, Short: c.Short, No: i + 1})
			}
		}
	}
	return f
}

// AwaitSearch reads what is still to be read.
func (desk *Desk) AwaitSearch() {
	desk.startSearch()
	desk.search.await()
}

// Excerpt is where the words of a query stand in what was found, about width characters in one
// line of the writer's own: pass it through [plain.SafeLine]. It is "" where the case's id was found, or
// what was found is not there any more.
func (desk *Desk) Excerpt(h *Hit, query string, width int) string {
	q := search.Parse(query)
	for _, text := range desk.textsOf(h) {
		if x := search.Excerpt(text, q, width); x != "" {
			return x
		}
	}
	return ""
}

// FoundByID says whether it is the case's id alone that was found.
func (desk *Desk) FoundByID(h *Hit) bool { return h.No == 0 && len(h.notes) == 0 }

// textsOf are the texts that a hit is about.
func (desk *Desk) textsOf(h *Hit) (texts []string) {
	for _, id := range h.notes {
		kind, of, rest := vault.Kind(id[len(h.Case)]), crypto.CaseID([]byte(id[:len(h.Case)])), id[len(h.Case)+1:]
		texts = append(texts, wordsOf(kind, desk.added[kind][of][rest])...)
	}
	c := desk.index.views[string(h.Case[:])]
	if c == nil || h.No < 1 || h.No > len(c.Messages) {
		return texts
	}
	l, err := desk.Read(c, &c.Messages[h.No-1])
	if err != nil {
		return texts
	}
	return letterTexts(l)
}

func letterTexts(l *Letter) []string {
	texts := append([]string{l.Words}, answerTexts(l.Told)...)
	for _, f := range l.Files {
		texts = append(texts, f.Name)
	}
	for i := range l.Events {
		texts = append(texts, wordsIn(&l.Events[i])...)
	}
	return texts
}

// answerTexts are the values of answers, those that were chosen in the vocabulary's own words too.
func answerTexts(told form.Answers) (texts []string) {
	for _, a := range told {
		q, _ := form.QuestionOf(a.ID)
		for _, v := range a.Values {
			if label := form.Label(q.Options, v); label != "" {
				texts = append(texts, label) // before its id: it is what is shown of the two
			}
			texts = append(texts, v)
		}
	}
	return texts
}

// noteID names a record of casework in an index: the case first.
func noteID(kind vault.Kind, of crypto.CaseID, id string) string {
	return string(of[:]) + string([]byte{byte(kind)}) + id
}

// findCasework gives the records of casework that have all words, by the codes of their cases.
func (desk *Desk) findCasework(q search.Query) map[crypto.CaseID][]string {
	found := make(map[crypto.CaseID][]string)
	for id := range desk.search.notes.Find(q) {
		of := crypto.CaseID([]byte(id[:len(crypto.CaseID{})]))
		found[of] = append(found[of], id)
	}
	for _, ids := range found {
		slices.Sort(ids)
	}
	return found
}

// wordsOf are the words of people in a record of casework.
func wordsOf(kind vault.Kind, text []byte) []string {
	switch kind {
	case kindSettings, kindGrave, kindTally, kindCustody, kindReferredTo, kindUpkeep: // nobody's words
		return nil
	case kindEvent:
		var o ownEvent
		if json.Unmarshal(text, &o) != nil {
			return nil
		}
		s, err := casework.DecodeKept(o.Signed)
		if err != nil {
			return nil
		}
		return wordsIn(&s)
	}
	return jsonTexts(text)
}

// wordsIn are the words of people in an event.
func wordsIn(s *casework.Signed) (words []string) {
	k, _ := casework.KindOf(s.Kind)
	for _, f := range s.Fields {
		if r := k.Rule(f.Name); r.Type == casework.Text || r.Type == casework.Line {
			words = append(words, f.Value)
		}
	}
	return words
}

// jsonTexts are the strings in a record, names of its fields left out.
func jsonTexts(text []byte) (texts []string) {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(v)
	return texts
}

// record is one of casework that is not in the index yet.
type record struct {
	kind vault.Kind
	text []byte
}

// searcher reads messages for an index, beside whatever the desk does.
type searcher struct {
	vault *vault.Vault
	index *search.Index // messages
	notes *search.Index // records of casework
	most  int64         // bytes of text

	mu     sync.Mutex
	change *sync.Cond
	first  []*entry              // all messages at the start, until they are in the queue
	noted  map[string]*record    // records of casework that are to be read, by their ids in the index
	want   map[string]vault.Blob // all messages: where they lie
	queue  []string              // ids to be read, the next one last
	busy   int
	read   map[string]bool
	left   map[string]bool
	closed bool
	done   sync.WaitGroup
}

func (desk *Desk) startSearch() {
	if desk.search != nil {
		return
	}
	s := &searcher{
		vault: desk.vault, index: search.New(), notes: search.New(), most: maxSearch,
		noted: make(map[string]*record), want: make(map[string]vault.Blob, desk.state.messages.len()),
		read: make(map[string]bool), left: make(map[string]bool),
	}
	s.change = sync.NewCond(&s.mu)
	for id, e := range desk.state.messages.all() {
		s.want[id] = e.Blob
		s.first = append(s.first, e)
	}
	for kind, cases := range desk.added {
		for of, records := range cases {
			for id, text := range records {
				s.noted[noteID(kind, of, id)] = &record{kind, text}
			}
		}
	}
	for range max(1, runtime.GOMAXPROCS(0)-1) { // the desk stays usable meanwhile
		s.done.Go(s.work)
	}
	desk.search = s
}

func (s *searcher) progress() (read, left, of int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.read), len(s.left), len(s.want) + len(s.noted)
}

func (s *searcher) await() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for (!s.idle() || s.busy > 0) && !s.closed {
		s.change.Wait()
	}
}

// idle says whether there is nothing to be read.
func (s *searcher) idle() bool { return len(s.first) == 0 && len(s.noted) == 0 && len(s.queue) == 0 }

// close ends the reading.
func (s *searcher) close() {
	s.mu.Lock()
	s.closed = true
	s.change.Broadcast()
	s.mu.Unlock()
	s.done.Wait()
}

// update takes what a step of the desk put and removed, before the step is settled.
func (s *searcher) update(t *table[*entry]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range t.gone {
		delete(s.want, id)
		s.forget(id)
	}
	for id, e := range t.put {
		if was, ok := s.want[id]; ok && was == e.Blob {
			continue
		}
		s.want[id] = e.Blob
		s.forget(id)
		s.queue = append(s.queue, id)
	}
	s.change.Broadcast()
}

func (s *searcher) forget(id string) {
	s.index.Remove(id)
	delete(s.read, id)
	delete(s.left, id)
}

// keep takes a record of casework that was written, and drop one that is gone.
func (s *searcher) keep(id string, kind vault.Kind, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.noted, id)
	s.notes.Set(id, wordsOf(kind, text)...)
	s.change.Broadcast()
}

func (s *searcher) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.noted, id)
	s.notes.Remove(id)
	s.change.Broadcast()
}

// work reads until the desk is closed: first what was noted of cases, then messages.
func (s *searcher) work() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for s.idle() && !s.closed {
			s.change.Wait()
		}
		switch {
		case s.closed:
			return
		case len(s.first) > 0:
			s.line()
		case len(s.noted) > 0:
			s.readNotes()
		default:
			s.readNext()
		}
		s.change.Broadcast()
	}
}

// line puts the messages that were there at the start into the queue, the newest last.
func (s *searcher) line() {
	all := s.first
	s.first = nil
	slices.SortFunc(all, func(a, b *entry) int { return a.reading(b) })
	ids := make([]string, 0, len(all)+len(s.queue))
	for _, e := range all {
		ids = append(ids, string(e.ID))
	}
	s.queue = append(ids, s.queue...)
}

// someNotes is how many records are read in one go.
const someNotes = 64

// readNotes reads some records of casework.
func (s *searcher) readNotes() {
	some := make(map[string]*record, someNotes)
	for id, n := range s.noted {
		if some[id] = n; len(some) == someNotes {
			break
		}
	}
	s.busy++
	s.mu.Unlock()
	words := make(map[string][]string, len(some))
	for id, n := range some {
		words[id] = wordsOf(n.kind, n.text)
	}
	s.mu.Lock()
	s.busy--
	for id, n := range some {
		if s.noted[id] == n { // else it was changed or removed meanwhile, or another reader has it
			delete(s.noted, id)
			s.notes.Set(id, words[id]...)
		}
	}
}

// readNext reads the next message.
func (s *searcher) readNext() {
	id := s.queue[len(s.queue)-1]
	s.queue = s.queue[:len(s.queue)-1]
	blob, ok := s.want[id]
	if !ok || s.read[id] || s.left[id] {
		return // it was erased, or read since
	}
	s.busy++
	s.mu.Unlock()
	texts, err := s.texts(blob)
	s.mu.Lock()
	s.busy--
	if now, ok := s.want[id]; ok && now == blob { // else it was erased or changed meanwhile
		if err != nil || s.index.Size() > s.most {
			s.left[id] = true
		} else {
			s.index.Set(id, texts...)
			s.read[id] = true
		}
	}
}

// texts reads what can be searched of one message.
func (s *searcher) texts(b vault.Blob) ([]string, error) {
	r, closer, err := s.vault.OpenBlob(b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	read, err := crypto.ReadMessage(r, nil)
	if err != nil {
		return nil, err
	}
	l := newLetter(read)
	for _, f := range read.Files {
		l.Files = append(l.Files, File{File: f})
	}
	return letterTexts(l), nil
}
