package form

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/crypto"
)

// someNotices have each part, and all of them.
func someNotices() []Notice {
	list := []Notice{{Until: 1}, {Until: maxUntil}, {Ask: "a"}, {Ask: strings.Repeat("a", crypto.MaxBodyID)}, {"inquiry", 20800, "audit-2"}}
	for _, s := range stages {
		list = append(list, Notice{Stage: s.ID})
	}
	return list
}

func TestNotice(t *testing.T) {
	for _, n := range someNotices() {
		b, err := n.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeNotice(b); err != nil || got != n {
			t.Errorf("%+v reads as %+v, %v", n, got, err)
		}
	}
	for name, n := range map[string]Notice{
		"nothing":        {},
		"unknown stage":  {Stage: "lost"},
		"day":            {Until: maxUntil + 1},
		"long id":        {Ask: strings.Repeat("a", crypto.MaxBodyID+1)},
		"hyphen first":   {Ask: "-a"},
		"hyphen last":    {Ask: "a-"},
		"capital":        {Ask: "A"},
		"path":           {Ask: "../a"},
		"only a hyphen":  {Ask: "-"},
		"stage as space": {Stage: " "},
	} {
		if _, err := n.Encode(); !errors.Is(err, ErrNotice) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good, err := Notice{"closed", 7, "ngo"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte("\x01\x06closed\x00\x00\x00\x07\x03ngo"); !bytes.Equal(good, want) {
		t.Errorf("encoded as %x, not %x", good, want)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0),
		"version 0": append([]byte{0}, good[1:]...), "version 2": append([]byte{2}, good[1:]...),
		"nothing": {1, 0, 0, 0, 0, 0, 0},
	} {
		if n, err := DecodeNotice(b); !errors.Is(err, ErrNotice) || n != (Notice{}) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	if d := time.Unix(maxUntil*86400, 0).UTC().Format(time.DateOnly); d != "9999-12-31" {
		t.Errorf("the last day is %s", d)
	}
}

// What happened since is asked in later messages, never on the first form.
func TestLaterGroups(t *testing.T) {
	if slices.Contains(Groups(), GroupSince) {
		t.Error("the first form asks what happened since")
	}
	if !slices.Equal(LaterGroups(), []Group{GroupUrgency, GroupSince}) {
		t.Errorf("later messages ask for %q", LaterGroups())
	}
	for id, options := range map[string][]string{QSince: {SinceRetaliation, SinceDanger}, QWish: {WishWithdraw}} {
		q, ok := QuestionOf(id)
		if !ok || q.Group != GroupSince || len(q.Options) != len(options) {
			t.Fatalf("question %s: %+v", id, q)
		}
		for _, o := range options {
			if Label(q.Options, o) == "" {
				t.Errorf("question %s has no %s", id, o)
			}
		}
	}
}

func FuzzNotice(f *testing.F) {
	for _, n := range someNotices() {
		b, err := n.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := DecodeNotice(b)
		if err != nil {
			return
		}
		out, err := n.Encode()
		if err != nil || !bytes.Equal(out, b) {
			t.Fatalf("%v: %x encodes to %x", err, b, out)
		}
	})
}
