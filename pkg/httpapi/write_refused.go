package httpapi

import (
	"net/netip"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// difference is what a change asks of the kernel otherwise than before. What the kernel refuses of the rest of a service is
// no fault of the change: it refused that before, or somebody else has changed it.
type difference struct {
	service  bool                    // the service, and with it all that is its
	backends map[netip.AddrPort]bool // by where they are; true: to be there
}

// differenceOf compares the forms that a service has before a change and after it; nil: it is not there.
func differenceOf(was, now *spec.Service) difference {
	d := difference{backends: map[netip.AddrPort]bool{}}
	d.service = was == nil || now == nil || !reconcile.SameService(was, now)
	add := func(s, other *spec.Service, there bool) {
		if s == nil {
			return
		}
		for i := range s.Backends {
			b := &s.Backends[i]
			at := object{s.Name, b.Name}
			if at.tag(s) != at.tag(other) { // also where it is not in the other
				d.backends[netip.AddrPortFrom(b.Host, b.Port)] = there
			}
		}
	}
	add(was, now, false)
	add(now, was, true)
	return d
}

// has reports whether something that is refused is part of the difference.
func (d *difference) has(r *Refusal) bool {
	if d.service {
		return true
	}
	if r.Backend.IsValid() {
		_, differs := d.backends[r.Backend]
		return differs
	}
	if r.Missing {
		for _, there := range d.backends {
			if there {
				return true
			}
		}
	}
	return false
}

// refusals are the kernel's reasons not to do what a change of a service asks for.
func (s *Settled) refusals(was, now *spec.Service) []string {
	if len(s.Refused) == 0 {
		return nil
	}
	var reasons []string
	d := differenceOf(was, now)
	for i := range s.Refused {
		if d.has(&s.Refused[i]) {
			reasons = append(reasons, s.Refused[i].Reason)
		}
	}
	return reasons
}

// changed is the service of an object as it counts and as it would; nil: it is not there. Where it could not be tried, it is
// nil twice, and all of it counts as changed.
func (o object) changed(tried *sources.Tried) (was, now *spec.Service) {
	if tried == nil {
		return nil, nil
	}
	for _, s := range tried.Services {
		if s.Name == o.service {
			return s.Was, s.Now
		}
	}
	return nil, nil
}
