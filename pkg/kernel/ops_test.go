package kernel

import "net/netip"

// The services and destinations of the tests.
var (
	web     = service(TCP, "10.0.0.1:80")
	web6    = service(TCP, "[2001:db8::1]:80")
	dns     = service(UDP, "10.0.0.1:80")
	sctp    = service(SCTP, "10.0.0.1:80")
	mark4   = ServiceKey{Family: IPv4, Mark: 7}
	mark6   = ServiceKey{Family: IPv6, Mark: 7}
	missing = service(TCP, "10.0.0.99:80")

	rr  = Service{Scheduler: "rr", Netmask: FullNetmask(IPv4)}
	rr6 = Service{Scheduler: "rr", Netmask: FullNetmask(IPv6)}
)

func service(p Protocol, addr string) ServiceKey {
	a := netip.MustParseAddrPort(addr)
	return ServiceKey{Family: FamilyOf(a.Addr()), Protocol: p, Addr: a}
}

func dest(addr string) DestKey { return DestKey{netip.MustParseAddrPort(addr)} }

func addService(k ServiceKey, s Service) Op  { return Op{Kind: AddService, Key: k, Service: s} }
func editService(k ServiceKey, s Service) Op { return Op{Kind: EditService, Key: k, Service: s} }
func deleteService(k ServiceKey) Op          { return Op{Kind: DeleteService, Key: k} }

func addDest(k ServiceKey, d string, v Dest) Op {
	return Op{Kind: AddDest, Key: k, DestKey: dest(d), Dest: v}
}

func editDest(k ServiceKey, d string, v Dest) Op {
	return Op{Kind: EditDest, Key: k, DestKey: dest(d), Dest: v}
}
func deleteDest(k ServiceKey, d string) Op { return Op{Kind: DeleteDest, Key: k, DestKey: dest(d)} }

// with returns rr with changes, for short steps.
func with(scheduler string, f Flags, timeout, netmask uint32) Service {
	return Service{Scheduler: scheduler, Flags: f, Timeout: timeout, Netmask: netmask}
}

// withEngine returns a persistent service that has one.
func withEngine(scheduler, engine string) Service {
	return Service{Scheduler: scheduler, Flags: Persistent, Timeout: 60, Netmask: full, Engine: engine}
}

// tunnel returns a destination behind one.
func tunnel(kind EncapType, port uint16, flags EncapFlags) Dest {
	return Dest{Forward: Tunnel, Encap: Encap{Type: kind, Port: port, Flags: flags}}
}

const full = 0xffffffff // FullNetmask(IPv4)
