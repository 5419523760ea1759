package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/intake/onion"
	"postern/store"
)

func wantProblem(t *testing.T, r *Report, what, do string) {
	t.Helper()
	for _, p := range r.Problems {
		if strings.Contains(p.What, what) && strings.Contains(p.Do, do) {
			return
		}
	}
	t.Errorf("no problem says %q, to do: %q; there are %+v", what, do, r.Problems)
}

// wantProblems: those that begin so, and no others.
func wantProblems(t *testing.T, r *Report, what ...string) {
	t.Helper()
	ok := len(r.Problems) == len(what)
	for i := 0; ok && i < len(what); i++ {
		ok = strings.HasPrefix(r.Problems[i].What, what[i]) && r.Problems[i].Do != ""
	}
	if !ok {
		t.Errorf("problems %+v, want %q", r.Problems, what)
	}
}

func TestStatusDirectory(t *testing.T) {
	e := openTest(t, time.Now)
	now := time.Now()
	d, err := e.Installed()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		d    *crypto.Directory
		err  error
		at   time.Time
		want string // the problem; none if empty
	}{
		{"none", nil, nil, now, "no directory is installed: nobody can report"},
		{"damaged", nil, errors.New("the signature is wrong"), now, "the signature is wrong"},
		{"clock behind", nil, fmt.Errorf("opening: %w", crypto.ErrNotYet), now, "the clock of this machine stands before"},
		{"fresh", d, nil, now, ""},
		{"60 days left", d, nil, (d.Expires + 1).Time().AddDate(0, 0, -60), "the directory ends in 60 days"},
		{"8 days left", d, nil, (d.Expires + 1).Time().AddDate(0, 0, -8), "the directory ends in 30 days"},
		{"last hour", d, nil, (d.Expires + 1).Time().Add(-time.Hour), "the directory ends in 7 days"},
		{"expired", d, nil, (d.Expires + 1).Time(), "the directory has expired: no new reports are taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Report{}
			// An invented directory has holders whose exchanges nobody made.
			inspectDirectory(e.Instance, r, c.d, c.err, c.at)
			var rest []Problem
			for _, p := range r.Problems {
				if !strings.HasPrefix(p.What, "holder ") {
					rest = append(rest, p)
				}
			}
			if r.Problems = rest; c.want == "" {
				wantProblems(t, r)
			} else {
				wantProblems(t, r, c.want)
			}
		})
	}
}

func TestStatusSwap(t *testing.T) {
	const heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	file := filepath.Join(t.TempDir(), "swaps")
	for list, want := range map[string][]string{
		heading: nil,
		heading + "/dev/sda2 partition\t1048572\t\t0\t\t-2\n": {"swap is on"},
	} {
		if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &Report{}
		inspectSwap(r, file)
		wantProblems(t, r, want...)
	}
	r := &Report{}
	inspectSwap(r, filepath.Join(t.TempDir(), "none"))
	wantProblems(t, r)
	r = &Report{}
	inspectSwap(r, t.TempDir()) // cannot be read: better too much said than too little
	wantProblems(t, r, "swap is on")
}

func TestStatusStorage(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name  string
		u     store.Usage
		free  int64
		level string
		want  []string
	}{
		{"empty", store.Usage{Quota: 20 * gib, FreeSmall: true, FreeLarge: 17 * gib}, 21 * gib, underHalf, nil},
		{"half full", store.Usage{Quota: 20 * gib, Used: 10*gib + 1, FileSize: 10 * gib, FreeSmall: true, FreeLarge: 7 * gib}, 11 * gib, overHalf, nil},
		{"near", store.Usage{Quota: 20 * gib, Used: 16*gib + 1, FileSize: 17 * gib, FreeSmall: true, FreeLarge: gib}, 11 * gib, nearlyFull, []string{"storage is near its quota"}},
		{"no room for files", store.Usage{Quota: 20 * gib, Used: 12 * gib, FileSize: 17 * gib, FreeSmall: true, FreeLarge: gib/2 - 1}, 11 * gib, nearlyFull, []string{"storage has no room for the largest files"}},
		{"full", store.Usage{Quota: 20 * gib, Used: 19 * gib, FileSize: 19 * gib}, 11 * gib, full, []string{"storage is full: reports are refused"}},
		{"disk", store.Usage{Quota: 20 * gib, Used: gib, FileSize: gib, FreeSmall: true, FreeLarge: 16 * gib}, gib / 2, underHalf, []string{"the disk will be full"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Report{}
			inspectStorage(r, c.u, c.free, gib/2)
			wantProblems(t, r, c.want...)
			if r.Storage == nil || r.Storage.Used != c.level {
				t.Errorf("storage %+v, want %s", r.Storage, c.level)
			}
		})
	}
}

// Whoever keeps what status prints every minute learns from it no minute in which
// something came in (SECURITY.md S-20).
func TestStatusIsCoarse(t *testing.T) {
	now := time.Now()
	e := openTest(t, func() time.Time { return now })
	say := func() string {
		var b bytes.Buffer
		if err := opStatus(t.Context(), e, &b); err != nil {
			t.Fatal(err)
		}
		r := &Report{}
		if err := json.Unmarshal(b.Bytes(), r); err != nil {
			t.Fatal(err)
		}
		r.Print(&b)
		return b.String()
	}
	before := say()
	for range 3 {
		x, err := e.intake.Enter(t.Context(), crypto.NewCode(), intake.WorkReport)
		if err != nil {
			t.Fatal(err)
		}
		f := intake.Fields{Form: crypto.FormID{1}, Text: "something happened", Bodies: []string{"example-1"}}
		if err := x.Submit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if err := x.AddFile(t.Context(), "x.bin", "", bytes.NewReader(make([]byte, 1<<20))); err != nil {
			t.Fatal(err)
		}
		x.Close()
		if after := say(); after != before {
			t.Errorf("after something was stored status says\n%s\nand before\n%s", after, before)
		}
	}
}

func TestStatusUpkeep(t *testing.T) {
	now := time.Now()
	long := now.Add(-tidyLate - time.Hour)
	for _, c := range []struct {
		name    string
		u       upkeep
		started time.Time
		want    []string
	}{
		{"just started", upkeep{}, now, nil},
		{"done", upkeep{vacuumed: now}, long, nil},
		{"late", upkeep{vacuumed: long}, long, []string{"what was erased is not unreadable yet"}},
		{"never", upkeep{}, long, []string{"what was erased is not unreadable yet"}},
		{"failed", upkeep{vacuum: errors.New("disk"), vacuumed: now}, now, []string{"what was erased is not unreadable yet"}},
		{"both", upkeep{vacuum: errors.New("disk"), retention: errors.New("damaged")}, now, []string{"what was erased", "what has lived long enough was not ended: damaged"}},
		{"skewed", upkeep{retention: fmt.Errorf("x: %w", errSkew), vacuumed: now}, now, nil}, // tor's status says it
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Report{}
			inspectUpkeep(r, c.u, c.started, now)
			wantProblems(t, r, c.want...)
		})
	}
}

func TestStatusTor(t *testing.T) {
	for _, c := range []struct {
		name string
		s    onion.Status
		want []string
	}{
		{"well", onion.Status{Up: true, Bootstrapped: true, Progress: 100, Published: map[string]bool{"public": true}}, nil},
		{"down", onion.Status{Published: map[string]bool{"public": true}}, []string{"tor is down"}},
		{"on the way", onion.Status{Up: true, Progress: 45}, []string{"tor is 45 % of the way"}},
		{"unpublished", onion.Status{Up: true, Bootstrapped: true, Published: map[string]bool{"public": true, "holder-anna": false}}, []string{"the address of holder-anna is not published"}},
		{"clock", onion.Status{Up: true, Bootstrapped: true, Clock: true}, []string{"the clock of this machine differs from the Tor network's: no batch is made"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Report{}
			r.inspectTor(c.s, 42)
			wantProblems(t, r, c.want...)
		})
	}
}
