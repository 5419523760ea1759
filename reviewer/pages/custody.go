package pages

import (
	"strconv"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
)

// custodyLine is who did what with a case's content on one day.
type custodyLine struct {
	Day  crypto.Day
	Who  string
	What string
	Of   string
}

// custody is who read, took out and printed what of a case, the latest first.
func (p *Pages) custody(c *reviewer.Case) (list []custodyLine) {
	kept, err := p.desk.Custody(c)
	if err != nil {
		p.refuse(err)
		return nil
	}
	for i := 0; i < len(kept); {
		x := kept[i]
		var numbers []string
		whole := false
		for ; i < len(kept) && kept[i].Day == x.Day && kept[i].Who == x.Who && kept[i].Act == x.Act; i++ {
			if n := kept[i].Number; n != 0 {
				numbers = append(numbers, strconv.Itoa(n))
			} else {
				whole = true
			}
		}
		l := custodyLine{Day: x.Day, Who: plain.SafeLine(x.Who), What: p.words.Word("act." + string(x.Act))}
		switch {
		case whole:
			l.Of = p.words.Word("of.case")
		case x.Act == dossier.ActExtract:
			l.Of = p.words.Word("of.files", len(numbers), strings.Join(numbers, ", "))
		default:
			l.Of = p.words.Word("of.messages", len(numbers), strings.Join(numbers, ", "))
		}
		list = append(list, l)
	}
	for a, b := 0, len(list)-1; a < b; a, b = a+1, b-1 {
		list[a], list[b] = list[b], list[a]
	}
	return list
}
