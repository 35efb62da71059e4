package spec

import "maps"

// folding is a service while overrides are laid over it, one after the other.
type folding struct {
	now *declaredService // nil: there is none
	own bool             // the table of its backends is this folding's, and may be changed

	// A service that a set makes is older than its backends, and comes after them once it has been changed: those that
	// came before are laid over it then.
	early  []*change        // overrides of backends that there was no service for
	late   map[*change]bool // those of them that were laid later
	hidden bool             // there is no service because one was hidden, and what came for that is over
}

// apply lays an override over the service. It reports whether there was something to lay it over, and how to take it
// back: what was applied last is taken back first.
func (f *folding) apply(c *change) (applied bool, undo func()) {
	if c.backendName() != "" {
		return f.applyBackend(c)
	}
	before := *f
	undo = func() { *f = before }
	switch {
	case c.kind == Set:
		now := *c.service
		if own := len(now.backends) == 0; own && f.now != nil {
			now.backends = f.now.backends // those beneath stay
		} else {
			f.own = false
		}
		made := f.now == nil && len(now.backends) == 0
		f.now = &now
		if made {
			f.layEarly()
		}
	case f.now == nil:
		return false, func() {}
	case c.kind == Hide:
		*f = folding{hidden: true}
	default:
		under := f.now.without(c.nulls)
		if _, taken := c.nulls["backends"]; taken || len(c.service.backends) > 0 {
			f.own = false
		}
		f.now = c.service.over(under)
	}
	return true, undo
}

func (f *folding) applyBackend(c *change) (applied bool, undo func()) {
	name := c.backendName()
	if f.now == nil {
		before := *f
		if !f.hidden {
			f.early = append(f.early, c)
		}
		return false, func() { *f = before }
	}
	under, there := f.now.backends[name]
	if !there && c.kind != Set {
		return false, func() {}
	}
	if !f.own {
		now := *f.now
		now.backends = make(map[string]*declaredBackend, len(f.now.backends)+1)
		maps.Copy(now.backends, f.now.backends)
		f.now, f.own = &now, true
	}
	backends := f.now.backends
	switch c.kind {
	case Hide:
		delete(backends, name)
	case Set:
		backends[name] = c.backend
	case Patch:
		backends[name] = c.backend.over(under.without(c.nulls))
	}
	return true, func() {
		if there {
			backends[name] = under
		} else {
			delete(backends, name)
		}
	}
}

// layEarly lays over a service that was just made what came before it.
func (f *folding) layEarly() {
	late := make(map[*change]bool, len(f.early))
	for _, c := range f.early {
		late[c], _ = f.applyBackend(c)
	}
	f.early, f.late = nil, late
}

// lay lays overrides over what documents declare, in the order given. It returns beside that which of them had nothing
// to lie over.
func (d declared) lay(all []*change, order []int) (over declared, inert map[int]bool) {
	inert = make(map[int]bool)
	if len(order) == 0 {
		return d, inert
	}
	touched := make(map[string]*folding)
	for _, i := range order {
		f := touched[all[i].name()]
		if f == nil {
			f = &folding{now: d.services[all[i].name()]}
			touched[all[i].name()] = f
		}
		if applied, _ := f.apply(all[i]); !applied {
			inert[i] = true
		}
	}
	for i := range inert {
		if touched[all[i].name()].late[all[i]] {
			delete(inert, i)
		}
	}
	services := make(map[string]*declaredService, len(d.services)+len(touched))
	maps.Copy(services, d.services)
	for name, f := range touched {
		if f.now == nil {
			delete(services, name)
		} else {
			services[name] = f.now
		}
	}
	d.services = services
	return d, inert
}
