package kernel

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrNoIPVS indicates that the running kernel has no IPVS: it was built without, or the module is not loaded.
var ErrNoIPVS = errors.New("the kernel has no IPVS: load it with modprobe ip_vs")

// OpError is the failure of one operation. Its text is a sentence an operator can act on; Unwrap gives the cause, so
// that errors.Is(err, syscall.ENOENT) and the like stay true.
type OpError struct {
	Op  Op
	Err error
}

func (e *OpError) Error() string {
	why := e.Err.Error()
	if errno, ok := e.Err.(syscall.Errno); ok { // a bare one: any other has its sentence already
		if s := explain(e.Op, errno); s != "" {
			why = fmt.Sprintf("%s (%s)", s, why)
		}
	}
	return fmt.Sprintf("%s: %s", e.Op.action(), why)
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// action says what the operation does, and to what.
func (o Op) action() string {
	switch o.Kind {
	case AddService:
		return fmt.Sprintf("add %s", o.Key)
	case EditService:
		return fmt.Sprintf("edit %s", o.Key)
	case DeleteService:
		return fmt.Sprintf("delete %s", o.Key)
	case AddDest:
		return fmt.Sprintf("add %s to %s", o.DestKey, o.Key)
	case EditDest:
		return fmt.Sprintf("edit %s of %s", o.DestKey, o.Key)
	case DeleteDest:
		return fmt.Sprintf("delete %s from %s", o.DestKey, o.Key)
	}
	return o.String()
}

// ofService reports whether the operation is on a service, not on a destination.
func (o Op) ofService() bool {
	return o.Kind == AddService || o.Kind == EditService || o.Kind == DeleteService
}

// explain says what an errno means as the answer to an operation (ip_vs_genl_set_cmd and what it calls, in
// net/netfilter/ipvs/ip_vs_ctl.c); "" where the errno says it all.
func explain(o Op, errno syscall.Errno) string {
	switch errno {
	case syscall.EEXIST:
		return "it is already there"
	case syscall.ESRCH:
		if o.ofService() {
			return "it is not there"
		}
		return "its service is not there"
	case syscall.ENOENT:
		return explainMissing(o)
	case syscall.EINVAL:
		return explainInvalid(o)
	case syscall.ERANGE:
		if o.Dest.Lower > o.Dest.Upper {
			return fmt.Sprintf("the lower threshold %d is over the upper one, %d", o.Dest.Lower, o.Dest.Upper)
		}
		return "its weight or a threshold is out of the kernel's range"
	}
	return explainSystem(errno)
}

// explainMissing says what ENOENT can mean. The kernel looks for the scheduler first, then for the engine, and its
// answer does not tell which it lacks; the scheduler "none" is none that it looks for.
func explainMissing(o Op) string {
	scheduler, engine := o.Service.Scheduler, o.Service.Engine
	switch {
	case o.Kind != AddService && o.Kind != EditService:
		return "it is not there"
	case engine == "":
		return fmt.Sprintf("the kernel has no scheduler %[1]s: modprobe ip_vs_%[1]s", scheduler)
	case scheduler == "none":
		return fmt.Sprintf("the kernel has no persistence engine %[1]s: modprobe ip_vs_pe_%[1]s", engine)
	}
	return fmt.Sprintf("the kernel has no scheduler %[1]s or no persistence engine %[2]s: "+
		"modprobe -a ip_vs_%[1]s ip_vs_pe_%[2]s", scheduler, engine)
}

// explainInvalid says what EINVAL can mean.
func explainInvalid(o Op) string {
	switch o.Kind {
	case AddService, EditService:
		if o.Key.Family == IPv6 && (o.Service.Netmask < 1 || o.Service.Netmask > 128) {
			return fmt.Sprintf("its netmask %d is not a prefix length from 1 to 128", o.Service.Netmask)
		}
	case AddDest:
		if mixed(o.Key.Family, o.DestKey) {
			return explainMixed(o) + "; if none does, " + explainAddr(o.DestKey)
		}
		return explainAddr(o.DestKey)
	case EditDest:
		if mixed(o.Key.Family, o.DestKey) {
			return explainMixed(o)
		}
	}
	return "the kernel takes no such attributes"
}

// explainMixed says when a tunnel to another family is refused. The messages of the synchronisation have one family for
// a connection.
func explainMixed(o Op) string {
	return fmt.Sprintf("it is not of its service's family %s, which the kernel allows only while no sync daemon runs: "+
		"ipvsadm -L --daemon shows whether one does", o.Key.Family)
}

// explainAddr says which addresses a destination can have.
func explainAddr(k DestKey) string {
	if FamilyOf(k.Addr.Addr()) == IPv6 {
		return "its address must be unicast or local: not unspecified, multicast or link-local"
	}
	// inet_addr_type asks the local routing table, and takes everything for broadcast where there is none yet.
	return "its address must be unicast: not unspecified, multicast, or broadcast in a network of this machine; " +
		"and this network namespace must have had an address, if only that of lo"
}

// explainSystem says what an errno means that any request can meet.
func explainSystem(errno syscall.Errno) string {
	switch errno {
	case syscall.EPERM, syscall.EACCES:
		return "needs CAP_NET_ADMIN: run as root or give the capability"
	case syscall.ENOMEM:
		return "the kernel has no memory for it"
	case syscall.ENOBUFS:
		return "the kernel has no buffer for the request"
	case syscall.EAFNOSUPPORT:
		return "IPv6 is switched off in this kernel, or in its IPVS"
	case syscall.ENOPROTOOPT:
		return "the module ip_vs is being unloaded"
	case syscall.EOPNOTSUPP:
		return "the kernel's IPVS does not know this command"
	}
	return ""
}

// keyError is the failure of reading one service of several.
type keyError struct {
	key ServiceKey
	err error
}

func (e *keyError) Error() string { return readError([]ServiceKey{e.key}, e.err).Error() }

// Unwrap returns the cause.
func (e *keyError) Unwrap() error { return e.err }

// readError is the failure of an Observe.
func readError(keys []ServiceKey, err error) error {
	if e, ok := err.(*keyError); ok {
		keys, err = []ServiceKey{e.key}, e.err
	}
	what := "the IPVS table"
	if len(keys) == 1 {
		what = keys[0].String()
	}
	return doing("read "+what, ofRead(err))
}

// doing says what failed, and why in the operator's words.
func doing(what string, err error) error {
	if errno, ok := err.(syscall.Errno); ok { // a bare one: any other has its sentence already
		if s := explainSystem(errno); s != "" {
			return fmt.Errorf("%s: %s (%w)", what, s, errno)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}
