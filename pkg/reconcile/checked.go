package reconcile

import (
	"maps"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Checks has backends checked, and says how they are: probe.Engine.
type Checks interface {
	Set(probe.Wanted)
	Changes() <-chan []probe.News
}

// Watches returns the checks of the backends of a service: probe.Kinds has it.
type Watches func(*spec.Service) []probe.Watch

// checked is the backends that a keeper has checked, and what it was told of them. A configuration and the news of the one
// before it may cross: what counts is what is said of the target that a backend has now.
type checked struct {
	checks  Checks
	watches Watches
	note    func(service string, c probe.Counts)
	turned  func(Turned) // nil: nobody is told

	known
	counts map[string]probe.Counts         // as they were noted, by service
	dirty  map[string]bool                 // services whose checks are to be set anew
	limits limits                          // as they were set
	wakes  map[kernel.ServiceKey]time.Time // when a weight will be another though no check is answered
}

// limits is how many checks may be made at once.
type limits struct{ checks, exec int }

func newChecked(c Checks, w Watches, note func(service string, c probe.Counts)) *checked {
	return &checked{
		checks: c, watches: w, note: note, counts: map[string]probe.Counts{},
		known: known{
			overlay: Overlay{Health: probe.Health{}, Leaving: map[Ref]probe.Verdict{}, New: refSet{}},
			targets: map[probe.Ref]probe.Target{}, leavers: map[Ref]probe.Watch{}, aliases: map[probe.Ref]Ref{},
			heirs: map[string]map[Ref]bool{},
		},
		dirty: map[string]bool{}, wakes: map[kernel.ServiceKey]time.Time{},
	}
}

// take takes in what the engine says, and returns the services that it is about.
func (c *checked) take(news []probe.News) map[kernel.ServiceKey]bool {
	scope := map[kernel.ServiceKey]bool{}
	for _, n := range news {
		if ref, leaves := c.aliases[n.Ref]; leaves {
			if c.leavers[ref].Target == n.Target && !n.Gone && c.overlay.Leaving[ref] != n.Verdict {
				c.overlay.Leaving[ref] = n.Verdict
				scope[ref.Service] = true
			}
			continue
		}
		// What is gone was so in a Set before the newest, or it would not be declared.
		was := c.overlay.Health[n.Ref].Status
		if target, checked := c.targets[n.Ref]; !checked || n.Gone || target != n.Target || !c.overlay.Health.Apply(n.Change) {
			continue
		}
		if c.turned != nil && was != n.Verdict.Status {
			c.turned(newTurned(was, n))
		}
		scope[KeyOf(c.index.named(n.Service))] = true
	}
	return scope
}

// declare makes another configuration the one that counts.
func (c *checked) declare(next *index, now time.Time) {
	if c.index == next {
		return
	}
	for name := range c.known.declare(next, c.watches, now) {
		c.dirty[name] = true
		if _, noted := c.counts[name]; noted && next.named(name) == nil {
			delete(c.counts, name)
			c.note(name, probe.Counts{})
		}
	}
}

// under returns how the backends of another configuration are, as far as that is known.
func (c *checked) under(next *index, now time.Time) *Overlay {
	if c.index == next {
		return &c.overlay
	}
	other := known{
		index: c.index,
		overlay: Overlay{
			Health: maps.Clone(c.overlay.Health), Leaving: maps.Clone(c.overlay.Leaving), New: c.overlay.New,
		},
		targets: maps.Clone(c.targets), leavers: maps.Clone(c.leavers), aliases: maps.Clone(c.aliases),
		heirs: map[string]map[Ref]bool{}, // nothing is checked for it
	}
	other.declare(next, c.watches, now)
	return &other.overlay
}

// follow takes in what was decided about the services in scope, nil: all, and has their backends checked accordingly. Bare
// are those that have no weight in the kernel: their first checks are the most urgent.
func (c *checked) follow(plan *Plan, scope map[kernel.ServiceKey]bool) {
	c.overlay.New = replaceKeys(c.overlay.New, plan.fresh, scope)
	c.wakes = replaceKeys(c.wakes, plan.wakes, scope)
	if scope == nil {
		for name := range c.heirs {
			c.dropLeft(name, plan, nil)
		}
	}
	for key := range scope {
		c.dropLeft(plan.Names[key], plan, scope)
	}
	for key, s := range plan.standings {
		if name := plan.Names[key]; c.counts[name] != s {
			c.counts[name] = s
			c.note(name, s)
		}
	}
	c.set(plan.observed)
}

// dropLeft has those checked no more that left a service, as far as that was decided about.
func (c *checked) dropLeft(name string, plan *Plan, scope map[kernel.ServiceKey]bool) {
	for at := range c.heirs[name] {
		if (scope == nil || scope[at.Service]) && !plan.held.has(at) {
			c.drop(at)
			c.dirty[name] = true
		}
	}
}

// set has checked what is to be checked otherwise than before. Observed is what is known of the kernel's table.
func (c *checked) set(observed kernel.Table) {
	now := limits{c.index.Probe.MaxChecks, c.index.Probe.MaxExec}
	if len(c.dirty) == 0 && c.limits == now {
		return
	}
	c.limits = now
	w := probe.Wanted{Services: make(map[string][]probe.Watch, len(c.dirty)), Checks: now.checks, Exec: now.exec}
	for name := range c.dirty {
		var list []probe.Watch
		if s := c.index.named(name); s != nil {
			bare := !hasWeight(observed[KeyOf(s)].Dests)
			list = c.watches(s)
			for i := range list {
				list[i].Urgent = bare
			}
		}
		for at := range c.heirs[name] {
			list = append(list, c.leavers[at])
		}
		w.Services[name] = list
	}
	clear(c.dirty)
	c.checks.Set(w)
}

// mostDue is how many services at most are looked at in one go because of the time alone: what the engine says waits for
// that.
const mostDue = 500

// wakeQuantum is the least time between two looks at weights that grow with time.
const wakeQuantum = 100 * time.Millisecond

// next returns when a weight is to be looked at though no check is answered; zero: there is none.
func (c *checked) next(now time.Time) time.Time {
	if c == nil {
		return time.Time{}
	}
	var next time.Time
	for _, at := range c.wakes {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if earliest := now.Add(wakeQuantum); !next.IsZero() && next.Before(earliest) {
		return earliest
	}
	return next
}

// due returns the services whose time has come.
func (c *checked) due(now time.Time) map[kernel.ServiceKey]bool {
	scope := map[kernel.ServiceKey]bool{}
	for key, at := range c.wakes {
		if !now.Before(at) && len(scope) < mostDue {
			scope[key] = true
		}
	}
	return scope
}
