package spec

import "maps"

// folding is a service while overrides are laid over it, one after the other.
type folding struct {
	now *declaredService // nil: there is none
	own bool             // the table of its backends is this folding's, and may be changed
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
		f.now = &now
	case f.now == nil:
		return false, func() {}
	case c.kind == Hide:
		*f = folding{}
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
		return false, func() {}
	}
	under, there := f.now.backends[name]
	if !there && c.kind != Set {
		return false, func() {}
	}
	if !f.own {
		now := *f.now
		now.backends = make(map[string]*declaredBackend, len(f.now.backends)+1)
		maps.Copy(now.backends, f.now.backends)
		*f = folding{now: &now, own: true}
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
