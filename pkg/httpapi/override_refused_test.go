package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestOverrideThatTheKernelRefuses has overrides that are in force of a backend that the kernel refuses: that of the backend
// and that of its service say so, that of another backend does not, nor one whose object is gone.
func TestOverrideThatTheKernelRefuses(t *testing.T) {
	f := over(t, web+"[services.web.backends.b]\nhost = \"10.1.0.2\"\nport = 8080\npulse = { type = \"none\" }\n")
	h := routes(f)
	for _, o := range []string{
		`{"kind": "patch", "service": "web", "body": {"method": "rr"}}`,
		`{"kind": "patch", "service": "web", "backend": "a", "body": {"weight": 7}}`,
		`{"kind": "patch", "service": "web", "backend": "b", "body": {"weight": 7}}`,
		`{"kind": "patch", "service": "web", "backend": "gone", "body": {"weight": 7}}`,
	} {
		if w := exchange(h, "POST", "/overrides", o); w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
	}
	for _, o := range f.List() {
		if o.Backend == "gone" {
			f.status.Dangling = []spec.Override{o.Override}
		}
	}
	var unknown error
	f.settled = func(_ context.Context, serial uint64, service string) (Settled, error) {
		if serial != f.Desired().Serial || service != "web" {
			t.Errorf("asked for %s of %d", service, serial)
		}
		return Settled{Refused: []Refusal{{Backend: netip.MustParseAddrPort("10.1.0.1:8080"), Reason: "edit 10.1.0.1:8080: no room"}}}, unknown
	}
	get := func(path string, into any) {
		t.Helper()
		w := exchange(h, "GET", path, "")
		if err := json.Unmarshal(w.Body.Bytes(), into); w.Code != http.StatusOK || err != nil {
			t.Fatal(path, w.Body, err)
		}
	}
	told := func() map[string]string {
		var all OverrideList
		get("/overrides", &all)
		refused := map[string]string{}
		for _, o := range all.Overrides {
			var one Override
			get("/overrides/"+o.Object(), &one)
			if one.Refused != o.Refused {
				t.Errorf("%s: %q alone and %q among others", o.Object(), one.Refused, o.Refused)
			}
			refused[o.Object()+" "+string(o.State)] = o.Refused
		}
		return refused
	}
	const why = "edit 10.1.0.1:8080: no room"
	want := map[string]string{"web in_force": why, "web/a in_force": why, "web/b in_force": "", "web/gone dangling": ""}
	if d := cmp.Diff(want, told()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	unknown = reconcile.ErrEnded
	want["web in_force"], want["web/a in_force"] = "", ""
	if d := cmp.Diff(want, told()); d != "" {
		t.Errorf("while no pass has followed (-want +got):\n%s", d)
	}
}
