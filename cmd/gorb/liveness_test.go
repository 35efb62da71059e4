package main

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

func TestLiveness(t *testing.T) {
	woken := 0
	l := &liveness{wake: func() { woken++ }}
	web := &spec.Service{Name: "web", Backends: make([]spec.Backend, 3)}
	for _, tt := range []struct {
		name  string
		is    probe.Counts
		want  sources.Liveness
		wakes int
	}{
		{"not answered yet, as after a restart", probe.Counts{Unanswered: 3}, sources.Liveness{Up: 3, All: 3, Pulse: true}, 0},
		{"one answers, and is down", probe.Counts{Down: 1, Unanswered: 2}, sources.Liveness{Up: 2, All: 3, Pulse: true}, 0},
		{"all are down", probe.Counts{Down: 3}, sources.Liveness{Up: 0, All: 3, Pulse: true}, 1},
		{"still", probe.Counts{Down: 3}, sources.Liveness{Up: 0, All: 3, Pulse: true}, 1},
		{"one less, and still", probe.Counts{Down: 2}, sources.Liveness{Up: 0, All: 2, Pulse: true}, 1},
		{"one is back", probe.Counts{Up: 1, Down: 1}, sources.Liveness{Up: 1, All: 2, Pulse: true}, 2},
		{"one without a pulse counts as up", probe.Counts{Down: 2, Unchecked: 1}, sources.Liveness{Up: 1, All: 3, Pulse: true}, 2},
		{"none has a pulse", probe.Counts{Unchecked: 3}, sources.Liveness{Up: 3, All: 3}, 2},
		{"all are down once more", probe.Counts{Down: 3}, sources.Liveness{Up: 0, All: 3, Pulse: true}, 3},
		{"it is gone", probe.Counts{}, sources.AllUp(web), 4},
	} {
		l.note("web", tt.is)
		if got := l.of(web); got != tt.want || woken != tt.wakes {
			t.Errorf("%s: %+v, woken %d times; want %+v, %d times", tt.name, got, woken, tt.want, tt.wakes)
		}
	}
}

func TestLivenessTotals(t *testing.T) {
	l := &liveness{wake: func() {}}
	want := &httpapi.HealthTotals{AllDown: httpapi.Named{Names: []string{}}}
	got := new(httpapi.HealthTotals)
	l.totals(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("of nothing (-want +got):\n%s", d)
	}
	var all sync.WaitGroup
	for i := range 15 {
		all.Go(func() {
			name := fmt.Sprintf("s%02d", i)
			l.note(name, probe.Counts{Up: 9, Unanswered: i})
			l.of(&spec.Service{Name: name})
			l.note(name, probe.Counts{Down: 2})
		})
	}
	all.Wait()
	l.note("s00", probe.Counts{Up: 1, Unchecked: 1, Unanswered: 1})
	l.note("s01", probe.Counts{})
	want = &httpapi.HealthTotals{
		Backends: httpapi.Counts{Up: 1, Down: 26, Unanswered: 1, Unchecked: 1},
		AllDown: httpapi.Named{
			Count: 13, Names: []string{"s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11"},
		},
	}
	l.totals(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
