package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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

// TestObjectThatTheKernelRefuses has the kernel refuse what is declared, be it by no override: the service says all of it, and
// a backend what is of it or keeps its service from being there. Where nothing is refused, nothing is said.
func TestObjectThatTheKernelRefuses(t *testing.T) {
	backend := func(at string) Refusal { return Refusal{Backend: netip.MustParseAddrPort(at), Reason: "add " + at} }
	var many []Refusal
	for range 12 {
		many = append(many, backend("10.1.0.9:80"))
	}
	for name, tt := range map[string]struct {
		refused []Refusal
		want    map[string]string // what is not in it says nothing
	}{
		"nothing":                {nil, nil},
		"the service":            {[]Refusal{{Missing: true, Reason: "no"}}, map[string]string{"/service/web": "no", "/service/web/a": "no", "/service/web/b": "no"}},
		"an edit of the service": {[]Refusal{{Reason: "no"}}, map[string]string{"/service/web": "no"}},
		"a backend":              {[]Refusal{backend("10.1.0.1:8080")}, map[string]string{"/service/web": "add 10.1.0.1:8080", "/service/web/a": "add 10.1.0.1:8080"}},
		"both": {[]Refusal{{Reason: "no"}, backend("10.1.0.1:8080")}, map[string]string{
			"/service/web": "no; add 10.1.0.1:8080", "/service/web/a": "add 10.1.0.1:8080",
		}},
		"one that leaves": {[]Refusal{backend("10.1.0.9:80")}, map[string]string{"/service/web": "add 10.1.0.9:80"}},
		"many":            {many, map[string]string{"/service/web": strings.Repeat("add 10.1.0.9:80; ", 10) + "and 2 more"}},
	} {
		f := over(t, web+"[services.web.backends.b]\nhost = \"10.1.0.2\"\nport = 8080\n[services.mail]\nhost = \"10.0.0.2\"\nport = 25\n")
		f.refused = map[string][]Refusal{"web": tt.refused}
		h := routes(f)
		got := map[string]string{}
		for _, path := range []string{"/service/web", "/service/web/a", "/service/web/b", "/service/mail"} {
			w := exchange(h, "GET", path, "")
			var is struct{ Refused *string }
			if err := json.Unmarshal(w.Body.Bytes(), &is); err != nil || w.Code != http.StatusOK {
				t.Fatal(name, path, w.Body, err)
			}
			if is.Refused != nil {
				got[path] = *is.Refused
			}
		}
		if d := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s is refused (-want +got):\n%s", name, d)
		}
	}
}
