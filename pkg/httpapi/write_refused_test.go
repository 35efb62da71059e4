package httpapi

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestRefusalsAreOfTheChange has the kernel refuse the service, its address and one backend after the other: what counts
// against a change is what it has made another.
func TestRefusalsAreOfTheChange(t *testing.T) {
	const b = `,"b":{"host":"10.1.0.2","port":80}`
	form := func(body string) *spec.Service {
		if body == "" {
			return nil
		}
		f := over(t, "")
		if w := exchange(routes(f), "PUT", "/service/web", body); w.Code != 200 {
			t.Fatal(w.Body)
		}
		return f.Desired().Service("web")
	}
	service := func(options, backends string) string {
		return `{"host":"10.0.0.1"` + options + `,"backends":{"a":{"host":"10.1.0.1","port":80}` + backends + `}}`
	}
	at := func(addr string) netip.AddrPort { return netip.MustParseAddrPort(addr) }
	refuses := func(missing bool) Settled {
		return Settled{Refused: []Refusal{
			{Reason: "service", Missing: missing},
			{Reason: "address"},
			{Reason: "a", Backend: at("10.1.0.1:80")},
			{Reason: "b", Backend: at("10.1.0.2:80")},
			{Reason: "b at 81", Backend: at("10.1.0.2:81")},
			{Reason: "one that left", Backend: at("10.1.0.9:80")},
		}}
	}
	const port, all = `,"port":80`, "service, address, a, b, b at 81, one that left"
	plain := service(port, b)
	for name, tt := range map[string]struct{ was, now, want, missing string }{
		"a service is made":        {"", plain, all, all},
		"it is removed":            {plain, "", all, all},
		"it moves":                 {plain, service(`,"port":81`, b), all, all},
		"its scheduler":            {plain, service(port+`,"method":"rr"`, b), all, all},
		"what is not the kernel's": {plain, service(port+`,"drain":"7s"`, b), "", ""},
		"a backend is drained":     {plain, service(port, `,"b":{"host":"10.1.0.2","port":80,"weight":0}`), "b", "service, b"},
		"a backend moves":          {plain, service(port, `,"b":{"host":"10.1.0.2","port":81}`), "b, b at 81", "service, b, b at 81"},
		"a backend is added":       {service(port, ""), plain, "b", "service, b"},
		"a backend is removed":     {plain, service(port, ""), "b", "b"}, // it is not in a service that is not there
		"its pulse":                {plain, service(port, `,"b":{"host":"10.1.0.2","port":80,"pulse":{"type":"none"}}`), "b", "service, b"},
		"the pulse of all":         {plain, service(port+`,"pulse":{"type":"none"}`, b), "a, b", "service, a, b"},
	} {
		was, now := form(tt.was), form(tt.now)
		got := map[bool]string{}
		for _, missing := range []bool{false, true} {
			s := refuses(missing)
			got[missing] = strings.Join(s.refusals(was, now), ", ")
		}
		if diff := cmp.Diff(map[bool]string{false: tt.want, true: tt.missing}, got); diff != "" {
			t.Errorf("%s (-want +got, by whether the service is missing):\n%s", name, diff)
		}
	}
}
