package kernel

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// OpKind says what an Op does.
type OpKind uint8

// The operations, one IPVS_CMD_* each.
const (
	AddService OpKind = iota + 1
	EditService
	DeleteService
	AddDest
	EditDest
	DeleteDest
)

// Op is one change of the IPVS table. It is comparable; fields that its kind does not use are zero.
type Op struct {
	Kind    OpKind
	Key     ServiceKey
	Service Service // AddService, EditService
	DestKey DestKey // the destination operations
	Dest    Dest    // AddDest, EditDest
}

// String gives the operation as the arguments of ipvsadm(8) that have the same effect, in the form and order in which
// `ipvsadm -Sn` writes them (print_service_entry and print_tunnel_rule in ipvsadm.c). It says more than that where
// ipvsadm 1.31 saves less than it can set: thresholds (-x, -y), the netmask of a service without persistence, flag-3 of
// sh and mh, and marks over 2147483647, which it writes as negative numbers and then cannot read. Addresses are written
// as net/netip does; ipvsadm has ::0.1.0.2 for ::1:2, of the IPv4-compatible ones that nobody uses any more.
func (o Op) String() string {
	switch o.Kind {
	case AddService:
		return "-A " + o.Key.args() + o.Service.args(o.Key.Family)
	case EditService:
		return "-E " + o.Key.args() + o.Service.args(o.Key.Family)
	case DeleteService:
		return "-D " + o.Key.args()
	case AddDest:
		return "-a " + o.Key.args() + " -r " + o.DestKey.String() + o.Dest.args()
	case EditDest:
		return "-e " + o.Key.args() + " -r " + o.DestKey.String() + o.Dest.args()
	case DeleteDest:
		return "-d " + o.Key.args() + " -r " + o.DestKey.String()
	}
	return fmt.Sprintf("operation(%d)", o.Kind)
}

// args gives the key as ipvsadm's options.
func (k ServiceKey) args() string {
	if k.Mark != 0 {
		if k.Family == IPv6 {
			return fmt.Sprintf("-f %d -6", k.Mark)
		}
		return fmt.Sprintf("-f %d", k.Mark)
	}
	switch k.Protocol {
	case TCP:
		return "-t " + k.Addr.String()
	case UDP:
		return "-u " + k.Addr.String()
	}
	// ipvsadm has an option for SCTP, and none for what else the kernel lets in.
	return fmt.Sprintf("--%s-service %s", k.Protocol, k.Addr)
}

// args gives the attributes of a service of family f as ipvsadm's options, with a space before each.
func (s Service) args(f Family) string {
	var b strings.Builder
	fmt.Fprintf(&b, " -s %s", s.Scheduler)
	if s.Flags&Persistent != 0 {
		fmt.Fprintf(&b, " -p %d", s.Timeout)
	}
	if s.Netmask != FullNetmask(f) {
		fmt.Fprintf(&b, " -M %s", formatNetmask(f, s.Netmask))
	}
	if s.Engine != "" {
		fmt.Fprintf(&b, " --pe %s", s.Engine)
	}
	if s.Flags&OnePacket != 0 {
		b.WriteString(" -o")
	}
	if names := s.FlagNames(); len(names) > 0 {
		b.WriteString(" -b " + strings.Join(names, ","))
	}
	return b.String()
}

// FlagNames are the flags whose meaning is the scheduler's, as ipvsadm calls them.
func (s Service) FlagNames() []string {
	names := []string{}
	for i, name := range schedFlagNames(s.Scheduler) {
		if s.Flags&schedFlags[i] != 0 {
			names = append(names, name)
		}
	}
	return names
}

// args gives the attributes of a destination as ipvsadm's options, with a space before each. As in ipvsadm, Local and
// Bypass cannot be told from Route.
func (d Dest) args() string {
	forward, tunnel := " -g", ""
	switch d.Forward {
	case Masq:
		forward = " -m"
	case Tunnel:
		forward, tunnel = " -i", d.Encap.args()
	}
	s := fmt.Sprintf("%s -w %d%s", forward, d.Weight, tunnel)
	if d.Upper != 0 {
		s += fmt.Sprintf(" -x %d", d.Upper)
	}
	if d.Lower != 0 {
		s += fmt.Sprintf(" -y %d", d.Lower)
	}
	return s
}

// args gives the tunnel as ipvsadm's options, with a space before each.
func (e Encap) args() string {
	s := " --tun-type " + e.Type.String()
	if e.Type == IPIP {
		return s
	}
	if e.Type == GUE {
		s += fmt.Sprintf(" --tun-port %d", e.Port)
	}
	if e.Flags == NoChecksum {
		return s + " --tun-nocsum"
	}
	if e.Flags&Checksum != 0 {
		s += " --tun-csum"
	}
	if e.Flags&RemoteChecksum != 0 {
		s += " --tun-remcsum"
	}
	return s
}

// schedFlags are the flags whose meaning is the scheduler's, in the order of schedFlagNames.
var schedFlags = [...]Flags{Sched1, Sched2, Sched3}

// schedFlagNames returns what ipvsadm calls the flags of a scheduler.
func schedFlagNames(scheduler string) [len(schedFlags)]string {
	if scheduler == "sh" || scheduler == "mh" {
		return [...]string{scheduler + "-fallback", scheduler + "-port", "flag-3"}
	}
	return [...]string{"flag-1", "flag-2", "flag-3"}
}

// formatNetmask gives a Service.Netmask as ipvsadm does: 255.255.0.0, or a prefix length.
func formatNetmask(f Family, mask uint32) string {
	if f == IPv6 {
		return strconv.FormatUint(uint64(mask), 10)
	}
	return netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
}
