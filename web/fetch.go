package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"postern/intake"
)

// volume sends a volume, or the part of it that Range asks for.
func (e *exchange) volume(w http.ResponseWriter, r *http.Request) {
	vars := mux.Vars(r)
	batch, err1 := strconv.ParseUint(vars["batch"], 10, 64)
	number, err2 := strconv.Atoi(vars["volume"])
	info, err := e.service.Volume(batch, number)
	if errors.Is(err, intake.ErrNoVolume) || err1 != nil || err2 != nil || err == nil && info.Name != vars["name"] {
		e.refused(w, r, http.StatusNotFound, "missing")
		return
	}
	if err != nil {
		e.internal(w, r, "finding a volume", err)
		return
	}
	// The name holds the batch, the volume and a hash of the batch's head, and so of every entry: what
	// has this name never changes.
	e.send(w, r, download{info.Name, info.Name, info.Size, func(w io.Writer, from int64) error {
		return e.service.WriteVolume(r.Context(), w, batch, number, from)
	}})
}

// stretch sends everything after a number, or the part of it that Range asks for. The address says where
// it ends and which bytes it has: batches that come meanwhile do not change it, and after an exchange of entries
// it is gone, so that nobody resumes one with the other.
func (e *exchange) stretch(w http.ResponseWriter, r *http.Request) {
	vars := mux.Vars(r)
	after, err1 := strconv.ParseUint(vars["after"], 10, 64)
	last, err2 := strconv.ParseUint(vars["last"], 10, 64)
	if err1 != nil || err2 != nil || last <= after {
		e.refused(w, r, http.StatusNotFound, "missing")
		return
	}
	var none *intake.NothingAfter
	st, err := e.service.Stretch(after, last)
	if errors.As(err, &none) || err == nil && (st.Tag != vars["tag"] || st.Name != vars["name"]) {
		e.refused(w, r, http.StatusNotFound, "exchanged")
		return
	}
	if err != nil {
		e.internal(w, r, "finding batches", err)
		return
	}
	e.send(w, r, download{st.Name, st.Tag, st.Size, func(w io.Writer, from int64) error {
		return e.service.WriteStretch(r.Context(), w, st, from)
	}})
}

// download is a file that can be resumed.
type download struct {
	name  string
	tag   string // names its bytes
	size  int64
	write func(w io.Writer, from int64) error // from a byte on, to its end
}

func (e *exchange) send(w http.ResponseWriter, r *http.Request, d download) {
	tag := `"` + d.tag + `"`
	h := w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("ETag", tag)
	asked := r.Header.Get("Range")
	if ir := r.Header.Get("If-Range"); ir != "" && ir != tag {
		asked = ""
	}
	from, to, kind := parseRange(asked, d.size)
	if kind == rangeBeyond {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", d.size))
		e.refused(w, r, http.StatusRequestedRangeNotSatisfiable, "missing")
		return
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	h.Set("Content-Length", strconv.FormatInt(to-from, 10))
	status := http.StatusOK
	if kind == rangePart {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, d.size))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	paced := &pacedWriter{w: w, rc: http.NewResponseController(w)}
	out := &boundedWriter{w: paced, left: to - from}
	err := d.write(out, from)
	if out.left == 0 {
		return // all that was asked for; a range may end before the file
	}
	if err != nil && paced.err == nil && r.Context().Err() == nil {
		e.log(fmt.Sprintf("sending batches: %v", err))
	}
	panic(http.ErrAbortHandler) // incomplete: only a cut connection says so
}

// boundedWriter ends a copy after left bytes.
type boundedWriter struct {
	w    io.Writer
	left int64
}

var errRangeDone = errors.New("the range is written")

func (b *boundedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) <= b.left {
		n, err := b.w.Write(p)
		b.left -= int64(n)
		return n, err
	}
	n, err := b.w.Write(p[:b.left])
	if b.left -= int64(n); err == nil {
		err = errRangeDone
	}
	return n, err
}

// What parseRange found.
type rangeKind int

const (
	rangeNone   rangeKind = iota // none, or one we need not understand: all is sent
	rangePart                    // from, to
	rangeBeyond                  // nothing of it exists
)

// parseRange reads a Range header with one range of bytes (RFC 9110, 14.1.2).
// A server may ignore others, and does: several ranges, other units.
func parseRange(s string, size int64) (from, to int64, kind rangeKind) {
	spec, ok := strings.CutPrefix(s, "bytes=")
	a, b, two := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !two || strings.Contains(b, ",") || strings.Contains(a, ",") {
		return 0, size, rangeNone
	}
	number := func(s string) (int64, bool) {
		if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
			return 0, false
		}
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	}
	if a == "" { // the last b bytes
		n, ok := number(b)
		switch {
		case !ok:
			return 0, size, rangeNone
		case n == 0 || size == 0:
			return 0, 0, rangeBeyond
		}
		return max(0, size-n), size, rangePart
	}
	from, ok = number(a)
	if !ok {
		return 0, size, rangeNone
	}
	to = size
	if b != "" {
		last, ok := number(b)
		if !ok || last < from {
			return 0, size, rangeNone
		}
		to = min(size, last+1)
	}
	if from >= size {
		return 0, 0, rangeBeyond
	}
	return from, to, rangePart
}
