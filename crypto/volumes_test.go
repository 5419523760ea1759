package crypto

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// someVolumes are three that differ in everything: length, padding, entries.
func someVolumes(t testing.TB) [][]byte {
	t.Helper()
	return [][]byte{
		testVolume(t, 0, []byte("abc")),
		testVolume(t, maxFrame+3000, counterBytes("a", 300), []byte{}, counterBytes("b", maxFrame/2)),
		testVolume(t, 0),
	}
}

// splitVolumes reads each volume whole.
func splitVolumes(src io.Reader) (list [][]byte, err error) {
	v := NewVolumes(src)
	for v.Next() {
		b, err := io.ReadAll(v)
		if err != nil {
			return list, err
		}
		list = append(list, b)
	}
	return list, v.Err()
}

// Volumes in any number, one behind the other, come out as they went in, however
// the source gives its bytes and however much of each is read.
func TestVolumesComeApart(t *testing.T) {
	some := someVolumes(t)
	rapid.Check(t, func(t *rapid.T) {
		var want [][]byte
		for range rapid.IntRange(0, 4).Draw(t, "volumes") {
			want = append(want, rapid.SampledFrom(some).Draw(t, "volume"))
		}
		src := io.Reader(bytes.NewReader(bytes.Join(want, nil)))
		if rapid.Bool().Draw(t, "halves") {
			src = iotest.DataErrReader(iotest.HalfReader(src))
		}
		v := NewVolumes(src)
		for i := 0; v.Next(); i++ {
			if i == len(want) {
				t.Fatal("more volumes than there are")
			}
			n := rapid.IntRange(0, len(want[i])).Draw(t, "read")
			got := make([]byte, n)
			if _, err := io.ReadFull(v, got); err != nil || !bytes.Equal(got, want[i][:n]) {
				t.Fatalf("volume %d: other bytes, %v", i, err)
			}
			if n < len(want[i]) {
				continue // the rest is for Next to go over
			}
			if _, err := v.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Fatalf("volume %d goes on after its end: %v", i, err)
			}
		}
		if err := v.Err(); err != nil {
			t.Fatal(err)
		}
	})
}

// What is cut, at any byte, gives all volumes before the cut, and says that it is cut.
func TestVolumesCut(t *testing.T) {
	some := someVolumes(t)
	whole := bytes.Join(some, nil)
	ends := []int{0, len(some[0]), len(some[0]) + len(some[1]), len(whole)}
	for cut := range len(whole) {
		if cut > 600 && cut < len(whole)-600 && cut%97 != 0 && !slices.Contains(ends, cut) {
			continue
		}
		got, err := splitVolumes(bytes.NewReader(whole[:cut]))
		want := 0
		for want < len(some) && ends[want+1] <= cut {
			want++
		}
		if len(got) != want || (err == nil) != slices.Contains(ends, cut) {
			t.Fatalf("cut at %d: %d volumes, want %d, %v", cut, len(got), want, err)
		}
	}
}

// One that is not as it should be spoils no other, and what is no volume is said.
func TestVolumesOtherThanTheyShouldBe(t *testing.T) {
	some := someVolumes(t)
	forged := slices.Clone(some[1])
	forged[len(volumeMagic)+frameHead] ^= 1 // of its head
	var sound, refused int
	v := NewVolumes(bytes.NewReader(bytes.Join([][]byte{some[0], forged, some[2]}, nil)))
	for v.Next() {
		if _, err := readTestVolume(v); err != nil {
			refused++
		} else {
			sound++
		}
	}
	if sound != 2 || refused != 1 || v.Err() != nil {
		t.Errorf("%d sound, %d refused, %v", sound, refused, v.Err())
	}
	for name, tail := range map[string][]byte{"another file": []byte("PK\x03\x04"), "a letter": []byte("x"), "a long frame": slices.Concat(volumeMagic, []byte{1, 0, 2, 0, 0})} {
		got, err := splitVolumes(bytes.NewReader(append(slices.Clone(some[0]), tail...)))
		if len(got) != 1 || err == nil {
			t.Errorf("%s behind a volume: %d volumes, %v", name, len(got), err)
		}
	}
	broken := errors.New("broken")
	v = NewVolumes(io.MultiReader(bytes.NewReader(some[0][:100]), iotest.ErrReader(broken)))
	for v.Next() {
		if _, err := io.ReadAll(v); !errors.Is(err, broken) {
			t.Errorf("a broken source: %v", err)
		}
	}
	if !errors.Is(v.Err(), broken) {
		t.Errorf("a broken source: %v", v.Err())
	}
}

// What is read are the bytes of the file, in their order, and all of them when nothing is wrong.
func FuzzVolumes(f *testing.F) {
	some := someVolumes(f)
	f.Add(bytes.Join(some, nil))
	f.Add(append(slices.Clone(some[0]), "PSB1"...))
	f.Add([]byte("PSB1\x00\x00\x00\x00\x00PSB1\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := splitVolumes(bytes.NewReader(b))
		all := bytes.Join(got, nil)
		if !bytes.HasPrefix(b, all) || err == nil && len(all) != len(b) {
			t.Errorf("%d bytes in %d volumes of %d bytes, %v", len(all), len(got), len(b), err)
		}
	})
}
