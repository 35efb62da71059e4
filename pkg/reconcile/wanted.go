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

// forwards pairs the methods of a declaration with the kernel's, and with its kinds of tunnels.
var forwards = []struct {
	declared spec.Method
	forward  kernel.Forward
	encap    kernel.EncapType
}{
	{spec.NAT, kernel.Masq, 0},
	{spec.DR, kernel.Route, 0},
	{spec.Tunnel, kernel.Tunnel, kernel.IPIP},
	{spec.GUE, kernel.Tunnel, kernel.GUE},
	{spec.GRE, kernel.Tunnel, kernel.GRE},
}

// checksums pairs the checksums of a tunnel's declaration with the kernel's flags.
var checksums = []struct {
	declared spec.Checksum
	kernel   kernel.EncapFlags
}{
	{spec.NoChecksum, kernel.NoChecksum},
	{spec.SumChecksum, kernel.Checksum},
	{spec.RemoteChecksum, kernel.RemoteChecksum},
}

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

// declaredService returns what of a service can be edited, as the configuration wants it.
func declaredService(s *spec.Service) kernel.Service {
	v := kernel.Service{Scheduler: s.Method, Netmask: s.Netmask, Engine: s.Engine}
	if v.Netmask == 0 && !s.OneClient {
		v.Netmask = kernel.FullNetmask(KeyOf(s).Family)
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
	return v
}

// declaredDests appends the destinations of a service to none, in canonical order.
func declaredDests(dests []kernel.RealServer, s *spec.Service) []kernel.RealServer {
	for i := range s.Backends {
		b := &s.Backends[i]
		dests = append(dests, kernel.RealServer{DestKey: destKeyOf(b), Dest: declaredDest(b)})
	}
	sortDests(dests)
	return dests
}

// declaredDest returns what of a backend can be edited, as the configuration wants it.
func declaredDest(b *spec.Backend) kernel.Dest {
	d := kernel.Dest{Weight: b.Weight, Upper: b.Upper, Lower: b.Lower}
	for i := range forwards {
		if f := &forwards[i]; f.declared == b.Method {
			d.Forward, d.Encap.Type = f.forward, f.encap
		}
	}
	if d.Encap.Type == kernel.IPIP {
		return d // which has neither a port nor a checksum
	}
	d.Encap.Port = b.Tunnel.Port
	for _, c := range checksums {
		if c.declared == b.Tunnel.Checksum {
			d.Encap.Flags = c.kernel
		}
	}
	return d
}

// sortDests puts destinations in canonical order.
func sortDests(dests []kernel.RealServer) {
	slices.SortFunc(dests, compareDests)
}

func compareDests(a, b kernel.RealServer) int { return a.Compare(b.DestKey) }

// SameService reports whether two declarations of a service are one to the kernel, whatever their backends are.
func SameService(a, b *spec.Service) bool {
	return KeyOf(a) == KeyOf(b) && declaredService(a) == declaredService(b)
}

// WantedTable returns the table that a configuration declares, as it would be if the kernel held nothing else.
func WantedTable(d *spec.Desired) kernel.Table {
	total := 0
	for i := range d.Services {
		total += len(d.Services[i].Backends)
	}
	all := make([]kernel.RealServer, 0, total) // one allocation for the destinations of all services
	t := make(kernel.Table, len(d.Services))
	for i := range d.Services {
		s := &d.Services[i]
		n := len(all)
		all = all[:n+len(s.Backends)]
		t[KeyOf(s)] = kernel.VirtualService{
			Service: declaredService(s),
			Dests:   declaredDests(all[n:n:len(all)], s),
		}
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
