package reviewer

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/reviewertest"
)

// What a person gives becomes the act that the kind's rules want: days counted, cases by their short
// ids, and what the desk knows filled in.
func TestCompose(t *testing.T) {
	w := newWorld(t)
	src, other := w.server.NewSource(), w.server.NewSource()
	w.imports("anna", w.release(6,
		must(src.Say(reviewertest.NewForm(), w.today(), "x", form.Answers{{ID: form.QUrgency, Values: []string{"danger"}}}, "ombuds"))(t),
		must(other.Say(reviewertest.NewForm(), w.today(), "y", nil, "ombuds"))(t)))
	anna := w.desks["anna"]
	c, o := must(anna.Case(FullID(src.Case)))(t), must(anna.Case(FullID(other.Case)))(t)
	must(anna.Act(c, casework.Body, act(t, casework.KindStage, "from=received", "to=acknowledged")))(t)
	c = must(anna.Case(FullID(src.Case)))(t)
	deal := must(c.Deal(casework.FlagDanger, "How."))(t)
	for _, x := range []struct {
		kind        string
		given, want []string
	}{
		{casework.KindStage, []string{"to=assessed"}, []string{"from=acknowledged", "to=assessed"}},
		{casework.KindDate, []string{"what=bar", "day= +10", "text=x"}, []string{"what=bar", "day=" + (w.today() + 10).String(), "text=x"}},
		{casework.KindRisk, []string{"level=low", "reasons=x", "again="}, []string{"level=low", "reasons=x"}},
		{casework.KindLink, []string{"case=" + o.Short, "by=unit"}, []string{"case=" + casework.CaseText(o.ID), "by=unit"}},
		{casework.KindDealt, []string{"flag=danger", "reasons=How."}, []string{"flag=danger", "messages=" + deal.Get("messages"), "reasons=How."}},
	} {
		given := make(map[string]string)
		for _, p := range x.given {
			name, v, _ := strings.Cut(p, "=")
			given[name] = v
		}
		got := must(anna.Compose(c, x.kind, given))(t)
		if want := act(t, x.kind, x.want...); got.Kind != want.Kind || !slices.Equal(got.Fields, want.Fields) {
			t.Errorf("%s: %v, not %v", x.kind, got, want)
		}
	}
	for _, x := range []struct {
		kind, field string
		given       map[string]string
	}{
		{casework.KindDate, "day", map[string]string{"what": "bar", "day": "soon", "text": "x"}},
		{casework.KindDate, "day", map[string]string{"what": "bar", "text": "x"}},
		{casework.KindLink, "case", map[string]string{"case": "zzzzzzzz", "by": "unit"}},
		{casework.KindNote, "text", map[string]string{"text": " "}},
		{casework.KindStage, "to", map[string]string{"to": "nowhere"}},
	} {
		_, err := anna.Compose(c, x.kind, x.given)
		var f *casework.FieldError
		if !errors.As(err, &f) || f.Field != x.field || !errors.Is(err, casework.ErrField) {
			t.Errorf("%s %v: %v", x.kind, x.given, err)
		}
	}
	if _, err := anna.Compose(c, casework.KindDealt, map[string]string{"flag": "retaliation"}); !errors.Is(err, casework.ErrAlready) {
		t.Errorf("a flag that is not up: %v", err)
	}
	if _, err := anna.Compose(c, "nonsense", nil); !errors.Is(err, casework.ErrField) {
		t.Errorf("no kind: %v", err)
	}
	if _, err := anna.Compose(c, casework.KindNote, map[string]string{"text": "x", "from": "y"}); !errors.Is(err, casework.ErrField) {
		t.Errorf("a field that the kind does not have: %v", err)
	}
}
