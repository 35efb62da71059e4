package reconcile

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

var protocols = map[spec.Protocol]kernel.Protocol{spec.TCP: kernel.TCP, spec.UDP: kernel.UDP, spec.SCTP: kernel.SCTP}

var families = map[spec.Family]kernel.Family{spec.IPv4: kernel.IPv4, spec.IPv6: kernel.IPv6}

var forwards = map[spec.Method]kernel.Forward{spec.NAT: kernel.Masq, spec.DR: kernel.Route, spec.Tunnel: kernel.Tunnel}

// flags pairs the flags of a declaration with the kernel's.
var flags = []struct {
	declared spec.Flags
	kernel   kernel.Flags
}{
	{spec.Flag1, kernel.Sched1},
	{spec.Flag2, kernel.Sched2},
	{spec.Flag3, kernel.Sched3},
	{spec.OnePacket, kernel.OnePacket},
}

// KeyOf returns the kernel's identity of a declared service, whose host must be known (spec.Desired.WithHost).
func KeyOf(s *spec.Service) kernel.ServiceKey {
	if s.Fwmark != 0 {
		return kernel.ServiceKey{Family: families[s.Family], Mark: s.Fwmark}
	}
	return kernel.ServiceKey{
		Family:   kernel.FamilyOf(s.Host),
		Protocol: protocols[s.Protocol],
		Addr:     netip.AddrPortFrom(s.Host, s.Port),
	}
}

// declared returns a service as the configuration wants it, its destinations in canonical order.
func declared(s *spec.Service) kernel.VirtualService {
	v := kernel.VirtualService{
		Service: kernel.Service{Scheduler: s.Method, Netmask: kernel.FullNetmask(KeyOf(s).Family)},
		Dests:   make([]kernel.RealServer, 0, len(s.Backends)),
	}
	for _, f := range flags {
		if s.Flags&f.declared != 0 {
			v.Flags |= f.kernel
		}
	}
	if s.Persistent > 0 {
		v.Flags |= kernel.Persistent
		v.Timeout = uint32(s.Persistent / time.Second)
	}
	for _, b := range s.Backends {
		v.Dests = append(v.Dests, kernel.RealServer{
			DestKey: kernel.DestKey{Addr: netip.AddrPortFrom(b.Host, b.Port)},
			Dest:    kernel.Dest{Forward: forwards[b.Method], Weight: b.Weight},
		})
	}
	sortDests(v.Dests)
	return v
}

// sortDests puts destinations in canonical order.
func sortDests(dests []kernel.RealServer) {
	slices.SortFunc(dests, func(a, b kernel.RealServer) int { return a.Compare(b.DestKey) })
}

// WantedTable returns the table that a configuration declares, as it would be if the kernel held nothing else.
func WantedTable(d *spec.Desired) kernel.Table {
	t := make(kernel.Table, len(d.Services))
	for i := range d.Services {
		t[KeyOf(&d.Services[i])] = declared(&d.Services[i])
	}
	return t
}

// sortKeys puts services in order.
func sortKeys(keys []kernel.ServiceKey) []kernel.ServiceKey {
	slices.SortFunc(keys, kernel.ServiceKey.Compare)
	return keys
}

// compareRefs orders destinations by service, then canonically.
func compareRefs(a, b Ref) int {
	return cmp.Or(a.Service.Compare(b.Service), a.Dest.Compare(b.Dest))
}
