package twoworlds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/intake"
	"postern/intake/intaketest"
)

var ctx = context.Background()

// world is an instance, and who looks at it.
type world struct {
	*intaketest.World
	secret bool // the one that differs
	seen   []string
}

// both plays a story in two worlds that differ in the secret alone, and returns
// what was seen in each.
func both(t *testing.T, story func(w *world), change ...func(*intaketest.Settings)) (yes, no *world) {
	t.Helper()
	seedtest.Set(t)
	yes, no = &world{secret: true}, &world{}
	for _, w := range []*world{no, yes} {
		w.World = intaketest.New(t, change...)
		story(w)
	}
	return yes, no
}

// same holds that what was seen is equal, line by line.
func same(t *testing.T, what string, yes, no []string) {
	t.Helper()
	for i := range max(len(yes), len(no)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(yes) {
			a = yes[i]
		}
		if i < len(no) {
			b = no[i]
		}
		if a != b {
			t.Errorf("%s: the two worlds can be told apart:\n with the secret: %s\n without:         %s", what, a, b)
		}
	}
	if len(no) == 0 {
		t.Errorf("%s: nothing was looked at", what)
	}
}

// see takes down what one position sees.
func (w *world) see(format string, a ...any) { w.seen = append(w.seen, fmt.Sprintf(format, a...)) }

// must ends the test when something of the story went wrong.
func (w *world) must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// shot is what lies on the disk at a moment.
type shot struct {
	records map[string]map[string]string // bucket → name in the file → sealed value
	files   map[string][]byte
}

// shoot copies the database, as a thief does who comes again and again.
func (w *world) shoot() shot { w.T.Helper(); return w.read(w.copy()) }

func (w *world) copy() shot {
	w.T.Helper()
	s := shot{records: map[string]map[string]string{}, files: map[string][]byte{}}
	w.must(filepath.WalkDir(w.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if name := filepath.Base(path); name != "storage.key" && name != "lock" {
			s.files[name] = b
		}
		return err
	}))
	return s
}

// read takes the records of the file apart.
func (w *world) read(s shot) shot {
	w.T.Helper()
	copied := filepath.Join(w.T.TempDir(), "records.db")
	w.must(os.WriteFile(copied, s.files["records.db"], 0o600))
	db, err := bbolt.Open(copied, 0o600, &bbolt.Options{ReadOnly: true})
	w.must(err)
	defer db.Close()
	w.must(db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(bucket []byte, b *bbolt.Bucket) error {
			in := map[string]string{}
			s.records[string(bucket)] = in
			return b.ForEach(func(k, v []byte) error { in[string(k)] = string(v); return nil })
		})
	}))
	return s
}

// shape is what the file alone shows: how many records of which lengths, and how long each file is.
func (s shot) shape() (list []string) {
	for bucket, in := range s.records {
		count := map[string]int{}
		for k, v := range in {
			count[fmt.Sprintf("%s: a name of %d, a value of %d bytes", bucket, len(k), len(v))]++
		}
		for what, n := range count {
			list = append(list, fmt.Sprintf("%s: %d times", what, n))
		}
	}
	slices.Sort(list)
	return list
}

// since is what who has two copies of the file sees between them.
func (s shot) since(before shot) (list []string, changed []string) {
	buckets := slices.Sorted(maps.Keys(s.records))
	for _, bucket := range buckets {
		now, then := s.records[bucket], before.records[bucket]
		var more, less, other int
		for k, v := range now {
			if old, ok := then[k]; !ok {
				more++
			} else if old != v {
				other++
				changed = append(changed, bucket+"/"+k)
			}
		}
		for k := range then {
			if _, ok := now[k]; !ok {
				less++
			}
		}
		if more+less+other > 0 {
			list = append(list, fmt.Sprintf("%s: %d records more, %d less, %d with other bytes", bucket, more, less, other))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if name == "records.db" {
			continue
		}
		if n := len(places(before.files[name], s.files[name])); n > 0 {
			list = append(list, name+": other bytes")
		}
	}
	slices.Sort(changed)
	return list, changed
}

// block is how finely the thief looks where a file changed.
const block = 4096

// places are the blocks in which two copies of a file differ.
func places(a, b []byte) (list []int) {
	for i := 0; i*block < max(len(a), len(b)); i++ {
		from, to := i*block, (i+1)*block
		if !bytes.Equal(a[min(from, len(a)):min(to, len(a))], b[min(from, len(b)):min(to, len(b))]) {
			list = append(list, i)
		}
	}
	return list
}

// opened is what the thief reads who has the storage key too: the records as the server reads them.
func (w *world) opened() map[string][][2][]byte {
	w.T.Helper()
	all := map[string][][2][]byte{}
	for _, b := range intake.Buckets() {
		for r, err := range w.Store.All(b.Name) {
			w.must(err)
			all[b.Name] = append(all[b.Name], [2][]byte{bytes.Clone(r.Key), bytes.Clone(r.Value)})
		}
	}
	return all
}

// counts are how many records of each kind there are.
func counts(all map[string][][2][]byte) (list []string) {
	for _, b := range intake.Buckets() {
		list = append(list, fmt.Sprintf("%s: %d", b.Name, len(all[b.Name])))
	}
	return list
}

// served is what anybody sees who fetches all there is: numbers, names' form, sizes, and the form of each entry.
func (w *world) served() (list []string) {
	w.T.Helper()
	batches, err := w.Service.Batches()
	w.must(err)
	for _, b := range batches {
		for _, f := range w.Fetch("", b.Number) {
			h := f.Head
			line := fmt.Sprintf("batch %d, lane %d, day %d, revision %d, directory %d, %d volumes:", h.Ordinal, h.Lane, h.Day, h.Revision, h.DirVersion, len(h.Volumes))
			for _, e := range f.Entries {
				line += " " + ageForm(e)
			}
			list = append(list, line)
		}
	}
	return list
}

// ageForm is what an age file shows to who has no key: its length, and the kind and length of each stanza.
func ageForm(b []byte) string {
	head, _, ok := bytes.Cut(b, []byte("\n---"))
	if !ok || !bytes.HasPrefix(b, []byte("age-encryption.org/v1\n")) {
		return fmt.Sprintf("[%d bytes of noise]", len(b))
	}
	var stanzas []string
	for _, s := range strings.Split(string(head), "\n-> ")[1:] {
		kind, _, _ := strings.Cut(s, " ")
		stanzas = append(stanzas, fmt.Sprintf("%s/%d", kind, len(s)))
	}
	return fmt.Sprintf("[%d: %s]", len(b), strings.Join(stanzas, " "))
}

// apart is how well somebody can tell, by one number and the best threshold,
// from which of two worlds it comes: 0 not at all, 1 always (Kolmogorov and Smirnov's distance).
func apart(a, b []float64) (d float64) {
	slices.Sort(a)
	slices.Sort(b)
	for _, x := range slices.Concat(a, b) {
		i, _ := slices.BinarySearchFunc(a, x, after)
		j, _ := slices.BinarySearchFunc(b, x, after)
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return d
}

// after finds the place behind all that are equal.
func after(e, x float64) int {
	if e <= x {
		return -1
	}
	return 1
}

// oneDistribution holds that two samples can come from one, or from two that are apart by no more
// than allowed; it is wrong about honest samples less than once in a million runs.
func oneDistribution(t *testing.T, what string, yes, no []float64, allowed float64) {
	t.Helper()
	if len(yes) == 0 || len(no) == 0 {
		t.Errorf("%s: samples of %d and %d", what, len(yes), len(no))
		return
	}
	n, m := float64(len(yes)), float64(len(no))
	limit := allowed + math.Sqrt(-math.Log(1e-6/2)/2*(n+m)/(n*m))
	d := apart(yes, no)
	t.Logf("%s: apart by %.2f of samples of %d and %d; found at %.2f", what, d, len(yes), len(no), limit)
	if limit >= 1 {
		t.Fatalf("%s: samples of %d and %d find nothing", what, len(yes), len(no))
	}
	if d > limit {
		t.Errorf("%s: the two worlds can be told apart: by %.2f, where chance gives %.2f", what, d, limit)
	}
}

// TestApart: the judge finds what it must and nothing else.
func TestApart(t *testing.T) {
	r := seedtest.Set(t)
	draw := func(n int, f func() float64) (list []float64) {
		for range n {
			list = append(list, f())
		}
		return list
	}
	uniform := func() float64 { return r.Float64() }
	if d := apart(draw(2000, uniform), draw(2000, uniform)); d > 0.1 {
		t.Errorf("one distribution, apart by %.2f", d)
	}
	if d := apart(draw(2000, uniform), draw(2000, func() float64 { return r.Float64() + 0.5 })); math.Abs(d-0.5) > 0.1 {
		t.Errorf("half apart, apart by %.2f", d)
	}
	if d := apart([]float64{1, 1, 1}, []float64{2, 2}); d != 1 {
		t.Errorf("two numbers, apart by %.2f", d)
	}
	if d := apart([]float64{1, 1, 1}, []float64{1, 1}); d != 0 {
		t.Errorf("one number, apart by %.2f", d)
	}
}

// code that nobody has used.
func fresh() crypto.Code { return crypto.NewCode() }

// visit is what a source does with a code, in order; what a code never used has not is no error.
func (w *world) visit(c crypto.Code, do func(x *intake.Session) error) {
	w.T.Helper()
	x, err := w.Service.Enter(ctx, c, intake.WorkLogin)
	w.must(err)
	defer x.Close()
	if err := do(x); !errors.Is(err, intake.ErrNoReply) {
		w.must(err)
	}
}

// pick is one of two, by the secret.
func pick[T any](w *world, yes, no T) T {
	if w.secret {
		return yes
	}
	return no
}
