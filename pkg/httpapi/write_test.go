package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// told is an answer to a change in one line: its status, what it says, what it was about to do, and its error.
func told(t *testing.T, body []byte, code int) string {
	t.Helper()
	var w struct {
		Result, Pending, See, Error string
		Operations                  []string
		Problems                    []Problem
	}
	if err := json.Unmarshal(body, &w); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	line := fmt.Sprint(code)
	for _, text := range append([]string{w.Result, w.Error, w.Pending, w.See}, w.Operations...) {
		if text != "" {
			line += " " + text
		}
	}
	for _, p := range w.Problems {
		line += " [" + strings.TrimPrefix(p.Path+": "+p.Message, ": ") + "]"
	}
	return line
}

// stored are the overrides of a daemon, in order.
func stored(f *fakeDaemon) string {
	var list []string
	for _, o := range f.List() {
		list = append(list, strings.TrimSpace(string(o.Kind)+" "+o.Object()+" "+string(o.Body)))
	}
	return strings.Join(list, "; ")
}

// TestWrites has changes one after another: what they answer, and what is written over the sources then.
func TestWrites(t *testing.T) {
	f := over(t, web+"[services.dns]\nhost = \"10.0.0.2\"\nport = 53\nprotocol = \"udp\"\n")
	h := routes(f)
	const a = "/service/web/a"
	for _, tt := range []struct{ do, body, want, stored string }{
		{"PATCH " + a, `{}`, "200 unchanged", ""},
		{"PATCH " + a, `{"weight": 100, "host": "10.1.0.1", "method": "nat"}`, "200 unchanged", ""},
		{"PUT " + a, `{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, "200 unchanged", ""},
		{"PUT " + a, `{"host": "10.1.0.1", "port": 8080}`, "409 specified object already exists " +
			"[web/a: it is there and is another; PATCH changes it, ?replace=true takes its place]", ""},
		// A client that sends all of it for the weight does not fix the rest.
		{
			"PATCH " + a, `{"host": "10.1.0.1", "port": 8080, "weight": 0, "pulse": {"type": "none"}}`,
			"200 changed", `patch web/a {"weight":0}`,
		},
		{"PATCH " + a, `{"weight": 0}`, "200 unchanged", `patch web/a {"weight":0}`},
		{"DELETE " + a, "", "200 hidden", "hide web/a"},
		{"PATCH " + a, `{"weight": 5}`, "404 unable to locate specified object [there is no web/a] [web/a: an override hides it; a PUT of it, or DELETE /overrides/web/a, brings it back]", "hide web/a"},
		{"DELETE " + a, "", "404 unable to locate specified object [there is no web/a] [web/a: an override hides it; a PUT of it, or DELETE /overrides/web/a, brings it back]", "hide web/a"},
		{"PUT " + a + "?dry_run=true", `{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, "200 unhidden", "hide web/a"},
		{"PUT " + a, `{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, "200 unhidden", ""},
		{"DELETE " + a, "", "200 hidden", "hide web/a"},
		// What is put in the place of one that is hidden, and is another.
		{"PUT " + a, `{"host": "10.1.0.9", "port": 8080}`, "200 created", `set web/a {"host":"10.1.0.9","port":8080}`},
		{"DELETE " + a, "", "200 hidden", "hide web/a"},
		{"DELETE /overrides/web/a", "", "200", ""},
		{"PUT " + a + "?replace=true", `{"host": "10.1.0.2", "port": 1}`, "200 changed", `set web/a {"host":"10.1.0.2","port":1}`},
		{"DELETE /overrides/web/a", "", "200", ""},

		{"PUT /service/web", `{"host": "10.0.0.1", "port": 80}`, "200 unchanged", ""},
		{"PUT /service/web", `{"host": "10.0.0.1", "port": 80, "backends": {"b": {"host": "10.1.0.2"}}}`, "409 specified object already exists " +
			"[web: it is there and is another; PATCH changes it, ?replace=true takes its place]", ""},
		{"PATCH /service/web", `{"backends": {"a": {"weight": 3}}, "port": 80}`, "200 changed", `patch web/a {"weight":3}`},
		{"PATCH /service/web", `{"backends": null}`, "200 changed", `hide web/a`},
		{"DELETE /service/web", "", "200 hidden", "hide web"},
		{"PUT /service/web", `{"host": "10.0.0.1", "port": 80}`, "200 unhidden", ""},
		{"PUT /service/dns", `{"host": "10.0.0.1", "port": 80}`, "409 specified object already exists " +
			"[services.dns: tcp 10.0.0.1:80 is service web already]", ""},
		{"PUT /service/new", `{"port": 80, "host": "10.0.0.3"}`, "200 created", `set new {"host":"10.0.0.3","port":80}`},
		{
			"PUT /service/new/b", `{"port": 80, "host": "10.3.0.1"}`, "200 created",
			`set new {"host":"10.0.0.3","port":80}; set new/b {"host":"10.3.0.1","port":80}`,
		},
		{"DELETE /service/new", "", "200 removed", ""}, // with its backend
		{"DELETE /service/new", "", "404 unable to locate specified object [there is no new]", ""},

		// In GORB's order: what is wrong with the body is said before what is there or missing.
		{"PUT /service/web/b", `{"host": "10.1.0.2", "port": 0}`, "400 endpoint information is missing [services.web.backends.b.port: 0 is no port that a connection gets through to; without it that of the service counts]", ""},
		{"PUT /service/gone/b", `{"port": 80}`, "400 endpoint information is missing [services.gone.backends.b.host: missing; a backend needs one]", ""},
		{"PUT /service/gone/b", `{"port": 80, "host": "10.3.0.1"}`, "404 unable to locate specified object [there is no service gone]", ""},
	} {
		method, target, _ := strings.Cut(tt.do, " ")
		w := exchange(h, method, target, tt.body)
		got := [2]string{told(t, w.Body.Bytes(), w.Code), stored(f)}
		if d := cmp.Diff([2]string{tt.want, tt.stored}, got); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.do, tt.body, d)
		}
	}
}

// TestOthersAreQuicker has somebody else write between the look and the writing: once, and then always.
func TestOthersAreQuicker(t *testing.T) {
	for name, times := range map[string]int{"once": 1, "as often as is tried, but one": mostAttempts - 1, "always": 1000} {
		f := over(t, web)
		h := routes(f)
		tried := 0
		f.writes = func([]sources.Write) error {
			if tried++; tried <= times {
				_, err := f.put(t.Context(), spec.Override{
					Kind: spec.Patch, Service: "web", Backend: "a", Body: fmt.Appendf(nil, `{"port": %d}`, 9000+tried),
				})
				return err
			}
			return nil
		}
		w := exchange(h, "PATCH", "/service/web/a", `{"weight": 7}`)
		got, want := told(t, w.Body.Bytes(), w.Code), "200 changed"
		if times >= mostAttempts {
			want = "409 others change web/a at the same time, again and again"
		}
		if got != want || times < mostAttempts && stored(f) != fmt.Sprintf(`patch web/a {"port":%d,"weight":7}`, 9000+times) {
			t.Errorf("%s: %s\n%s", name, got, stored(f))
		}
		tried = 0
		for _, target := range []string{"/overrides/web/a", "/overrides"} {
			w := exchange(h, "DELETE", target, "")
			if got, ok := w.Code, w.Code == 200; ok == (times >= mostAttempts) || !ok && got != 409 {
				t.Errorf("%s: DELETE %s: %d %s", name, target, w.Code, w.Body)
			}
		}
	}
}

func TestLeanPatch(t *testing.T) {
	f := over(t, web)
	of := func(at object, body string) (before, after *spec.Service) {
		t.Helper()
		tried, err := f.TryWrites(sources.Write{Override: spec.Override{
			Kind: spec.Patch, Service: at.service, Backend: at.backend, Body: []byte(body),
		}})
		if err != nil {
			t.Fatal(err)
		}
		before = f.Desired().Service(at.service)
		return before, at.serviceIn(tried, before)
	}
	for _, tt := range []struct{ backend, body, want string }{
		{"a", `{}`, ""},
		{"a", `{"weight": 100}`, ""},
		{"a", `{"weight": 7}`, `{"weight": 7}`},
		{"a", `{"weight": 7, "port": 8080, "host": "10.1.0.1"}`, `{"weight":7}`},
		{"a", `{"weight": null}`, ""}, // it is what it is by default
		{"a", `{"pulse": {"type": "tcp"}, "weight": 100}`, `{"pulse":{"type":"tcp"}}`},
		{"a", `{"disabled": false}`, `{"disabled":false}`}, // what is disabled does not show
		{"", `{"port": 80, "method": "wrr"}`, ""},
		{"", `{"port": 81, "method": "wrr"}`, `{"port":81}`},
		{"", `{"backends": {"a": {"weight": 100}}}`, ""},
		{"", `{"backends": {"a": {"weight": 1}}, "port": 80}`, `{"backends":{"a":{"weight":1}}}`},
		{"", `{"backends": {"b": {"host": "10.1.0.2"}}}`, `{"backends":{"b":{"host":"10.1.0.2"}}}`},
	} {
		at := object{"web", tt.backend}
		before, after := of(at, tt.body)
		if got := string(overlay(nil).leanPatch(spec.Override{Service: at.service, Backend: at.backend, Body: []byte(tt.body)}, before, after, before)); got != tt.want {
			t.Errorf("%s %s: %s, want %s", at, tt.body, got, tt.want)
		}
	}
}

// TestSettle has what becomes of a change that is stored.
func TestSettle(t *testing.T) {
	ops := []string{"-e -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 7"}
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	refusal := func(r Refusal) Settled {
		r.Reason = "edit 10.1.0.1:8080: no room"
		return Settled{Refused: []Refusal{r}}
	}
	refused := func() Settled { return refusal(Refusal{Backend: netip.MustParseAddrPort("10.1.0.1:9")}) }
	const was = `patch web/a {"port":9}`
	const now = `patch web/a {"port":9,"weight":7}`
	const no = "500 error while calling into IPVS [web/a: edit 10.1.0.1:8080: no room] "
	for name, tt := range map[string]struct {
		query   string
		settled func(ctx context.Context, f *fakeDaemon, n int) (Settled, error)
		want    string
		stored  string
		audit   string
	}{
		"it has it": {"", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return Settled{Operations: ops}, nil
		}, "200 changed " + ops[0], now, "200 changed"},
		"others drain": {"", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return Settled{Draining: 2}, nil
		}, "200 changed backends that leave: 2; they go when they have no connections", now, "200 changed"},
		"not yet": {"wait=1s", func(ctx context.Context, _ *fakeDaemon, _ int) (Settled, error) {
			<-ctx.Done()
			return Settled{}, ctx.Err()
		}, "202 changed it is stored, and no pass has come to it yet /service/web/a", now, "202 changed; pending: it is stored, and no pass has come to it yet"},
		"it waits for ever": {"wait=1s", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return Settled{Waiting: &WaitingReason{Why: "b is not up", Until: until}}, nil
		}, "202 changed b is not up /service/web/a", now, "202 changed; pending: b is not up"},
		"it is held back": {"wait=1s", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return Settled{Operations: ops, Held: []string{"-d x: y", "-d z: y"}}, nil
		}, "202 changed -d x: y; -d z: y /service/web/a " + ops[0], now, "202 changed; pending: -d x: y; -d z: y"},
		"it waits a while": {"", func(_ context.Context, _ *fakeDaemon, n int) (Settled, error) {
			if n < 3 {
				return Settled{Waiting: &WaitingReason{Why: "b is not up"}}, nil
			}
			return Settled{Operations: ops}, nil
		}, "200 changed " + ops[0], now, "200 changed"},
		"it is refused": {"", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return refused(), nil
		}, no + "[the change is withdrawn]", was, "500 error while calling into IPVS: edit 10.1.0.1:8080: no room; the change is withdrawn"},
		"the service cannot be made": {"", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return refusal(Refusal{Missing: true}), nil
		}, no + "[the change is withdrawn]", was, "500 error while calling into IPVS: edit 10.1.0.1:8080: no room; the change is withdrawn"},
		"another is refused": {"", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return refusal(Refusal{Backend: netip.MustParseAddrPort("10.1.0.2:8080")}), nil
		}, "200 changed", now, "200 changed"},
		"the service is refused, which is as before": {"", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return refusal(Refusal{}), nil
		}, "200 changed", now, "200 changed"},
		"it is kept": {"keep=true", func(context.Context, *fakeDaemon, int) (Settled, error) {
			return refused(), nil
		}, no + "[the change is kept, and tried again]", now, "500 error while calling into IPVS: edit 10.1.0.1:8080: no room; the change is kept, and tried again"},
		"somebody changed it meanwhile": {
			"", func(ctx context.Context, f *fakeDaemon, _ int) (Settled, error) {
				_, err := f.put(ctx, spec.Override{Kind: spec.Patch, Service: "web", Backend: "a", Body: []byte(`{"weight": 8}`)})
				return refused(), err
			}, no + "[the change is not withdrawn: somebody has changed it since]", `patch web/a {"port":9,"weight":8}`,
			"500 error while calling into IPVS: edit 10.1.0.1:8080: no room; the change is not withdrawn: somebody has changed it since",
		},
		"it cannot be withdrawn": {
			"", func(_ context.Context, f *fakeDaemon, _ int) (Settled, error) {
				f.writes = func([]sources.Write) error { return errors.New("disk full") }
				return refused(), nil
			}, no + "[the change could not be withdrawn: disk full]", now,
			"500 error while calling into IPVS: edit 10.1.0.1:8080: no room; the change could not be withdrawn: disk full",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := over(t, web)
				h := routes(f)
				if w := exchange(h, "PATCH", "/service/web/a", `{"port": 9}`); w.Code != 200 {
					t.Fatal(w.Body)
				}
				n := 0
				f.settled = func(ctx context.Context, serial uint64, service string) (Settled, error) {
					if d := f.Desired(); n == 0 && (serial != d.Serial || service != "web" || d.Service("web").Backend("a").Weight != 7) {
						t.Errorf("asked for %s of %d, and there is %d", service, serial, d.Serial)
					}
					n++
					return tt.settled(ctx, f, n)
				}
				w := exchange(h, "PATCH", "/service/web/a?"+tt.query, `{"weight": 7}`)
				if got := told(t, w.Body.Bytes(), w.Code); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if (w.Code == 202) != (w.Header().Get("Location") == "/service/web/a") || (w.Code == 200) != (w.Header().Get("ETag") != "") {
					t.Errorf("%d with %v", w.Code, w.Header())
				}
				if got := stored(f); got != tt.stored {
					t.Errorf("stored is %s, want %s", got, tt.stored)
				}
				time.Sleep(time.Minute) // an amendment of the audit does not wait for the disk
				e := f.Audit(0, 1)[0]
				if got := fmt.Sprint(e.Status, " ", e.Result); got != tt.audit {
					t.Errorf("the audit has %s, want %s", got, tt.audit)
				}
			})
		})
	}
}

// TestSettleUnlooked has a change that nobody has looked at within the time: the layers do not go on.
func TestSettleUnlooked(t *testing.T) {
	f := over(t, web)
	h := routes(asleep{f})
	w := exchange(h, "PATCH", "/service/web/a?wait=10ms", `{"weight": 7}`)
	if got := told(t, w.Body.Bytes(), w.Code); got != "202 changed it is stored, and gorb has not looked at it yet /service/web/a" {
		t.Error(got)
	}
	// Another change would be decided by what does not count any more.
	synctest.Test(t, func(t *testing.T) {
		w := exchange(h, "PATCH", "/service/web/a", `{"weight": 8}`)
		if got := told(t, w.Body.Bytes(), w.Code); got != "503 gorb is starting or ending, or has too much to do" {
			t.Error(got)
		}
	})
	f.nothing = true
	w = exchange(routes(f), "PATCH", "/service/web/a", `{"weight": 8}`)
	if got := told(t, w.Body.Bytes(), w.Code); got != "503 there is no configuration yet" {
		t.Error(got)
	}
}

// asleep has layers that look at nothing that is new.
type asleep struct{ *fakeDaemon }

func (a asleep) Await(ctx context.Context, revision uint64) (sources.Judged, error) {
	if revision == 0 {
		return a.fakeDaemon.Await(ctx, 0)
	}
	<-ctx.Done()
	return sources.Judged{}, ctx.Err()
}

// TestDryRun has the operations of the service alone, and what it waits for.
func TestDryRun(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	f.planned = func(d *spec.Desired) (*Plan, error) {
		weight := d.Service("web").Backend("a").Weight
		return &Plan{
			Operations: []Operation{
				{Name: "dns", Args: "-D -u 10.0.0.2:53"}, {Name: "web", Args: fmt.Sprint("-w ", weight)}, {Name: "web", Command: "ip addr"},
			},
			Waiting: []Waiting{{Name: "web", Reason: WaitingReason{Why: "b is not up"}}},
		}, nil
	}
	w := exchange(h, "PATCH", "/service/web/a?dry_run=true", `{"weight": 7}`)
	if got := told(t, w.Body.Bytes(), w.Code); got != "200 changed b is not up -w 7 ip addr" {
		t.Error(got)
	}
	// Its tag is what the object's would be.
	if tag := exchange(h, "PATCH", "/service/web/a", `{"weight": 7}`).Header().Get("ETag"); tag != w.Header().Get("ETag") {
		t.Errorf("the tag is %s, and was to be %s", tag, w.Header().Get("ETag"))
	}
	f.planned = func(*spec.Desired) (*Plan, error) { return nil, errors.New("the table cannot be read") }
	w = exchange(h, "PATCH", "/service/web/a?dry_run=true", `{"weight": 8}`)
	if got := told(t, w.Body.Bytes(), w.Code); got != "500 the table cannot be read" || stored(f) != `patch web/a {"weight":7}` {
		t.Error(got, stored(f))
	}
}
