package kernel

import (
	"context"
	"net/netip"
	"slices"
	"syscall"
)

// fakeSchedulers are those of Linux 6.1, and "none", which the kernel takes for "schedule nothing".
var fakeSchedulers = []string{
	"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "sed", "nq", "fo", "ovf", "twos", "none",
}

// fakeEngines are the persistence engines of Linux.
var fakeEngines = []string{"sip"}

// apply carries one operation out. Its checks stand in the order of the kernel's (ip_vs_genl_set_cmd), as an
// operation may be wrong in two ways.
func (f *Fake) apply(ctx context.Context, op Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.Fail != nil {
		if err := f.Fail(op); err != nil {
			return err
		}
	}
	if err := refuse(op); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.services[op.Key]
	if ok == (op.Kind == AddService) {
		if ok {
			return syscall.EEXIST
		}
		return syscall.ESRCH
	}
	var err error
	if op.ofService() {
		err = f.applyService(op, v)
	} else {
		err = f.applyDest(op, v)
	}
	if err == nil {
		f.ops = append(f.ops, op)
	}
	return err
}

func (f *Fake) applyService(op Op, v VirtualService) error {
	if op.Kind == DeleteService {
		for _, d := range v.Dests {
			f.discard(trashKey{op.Key, d.DestKey}, d.Conns)
		}
		delete(f.services, op.Key)
		delete(f.statistics, op.Key)
		return nil
	}
	if !slices.Contains(fakeSchedulers, op.Service.Scheduler) {
		return syscall.ENOENT
	}
	if op.Service.Engine != "" && !slices.Contains(fakeEngines, op.Service.Engine) {
		return syscall.ENOENT
	}
	if op.Key.Family == IPv6 && (op.Service.Netmask < 1 || op.Service.Netmask > 128) {
		return syscall.EINVAL
	}
	v.Service = op.Service
	v.Flags |= hashed
	f.services[op.Key] = v
	return nil
}

func (f *Fake) applyDest(op Op, v VirtualService) error {
	i := v.index(op.DestKey)
	if op.Kind == DeleteDest {
		if i < 0 {
			return syscall.ENOENT
		}
		f.discard(trashKey{op.Key, op.DestKey}, v.Dests[i].Conns)
		v.Dests = slices.Delete(v.Dests, i, i+1)
		f.services[op.Key] = v
		return nil
	}
	if mixed(op.Key.Family, op.DestKey) && f.syncsLocked() {
		return syscall.EINVAL
	}
	if op.Dest.Lower > op.Dest.Upper {
		return syscall.ERANGE
	}
	if op.Kind == EditDest {
		if i < 0 {
			return syscall.ENOENT
		}
		v.Dests[i].Dest = op.Dest
		return nil
	}
	if i >= 0 {
		return syscall.EEXIST
	}
	if !scheduled(op.DestKey.Addr.Addr()) {
		return syscall.EINVAL
	}
	key := trashKey{op.Key, op.DestKey}
	// The kernel adds at the head of its list (list_add_rcu), so that a dump begins with the newest.
	v.Dests = slices.Insert(v.Dests, 0, RealServer{DestKey: op.DestKey, Dest: op.Dest, Conns: f.trash[key]})
	delete(f.trash, key)
	f.services[op.Key] = v
	return nil
}

// discard keeps what the connections of a deleted destination hold on to: the kernel moves it to a list, from which
// the same destination of the same service returns with its connections (docs/kernel.md, "Deleting").
func (f *Fake) discard(k trashKey, c Conns) {
	if c == (Conns{}) {
		delete(f.trash, k)
		return
	}
	f.trash[k] = c
}

// scheduled reports whether the kernel takes an address for a destination (ip_vs_new_dest). Which unicast-looking
// addresses are broadcast ones depends on the routing table, of which a Fake has none.
func scheduled(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !(a.Is6() && a.IsLinkLocalUnicast()) &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
