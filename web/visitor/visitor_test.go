package visitor_test

import (
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/web/visitor"
)

// TestSlips: also for the codes for which the first slip that comes to mind has a second repair.
func TestSlips(t *testing.T) {
	seedtest.Set(t)
	for range 200 {
		words := crypto.NewCode().Words()
		code := strings.Join(words, " ")
		for _, c := range []struct {
			typed string
			kind  crypto.RepairKind
		}{{visitor.Swapped(code), crypto.RepairSwap}, {visitor.Slipped(code), crypto.RepairWord}} {
			got, r, err := crypto.ParseCode(c.typed)
			if err != nil || r.Kind != c.kind || !slices.Equal(got.Words(), words) {
				t.Errorf("%q for %q: %v, repair %d", c.typed, code, err, r.Kind)
			}
		}
		if _, _, err := crypto.ParseCode(visitor.Mixed(code)); err == nil {
			t.Errorf("%q for %q is a code", visitor.Mixed(code), code)
		}
	}
}
