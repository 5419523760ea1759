package statistics

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"postern/crypto"
	"postern/intake/form"
)

// Bounds of rows.
const (
	// MaxRows bounds how many rows a file of them holds.
	MaxRows = 100_000
	// MaxRowsFile bounds such a file, in bytes.
	MaxRowsFile        = 64 << 20
	maxMarks           = 64
	maxBodies          = crypto.MaxReaders
	maxRecommendations = 64
	maxMoney           = 8      // currencies
	maxDays            = 20_000 // half a century
	maxAmount          = 1_000_000_000_000_000
)

// ErrRow is wrapped by every refusal of a row or of a file of rows.
var ErrRow = errors.New("not a row of a case")

// Mark stands for a case in its row. Rows that share one are of the same case.
//
// It is HMAC-SHA256 of the case id, 16 bytes of it, under the life id of the source's mailbox:
// 128 random bits that every message of the source carries to everybody who reads the
// case, and nobody else. No key has to be agreed on between bodies, who was chosen later
// or after a change of code comes to the same mark, and it cannot be made from what a
// code derives or what is public. When a desk erases a case it forgets the life id
// with it: from then on even this vault, its passphrase and the source's code together do
// not tell which row was the case's (SECURITY.md S-33).
type Mark [16]byte

// NewMark is the mark of one code in one life of its mailbox.
func NewMark(c crypto.CaseID, life crypto.LifeID) (m Mark) {
	h := hmac.New(sha256.New, life[:])
	h.Write([]byte("postern/v1 tally mark\x00"))
	h.Write(c[:])
	copy(m[:], h.Sum(nil))
	return m
}

// MarshalText writes a mark in base64.
func (m Mark) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(m[:])), nil
}

// UnmarshalText reads what MarshalText wrote.
func (m *Mark) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != len(m) {
		return fmt.Errorf("%w: mark", ErrRow)
	}
	copy(m[:], b)
	return nil
}

// Month is a month of the calendar; 0 is none. In text it is like "2026-11", or empty.
type Month crypto.Month

func (m Month) String() string { return crypto.Month(m).String() }

// MarshalText writes the month.
func (m Month) MarshalText() ([]byte, error) {
	if m == 0 {
		return nil, nil
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (m *Month) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*m = 0
		return nil
	}
	x, err := crypto.ParseMonth(string(text))
	*m = Month(x)
	return err
}

// Days is a number of whole days since the day of receipt; the zero value is none yet.
type Days struct {
	n   int
	set bool
}

// DaysOf is n days; fewer than none count as none at all, more than half a century as that.
func DaysOf(n int) Days { return Days{min(max(n, 0), maxDays), true} }

// Count gives the number, and whether there is one.
func (d Days) Count() (int, bool) { return d.n, d.set }

// MarshalJSON writes a number, or null.
func (d Days) MarshalJSON() ([]byte, error) {
	if !d.set {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, int64(d.n), 10), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Days) UnmarshalJSON(b []byte) error {
	*d = Days{}
	if string(b) == "null" {
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 0 || n > maxDays {
		return fmt.Errorf("%w: days", ErrRow)
	}
	*d = Days{n, true}
	return nil
}

// Row is what is counted of one case. The ids are those of the vocabularies; "" is not known.
type Row struct {
	Marks    []Mark   `json:"marks"`  // ascending, 1 to 64
	Bodies   []string `json:"bodies"` // ids of those whose desks know the case, ascending
	Received Month    `json:"received"`

	Institution string   `json:"institution,omitempty"`
	Unit        string   `json:"unit,omitempty"`
	Rank        string   `json:"rank,omitempty"`
	Topics      []string `json:"topics,omitempty"` // in the vocabulary's order
	Reporter    string   `json:"reporter,omitempty"`

	Scope    string `json:"scope,omitempty"` // in, out, or not decided
	Referred bool   `json:"referred,omitempty"`

	// Whole days from receipt.
	Acknowledged Days `json:"acknowledged"`
	Feedback     Days `json:"feedback"`
	ToClose      Days `json:"to_close"` // none while the case is open

	Closed  Month  `json:"closed"`            // empty while the case is open
	Outcome string `json:"outcome,omitempty"` // of a closed case
	Action  bool   `json:"action,omitempty"`  // corrective action was taken

	Recommendations []Recommendation `json:"recommendations,omitempty"` // ascending
	Money           []Money          `json:"money,omitempty"`           // by currency
}

// Recommendation is one recommendation that came of a case.
type Recommendation struct {
	Body   string `json:"body"`
	Aim    string `json:"aim"`
	Issued Month  `json:"issued"`
	Fate   string `json:"fate"`
}

func (r Recommendation) compare(o Recommendation) int {
	return cmp.Or(cmp.Compare(r.Body, o.Body), cmp.Compare(place(aims, r.Aim), place(aims, o.Aim)),
		cmp.Compare(r.Issued, o.Issued), cmp.Compare(place(fates, o.Fate), place(fates, r.Fate)))
}

// Money is what a case lost or brought back in one currency, in whole units rounded to
// two digits: see [Coarse].
type Money struct {
	Currency  string `json:"currency"` // ISO 4217
	Lost      uint64 `json:"lost,omitempty"`
	Recovered uint64 `json:"recovered,omitempty"`
}

// Coarse rounds an amount to its two leading digits: a row must not be told by a sum.
func Coarse(n uint64) uint64 {
	n = min(n, maxAmount)
	unit := uint64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit/2) / unit * unit
}

// Check says what is wrong with a row, or nil. [ErrRow].
func (r *Row) Check() error {
	fail := func(what string) error { return fmt.Errorf("%w: %s", ErrRow, what) }
	known := func(list []form.Option, id string) bool { return id == "" || place(list, id) >= 0 }
	switch {
	case len(r.Marks) == 0 || len(r.Marks) > maxMarks || !ascending(r.Marks, func(a, b Mark) int { return bytes.Compare(a[:], b[:]) }):
		return fail("marks")
	case len(r.Bodies) == 0 || len(r.Bodies) > maxBodies || !ascending(r.Bodies, cmp.Compare[string]) || slices.ContainsFunc(r.Bodies, func(b string) bool { return !crypto.ValidID(b) }):
		return fail("bodies")
	case !r.Received.plausible():
		return fail("month of receipt")
	case !known(institutions, r.Institution) || !known(units, r.Unit) || !known(ranks, r.Rank) || !known(reporters(), r.Reporter):
		return fail("institution, unit, rank or reporter")
	case slices.ContainsFunc(r.Topics, func(t string) bool { return place(topics(), t) < 0 }) || !ascending(r.Topics, byPlace(topics())):
		return fail("topics")
	case !known(scopes, r.Scope):
		return fail("scope")
	case (r.Closed != 0) != r.ToClose.set || (r.Closed != 0) != (r.Outcome != "") || !known(outcomes, r.Outcome):
		return fail("a closed case has a month, days and an outcome, an open one none of them")
	case r.Closed != 0 && (!r.Closed.plausible() || r.Closed < r.Received):
		return fail("month of closing")
	case len(r.Recommendations) > maxRecommendations || !slices.IsSortedFunc(r.Recommendations, Recommendation.compare):
		return fail("recommendations")
	case len(r.Money) > maxMoney || !ascending(r.Money, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) }):
		return fail("money")
	}
	for _, x := range r.Recommendations {
		if !crypto.ValidID(x.Body) || place(aims, x.Aim) < 0 || place(fates, x.Fate) < 0 || !x.Issued.plausible() {
			return fail("recommendation")
		}
	}
	for _, m := range r.Money {
		if !ValidCurrency(m.Currency) || m.Lost > maxAmount || m.Recovered > maxAmount || m.Lost != Coarse(m.Lost) || m.Recovered != Coarse(m.Recovered) {
			return fail("money")
		}
	}
	return nil
}

// FirstMonth and LastMonth bound months: they are of this century.
const (
	FirstMonth Month = 2000 * 12
	LastMonth  Month = 2100*12 - 1
)

func (m Month) plausible() bool { return FirstMonth <= m && m <= LastMonth }

// ValidCurrency says whether a text has the form of a code of ISO 4217.
func ValidCurrency(s string) bool {
	return len(s) == 3 && !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < 'A' || b > 'Z' })
}

// ascending says whether each is above the one before: sorted, and none twice.
func ascending[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

func byPlace(list []form.Option) func(a, b string) int {
	return func(a, b string) int { return cmp.Compare(place(list, a), place(list, b)) }
}

// rowsFile is a file of rows.
type rowsFile struct {
	Version int   `json:"version"`
	Rows    []Row `json:"rows"`
}

const rowsVersion = 1

// EncodeRows writes rows, in the order of their marks, as JSON: one row a line.
func EncodeRows(rows []Row) ([]byte, error) {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b Row) int { return slices.CompareFunc(a.Marks, b.Marks, compareMarks) })
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"version\":%d,\"rows\":[", rowsVersion)
	for i := range rows {
		if err := rows[i].Check(); err != nil {
			return nil, fmt.Errorf("writing rows: %w", err)
		}
		line, err := json.Marshal(&rows[i])
		if err != nil {
			return nil, fmt.Errorf("writing rows: %w", err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteString("\n]}\n")
	if len(rows) > MaxRows || b.Len() > MaxRowsFile {
		return nil, fmt.Errorf("writing rows: more than %d rows or %d bytes: export a shorter period", MaxRows, MaxRowsFile)
	}
	return b.Bytes(), nil
}

func compareMarks(a, b Mark) int { return bytes.Compare(a[:], b[:]) }

// DecodeRows reads what EncodeRows wrote, byte for byte, and refuses everything else. [ErrRow].
func DecodeRows(text []byte) ([]Row, error) {
	if len(text) > MaxRowsFile {
		return nil, fmt.Errorf("reading rows: %w: longer than %d bytes", ErrRow, MaxRowsFile)
	}
	var f rowsFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("reading rows: %w", ErrRow) // the error could repeat what is in the file
	}
	if f.Version != rowsVersion {
		return nil, fmt.Errorf("reading rows: %w: version %d, and this desk reads version %d", ErrRow, f.Version, rowsVersion)
	}
	again, err := EncodeRows(f.Rows)
	if err != nil {
		return nil, fmt.Errorf("reading rows: %w", err)
	}
	if !bytes.Equal(again, text) {
		return nil, fmt.Errorf("reading rows: %w: not written as a desk does", ErrRow)
	}
	return f.Rows, nil
}

// Sort brings the lists of a row, put together from several messages, into the order that
// [Row.Check] asks for: each once, and the lowest where there are too many.
func (r *Row) Sort() {
	r.Marks = union(r.Marks, nil, compareMarks, maxMarks)
	r.Bodies = union(r.Bodies, nil, cmp.Compare[string], maxBodies)
	r.Topics = union(r.Topics, nil, byPlace(topics()), len(topics()))
	slices.SortFunc(r.Recommendations, Recommendation.compare)
	r.Recommendations = r.Recommendations[:min(len(r.Recommendations), maxRecommendations)]
	slices.SortFunc(r.Money, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) })
}
