package statistics

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
)

// CSV writes the table for a spreadsheet (RFC 4180): id, its words, number. What is not shown
// is empty. No cell begins with what a spreadsheet would run.
func (t *Table) CSV(words *Words) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	number := func(n int) string {
		if n < 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	lines := [][]string{{"id", words.Lang(), t.Scope.From.String() + "/" + t.Scope.To.String()}}
	for _, c := range t.Counts {
		lines = append(lines, []string{c.ID, words.Of(c.ID), number(c.N)})
	}
	for _, d := range t.Times {
		what := words.own.Word("days/" + d.ID)
		lines = append(lines, []string{"days/" + d.ID + "/median", what, number(d.Median)}, []string{"days/" + d.ID + "/ninth", what, number(d.Ninth)})
	}
	for _, m := range t.Money {
		for _, x := range []struct {
			id string
			n  uint64
		}{{"lost", m.Lost}, {"recovered", m.Recovered}} {
			if x.n > 0 {
				lines = append(lines, []string{"money/" + m.Currency + "/" + x.id, words.own.Word(x.id) + ", " + m.Currency, strconv.FormatUint(x.n, 10)})
			}
		}
	}
	if err := w.WriteAll(lines); err != nil {
		return nil, fmt.Errorf("writing CSV: %w", err)
	}
	return b.Bytes(), nil
}
