package statistics

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkMake counts a year and lays it beside the five before it, each of which was published.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{200, 5000} {
		b.Run(fmt.Sprint(n, " cases"), func(b *testing.B) {
			rows := randomRows(rand.New(rand.NewPCG(1, 2)), n)
			for i := range rows { // over six years
				back := Month(12 * (i % 5))
				rows[i].Received -= back
				if rows[i].Closed != 0 {
					rows[i].Closed -= back
				}
			}
			var before []*Table
			for y := 2021; y < 2026; y++ {
				x, err := Make(rows, testOrigin, year(y, "ombuds"), day(2027, 1, 10), before)
				if err != nil {
					b.Fatal(err)
				}
				before = append(before, x)
			}
			for b.Loop() {
				x, err := Make(rows, testOrigin, year(2026, "ombuds"), day(2027, 1, 10), before)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(x.Counts)-x.Withheld()), "shown")
			}
		})
	}
}
