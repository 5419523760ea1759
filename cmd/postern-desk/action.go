package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/casework"
)

// action is a command that writes one event of a case. Its arguments after the case are the
// fields named in words; every other field of the kind is an option of its name. A field
// "on" is an option --end instead, and what the desk fills in is none ([reviewer.Filled]).
type action struct {
	name, short, long string
	kind              string
	words             []string // fields that are arguments
	least             int      // of these, how many are needed
}

// newAction makes the command.
func newAction(a action) *command {
	k, ok := casework.KindOf(a.kind)
	if !ok {
		panic("no kind " + a.kind)
	}
	args := "CASE"
	for i, w := range a.words {
		if i < a.least {
			args += " " + strings.ToUpper(w)
		} else {
			args += " [" + strings.ToUpper(w) + "]"
		}
	}
	return &command{
		name: a.name, args: args + " [--FIELD …]", json: true, clock: true, least: 1 + a.least, most: 1 + len(a.words), short: a.short,
		long: a.long + `

Words of a case never stand on the command line, where the shell would keep
them: an option for words names the FILE that holds them, or - for standard
input, and so does an argument that is - .`,
		setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
			options := a.define(k, fs)
			end := new(bool)
			if k.Rule("on") != nil {
				end = fs.Bool("end", false, "this is the end of it")
			}
			scope := fs.String("for", k.Scope.String(), "who may read it: all (every body that the source chose), body (your fellow holders) or desk (nobody else)")
			return func(args []string) error {
				values, err := a.values(d, k, options, args[1:])
				if err != nil {
					return err
				}
				if k.Rule("on") != nil {
					values["on"] = casework.Yes
					if *end {
						values["on"] = casework.No
					}
				}
				return d.act(a, args[0], *scope, values)
			}
		},
	}
}

// define makes an option of every field that is neither an argument nor the desk's own.
func (a *action) define(k *casework.Kind, fs *flag.FlagSet) map[string]*string {
	options := make(map[string]*string)
	for _, r := range k.Rules {
		if r.Name == "on" || a.isWord(r.Name) || reviewer.Filled(k.ID, r.Name) {
			continue
		}
		about := "`WORDS`"
		switch r.Type {
		case casework.Text:
			about = "a `FILE` with words, or -"
		case casework.Choice:
			ids := make([]string, len(r.Options))
			for i, o := range r.Options {
				ids[i] = o.ID
			}
			about = "`ONE` of " + strings.Join(ids, ", ")
		case casework.Date:
			about = "a `DAY`: YYYY-MM-DD, or +DAYS from today"
		case casework.Number:
			about = "a `NUMBER`"
		case casework.EventOf:
			about = "the `EVENT`, by the 16 digits that show gives it"
		}
		options[r.Name] = fs.String(r.Name, "", r.Label+": "+about)
	}
	return options
}

func (a *action) isWord(name string) bool {
	for _, w := range a.words {
		if w == name {
			return true
		}
	}
	return false
}

// values are what was given on the command line, words read from where they are.
func (a *action) values(d *desk, k *casework.Kind, options map[string]*string, args []string) (map[string]string, error) {
	values := make(map[string]string)
	for i, v := range args {
		if v == "-" {
			words, err := d.words("-")
			if err != nil {
				return nil, err
			}
			v = words
		} else if k.Rule(a.words[i]).Type == casework.Text {
			words, err := d.words(v)
			if err != nil {
				return nil, err
			}
			v = words
		}
		values[a.words[i]] = v
	}
	for name, v := range options {
		if *v == "" {
			continue
		}
		values[name] = *v
		if k.Rule(name).Type == casework.Text || *v == "-" {
			words, err := d.words(*v)
			if err != nil {
				return nil, err
			}
			values[name] = words
		}
	}
	return values, nil
}

// act opens the vault and writes the event.
func (d *desk) act(a action, name, scope string, values map[string]string) error {
	s, err := casework.ScopeOf(scope)
	if err != nil {
		return usagef("%s: --for: %v", a.name, err)
	}
	v, err := d.open()
	if err != nil {
		return err
	}
	defer v.Close()
	if err := d.checkClock(v.Clock()); err != nil {
		return err
	}
	c, err := v.Case(name)
	if err != nil {
		return err
	}
	event, err := v.Compose(c, a.kind, values)
	if err != nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	ref, err := v.Act(c, s, event)
	if err != nil {
		return err
	}
	if d.json {
		return d.writeJSON(struct {
			Case  string `json:"case"`
			Event string `json:"event"`
		}{reviewer.FullID(c.ID), string(ref)})
	}
	k, _ := casework.KindOf(a.kind)
	d.printf("Case %s: %s, %s.\n", c.Short, strings.ToLower(k.Label), ref)
	return nil
}

// maxWords bounds what is read of a file with words, in bytes; what a field holds is less.
const maxWords = 64 << 10

// words reads words from a file, or from standard input.
func (d *desk) words(file string) (string, error) {
	var r io.Reader = d.stdin
	if file == "-" {
		if d.passFile == "-" {
			return "", usagef("passphrase and words cannot both come from standard input")
		}
	} else {
		f, err := os.Open(file) //nolint:gosec // named by the holder
		if err != nil {
			return "", fmt.Errorf("reading words: %w", err)
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxWords+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading words: %w", err)
	case len(b) > maxWords:
		return "", fmt.Errorf("reading words: more than %d bytes: write several notes", maxWords)
	case !utf8.Valid(b):
		return "", errors.New("reading words: the text is not UTF-8: save it as UTF-8")
	}
	text := form.Clean(strings.TrimPrefix(string(b), "\ufeff"))
	if text == "" {
		return "", errors.New("reading words: there are none")
	}
	return text, nil
}
