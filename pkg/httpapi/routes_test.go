package httpapi

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

func TestOverrideRoutes(t *testing.T) {
	f, c := fake(t)
	before := time.Now()
	set := ask[Override](t, c, "POST", "/overrides", Change{
		Kind: "set", Service: "web", Backend: "a", Body: json.RawMessage(`{"host": "10.0.0.1", "weight": 50}`),
		Reason: "slow disk", By: "ann", TTL: "1h",
	})
	if set.At.Before(before.Add(-time.Second)) || set.Until.Sub(set.At) != time.Hour || set.Revision != 1 || set.State != InForce {
		t.Errorf("it is stored as %+v", set)
	}
	ask[Override](t, c, "POST", "/overrides", Change{Kind: "hide", Service: "mail", Body: json.RawMessage("null")})
	patch := ask[Override](t, c, "POST", "/overrides", Change{Kind: "patch", Service: "dns", Body: json.RawMessage(`{"port": 53}`)})

	stored := f.List()
	dns, mail, stale := stored[0], stored[1], stored[2] // by object
	stale.At = stale.At.Add(-time.Minute)
	f.status = sources.Status{
		Dangling: []spec.Override{dns.Override}, Idle: []spec.Override{mail.Override},
		Aside: []sources.Aside{{Override: stale.Override, Err: errors.New("it has been replaced since")}},
	}
	var got []string
	for _, o := range ask[OverrideList](t, c, "GET", "/overrides", nil).Overrides {
		got = append(got, strings.Join([]string{string(o.Kind), o.Object(), compact(t, o.Body), string(o.State), o.Error}, " "))
	}
	if d := cmp.Diff([]string{
		`patch dns {"port":53} dangling `, "hide mail  idle ", `set web/a {"host":"10.0.0.1","weight":50} in_force `,
	}, got); d != "" {
		t.Errorf("GET /overrides (-want +got):\n%s", d)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.passes = reconcile.Passes{
		Place: reconcile.Place{BootID: "boot", Namespace: "4:1"}, Last: at, Whole: at, Errs: []error{errors.New("no room")},
	}
	status := ask[Status](t, c, "GET", "/status", nil)
	if d := cmp.Diff(Status{
		Version: "v1", PID: os.Getpid(), Ready: true, StateDir: "/state",
		Table: Table{
			BootID: "boot", Namespace: "4:1", LastPass: at, WholePass: at, Problems: []string{"no room"}, Failed: 1,
		},
		Complete: true, Sources: []Source{}, Overrides: 3, Aside: []Aside{{"web/a", "it has been replaced since"}},
		Dangling: []string{"dns"}, Idle: []string{"mail"},
	}, status); d != "" {
		t.Errorf("GET /status (-want +got):\n%s", d)
	}

	if was := ask[Override](t, c, "DELETE", "/overrides/web/a", nil); was.Reason != "slow disk" {
		t.Errorf("what was deleted: %+v", was)
	}
	if was := ask[Override](t, c, "DELETE", "/overrides/dns", nil); was.Revision != patch.Revision {
		t.Errorf("what was deleted: %+v", was)
	}
	if left := f.List(); len(left) != 1 || left[0].Service != "mail" {
		t.Errorf("there is left %v", left)
	}
}

func compact(t *testing.T, body json.RawMessage) string {
	t.Helper()
	if body == nil {
		return ""
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRoutesRefuse(t *testing.T) {
	f, c := fake(t)
	f.status.Sources = []sources.SourceStatus{{Name: "still"}}
	if _, err := f.put(t.Context(), spec.Override{Kind: spec.Hide, Service: "gone", By: "ann", Reason: "moved"}); err != nil {
		t.Fatal(err)
	}
	const unusable = "what was sent cannot be used\n"
	web := func(body string) Change { return Change{Kind: "set", Service: "web", Body: json.RawMessage(body)} }
	for _, tt := range []struct {
		method, path string
		body         any
		code         int
		want         string
	}{
		{"POST", "/overrides", web(`{"port": 70000}`), 422, unusable + "services.web.port: 70000 is over 65535"},
		{"POST", "/overrides", web(`{"prot": 1}`), 422, unusable + `services.web.prot: there is no such key, did you mean "port"?`},
		{"POST", "/overrides", web(`null`), 422, unusable + "the body is missing: the object in JSON, with the keys of the file"},
		{
			"POST", "/overrides",
			Change{Kind: "hide", Service: "a/b"},
			422,
			unusable + `"a/b" cannot name a service: that takes 1 to 128 of letters, digits and ._:@-, and not . or ..`,
		},
		{
			"POST", "/overrides",
			Change{Kind: "hide", Service: "web", TTL: "-1h"},
			422,
			unusable + `ttl: "-1h" is no time to live, from "1s" to "876000h", such as "15m" or "1h30m"`,
		},
		{
			"POST", "/overrides",
			Change{Kind: "drop", Service: "web"},
			422,
			unusable + `"drop" is not a kind of override; there are set, patch and hide`,
		},
		{
			"POST", "/overrides",
			Change{Kind: "patch", Service: "gone", Body: json.RawMessage(`{}`)},
			409,
			"override of gone: it is hidden (ann: moved); clear that first",
		},
		{"POST", "/overrides", map[string]int{"weight": 1}, 422, "what was sent cannot be used\nweight: there is no such key"},
		{"DELETE", "/overrides/web", nil, 404, `override of "web": there is none`},
		{"DELETE", "/overrides/web/a", nil, 404, `override of "web/a": there is none`},
		{"GET", "/explain/web", nil, 404, "there is no service web"},
		{"POST", "/sources/none/accept", nil, 404, `no source is called "none"`},
		{"POST", "/sources/still/accept", nil, 409, `nothing of source "still" is held`},
		{"POST", "/reload", ReloadRequest{[]string{"none"}}, 404, `no source is called "none"`},
		{"POST", "/status", nil, 405, "POST is no method of this route; there are GET, HEAD"},
		{"POST", "/statuses", nil, 404, "there is no such route"},
	} {
		var got *Failure
		err := c.Do(t.Context(), tt.method, tt.path, tt.body, nil)
		if !errors.As(err, &got) || got.Code != tt.code || got.Error() != tt.want {
			t.Errorf("%s %s %v: got %v\nwant %d %s", tt.method, tt.path, tt.body, err, tt.code, tt.want)
		}
	}
	if f.List()[0].Service != "gone" || len(f.List()) != 1 {
		t.Errorf("stored is %v", f.List())
	}
}

func TestFaults(t *testing.T) {
	f, c := fake(t)
	if _, err := f.put(t.Context(), spec.Override{Kind: spec.Hide, Service: "web"}); err != nil {
		t.Fatal(err)
	}
	f.writes = func([]sources.Write) error {
		return &sources.OverrideError{Fault: sources.Full, Object: "web", Message: "no more can be kept"}
	}
	var got *Failure
	err := c.Do(t.Context(), "POST", "/overrides", Change{Kind: "hide", Service: "web"}, nil)
	if !errors.As(err, &got) || got.Code != 507 || got.Error() != "override of web: no more can be kept" {
		t.Errorf("full: %v", err)
	}
	f.writes = func([]sources.Write) error { return os.ErrPermission }
	if err = c.Do(t.Context(), "DELETE", "/overrides/web", nil, nil); !errors.As(err, &got) || got.Code != 500 {
		t.Errorf("a disk: %v", err)
	}
}

// TestSourceRoutes has sources with names that are paths and URLs.
func TestSourceRoutes(t *testing.T) {
	f, c := fake(t)
	good := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.status.Incomplete = true
	f.status.Sources = []sources.SourceStatus{
		{Name: "..", State: sources.Good},
		{Name: "https://config.example/a%20b.json?x=1#y", Remote: true, State: sources.Failing, Good: good, Err: "503"},
		{Name: "consul://127.0.0.1:8500/gorb/", Remote: true, State: sources.Good, Version: "17", Held: sources.Held{
			Count: 6, Of: 9, Names: []string{"web", "web/a"}, Until: good,
		}},
	}
	want := []Source{
		{Name: "..", State: sources.Good},
		{Name: "https://config.example/a%20b.json?x=1#y", Remote: true, State: sources.Failing, Good: good, Error: "503"},
		{Name: "consul://127.0.0.1:8500/gorb/", Remote: true, State: sources.Good, Version: "17", Held: &Held{
			Count: 6, Of: 9, Names: []string{"web", "web/a"}, Until: good,
		}},
	}
	if d := cmp.Diff(want, ask[SourceList](t, c, "GET", "/sources", nil).Sources); d != "" {
		t.Errorf("GET /sources (-want +got):\n%s", d)
	}
	f.passes = reconcile.Passes{}
	if s := ask[Status](t, c, "GET", "/status", nil); s.Complete || s.Ready || len(s.NotReady) != 2 || len(s.Sources) != 3 || s.Consul != nil {
		t.Errorf("GET /status: %+v", s)
	}
	f.consul = &sources.RegistrarStatus{Address: "http://127.0.0.1:8500", State: sources.Failing, Since: good, Services: 3, Err: "403"}
	consul := &Consul{Address: "http://127.0.0.1:8500", State: sources.Failing, Since: good, Registered: 3, Error: "403"}
	if d := cmp.Diff(consul, ask[Status](t, c, "GET", "/status", nil).Consul); d != "" {
		t.Errorf("consul in /status (-want +got):\n%s", d)
	}
	var asked []string
	for _, s := range want {
		ask[struct{}](t, c, "POST", "/sources/"+Segment(s.Name)+"/accept", nil)
		ask[struct{}](t, c, "POST", "/reload", ReloadRequest{[]string{s.Name}})
		asked = append(asked, "accept "+s.Name, "reload "+s.Name)
	}
	ask[struct{}](t, c, "POST", "/reload", nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := cmp.Diff(append(asked, "reload "), f.asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
}

func TestExplainRoutes(t *testing.T) {
	f, c := fake(t)
	stored, err := f.put(t.Context(), spec.Override{
		Kind: spec.Patch, Service: "web", Backend: "a", Body: []byte(`{"weight": 50}`), Reason: "slow disk", By: "ann",
	})
	if err != nil {
		t.Fatal(err)
	}
	f.fields = map[[2]string][]spec.Field{
		{"web", ""}: {{Path: "port", Value: "80", From: spec.Place{Source: "gorb.toml", Line: 3}}},
		{"web", "a"}: {{
			Path: "weight", Value: "50", From: spec.Place{Source: stored.Label()},
			Hid: []spec.Given{{Value: "100", From: spec.Place{Source: "gorb.toml", Line: 9, In: "defaults.backend"}}},
		}},
	}
	if d := cmp.Diff(Explanation{Service: "web", Fields: []Field{
		{Path: "port", Value: "80", From: Place{Source: "gorb.toml", Line: 3}},
	}}, ask[Explanation](t, c, "GET", "/explain/web", nil)); d != "" {
		t.Errorf("of the service (-want +got):\n%s", d)
	}
	o := Override{Kind: spec.Patch, Service: "web", Backend: "a", Reason: "slow disk", By: "ann", At: stored.At, Revision: 1}
	if d := cmp.Diff(Explanation{Service: "web", Backend: "a", HeldFor: "the page", Fields: []Field{{
		Path: "weight", Value: "50", From: Place{Source: "override web/a", Override: &o},
		Hid: []Given{{"100", Place{Source: "gorb.toml", Line: 9, In: "defaults.backend"}}},
	}}}, ask[Explanation](t, c, "GET", "/explain/web/a", nil)); d != "" {
		t.Errorf("of the backend (-want +got):\n%s", d)
	}
}

// TestHeld says of every held object what the kernel knows it by.
func TestHeld(t *testing.T) {
	f, c := fake(t)
	if list := ask[HeldList](t, c, "GET", "/held", nil); list.Held == nil || len(list.Held) != 0 {
		t.Errorf("nothing is held: %+v", list)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	web := spec.Service{Protocol: spec.TCP, Host: netip.MustParseAddr("10.0.0.1"), Port: 80}
	a := netip.MustParseAddrPort("10.1.0.1:8080")
	f.held = []sources.HeldObject{
		{Source: "kv", Service: web, Backend: a, Since: at},
		{Source: "kv", Service: spec.Service{Fwmark: 7, Family: spec.IPv6}, Since: at},
	}
	if d := cmp.Diff([]HeldObject{
		{Source: "kv", Protocol: "tcp", Host: web.Host, Port: 80, Backend: a, Since: at},
		{Source: "kv", Fwmark: 7, Family: "ipv6", Since: at},
	}, ask[HeldList](t, c, "GET", "/held", nil).Held, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Errorf("GET /held (-want +got):\n%s", d)
	}
}

// TestExplainBeforeAnything is told from an object that there is none of.
func TestExplainBeforeAnything(t *testing.T) {
	f, c := fake(t)
	f.nothing = true
	err := c.Do(t.Context(), "GET", "/explain/web", nil, nil)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Code != 503 || failure.Message != "there is no configuration yet" {
		t.Errorf("got %v", err)
	}
}

// TestReloadBodies has what a client may send where there is nothing to say.
func TestReloadBodies(t *testing.T) {
	f, _ := fake(t)
	h := routes(f)
	const form = "Content-Type: application/x-www-form-urlencoded"
	for _, tt := range []struct {
		body    string
		headers []string
		want    int
	}{
		{"", nil, 200},
		{"", []string{form}, 200}, // curl -d ''
		{"\n", []string{"Content-Type: text/plain"}, 200},
		{"{}", nil, 200},
		{`{"sources": []}`, []string{form}, 415},
		{"", []string{form, "Sec-Fetch-Site: cross-site"}, 403}, // the form of a page
		{"", []string{form, "Origin: https://elsewhere.example"}, 403},
	} {
		if w := exchange(h, "POST", "/reload", tt.body, tt.headers...); w.Code != tt.want {
			t.Errorf("%q %s: %d, want %d: %s", tt.body, tt.headers, w.Code, tt.want, w.Body)
		}
	}
}
