package reconcile

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// index is a configuration as passes look things up in it. It is made once for each configuration, so that a pass about
// one service does not walk through all.
type index struct {
	*spec.Desired
	of    map[kernel.ServiceKey]int32        // services by identity
	hosts map[netip.Addr][]kernel.ServiceKey // services by virtual address; nil where none is put on an interface
}

// newIndex makes the index of a configuration. Was is one from before, or nil: where both declare the same services, whatever
// is in them, they share what does not depend on more.
func newIndex(d *spec.Desired, was *index) *index {
	if was != nil && was.sameKeys(d) {
		return &index{Desired: d, of: was.of, hosts: was.hosts}
	}
	x := &index{Desired: d, of: make(map[kernel.ServiceKey]int32, len(d.Services))}
	for i := range d.Services {
		x.of[KeyOf(&d.Services[i])] = int32(i)
	}
	if d.Gorb.VIP.Name == "" {
		return x
	}
	x.hosts = make(map[netip.Addr][]kernel.ServiceKey)
	for key, i := range x.of {
		if addr := key.Addr.Addr(); key.Mark == 0 && !d.Services[i].OwnHost {
			x.hosts[addr] = append(x.hosts[addr], key)
		}
	}
	return x
}

// sameKeys reports whether another configuration has services of the same identities in the same places, and puts the
// addresses of the same on an interface or none.
func (x *index) sameKeys(d *spec.Desired) bool {
	if (x.Gorb.VIP.Name == "") != (d.Gorb.VIP.Name == "") || len(x.Services) != len(d.Services) {
		return false
	}
	for i := range d.Services {
		was, is := &x.Services[i], &d.Services[i]
		if was.OwnHost != is.OwnHost || was.Host != is.Host || was.Port != is.Port || was.Protocol != is.Protocol ||
			was.Fwmark != is.Fwmark || was.Family != is.Family {
			return false
		}
	}
	return true
}

// service returns the declaration of a service, or nil.
func (x *index) service(key kernel.ServiceKey) *spec.Service {
	if i, ok := x.of[key]; ok {
		return &x.Services[i]
	}
	return nil
}

// named returns the declaration of the service of a name, or nil.
func (x *index) named(name string) *spec.Service {
	i, ok := slices.BinarySearchFunc(x.Services, name, func(s spec.Service, name string) int {
		return strings.Compare(s.Name, name)
	})
	if !ok {
		return nil
	}
	return &x.Services[i]
}

// paired yields the services of two configurations by name, nil where one has none of that name. The first may be nil.
func paired(was, is *spec.Desired) iter.Seq2[*spec.Service, *spec.Service] {
	return func(yield func(was, is *spec.Service) bool) {
		var old []spec.Service
		if was != nil {
			old = was.Services
		}
		for i, j := 0, 0; i < len(old) || j < len(is.Services); {
			order := 0
			switch {
			case i == len(old):
				order = 1
			case j == len(is.Services):
				order = -1
			default:
				order = strings.Compare(old[i].Name, is.Services[j].Name)
			}
			var a, b *spec.Service
			if order <= 0 {
				a, i = &old[i], i+1
			}
			if order >= 0 {
				b, j = &is.Services[j], j+1
			}
			if !yield(a, b) {
				return
			}
		}
	}
}

// hasBackend reports whether a service declares a backend of a name.
func hasBackend(s *spec.Service, name string) bool {
	_, ok := slices.BinarySearchFunc(s.Backends, name, func(b spec.Backend, name string) int {
		return strings.Compare(b.Name, name)
	})
	return ok
}

// changed adds the services to scope that two configurations declare differently.
func changed(scope map[kernel.ServiceKey]bool, was, is *index) {
	for old, new := range paired(was.Desired, is.Desired) {
		if old != nil && new != nil && old.Equal(new) {
			continue
		}
		if old != nil {
			scope[KeyOf(old)] = true
		}
		if new != nil {
			scope[KeyOf(new)] = true
		}
	}
}

// sameHost reports whether two configurations declare the same of what surrounds the table, and one is as complete as the
// other.
func (x *index) sameHost(o *index) bool {
	return x.Gorb.VIP == o.Gorb.VIP && x.IPVS.Equal(o.IPVS) && x.Incomplete == o.Incomplete
}
