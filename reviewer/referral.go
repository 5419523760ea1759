package reviewer

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/vault"
	"postern/store/durable"
)

// A case is referred to another body only if its source said yes to that body, signed, and as
// the last word (SECURITY.md S-36). What goes is built anew: chosen messages and files,
// without what is masked, and the source's yes, by which the other desk sees that it may have them.

// Selection is what of a case a referral shows.
type Selection struct {
	Messages []int          // numbers in the case
	Masks    *dossier.Masks // files go along only when they are named there; nil: no masks, no files
}

// Referral is what a referral would show, and to whom: show it before it is written.
type Referral struct {
	Case    *Case
	To      crypto.Reader
	Consent Consent // the source's yes
	Parts   []Part  // as the other body will read them

	file  crypto.DeskFile
	items []func() (io.ReadCloser, error)
	to    []*crypto.Recipient
}

// Errors of [Desk.PlanReferral], for errors.Is.
var (
	ErrNoConsent   = errors.New("the source has not agreed that this case is shown to that body: ask it in an answer, and wait for its yes")
	ErrConsentNo   = errors.New("the source says NO: this case may not be shown to that body")
	ErrConsentOld  = errors.New("the source agreed to what that body was before; it is another by now (its kind changed, or all of its people): ask again")
	ErrReadsIt     = errors.New("that body reads this case already: the source chose it")
	ErrNoBody      = errors.New("the directory in force lists no such body that anybody reads for")
	ErrNotSelected = errors.New("nothing that can be referred was chosen")
)

// PlanReferral says what referring a case to a body would show it. It refuses without the source's
// signed yes to that body as it is now: the newest answer counts, and none that was
// given with a code which the source had given up (SECURITY.md S-21).
func (desk *Desk) PlanReferral(c *Case, to string, s Selection, today crypto.Day) (*Referral, error) {
	r, err := desk.planReferral(c, to, s, today)
	if err != nil {
		return nil, fmt.Errorf("referring: %w", err)
	}
	return r, nil
}

func (desk *Desk) planReferral(c *Case, to string, s Selection, today crypto.Day) (*Referral, error) {
	body, err := desk.canReferTo(c, to, today)
	if err != nil {
		return nil, err
	}
	r := &Referral{Case: c, To: body.Reader(), to: body.Recipients(crypto.MonthOf(today.Time()))}
	signed, source, err := desk.consentTo(c, r.To)
	if err != nil {
		return nil, err
	}
	r.Consent = Consent{signed.Body, signed.Since, signed.Yes, signed.Day}
	r.file = desk.deskFile(crypto.DeskReferral, today, r.To)
	r.add(itemConsent, append(bytes.Clone(source), signed.Encode()...), nil)
	if s.Masks == nil {
		s.Masks = dossier.NewMasks()
	}
	if err := desk.selectParts(r, s); err != nil {
		return nil, err
	}
	return r, nil
}

// canReferTo finds a body that could get a referral of a case, were the source to agree.
func (desk *Desk) canReferTo(c *Case, to string, today crypto.Day) (*crypto.Body, error) {
	if _, err := desk.ownBody(); err != nil {
		return nil, err
	}
	body, ok := desk.dirs.Body(to)
	switch {
	case !ok || to == desk.keys.Body || !body.Active():
		return nil, fmt.Errorf("%w: %s", ErrNoBody, plain.SafeLine(to))
	case slices.Contains(c.Readers, body.Reader()):
		return nil, ErrReadsIt
	case len(body.Recipients(crypto.MonthOf(today.Time()))) == 0:
		return nil, ErrNoKeyMonth
	}
	return body, nil
}

// CanReferTo are the bodies that a case can be referred to: its source said yes to them, as they are
// now and as its last word.
func (desk *Desk) CanReferTo(c *Case, today crypto.Day) (list []crypto.Reader) {
	for _, x := range c.Now.Consents {
		body, err := desk.canReferTo(c, x.Body, today)
		if err != nil || body.Reader() != x.about() {
			continue
		}
		if _, _, err := desk.consentTo(c, x.about()); err == nil {
			list = append(list, x.about())
		}
	}
	return list
}

// consentTo finds the source's yes to a body, as it signed it, and its key.
func (desk *Desk) consentTo(c *Case, body crypto.Reader) (*crypto.Consent, ed25519.PublicKey, error) {
	why := ErrNoConsent
	var last *Consent
	for i := range c.Now.Consents {
		switch x := &c.Now.Consents[i]; {
		case x.about() == body:
			last = x
		case x.Body == body.ID && x.Yes:
			why = ErrConsentOld
		}
	}
	if last == nil {
		return nil, nil, why
	}
	if !last.Yes {
		return nil, nil, ErrConsentNo
	}
	for i := range c.Messages {
		m := &c.Messages[i]
		if !slices.Contains(heard(m, c.entries[m.at]), *last) {
			continue
		}
		r, err := desk.openContainer(c.entries[m.at])
		if err != nil {
			return nil, nil, err
		}
		read, err := crypto.ReadMessage(r, nil)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, nil, err
		}
		for _, x := range read.Consents {
			if x.Body == body.ID && x.Since == body.Since && x.Yes && x.Verify(read.Source) {
				return &x, read.Source, nil
			}
		}
	}
	return nil, nil, ErrNoConsent
}

// selectParts makes what the other body will read, without what is masked.
func (desk *Desk) selectParts(r *Referral, s Selection) error {
	chosen, err := desk.chosen(r.Case, s.Messages)
	if err != nil {
		return err
	}
	masked, err := s.Masks.Masked(chosen)
	if err != nil {
		return err
	}
	files := 0
	for i := range masked.Messages {
		m, was := &masked.Messages[i], &chosen.Messages[i]
		x := Part{No: i + 1, Day: m.Day, Words: m.Words}
		x.Kind, x.From = kindNamed(m.Kind), was.From
		x.Masked = m.Masked || m.Words != was.Words || slices.ContainsFunc(m.Files, func(f dossier.File) bool { return f.Left })
		for j, a := range m.Answers {
			x.Told = append(x.Told, form.Answer{ID: a.Question, Values: a.Values})
			x.Masked = x.Masked || !slices.Equal(a.Values, was.Answers[j].Values)
		}
		x.Masked = x.Masked || len(m.Answers) != len(was.Answers)
		b, err := x.encode()
		if err == nil {
			err = s.Masks.Clean(fmt.Sprintf("message %d", m.No), b)
		}
		if err != nil {
			return err
		}
		r.add(itemPart, b, nil)
		for _, f := range m.Files {
			if f.Left {
				continue
			}
			files++
			one := File{No: files, File: crypto.File{Name: f.Name, MediaType: f.MediaType, Size: f.Size, SHA256: f.SHA256}}
			x.Files = append(x.Files, one)
			about, err := encodeFileAbout(x.No, &one.File)
			if err == nil {
				err = s.Masks.Clean(fmt.Sprintf("the name of file %d", f.No), about)
			}
			if err != nil {
				return err
			}
			r.file.Items = append(r.file.Items, crypto.DeskItem{Type: itemFile, Size: f.Size, Hash: f.SHA256, About: about})
			r.items = append(r.items, func() (io.ReadCloser, error) { return piped(f.Open), nil })
		}
		r.Parts = append(r.Parts, x)
	}
	return s.Masks.Clean("the names of the bodies", []byte(r.file.From.ID+" "+r.file.To.ID))
}

// add appends an item that is held in memory.
func (r *Referral) add(typ byte, b, about []byte) {
	r.file.Items = append(r.file.Items, crypto.DeskItem{Type: typ, Size: int64(len(b)), Hash: sha256.Sum256(b), About: about})
	r.items = append(r.items, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
}

func (r *Referral) open(i int) (io.ReadCloser, error) { return r.items[i]() }

// chosen are the messages that were chosen, with their words, as package dossier masks them.
func (desk *Desk) chosen(c *Case, numbers []int) (*dossier.Case, error) {
	out := &dossier.Case{ID: c.ID}
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	for _, no := range slices.Compact(numbers) {
		i := slices.IndexFunc(c.Messages, func(m Message) bool { return m.No == no })
		if i < 0 {
			return nil, fmt.Errorf("%w: the case has no message %d", ErrNotSelected, no)
		}
		m := &c.Messages[i]
		if err := m.CanRefer(); err != nil {
			return nil, err
		}
		l, err := desk.Read(c, m)
		if err != nil {
			return nil, err
		}
		x := dossier.Message{No: no, Day: m.Day, Kind: KindName(m.Kind), From: m.Body, Words: l.Words}
		if m.Source {
			x.From = ""
		}
		for _, a := range l.Told {
			x.Answers = append(x.Answers, dossier.Answer{Question: a.ID, Values: a.Values})
		}
		for j, f := range l.Files {
			x.Files = append(x.Files, dossier.File{No: f.No, Name: f.Name, MediaType: f.MediaType, Size: f.Size, SHA256: f.SHA256,
				Open: func(w io.Writer) error { return desk.copyFile(c.entries[m.at], j, w) }})
		}
		out.Messages = append(out.Messages, x)
	}
	if len(out.Messages) == 0 {
		return nil, ErrNotSelected
	}
	return out, nil
}

// CanRefer says why a message cannot be part of a referral; nil when it can.
func (m *Message) CanRefer() error {
	switch {
	case !m.Source && (m.Kind != crypto.KindReply || m.State == stateWaiting || m.Body == ""), m.Kind == crypto.KindChange:
		return fmt.Errorf("%w: message %d is none of the source, and no answer that was sent", ErrNotSelected, m.No)
	case m.Late == LateAfter:
		return fmt.Errorf("%w: message %d was written with a code that the source had given up, perhaps by somebody else", ErrNotSelected, m.No)
	}
	return nil
}

// kindNamed is KindName the other way round, for what can be referred.
func kindNamed(name string) crypto.Kind {
	for _, k := range []crypto.Kind{crypto.KindReport, crypto.KindFollowUp, crypto.KindFile} {
		if KindName(k) == name {
			return k
		}
	}
	return crypto.KindReply
}

// copyFile writes file j of a message.
func (desk *Desk) copyFile(e *entry, j int, w io.Writer) error {
	r, err := desk.openContainer(e)
	if err != nil {
		return err
	}
	at := 0
	_, err = crypto.ReadMessage(r, func(_ crypto.File, fr io.Reader) error {
		at++
		if at-1 != j {
			return nil
		}
		_, err := io.Copy(w, fr)
		return err
	})
	return errors.Join(err, r.Close())
}

// piped reads what write writes.
func piped(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() { w.CloseWithError(write(w)) }()
	return r
}

// stageReferred is the stage that tells a source that its case went to another body.
const stageReferred = "referred"

// TellReferred seals the answer that tells the source that its case was referred, with words of the
// holder's if there are any. It returns the message's number in the case.
func (desk *Desk) TellReferred(p *Plan, words string) (int, error) {
	no, err := desk.Reply(p, Draft{Text: words, Notice: &form.Notice{Stage: stageReferred}})
	if err != nil {
		return 0, fmt.Errorf("the file is written, but the source is not told yet: %w", err)
	}
	return no, nil
}

// ReferredTo is what a desk keeps of a referral that it wrote.
type ReferredTo struct {
	To       crypto.Reader `json:"to"`
	Day      crypto.Day    `json:"day"`
	Messages int           `json:"messages"`
	Files    int           `json:"files"`
	Masked   bool          `json:"masked,omitempty"`

	// The receipt, once it was taken in: who received it, and on which day by their clock.
	Received crypto.Day `json:"received,omitempty"`
	By       string     `json:"by,omitempty"` // id of the holder
}

// Refer writes a referral as planned to a new file, down to the disk, sealed to the body's holders, and
// notes it in the case. On error nothing of it stays.
func (desk *Desk) Refer(r *Referral, path string) error {
	err := durable.Create(path, func(w io.Writer) error {
		return desk.writeDeskFile(w, &r.file, [][]*crypto.Recipient{r.to}, r.open)
	})
	if err != nil {
		return fmt.Errorf("referring: %w", err)
	}
	kept := ReferredTo{To: r.To, Day: r.file.Day, Messages: len(r.Parts)}
	for i := range r.Parts {
		kept.Files += len(r.Parts[i].Files)
		kept.Masked = kept.Masked || r.Parts[i].Masked
	}
	hash := r.file.Hash()
	var c Change
	c.Put(kindReferredTo, r.Case, string(hash[:]), kept)
	if err := desk.Commit(&c); err != nil {
		return fmt.Errorf("referring: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// ReferredTo are the referrals of a case that this desk wrote, the oldest first.
func (desk *Desk) ReferredTo(c *Case) []ReferredTo {
	list, err := Records[ReferredTo](desk, kindReferredTo, c)
	if err != nil {
		return nil
	}
	var out []ReferredTo
	for _, x := range list {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b ReferredTo) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.To.ID, b.To.ID), cmp.Compare(a.Received, b.Received))
	})
	return out
}

// ReferredLine says in words to whom a case was referred.
func (desk *Desk) ReferredLine(r ReferredTo) string {
	s := fmt.Sprintf("Referred to %s on %s: %d of its messages, %d files", desk.ReaderName(r.To), r.Day, r.Messages, r.Files)
	if r.Masked {
		s += ", with parts masked or left out"
	}
	if r.Received == 0 {
		return s + ". No receipt yet."
	}
	return s + fmt.Sprintf(". Received by %s (holder %s) on %s.", desk.ReaderName(r.To), plain.SafeLine(r.By), r.Received)
}

// referral is what a desk keeps of a referral that it took in. Its blobs are the signed head and every
// item, in order.
type referral struct {
	Hash      []byte        `json:"hash"` // of the head
	From      crypto.Reader `json:"from"`
	Signer    []byte        `json:"signer"`
	Directory uint64        `json:"directory"` // version under which the signer was judged
	Day       crypto.Day    `json:"day"`       // by the writer's clock
	Taken     crypto.Day    `json:"taken"`
	Source    []byte        `json:"source"`  // V_src
	Consent   crypto.Day    `json:"consent"` // day of the source's yes
	Messages  int           `json:"messages"`
	Files     int           `json:"files"`
	Masked    bool          `json:"masked,omitempty"`
	Blobs     []vault.Blob  `json:"-"`
}

// Referred is a case that another body referred to this one. It is none of a source here: no
// answer can be sealed to it, unless the source chooses this body itself.
type Referred struct {
	Case     crypto.CaseID // of the code with which the source agreed
	Short    string        // the beginning of the case's id
	Body     string        // that referred it
	Holder   string
	Standing crypto.SignerStanding // of the holder's key today
	Day      crypto.Day            // on which it was written, by that desk's clock
	Taken    crypto.Day            // on which it was taken in
	Agreed   crypto.Day            // on which the source agreed
	Messages int
	Files    int
	Masked   bool
	Joined   string // short id of the source's own case here, since it chose this body itself; "": it did not

	kept *referral
}

// ID names the referral on this desk, whatever else is referred of the case.
func (r *Referred) ID() string { return hex.EncodeToString(r.kept.Hash[:8]) }

// Referral finds the one that [Referred.ID] names.
func (desk *Desk) Referral(id string) (*Referred, error) {
	for _, r := range desk.Referrals() {
		if r.ID() == id {
			return &r, nil
		}
	}
	return nil, fmt.Errorf("%w: nothing of that name was referred to you", ErrNoCase)
}

// Referrals are all cases that were referred to this body, the newest first.
func (desk *Desk) Referrals() (out []Referred) {
	for _, k := range desk.state.referrals.all() {
		out = append(out, desk.referred(k))
	}
	slices.SortFunc(out, func(a, b Referred) int {
		return cmp.Or(cmp.Compare(b.Taken, a.Taken), cmp.Compare(b.Day, a.Day), bytes.Compare(a.kept.Hash, b.kept.Hash))
	})
	return out
}

func (desk *Desk) referred(k *referral) Referred {
	id := crypto.CaseOf(k.Source)
	r := Referred{
		Case: id, Short: FullID(id)[:4] + "-" + FullID(id)[4:8], Body: k.From.ID, Day: k.Day, Taken: k.Taken, Agreed: k.Consent,
		Messages: k.Messages, Files: k.Files, Masked: k.Masked, kept: k,
	}
	if desk.dirs != nil {
		var h *crypto.Holder
		if _, h, r.Standing = desk.dirs.Signer(k.Signer, k.Directory); h != nil {
			r.Holder = h.ID
		}
	}
	if first := desk.index.fam.first(string(id[:])); len(desk.index.cases[first]) > 0 {
		r.Joined = desk.index.name(first)
	}
	return r
}

// ReferredFrom are the referrals that were taken in of a case whose source has chosen this body since.
func (desk *Desk) ReferredFrom(c *Case) (out []Referred) {
	for _, r := range desk.Referrals() {
		if r.Joined != "" && r.Joined == c.Short {
			out = append(out, r)
		}
	}
	return out
}

// FindReferrals are the referrals of the case whose id begins like this: four characters or more.
func (desk *Desk) FindReferrals(name string) (out []Referred) {
	want := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "-", ""))
	if len(want) < 4 {
		return nil
	}
	for _, r := range desk.Referrals() {
		if strings.HasPrefix(FullID(r.Case), want) {
			out = append(out, r)
		}
	}
	return out
}

// CasesNamed are the case that a name stands for, and what was referred to this body of it: there may be
// only one of both.
func (desk *Desk) CasesNamed(name string) (list []*Case, referred []Referred, err error) {
	c, err := desk.Case(name)
	switch {
	case err == nil:
		list = append(list, c)
	case !errors.Is(err, ErrReferred):
		return nil, nil, err
	}
	return list, desk.FindReferrals(name), nil
}

// ErrReferred says that a case is not one of a source here.
var ErrReferred = errors.New("this case was referred to you by another body. Its source did not choose yours, so no answer can be sealed to it; ask the body that referred it")
