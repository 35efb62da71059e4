package spec

import (
	"slices"
	"strings"
)

// Relaid is some services of a Laid with other overrides. It is never changed once made.
type Relaid struct {
	from     *Laid
	services map[string][]*laidOverride // by name, with what became of them; none: only the documents say something of it
	desired  *Desired                   // those services that there are, alone
	problems Problems                   // what is wrong with them; nil: nothing
	hard     bool                       // it is not known whether they go with the rest
	shared   bool                       // one of them has other overrides than those that were tried
}

// relay makes services anew with other overrides.
func (l *Laid) relay(services map[string][]*laidOverride) *Relaid {
	r := &Relaid{from: l, services: services}
	part := declared{gorb: l.base.gorb, probe: l.base.probe, defaults: l.base.defaults}
	part.services = make(map[string]*declaredService, len(services))
	var over []*change
	inert := make(map[*laidOverride]bool)
	for _, name := range sortedKeys(services) {
		f := folding{now: l.base.services[name]}
		for _, o := range services[name] {
			if o.wrong != nil {
				r.hard = true // it may go with the others now
				return r
			}
			applied, _ := f.apply(o.change)
			inert[o] = !applied
			over = append(over, o.change)
		}
		for _, o := range services[name] {
			inert[o] = inert[o] && !f.late[o.change]
		}
		if f.now != nil {
			part.services[name] = f.now
		}
	}
	desired, err := part.complete(nil, over)
	if err == nil && len(desired.NeedHost()) > 0 && l.own.IsValid() {
		desired, err = desired.WithHost(l.own)
	}
	if r.problems = asProblems(err); err != nil {
		return r
	}
	r.desired, r.hard = r.finished(desired)
	if !r.hard {
		r.effects(inert)
	}
	return r
}

// finished finishes the services and sees whether they are hard.
func (r *Relaid) finished(desired *Desired) (finished *Desired, hard bool) {
	l := r.from
	// Of hosts that are asked for all backends decide, and for a service without host only finish knows one.
	if len(desired.asked) > 0 || len(desired.NeedHost()) > 0 {
		return nil, true
	}
	finished, err := l.finish(desired)
	if err != nil || finished.Gorb != l.desired.Gorb || len(finished.Services) != len(desired.Services) {
		return nil, true
	}
	for i := range finished.Services {
		s := &finished.Services[i]
		if other := l.names.get(s.identity()); other != "" {
			if _, changes := r.services[other]; !changes {
				return nil, true // one of them has to give way
			}
		}
	}
	sync := l.desired.IPVS.Master != nil || l.desired.IPVS.Backup != nil
	for name := range r.services {
		was, now := l.desired.service(name), finished.service(name)
		if sync && (was.crosses() || now.crosses()) {
			return nil, true // the kernel refuses that beside a sync daemon, of which there is a warning
		}
		if l.setAsides > 0 && !was.sameObjects(now) {
			return nil, true // what was set aside may be right beside it
		}
	}
	return finished, false
}

// crosses reports whether a service has a backend of the other family.
func (s *Service) crosses() bool {
	return s != nil && s.Family != "" &&
		slices.ContainsFunc(s.Backends, func(b Backend) bool { return familyOf(b.Host) != s.Family })
}

// sameObjects reports whether two services are the same to the kernel, and have the same backends.
func (s *Service) sameObjects(o *Service) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.identity() == o.identity() && slices.EqualFunc(s.Backends, o.Backends, func(a, b Backend) bool {
		return a.Name == b.Name && a.Host == b.Host && a.Port == b.Port
	})
}

// effects notes what became of the overrides.
func (r *Relaid) effects(inert map[*laidOverride]bool) {
	services := make(map[string][]*laidOverride, len(r.services))
	for name, list := range r.services {
		list = slices.Clone(list)
		for i, o := range list {
			if effect := r.desired.effect(o.change, inert[o]); effect != o.effect {
				c := *o
				c.effect = effect
				list[i] = &c
			}
		}
		services[name] = list
	}
	r.services = services
}

// effect is what an override does that had, or had not, something to lie over.
func (d *Desired) effect(c *change, inert bool) laidEffect {
	switch {
	case c.kind == Hide && inert:
		return laidIdle
	case c.kind == Hide:
	case inert || !c.hides && !d.has(c):
		return laidDangling
	}
	return laidWell
}

// whole is the Laid that has these services in place of those of before, and a list of overrides of which the same is true.
func (r *Relaid) whole(list []*laidOverride) *Laid {
	next := *r.from
	next.list, next.of = list, next.of.with(r.services)
	now := make(map[*change]*laidOverride)
	for _, overrides := range r.services {
		for _, o := range overrides {
			now[o.change] = o
		}
	}
	layers := make([]*Document, 0, len(next.docs)+len(list))
	layers = append(layers, next.docs...)
	for i, o := range list {
		if o.change != nil && o.wrong == nil {
			layers = append(layers, o.change.doc)
		}
		if other := now[o.change]; other != nil {
			list[i] = other
		}
	}
	next.desired = r.compose()
	next.desired.layers = layers
	next.names = next.names.with(r.identities())
	return &next
}

// identities is what changes of them.
func (r *Relaid) identities() map[identity]string {
	moved := make(map[identity]string)
	for name := range r.services {
		was, now := r.from.desired.service(name), r.desired.service(name)
		if was != nil && (now == nil || now.identity() != was.identity()) {
			if _, taken := moved[was.identity()]; !taken {
				moved[was.identity()] = ""
			}
		}
		if now != nil && (was == nil || now.identity() != was.identity()) {
			moved[now.identity()] = name
		}
	}
	return moved
}

// compose is the Desired with these services in place of those of before. All others are shared.
func (r *Relaid) compose() *Desired {
	c := *r.from.desired
	c.Services = make([]Service, 0, len(c.Services)+len(r.desired.Services))
	rest := r.from.desired.Services
	for _, name := range sortedKeys(r.services) {
		i, found := slices.BinarySearchFunc(rest, name, func(s Service, name string) int { return strings.Compare(s.Name, name) })
		c.Services = append(c.Services, rest[:i]...)
		if rest = rest[i:]; found {
			rest = rest[1:]
		}
		if s := r.desired.service(name); s != nil {
			c.Services = append(c.Services, *s)
		}
	}
	c.Services = append(c.Services, rest...)
	c.Warnings = r.warnings()
	c.doubts = r.doubts()
	return &c
}

// warnings are those of before, without what was said of the services that changed, and what is said of those now.
func (r *Relaid) warnings() Problems {
	left := r.from.desired.Warnings
	if about := func(p Problem) bool { return r.about(p.Path) }; slices.ContainsFunc(left, about) {
		left = slices.DeleteFunc(slices.Clone(left), about)
	}
	own := r.ownWarnings()
	return append(slices.Clip(left), own[:min(len(own), max(0, maxProblems-len(left)))]...)
}

// ownWarnings are those that are about the services.
func (r *Relaid) ownWarnings() Problems {
	return slices.DeleteFunc(slices.Clone(r.desired.Warnings), func(p Problem) bool { return !r.about(p.Path) })
}

// about reports whether a path is that of one of the services, or leads into it.
func (r *Relaid) about(at string) bool {
	if !strings.HasPrefix(at, "services.") {
		return false
	}
	p, ok := parsePath(at)
	if !ok || len(p) < 2 {
		return false
	}
	_, changed := r.services[p[1]]
	return changed
}

// doubts are like warnings, before their places are looked for.
func (r *Relaid) doubts() []pending {
	all := slices.DeleteFunc(slices.Clone(r.from.desired.doubts), func(p pending) bool {
		_, changed := r.services[p.path[1]]
		return changed
	})
	all = append(all, r.desired.doubts...)
	slices.SortStableFunc(all, func(a, b pending) int { return strings.Compare(a.path[1], b.path[1]) })
	return all[:min(len(all), maxProblems)]
}
