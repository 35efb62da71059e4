package kernel

import (
	"fmt"
	"net/netip"
	"regexp"
	"syscall"
)

// What a write may carry at most. The kernel takes more, but what it then holds does not read back as it was written,
// so that the next comparison would find a difference again, and for ever.
const (
	// maxTimeout is ipvsadm's limit, 31 days in seconds: the kernel multiplies by HZ in 32 bits on some machines.
	maxTimeout = 31 * 86400
	// maxWeight is ipvsadm's limit, and all that moby/ipvs reads back: the low 16 bits.
	maxWeight = 65535
)

// schedulerName is what fits the kernel's attribute (IP_VS_SCHEDNAME_MAXLEN, 16 with the final zero) and may be part
// of a module's name.
var schedulerName = regexp.MustCompile(`^[a-z0-9_-]{1,15}$`)

// refuse says why an operation must not reach the kernel: because it, or moby/ipvs on the way to it, would do
// something else than the operation says. Client and Fake ask it first, so they refuse alike. All else is the
// kernel's to judge.
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
		return refuseDestKey(op.Key.Family, op.DestKey)
	case AddDest, EditDest:
		if err := refuseDestKey(op.Key.Family, op.DestKey); err != nil {
			return err
		}
		return refuseDest(op.Dest)
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

// refuseAddr refuses what moby/ipvs would cut down to another address.
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
	case !schedulerName.MatchString(s.Scheduler):
		return refusal(syscall.EINVAL, "%q is no name of a scheduler", s.Scheduler)
	case s.Flags&hashed != 0:
		return refusal(syscall.EINVAL, "the flag 0x2 is the kernel's own")
	case s.Flags&Persistent == 0 && s.Timeout != 0:
		return refusal(syscall.EINVAL, "a timeout of %d s without persistence means nothing", s.Timeout)
	case s.Timeout > maxTimeout:
		return refusal(syscall.ERANGE, "a persistence timeout of %d s is over 31 days", s.Timeout)
	}
	return nil
}

// refuseDestKey refuses mixed families, which the kernel allows for tunnels: moby/ipvs does not send the family of a
// destination, so that 2001:db8::1 in an IPv4 service would silently become 32.1.13.184.
func refuseDestKey(f Family, k DestKey) error {
	if err := refuseAddr(k.Addr.Addr()); err != nil {
		return err
	}
	if mixed(f, k) {
		return refusal(syscall.EINVAL, "it is not of its service's family %s: the kernel mixes families only by tunnel "+
			"and while no sync daemon runs, and gorb not yet", f)
	}
	return nil
}

func refuseDest(d Dest) error {
	switch {
	case d.Forward > Bypass:
		return refusal(syscall.EINVAL, "%d is no forwarding method", d.Forward)
	case d.Weight > maxWeight:
		return refusal(syscall.ERANGE, "the weight %d is over %d", d.Weight, maxWeight)
	}
	return nil
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

// unwritableDest is the VirtualService.Unknown of a service of family f with an observed destination that no Op could
// have made; "" for others. Weights are not among its reasons, as an edit may set them right.
func unwritableDest(f Family, d RealServer) string {
	switch {
	case mixed(f, d.DestKey):
		return fmt.Sprintf("its destination %s is of the other address family, which gorb cannot write yet", d.DestKey)
	case refuseAddr(d.Addr.Addr()) != nil:
		return fmt.Sprintf("gorb cannot write its destination %s: %v", d.DestKey, refuseAddr(d.Addr.Addr()))
	case d.Forward > Bypass:
		return fmt.Sprintf("its destination %s has the forwarding method %d, which gorb does not know", d.DestKey, d.Forward)
	}
	return ""
}
