package probe

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// edit is one of some services, some time after the one before.
type edit struct {
	After    time.Duration
	Services map[string]map[string]declared
}

// declared is a backend: what its target is, and its interval.
type declared struct {
	Target   string
	Interval time.Duration
}

var (
	someBackends = rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.Custom(func(t *rapid.T) declared {
		return declared{
			Target:   rapid.SampledFrom([]string{"t", "u", "v", "w"}).Draw(t, "target"),
			Interval: rapid.SampledFrom([]time.Duration{2 * second, 5 * second}).Draw(t, "interval"),
		}
	}), 0, 3)
	edits = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) edit {
		return edit{
			After:    time.Duration(rapid.IntRange(0, 15_000).Draw(t, "after")) * time.Millisecond,
			Services: rapid.MapOfN(rapid.SampledFrom([]string{"x", "y", "z"}), someBackends, 1, 3).Draw(t, "services"),
		}
	}), 1, 12)
)

// TestLaws makes random edits while targets answer at random. Nothing is checked that is not wanted, and nothing twice at
// once; everything wanted is checked in time; and what is told of a backend is what its target answered while it was.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all, seed := edits.Draw(rt, "edits"), rapid.Uint64().Draw(rt, "seed")
		var broken []string
		synctest.Test(t, func(t *testing.T) { broken = obey(t, all, seed) })
		if broken != nil {
			rt.Fatal(broken)
		}
	})
}

// laws watches an engine.
type laws struct {
	*world
	config  map[Ref]declared
	mu      sync.Mutex // guards everything below
	dice    *rand.Rand
	wanted  map[string]time.Time // since when each target
	running map[string]bool
	started map[string]time.Time       // the newest check of each
	since   map[string]map[Status]bool // what each has answered to checks of now
	broken  []string
}

func obey(t *testing.T, all []edit, seed uint64) []string {
	dice := rand.New(rand.NewPCG(seed, 1))
	l := &laws{
		world:   start(t, func(d time.Duration) time.Duration { return time.Duration(dice.Int64N(int64(d))) }),
		config:  make(map[Ref]declared),
		dice:    rand.New(rand.NewPCG(seed, 2)),
		wanted:  make(map[string]time.Time),
		running: make(map[string]bool),
		started: make(map[string]time.Time),
		since:   make(map[string]map[Status]bool),
	}
	told := make(map[Ref]News)
	for _, e := range append(all, edit{After: 15 * second}) {
		for end := time.Now().Add(e.After); time.Now().Before(end); {
			l.sleep(min(500*time.Millisecond, time.Until(end)))
			l.inTime()
		}
		l.put(e)
		l.hear(told)
	}
	return l.broken
}

func (l *laws) breaks(format string, args ...any) {
	l.broken = append(l.broken, time.Since(l.begun).String()+": "+fmt.Sprintf(format, args...))
}

// put makes an edit.
func (l *laws) put(e edit) {
	l.mu.Lock()
	services := make(map[string][]Watch)
	for service, backends := range e.Services {
		services[service] = nil
		maps.DeleteFunc(l.config, func(ref Ref, _ declared) bool { return ref.Service == service })
		for _, backend := range slices.Sorted(maps.Keys(backends)) {
			b := backends[backend]
			p := plain
			p.Interval = b.Interval
			w := l.watch(backend, b.Target, p)
			w.Ref.Service = service
			w.Checker = func() Checker {
				return checkFunc(func(ctx context.Context, _ *Trace) Result { return l.check(ctx, b.Target) })
			}
			services[service] = append(services[service], w)
			l.config[w.Ref] = b
		}
	}
	was := l.wanted
	l.wanted = make(map[string]time.Time)
	for _, b := range l.config {
		if l.wanted[b.Target] = was[b.Target]; was[b.Target].IsZero() {
			l.wanted[b.Target] = time.Now()
			l.since[b.Target] = make(map[Status]bool)
		}
	}
	l.mu.Unlock()
	l.give(4, services)
}

// check is a check of a target.
func (l *laws) check(ctx context.Context, target string) Result {
	l.mu.Lock()
	switch {
	case l.wanted[target].IsZero():
		l.breaks("%s is checked, and not wanted", target)
	case l.running[target]:
		l.breaks("%s is checked twice at once", target)
	}
	l.running[target] = true
	l.started[target] = time.Now()
	since := l.since[target]
	answer, is := Failed, Down
	if l.dice.IntN(2) == 0 {
		answer, is = OK, Up
	}
	took := []time.Duration{0, 300 * time.Millisecond, time.Hour}[l.dice.IntN(3)]
	deaf := time.Duration(l.dice.IntN(2)) * 200 * time.Millisecond
	l.mu.Unlock()

	select {
	case <-ctx.Done():
		time.Sleep(deaf)
		answer, is = Failed, Down
	case <-time.After(took):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[target] = false
	since[is] = true
	return Result{Outcome: answer}
}

// inTime says what has not been checked for too long.
func (l *laws) inTime() {
	l.mu.Lock()
	defer l.mu.Unlock()
	const longest = 5*second + 5*second/jitterShare + second + 200*time.Millisecond + maxSlack
	for target, since := range l.wanted {
		if at := l.started[target]; at.After(since) {
			since = at
		}
		if time.Since(since) > longest {
			l.breaks("%s was not checked for %v", target, time.Since(since))
		}
	}
}

// hear takes in what is told, which is of the configuration that there is now.
func (l *laws) hear(told map[Ref]News) {
	synctest.Wait()
	select {
	case news := <-l.engine.Changes():
		for _, n := range news {
			if told[n.Ref] = n; n.Gone {
				delete(told, n.Ref)
			}
		}
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(told) != len(l.config) {
		l.breaks("told of %v, wanted %v", told, l.config)
	}
	for ref, b := range l.config {
		n := told[ref]
		if n.Target.Args != b.Target {
			l.breaks("%v has target %s, wanted %s", ref, n.Target.Args, b.Target)
		}
		if answered := l.since[b.Target]; !answered[n.Verdict.Status] && (n.Verdict.Status != Unanswered || len(answered) > 0 && !l.running[b.Target]) {
			l.breaks("%v is %d, answers of %s were %v", ref, n.Verdict.Status, b.Target, answered)
		}
	}
}
