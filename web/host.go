package web

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// OnlyFor serves requests for these hosts alone: the address that the pages are
// published under, or a preview's. Who asks for another one, through a name that
// leads here or a proxy that rewrites none, gets a plain refusal of the one size:
// it says neither what this is nor what else is here. Ports do not matter. An
// unspecified address, such as 0.0.0.0, stands for every address that is a number.
func OnlyFor(h http.Handler, hosts ...string) http.Handler {
	list := make([]string, 0, len(hosts))
	for _, x := range hosts {
		list = append(list, hostName(x))
	}
	everywhere := slices.ContainsFunc(list, func(x string) bool { ip := net.ParseIP(x); return ip != nil && ip.IsUnspecified() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostName(r.Host)
		if slices.Contains(list, host) || everywhere && net.ParseIP(host) != nil {
			h.ServeHTTP(w, r)
			return
		}
		commonHeaders(w.Header(), "default-src 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(misdirected)))
		w.WriteHeader(http.StatusMisdirectedRequest)
		if r.Method != http.MethodHead {
			_, _ = w.Write(misdirected) // an error is a lost connection
		}
	})
}

// misdirected is what is said at a name that is not ours.
var misdirected = func() []byte {
	b := []byte("<!doctype html><html lang=\"en\"><title>Not here</title><h1>Not here</h1><p>There is nothing at this address.</p>" + padOpen)
	b = append(b, filler[:PageSize-len(b)-len(padClose)]...)
	return append(b, padClose...)
}()

// hostName is a host without its port, as it is compared.
func hostName(s string) string {
	if h, _, err := net.SplitHostPort(s); err == nil {
		s = h
	}
	return strings.ToLower(strings.Trim(s, "[]"))
}
