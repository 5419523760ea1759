package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"postern/cmd/postern/internal/instance"
	"postern/crypto"
	"postern/intake/form"
	"postern/intake/onion"
)

// byLanguage collects options like --name en="Ombuds institution".
type byLanguage map[string]string

func (m byLanguage) String() string { return "" }

func (m byLanguage) Set(s string) error {
	tag, text, ok := strings.Cut(s, "=")
	if !ok || tag == "" || strings.TrimSpace(text) == "" {
		return errors.New(`write it as en="…"`)
	}
	m[tag] = strings.TrimSpace(text)
	return nil
}

// bodyOptions are what the directory says of a body beside its holders.
type bodyOptions struct {
	kind            string
	names, mandates byLanguage
	languages       string
	independent     string
}

func (o *bodyOptions) register(fs *flag.FlagSet) {
	o.names, o.mandates = byLanguage{}, byLanguage{}
	var kinds []string
	for _, k := range form.BodyKinds() {
		kinds = append(kinds, k.ID)
	}
	fs.StringVar(&o.kind, "kind", "", "`kind` of body, one of:\n"+strings.Join(kinds, ", "))
	fs.Var(o.names, "name", "name of the body in one `language=text`; repeat for each language")
	fs.Var(o.mandates, "mandate", "what it may do, in one `language=text`; repeat for each language")
	fs.StringVar(&o.languages, "languages", "", "languages its people read, as `en,fr`; default: those of --name")
	fs.StringVar(&o.independent, "independent", "", "`yes or no`: of the institution that is reported on; default: as its kind is")
}

// apply fills a new body, or changes what was given of one that is there.
func (o *bodyOptions) apply(b *crypto.Body, isNew bool) error {
	if isNew && (o.kind == "" || len(o.names) == 0) {
		return instance.WithHint(fmt.Errorf("body %s is new", b.ID), `say what it is: --kind KIND --name en="…" --mandate en="…"`)
	}
	if o.kind != "" {
		k, ok := form.BodyKindOf(o.kind)
		if !ok {
			return instance.WithHint(fmt.Errorf("no kind of body %q", o.kind), "postern help reviewer add lists the kinds")
		}
		b.Kind, b.Independent = k.ID, k.Independent
	}
	if o.independent != "" {
		k, _ := form.BodyKindOf(b.Kind)
		yes := o.independent == "yes"
		if !yes && o.independent != "no" {
			return errors.New("--independent: yes or no")
		}
		if yes && !k.Independent {
			return instance.WithHint(fmt.Errorf("a body of kind %q is part of the chain that a source may be reporting", b.Kind),
				"choose the kind that fits; sources must tick such a body themselves")
		}
		b.Independent = yes
	}
	for tag, text := range o.names {
		set(&b.Names, tag, text)
	}
	for tag, text := range o.mandates {
		set(&b.Mandates, tag, text)
	}
	if o.languages != "" {
		b.Languages = strings.FieldsFunc(o.languages, func(r rune) bool { return r == ',' || r == ' ' })
	}
	if len(b.Languages) == 0 {
		for tag := range b.Names {
			b.Languages = append(b.Languages, tag)
		}
		slices.Sort(b.Languages)
	}
	return nil
}

func set(m *map[string]string, k, v string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[k] = v
}

// confirmPhrase makes sure that the card is the one its holder made: the six
// words of its signing key travel by voice, beside the card. They are not shown before they were
// typed: who sees them hears them. The keeper of the root key sees the same words again.
func (c *cli) confirmPhrase(card *crypto.Card, given string) error {
	fmt.Fprintf(c.out, "Card of holder %s, body %s.\n", card.Holder, card.Body)
	if given == "" {
		fmt.Fprint(c.out, "Call the holder on a number you knew before. Type the six words they read to you:\n> ")
		line, err := bufio.NewReader(c.in).ReadString('\n')
		if err != nil && line == "" {
			return instance.WithHint(errors.New("the six words were not confirmed"), `give what the holder read to you: --phrase "…"`)
		}
		given = line
	}
	if !slices.Equal(strings.Fields(strings.ToLower(given)), crypto.SigningWords(card.Signing)) {
		return instance.WithHint(errors.New("the words differ: this is not the card that the holder made"),
			"do not enrol it; ask for the card again by another way")
	}
	return nil
}

// readsNow says why nobody could seal to a card today: it was made while a clock was wrong, or long ago.
func readsNow(card *crypto.Card) error {
	now, first, last := crypto.MonthOf(time.Now()), card.Epochs[0].Month, card.Epochs[len(card.Epochs)-1].Month
	if now < first || now > last {
		return instance.WithHint(fmt.Errorf("the card lists keys for %v to %v, and it is %v", first, last, now),
			"ask the holder to set their machine's clock and make the card anew; if the vault was made while the clock was wrong, to make a new vault")
	}
	return nil
}

// reviewerAdd enrols a holder: into the next directory, with an exchange of their own.
func (c *cli) reviewerAdd(_ context.Context, cmd *command, args []string) error {
	var o bodyOptions
	fs := c.flags(cmd)
	o.register(fs)
	phrase := fs.String("phrase", "", "the six `words` the holder read to you; asked for when missing")
	card, text, err := c.card(cmd, fs, args)
	if err != nil {
		return err
	}
	i, d, err := c.openProposal()
	if err != nil {
		return err
	}
	if b, h := instance.FindHolder(d, card.Holder); h != nil {
		return instance.WithHint(fmt.Errorf("holder %s is in body %s already (%s)", h.ID, b.ID, h.Status),
			"for new keys of the same person: postern reviewer rotate CARD; another person needs another holder id")
	}
	if err := readsNow(card); err != nil {
		return err
	}
	if err := c.confirmPhrase(card, *phrase); err != nil {
		return err
	}
	body, isNew := bodyOf(d, card.Body)
	if err := o.apply(body, isNew); err != nil {
		return err
	}
	body.Holders = append(body.Holders, crypto.Holder{
		ID: card.Holder, Signing: card.Signing, Status: crypto.StatusActive, Since: d.Version, Epochs: card.Epochs, EpochsSignature: card.EpochsSignature,
	})
	key, err := i.Enrol(card.Holder, text)
	if err != nil {
		return err
	}
	if err := c.propose(i, d); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Give the holder this address of their exchange; it opens with their access key only,\n"+
		"once the directory is installed:\n  http://%s\n", onion.Address(key))
	return nil
}

// reviewerRotate replaces a holder's keys by those of a new card. The address
// of the exchange stays, the access key is the new card's from now on.
func (c *cli) reviewerRotate(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	phrase := fs.String("phrase", "", "the six `words` the holder read to you; asked for when missing")
	stolen := fs.Bool("compromised", false, "the old signing key may be in other hands: its replies are shown as withdrawn")
	card, text, err := c.card(cmd, fs, args)
	if err != nil {
		return err
	}
	i, d, err := c.openProposal()
	if err != nil {
		return err
	}
	b, h := instance.FindHolder(d, card.Holder)
	if h == nil || h.Status != crypto.StatusActive || b.ID != card.Body {
		return instance.WithHint(fmt.Errorf("no active holder %s in body %s", card.Holder, card.Body), "postern reviewer list shows who is there")
	}
	if err := readsNow(card); err != nil {
		return err
	}
	if err := c.confirmPhrase(card, *phrase); err != nil {
		return err
	}
	in, err := i.Installed()
	if err != nil {
		return err
	}
	same := bytes.Equal(h.Signing, card.Signing)
	if same && *stolen {
		return instance.WithHint(errors.New("the new card has the old signing key"), "a holder whose keys may be in other hands makes a new vault")
	}
	old := *h
	h.Signing, h.Epochs, h.EpochsSignature = card.Signing, card.Epochs, card.EpochsSignature
	if !same { // else it is what it is since before
		h.Since = d.Version
	}
	if !same && in != nil && signs(in, old.Signing) {
		old.ID = formerID(d, old.ID)
		old.Status, old.Since, old.Epochs, old.EpochsSignature = crypto.StatusRetired, d.Version, nil, nil
		if *stolen {
			old.Status = crypto.StatusRevoked
		}
		b.Holders = append(b.Holders, old)
	}
	if _, err := i.Enrol(card.Holder, text); err != nil {
		return err
	}
	if err := c.propose(i, d); err != nil {
		return err
	}
	return c.tellServer(ctx, i)
}

// formerID is a free id for keys that a holder had before.
func formerID(d *crypto.Directory, id string) string {
	for n := 1; ; n++ {
		tail := fmt.Sprintf("-old%d", n)
		former := strings.TrimRight(id[:min(len(id), crypto.MaxBodyID-len(tail))], "-") + tail
		if _, h := instance.FindHolder(d, former); h == nil {
			return former
		}
	}
}

// reviewerRevoke ends a holder's access. The exchange goes at once; that
// sources no longer seal to them takes the next directory.
func (c *cli) reviewerRevoke(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	left := fs.Bool("left", false, "they left in good standing: their replies up to now stay valid")
	rest, err := c.parse(cmd, fs, args, 1)
	if err != nil {
		return err
	}
	i, d, err := c.openProposal()
	if err != nil {
		return err
	}
	b, h := instance.FindHolder(d, rest[0])
	if h == nil || h.Status != crypto.StatusActive {
		return instance.WithHint(fmt.Errorf("no active holder %q", rest[0]), "postern reviewer list shows who is there")
	}
	in, err := i.Installed()
	if err != nil {
		return err
	}
	// First what takes effect at once.
	if err := i.CloseExchange(h.ID); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "The exchange of %s is deleted; its address will never work again.\n", h.ID)
	told := c.tellServer(ctx, i)
	if in == nil || !listed(in, h.ID) { // never was in force: nothing of theirs to keep
		b.Holders = slices.DeleteFunc(b.Holders, func(x crypto.Holder) bool { return x.ID == rest[0] })
	} else {
		h.Status, h.Since, h.Epochs, h.EpochsSignature = crypto.StatusRevoked, d.Version, nil, nil
		if *left {
			h.Status = crypto.StatusRetired
		}
	}
	d.Bodies = slices.DeleteFunc(d.Bodies, func(b crypto.Body) bool { return len(b.Holders) == 0 })
	if len(d.Bodies) == 0 {
		return errors.Join(told, i.DropProposal())
	}
	return errors.Join(told, c.propose(i, d))
}

func signs(d *crypto.Directory, key ed25519.PublicKey) bool {
	_, _, standing := d.Signer(key, d.Version)
	return standing != crypto.SignerUnknown
}

func listed(d *crypto.Directory, holder string) bool {
	_, h := instance.FindHolder(d, holder)
	return h != nil
}

// reviewerList shows who reads, now and after the next directory.
func (c *cli) reviewerList(_ context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	in, err := i.Installed()
	if err != nil {
		return err
	}
	p, err := i.ReadProposal()
	if err != nil {
		return err
	}
	if in == nil && p == nil {
		fmt.Fprintln(c.out, "Nobody yet: postern reviewer add CARD")
		return nil
	}
	if in != nil {
		fmt.Fprintf(c.out, "In force: version %d, issued %v, valid to %v\n", in.Version, in.Issued, in.Expires)
		c.table(i, in)
	}
	if p != nil {
		fmt.Fprintf(c.out, "Proposed, to be signed: version %d, valid to %v\n", p.Version, p.Expires)
		c.table(i, p)
	}
	return nil
}

func (c *cli) table(i *instance.Instance, d *crypto.Directory) {
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  BODY\tKIND\tHOLDER\tSTATUS\tKEYS TO\tEXCHANGE")
	for _, b := range d.Bodies {
		for _, h := range b.Holders {
			to, address := "-", "-"
			if n := len(h.Epochs); n > 0 {
				to = h.Epochs[n-1].Month.String()
			}
			if h.Status == crypto.StatusActive {
				if x, err := i.ExchangeOf(&h); err == nil {
					address = "http://" + onion.Address(x.Key)
				} else {
					address = "none: " + err.Error()
				}
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", b.ID, b.Kind, h.ID, h.Status, to, address)
		}
	}
	_ = t.Flush()
}

// card reads the options and the card that they name.
func (c *cli) card(cmd *command, fs *flag.FlagSet, args []string) (*crypto.Card, []byte, error) {
	rest, err := c.parse(cmd, fs, args, 1)
	if err != nil {
		return nil, nil, err
	}
	text, err := c.input(rest[0])
	if err != nil {
		return nil, nil, err
	}
	card, err := crypto.ParseCard(text)
	if err != nil {
		return nil, nil, instance.WithHint(fmt.Errorf("reading %s: %w", rest[0], err), "ask the holder for the file that postern-desk card wrote")
	}
	return card, text, nil
}

func (c *cli) openProposal() (*instance.Instance, *crypto.Directory, error) {
	i, err := instance.Open(c.dir)
	if err != nil {
		return nil, nil, err
	}
	d, err := i.Proposal()
	return i, d, err
}

// bodyOf finds a body or appends it.
func bodyOf(d *crypto.Directory, id string) (body *crypto.Body, isNew bool) {
	for b := range d.Bodies {
		if d.Bodies[b].ID == id {
			return &d.Bodies[b], false
		}
	}
	d.Bodies = append(d.Bodies, crypto.Body{ID: id})
	return &d.Bodies[len(d.Bodies)-1], true
}
