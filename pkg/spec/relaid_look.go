package spec

import "slices"

// Problems is what is wrong with the services, or with the overrides alone; nil: nothing, unless it is hard to say. Each has
// its path, and no line.
func (r *Relaid) Problems() Problems { return r.problems }

// Hard reports that the services alone do not tell whether they go with the rest, or which of several overrides is wrong: only
// Lay does.
func (r *Relaid) Hard() bool { return r.hard || r.shared && len(r.problems) > 0 }

// Services returns the names of the services that may be other than before, in order.
func (r *Relaid) Services() []string { return sortedKeys(r.services) }

// Service returns a service as it was and as it would be; nil: it is not there.
func (r *Relaid) Service(name string) (was, now *Service) {
	if r.desired != nil {
		now = r.desired.service(name)
	}
	return r.from.desired.service(name), now
}

// Warnings are those that are about the services.
func (r *Relaid) Warnings() Problems { return r.ownWarnings() }

// Effect says whether an override has no effect: it is dangling, as its object is gone, or idle, as it hides what is not
// there.
func (r *Relaid) Effect(key OverrideKey) (dangling, idle bool) {
	for _, o := range r.services[key.Service] {
		if o.Key() == key {
			return o.effect == laidDangling, o.effect == laidIdle
		}
	}
	return false, false
}

// Desired makes the whole of what there is, where nothing is wrong nor hard. It shares the services that are as before.
func (r *Relaid) Desired() *Desired {
	var list []*laidOverride
	for _, o := range r.from.list {
		if _, changed := r.services[o.Service]; !changed {
			list = append(list, o)
		}
	}
	for _, name := range r.Services() {
		list = append(list, r.services[name]...) // of others their order is no matter
	}
	return r.whole(slices.Clip(list)).desired
}

// Service returns the service of a name; nil where there is none. It is shared and must not be changed.
func (d *Desired) Service(name string) *Service { return d.service(name) }

// WarningsOf returns the Warnings that are about a service.
func (d *Desired) WarningsOf(service string) Problems {
	r := Relaid{services: map[string][]*laidOverride{service: nil}, desired: d}
	return r.ownWarnings()
}
