package kernel

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Info is what the kernel says of its IPVS.
type Info struct {
	Version       string // of IPVS: "1.2.1"
	ConnTableSize uint32 // buckets of the connection table
}

// Timeouts are those of connections, in seconds (ip_vs_proto_tcp.c, ip_vs_proto_udp.c). In a write 0 leaves one as it is.
type Timeouts struct {
	TCP    uint32 // established
	TCPFin uint32 // after a FIN
	UDP    uint32
}

// Role is what a synchronisation daemon does: IP_VS_STATE_* of include/uapi/linux/ip_vs.h.
type Role uint8

// The roles. One daemon of each may run at once.
const (
	Master Role = 1 // sends connections
	Backup Role = 2 // receives them
)

func (r Role) String() string {
	switch r {
	case Master:
		return "master"
	case Backup:
		return "backup"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// SyncDaemon is a connection synchronisation daemon. In a start, zero values are left to the kernel: it reports what it
// chose.
type SyncDaemon struct {
	Role      Role
	Interface string
	ID        uint8
	MaxLen    uint16
	Group     netip.Addr // IPv4 or IPv6; the zero value is 224.0.0.81
	Port      uint16     // 0 is 8848
	TTL       uint8      // 0 is 1
}

// Address is an address on an interface.
type Address struct {
	Interface string
	Addr      netip.Addr
}

func (a Address) String() string { return fmt.Sprintf("%s on %s", a.Addr, a.Interface) }

// Compare orders addresses by interface and address.
func (a Address) Compare(o Address) int {
	if c := strings.Compare(a.Interface, o.Interface); c != 0 {
		return c
	}
	return a.Addr.Compare(o.Addr)
}

// HostOpKind says what a HostOp does.
type HostOpKind uint8

// The changes of what surrounds the table.
const (
	SetSysctl     HostOpKind = iota + 1 // Name, Value
	SetTimeouts                         // Timeouts
	StopSync                            // Sync: its role
	StartSync                           // Sync
	AddLink                             // Address: its interface, of kind dummy, which is then up
	RaiseLink                           // Address: its interface, of kind dummy, which is down
	DeleteLink                          // Address: its interface
	AddAddress                          // Address, as /32 or /128, announced
	DeleteAddress                       // Address
)

// HostOp is one change of what surrounds the IPVS table: sysctls, timeouts, synchronisation, virtual addresses. It is
// comparable; fields that its kind does not use are zero.
type HostOp struct {
	Kind     HostOpKind
	Name     string // of a sysctl, without "net.ipv4.vs."
	Value    string
	Timeouts Timeouts
	Sync     SyncDaemon
	Address  Address
}

// String gives the operation as the command that has the same effect: sysctl(8), ipvsadm(8) or ip(8).
func (o HostOp) String() string {
	switch o.Kind {
	case SetSysctl:
		return fmt.Sprintf("sysctl -w net.ipv4.vs.%s=%s", o.Name, quote(o.Value))
	case SetTimeouts:
		return fmt.Sprintf("ipvsadm --set %d %d %d", o.Timeouts.TCP, o.Timeouts.TCPFin, o.Timeouts.UDP)
	case StopSync:
		return fmt.Sprintf("ipvsadm --stop-daemon %s", o.Sync.Role)
	case StartSync:
		return "ipvsadm --start-daemon " + o.Sync.args()
	case AddLink:
		return fmt.Sprintf("ip link add %s up type dummy", quote(o.Address.Interface))
	case RaiseLink:
		return fmt.Sprintf("ip link set %s up", quote(o.Address.Interface))
	case DeleteLink:
		return fmt.Sprintf("ip link delete %s", quote(o.Address.Interface))
	case AddAddress:
		return fmt.Sprintf("ip addr add %s dev %s%s", hostPrefix(o.Address.Addr), quote(o.Address.Interface), nodad(o.Address.Addr))
	case DeleteAddress:
		return fmt.Sprintf("ip addr delete %s dev %s", hostPrefix(o.Address.Addr), quote(o.Address.Interface))
	}
	return fmt.Sprintf("operation(%d)", o.Kind)
}

// plainWord is what the shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.,:@%+=/-]+$`)

// quote puts a word that the shell would not take as it is in quotes: a value with a space in it, as sync_threshold has,
// or the name of an interface, which may be nearly anything.
func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// normalValue is how a setting is written and compared: "3\t50\n" is "3 50".
func normalValue(v string) string { return strings.Join(strings.Fields(v), " ") }

// nodad is the option that makes an IPv6 address usable at once, without a search for duplicates: another director may
// have had it until now.
func nodad(a netip.Addr) string {
	if a.Is6() {
		return " nodad"
	}
	return ""
}

// hostPrefix writes an address as the prefix of one host.
func hostPrefix(a netip.Addr) string {
	if a.Is4() {
		return a.String() + "/32"
	}
	return a.String() + "/128"
}

// args gives the daemon as ipvsadm's arguments.
func (d SyncDaemon) args() string {
	s := fmt.Sprintf("%s --mcast-interface %s", d.Role, quote(d.Interface))
	if d.ID != 0 {
		s += fmt.Sprintf(" --syncid %d", d.ID)
	}
	if d.MaxLen != 0 {
		s += fmt.Sprintf(" --sync-maxlen %d", d.MaxLen)
	}
	if d.Group.IsValid() {
		s += fmt.Sprintf(" --mcast-group %s", d.Group)
	}
	if d.Port != 0 {
		s += fmt.Sprintf(" --mcast-port %d", d.Port)
	}
	if d.TTL != 0 {
		s += fmt.Sprintf(" --mcast-ttl %d", d.TTL)
	}
	return s
}

// HostQuery says what of the surroundings to read. What nobody declared is not read.
type HostQuery struct {
	Sysctls   []string // by name, without "net.ipv4.vs."
	Timeouts  bool
	Sync      bool
	Addresses bool // the interfaces and their addresses
}

// HostState is what was read. A part that was not asked for, or could not be read, is nil.
type HostState struct {
	Sysctls  map[string]string // those asked for that this kernel has
	Timeouts *Timeouts
	Sync     []SyncDaemon // those that run; not nil where they could be read
	// Links are the interfaces, by name; the value is whether it is up.
	Links map[string]bool
	// Addresses are all addresses of all interfaces.
	Addresses map[Address]bool
}
