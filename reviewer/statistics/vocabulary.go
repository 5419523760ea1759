package statistics

import (
	"slices"

	"postern/intake/form"
)

// The vocabularies of rows and tables. Ids are part of their format: one is never renamed or
// given another meaning, and a new one may be added at any place of its list. What a
// report is about is said in the words of package form; outcomes, aims and fates are
// those of casework, and here stands what they add up to.
var (
	institutions, units, ranks = form.Institutions(), form.Units(), form.Ranks()

	scopes = []form.Option{
		{ID: "in", Label: "Within the task of a body"},
		{ID: "out", Label: "Outside it"},
	}
	outcomes = []form.Option{ // the first counts where bodies differ
		{ID: "sustained", Label: "Sustained"},
		{ID: "partly", Label: "Sustained in part"},
		{ID: "not-sustained", Label: "Not sustained"},
		{ID: "inconclusive", Label: "Could not be decided"},
		{ID: "no-finding", Label: "Ended without a finding"}, // withdrawn, referred, out of scope
	}
	aims = []form.Option{
		{ID: "discipline", Label: "To discipline"},
		{ID: "repair", Label: "To repair"},
		{ID: "policy", Label: "To amend a policy"},
		{ID: "law", Label: "To amend a law"},
		{ID: "other", Label: "Another"},
	}
	fates = []form.Option{ // a later one counts where bodies differ
		{ID: "issued", Label: "Not answered yet"},
		{ID: "rejected", Label: "Rejected"},
		{ID: "accepted", Label: "Accepted"},
		{ID: "implemented", Label: "Implemented"},
	}
)

func topics() []form.Option    { return options(form.QTopics) }
func reporters() []form.Option { return options(form.QReporter) }

func options(question string) []form.Option {
	q, ok := form.QuestionOf(question)
	if !ok {
		panic("statistics: no question " + question)
	}
	return q.Options
}

// place is where an id stands in a vocabulary: -1 when it is not there.
func place(list []form.Option, id string) int {
	return slices.IndexFunc(list, func(o form.Option) bool { return o.ID == id })
}
