package pages

import (
	"fmt"

	"postern/reviewer"
)

// Names of settings.
const (
	settingLanguage = "language"
	settingFolder   = "folder" // that was named last
)

// memory is what was read of it, or changed since.
type memory struct {
	seen     map[string]bool // messages, by id
	settings map[string]string
}

// remember reads what earlier windows left.
func (p *Pages) remember() error {
	p.memory = memory{seen: make(map[string]bool)}
	var err error
	if p.memory.settings, err = reviewer.Records[string](p.desk, reviewer.KindSetting, nil); err != nil {
		return err
	}
	for i := range p.all() {
		seen, err := reviewer.Records[bool](p.desk, reviewer.KindSeen, &p.cases[i])
		if err != nil {
			return err
		}
		for id := range seen {
			p.memory.seen[id] = true
		}
	}
	return nil
}

// draft is the answer of a case that is being written; the zero value when there is none.
func (p *Pages) draft(c *reviewer.Case) draft {
	list, err := reviewer.Records[draft](p.desk, reviewer.KindDraft, c)
	if err != nil {
		p.refuse(err)
	}
	return list[""]
}

func (p *Pages) keepDraft(c *reviewer.Case, d draft) error {
	if p.draft(c).equal(d) {
		return nil
	}
	var change reviewer.Change
	change.Put(reviewer.KindDraft, c, "", d)
	return p.desk.Commit(&change)
}

func (p *Pages) forgetDraft(c *reviewer.Case) error {
	if p.draft(c).none() {
		return nil
	}
	var change reviewer.Change
	change.Delete(reviewer.KindDraft, c, "")
	return p.desk.Commit(&change)
}

// seen are messages of a case, by id.
type seen struct {
	c   *reviewer.Case
	ids []string
}

// see notes that messages were on a page.
func (p *Pages) see(list ...seen) error {
	var change reviewer.Change
	var news []string
	for _, s := range list {
		for _, id := range s.ids {
			if !p.memory.seen[id] {
				change.Put(reviewer.KindSeen, s.c, id, true)
				news = append(news, id)
			}
		}
	}
	if len(news) == 0 {
		return nil
	}
	if err := p.desk.Commit(&change); err != nil {
		return fmt.Errorf("noting what was read: %w", err)
	}
	for _, id := range news {
		p.memory.seen[id] = true
	}
	return nil
}

// set keeps a setting.
func (p *Pages) set(name, value string) error {
	if p.memory.settings[name] == value {
		return nil
	}
	var change reviewer.Change
	change.Put(reviewer.KindSetting, nil, name, value)
	if err := p.desk.Commit(&change); err != nil {
		return fmt.Errorf("keeping a setting: %w", err)
	}
	p.memory.settings[name] = value
	return nil
}
