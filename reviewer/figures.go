package reviewer

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/statistics"
	"postern/reviewer/vault"
	"postern/store/durable"
)

// row is what is counted of a case as it stands.
func (desk *Desk) row(c *Case) (*statistics.Row, error) {
	w, received := c.Work, c.Facts.Received
	r := &statistics.Row{
		Bodies: []string{desk.keys.Body}, Received: month(received),
		Institution: w.Classified.Get("institution"), Unit: w.Classified.Get("unit"), Rank: w.Classified.Get("rank"),
	}
	desk.answered(c, r)
	for _, s := range w.Steps {
		switch s.To {
		case casework.StageOutOfScope:
			r.Scope = "out"
		case casework.StageAssessed, casework.StageInquiry, casework.StageConcluded:
			r.Scope = "in"
		case casework.StageReferred:
			r.Referred = true
		}
	}
	since := func(days ...crypto.Day) statistics.Days {
		first := crypto.Day(0)
		for _, d := range days {
			if d != 0 && (first == 0 || d < first) {
				first = d
			}
		}
		if first == 0 {
			return statistics.Days{}
		}
		return statistics.DaysOf(int(first) - int(received))
	}
	r.Acknowledged = since(c.Facts.Acknowledged, w.Told[casework.ToldAcknowledged])
	r.Feedback = since(c.Facts.Feedback, w.Told[casework.ToldFeedback])
	if w.Stage == casework.StageClosed {
		r.Closed, r.ToClose, r.Outcome = max(month(w.Since), r.Received), since(max(w.Since, received)), noFinding
		if o := w.Outcome; o != nil {
			r.Outcome = outcomeOf(o)
			r.Action = o.Corrective == casework.Yes
		}
	}
	for _, x := range w.Recommendations {
		r.Recommendations = append(r.Recommendations, statistics.Recommendation{Body: desk.keys.Body, Aim: x.Aim, Issued: month(x.Day), Fate: x.Fate})
	}
	if m := moneyOf(w.Classified); m != nil {
		r.Money = []statistics.Money{*m}
	}
	r.Sort()
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("counting case %s: %w", c.Short, err)
	}
	return r, nil
}

// noFinding is the outcome of a case that ended without one: referred, out of scope, withdrawn, or erased open.
const noFinding = "no-finding"

func outcomeOf(o *casework.Outcome) string {
	if o.Finding == "" {
		return noFinding
	}
	return o.Finding
}

// month is the month of a day, of this century: a source can date a message as it likes.
func month(d crypto.Day) statistics.Month {
	return min(max(statistics.Month(crypto.MonthOf(d.Time())), statistics.FirstMonth), statistics.LastMonth)
}

// moneyOf are the amounts of a classification; without a currency they are no money.
func moneyOf(a casework.Act) *statistics.Money {
	amount := func(name string) uint64 {
		n, _ := strconv.ParseUint(a.Get(name), 10, 64) // checked when it was written; "" is 0
		return statistics.Coarse(n)
	}
	m := statistics.Money{Currency: a.Get("currency"), Lost: amount("lost"), Recovered: amount("recovered")}
	if !statistics.ValidCurrency(m.Currency) || m.Lost == 0 && m.Recovered == 0 {
		return nil
	}
	return &m
}

// answered takes what the source's messages say: marks, topics, kind of reporter. What was written
// with a code that the source had given up counts for nothing, nor does what cannot be read any more.
func (desk *Desk) answered(c *Case, r *statistics.Row) {
	if c.Local != nil {
		r.Marks = append(r.Marks, statistics.NewMark(c.ID, crypto.LifeID{})) // its id is random itself
	}
	for i := range c.Messages {
		m := &c.Messages[i]
		e := c.entries[m.at]
		if !m.Source || m.Late == LateAfter {
			continue
		}
		if len(e.Life) == len(crypto.LifeID{}) {
			r.Marks = append(r.Marks, statistics.NewMark(crypto.CaseID(e.Case), crypto.LifeID(e.Life)))
		}
		if e.Answers == 0 {
			continue
		}
		l, err := desk.Read(c, m)
		if err != nil {
			continue
		}
		r.Topics = append(r.Topics, l.Told.Get(form.QTopics)...)
		if who := l.Told.Get(form.QReporter); len(who) == 1 && r.Reporter == "" {
			r.Reporter = who[0]
		}
	}
}

// tally keeps the row of a case that is about to be erased. What was left open ends without a finding. A case that
// has none is erased all the same.
func (desk *Desk) tally(c *vault.Change, of *Case) error {
	r, err := desk.row(of)
	if err != nil {
		return nil //nolint:nilerr // erasing comes before counting
	}
	if r.Closed == 0 {
		today := max(desk.Clock().Today(), of.Facts.Received)
		r.Closed, r.ToClose, r.Outcome = month(today), statistics.DaysOf(int(today)-int(of.Facts.Received)), noFinding
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	c.Put(kindTally, recordKey(crypto.CaseID{}, hex.EncodeToString(r.Marks[0][:])), text)
	return nil
}

// tallied reads the rows of erased cases again.
func (desk *Desk) tallied() {
	for key, r := range desk.vault.All(kindTally) {
		desk.added.put(kindTally, crypto.CaseID{}, key[len(crypto.CaseID{}):], r.Value)
	}
}

// Rows are what is counted of every case of this vault, those that were erased among them.
func (desk *Desk) Rows() ([]statistics.Row, error) {
	kept, err := Records[statistics.Row](desk, kindTally, nil)
	if err != nil {
		return nil, err
	}
	var rows []statistics.Row
	for _, r := range kept {
		rows = append(rows, r)
	}
	for _, c := range desk.Cases() {
		r, err := desk.row(&c)
		if err != nil {
			return nil, err
		}
		rows = append(rows, *r)
	}
	return statistics.Merge(rows), nil
}

// ErrNoReader says that a body has no holder who could open what is sealed to it.
var ErrNoReader = errors.New("nobody reads there this month: wait for a new directory, or name another body")

// SealRows writes this vault's rows, signed and sealed to the holders of a body of the directory, which
// merges rows of several bodies into one table. Whoever merges sees that a case of that
// kind exists, also where it was not chosen to read it: agree on one body for it (SECURITY.md S-33). It
// returns how many rows there are.
func (desk *Desk) SealRows(dst io.Writer, body string) (int, error) {
	if desk.dirs == nil {
		return 0, ErrNoDirectory
	}
	b, ok := desk.dirs.Body(body)
	if !ok {
		return 0, fmt.Errorf("sealing rows: there is no body %q in the directory: name the id of one", body)
	}
	to := b.Recipients(crypto.MonthOf(desk.Clock().Today().Time()))
	if len(to) == 0 {
		return 0, fmt.Errorf("sealing rows: body %q: %w", body, ErrNoReader)
	}
	rows, err := desk.Rows()
	if err != nil {
		return 0, fmt.Errorf("sealing rows: %w", err)
	}
	signed, err := statistics.SignRows(rows, desk.keys.Body, desk.keys.Holder, desk.keys.signing())
	if err != nil {
		return 0, fmt.Errorf("sealing rows: %w", err)
	}
	w, err := crypto.Seal(dst, crypto.Policy{Slots: desk.dirs.Policy.Slots, Quorum: 1}, [][]*crypto.Recipient{to})
	if err != nil {
		return 0, fmt.Errorf("sealing rows: %w", err)
	}
	_, err = w.Write(padded(signed))
	if err := errors.Join(err, w.Close()); err != nil {
		return 0, fmt.Errorf("sealing rows: %w", err)
	}
	return len(rows), nil
}

// SealRowsFile writes them to a new file, down to the disk.
func (desk *Desk) SealRowsFile(path, body string) (n int, err error) {
	var b bytes.Buffer
	if n, err = desk.SealRows(&b, body); err != nil {
		return 0, err
	}
	return n, durable.CreateFile(path, b.Bytes())
}

// padded is a length of 8 bytes, the text, and zeros up to a power of two of at least 64 KiB, so
// that a file's length does not count cases.
func padded(text []byte) []byte {
	size := 64 << 10
	for size < 8+len(text) {
		size *= 2
	}
	b := make([]byte, size)
	binary.BigEndian.PutUint64(b, uint64(len(text)))
	copy(b[8:], text)
	return b
}

func unpadded(b []byte) ([]byte, bool) {
	if len(b) < 8 {
		return nil, false
	}
	n := binary.BigEndian.Uint64(b)
	if n > uint64(len(b)-8) || slices.ContainsFunc(b[8+n:], func(x byte) bool { return x != 0 }) { //nolint:gosec // of 8 bytes or more
		return nil, false
	}
	return b[8 : 8+n], true
}

// OpenRows reads what a desk of another body, or a fellow holder's, sealed for this one, and says whose it is.
func (desk *Desk) OpenRows(src io.Reader) (rows []statistics.Row, body string, err error) {
	if desk.dirs == nil {
		return nil, "", ErrNoDirectory
	}
	var ids []*crypto.Identity
	first, _ := desk.Months()
	for m := crypto.MonthOf(desk.Clock().Today().Time()) + 1; m >= first && len(ids) <= crypto.EpochCount; m-- {
		s, err := desk.keys.seed(m)
		if err != nil {
			break
		}
		ids = append(ids, s.Identity())
	}
	r, err := crypto.Open(src, ids...)
	if err != nil {
		return nil, "", fmt.Errorf("opening rows: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, 2*statistics.MaxRowsFile+1))
	if err != nil {
		return nil, "", fmt.Errorf("opening rows: %w", err)
	}
	text, ok := unpadded(b)
	if !ok {
		return nil, "", fmt.Errorf("opening rows: %w", statistics.ErrRow)
	}
	rows, body, _, err = statistics.OpenRows(text, desk.dirs)
	return rows, body, err
}

// Figures are a table and its signed form.
type Figures struct {
	*statistics.Table
	Signed []byte
}

// Statistics counts what this vault, and rows of others by their bodies ([Desk.OpenRows]), know of a
// period, both months in it. before are the signed tables that were published earlier: all that can be laid
// beside this one. Nothing of others' rows is kept.
func (desk *Desk) Statistics(from, to statistics.Month, others map[string][]statistics.Row, before [][]byte) (*Figures, error) {
	if desk.dirs == nil {
		return nil, ErrNoDirectory
	}
	rows, err := desk.Rows()
	if err != nil {
		return nil, fmt.Errorf("counting: %w", err)
	}
	bodies := []string{desk.keys.Body}
	for b, r := range others {
		rows, bodies = append(rows, r...), append(bodies, b)
	}
	slices.Sort(bodies)
	bodies = slices.Compact(bodies)
	var tables []*statistics.Table
	for _, b := range before {
		t, _, _, err := statistics.Open(bytes.TrimPrefix(b, []byte("\uFEFF")), desk.dirs)
		if err != nil {
			return nil, fmt.Errorf("counting: an earlier table: %w", err)
		}
		tables = append(tables, t)
	}
	t, err := statistics.Make(statistics.Merge(rows), desk.dirs.Origin, statistics.Scope{Bodies: bodies, From: from, To: to}, desk.Clock().Today(), tables)
	if err != nil {
		return nil, fmt.Errorf("counting: %w", err)
	}
	signed, err := t.Sign(desk.keys.Body, desk.keys.Holder, desk.keys.signing())
	if err != nil {
		return nil, fmt.Errorf("counting: %w", err)
	}
	return &Figures{t, signed}, nil
}

// StatisticsOf is [Desk.Statistics] with what others sealed for this desk, and what was published
// earlier, in files.
func (desk *Desk) StatisticsOf(from, to statistics.Month, rows, before []string) (*Figures, error) {
	others := make(map[string][]statistics.Row)
	for _, name := range rows {
		f, err := os.Open(name) //nolint:gosec // named by the holder
		if err != nil {
			return nil, err
		}
		list, body, err := desk.OpenRows(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", plain.SafeLine(name), err)
		}
		others[body] = append(others[body], list...)
	}
	var earlier [][]byte
	for _, name := range before {
		b, err := readTable(name)
		if err != nil {
			return nil, err
		}
		earlier = append(earlier, b)
	}
	return desk.Statistics(from, to, others, earlier)
}

func readTable(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // named by the holder
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, statistics.MaxTable+1))
	if err == nil && len(b) > statistics.MaxTable {
		err = fmt.Errorf("%s: %w: it is longer than one", plain.SafeLine(name), statistics.ErrTable)
	}
	return b, err
}

// PublishedTable reads a signed table from a file, and says for which months it is.
func (desk *Desk) PublishedTable(name string) (*statistics.Table, error) {
	if desk.dirs == nil {
		return nil, ErrNoDirectory
	}
	b, err := readTable(name)
	if err != nil {
		return nil, err
	}
	t, _, _, err := statistics.Open(bytes.TrimPrefix(b, []byte("\uFEFF")), desk.dirs)
	return t, err
}

// Publish writes all that is made of figures into dir, which must not exist or be empty: see
// [statistics.Table.Files]. On error nothing stays.
func (desk *Desk) Publish(f *Figures, dir string, langs []string) ([]dossier.Written, error) {
	files, err := f.Files(desk.dirs, f.Signed, langs)
	if err != nil {
		return nil, fmt.Errorf("writing figures: %w", err)
	}
	out, err := dossier.NewFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("writing figures: %w", err)
	}
	var list []dossier.Written
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var x *dossier.Written
		if x, err = out.Create("", name, func(w io.Writer) error { _, err := w.Write(files[name]); return err }); err != nil {
			out.Undo()
			break
		}
		list = append(list, *x)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return nil, fmt.Errorf("writing figures: %w", err)
	}
	return list, nil
}
