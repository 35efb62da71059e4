package main

import (
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// liveness is how many backends of each service are how, for those who ask on other goroutines than the reconciler's. With
// a wake, the zero value is ready, and knows nothing.
type liveness struct {
	wake func() // a service has come to be without any backend that is up, or is so no more; it does not block

	mu     sync.Mutex // guards what follows
	counts map[string]probe.Counts
	total  probe.Counts
	down   map[string]bool // the services all of whose backends are down
}

// note takes down how the backends of a service are now; none at all: it is gone.
func (l *liveness) note(service string, c probe.Counts) {
	if was := l.swap(service, c); was.AllDown() != c.AllDown() {
		l.wake()
	}
}

// swap returns how they were.
func (l *liveness) swap(service string, c probe.Counts) probe.Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts, l.down = make(map[string]probe.Counts), make(map[string]bool)
	}
	was := l.counts[service]
	l.total.Up += c.Up - was.Up
	l.total.Down += c.Down - was.Down
	l.total.Unanswered += c.Unanswered - was.Unanswered
	l.total.Unchecked += c.Unchecked - was.Unchecked
	l.total.Drained += c.Drained - was.Drained
	l.total.Kept += c.Kept - was.Kept
	l.counts[service] = c
	if c == (probe.Counts{}) {
		delete(l.counts, service)
	}
	if c.AllDown() {
		l.down[service] = true
	} else {
		delete(l.down, service)
	}
	return was
}

// of is the Liveness of a service, for its registration. A backend that has not answered yet counts as up there: a restart
// of gorb, whose backends keep what they have until they answer, is not to take a service away from those who look for it.
// One that is declared with weight 0 serves nobody, and does not count.
func (l *liveness) of(s *spec.Service) sources.Liveness {
	l.mu.Lock()
	c, known := l.counts[s.Name]
	l.mu.Unlock()
	if !known {
		return sources.AllUp(s)
	}
	up := c.Up + c.Unanswered + c.Unchecked + c.Kept
	return sources.Liveness{Up: up, All: up + c.Down, Pulse: c.Up+c.Unanswered+c.Down > 0}
}

// totals adds what is known of all services to what is said of the checks.
func (l *liveness) totals(into *httpapi.HealthTotals) {
	l.mu.Lock()
	defer l.mu.Unlock()
	into.Backends = newCounts(l.total)
	into.AllDown = firstNames(maps.Keys(l.down), len(l.down))
}

// firstNames is how many services there are, and the first of them by name.
func firstNames(names iter.Seq[string], n int) httpapi.Named {
	sorted := slices.Sorted(names)
	return httpapi.Named{Count: n, Names: append([]string{}, sorted[:min(n, mostNames)]...)}
}
