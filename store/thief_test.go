package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"postern/store/engine/bolt"
)

// What the database alone shows (SECURITY.md S-19): two databases with as many
// records and cells, but other keys, values, lengths and links between them,
// are the same but for bytes that look random.
func TestDatabaseAloneShowsCounts(t *testing.T) {
	marker := []byte("a marker that nobody may find")
	fill := func(long bool) string {
		o := testOptions(t.TempDir())
		s := openTest(t, o)
		for i := range 40 {
			key, value := fmt.Appendf(nil, "key %d", i), marker
			data := marker
			if long {
				key, value = random(32), append(random(1900), marker...)
				data = append(random(testSmall-100), marker...)
			}
			apply(t, s, Create("mailbox", key, value), AddItem(randomID(), data))
		}
		id := randomID()
		apply(t, s, Adopt(upload(t, s, id, bytes.Repeat(marker, 20_000))))
		if err := s.Vacuum(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"records.db", "small.cells", "large.cells"} {
			b, err := os.ReadFile(filepath.Join(o.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, marker) || bytes.Contains(b, id[:]) || bytes.Contains(b, []byte("key 1")) {
				t.Errorf("%s holds a marker in clear", name)
			}
		}
		return o.Dir
	}
	short, long := shape(t, fill(false)), shape(t, fill(true))
	if !slices.Equal(short, long) {
		t.Error("a thief can tell the two apart")
	}
	if len(short) < 80 {
		t.Errorf("only %d records and cells were compared", len(short))
	}
}

// shape is all that a thief sees of the files: buckets, and of each record the
// lengths of name and value; how many cells there are. The records' order is that
// of random names.
func shape(t *testing.T, dir string) (list []string) {
	t.Helper()
	e, err := bolt.Open(dir, 1<<30, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{metaName, itemName, "mailbox", "out"} {
		for after := []byte(nil); ; {
			records, err := e.Page(bucket, after, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if len(records) == 0 {
				break
			}
			for _, r := range records {
				list = append(list, fmt.Sprintf("%s %d %d", bucket, len(r.Name), len(r.Value)))
				after = r.Name
			}
		}
	}
	for _, c := range classNames {
		st, err := os.Stat(filepath.Join(dir, c+".cells"))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %d", c, st.Size()))
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}
