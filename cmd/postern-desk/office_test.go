package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/keeper"
	"postern/reviewer/pages"
	"postern/reviewer/reviewertest"
	"postern/reviewer/window"
	"postern/reviewer/window/windowtest"
)

// office is the desk of an ombuds institution with some weeks of cases behind it, on the desktop of
// its holder, and the world around it: sources, a server, other bodies. People and places are invented.
type office struct {
	*windowtest.Session
	server *reviewertest.Server
	vault  string
	stick  string // a folder that the desktop shows as a stick

	urgent *reviewertest.Source // whose first report is on the stick
	now    time.Time            // of what happens in the test itself; the desk has the machine's clock
	desks  map[string]*reviewer.Desk
}

// What the urgent report says, and the answer that it gets. The answer holds a vowel sign, letters of
// two keys, digits and a Latin name: what a keyboard, a clipboard or a form could lose.
const (
	urgentReport = `أكتب إليكم من مركز الاحتجاز التابع للواء الحدود الشمالية. منذ يوم الاثنين يُضرب ثلاثة محتجزين كل ليلة في الغرفة رقم ٤ بعد تبديل الحراسة.

أحدهم لا يستطيع المشي، ولم يره أي طبيب. قال الضابط المناوب إنّ التقرير night-shift.pdf سيُحذف قبل زيارة يوم الخميس.

أخشى أن يعرفوا من كتب هذا، فنحن أربعة فقط في تلك المناوبة.`
	urgentAnswer = "قرأنا رسالتك، ونعمل عليها منذ اليوم. لا تجمع أدلّة أخرى، وابقَ في مكان آمن.\nهل رأيت التقرير night-shift.pdf بنفسك؟"
	nightShift   = "night shift, room 4, copy 5f1c09\n"
)

// must gives what a call returned, and stops the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newOffice fills a desktop; more are further cases, of a line each.
func newOffice(s *windowtest.Session, more int) *office {
	s.Helper()
	o := &office{Session: s, desks: map[string]*reviewer.Desk{}, vault: filepath.Join(s.Dir, "home", ".postern-desk"), stick: s.Stick("POSTERN")}
	o.ago(40)
	o.server = reviewertest.NewServer(o.today())
	for _, h := range []struct{ body, holder, kind, dir, name, name2 string }{
		{"ombuds", "anna", "ombuds", o.vault, "Ombuds Institution for the Armed Forces", "مؤسسة أمين المظالم للقوات المسلحة"},
		{"rights", "cleo", "human-rights", "", "Human Rights Commission", "لجنة حقوق الإنسان"},
		{"audit", "eve", "audit", "", "Court of Audit", "ديوان المحاسبة"},
	} {
		if h.dir == "" {
			h.dir = filepath.Join(s.TempDir(), "vault")
		}
		d := must(reviewer.Create(h.dir, h.body, h.holder, []byte(windowPass), o.options(h.holder)))(s)
		s.Cleanup(d.Close)
		o.desks[h.holder] = d
		card, _, err := d.Card()
		o.check(err)
		o.check(o.server.Enrol(card, h.kind))
		b, _ := o.server.Directory.Body(h.body)
		b.Names = map[string]string{"en": h.name, "ar": h.name2}
	}
	path := filepath.Join(s.TempDir(), "root.age")
	must(keeper.NewRoot(path, "harbour", []byte(windowPass), 2))(s)
	root := must(keeper.OpenRoot(path, []byte(windowPass), 2))(s)
	signed := must(root.Sign(must(o.server.Proposal())(s), nil, o.today()))(s)
	for _, d := range o.desks {
		o.check(d.AcceptDirectory(signed, []string{root.Key()}, o.today()))
	}
	o.past()
	var lines [][]byte
	for i := range more {
		lines = append(lines, o.says(o.server.NewSource(), fmt.Sprintf("Item %d of the list is missing from the store.", i), []string{"funds"}, nil, "ombuds"))
	}
	if more > 0 {
		o.imports("anna", lines...)
	}
	o.ago(3)
	o.enrolled()
	o.ago(0)
	o.plugIn()
	for _, d := range o.desks { // the desk itself is opened by the program
		d.Close()
	}
	s.OwnAll(o.vault)
	s.OwnAll(o.stick)
	return o
}

// enrolled is what the holder did besides.
func (o *office) enrolled() {
	o.Helper()
	dir, d := o.TempDir(), o.desks["anna"]
	must(d.WriteCard(filepath.Join(dir, "anna.card")))(o.Session)
	o.check(d.WriteAccess("2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion", filepath.Join(dir, "exchange.auth_private")))
	o.check(d.BackupFile(filepath.Join(dir, "anna.backup.age"), []byte(windowPass)))
}

func (o *office) check(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

// ago sets the day on which things happen.
func (o *office) ago(days int) { o.now = time.Now().AddDate(0, 0, -days) }

func (o *office) today() crypto.Day { return crypto.DayOf(o.now) }

// options of a desk: anna's passphrase is as slow as people's are.
func (o *office) options(holder string) reviewer.Options {
	r := reviewer.Options{ScryptLogN: 2, Now: func() time.Time { return o.now }}
	if holder == "anna" {
		r.ScryptLogN = 0
	}
	return r
}

func (o *office) imports(holder string, entries ...[]byte) {
	o.Helper()
	volume := must(o.server.Release(o.today(), 8, entries...))(o)
	must(o.desks[holder].Import(bytes.NewReader(volume), reviewer.ImportOptions{}))(o)
}

// deliver takes what a desk exports to the server and gives the copies of sources and readers.
func (o *office) deliver(holder string) (sources []reviewertest.Entry, readers [][]byte) {
	o.Helper()
	for _, b := range must(o.desks[holder].Export(o.TempDir()))(o) {
		list := o.bundle(b.Path)
		for _, e := range list {
			sources, readers = append(sources, e), append(readers, e.Readers)
		}
	}
	return sources, readers
}

// bundle is what the server finds in a bundle.
func (o *office) bundle(path string) []reviewertest.Entry {
	o.Helper()
	_, list, err := o.server.Deliver(must(os.ReadFile(path))(o))
	o.check(err)
	return list
}

// of is anna's case of a source.
func (o *office) of(s *reviewertest.Source) *reviewer.Case {
	o.Helper()
	return must(o.desks["anna"].Case(reviewer.FullID(s.Case)))(o)
}

// does is something that anna does to a case, in pairs like "to=inquiry".
func (o *office) does(s *reviewertest.Source, kind string, pairs ...string) {
	o.Helper()
	c, values := o.of(s), map[string]string{}
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		values[k] = v
	}
	if kind == casework.KindStage {
		values["from"] = c.Work.Stage
	}
	must(o.desks["anna"].Act(c, casework.Body, must(casework.NewAct(kind, values))(o)))(o)
}

func (o *office) replies(s *reviewertest.Source, d reviewer.Draft) {
	o.Helper()
	must(o.desks["anna"].Reply(must(o.desks["anna"].PlanReply(o.of(s), o.today()))(o), d))(o)
}

// says is a message of a source.
func (o *office) says(s *reviewertest.Source, text string, topics []string, more form.Answers, bodies ...string) []byte {
	o.Helper()
	a := more
	if topics != nil {
		a = append(form.Answers{{ID: form.QTopics, Values: topics}}, more...)
	}
	questions := form.Questions()
	place := func(a form.Answer) int {
		return slices.IndexFunc(questions, func(q form.Question) bool { return q.ID == a.ID })
	}
	slices.SortStableFunc(a, func(x, y form.Answer) int { return place(x) - place(y) })
	return must(s.Say(reviewertest.NewForm(), o.today(), text, a, bodies...))(o)
}

func at(where string) form.Answer { return form.Answer{ID: "place", Values: []string{where}} }

// past is what came and was done before today.
func (o *office) past() {
	boots, recruits, spill, course, fuel, vetting := o.server.NewSource(), o.server.NewSource(), o.server.NewSource(), o.server.NewSource(), o.server.NewSource(), o.server.NewSource()
	o.ago(33)
	o.imports("anna",
		o.says(boots, "The same 4,000 pairs of boots were paid for twice. I have seen both invoices. The second one names a company that has no office at its address, and it was signed off on a public holiday.\n\nThe officer who asked about it was moved to another depot.",
			[]string{"corruption", "funds"}, form.Answers{at("Logistics Command, harbour depot"), {ID: "known", Values: []string{"saw", "documents"}}, {ID: form.QReporter, Values: []string{"serving"}}}, "ombuds", "rights"),
		o.says(recruits, "Depuis la rentrée, des recrues de la troisième compagnie sont réveillées la nuit et frappées par des anciens. Tout le monde le sait, et personne n’écrit rien.",
			[]string{form.QIllTreatment}, form.Answers{at("Centre d’instruction, troisième compagnie")}, "ombuds"),
	)
	o.does(boots, casework.KindTitle, "text=Boots paid for twice")
	o.does(boots, casework.KindStage, "to=acknowledged")
	o.does(boots, casework.KindStage, "to=assessed")
	o.does(boots, casework.KindStage, "to=inquiry")
	o.does(boots, casework.KindAssign, "holder=anna")
	o.does(boots, casework.KindLabel, "name=procurement", "on=yes")
	o.does(recruits, casework.KindStage, "to=acknowledged")
	o.does(recruits, casework.KindTitle, "text=Recruits beaten at night")
	o.replies(recruits, reviewer.Draft{Text: "Merci. Nous avons lu votre message. Êtes-vous en sécurité ?"})
	for _, s := range []*reviewertest.Source{boots, recruits} {
		o.does(s, casework.KindRisk, "level=medium", "reasons=Few people knew.", "again="+(o.today()+60).String())
	}
	o.replies(boots, reviewer.Draft{
		Text:   "Thank you. We have opened an inquiry and ask for the payment orders of that month. Please do not look for further papers.",
		Notice: &form.Notice{Stage: "inquiry", Until: uint32(o.today()) + 35, Ask: "audit"},
	})
	sources, readers := o.deliver("anna")
	for _, e := range sources {
		_, _, err := boots.Receive(e)
		o.check(err)
	}
	o.ago(19)
	o.imports("anna", append(readers,
		must(boots.Agree(reviewertest.NewForm(), o.today(), "audit", true, "ombuds", "rights"))(o),
		o.says(spill, "Командир приказал удалить отчёт № 17 об утечке топлива в реку. Копия осталась только у инспектора.",
			[]string{"public-danger", "concealment"}, form.Answers{at("Склад № 3")}, "ombuds", "rights"),
		o.says(course, "Since March no woman has been admitted to the sergeants’ course, although four passed every test. The list of results was taken down and written anew.",
			[]string{"discrimination", "personnel"}, nil, "ombuds"),
	)...)
	o.does(spill, casework.KindStage, "to=acknowledged")
	o.does(spill, casework.KindTitle, "text=Report 17 on the fuel spill")
	o.does(course, casework.KindStage, "to=acknowledged")
	o.does(course, casework.KindStage, "to=assessed")
	o.does(course, casework.KindTitle, "text=Women kept out of the sergeants’ course")
	o.replies(spill, reviewer.Draft{Text: "Спасибо. Мы прочитали ваше сообщение и запросили журнал склада."})
	o.replies(course, reviewer.Draft{Text: "Thank you. We have asked for the list of results as it was first written."})
	o.does(course, casework.KindRisk, "level=low", "reasons=Many know of the list.", "again="+(o.today()+40).String())
	_, readers = o.deliver("anna")
	o.reads()
	o.ago(2)
	o.imports("anna", append(readers,
		o.says(spill, "Меня сегодня вызвали и спросили, кто говорил с вами.", nil, form.Answers{{ID: form.QSince, Values: []string{form.SinceRetaliation}}}, "ombuds", "rights"),
		o.says(fuel, "Every Friday about 300 litres of diesel leave the depot on a private lorry. The gate book for those hours is kept in another office.",
			[]string{"funds"}, form.Answers{at("Transport battalion, gate 2"), {ID: form.QUrgency, Values: []string{"evidence"}}}, "ombuds"),
		o.says(vetting, "I was refused clearance for a newspaper article that my brother wrote.", []string{"personnel"}, nil, "ombuds"),
	)...)
	o.does(spill, casework.KindRisk, "level=high", "reasons=Questioned at work; the inspector is told today.", "again="+(o.today()+16).String())
}

// reads is anna looking at all that is there, in her window.
func (o *office) reads() {
	o.Helper()
	p := pages.New(pages.Options{Desk: o.desks["anna"]})
	for _, c := range o.desks["anna"].Cases() {
		if a := p.Answer(window.Request{Method: window.Get, Path: "/case/" + reviewer.FullID(c.ID)}); a.Status != 200 {
			o.Fatalf("a case's page has status %d", a.Status)
		}
	}
}

// plugIn puts today's volume on the stick: an urgent report with two files, and what else came.
func (o *office) plugIn() {
	o.urgent = o.server.NewSource()
	f := reviewertest.NewForm()
	entries := [][]byte{
		must(o.urgent.Say(f, o.today(), urgentReport, form.Answers{
			{ID: form.QUrgency, Values: []string{"danger", "evidence"}}, {ID: form.QTopics, Values: []string{form.QIllTreatment, "force"}},
			at("مركز الاحتجاز، لواء الحدود الشمالية"), {ID: "known", Values: []string{"saw"}}, {ID: "fear", Values: []string{"yes"}},
		}, "ombuds", "rights"))(o),
		must(o.urgent.Attach(f, o.today(), "night-shift.pdf", []byte(nightShift), "ombuds", "rights"))(o),
		must(o.urgent.Attach(f, o.today(), "صورة الغرفة ٤.jpg", bytes.Repeat([]byte("photograph "), 20_000), "ombuds", "rights"))(o),
		o.says(o.server.NewSource(), "The cook of the second battalion sells rations at the market.", []string{"funds"}, nil, "ombuds"),
	}
	for i, v := range must(o.server.ReleaseVolumes(o.today(), entries[:2], entries[2:]))(o) {
		o.check(os.WriteFile(filepath.Join(o.stick, "postern-"+string(rune('1'+i))+".batch"), v, 0o600))
	}
}
