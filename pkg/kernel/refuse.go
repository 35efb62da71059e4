package kernel

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"syscall"
)

// What a write may carry at most.
const (
	// maxTimeout is ipvsadm's limit, 31 days in seconds: the kernel multiplies by HZ in 32 bits on some machines.
	maxTimeout = 31 * 86400
	// maxWeight is the kernel's limit, an int (ip_vs_add_dest).
	maxWeight = math.MaxInt32
)

// moduleName is what the name of a scheduler or a persistence engine may be: it fits the kernel's attribute
// (IP_VS_SCHEDNAME_MAXLEN and IP_VS_PENAME_MAXLEN, 16 with the final zero) and may be part of a module's name.
var moduleName = regexp.MustCompile(`^[a-z0-9_-]{1,15}$`)

// refuse says why an operation must not reach the kernel: because it would do something else than the operation says,
// or take what no tool can then read back, or refuse it with an errno that says less. Client and Fake ask it first, so
// they refuse alike. All else is the kernel's to judge.
func refuse(op Op) error {
	if err := refuseKey(op.Key); err != nil {
		return err
	}
	switch op.Kind {
	case AddService, EditService:
		return refuseService(op.Service)
	case DeleteService:
		return nil
	case DeleteDest:
		return refuseAddr(op.DestKey.Addr.Addr())
	case AddDest, EditDest:
		if err := refuseAddr(op.DestKey.Addr.Addr()); err != nil {
			return err
		}
		return refuseDest(op.Key.Family, op.DestKey, op.Dest)
	}
	return refusal(syscall.EINVAL, "there is no such operation")
}

func refuseKey(k ServiceKey) error {
	switch {
	case k.Family != IPv4 && k.Family != IPv6:
		return refusal(syscall.EAFNOSUPPORT, "IPVS knows no %s", k.Family)
	case k.Mark != 0:
		if k.Protocol != 0 || k.Addr != (netip.AddrPort{}) {
			return refusal(syscall.EINVAL, "a firewall mark has neither a protocol nor an address")
		}
		return nil
	case k.Protocol != TCP && k.Protocol != UDP && k.Protocol != SCTP:
		return refusal(syscall.EINVAL, "IPVS schedules no %s", k.Protocol)
	}
	if err := refuseAddr(k.Addr.Addr()); err != nil {
		return err
	}
	if FamilyOf(k.Addr.Addr()) != k.Family {
		return refusal(syscall.EINVAL, "its address is not of the family %s", k.Family)
	}
	return nil
}

// refuseAddr refuses what would reach the kernel as another address.
func refuseAddr(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return refusal(syscall.EINVAL, "it has no address")
	case a.Zone() != "":
		return refusal(syscall.EINVAL, "IPVS knows no zones: %s", a)
	case a.Is4In6():
		return refusal(syscall.EINVAL, "an IPv4-mapped address must be written as %s", a.Unmap())
	}
	return nil
}

func refuseService(s Service) error {
	switch {
	case !moduleName.MatchString(s.Scheduler):
		return refusal(syscall.EINVAL, "%q is no name of a scheduler", s.Scheduler)
	case s.Engine != "" && !moduleName.MatchString(s.Engine):
		return refusal(syscall.EINVAL, "%q is no name of a persistence engine", s.Engine)
	case s.Flags&hashed != 0:
		return refusal(syscall.EINVAL, "the flag 0x2 is the kernel's own")
	case s.Flags&Persistent == 0 && s.Timeout != 0:
		return refusal(syscall.EINVAL, "a timeout of %d s without persistence means nothing", s.Timeout)
	case s.Timeout > maxTimeout:
		return refusal(syscall.ERANGE, "a persistence timeout of %d s is over 31 days", s.Timeout)
	}
	return nil
}

func refuseDest(f Family, k DestKey, d Dest) error {
	if fault := forwardFault(f, k, d); fault != "" {
		return refusal(syscall.EINVAL, "%s", fault)
	}
	if d.Weight > maxWeight {
		return refusal(syscall.ERANGE, "the weight %d is over %d", d.Weight, maxWeight)
	}
	return nil
}

// forwardFault says what is wrong with how a destination of a service of family f is forwarded to; "" if nothing is.
func forwardFault(f Family, k DestKey, d Dest) string {
	switch {
	case d.Forward > Bypass:
		return fmt.Sprintf("%d is no forwarding method", d.Forward)
	case d.Forward == Tunnel:
		return d.Encap.fault()
	case mixed(f, k):
		return fmt.Sprintf("it is not of its service's family %s: the kernel mixes families only by tunnel", f)
	case d.Encap != Encap{}:
		return "only a tunnel has a kind, a port and checksums"
	}
	return ""
}

// fault says what no tunnel can be; "" if nothing. The kernel keeps any kind, port and flags but a GUE tunnel to port 0,
// and passes over what it does not understand; the rules are ipvsadm's. A checksum and a remote checksum at once, which
// the kernel takes for GUE, ipvsadm 1.31 refuses to set, and `ipvsadm -Sn` crashes where it meets them.
func (e Encap) fault() string {
	switch e.Type {
	case IPIP:
		if e != (Encap{}) {
			return "an ipip tunnel has neither a port nor checksums"
		}
	case GUE:
		switch {
		case e.Port == 0:
			return "a gue tunnel needs a port, 1 to 65535"
		case e.Flags > RemoteChecksum:
			return fmt.Sprintf("a gue tunnel has no checksum, a checksum or a remote checksum, but not flags %#x", uint16(e.Flags))
		}
	case GRE:
		switch {
		case e.Port != 0:
			return "a gre tunnel has no port"
		case e.Flags > Checksum:
			return fmt.Sprintf("a gre tunnel has no checksum or a checksum, but not flags %#x", uint16(e.Flags))
		}
	default:
		return fmt.Sprintf("%s is no kind of tunnel that gorb knows", e.Type)
	}
	return ""
}

// refusal is an answer of this package in the form of the kernel's.
func refusal(errno syscall.Errno, format string, args ...any) error {
	return fmt.Errorf("%s (%w)", fmt.Sprintf(format, args...), errno)
}

// mixed reports whether a destination's address is of another family than its service's.
func mixed(f Family, k DestKey) bool { return FamilyOf(k.Addr.Addr()) != f }

// unwritableKey is the VirtualService.Unknown of an observed service whose key no Op could have; "" for others.
func unwritableKey(k ServiceKey) string {
	if err := refuseKey(k); err != nil {
		return fmt.Sprintf("gorb cannot write it: %v", err)
	}
	return ""
}

// unwritableDest is the RealServer.Unknown of an observed destination, of a service of family f, that no Op could have
// made; "" for others. Weights and thresholds are not among its reasons, as an edit may set them right.
func unwritableDest(f Family, d RealServer) string {
	if err := refuseAddr(d.Addr.Addr()); err != nil {
		return fmt.Sprintf("gorb cannot write it: %v", err)
	}
	if fault := forwardFault(f, d.DestKey, d.Dest); fault != "" {
		return "gorb cannot write it: " + fault
	}
	return ""
}
