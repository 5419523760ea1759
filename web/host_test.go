package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestOnlyOurOwnHost: any other name gets a refusal of the one size, with the same
// headers as a page, that says nothing of what is here; at the exchange too.
func TestOnlyOurOwnHost(t *testing.T) {
	w := newWorld(t)
	onion := strings.Repeat("a", 56) + ".onion"
	ask := func(h http.Handler, method, host string) *http.Response {
		r := httptest.NewRequest(method, "/", nil)
		r.Host = host
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Result()
	}
	for name, inner := range map[string]http.Handler{"source": w.source, "exchange": Exchange(ExchangeOptions{Service: w.service, Log: w.log})} {
		h := OnlyFor(inner, onion)
		for _, host := range []string{onion, onion + ":80", strings.ToUpper(onion)} {
			if r := ask(h, "GET", host); r.StatusCode != 200 {
				t.Errorf("%s: %s gets %d", name, host, r.StatusCode)
			}
		}
		for _, host := range []string{"", "localhost", "127.0.0.1", "www." + onion, onion + ".example", strings.Repeat("b", 56) + ".onion", "x" + onion, "[::1]:80"} {
			for _, method := range []string{"GET", "POST", "HEAD"} {
				r := ask(h, method, host)
				b, err := io.ReadAll(r.Body)
				if r.StatusCode != http.StatusMisdirectedRequest || err != nil || method != "HEAD" && len(b) != PageSize || strings.Contains(string(b), "Postern") {
					t.Errorf("%s: %s for %q gets %d and %d bytes", name, method, host, r.StatusCode, len(b))
				}
				for k := range ask(inner, "GET", onion).Header {
					if r.Header[k] == nil && k != "Date" {
						t.Errorf("%s: no header %s for %q", name, k, host)
					}
				}
			}
		}
	}
	for host, want := range map[string]int{"192.168.1.5:8080": 200, "127.0.0.1:8080": 200, "[fe80::1]:8080": 200, "localhost:8080": 200, "rebound.example:8080": 421} {
		if r := ask(OnlyFor(w.source, "0.0.0.0:8080", "localhost"), "GET", host); r.StatusCode != want {
			t.Errorf("a preview for everybody answers %q with %d, want %d", host, r.StatusCode, want)
		}
	}
}
