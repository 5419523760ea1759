package form

import "slices"

// Option is something to choose: a stable id and its English label for the desk.
type Option struct {
	ID    string
	Label string
}

// Label finds the label of an id, or "".
func Label(list []Option, id string) string {
	for _, o := range list {
		if o.ID == id {
			return o.Label
		}
	}
	return ""
}

// BodyKind is a kind of body in the directory.
type BodyKind struct {
	Option
	// Independent of the executive: only such bodies may start ticked. The others
	// are part of the chain that a source may be reporting; they stand last.
	Independent bool
}

var bodyKinds = []BodyKind{
	{Option{"ombuds", "Ombuds institution"}, true},
	{Option{"parliament", "Parliamentary committee"}, true},
	{Option{"judiciary", "Judiciary or prosecutor"}, true},
	{Option{"human-rights", "National human rights institution"}, true},
	{Option{"anti-corruption", "Anti-corruption agency"}, true},
	{Option{"audit", "Audit institution"}, true},
	{Option{"data-protection", "Data-protection authority"}, true},
	{Option{"detention-monitor", "Prison or detention monitor"}, true},
	{Option{"civil-society", "Civil society organisation"}, true},
	{Option{"media", "Media"}, true},
	{Option{"inspectorate", "Inspectorate or internal oversight"}, false},
	{Option{"government", "Government or ministry"}, false},
	{Option{"institution", "The security institution itself"}, false},
}

// BodyKinds in the order in which sources see them: independent kinds first.
func BodyKinds() []BodyKind { return slices.Clone(bodyKinds) }

// BodyKindOf finds a kind by id.
func BodyKindOf(id string) (BodyKind, bool) {
	i := BodyKindOrder(id)
	if i == len(bodyKinds) {
		return BodyKind{}, false
	}
	return bodyKinds[i], true
}

// BodyKindOrder is the place of a kind in BodyKinds; unknown kinds come last.
func BodyKindOrder(id string) int {
	if i := slices.IndexFunc(bodyKinds, func(k BodyKind) bool { return k.ID == id }); i >= 0 {
		return i
	}
	return len(bodyKinds)
}

// Kind says what an answer looks like.
type Kind int

// The kinds of questions.
const (
	Choice  Kind = iota + 1 // at most one option
	Choices                 // any number of options
	Text                    // free text of at most MaxBytes
)

// Group says where a question stands on a form.
type Group string

// The groups, in the order of the questions.
const (
	GroupUrgency      Group = "urgency"       // asked at once: it decides how fast a report travels
	GroupTopics       Group = "topics"        // what it is about
	GroupFacts        Group = "facts"         // what the narrative may have left out
	GroupSafety       Group = "safety"        // the source's own risk, and what may be done with the report
	GroupIllTreatment Group = "ill-treatment" // Istanbul Protocol 2022, shown only to those who open it
	GroupSince        Group = "since"         // what happened since the report: asked in later messages only
)

// Question is one optional question.
type Question struct {
	ID       string
	Label    string // English, for the desk
	Kind     Kind
	Group    Group
	Options  []Option // Choice, Choices
	MaxBytes int      // Text: UTF-8 bytes of clean text
}

// Ids that programs ask for by name.
const (
	QUrgency      = "urgency"
	QTopics       = "topics"
	QConsent      = "consent"
	QReporter     = "reporter"
	QClassified   = "classified"
	QIllTreatment = "ill-treatment" // a topic, and the name of the group about it
	QSince        = "since"
	QWish         = "wish"
)

// Ids of options that programs ask for by name.
const (
	SinceRetaliation = "retaliation" // of QSince
	SinceDanger      = "danger"      // of QSince
	WishWithdraw     = "withdraw"    // of QWish
)

var yesNo = []Option{{"yes", "Yes"}, {"no", "No"}, {"unsure", "Not sure"}}

var questions = []Question{
	{ID: QUrgency, Label: "Urgent because", Kind: Choices, Group: GroupUrgency, Options: []Option{
		{"danger", "Someone is in danger now"},
		{"evidence", "Evidence is about to disappear"},
		{"continuing", "It is happening now and will go on"},
	}},
	{ID: QTopics, Label: "Topics", Kind: Choices, Group: GroupTopics, Options: []Option{
		{"crime", "Crime"},
		{"human-rights", "Human-rights violation"},
		{"humanitarian-law", "Humanitarian-law violation"},
		{QIllTreatment, "Torture or ill-treatment"},
		{"gender-violence", "Sexual or gender-based violence"},
		{"force", "Excessive use of force"},
		{"discrimination", "Discrimination"},
		{"participation", "Unequal participation of women or minorities"},
		{"unprotected", "A group's security left unprovided"},
		{"corruption", "Corruption"},
		{"funds", "Misuse of funds or procurement"},
		{"office", "Abuse of office"},
		{"personnel", "Unfair vetting, lustration, discipline, promotion or dismissal"},
		{"surveillance", "Unlawful surveillance"},
		{"public-danger", "Danger to public health, safety or environment"},
		{"miscarriage", "Miscarriage of justice"},
		{"retaliation", "Retaliation"},
		{"concealment", "Concealment"},
		{"other", "Other"},
	}},
	{ID: "place", Label: "Where and which unit", Kind: Text, Group: GroupFacts, MaxBytes: 600},
	{ID: "period", Label: "When", Kind: Text, Group: GroupFacts, MaxBytes: 300},
	{ID: "rule", Label: "Law, rule or standard broken", Kind: Text, Group: GroupFacts, MaxBytes: 400},
	{ID: "who", Label: "Who did it", Kind: Text, Group: GroupFacts, MaxBytes: 800},
	{ID: "harmed", Label: "Who was harmed", Kind: Text, Group: GroupFacts, MaxBytes: 600},
	{ID: "known", Label: "How the source knows", Kind: Choices, Group: GroupFacts, Options: []Option{
		{"saw", "Saw or experienced it"},
		{"told", "Was told"},
		{"documents", "Knows documents"},
	}},
	{ID: "told-before", Label: "Told anyone before, what happened, or why it was impossible or dangerous", Kind: Text, Group: GroupFacts, MaxBytes: 800},
	{ID: "commanders", Label: "Commanders are aware", Kind: Choice, Group: GroupFacts, Options: yesNo},
	{ID: QClassified, Label: "Contains classified material", Kind: Choice, Group: GroupSafety, Options: yesNo},
	{ID: "fear", Label: "Fears to be identified", Kind: Choice, Group: GroupSafety, Options: yesNo},
	{ID: "fear-detail", Label: "Details that could identify the source", Kind: Text, Group: GroupSafety, MaxBytes: 600},
	{ID: QReporter, Label: "The source is", Kind: Choice, Group: GroupSafety, Options: []Option{
		{"serving", "Serving"},
		{"former", "Former"},
		{"reservist", "Reservist"},
		{"conscript", "Conscript"},
		{"family", "Family"},
		{"civilian", "Civilian"},
		{"detainee", "Detainee"},
		{"third-party", "Third party"},
	}},
	{ID: QConsent, Label: "Consent", Kind: Choices, Group: GroupSafety, Options: []Option{
		{"investigate-only", "Investigate only"},
		{"share-chosen", "Share with the bodies the source chose"},
		{"publish", "Publish without anything that identifies the source"},
		{"court", "Use in court"},
	}},
	{ID: "it-circumstances", Label: "Circumstances", Kind: Text, Group: GroupIllTreatment, MaxBytes: 700},
	{ID: "it-dates", Label: "Dates", Kind: Text, Group: GroupIllTreatment, MaxBytes: 300},
	{ID: "it-place", Label: "Place and routine", Kind: Text, Group: GroupIllTreatment, MaxBytes: 500},
	{ID: "it-persons", Label: "Persons", Kind: Text, Group: GroupIllTreatment, MaxBytes: 500},
	{ID: "it-methods", Label: "Methods and objects", Kind: Text, Group: GroupIllTreatment, MaxBytes: 700},
	{ID: "it-injuries", Label: "Injuries", Kind: Text, Group: GroupIllTreatment, MaxBytes: 500},
	{ID: "it-care", Label: "Medical care", Kind: Text, Group: GroupIllTreatment, MaxBytes: 400},
	{ID: "it-witnesses", Label: "Witnesses", Kind: Text, Group: GroupIllTreatment, MaxBytes: 400},
	{ID: "it-threats", Label: "Threats since", Kind: Text, Group: GroupIllTreatment, MaxBytes: 400},
	{ID: QSince, Label: "Since the report", Kind: Choices, Group: GroupSince, Options: []Option{
		{SinceRetaliation, "Retaliation against the source or others since the report"},
		{SinceDanger, "New danger to somebody since the report"},
	}},
	{ID: QWish, Label: "Wish", Kind: Choice, Group: GroupSince, Options: []Option{
		{WishWithdraw, "The source withdraws the report"},
	}},
}

// Questions in their order, which is also the order of answers.
func Questions() []Question { return slices.Clone(questions) }

// QuestionOf finds a question by id.
func QuestionOf(id string) (Question, bool) {
	for _, q := range questions {
		if q.ID == id {
			return q, true
		}
	}
	return Question{}, false
}

// Groups of a report's form, in the order of the questions.
func Groups() []Group {
	return []Group{GroupUrgency, GroupTopics, GroupFacts, GroupSafety, GroupIllTreatment}
}

// LaterGroups are the groups of a later message's form, in the order of the questions.
func LaterGroups() []Group { return []Group{GroupUrgency, GroupSince} }

var stages = []Option{
	{"received", "Received"},
	{"acknowledged", "Acknowledged"},
	{"assessed", "Assessed"},
	{"inquiry", "Under inquiry"},
	{"concluded", "Concluded"},
	{"closed", "Closed"},
	{"referred", "Referred"},
	{"out-of-scope", "Out of scope"},
	{"withdrawn", "Withdrawn"},
	{"reopened", "Reopened"},
}

// Stages of a case (ISO 37002:2021), the usual way first.
func Stages() []Option { return slices.Clone(stages) }

// What reviewers code a case with, for statistics: coarse on purpose, since what is finer points
// to people.
var (
	institutions = []Option{
		{"armed-forces", "Armed forces"},
		{"police", "Police"},
		{"intelligence", "Intelligence"},
		{"border-guard", "Border guard"},
		{"prisons", "Prisons"},
		{"private-security", "Private security"},
		{"ministry", "Ministry above them"},
		{"other", "Another, or several"},
	}
	units = []Option{
		{"field", "Field, patrol or station"},
		{"special", "Special unit"},
		{"training", "School or training"},
		{"detention", "Place of detention"},
		{"border", "Border or checkpoint"},
		{"mission", "Mission abroad"},
		{"supply", "Supply, procurement or finance"},
		{"medical", "Medical service"},
		{"personnel", "Personnel, vetting or discipline"},
		{"headquarters", "Headquarters or staff"},
		{"other", "Another, or several"},
	}
	ranks = []Option{
		{"enlisted", "Enlisted or constable"},
		{"nco", "Non-commissioned officer or sergeant"},
		{"officer", "Officer"},
		{"senior", "Senior officer or general"},
		{"civilian", "Civilian staff"},
		{"political", "Minister or political office"},
		{"several", "Several of these"},
	}
)

// Institutions that a report can be about.
func Institutions() []Option { return slices.Clone(institutions) }

// Units are classes of units that a report can be about.
func Units() []Option { return slices.Clone(units) }

// Ranks are groups of ranks of those whom a report is about, never of its source.
func Ranks() []Option { return slices.Clone(ranks) }
