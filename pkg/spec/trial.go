package spec

import (
	"net/netip"
	"slices"
)

// trial lays overrides over one service, the oldest first, and sets aside those that make it wrong: the newest of what
// does not go together is the one that goes.
type trial struct {
	folding
	name     string
	defaults *declaredDefaults
	gorb     Gorb
	probe    Probe
	known    hosts // of all backends that there may be
	budget   *int  // what further checks may cost, in backends looked at

	taken map[identity]string // what the other services are, where that counts; nil: it does not

	// Of the service when it was right the last time.
	service Service
	here    bool // there was one
	at      map[netip.AddrPort]string
	where   map[string]netip.AddrPort

	clash string   // the backend at the address of one that was just found wrong; "": it is not for that
	base  identity // of the service as the documents have it
	mover int      // the newest override that gave the service its identity; -1: the documents did
}

// ahead is how many later overrides are looked at for one that mends what an earlier one breaks.
const ahead = 4

// run lays those of the overrides that order lists, and returns what is wrong with those that it set aside. Where the
// documents alone are wrong, and no override mends them, it sets none aside. Where the budget is spent it sets aside what
// it has not looked at.
func (t *trial) run(all []*change, order []int) map[int]*report {
	rejected := make(map[int]*report)
	done := make(map[int]bool) // ahead of their turn
	t.mover = -1
	sound := t.check().empty()
	for i, at := range order {
		if done[at] {
			continue
		}
		if *t.budget < 0 {
			if !sound {
				return nil
			}
			rejected[at] = new(report)
			rejected[at].addf(all[at].object, "set aside unseen: too many overrides are wrong at once")
			continue
		}
		before, were := t.service.identity(), t.here
		applied, undo := t.apply(all[at])
		switch {
		case !applied:
			continue
		case !sound:
			sound = t.check().empty()
			t.mover = at
			continue
		}
		if r := t.judge(all[at]); !r.empty() {
			with := t.mend(all, at, order[i+1:], done)
			if with == nil {
				undo()
				rejected[at] = r
				continue
			}
			for _, j := range with {
				done[j] = true
			}
		}
		if t.here != were || t.service.identity() != before {
			t.mover = at
		}
	}
	return rejected
}

// judge checks the service after an override to what was right. One of a backend concerns that backend alone.
func (t *trial) judge(c *change) *report {
	if c.backendName() == "" {
		return t.check()
	}
	return t.checkBackend(c.backendName())
}

// check checks the service whole.
func (t *trial) check() *report {
	var r report
	if t.now == nil || t.now.disabled.value {
		t.service, t.here, t.at, t.where = Service{}, false, nil, nil
		return &r
	}
	*t.budget -= 1 + len(t.now.backends)
	c := completer{
		report: &r, defaults: t.defaults, declared: t.now, name: t.name, masks: make(map[string]netmask),
	}
	s := c.service()
	(&Desired{Gorb: t.gorb, Services: []Service{s}}).checkHosts(&r, nil)
	if other, twice := t.taken[s.identity()]; twice && other != t.name && s.identity() != t.base {
		r.kindf(KindTaken, path{"services", t.name}, "%s is service %s already", s.identity(), keyString(other))
	}
	t.checkAsked(&r, c.asked)
	if !r.empty() {
		return &r
	}
	t.service, t.here = s, true
	t.at = make(map[netip.AddrPort]string, len(s.Backends))
	t.where = make(map[string]netip.AddrPort, len(s.Backends))
	for _, b := range s.Backends {
		t.put(b)
	}
	return &r
}

// checkAsked reports hosts that overrides may not have checked.
func (t *trial) checkAsked(r *report, all []asked) {
	for _, a := range all {
		if why := a.refused(t.probe, t.known); why != "" {
			r.kindf(KindPlace, a.at, "%s", why)
		}
	}
}

func (t *trial) put(b Backend) {
	at := netip.AddrPortFrom(b.Host, b.Port)
	t.at[at], t.where[b.Name] = b.Name, at
}

// checkBackend checks one backend of a service that is right but for it.
func (t *trial) checkBackend(name string) *report {
	var r report
	declared, there := t.now.backends[name]
	if !there || declared.disabled.value || !t.here { // in a service that is hidden nothing can be wrong
		t.drop(name)
		return &r
	}
	*t.budget--
	c := completer{report: &r, defaults: t.defaults, declared: t.now, name: t.name}
	s := t.service
	b := c.backend(&s, name, declared)
	s.Backends = []Backend{b}
	s.checkFamilies(&r, nil)
	t.checkAsked(&r, c.asked)
	at := netip.AddrPortFrom(b.Host, b.Port)
	t.clash = ""
	if other, twice := t.at[at]; twice && other != name && b.Host.IsValid() {
		t.clash = other
		c.kindf(KindTaken, path{"backends", name}, "%s is backend %s already", at, keyString(other))
	}
	if r.empty() {
		t.drop(name)
		t.put(b)
	}
	return &r
}

func (t *trial) drop(name string) {
	delete(t.at, t.where[name])
	delete(t.where, name)
}

// mend looks among the overrides after one that breaks the service for those that mend it: of a backend those of that
// backend and of the one at whose address it is, else whatever comes next. It returns what it laid; nil, and nothing laid,
// where that does not help. Those that are done are laid already.
func (t *trial) mend(all []*change, broken int, rest []int, done map[int]bool) (with []int) {
	backend, clash := all[broken].backendName(), t.clash
	var undos []func()
	for _, j := range rest {
		name := all[j].backendName()
		if done[j] {
			continue
		}
		if len(with) == ahead || backend != "" && name == "" {
			break // what one of the service would do to the backends between is not for here
		}
		if backend != "" && name != backend && (clash == "" || name != clash) {
			continue
		}
		_, undo := t.apply(all[j])
		undos, with = append(undos, undo), append(with, j)
		if t.mended(backend, clash) {
			return with
		}
	}
	for _, undo := range slices.Backward(undos) {
		undo()
	}
	return nil
}

// mended reports whether the service is right again. Where two backends changed, all of it is looked at.
func (t *trial) mended(backend, clash string) bool {
	if backend == "" || clash != "" {
		return t.check().empty()
	}
	return t.checkBackend(backend).empty()
}
