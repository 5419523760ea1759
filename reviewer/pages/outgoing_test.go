package pages

import (
	"path/filepath"

	"postern/reviewer/window"
)

// outgoing are the scenes of what is searched, counted and written.
func outgoing(w *world, keep func(name string, p *shown)) {
	w.anna.AwaitSearch()
	keep("search", w.post("/search", "query", "e"))
	keep("search-ar", w.post("/search", "query", "الضابط"))
	keep("search-none", w.post("/search", "query", "nowhere at all"))
	keep("searching", w.post("/search", "do", "clear"))
	path := w.caseOf("تعرّض")
	keep("dossier", w.get(path+"/dossier"))
	numbering := numberingOf(w.get(path + "/dossier"))
	keep("dossier-refused", w.post(path+"/masks", "numbering", numbering, "texts", "ا", "lines-1", "9-2"))
	keep("copy", w.post(path+"/masks", "numbering", numbering, "message-5", maskWhole, "texts", "النور\nreport-7", "lines-1", "3", "file-1", maskHide))
	keep("copied", w.post(path+copyPage, "folder", w.stick))
	w.post(path+"/dossier", "folder", w.stick)
	dir := must(filepath.Glob(w.stick + "/case-*"))(w)[0]
	keep("verify", w.post("/verify", "folder", dir))
	w.pages.Answer(window.Request{Method: window.Print, Path: path, PDF: make([]byte, 123456)})
	w.pages.Answer(window.Request{Method: window.Print, Path: path, PDF: append([]byte("%PDF-"), make([]byte, 123456)...)})
	keep("print", w.get(pagePrint))
	now := w.now

	for _, topic := range []string{"corruption", "force", "ill-treatment"} {
		w.reports(9, topic, "retaliation")
	}
	w.now = now.AddDate(0, 2, 0)
	keep("figures", w.get("/figures"))
	keep("figures-counted", w.post("/figures", "from", "2026-01", "to", "2026-12", "clock", "yes"))
	w.post("/figures/write", "folder", w.stick)
	keep("figures-written", w.post("/figures/rows", "folder", w.stick, "body", "audit", "clock", "yes"))
	w.now = now
	w.pages.cases = nil
}
