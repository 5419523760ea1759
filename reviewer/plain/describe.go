package plain

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"

	"postern/crypto"
)

// DescribeDirectory says in plain lines who would read under d and what
// differs from old, which may be nil: what a person must see before signing or accepting.
// Every signing key stands there as the six words that its holder's card showed.
// Lines that are a change begin with "+", "-" or "!"; the others with a space.
func DescribeDirectory(old, d *crypto.Directory) []string {
	p := &describer{old: old}
	was := old
	if was == nil {
		was = d
	}
	p.say(' ', "%s, version %d, issued %s, expires %s", d.Origin, d.Version, d.Issued, d.Expires)
	p.say(' ', "every message has %d places; %d body must act to open one", d.Policy.Slots, d.Policy.Quorum)
	p.change(d.Policy != was.Policy, "it was %d places and %d before", was.Policy.Slots, was.Policy.Quorum)
	p.say(' ', "root signatures needed: %d", d.Roots)
	p.change(d.Roots != was.Roots, "it was %d before", was.Roots)
	p.say(' ', "the server signs batches with: %s", signingWords(d.Server))
	p.change(!d.Server.Equal(was.Server), "ANOTHER KEY OF THE SERVER; before it was: %s", signingWords(was.Server))
	p.change(d.Transfer.String() != was.Transfer.String(), "the server's key for replies is another one")
	p.change(d.KDF != was.KDF, "the key derivation of codes is another one: codes given out before stop working")
	p.change(d.Salt != was.Salt, "the instance salt is another one: codes given out before stop working")
	p.change(d.Origin != was.Origin, "the directory was called %s before", was.Origin)
	for i := range d.Bodies {
		p.body(&d.Bodies[i])
	}
	for i := range was.Bodies {
		if _, ok := d.Body(was.Bodies[i].ID); !ok {
			p.say('-', "body %s is no longer listed: it reads nothing new, and nothing it signed can be verified", was.Bodies[i].ID)
		}
	}
	return p.out
}

func signingWords(key ed25519.PublicKey) string { return strings.Join(crypto.SigningWords(key), " ") }

// describer compares a directory with the one before, if there is one.
type describer struct {
	old *crypto.Directory
	out []string
}

func (p *describer) say(mark byte, format string, a ...any) {
	p.out = append(p.out, string(mark)+" "+SafeLine(fmt.Sprintf(format, a...)))
}

// change is a line about something that differs.
func (p *describer) change(differs bool, format string, a ...any) {
	if differs {
		p.say('!', format, a...)
	}
}

func stand(b *crypto.Body) string {
	if b.Independent {
		return "independent of the institution"
	}
	return "NOT independent of the institution"
}

func (p *describer) body(b *crypto.Body) {
	was, mark := b, byte(' ')
	if p.old != nil {
		if o, ok := p.old.Body(b.ID); ok {
			was = o
		} else {
			was, mark = nil, '+'
		}
	}
	p.say(mark, "body %s: %s, %s, %s", b.ID, AnyName(b.Names), b.Kind, stand(b))
	if was == nil {
		was = &crypto.Body{Kind: b.Kind, Independent: b.Independent, Names: b.Names, Mandates: b.Mandates, Since: b.Since}
	}
	p.change(was.Kind != b.Kind || was.Independent != b.Independent, "  it was %s, %s, before", was.Kind, stand(was))
	p.texts("name", was.Names, b.Names)
	p.texts("mandate", was.Mandates, b.Mandates)
	p.change(was.Since != b.Since, "  it is another body since version %d: sources who chose it have to choose it anew", b.Since)
	for i := range b.Holders {
		p.holder(was, &b.Holders[i])
	}
	for _, h := range was.Holders {
		if holderOf(b, h.Signing) == nil {
			p.say('-', "  the key of holder %s is no longer listed: %s", h.ID, signingWords(h.Signing))
		}
	}
}

// texts compares names or mandates by language.
func (p *describer) texts(what string, was, now map[string]string) {
	tags := slices.Sorted(maps.Keys(was))
	for t := range now {
		if _, ok := was[t]; !ok {
			tags = append(tags, t)
		}
	}
	for _, t := range tags {
		p.change(was[t] != now[t], "  its %s (%s) was %q and is now %q", what, t, was[t], now[t])
	}
}

// holderOf finds a key of a body.
func holderOf(b *crypto.Body, key ed25519.PublicKey) *crypto.Holder {
	for i := range b.Holders {
		if b.Holders[i].Signing.Equal(key) {
			return &b.Holders[i]
		}
	}
	return nil
}

func (p *describer) holder(body *crypto.Body, h *crypto.Holder) {
	months := "reads nothing new"
	if n := len(h.Epochs); n > 0 {
		months = fmt.Sprintf("reads %s to %s", h.Epochs[0].Month, h.Epochs[n-1].Month)
	}
	line := func(mark byte, note string) {
		p.say(mark, "  holder %s: %s, %s%s", h.ID, h.Status, months, note)
		p.say(mark, "    key: %s", signingWords(h.Signing))
	}
	was := holderOf(body, h.Signing)
	switch {
	case p.old == nil:
		line(' ', "")
	case was == nil && slices.ContainsFunc(body.Holders, func(o crypto.Holder) bool { return o.ID == h.ID }):
		line('!', " (ANOTHER SIGNING KEY)")
	case was == nil:
		line('+', " (new)")
	case was.Status != h.Status:
		line('!', fmt.Sprintf(" (was %s)", was.Status))
	case was.ID != h.ID:
		line('!', fmt.Sprintf(" (was called %s)", was.ID))
	case epochsDiffer(was.Epochs, h.Epochs):
		line('!', " (OTHER KEYS FOR THE SAME MONTHS)")
	default:
		line(' ', "")
	}
}

// epochsDiffer says whether a month has another recipient than before.
func epochsDiffer(a, b []crypto.Epoch) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Month == y.Month && x.Recipient.String() != y.Recipient.String() {
				return true
			}
		}
	}
	return false
}

// AnyName is the English name, or the first by language tag.
func AnyName(names map[string]string) string {
	if n := names["en"]; n != "" {
		return n
	}
	for _, k := range slices.Sorted(maps.Keys(names)) {
		return names[k]
	}
	return "(no name)"
}
