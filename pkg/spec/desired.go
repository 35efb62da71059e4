package spec

import (
	"net/netip"
	"time"
)

// Desired is what the operators declared, merged, complete and valid. It is never changed once made.
type Desired struct {
	Gorb     Gorb
	IPVS     IPVS
	Consul   Consul
	Probe    Probe
	API      API
	Services []Service // by name
	Warnings Problems  // what is allowed and likely a mistake

	// Incomplete says that not every source has been heard yet: what is not in here may be declared all the same. Nothing
	// may be removed, lowered or drained because it is missing from an incomplete Desired.
	Incomplete bool

	// Serial grows with each Desired that Layers of pkg/sources hands out, from 1; 0: it was not.
	Serial uint64

	layers []*Document        // what it was merged from, to say where a field was set
	masks  map[string]netmask // by name, of the services whose family WithHost will tell
	doubts []pending          // what is likely a mistake in what was declared, and does not show in the rest
	asked  []asked            // hosts that are checked for who may not ask for any
}

// Gorb is the daemon's own configuration, [gorb]. It comes only from local files.
type Gorb struct {
	Listen    string        // where the API listens over TCP (default ":4672"; "" is nowhere)
	Interface string        // services without host use its first address (default "eth0")
	Resync    time.Duration // the time between full reads of the kernel (default 30s)
	StateDir  string        // where ownership is remembered (default "/var/lib/gorb"; "" is memory only)
	VIP       VIPInterface  // where the hosts of services are put as addresses; by default nowhere
	Socket    string        // the unix socket that the command line speaks to (default "/run/gorb/gorb.sock"; "" is none)
	// StartTimeout is how long a start waits for sources that have neither delivered nor a last good copy (default 30s).
	StartTimeout time.Duration
	DebugListen  string // where /debug/pprof/ is served (default "", nowhere)
}

// API is who may use the API and how it is served, [api].
type API struct {
	Trust     []netip.Prefix // from there everything may be done without credentials, as in GORB
	Hosts     []string       // names of this host that a request over loopback may be addressed to, beside its own
	Origins   []string       // [api] cors: pages of these origins may use the API ("https://ops.example")
	Anonymous bool           // what GORB answered to anybody needs no credentials (default true)
	Tokens    []APIToken     // by name
	Users     []APIUser      // by name
	TLS       *APITLS        // nil: HTTP without TLS
}

// Role is what somebody may do by the API.
type Role string

// The roles. Each may do what those before it may.
const (
	RoleRead  Role = "read"
	RoleWrite Role = "write"
	RoleAdmin Role = "admin"
)

// APIToken is a bearer token, [[api.tokens]]. What is kept is a hash of it.
type APIToken struct {
	Name string
	Role Role
	Hash string // "sha256:" and 64 hexadecimal digits; "": File has them
	File string // a file of such hashes, one to a line, read again when it changes; "": there is none
}

// APIUser is a user with a password, [[api.users]].
type APIUser struct {
	Name         string
	Role         Role
	PasswordHash string // of bcrypt, as htpasswd -nB makes it
}

// APITLS is how the API is served over TLS, [api.tls]. The files are read again when they change.
type APITLS struct {
	CertFile     string
	KeyFile      string
	ClientCAFile string      // who signs client certificates; "": none are asked for
	Clients      []APIClient // whose certificates mean what, by name
}

// APIClient is who has a client certificate, [[api.tls.clients]].
type APIClient struct {
	Name string // the certificate's common name, or one of its alternative names
	Role Role
}

// VIPInterface is the interface that gets the virtual addresses, [gorb] vip_interface.
type VIPInterface struct {
	Name   string // "": none
	Create bool   // make it, a dummy interface, where it is missing
}

// IPVS is what belongs to the kernel's IPVS as a whole, [ipvs]. What is not declared is left as it is.
type IPVS struct {
	Timeouts Timeouts
	Sysctls  map[string]string // of net.ipv4.vs by their names there, such as "conntrack": "1"; nil: none
	Master   *SyncDaemon       // [ipvs.sync.master]; nil: not declared
	Backup   *SyncDaemon       // [ipvs.sync.backup]
}

// Timeouts are those of connections, [ipvs.timeouts], in whole seconds; 0: not declared.
type Timeouts struct {
	TCP    time.Duration // established
	TCPFin time.Duration // after a FIN
	UDP    time.Duration
}

// SyncDaemon is a connection synchronisation daemon, as in `ipvsadm --start-daemon`.
type SyncDaemon struct {
	Interface string
	ID        uint8      // syncid (default 0; in a backup 0 takes every master's)
	MaxLen    uint16     // the longest message in bytes; 0: the kernel's choice, by the interface's MTU
	Group     netip.Addr // multicast group (default 224.0.0.81)
	Port      uint16     // (default 8848)
	TTL       uint8      // (default 1)
}

// Service is a virtual service, [services.NAME]. It is identified by Protocol, Host and Port, or by Fwmark and Family.
type Service struct {
	Name       string
	Host       netip.Addr // invalid: left out, until WithHost; always invalid with Fwmark
	HostName   string     // what Host was resolved from when it was written by REST; it has no effect. "": no name
	OwnHost    bool       // Host was left out: it is an address of the machine's own, and no virtual one
	Port       uint16     // 0: every port; only with persistence
	Protocol   Protocol   // "" with Fwmark
	Fwmark     uint32     // 0: an address service
	Family     Family     // of Host or of the mark; "" while Host is left out
	Method     string     // the scheduler (default "wrr")
	Flags      Flags
	Persistent time.Duration // 0: not persistent; else whole seconds
	// Netmask groups persistent clients: for IPv4 the mask as a number (255.255.255.0 is 0xffffff00), for IPv6 the prefix
	// length. 0: every client alone. OneClient is the IPv4 mask 0.0.0.0: all clients count as one, and Netmask is 0.
	Netmask   uint32
	OneClient bool
	Engine    string        // of persistence: "sip"; "": none
	Drain     time.Duration // how long a leaving backend may keep its connections (default 5m; 0: not at all)
	Pulse     *Pulse        // for the backends that name none; nil: nobody says anything, see PulseOf
	// RemoveDown is on_down = "remove": a backend that is down leaves the kernel. By default it stays, at weight 0.
	RemoveDown bool
	Backends   []Backend // by name
}

// Backend is a real server, [services.NAME.backends.NAME].
type Backend struct {
	Name string
	Host netip.Addr
	// HostName is what Host was resolved from when it was written by REST; it has no effect. "": no name.
	HostName string
	Port     uint16 // default: the service's, 0 with a mark; 0: as the client asked
	Weight   uint32 // 0..2147483647 (default 100); 0 drains
	Method   Method // default NAT
	Upper    uint32 // upper_threshold: with so many connections it gets no new ones; 0: no limit
	Lower    uint32 // lower_threshold: with fewer it gets them again; 0: three quarters of Upper
	Tunnel   Encap  // of GUE and GRE
	Pulse    *Pulse // nil: the service's, see PulseOf
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

// Method is a forwarding method: "nat" (masquerading), "dr" (direct routing), or a tunnel: "tunnel" (IP in IP; "ipip"
// is the same), "gue" or "gre".
type Method string

// The forwarding methods, the first three by the names that GORB gave them.
const (
	NAT    Method = "nat"
	DR     Method = "dr"
	Tunnel Method = "tunnel"
	GUE    Method = "gue"
	GRE    Method = "gre"
)

// Encap is what a tunnel has beside its kind.
type Encap struct {
	Port     uint16   // tunnel_port: the UDP port of GUE; 0 for the others
	Checksum Checksum // tunnel_checksum, of GUE and GRE (default NoChecksum)
}

// Checksum says what checksum a tunnel carries: "nocsum", "csum", or "remcsum" (GUE only).
type Checksum string

// The checksums, by ipvsadm's names. The empty one is that of methods that have none.
const (
	NoChecksum     Checksum = "nocsum"
	SumChecksum    Checksum = "csum"
	RemoteChecksum Checksum = "remcsum"
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
