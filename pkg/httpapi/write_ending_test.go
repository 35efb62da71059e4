package httpapi

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/spec"
)

var clock = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:]+Z`)

// storedWithEnds is stored, with how long what ends has.
func storedWithEnds(f *fakeDaemon) string {
	var list []string
	for _, o := range f.List() {
		line := strings.TrimSpace(string(o.Kind) + " " + o.Object() + " " + string(o.Body))
		if o.Ends() {
			line += " for " + o.Until.Sub(o.At).Round(time.Minute).String()
		}
		if o.Reason != "" {
			line += " (" + o.Reason + ")"
		}
		list = append(list, line)
	}
	return strings.Join(list, "; ")
}

// TestWritesThatEnd: what ends lies over what lasts and leaves it as it was; what lasts counts at once, whatever ends.
func TestWritesThatEnd(t *testing.T) {
	const a, same = "/service/web/a", `{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`
	const other = `{"host": "10.1.0.2", "port": 1}`
	const m = `set m {"backends":{"x":{"host":"10.1.0.1","port":1}},"host":"10.0.0.2","port":25} for 1h0m0s`
	const x = `set web {"backends":{"x":{"host":"10.1.0.7"}},"host":"10.0.0.1","port":80} for 1h0m0s`
	type write struct{ do, body, want, stored string }
	for name, writes := range map[string][]write{
		"a drain over a weight": {
			{"PATCH " + a, `{"weight": 7}`, "200 changed", `patch web/a {"weight":7}`},
			{"PATCH " + a + "?ttl=1h", `{"weight": 0}`, "200 changed", `patch web/a {"weight":7}; patch web/a {"weight":0} for 1h0m0s`},
			{"PATCH " + a + "?ttl=2h&reason=longer", `{"weight": 0}`, "200 changed", `patch web/a {"weight":7}; patch web/a {"weight":0} for 2h0m0s (longer)`},
			{"PATCH " + a, `{"weight": 0}`, "200 changed", `patch web/a {"weight":0}; patch web/a {"weight":0} for 2h0m0s (longer)`},
			{"PATCH " + a, `{"weight": 9}`, "200 changed", `patch web/a {"weight":9}; patch web/a {"weight":9} for 2h0m0s (longer)`},
			{"PATCH " + a, `{"upper_threshold": 5}`, "200 changed", `patch web/a {"upper_threshold":5,"weight":9}; patch web/a {"weight":9} for 2h0m0s (longer)`},
			{"DELETE /overrides/web/a?ending=true", "", "200", `patch web/a {"upper_threshold":5,"weight":9}`},
			{"DELETE /overrides/web/a?ending=true", "", `404 override of "web/a": there is none that ends`, `patch web/a {"upper_threshold":5,"weight":9}`},
			{"PATCH " + a + "?reason=why", `{"weight": 9}`, "200 changed", `patch web/a {"upper_threshold":5,"weight":9} (why)`},
			{"PATCH " + a + "?reason=why", `{"weight": 9}`, "200 unchanged", `patch web/a {"upper_threshold":5,"weight":9} (why)`},
		},
		"put for a while": {
			{"PUT " + a + "?ttl=1h", same, "200 unchanged", ""},
			{"PUT " + a + "?ttl=1h", other, "409 specified object already exists [web/a: it is there and is another; PATCH changes it, ?replace=true takes its place]", ""},
			{"PUT " + a + "?replace=true", other, "200 changed", `set web/a {"host":"10.1.0.2","port":1}`},
			{"PUT " + a + "?replace=true&ttl=1h", `{"host": "10.1.0.3", "port": 1}`, "200 changed", `set web/a {"host":"10.1.0.2","port":1}; set web/a {"host":"10.1.0.3","port":1} for 1h0m0s`},
			{"PUT " + a + "?ttl=2h", `{"host": "10.1.0.3", "port": 1}`, "200 changed", `set web/a {"host":"10.1.0.2","port":1}; set web/a {"host":"10.1.0.3","port":1} for 2h0m0s`},
			{"PATCH " + a, `{"weight": 3}`, "200 changed", `set web/a {"host":"10.1.0.2","port":1,"weight":3}; set web/a {"host":"10.1.0.3","port":1,"weight":3} for 2h0m0s`},
			{"PUT " + a, `{"host": "10.1.0.3", "port": 1, "weight": 3}`, "200 changed", `set web/a {"host":"10.1.0.3","port":1,"weight":3}`},
			{"PUT " + a, `{"host": "10.1.0.3", "port": 1, "weight": 3}`, "200 unchanged", `set web/a {"host":"10.1.0.3","port":1,"weight":3}`},
		},
		"made for a while, then for good": {
			{"PUT /service/new?ttl=1h", `{"host": "10.0.0.3", "port": 80}`, "200 created", `set new {"host":"10.0.0.3","port":80} for 1h0m0s`},
			{"PUT /service/new", `{"host": "10.0.0.3", "port": 80}`, "200 changed", `set new {"host":"10.0.0.3","port":80}`},
			{"DELETE /service/new?ttl=1h", "", "200 hidden", `set new {"host":"10.0.0.3","port":80}; hide new for 1h0m0s`},
			{"PUT /service/new", `{"host": "10.0.0.3", "port": 80}`, "200 created", `set new {"host":"10.0.0.3","port":80}`},
		},
		"hidden for a while": {
			{"PATCH " + a, `{"weight": 7}`, "200 changed", `patch web/a {"weight":7}`},
			{"DELETE " + a + "?ttl=1h", "", "200 hidden", `patch web/a {"weight":7}; hide web/a for 1h0m0s`},
			{"PATCH " + a, `{"weight": 5}`, "404 unable to locate specified object [there is no web/a] [web/a: an override hides it for a while; a PUT of it, or DELETE /overrides/web/a?ending=true, brings it back]", `patch web/a {"weight":7}; hide web/a for 1h0m0s`},
			{"PUT " + a + "?ttl=2h", other, "200 created", `patch web/a {"weight":7}; set web/a {"host":"10.1.0.2","port":1} for 2h0m0s`},
			{"DELETE " + a, "", "200 hidden", `hide web/a`},
			{"PUT " + a + "?ttl=1h", same, "200 created", `hide web/a; set web/a ` + `{"host":"10.1.0.1","port":8080,"pulse":{"type":"none"}} for 1h0m0s`},
			{"PUT " + a, same, "200 changed", `set web/a {"host":"10.1.0.1","port":8080,"pulse":{"type":"none"}}`},
		},
		"a service with its backends": {
			{"PATCH " + a + "?ttl=1h", `{"weight": 0}`, "200 changed", `patch web/a {"weight":0} for 1h0m0s`},
			{"PATCH /service/web?ttl=2h", `{"backends": {"a": null, "c": {"host": "10.1.0.4"}}}`, "200 changed", `hide web/a for 2h0m0s; set web/c {"host":"10.1.0.4"} for 2h0m0s`},
			{"PATCH /service/web", `{"backends": {"c": {"weight": 4}}}`, "200 changed", `hide web/a for 2h0m0s; set web/c {"host":"10.1.0.4","weight":4} for 2h0m0s`},
			{"PATCH /service/web/c", `{"weight": 4}`, "200 unchanged", `hide web/a for 2h0m0s; set web/c {"host":"10.1.0.4","weight":4} for 2h0m0s`},
			{"DELETE /service/web?ttl=1h", "", "200 hidden", `hide web for 1h0m0s; hide web/a for 2h0m0s; set web/c {"host":"10.1.0.4","weight":4} for 2h0m0s`},
			{"DELETE /overrides/web", "", "200", `hide web/a for 2h0m0s; set web/c {"host":"10.1.0.4","weight":4} for 2h0m0s`},
			{"PUT /service/web?replace=true", `{"host": "10.0.0.1", "port": 80, "backends": {"d": {"host": "10.1.0.5"}}}`, "200 changed", `set web {"backends":{"d":{"host":"10.1.0.5"}},"host":"10.0.0.1","port":80}`},
			{"DELETE /service/web", "", "200 hidden", "hide web"},
		},
		// What is in a service that ends does so with it.
		"in a service that ends": {
			{"PUT /service/m?ttl=1h", `{"host": "10.0.0.2", "port": 25, "backends": {"x": {"host": "10.1.0.1", "port": 1}}}`, "200 created", m},
			{"PUT /service/m/x", `{"host": "10.1.0.1", "port": 1}`, "200 unchanged", m},
			{"PUT /service/m/x?replace=true", `{"host": "10.1.0.1", "port": 1, "weight": 3}`, "200 changed", m + `; set m/x {"host":"10.1.0.1","port":1,"weight":3} for 1h0m0s`},
			{"PUT /service/m/y", `{"host": "10.1.0.2", "port": 1}`, "200 created", m + `; set m/x {"host":"10.1.0.1","port":1,"weight":3} for 1h0m0s; set m/y {"host":"10.1.0.2","port":1} for 1h0m0s`},
			{"DELETE /service/m/x", "", "200 hidden", m + `; hide m/x for 1h0m0s; set m/y {"host":"10.1.0.2","port":1} for 1h0m0s`},
			{"DELETE /service/m/x?ttl=2h", "", "200 hidden", m + `; hide m/x for 2h0m0s; set m/y {"host":"10.1.0.2","port":1} for 1h0m0s`},
			{"DELETE /service/m/x", "", "200 hidden", m + `; hide m/x for 1h0m0s; set m/y {"host":"10.1.0.2","port":1} for 1h0m0s`},
			{"PATCH /service/m", `{"method": "rr", "backends": {"y": {"weight": 2}}}`, "200 changed", `set m {"backends":{"x":{"host":"10.1.0.1","port":1}},"host":"10.0.0.2","method":"rr","port":25} for 1h0m0s; hide m/x for 1h0m0s; set m/y {"host":"10.1.0.2","port":1,"weight":2} for 1h0m0s`},
		},
		"hidden, and there for a while": {
			{"DELETE /service/web", "", "200 hidden", "hide web"},
			{"PUT /service/web?ttl=1h", `{"host": "10.0.0.1", "port": 80}`, "200 created", `hide web; set web {"host":"10.0.0.1","port":80} for 1h0m0s`},
			{"PUT /service/web/x", `{"host": "10.1.0.1", "port": 1}`, "200 created", `hide web; set web {"host":"10.0.0.1","port":80} for 1h0m0s; set web/x {"host":"10.1.0.1","port":1} for 1h0m0s`},
		},
		"others in place of the backends for a while": {
			{"PUT /service/web?ttl=1h&replace=true", `{"host": "10.0.0.1", "port": 80, "backends": {"x": {"host": "10.1.0.7"}}}`, "200 changed", x},
			{"PUT /service/web/c", `{"host": "10.1.0.2", "port": 1}`, "200 created", x + `; set web/c {"host":"10.1.0.2","port":1}; set web/c {"host":"10.1.0.2","port":1} for 1h0m0s`},
			{"PUT /service/web/c", `{"host": "10.1.0.2", "port": 1}`, "200 unchanged", x + `; set web/c {"host":"10.1.0.2","port":1}; set web/c {"host":"10.1.0.2","port":1} for 1h0m0s`},
			{"DELETE /service/web/c?ttl=1h", "", "200 hidden", x + `; set web/c {"host":"10.1.0.2","port":1}; hide web/c for 1h0m0s`},
			{"PUT /service/web/c", `{"host": "10.1.0.3", "port": 1}`, "200 created", x + `; set web/c {"host":"10.1.0.3","port":1}; set web/c {"host":"10.1.0.3","port":1} for 1h0m0s`},
		},
		"ends of several fields": {
			{"PATCH " + a + "?ttl=1h&reason=dead", `{"weight": 0}`, "200 changed", `patch web/a {"weight":0} for 1h0m0s (dead)`},
			{"PATCH " + a + "?ttl=2h", `{"weight": 0}`, "200 changed", `patch web/a {"weight":0} for 2h0m0s (dead)`},
			{
				"PATCH " + a + "?ttl=1m", `{"upper_threshold": 5}`, "409 override of web/a: there is a patch (uid 0 (root): dead) that ends at TIME, " +
					"and all of it would end with this one; clear that, or change it without an end, which leaves it its own", `patch web/a {"weight":0} for 2h0m0s (dead)`,
			},
		},
		"raw": {
			{"POST /overrides", `{"kind": "set", "service": "web", "ttl": "1h", "body": {"host": "10.0.0.9", "port": 80, "backends": {"a": {"host": "10.1.0.8"}}}}`, "200", `set web {"host":"10.0.0.9","port":80,"backends":{"a":{"host":"10.1.0.8"}}} for 1h0m0s`},
			{"PATCH " + a, `{"weight": 2}`, "200 changed", `set web {"host":"10.0.0.9","port":80,"backends":{"a":{"host":"10.1.0.8"}}} for 1h0m0s; patch web/a {"weight":2}; patch web/a {"weight":2} for 1h0m0s`},
			{"DELETE " + a, "", "200 hidden", `set web {"host":"10.0.0.9","port":80,"backends":{"a":{"host":"10.1.0.8"}}} for 1h0m0s; hide web/a; hide web/a for 1h0m0s`},
			{"POST /overrides?dry_run=true", `{"kind": "hide", "service": "web"}`, "200", `set web {"host":"10.0.0.9","port":80,"backends":{"a":{"host":"10.1.0.8"}}} for 1h0m0s; hide web/a; hide web/a for 1h0m0s`},
			{"DELETE /overrides?dry_run=true", "", "200", `set web {"host":"10.0.0.9","port":80,"backends":{"a":{"host":"10.1.0.8"}}} for 1h0m0s; hide web/a; hide web/a for 1h0m0s`},
			{"POST /overrides?ttl=3h&reason=r", `{"kind": "hide", "service": "web"}`, "200", `hide web for 3h0m0s (r); hide web/a; hide web/a for 1h0m0s`},
			{"DELETE /overrides/web?ttl=1h", "", "422 what was sent cannot be used [query.ttl: unknown query parameter]", `hide web for 3h0m0s (r); hide web/a; hide web/a for 1h0m0s`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := over(t, web)
			h := routes(f)
			for _, tt := range writes {
				method, target, _ := strings.Cut(tt.do, " ")
				w := exchange(h, method, target, tt.body)
				got := [2]string{clock.ReplaceAllString(told(t, w.Body.Bytes(), w.Code), "TIME"), storedWithEnds(f)}
				if d := cmp.Diff([2]string{tt.want, tt.stored}, got); d != "" {
					t.Errorf("%s %s (-want +got):\n%s", tt.do, tt.body, d)
				}
			}
		})
	}
}

// TestBothOverridesAreTold: what ends, and beneath it what lasts.
func TestBothOverridesAreTold(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	exchange(h, "PATCH", "/service/web/a", `{"weight": 7}`)
	exchange(h, "PATCH", "/service/web/a?ttl=1h", `{"weight": 0}`)
	for _, target := range []string{"/overrides/web/a", "/service/web/a"} {
		var o Override
		answer := exchange(h, "GET", target, "").Body.Bytes()
		if target == "/service/web/a" {
			var info BackendInfo
			if err := json.Unmarshal(answer, &info); err != nil {
				t.Fatal(err)
			}
			o = *info.Override
		} else if err := json.Unmarshal(answer, &o); err != nil {
			t.Fatal(err)
		}
		if o.Until.IsZero() || o.Beneath == nil || !o.Beneath.Until.IsZero() || !strings.Contains(string(o.Beneath.Body), "7") {
			t.Errorf("%s: %s", target, answer)
		}
	}
	tag := exchange(h, "GET", "/overrides/web/a", "").Header().Get("ETag")
	if _, err := f.put(t.Context(), spec.Override{Kind: spec.Patch, Service: "web", Backend: "a", Body: []byte(`{"weight":8}`)}); err != nil {
		t.Fatal(err)
	}
	if now := exchange(h, "GET", "/overrides/web/a", "").Header().Get("ETag"); now == tag {
		t.Errorf("what lies beneath has changed, and the tag is %s as before", tag)
	}
}

// TestOperationsAreOfTheChange: what leaves the configuration as it is asks nothing of the kernel, whatever was done before.
func TestOperationsAreOfTheChange(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	const op = "-e -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 5"
	f.settled = func(context.Context, uint64, string) (Settled, error) { return Settled{Operations: []string{op}}, nil }
	for _, tt := range []struct{ do, body, want string }{
		{"PATCH /service/web/a?ttl=1h", `{"weight": 5}`, "200 changed " + op},
		{"PATCH /service/web/a", `{"weight": 5}`, "200 changed"},
		{"POST /overrides", `{"kind": "patch", "service": "web", "backend": "a", "body": {}}`, "200"},
		{"DELETE /overrides/web/a?ending=true", "", "200"},
		{"DELETE /overrides/web/a", "", "200 " + op},
	} {
		method, target, _ := strings.Cut(tt.do, " ")
		w := exchange(h, method, target, tt.body)
		if got := told(t, w.Body.Bytes(), w.Code); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.do, got, tt.want)
		}
	}
}

// TestOverrideThatWaits: who asks while something waits is told what, also where the time is over in the midst of a look.
func TestOverrideThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := over(t, web)
		looks := 0
		f.settled = func(ctx context.Context, _ uint64, _ string) (Settled, error) {
			if looks++; looks == 1 {
				return Settled{Waiting: &WaitingReason{Why: "b is not up"}}, nil
			}
			<-ctx.Done()
			return Settled{}, ctx.Err()
		}
		w := exchange(routes(f), "POST", "/overrides?wait=200ms", `{"kind": "patch", "service": "web", "backend": "a", "body": {"weight": 0}}`)
		if got := told(t, w.Body.Bytes(), w.Code); looks < 2 || got != "202 b is not up /service/web/a" {
			t.Errorf("%d looks: %s", looks, got)
		}
	})
}
