package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/intake"
	"postern/intake/intaketest"
	"postern/store"
)

// shape is how many writes of which kind and length a list has, without what it only asks. A record
// written as it is, anew, and one that goes, look the same to who has the file.
func shape(ops []store.Op) string {
	var lines []string
	for _, o := range ops {
		if o.Kind != store.KindRequire && o.Kind != store.KindRequireAbsent {
			lines = append(lines, fmt.Sprint("record ", o.Bucket, ", item of ", len(o.Data)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A code that is in use and one that is not are looked into, read, erased from
// and changed with the same writes; and a visit writes one mailbox and nothing else (SECURITY.md S-4).
func TestUnknownCodeWritesTheSame(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, roomy)
	var shapes []string
	w.Service.Watch(func(ops []store.Op) error { shapes = append(shapes, shape(ops)); return nil })
	nothing := func(err error) error {
		if errors.Is(err, intake.ErrNoReply) {
			return nil
		}
		return err
	}
	for name, do := range map[string]func(c crypto.Code) error{
		"inbox": func(c crypto.Code) error { _, _, err := w.Enter(c).Inbox(ctx, 0); return err },
		"reply": func(c crypto.Code) error { _, err := w.Enter(c).Reply(ctx, 0); return nothing(err) },
		"erase nothing": func(c crypto.Code) error {
			return nothing(w.Enter(c).Erase(ctx, 0, intake.ReplyID{}))
		},
		"erase everything": func(c crypto.Code) error { return w.Enter(c).EraseAll(ctx) },
		"change": func(c crypto.Code) error {
			y, err := w.Enter(c).ChangeCode(ctx, crypto.NewCode())
			if err == nil {
				y.Close()
			}
			return err
		},
		"change twice": func(c crypto.Code) error {
			a, b := crypto.NewCode(), crypto.NewCode()
			change(w, c, a)
			change(w, a, b)
			return nil
		},
	} {
		known, report := reported(w, "ombuds")
		w.Deliver(w.Bundle(w.Reply("ombuds", report, "hello")))
		if name == "erase everything" { // has one step more, when something waits
			known = crypto.NewCode()
			w.Submit(known, "x", "ombuds")
		}
		shapes = nil
		if err := do(known); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := shapes
		shapes = nil
		if err := do(crypto.NewCode()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "erase everything" {
			if len(want) != 2 || len(shapes) != 2 || want[0] != shapes[0] {
				t.Errorf("%s: a code that is in use writes\n%v\none that is not\n%v", name, want, shapes)
			}
			continue
		}
		if len(want) == 0 || !slices.Equal(shapes, want) {
			t.Errorf("%s: a code that is in use writes\n%v\none that is not\n%v", name, want, shapes)
		}
		if !strings.HasPrefix(name, "change") && (len(shapes) != 1 || shapes[0] != "record mailbox, item of 0") {
			t.Errorf("%s writes\n%v\nwant one mailbox", name, shapes)
		}
	}
}

// Unused codes leave nothing behind that grows, and look like empty ones.
func TestUnknownCode(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t)
	usage := func() string {
		u, err := w.Service.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(u.Records, u.Used)
	}
	before := usage()
	for range 5 {
		c := crypto.NewCode()
		x := w.Enter(c)
		if list, more, err := x.Inbox(ctx, 0); err != nil || len(list) != 0 || more != 0 {
			t.Errorf("inbox of an unused code: %v, %v", list, err)
		}
		if _, err := x.Reply(ctx, 3); !errors.Is(err, intake.ErrNoReply) {
			t.Errorf("reply of an unused code: %v", err)
		}
		if err := x.Erase(ctx, 3, intake.ReplyID{}); !errors.Is(err, intake.ErrNoReply) {
			t.Errorf("erasing at an unused code: %v", err)
		}
		if err := x.EraseAll(ctx); err != nil {
			t.Errorf("erasing all at an unused code: %v", err)
		}
		// A form without words, whose files do not arrive, stores nothing.
		if err := x.Submit(ctx, intake.Fields{Form: intaketest.NewForm(), Bodies: []string{"ombuds"}}); err != nil {
			t.Fatal(err)
		}
	}
	if after := usage(); after != before {
		t.Errorf("visits of unused codes left something behind:\n%s\n%s", before, after)
	}
	if got := w.Messages("ombuds", w.Release(crypto.LaneRegular)); len(got) != 0 {
		t.Error("a visit of an unused code sent a message")
	}
}

// Who has a code, and what is public, cannot compute at home the words that an unused code shows; they stay the same, all the same.
func TestMarkerIsTheServers(t *testing.T) {
	w := intaketest.New(t)
	other := intaketest.New(t)
	code := crypto.NewCode()
	shown := w.Enter(code).Marker()
	w.Restart()
	if w.Enter(code).Marker() != shown {
		t.Error("the marker of an unused code changes")
	}
	home := w.Source(code)
	if home.Marker(crypto.Key{}, 0) == shown {
		t.Error("the marker follows from the code alone")
	}
	other.Dir.Salt = w.Dir.Salt
	other.Restart()
	if other.Enter(code).Marker() == shown {
		t.Error("two servers with the same public directory show the same marker")
	}
}

// change changes a code as the page does.
func change(w *intaketest.World, from, to crypto.Code) *intake.Session {
	w.T.Helper()
	y, err := w.Enter(from).ChangeCode(context.Background(), to)
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(y.Close)
	return y
}

// empty wants what a code shows that was never used.
func empty(w *intaketest.World, c crypto.Code) {
	w.T.Helper()
	if list := w.Inbox(c); len(list) != 0 {
		w.T.Errorf("inbox %v", list)
	}
	x := w.Enter(c)
	if got := x.Choice(); !slices.Equal(got, intake.Defaults(w.Dir)) {
		w.T.Errorf("%v is ticked", got)
	}
}
