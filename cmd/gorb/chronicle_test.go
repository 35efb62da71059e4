package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// sights is what a chronicle looks at, as a test says.
type sights struct {
	status    sources.Status
	desired   *spec.Desired
	overrides []*sources.StoredOverride
	audit     []sources.Entry
	passes    reconcile.Passes
	hangs     time.Time // from when on the checks do; zero: they do not
}

func (s *sights) Status() sources.Status            { return s.status }
func (s *sights) Desired() *spec.Desired            { return s.desired }
func (s *sights) Kept() []*sources.StoredOverride   { return s.overrides }
func (s *sights) Audit(uint64, int) []sources.Entry { return s.audit }
func (s *sights) Passes() reconcile.Passes          { return s.passes }
func (s *sights) Checks() *httpapi.HealthTotals {
	if s.hangs.IsZero() || time.Now().Before(s.hangs) {
		return nil
	}
	return &httpapi.HealthTotals{Engine: httpapi.Engine{HangsMS: 60_000}}
}
func (s *sights) Busy() time.Duration { return 0 }
func (s *sights) good(names ...string) []sources.SourceStatus {
	var list []sources.SourceStatus
	for _, name := range names {
		list = append(list, sources.SourceStatus{Name: name, State: sources.Good})
	}
	return list
}

// ofServices has services of these names, in order, each with one backend "a".
func ofServices(names ...string) *spec.Desired {
	d := new(spec.Desired)
	for _, name := range names {
		d.Services = append(d.Services, spec.Service{Name: name, Backends: []spec.Backend{{Name: "a", Weight: 1}}})
	}
	return d
}

// chronicling returns a chronicle, and what takes what was published since it was called last, as JSON, without times.
func chronicling(t *testing.T, s *sights) (*chronicle, func() []string) {
	t.Helper()
	var mu sync.Mutex // guards texts
	var texts []string
	c := newChronicle(s, s, func(e httpapi.EventData) {
		body, err := json.Marshal(e)
		if err != nil {
			t.Error(err)
		}
		var fields map[string]any
		_ = json.Unmarshal(body, &fields)
		delete(fields, "at")
		body, _ = json.Marshal(fields)
		mu.Lock()
		defer mu.Unlock()
		texts = append(texts, string(body))
	})
	return c, func() []string {
		mu.Lock()
		defer mu.Unlock()
		took := texts
		texts = nil
		return took
	}
}

// TestChronicle has everything happen that there are events of.
func TestChronicle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(sights)
		c, took := chronicling(t, s)
		check := func(what string, want ...string) {
			t.Helper()
			c.tell()
			if diff := cmp.Diff(want, took()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		check("nothing")
		s.status.Sources, s.desired, s.passes.Whole = s.good("gorb.toml", "page"), ofServices("mail", "web"), time.Now()
		check("the first configuration", `{"ready":true}`)
		s.desired = ofServices("mail", "web")
		check("another one that is the same")
		s.desired = ofServices("dns", "web")
		s.desired.Services[1].Backends[0].Weight = 7
		check("another one",
			`{"change":"declared","service":"dns"}`, `{"change":"gone","service":"mail"}`, `{"change":"changed","service":"web"}`)

		s.status.Sources = s.good("gorb.toml", "page", "new")
		s.status.Sources[1].State, s.status.Sources[1].Err = sources.Failing, "HTTP 500"
		check("a source that fails, and one more", `{"error":"HTTP 500","source":"page","state":"failing"}`, `{"source":"new","state":"good"}`)
		s.status.Refused = "gorb.toml:1: no"
		check("refused", `{"error":"gorb.toml:1: no","good":false}`)
		s.status.Refused = ""
		check("good again", `{"good":true}`)

		s.status.Sources = slices.Clone(s.status.Sources)
		s.status.Sources[0].Held = sources.Held{Count: 3, Names: []string{"dns", "web", "web/a"}}
		check("held", `{"change":"held","count":3,"names":["dns","web","web/a"],"source":"gorb.toml"}`)
		s.status.Sources = s.good("gorb.toml", "page", "new")
		s.desired = ofServices("web")
		check("one is done, two have returned", `{"source":"page","state":"good"}`,
			`{"change":"gone","service":"dns"}`, `{"change":"changed","service":"web"}`,
			`{"change":"accepted","count":1,"names":["dns"],"source":"gorb.toml"}`,
			`{"change":"returned","count":2,"names":["web","web/a"],"source":"gorb.toml"}`)
	})
}

// TestChronicleRuns is woken, and looks by itself at what nobody tells of.
func TestChronicleRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sights{passes: reconcile.Passes{Whole: time.Now()}, hangs: time.Now().Add(lookAgain / 2)}
		c, took := chronicling(t, s)
		go func() { _ = c.Run(t.Context()) }()
		synctest.Wait()
		if got := took(); got != nil {
			t.Errorf("before it is woken: %s", got)
		}
		c.wake()
		synctest.Wait()
		if diff := cmp.Diff([]string{`{"ready":true}`}, took()); diff != "" {
			t.Errorf("woken (-want +got):\n%s", diff)
		}
		time.Sleep(lookAgain)
		synctest.Wait()
		if diff := cmp.Diff([]string{`{"not_ready":["the checks hang: nothing has been judged for 60 s"],"ready":false}`}, took()); diff != "" {
			t.Errorf("the checks hang (-want +got):\n%s", diff)
		}
	})
}

// TestChronicleOfOverrides has overrides come and go in each way.
func TestChronicleOfOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(sights)
		s.overrides = []*sources.StoredOverride{{Override: spec.Override{Kind: spec.Hide, Service: "old"}, Revision: 1}}
		c, took := chronicling(t, s)
		until := time.Now().Add(time.Minute)
		put := func(revision uint64, kind spec.OverrideKind, service, backend string, until time.Time) *sources.StoredOverride {
			return &sources.StoredOverride{Revision: revision, Override: spec.Override{
				Kind: kind, Service: service, Backend: backend, By: "token ci", Reason: "slow disk", Until: until,
			}}
		}
		none := time.Time{}
		for _, step := range []struct {
			name      string
			wait      time.Duration
			overrides []*sources.StoredOverride
			audit     []sources.Entry
			want      []string
		}{
			{"what was there is no news, and is cleared by nobody known", 0, nil, nil, []string{`{"change":"cleared","revision":1,"service":"old"}`}},
			{"written", 0, []*sources.StoredOverride{put(3, spec.Set, "web", "", none), put(2, spec.Patch, "web", "a", none)}, nil, []string{
				`{"by":"token ci","change":"set","reason":"slow disk","revision":3,"service":"web"}`,
				`{"backend":"a","by":"token ci","change":"patch","reason":"slow disk","revision":2,"service":"web"}`,
			}},
			{"the same once more", 0, []*sources.StoredOverride{put(3, spec.Set, "web", "", none), put(2, spec.Patch, "web", "a", none)}, nil, nil},
			{"cleared by somebody, the one with the other", 0, nil, []sources.Entry{
				{Who: "user bob", Object: "web", What: "DELETE /service/web", Reason: "done", Revision: 5},
				{Who: "token ci", Object: "web/a", What: "PATCH /service/web/a", Revision: 2},
			}, []string{
				`{"by":"user bob","change":"cleared","reason":"done","revision":5,"service":"web"}`,
				`{"backend":"a","by":"user bob","change":"cleared","reason":"done","revision":5,"service":"web"}`,
			}},
			{"with an end", 0, []*sources.StoredOverride{put(6, spec.Patch, "web", "a", until), put(7, spec.Patch, "web", "b", until)}, nil, []string{
				`{"backend":"a","by":"token ci","change":"patch","reason":"slow disk","revision":6,"service":"web","until":"2000-01-01T00:01:00Z"}`,
				`{"backend":"b","by":"token ci","change":"patch","reason":"slow disk","revision":7,"service":"web","until":"2000-01-01T00:01:00Z"}`,
			}},
			{"one has ended, and one was cleared just before that", time.Minute, nil, []sources.Entry{
				{Who: "user bob", Object: "web/b", What: "DELETE /overrides/web/b", Revision: 8, At: until.Add(-1)},
				{Who: "token ci", Object: "web/a", What: "PATCH /service/web/a", Revision: 7},
			}, []string{
				`{"backend":"a","by":"token ci","change":"ended","reason":"slow disk","revision":6,"service":"web","until":"2000-01-01T00:01:00Z"}`,
				`{"backend":"b","by":"user bob","change":"cleared","revision":8,"service":"web","until":"2000-01-01T00:01:00Z"}`,
			}},
		} {
			time.Sleep(step.wait)
			for i := range step.overrides {
				step.overrides[i].Until = step.overrides[i].Until.UTC()
			}
			s.overrides, s.audit = step.overrides, step.audit
			c.tell()
			if diff := cmp.Diff(step.want, took()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.name, diff)
			}
		}
	})
}

// TestChronicleOfPasses tells of what the reconciler tells.
func TestChronicleOfPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, took := chronicling(t, new(sights))
		tell := c.events()
		op := func(kind kernel.OpKind) kernel.Op {
			return kernel.Op{Kind: kind, Key: kernel.ServiceKey{Mark: 1}, Service: kernel.Service{Scheduler: "rr"}}
		}
		tell.Passed(reconcile.Passed{Cause: "resync"})
		tell.Passed(reconcile.Passed{Cause: "drain", Results: []reconcile.Result{{Op: op(kernel.DeleteService), Err: reconcile.ErrHeld}}})
		tell.Passed(reconcile.Passed{
			Cause: "retry", Errs: []error{errors.New("no room")},
			Results: []reconcile.Result{{Op: op(kernel.AddService)}, {Op: op(kernel.DeleteService), Err: errors.New("no room")}},
		})
		tell.Turned(reconcile.Turned{Ref: probe.Ref{Service: "web", Backend: "a"}, Was: probe.Up, Is: probe.Down, Text: "refused"})
		tell.Fell(reconcile.Fell{Service: "web", AllDown: true})
		tell.Fell(reconcile.Fell{Service: "web"})
		c.tell()
		if diff := cmp.Diff([]string{
			`{"cause":"retry","errors":["no room"],"failed":1,"operations":["-A -f 1 -s rr -M 0.0.0.0"],"services":null,"touched":0,"written":1}`,
			`{"backend":"a","is":"down","service":"web","was":"up","why":"refused"}`,
			`{"change":"down","service":"web"}`, `{"change":"up","service":"web"}`,
		}, took()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for i := range 3 * mostAtOnce {
			tell.Turned(reconcile.Turned{Ref: probe.Ref{Service: "web", Backend: fmt.Sprint(i)}, Is: probe.Up})
		}
		c.tell()
		storm := took()
		if last := storm[len(storm)-1]; len(storm) != mostAtOnce || last != `{"backend":"499","is":"up","others":1000,"service":"web","was":"unanswered"}` {
			t.Errorf("of a storm there are %d, and the last is %s", len(storm), last)
		}
	})
}

// TestComparedServices compares random configurations: who applies what is told to the one has the other.
func TestComparedServices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) ([]spec.Service, map[string]uint32) {
			weights := rapid.MapOf(rapid.StringOfN(rapid.RuneFrom([]rune("ab-./")), 1, 2, -1), rapid.Uint32Range(0, 2)).Draw(t, label)
			return servicesOf(weights), weights
		}
		was, before := draw("was")
		now, after := draw("now")
		var m moment
		compareServices(was, now, &m)
		for _, e := range m.events {
			s := e.(*httpapi.ServiceEvent)
			switch weight, there := after[s.Service]; {
			case s.Change == httpapi.ServiceGone && !there:
				delete(before, s.Service)
			case s.Change != httpapi.ServiceGone && there && before[s.Service] != weight || s.Change == httpapi.ServiceDeclared:
				before[s.Service] = weight
			default:
				t.Fatalf("%+v of %v and %v", s, before, after)
			}
		}
		if diff := cmp.Diff(after, before); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// servicesOf are services by name, each with one backend of a weight.
func servicesOf(weights map[string]uint32) []spec.Service {
	var list []spec.Service
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		list = append(list, spec.Service{Name: name, Backends: []spec.Backend{{Name: "a", Weight: weights[name]}}})
	}
	return list
}
