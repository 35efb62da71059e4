package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// HostError is the failure of one HostOp. Its text is a sentence an operator can act on; Unwrap gives the cause, so
// that errors.Is(err, syscall.EPERM) and the like stay true.
type HostError struct {
	Op  HostOp
	Err error
}

func (e *HostError) Error() string {
	why := e.Err.Error()
	if _, ok := e.Err.(*whole); ok {
		return why
	}
	if errno, ok := e.Err.(syscall.Errno); ok { // a bare one: any other has its sentence already
		if s := explainHost(e.Op, errno); s != "" {
			why = fmt.Sprintf("%s (%s)", s, why)
		}
	}
	return fmt.Sprintf("%s: %s", e.Op.action(), why)
}

// Unwrap returns the cause.
func (e *HostError) Unwrap() error { return e.Err }

// whole is an error whose text begins with what was to be done, as those of Client's methods do.
type whole struct{ err error }

func (e *whole) Error() string { return e.err.Error() }
func (e *whole) Unwrap() error { return e.err }

// action says what the operation does, and to what.
func (o HostOp) action() string {
	switch o.Kind {
	case SetSysctl:
		return fmt.Sprintf("set net.ipv4.vs.%s to %s", o.Name, quote(o.Value))
	case SetTimeouts:
		return fmt.Sprintf("set the timeouts of connections to %d, %d and %d s", o.Timeouts.TCP, o.Timeouts.TCPFin, o.Timeouts.UDP)
	case StopSync:
		return fmt.Sprintf("stop the sync daemon (%s)", o.Sync.Role)
	case StartSync:
		return fmt.Sprintf("start the sync daemon (%s on %s)", o.Sync.Role, o.Sync.Interface)
	case AddLink:
		return "make the interface " + o.Address.Interface
	case RaiseLink:
		return fmt.Sprintf("set the interface %s up", o.Address.Interface)
	case DeleteLink:
		return "delete the interface " + o.Address.Interface
	case AddAddress:
		return "put " + o.Address.String()
	case DeleteAddress:
		return fmt.Sprintf("take %s from %s", o.Address.Addr, o.Address.Interface)
	}
	return o.String()
}

// refuseHost says what is wrong with an operation before anybody is asked to carry it out.
func refuseHost(o HostOp) error {
	switch o.Kind {
	case SetSysctl:
		if !isSysctl(o.Name) {
			return &missingSysctl{o.Name}
		}
	case StartSync:
		if o.Sync.Interface == "" {
			return errors.New("it has no interface")
		}
	case AddAddress, DeleteAddress:
		if a := o.Address.Addr; !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Zone() != "" || a.Is4In6() {
			return errors.New("an interface can have no such address")
		}
		fallthrough
	case AddLink, RaiseLink, DeleteLink:
		// IFNAMSIZ of include/uapi/linux/if.h, and dev_valid_name of net/core/dev.c.
		if n := o.Address.Interface; n == "" || len(n) > 15 || n == "." || n == ".." || strings.ContainsAny(n, "/: \t\n") {
			return fmt.Errorf("no interface can be called %q", n)
		}
	case SetTimeouts, StopSync:
	default:
		return errors.New("no such operation")
	}
	return nil
}

// isSysctl reports whether a name is that of a file in the directory of the settings.
func isSysctl(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// missingSysctl is a setting that this kernel does not have.
type missingSysctl struct{ name string }

func (e *missingSysctl) Error() string { return "this kernel has no such setting" }

// Unwrap lets errors.Is find fs.ErrNotExist.
func (e *missingSysctl) Unwrap() error { return fs.ErrNotExist }

// missingLink is an interface that is not there.
type missingLink struct {
	name string
	have []string // in order
}

func (e *missingLink) Error() string {
	if len(e.have) == 0 {
		return fmt.Sprintf("there is no interface %s, nor any other", e.name)
	}
	const most = 10 // a director of containers has hundreds
	have, more := e.have, ""
	if len(have) > most {
		have, more = have[:most], fmt.Sprintf(" and %d more", len(have)-most)
	}
	return fmt.Sprintf("there is no interface %s; there are %s%s", e.name, strings.Join(have, ", "), more)
}

// Unwrap lets errors.Is find syscall.ENODEV.
func (e *missingLink) Unwrap() error { return syscall.ENODEV }

// notDummy is the refusal to touch an interface that is somebody else's.
func notDummy(kind string, doing string) error {
	return fmt.Errorf("it is of kind %s, not dummy, and so not gorb's to %s", kind, doing)
}

// explainHost says what an errno means as the answer to an operation (proc_sysctl.c, ip_vs_ctl.c, devinet.c,
// addrconf.c); "" where the errno says it all.
func explainHost(o HostOp, errno syscall.Errno) string {
	switch errno {
	case syscall.EROFS:
		return "/proc/sys is read-only here, as in most containers: set it on the host, or let the container write there"
	case syscall.EEXIST:
		switch o.Kind {
		case StartSync:
			return fmt.Sprintf("a %s runs already", o.Sync.Role)
		case AddLink:
			return "another interface has this name, perhaps for an alternative one"
		case AddAddress:
			return "somebody else has just put it there"
		}
	case syscall.EINVAL:
		return explainInvalidHost(o)
	case syscall.EACCES, syscall.EPERM:
		if o.Kind == SetSysctl {
			return "needs CAP_NET_ADMIN, and some settings only the machine's first network namespace has"
		}
		// inet6_addr_add of a kernel's addrconf.c: permission was checked before.
		if errno == syscall.EACCES && o.Kind == AddAddress && o.Address.Addr.Is6() {
			return fmt.Sprintf("IPv6 is switched off on %[1]s: net.ipv6.conf.%[1]s.disable_ipv6", o.Address.Interface)
		}
	case syscall.EOPNOTSUPP:
		switch o.Kind {
		case AddLink:
			return "the kernel has no dummy interfaces: modprobe dummy"
		case AddAddress:
			return "IPv6 is switched off in this kernel"
		}
	}
	return explainSystem(errno)
}

// explainInvalidHost says what EINVAL can mean.
func explainInvalidHost(o HostOp) string {
	switch o.Kind {
	case SetSysctl:
		return "the kernel takes no such value for it"
	case AddAddress:
		return "an interface can have no such address"
	}
	return ""
}
