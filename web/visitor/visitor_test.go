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
			got, err := crypto.ParseCode(c.typed)
			if err != nil || len(got) != 1 || got[0].Repair.Kind != c.kind || !slices.Equal(got[0].Code.Words(), words) {
				t.Errorf("%q for %q: %v, %d readings", c.typed, code, err, len(got))
			}
		}
		if _, err := crypto.ParseCode(visitor.Mixed(code)); err == nil {
			t.Errorf("%q for %q is a code", visitor.Mixed(code), code)
		}
	}
}
