package reviewer

import (
	"cmp"
	"fmt"
	"slices"

	"postern/crypto"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
)

// custody is one record of what was done with a case's content: the day, who, and of which
// message and file, by what stays the same when messages arrive later.
type custody struct {
	Day     crypto.Day   `json:"day"`
	Holder  string       `json:"holder"`
	Act     dossier.Act  `json:"act"`
	Message casework.Ref `json:"message,omitempty"` // none: of the whole case
	File    int          `json:"file,omitempty"`    // of the message, from 1
}

// id names a record by all it says, so that the same on one day is one.
func (x *custody) id() string {
	return fmt.Sprintf("%d %s %s %s %d", x.Day, x.Holder, x.Act, x.Message, x.File)
}

// LogCustody records that content of a case was opened, or left the vault, before it does: what cannot be
// recorded is not done. The same on one day is recorded once. messages are numbers in the
// case; none is the whole case.
func (desk *Desk) LogCustody(c *Case, act dossier.Act, messages ...int) error {
	var refs []casework.Ref
	for i := range c.Messages {
		if m := &c.Messages[i]; slices.Contains(messages, m.No) {
			refs = append(refs, m.ref)
		}
	}
	if len(messages) == 0 {
		refs = []casework.Ref{""}
	}
	var change Change
	for _, r := range refs {
		desk.note(&change, c, custody{Act: act, Message: r})
	}
	return desk.noted(&change)
}

// noteFile records that one file leaves the vault.
func (desk *Desk) noteFile(c *Case, m *Message, file int) error {
	var change Change
	desk.note(&change, c, custody{Act: dossier.ActExtract, Message: m.ref, File: file})
	return desk.noted(&change)
}

func (desk *Desk) note(change *Change, c *Case, x custody) {
	x.Day, x.Holder = desk.Clock().Today(), desk.keys.Holder
	id := x.id()
	for _, code := range c.codes {
		if _, ok := desk.added[kindCustody][code][id]; ok {
			return
		}
	}
	change.Put(kindCustody, c, id, x)
}

func (desk *Desk) noted(change *Change) error {
	if len(change.do) == 0 && change.err == nil {
		return nil
	}
	if err := desk.Commit(change); err != nil {
		return fmt.Errorf("recording who has seen it: %w", err)
	}
	return nil
}

// Custody is who opened, copied and exported what of a case, the earliest first.
func (desk *Desk) Custody(c *Case) ([]dossier.Custody, error) {
	kept, err := Records[custody](desk, kindCustody, c)
	if err != nil {
		return nil, err
	}
	numbers := make(map[casework.Ref]*Message)
	for i := range c.Messages {
		numbers[c.Messages[i].ref] = &c.Messages[i]
	}
	var list []dossier.Custody
	for _, x := range kept {
		d := dossier.Custody{Day: x.Day, Who: desk.keys.Body + "/" + x.Holder, Act: x.Act}
		if m := numbers[x.Message]; m != nil {
			d.Number = m.No
			if x.File > 0 && x.File <= len(m.Files) {
				d.Number = m.Files[x.File-1].No
			}
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b dossier.Custody) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Who, b.Who), cmp.Compare(a.Act, b.Act), cmp.Compare(a.Number, b.Number))
	})
	return list, nil
}
