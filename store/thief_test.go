package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
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
		for _, name := range []string{"records.db", "cells.db"} {
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

// shape is all that a thief sees of the two files: buckets, and of each record
// and cell the lengths of key and value. Their order is that of random names.
func shape(t *testing.T, dir string) (list []string) {
	t.Helper()
	for _, name := range []string{"records.db", "cells.db"} {
		db, err := bbolt.Open(filepath.Join(dir, name), 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		err = db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(bucket []byte, b *bbolt.Bucket) error {
				return b.ForEach(func(k, v []byte) error {
					list = append(list, fmt.Sprintf("%s/%s %d %d", name, bucket, len(k), len(v)))
					return nil
				})
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(list)
	return list
}
