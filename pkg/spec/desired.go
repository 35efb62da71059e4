package spec

import (
	"net/netip"
	"time"
)

// Desired is what the operators declared, merged, complete and valid. It is never changed once made.
type Desired struct {
	Gorb     Gorb
	Services []Service // by name
	Warnings Problems  // what is allowed and likely a mistake

	layers []*Document // what it was merged from, to say where a field was set
}

// Gorb is the daemon's own configuration, [gorb]. It comes only from local files.
type Gorb struct {
	Listen    string        // where the API will listen (default ":4672")
	Interface string        // services without host use its first address (default "eth0")
	Resync    time.Duration // the time between full reads of the kernel (default 30s)
	StateDir  string        // where ownership is remembered (default "/var/lib/gorb"; "" is memory only)
}

// Service is a virtual service, [services.NAME]. It is identified by Protocol, Host and Port, or by Fwmark and Family.
type Service struct {
	Name       string
	Host       netip.Addr // invalid: left out, until WithHost; always invalid with Fwmark
	Port       uint16     // 0: every port; only with persistence
	Protocol   Protocol   // "" with Fwmark
	Fwmark     uint32     // 0: an address service
	Family     Family     // of Host or of the mark; "" while Host is left out
	Method     string     // the scheduler (default "wrr")
	Flags      Flags
	Persistent time.Duration // 0: not persistent; else whole seconds
	Drain      time.Duration // how long a leaving backend may keep its connections (default 5m; 0: not at all)
	Pulse      *Pulse        // for the backends that name none; nil: not declared
	Backends   []Backend     // by name
}

// Backend is a real server, [services.NAME.backends.NAME].
type Backend struct {
	Name   string
	Host   netip.Addr
	Port   uint16 // default: the service's; 0 in mark and port-0 services: as the client asked
	Weight uint32 // 0..65535 (default 100); 0 drains
	Method Method // default NAT
	Pulse  *Pulse // nil: the service's
}

// Pulse is a health check. Until checks are made it is only carried.
type Pulse struct {
	Type     string         // "none", "tcp" or "http" (default "tcp")
	Interval time.Duration  // over 0 (default 1m)
	Args     map[string]any // "method", "host", "path": string; "port", "expect": int64; nil: none
}

// Protocol is "tcp", "udp" or "sctp".
type Protocol string

// The protocols that IPVS schedules.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	SCTP Protocol = "sctp"
)

// Family is "ipv4" or "ipv6".
type Family string

// The two address families.
const (
	IPv4 Family = "ipv4"
	IPv6 Family = "ipv6"
)

// Method is a forwarding method: "nat" (masquerading), "dr" (direct routing) or "tunnel" (IP in IP).
type Method string

// The forwarding methods, by the names that GORB gave them.
const (
	NAT    Method = "nat"
	DR     Method = "dr"
	Tunnel Method = "tunnel"
)

// Flags are the flags of a service. sh-fallback and mh-fallback are Flag1, sh-port and mh-port Flag2.
type Flags uint8

// The flags, as in ipvsadm(8).
const (
	Flag1 Flags = 1 << iota
	Flag2
	Flag3
	OnePacket // "ops"
)
