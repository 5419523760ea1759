package twoworlds

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/reviewer"
	"postern/reviewer/keeper"
	"postern/reviewer/reviewertest"
)

// TestNumbersOfADesk: secret: whether a reviewer answered other sources between
// two answers to this one. The source, and who else reads its case, has the whole answers. (R5)
func TestNumbersOfADesk(t *testing.T) {
	seedtest.Set(t)
	yes, no := correspondence(t, true), correspondence(t, false)
	same(t, "who gets two answers", yes, no)
	if len(no) < 2 {
		t.Errorf("%d answers came", len(no))
	}
}

// correspondence is what a source sees of the answers that it gets.
func correspondence(t *testing.T, others bool) (seen []string) {
	t.Helper()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	today, pass := crypto.DayOf(now), []byte("seven random words are good enough here")
	o := reviewer.Options{ScryptLogN: 2, Now: func() time.Time { return now }}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	server := reviewertest.NewServer(today)
	desk, err := reviewer.Create(filepath.Join(t.TempDir(), "vault"), "ombuds", "anna", pass, o)
	try(err)
	defer desk.Close()
	card, _, err := desk.Card()
	try(err)
	try(server.Enrol(card, "ombuds"))
	path := filepath.Join(t.TempDir(), "root.age")
	_, err = keeper.NewRoot(path, "test", pass, o.ScryptLogN)
	try(err)
	root, err := keeper.OpenRoot(path, pass, o.ScryptLogN)
	try(err)
	proposal, err := server.Proposal()
	try(err)
	signed, err := root.Sign(proposal, nil, today)
	try(err)
	try(desk.AcceptDirectory(signed, []string{root.Key()}, today))

	one, other := server.NewSource(), server.NewSource()
	var entries [][]byte
	for _, s := range []*reviewertest.Source{one, other} {
		e, err := s.Say(reviewertest.NewForm(), today, "what happened", nil, "ombuds")
		try(err)
		entries = append(entries, e)
	}
	volume, err := server.Release(today, 4, entries...)
	try(err)
	_, err = desk.Import(bytes.NewReader(volume), reviewer.ImportOptions{})
	try(err)
	answer := func(s *reviewertest.Source) {
		c, err := desk.Case(reviewer.FullID(s.Case))
		try(err)
		p, err := desk.PlanReply(c, today)
		try(err)
		_, err = desk.Reply(p, reviewer.Draft{Text: "an answer"})
		try(err)
	}
	answer(one)
	for range 3 {
		if others {
			answer(other)
		}
	}
	answer(one)
	bundles, err := desk.Export(t.TempDir())
	try(err)
	for _, b := range bundles {
		file, err := os.ReadFile(b.Path)
		try(err)
		_, list, err := server.Deliver(file)
		try(err)
		for _, e := range list {
			if e.Drop != *one.Drop() {
				continue
			}
			m, _, err := one.Receive(e)
			try(err)
			seen = append(seen, fmt.Sprintf("kind %d, counter %d, day %d, readers %v", m.Meta.Kind, m.Meta.Counter, m.Meta.Day, m.Readers))
		}
	}
	if len(seen) == 2 && seen[0] > seen[1] { // a bundle's entries are shuffled
		seen[0], seen[1] = seen[1], seen[0]
	}
	return seen
}
