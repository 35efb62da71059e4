package reconcile

import (
	"maps"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// Memory is what the kernel cannot tell: what of the table and around it is gorb's, and since when backends drain. The
// zero value remembers nothing.
type Memory struct {
	Services map[kernel.ServiceKey]Owned
	Host     HostMemory
}

// Owned is what gorb remembers of a service of its own. It is never changed once made.
type Owned struct {
	Name  string        // as the configuration last named it
	Drain time.Duration // how long its backends may drain once it is no longer declared
	// Draining are the backends that are leaving.
	Draining map[kernel.DestKey]Drain
	// Waiting is since when what it gives up waits for a backend that stays to come up; zero: it does not.
	Waiting time.Time
}

// Drain is the time that a leaving backend has.
type Drain struct {
	Since time.Time // when it went to weight 0
	Until time.Time // when it is deleted, connections or not
}

// HostMemory is what gorb put around the table, and so may take away. It is never changed once made.
type HostMemory struct {
	Addresses map[kernel.Address]bool // virtual addresses
	Links     map[string]bool         // the interfaces that it made, by name
	Sync      map[kernel.Role]bool    // the synchronisation daemons that it started
}

// equal reports whether two memories of a service are the same.
func (o Owned) equal(p Owned) bool {
	return o.Name == p.Name && o.Drain == p.Drain && o.Waiting.Equal(p.Waiting) &&
		maps.EqualFunc(o.Draining, p.Draining, Drain.equal)
}

func (t Drain) equal(o Drain) bool { return t.Since.Equal(o.Since) && t.Until.Equal(o.Until) }

// clone returns a memory that can be changed.
func (h HostMemory) clone() HostMemory {
	return HostMemory{Addresses: cloned(h.Addresses), Links: cloned(h.Links), Sync: cloned(h.Sync)}
}

// cloned is maps.Clone that makes an empty map of nil.
func cloned[K comparable](m map[K]bool) map[K]bool {
	c := make(map[K]bool, len(m))
	maps.Copy(c, m)
	return c
}

// equal reports whether two memories of the host are the same.
func (h HostMemory) equal(o HostMemory) bool {
	return maps.Equal(h.Addresses, o.Addresses) && maps.Equal(h.Links, o.Links) && maps.Equal(h.Sync, o.Sync)
}

// keep forgets what is not in another memory.
func (h HostMemory) keep(o HostMemory) {
	maps.DeleteFunc(h.Addresses, func(a kernel.Address, _ bool) bool { return !o.Addresses[a] })
	maps.DeleteFunc(h.Links, func(name string, _ bool) bool { return !o.Links[name] })
	maps.DeleteFunc(h.Sync, func(r kernel.Role, _ bool) bool { return !o.Sync[r] })
}

// has reports whether what an operation makes is remembered.
func (h HostMemory) has(op kernel.HostOp) bool {
	switch op.Kind {
	case kernel.AddAddress:
		return h.Addresses[op.Address]
	case kernel.AddLink:
		return h.Links[op.Address.Interface]
	case kernel.StartSync:
		return h.Sync[op.Sync.Role]
	default:
		return true // it makes nothing
	}
}

// drop forgets what an operation made or took away.
func (h HostMemory) drop(op kernel.HostOp) {
	switch op.Kind {
	case kernel.AddAddress, kernel.DeleteAddress:
		delete(h.Addresses, op.Address)
	case kernel.AddLink, kernel.DeleteLink:
		delete(h.Links, op.Address.Interface)
	case kernel.StartSync, kernel.StopSync:
		delete(h.Sync, op.Sync.Role)
	default:
	}
}
