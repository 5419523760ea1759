package pages

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postern/crypto"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// verifyView is the page on which a dossier is checked.
type verifyView struct {
	Folders  []folder
	Verified *verified
}

// verified is what was found in a dossier.
type verified struct {
	Folder        string
	Who, Words    string
	Made          crypto.Day
	Known         bool // this desk's directory has that key under that name
	Files, Events int
	Faults        []string
}

func (p *Pages) verifyRoutes() []route {
	return []route{
		{window.Get, "/verify", p.verifying},
		{window.Post, "/verify", p.verify},
	}
}

func (p *Pages) verifying(*ask) window.Reply {
	return p.page("verify", "cases", p.words.Word("title.verify"), verifyView{p.dossiers(), p.verified})
}

// dossiers are the folders on the sticks that may be dossiers.
func (p *Pages) dossiers() (list []folder) {
	add := func(path string) {
		if st, err := os.Stat(filepath.Join(path, dossier.SealName)); err == nil && st.Mode().IsRegular() && len(list) < maxFiles {
			list = append(list, folder{Path: path, Name: plain.SafeLine(path)})
		}
	}
	for _, f := range p.folders() {
		add(f.Path)
		entries, err := os.ReadDir(f.Path)
		if err != nil {
			continue // pulled out
		}
		for _, e := range entries {
			if e.IsDir() {
				add(filepath.Join(f.Path, e.Name()))
			}
		}
	}
	return list
}

// verify checks one of them, or a folder that was typed.
func (p *Pages) verify(a *ask) window.Reply {
	path := a.field("folder", maxLine)
	if !slices.ContainsFunc(p.dossiers(), func(f folder) bool { return f.Path == path }) {
		var err error
		if path, err = p.named(a); err != nil {
			p.refuse(err)
			return to("/verify")
		}
	}
	r, err := dossier.Verify(path, nil)
	if err != nil {
		p.verified = nil
		p.refuse(err)
		return to("/verify")
	}
	v := &verified{Folder: plain.SafeLine(path), Made: r.Made, Files: r.Files, Events: r.Events}
	if r.Holder != "" {
		v.Who, v.Words = plain.SafeLine(r.Body+"/"+r.Holder), strings.Join(crypto.SigningWords(r.Key), " ")
		v.Known = p.knows(r)
	}
	for _, f := range r.Faults {
		v.Faults = append(v.Faults, plain.SafeLine(f))
	}
	p.verified = v
	return to("/verify#verified")
}

// knows says whether this desk's own directory has the key of a dossier under the same name: then no words
// need be compared.
func (p *Pages) knows(r *dossier.Report) bool {
	d := p.desk.Directory()
	if d == nil {
		return false
	}
	b, ok := d.Body(r.Body)
	return ok && slices.ContainsFunc(b.Holders, func(h crypto.Holder) bool {
		return h.ID == r.Holder && h.Status != crypto.StatusRevoked && bytes.Equal(h.Signing, r.Key)
	})
}
