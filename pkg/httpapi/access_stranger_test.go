package httpapi

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestStrangersSeeLess has everybody ask for what GORB showed: who is not known, and a page that had its name lead here (DNS
// rebinding), is not told what others wrote and what servers said.
func TestStrangersSeeLess(t *testing.T) {
	f := over(t, web)
	health := serviceHealth("web", 1)
	health.Backends[0].Name = "a"
	f.health = []ServiceHealth{health}
	f.refused = map[string][]Refusal{"web": {{Missing: true, Reason: "no such scheduler"}}}
	h := New(f, Options{Access: access(t, spec.API{Anonymous: true, Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}), Log: zerolog.Nop()})
	for target, body := range map[string]string{"/service/web": `{"pulse": {"interval": "7s"}}`, "/service/web/a": `{"weight": 7}`} {
		if w := exchange(h, "PATCH", target+"?reason=private", body); w.Code != 200 {
			t.Fatalf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	told := map[string][]string{
		"/service/web":   {`"override": {`, "private", `"refused": "no such`},
		"/service/web/a": {`"override": {`, "private", `"refused": "no such`, `"held_for": "the page"`, `"why": "down since`, `"text": "HTTP 503`},
	}
	for place, known := range map[string]bool{
		"the socket": true, "loopback": true, "a network in `trust`": true, "loopback, by a proxy": false, "elsewhere": false,
	} {
		for host, ours := range map[string]bool{"127.0.0.1:4672": true, "localhost": true, "evil.example:4672": place == "the socket"} {
			for target, parts := range told {
				r := httptest.NewRequestWithContext(context.Background(), "GET", target, nil)
				r.Host = host
				w := httptest.NewRecorder()
				h.ServeHTTP(w, places[place](r))
				if w.Code != 200 {
					t.Fatalf("%s from %s to %s: %d %s", target, place, host, w.Code, w.Body)
				}
				for _, part := range parts {
					if want := known && ours; strings.Contains(w.Body.String(), part) != want {
						t.Errorf("%s from %s to %s: that there is %s should be %t", target, place, host, part, want)
					}
				}
			}
		}
	}
}
