package reviewer

import (
	"strings"

	"postern/reviewer/casework"
)

// Filled says whether the desk itself fills in a field of a kind of event, so that nobody is asked for it.
func Filled(kind, field string) bool {
	return kind == casework.KindStage && field == "from" || kind == casework.KindDealt && field == "messages"
}

// Compose makes an act of a case from what a person gave, by the fields' names: a day as 2026-12-31
// or +30, another case by any name that [Desk.Case] knows. What the desk knows it fills in ([Filled]).
func (desk *Desk) Compose(c *Case, kind string, values map[string]string) (casework.Act, error) {
	k, ok := casework.KindOf(kind)
	if !ok {
		return casework.NewAct(kind, values) // which says so
	}
	full := make(map[string]string, len(values)+1)
	for name, v := range values {
		full[name] = v
	}
	for _, r := range k.Rules {
		v := strings.TrimSpace(full[r.Name])
		switch {
		case v == "":
		case r.Type == casework.Date:
			d, err := ParseBy(v, desk.Clock().Today())
			if err != nil {
				return casework.Act{}, &casework.FieldError{Kind: kind, Field: r.Name, Why: err}
			}
			full[r.Name] = d.String()
		case r.Type == casework.CaseOf:
			other, err := desk.Case(v)
			if err != nil {
				return casework.Act{}, &casework.FieldError{Kind: kind, Field: r.Name, Why: err}
			}
			full[r.Name] = casework.CaseText(other.ID)
		}
	}
	switch kind {
	case casework.KindStage:
		full["from"] = c.Work.Stage
	case casework.KindDealt:
		return c.Deal(full["flag"], full["reasons"])
	}
	return casework.NewAct(kind, full)
}
