package intake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postern/crypto"
	"postern/intake"
	"postern/intake/intaketest"
)

// batchBytes are the volumes of batches, one behind the other.
func batchBytes(t *testing.T, w *intaketest.World, numbers ...uint64) []byte {
	t.Helper()
	list, err := w.Service.Batches()
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, n := range numbers {
		i := slices.IndexFunc(list, func(x intake.BatchInfo) bool { return x.Number == n })
		if i < 0 {
			t.Fatalf("no batch %d", n)
		}
		for _, v := range list[i].Volumes {
			b = append(b, w.Volume(n, v.Number)...)
		}
	}
	return b
}

func stretchBytes(t *testing.T, w *intaketest.World, st *intake.Stretch, from int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := w.Service.WriteStretch(context.Background(), &b, st, from); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withFile is a world with so many batches, of which some hold a larger file.
func withFiles(t *testing.T, batches int) (w *intaketest.World, numbers []uint64) {
	t.Helper()
	w = intaketest.New(t)
	for i := range batches {
		if i%3 == 1 {
			x := w.Submit(crypto.NewCode(), "r", "ombuds")
			if err := x.AddFile(context.Background(), "f", "", bytes.NewReader(make([]byte, 300_000))); err != nil {
				t.Fatal(err)
			}
		}
		lane := crypto.LaneRegular
		if i%2 == 1 {
			lane = crypto.LaneUrgent
		}
		numbers = append(numbers, w.Release(lane))
	}
	for range 3 { // files wait for the regular lane
		numbers = append(numbers, w.Release(crypto.LaneRegular))
	}
	return w, numbers
}

// A stretch is the volumes of its batches one behind the other, from any byte on, and
// what reads volumes takes it apart again.
func TestStretch(t *testing.T) {
	w, numbers := withFiles(t, 4)
	whole := batchBytes(t, w, numbers...)
	for after := range uint64(len(numbers)) {
		st, err := w.Service.Stretch(after, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := batchBytes(t, w, numbers[after:]...)
		if got := stretchBytes(t, w, st, 0); st.Size != int64(len(want)) || st.After != after || st.Last != uint64(len(numbers)) || !bytes.Equal(got, want) {
			t.Errorf("after %d: %d bytes to number %d, want %d bytes to %d", after, st.Size, st.Last, len(want), len(numbers))
		}
		if name := fmt.Sprintf("-%06d-to-%06d.batches", after+1, len(numbers)); !strings.HasSuffix(st.Name, name) {
			t.Errorf("after %d: file %s", after, st.Name)
		}
		same, err := w.Service.Stretch(after, st.Last)
		if err != nil || same.Tag != st.Tag || same.Size != st.Size {
			t.Errorf("after %d, named by its end, is another: %v", after, err)
		}
	}
	st, err := w.Service.Stretch(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		from := rapid.Int64Range(0, st.Size).Draw(r, "from")
		if got := stretchBytes(t, w, st, from); !bytes.Equal(got, whole[from:]) {
			r.Fatalf("from %d: %d bytes, want the last %d", from, len(got), len(whole[from:]))
		}
	})
	n := 0
	v := crypto.NewVolumes(bytes.NewReader(whole))
	for v.Next() {
		n++
	}
	if v.Err() != nil || n < len(numbers)+1 {
		t.Errorf("%d volumes, %v", n, v.Err())
	}
}

// Who resumes near the end makes the server read nothing of what they have.
func TestStretchSkipsWhatIsThere(t *testing.T) {
	w, _ := withFiles(t, 4)
	st, err := w.Service.Stretch(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	end() // the first entry that is read for somebody notices it
	var b bytes.Buffer
	if err := w.Service.WriteStretch(ctx, &b, st, st.Size); err != nil || b.Len() > 0 {
		t.Errorf("at the end: %d bytes, %v", b.Len(), err)
	}
	if err := w.Service.WriteStretch(ctx, &b, st, st.Size-1); !errors.Is(err, context.Canceled) {
		t.Errorf("with one byte to go: %v", err)
	}
}

// A long stretch ends in front of the batch with which it would not fit on a
// stick; one batch always is in it. A stretch named by its end is that.
func TestStretchFitsOnAStick(t *testing.T) {
	w, numbers := withFiles(t, 4)
	all, err := w.Service.Stretch(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for most := int64(0); most <= all.Size; most += all.Size / 20 {
		w.Service.StretchMost(most)
		var got []byte
		for after := uint64(0); after < uint64(len(numbers)); {
			st, err := w.Service.Stretch(after, 0)
			if err != nil {
				t.Fatal(err)
			}
			if st.Size > most && st.Last != after+1 {
				t.Errorf("at most %d: %d bytes in batches %d to %d", most, st.Size, after+1, st.Last)
			}
			got = append(got, stretchBytes(t, w, st, 0)...)
			after = st.Last
		}
		if !bytes.Equal(got, stretchBytes(t, w, all, 0)) {
			t.Errorf("at most %d: the pieces are another whole", most)
		}
		if st, err := w.Service.Stretch(0, all.Last); err != nil || st.Tag != all.Tag {
			t.Errorf("at most %d: named by its end: %v", most, err)
		}
	}
}

// What there is not: nothing yet, nothing above the newest, batches older than 60 days.
// Numbers are of the present life of the server.
func TestStretchOfOtherNumbers(t *testing.T) {
	w := intaketest.New(t)
	nothing := func(after, newest uint64) {
		t.Helper()
		var no *intake.NothingAfter
		if _, err := w.Service.Stretch(after, 0); !errors.As(err, &no) || no.Newest != newest {
			t.Errorf("after %d: %v, want nothing, newest %d", after, err, newest)
		}
	}
	nothing(0, 0)
	nothing(7, 0)
	first := w.Release(crypto.LaneRegular)
	w.Release(crypto.LaneUrgent)
	nothing(2, 2)
	nothing(3, 2)
	nothing(1<<63, 2)
	nothing(1<<64-1, 2)

	w.Advance(40 * 24 * time.Hour)
	third := w.Release(crypto.LaneRegular)
	w.Advance(21 * 24 * time.Hour)
	if err := w.Service.Maintain(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	st, err := w.Service.Stretch(0, 0)
	if err != nil || st.Last != 3 || !bytes.Equal(stretchBytes(t, w, st, 0), batchBytes(t, w, third)) || first == third {
		t.Errorf("after 0, when two have ended: %+v, %v", st, err)
	}

	w.Options.Instance = crypto.InstanceID{2} // restored
	w.Restart()
	fourth := w.Release(crypto.LaneRegular)
	fifth := w.Release(crypto.LaneRegular)
	nothing(3, 2)
	if st, err = w.Service.Stretch(0, 0); err != nil || st.Last != 2 || !bytes.Equal(stretchBytes(t, w, st, 0), batchBytes(t, w, fourth, fifth)) {
		t.Errorf("after 0, in another life: %+v, %v", st, err)
	}
	if st, err = w.Service.Stretch(1, 0); err != nil || !bytes.Equal(stretchBytes(t, w, st, 0), batchBytes(t, w, fifth)) {
		t.Errorf("after 1, in another life: %+v, %v", st, err)
	}
}

// An exchange of entries gives another tag, of the same length: who resumes does not
// mix the two.
func TestStretchExchanged(t *testing.T) {
	w, _ := withFiles(t, 12)
	before, err := w.Service.Stretch(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Night()
	after, err := w.Service.Stretch(0, before.Last)
	if err != nil || after.Tag == before.Tag || after.Size != before.Size || after.Name != before.Name {
		t.Errorf("after a night: %v, %+v and %+v", err, before, after)
	}
	// What began before goes on: every volume in it is whole.
	n := 0
	v := crypto.NewVolumes(bytes.NewReader(stretchBytes(t, w, before, 0)))
	for v.Next() {
		if _, err := io.Copy(io.Discard, v); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if v.Err() != nil || n < 15 {
		t.Errorf("%d volumes, %v", n, v.Err())
	}
}
