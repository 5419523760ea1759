package statistics

import (
	"slices"

	"postern/intake/form"
)

// The vocabularies that reviewers code a case with. They are coarse on purpose: what is
// finer would point to people. Ids are part of the format of rows and tables: one is never
// renamed or given another meaning, and a new one may be added at any place of its list.
// Topics and kinds of reporters are those of the source's form (package form).
var (
	institutions = []form.Option{
		{ID: "armed-forces", Label: "Armed forces"},
		{ID: "police", Label: "Police"},
		{ID: "intelligence", Label: "Intelligence"},
		{ID: "border-guard", Label: "Border guard"},
		{ID: "prisons", Label: "Prisons"},
		{ID: "private-security", Label: "Private security"},
		{ID: "ministry", Label: "Ministry above them"},
		{ID: "other", Label: "Another, or several"},
	}
	units = []form.Option{
		{ID: "field", Label: "Field, patrol or station"},
		{ID: "special", Label: "Special unit"},
		{ID: "training", Label: "School or training"},
		{ID: "detention", Label: "Place of detention"},
		{ID: "border", Label: "Border or checkpoint"},
		{ID: "mission", Label: "Mission abroad"},
		{ID: "supply", Label: "Supply, procurement or finance"},
		{ID: "medical", Label: "Medical service"},
		{ID: "personnel", Label: "Personnel, vetting or discipline"},
		{ID: "headquarters", Label: "Headquarters or staff"},
		{ID: "other", Label: "Another, or several"},
	}
	ranks = []form.Option{ // of whom the report is about
		{ID: "enlisted", Label: "Enlisted or constable"},
		{ID: "nco", Label: "Non-commissioned officer or sergeant"},
		{ID: "officer", Label: "Officer"},
		{ID: "senior", Label: "Senior officer or general"},
		{ID: "civilian", Label: "Civilian staff"},
		{ID: "political", Label: "Minister or political office"},
		{ID: "several", Label: "Several of these"},
	}
	scopes = []form.Option{
		{ID: "in", Label: "Within the task of a body"},
		{ID: "out", Label: "Outside it"},
	}
	outcomes = []form.Option{ // the first counts where bodies differ
		{ID: "sustained", Label: "Sustained"},
		{ID: "partly", Label: "Sustained in part"},
		{ID: "not-sustained", Label: "Not sustained"},
		{ID: "unresolved", Label: "Could not be established"},
		{ID: "no-finding", Label: "Ended without a finding"}, // withdrawn, referred, out of scope
	}
	aims = []form.Option{
		{ID: "discipline", Label: "To discipline"},
		{ID: "repair", Label: "To repair"},
		{ID: "amend", Label: "To amend a policy or law"},
		{ID: "other", Label: "Another"},
	}
	fates = []form.Option{ // a later one counts where bodies differ
		{ID: "issued", Label: "Not answered yet"},
		{ID: "refused", Label: "Refused"},
		{ID: "accepted", Label: "Accepted"},
		{ID: "implemented", Label: "Implemented"},
	}
)

// Institutions that a report can be about.
func Institutions() []form.Option { return slices.Clone(institutions) }

// Units are classes of units that a report can be about.
func Units() []form.Option { return slices.Clone(units) }

// Ranks are groups of ranks of those whom a report is about, never of its source.
func Ranks() []form.Option { return slices.Clone(ranks) }

// Outcomes of a closed case.
func Outcomes() []form.Option { return slices.Clone(outcomes) }

// Aims of a recommendation.
func Aims() []form.Option { return slices.Clone(aims) }

// Fates of a recommendation, in the order in which they come.
func Fates() []form.Option { return slices.Clone(fates) }

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
