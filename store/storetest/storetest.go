// Package storetest holds the suite that every engine behind package store's
// seam must pass, and a store for the tests of others.
//
//	s := storetest.NewStore(t)          // checked and closed when the test ends
//	storetest.Run(t, func(t *testing.T) storetest.Engine { … })
package storetest

import (
	"context"
	"iter"
	"testing"

	"postern/store"
)

// Engine is what the suite needs of a store. It lies here, with its only
// consumer: the server uses *store.Store.
type Engine interface {
	Apply(ctx context.Context, ops ...store.Op) error
	Get(bucket string, key []byte) ([]byte, error)
	All(bucket string) iter.Seq2[store.Record, error]
	NewUpload(id store.ItemID) (*store.Upload, error)
	OpenItem(id store.ItemID) (*store.Item, error)
	Usage() (store.Usage, error)
	SmallCell() int
	Vacuum(ctx context.Context) error
	Check(ctx context.Context, problem func(string)) error
}

var _ Engine = (*store.Store)(nil)

// Bucket, MaxKey and MaxValue are what the suite's engines are opened with.
const (
	Bucket   = "records"
	MaxKey   = 32
	MaxValue = 200
)

// Options of [NewStore] in a directory: a quota of 64 MiB, 10 % of it for small
// items and 5 % spare, small cells of 4,000 bytes.
func Options(dir string, buckets ...store.Bucket) store.Options {
	if len(buckets) == 0 {
		buckets = []store.Bucket{{Name: Bucket, MaxKey: MaxKey, MaxValue: MaxValue}}
	}
	return store.Options{Dir: dir, Buckets: buckets, SmallCell: 4000, Quota: 64 << 20, ReserveSmall: 0.1, Spare: 64 << 20 / 20, Create: true}
}

// NewStore opens a new store in a directory of the test's. When the test ends it
// is checked and closed. Without buckets it has the suite's.
func NewStore(t testing.TB, buckets ...store.Bucket) *store.Store {
	t.Helper()
	s, err := store.Open(Options(t.TempDir(), buckets...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		Check(t, s)
		if err := s.CheckFiles(func(p string) { t.Error("check: " + p) }); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Check fails the test for each problem that the engine finds in itself.
func Check(t testing.TB, e Engine) {
	t.Helper()
	if err := e.Check(context.Background(), func(p string) { t.Error("check: " + p) }); err != nil {
		t.Error(err)
	}
}
