package httpapi

import (
	"context"
	"net/netip"
	"strings"
	"testing"
)

// TestUnchangedIsInTheKernel: what is asked for again is done when the kernel has it, and no earlier.
func TestUnchangedIsInTheKernel(t *testing.T) {
	f := over(t, web+"[services.web.backends.b]\nhost = \"10.1.0.2\"\nport = 8080\npulse = { type = \"none\" }\n")
	h := routes(f)
	const same = `{"host":"10.1.0.1","port":8080,"weight":7,"pulse":{"type":"none"}}`
	if w := exchange(h, "PATCH", "/service/web/a", `{"weight":7}`); w.Code != 200 {
		t.Fatal(w.Body)
	}
	waits := Settled{Waiting: &WaitingReason{Why: "no backend that stays is up"}, Operations: []string{"of before"}}
	refused := func(host string) Settled {
		return Settled{Refused: []Refusal{{Backend: netip.MustParseAddrPort(host + ":8080"), Reason: "no room"}}}
	}
	const why = `500 error while calling into IPVS [web/a: no room] [nothing was changed: it is so already, and tried again]`
	for _, tt := range []struct {
		name, method, target, body string
		is                         Settled
		want                       string
	}{
		{"it waits", "PATCH", "/service/web/a?wait=0s", `{"weight":7}`, waits, "202 unchanged no backend that stays is up /service/web/a"},
		{"a PUT", "PUT", "/service/web/a?wait=0s", same, waits, "202 unchanged no backend that stays is up /service/web/a"},
		{"a dry run", "PATCH", "/service/web/a?dry_run=true", `{"weight":7}`, waits, "200 unchanged"},
		{"it is refused", "PATCH", "/service/web/a", `{"weight":7}`, refused("10.1.0.1"), why},
		{"its service is refused", "PATCH", "/service/web/a", `{"weight":7}`, Settled{Refused: []Refusal{{Missing: true, Reason: "no room"}}}, why},
		{"another is refused", "PATCH", "/service/web/a", `{"weight":7}`, refused("10.1.0.2"), "200 unchanged"},
		{"it is there", "PATCH", "/service/web/a", `{"weight":7}`, Settled{Operations: []string{"of before"}}, "200 unchanged"},
	} {
		f.settled = func(context.Context, uint64, string) (Settled, error) { return tt.is, nil }
		f.looked = nil
		w := exchange(h, tt.method, tt.target, tt.body)
		if looks := strings.Join(f.looked, " "); looks != map[bool]string{false: "web", true: ""}[tt.name == "a dry run"] {
			t.Errorf("%s: looked was at %q", tt.name, looks)
		}
		if got := told(t, w.Body.Bytes(), w.Code); got != tt.want {
			t.Errorf("%s: got %s\nwant %s", tt.name, got, tt.want)
		}
		if w.Code == 202 && w.Header().Get("Location") != "/service/web/a" {
			t.Errorf("%s: Location is %q", tt.name, w.Header().Get("Location"))
		}
		if got := stored(f); got != `patch web/a {"weight":7}` {
			t.Errorf("%s: stored is %s", tt.name, got)
		}
	}
}
