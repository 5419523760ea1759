package web

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"postern/crypto"
	"postern/intake"
)

// bundlesInOne bounds how many bundles one form hands in.
const bundlesInOne = 32

// deliveredView says what became of each bundle of a form.
type deliveredView struct {
	Taken   int
	Refused int
	Bundles []bundleLine
	Next    nextView
}

func (v deliveredView) trouble() bool { return v.Refused > 0 }

// bundleLine is one bundle: its receipt, or why it was refused.
type bundleLine struct {
	Number int    // place in the row in which the files were chosen, from 1
	Name   string // as the browser calls the file
	ID     string // the receipt: the bundle's own id
	Why    string // of refusals
}

// bundle takes bundles as they stream in: each is verified, stored and answered for itself, so that one
// that is refused undoes none that was taken.
func (e *exchange) bundle(w http.ResponseWriter, r *http.Request) {
	// The largest bundle is a constant number of entries of the largest class;
	// what is longer is read to its end all the same, so that the page is seen.
	limit := bundlesInOne*int64(2*crypto.BundleEntries+1)*2*e.service.Limits().FileSize + drainMost
	body := newPacedBody(w, r, limit)
	v, status, why := e.handIn(r, body)
	_, _ = io.Copy(io.Discard, body)
	if why != "" {
		e.refused(w, r, status, why)
		return
	}
	v.Next = e.next()
	e.show(w, r, status, "delivered", v)
}

// handIn takes the bundles of a form. why is for a form without any. The status is that of the first refusal.
func (e *exchange) handIn(r *http.Request, body *pacedBody) (v deliveredView, status int, why string) {
	up, err := newUpload(r, body, time.Now)
	if err != nil {
		return v, http.StatusBadRequest, "nofile"
	}
	if _, err = up.fields(time.Now); err != nil {
		return v, http.StatusBadRequest, "line"
	}
	status = http.StatusOK
	add := func(b bundleLine, answer int) {
		b.Number = len(v.Bundles) + 1
		v.Bundles = append(v.Bundles, b)
		if b.Why == "" {
			v.Taken++
			return
		}
		v.Refused++
		if status == http.StatusOK {
			status = answer
		}
	}
	more := 0
	err = up.files(func(name, _ string, src io.Reader) {
		if len(v.Bundles) == bundlesInOne {
			more++
			return
		}
		id, answer, why := e.deliver(r, src)
		if why != "" {
			add(bundleLine{Name: shownName(name), Why: why}, answer)
			return
		}
		add(bundleLine{Name: shownName(name), ID: hex.EncodeToString(id[:])}, answer)
	})
	if more > 0 {
		add(bundleLine{Why: "many"}, http.StatusRequestEntityTooLarge)
	}
	if n := len(v.Bundles); err != nil && (n == 0 || v.Bundles[n-1].Why != "line") {
		add(bundleLine{Why: "line"}, http.StatusBadRequest)
	}
	if len(v.Bundles) == 0 {
		return v, http.StatusBadRequest, "nofile"
	}
	return v, status, ""
}

// deliver takes one bundle. The status is of its refusal.
func (e *exchange) deliver(r *http.Request, file io.Reader) (id crypto.BundleID, status int, why string) {
	src := &failing{r: file}
	var later *intake.Later
	id, err := e.service.Deliver(r.Context(), e.holder, src)
	switch {
	case err == nil:
		return id, http.StatusOK, ""
	case src.err != nil:
		return id, http.StatusBadRequest, "line"
	case errors.Is(err, intake.ErrBundle):
		return id, http.StatusBadRequest, "bundle"
	case errors.Is(err, intake.ErrFull):
		return id, http.StatusInsufficientStorage, "full"
	case errors.Is(err, intake.ErrBusy):
		return id, http.StatusServiceUnavailable, "busy"
	case errors.As(err, &later):
		return id, http.StatusTooManyRequests, "later"
	case errors.Is(err, intake.ErrClosed):
		return id, http.StatusServiceUnavailable, "closed"
	}
	e.log(fmt.Sprintf("taking a bundle: %v", err))
	return id, http.StatusInternalServerError, "internal"
}
