package intake

import (
	"fmt"
	"sync"
	"time"

	"postern/crypto"
)

// Admission is by rate (SECURITY.md S-25): what comes in is taken at the rate at
// which batches carry it out again, plus a burst. So a flood fills neither the store nor the
// queue for longer than it lasts. Each kind has tokens of its own: text passes when all others are used up,
// and one holder's exchange cannot use up another's.

// burstDays is how many days' batches, at their largest, a burst may fill.
const burstDays = 7

// Least bursts, for instances whose batches are small.
const (
	minBurst   = 256
	minBundles = 64
)

// bundlesAtOnce bounds the memory that one exchange can hold.
const bundlesAtOnce = 2

// Later is a refusal that ends by itself: so much of one kind came that it must
// wait until batches carried some of it out.
type Later struct{ After time.Duration }

func (l *Later) Error() string {
	return fmt.Sprintf("too much came in a short time: come back in %v", l.After.Round(time.Minute))
}

// tokens of one kind. They refill with time.
type tokens struct {
	mu          sync.Mutex
	have, burst float64
	rate        float64 // a second
	at          time.Time
}

func newTokens(perDay, burst float64) *tokens {
	return &tokens{have: burst, burst: burst, rate: perDay / 86400}
}

// take n tokens, or say when they will be there.
func (t *tokens) take(n float64, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := now.Sub(t.at).Seconds(); d > 0 && !t.at.IsZero() {
		t.have = min(t.burst, t.have+d*t.rate)
	}
	t.at = now // also of a clock that was set back: it must not hold up what follows
	if t.have < min(n, t.burst) {
		return &Later{time.Duration((min(n, t.burst) - t.have) / t.rate * float64(time.Second))}
	}
	t.have -= n
	return nil
}

// give tokens back for what was not stored.
func (t *tokens) give(n float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.have = min(t.burst, t.have+n)
}

// admission is what may still come in.
type admission struct {
	text  *tokens // messages with words: nothing else takes these
	small *tokens // other messages of the smallest class: files, changed codes
	large *tokens // bytes of larger files

	mu        sync.Mutex
	exchanges map[string]*door
	bundles   float64 // a day, of all exchanges
	room      float64 // bytes for what sources and holders send
}

// door is one exchange's.
type door struct {
	bundles *tokens
	bytes   *tokens // of what is larger than the smallest class
	places  chan struct{}
}

// CoverRoom is how many bytes cover takes in the cells of a store ([store.Options].Spare):
// all entries of all batches that are kept, since on a quiet day all are cover, and one day's more. Others may not fill
// what is left beside as much: so cover always finds its place, whatever came before it.
func CoverRoom(slots int, hours []int, batchSize, urgentSize int) int64 {
	entry := (SmallCell(slots) + 1024 + 4095) / 4096 * 4096 // and its record
	batch := func(n int) int { return n*entry + (2+n/chunkEntries)*2*batchChunkSize }
	return int64(len(hours)*batch(batchSize)+24*batch(urgentSize)) * (keepDays + 2)
}

// LeastQuota is the smallest quota of a store that takes a file of this length beside cover.
func LeastQuota(slots int, hours []int, batchSize, urgentSize int, fileSize int64) int64 {
	return 2*CoverRoom(slots, hours, batchSize, urgentSize) + 2*sealedMost(slots, fileSize)
}

func (s *Service) newAdmission(quota int64) *admission {
	n := s.sizes[crypto.LaneRegular]
	drain := float64(growMax * n * len(s.hours))
	room := float64(max(quota/4, quota-2*CoverRoom(16, s.hours, n, s.sizes[crypto.LaneUrgent])))
	burst := func(days float64) float64 { return max(minBurst, days*drain) }
	return &admission{
		text:  newTokens(drain/2, burst(burstDays)),
		small: newTokens(drain/4, burst(burstDays/4.)),
		large: newTokens(room/2/keepDays, max(room/2, float64(s.limits.FileSize))),

		exchanges: map[string]*door{}, bundles: drain / 4 / crypto.BundleEntries, room: room,
	}
}

// door of an exchange: its share of what all may hand in.
func (a *admission) door(name string, in *crypto.Directory) *door {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.exchanges[name]
	if d == nil {
		holders := 0
		for _, b := range in.Bodies {
			holders += len(b.Holders)
		}
		share := 1 / float64(max(1, holders))
		d = &door{
			bundles: newTokens(a.bundles*share, max(minBundles, burstDays*a.bundles*share)),
			bytes:   newTokens(a.room/8*share/keepDays, a.room/8*share),
			places:  make(chan struct{}, bundlesAtOnce),
		}
		a.exchanges[name] = d
	}
	return d
}
