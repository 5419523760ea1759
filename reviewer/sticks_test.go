package reviewer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// All volumes of a stick are imported in one step, in any order; what else lies there is left
// alone, and one bad file keeps no other out.
func TestImportFiles(t *testing.T) {
	w := newWorld(t)
	s := w.server.NewSource()
	one := w.release(4, must(s.Say([16]byte{1}, w.today(), "one", nil, "ombuds"))(t))
	two := w.release(4, must(s.Say([16]byte{2}, w.today(), "two", nil, "ombuds"))(t))
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "postern", "deeper"), 0o700))
	check(t, os.Symlink("/dev/zero", filepath.Join(dir, "link.batch")))
	for name, data := range map[string][]byte{
		"z.batch": one, "postern/a.batch": two, "postern/broken.batch": two[:len(two)/2], "note.txt": []byte("x"), ".hidden.batch": one, "postern/deeper/c.batch": one,
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	list := must(Volumes(dir))(t)
	var names []string
	for _, p := range list {
		names = append(names, filepath.Base(p))
	}
	if !slices.Equal(names, []string{"a.batch", "broken.batch", "z.batch"}) {
		t.Fatalf("volumes: %q", names)
	}
	for range 2 {
		heard := 0
		done := w.desks["anna"].ImportFiles(list, ImportOptions{}, func(Imported) { heard++ })
		if len(done) != 3 || heard != 3 || done[0].Err != nil || !errors.Is(done[1].Err, ErrVolume) || done[2].Err != nil {
			t.Fatalf("imported %+v", done)
		}
	}
	if c := w.only("anna"); len(c.Messages) != 2 {
		t.Errorf("%d messages", len(c.Messages))
	}
	if _, err := Volumes(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there has volumes")
	}
}

// Everything after a number is one file of many volumes: what it holds is what its volumes hold one by one,
// up to where it breaks off, and whatever is not as it should be keeps nothing else out.
func TestImportManyVolumes(t *testing.T) {
	w := newWorld(t)
	s := w.server.NewSource()
	var volumes [][]byte
	for i := range 4 {
		volumes = append(volumes, w.release(4, must(s.Say([16]byte{byte(i)}, w.today(), fmt.Sprintf("text %d", i), nil, "ombuds"))(t)))
	}
	forged := slices.Clone(volumes[1])
	forged[60] ^= 1
	another := bytes.Clone(volumes[2][:len(volumes[2])-100])
	v := w.desks["anna"]
	dir := t.TempDir()
	imports := func(parts ...[]byte) (list []Imported) {
		t.Helper()
		file := filepath.Join(dir, "postern.batches")
		check(t, os.WriteFile(file, bytes.Join(parts, nil), 0o600))
		found := must(Volumes(dir))(t)
		if !slices.Equal(found, []string{file}) {
			t.Fatalf("in the folder: %q", found)
		}
		return v.ImportFiles(found, ImportOptions{}, nil)
	}
	list := imports(volumes[0], forged, another)
	if len(list) != 3 || list[0].Err != nil || !errors.Is(list[1].Err, ErrForged) || !errors.Is(list[2].Err, ErrRest) || list[0].Place != 1 || list[1].Place != 2 {
		t.Fatalf("imported %+v", list)
	}
	if n := v.AskAfter(); n != 1 {
		t.Errorf("ask after %d, of batch 1 alone", n)
	}
	if list = imports(volumes[3]); list[0].Err != nil || v.AskAfter() != 1 {
		t.Errorf("ask after %d with a gap, %+v", v.AskAfter(), list)
	}
	for range 2 {
		list = imports(volumes[2], volumes[1], volumes[0], volumes[3], volumes[2])
		if len(list) != 5 || slices.ContainsFunc(list, func(x Imported) bool { return x.Err != nil }) || v.AskAfter() != 4 {
			t.Errorf("ask after %d, %+v", v.AskAfter(), list)
		}
	}
	if sum := Sum(list); sum.New != 0 || !sum.Before || len(sum.Missing) != 0 {
		t.Errorf("the second time: %+v", sum)
	}
	if c := w.only("anna"); len(c.Messages) != 4 {
		t.Errorf("%d messages", len(c.Messages))
	}
	if list = imports(); len(list) != 1 || !errors.Is(list[0].Err, ErrVolume) {
		t.Errorf("an empty file: %+v", list)
	}
	if list = imports([]byte("PK some other file")); len(list) != 1 || !errors.Is(list[0].Err, ErrVolume) {
		t.Errorf("another file: %+v", list)
	}
	if list = imports(volumes[0], []byte("PK")); len(list) != 2 || list[0].Err != nil || list[1].Err == nil {
		t.Errorf("with something behind: %+v", list)
	}
	if list = v.ImportFiles([]string{filepath.Join(dir, "nowhere")}, ImportOptions{}, nil); len(list) != 1 || !errors.Is(list[0].Err, fs.ErrNotExist) {
		t.Errorf("no file: %+v", list)
	}
}

// A volume that was cut anywhere is not taken, and those before it are.
func TestImportCutAnywhere(t *testing.T) {
	w := newWorld(t)
	first, second := w.release(2), w.release(2)
	whole := slices.Concat(first, second)
	file := filepath.Join(t.TempDir(), "x.batches.part")
	for _, cut := range []int{0, 1, 4, 9, 300, len(first) - 1, len(first), len(first) + 1, len(first) + 300, len(whole) - 1, len(whole)} {
		check(t, os.WriteFile(file, whole[:cut], 0o600))
		list := w.desks["anna"].ImportFiles([]string{file}, ImportOptions{}, nil)
		good := len(slices.DeleteFunc(slices.Clone(list), func(x Imported) bool { return x.Err != nil }))
		want, entire := 0, cut == len(first) || cut == len(whole)
		if cut >= len(first) {
			want++
		}
		if cut == len(whole) {
			want++
		}
		if good != want || (len(list) == good) != entire {
			t.Errorf("cut at %d: %+v", cut, list)
		}
	}
}

// The number to ask for is below the first thing that is missing and that the server may still have.
func TestAskAfter(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	yes := ImportOptions{ClockOK: func(Clock) bool { return true }}
	says := func(what string, want uint64) {
		t.Helper()
		if n := v.AskAfter(); n != want {
			t.Errorf("%s: everything after %d, want %d; missing %v", what, n, want, v.Missing())
		}
	}
	take := func(volume []byte) { t.Helper(); must(v.Import(bytes.NewReader(volume), yes))(t) }
	says("nothing is here", 0)
	take(w.release(1))
	take(w.release(1))
	says("both are here", 2)
	third := w.release(1)
	take(w.release(1))
	says("the third is missing", 2)
	take(third)
	says("it came", 4)
	volumes := must(w.server.ReleaseVolumes(w.today(), [][]byte{}, [][]byte{}, [][]byte{}))(t)
	take(volumes[2])
	take(volumes[0])
	says("a volume of the fifth is missing", 4)
	take(volumes[1])
	says("it came", 5)
	// Away for longer than the server keeps batches: all it still had came, from number 200 on.
	w.server.Batch = 200
	w.now = w.now.AddDate(0, 0, 100)
	take(must(w.server.Release(w.today()-60, 1))(t))
	take(must(w.server.Release(w.today(), 1))(t))
	says("what no server has any more is missing", 201)
	w.server.Batch = 300
	take(w.release(1))
	says("what it may have is missing", 201)
	// A server that was restored counts anew.
	w.server.Instance[0]++
	w.server.Batch = 2
	w.now = w.now.AddDate(0, 0, 1)
	take(w.release(1))
	says("the first of another life is missing", 0)
	w.server.Batch = 1
	take(w.release(1))
	says("it came", 2)
}

func TestParseBy(t *testing.T) {
	for s, want := range map[string]string{"+30": "2026-12-24", "2026-12-31": "2026-12-31", "+1": "2026-11-25"} {
		if d, err := ParseBy(s, 20781); err != nil || d.String() != want {
			t.Errorf("%q is %v, %v", s, d, err)
		}
	}
	for _, s := range []string{"", "30", "+0", "+3651", "+x", "2026-13-01", "1969-01-01", "tomorrow"} {
		if d, err := ParseBy(s, 20781); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
}
