package intake

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
)

func TestTurns(t *testing.T) {
	q := newTurns()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var leaves []func()
	for range loginTurns {
		leave, err := q.enter(ctx, WorkLogin)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	// Logins took what they may: a report still gets in.
	leave, err := q.enter(ctx, WorkReport)
	if err != nil {
		t.Fatal(err)
	}
	leaves = append(leaves, leave)

	var wg sync.WaitGroup
	results := make(chan error, 2*loginQueue)
	for range loginQueue + loginTurns {
		wg.Go(func() {
			leave, err := q.enter(ctx, WorkLogin)
			if err == nil {
				leave()
			}
			results <- err
		})
	}
	for q.waiting.Load() < loginQueue+loginTurns {
		runtime.Gosched()
	}
	if _, err := q.enter(ctx, WorkLogin); !errors.Is(err, ErrBusy) {
		t.Errorf("one login too many: %v, want ErrBusy", err)
	}
	for range 3 * loginQueue { // reports wait and are never refused
		wg.Go(func() {
			leave, err := q.enter(ctx, WorkReport)
			if err == nil {
				leave()
			}
			results <- err
		})
	}
	go func() { wg.Wait(); close(results) }()
	for _, l := range leaves {
		l()
	}
	for err := range results {
		if err != nil {
			t.Error(err)
		}
	}
	// A caller that gave up takes no turn.
	done, stop := context.WithCancel(context.Background())
	stop()
	for range reportTurns + loginTurns {
		if leave, err := q.enter(context.Background(), WorkReport); err != nil {
			t.Error(err)
		} else {
			defer leave()
		}
	}
	if _, err := q.enter(done, WorkReport); !errors.Is(err, context.Canceled) {
		t.Errorf("gave up: %v", err)
	}
}
