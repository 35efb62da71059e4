package reconcile

import (
	"maps"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// Memory is what the kernel cannot tell: which services are gorb's, and since when their backends drain. It is a value:
// the functions that change it return another.
type Memory map[kernel.ServiceKey]Owned

// Owned is what gorb remembers of a service of its own.
type Owned struct {
	Name  string        // as the configuration last named it
	Drain time.Duration // how long its backends may drain once it is no longer declared
	// Tunnels are the tunnel backends that gorb made, in canonical order. The kernel is not yet asked which kind of
	// tunnel a backend has, and an edit makes IP in IP of any kind, so gorb writes only to those that it made.
	Tunnels []kernel.DestKey
	// Draining are the backends that are leaving.
	Draining map[kernel.DestKey]Drain
}

// Drain is the time that a leaving backend has.
type Drain struct {
	Since time.Time // when it went to weight 0
	Until time.Time // when it is deleted, connections or not
}

// equal reports whether two memories of a service are the same.
func (o Owned) equal(p Owned) bool {
	return o.Name == p.Name && o.Drain == p.Drain && slices.Equal(o.Tunnels, p.Tunnels) &&
		maps.EqualFunc(o.Draining, p.Draining, func(a, b Drain) bool { return a.Since.Equal(b.Since) && a.Until.Equal(b.Until) })
}

// made reports whether gorb made all the tunnels of a service; if not, it returns one that it did not make.
func (o Owned) made(v kernel.VirtualService) (kernel.DestKey, bool) {
	for _, d := range v.Dests {
		if d.Forward == kernel.Tunnel && !slices.Contains(o.Tunnels, d.DestKey) {
			return d.DestKey, false
		}
	}
	return kernel.DestKey{}, true
}

// with returns the memory with services set or, where the value is nil, forgotten.
func (m Memory) with(changes map[kernel.ServiceKey]*Owned) Memory {
	if len(changes) == 0 {
		return m
	}
	next := maps.Clone(m)
	if next == nil {
		next = Memory{}
	}
	for k, o := range changes {
		if o == nil {
			delete(next, k)
		} else {
			next[k] = *o
		}
	}
	return next
}

// draining returns the services that have leaving backends, in order.
func (m Memory) draining() []kernel.ServiceKey {
	var keys []kernel.ServiceKey
	for k, o := range m {
		if len(o.Draining) > 0 {
			keys = append(keys, k)
		}
	}
	return sortKeys(keys)
}
