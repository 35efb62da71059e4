package kernel

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"syscall"
)

// defaultTimeouts are the kernel's (ip_vs_proto_tcp.c, ip_vs_proto_udp.c).
var defaultTimeouts = Timeouts{TCP: 900, TCPFin: 120, UDP: 300}

// defaultGroup is where a daemon talks that was started without a group (IP_VS_SYNC_GROUP of ip_vs_sync.h).
var defaultGroup = netip.AddrFrom4([4]byte{224, 0, 0, 81})

const (
	defaultSyncPort = 8848 // IP_VS_SYNC_PORT
	defaultSyncTTL  = 1
	// fakeMTU is that of every interface, and the least that the kernel reckons with.
	fakeMTU = 1500
	// maxKernelTimeout is INT_MAX / HZ (ip_vs_set_timeout) where HZ is 100, as in user-mode Linux.
	maxKernelTimeout = math.MaxInt32 / 100
)

// Info returns what a kernel says whose module was loaded without parameters.
func (f *Fake) Info(ctx context.Context) (Info, error) {
	return Info{Version: "1.2.1", ConnTableSize: 4096}, ctx.Err()
}

// Timeouts returns the timeouts of connections, at first the kernel's defaults.
func (f *Fake) Timeouts(ctx context.Context) (Timeouts, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.timeouts, ctx.Err()
}

// SetTimeouts sets those that are not 0.
func (f *Fake) SetTimeouts(ctx context.Context, t Timeouts) error {
	return f.change(ctx, HostOp{Kind: SetTimeouts, Timeouts: t}, func() error { return f.setTimeoutsLocked(t) })
}

func (f *Fake) setTimeoutsLocked(t Timeouts) error {
	if max(t.TCP, t.TCPFin, t.UDP) > maxKernelTimeout {
		return syscall.EINVAL
	}
	f.timeouts.set(t)
	return nil
}

// set sets those that are not 0.
func (t *Timeouts) set(to Timeouts) {
	for _, v := range []struct{ have, want *uint32 }{{&t.TCP, &to.TCP}, {&t.TCPFin, &to.TCPFin}, {&t.UDP, &to.UDP}} {
		if *v.want != 0 {
			*v.have = *v.want
		}
	}
}

// SetInterfaces says which network interfaces there are; until it is called, any name is one.
func (f *Fake) SetInterfaces(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.interfaces = append([]string{}, names...)
}

// SyncDaemons returns the synchronisation daemons that run, master first.
func (f *Fake) SyncDaemons(ctx context.Context) ([]SyncDaemon, error) {
	_, daemons := f.global()
	return daemons, ctx.Err()
}

// global returns what there is once, as copies: the timeouts and the daemons that run, master first.
func (f *Fake) global() (*Timeouts, []SyncDaemon) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, daemons := f.timeouts, []SyncDaemon{}
	for _, d := range f.daemons {
		if d.Role != 0 {
			daemons = append(daemons, d)
		}
	}
	return &t, daemons
}

// setGlobal is the reverse.
func (f *Fake) setGlobal(t Timeouts, daemons []SyncDaemon) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timeouts, f.daemons = t, [2]SyncDaemon{}
	for _, d := range daemons {
		f.daemons[d.Role-1] = d
	}
}

// StartSync starts a synchronisation daemon.
func (f *Fake) StartSync(ctx context.Context, d SyncDaemon) error {
	return f.change(ctx, HostOp{Kind: StartSync, Sync: d}, func() error {
		return f.startSyncLocked(d, f.interfaces == nil || slices.Contains(f.interfaces, d.Interface))
	})
}

// startSyncLocked has its checks in the order of the kernel's (ip_vs_genl_new_daemon and start_sync_thread). there says
// whether there is such an interface.
func (f *Fake) startSyncLocked(d SyncDaemon, there bool) error {
	switch {
	case d.Group.IsValid() && !d.Group.IsMulticast(), f.mixesLocked():
		return syscall.EINVAL
	case d.Interface == "", !there:
		return syscall.ENODEV
	case d.Role != Master && d.Role != Backup:
		return syscall.EINVAL
	case f.daemons[d.Role-1].Role != 0:
		return syscall.EEXIST
	}
	f.daemons[d.Role-1] = started(d)
	return nil
}

// StopSync stops the synchronisation daemon of a role. One that does not run is stopped.
func (f *Fake) StopSync(ctx context.Context, r Role) error {
	return f.change(ctx, HostOp{Kind: StopSync, Sync: SyncDaemon{Role: r}}, func() error { return f.stopSyncLocked(r) })
}

func (f *Fake) stopSyncLocked(r Role) error {
	if r != Master && r != Backup {
		return syscall.EINVAL
	}
	f.daemons[r-1] = SyncDaemon{}
	return nil
}

// change carries out what is no operation on the table.
func (f *Fake) change(ctx context.Context, op HostOp, do func() error) error {
	err := ctx.Err()
	if err == nil && f.FailHost != nil {
		err = f.FailHost(op)
	}
	if err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		err = do()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// started is the daemon as the kernel reports it, with what it chose (start_sync_thread in ip_vs_sync.c).
func started(d SyncDaemon) SyncDaemon {
	if !d.Group.IsValid() {
		d.Group = defaultGroup
	}
	if d.Port == 0 {
		d.Port = defaultSyncPort
	}
	if d.TTL == 0 {
		d.TTL = defaultSyncTTL
	}
	headers := 20 + 8 // of IPv4 and UDP
	if d.Group.Is6() {
		headers = 40 + 8
	}
	least := 1
	if d.Role == Backup {
		least = 1024
	}
	if d.MaxLen == 0 {
		d.MaxLen = uint16(fakeMTU - headers)
	}
	d.MaxLen = uint16(min(max(int(d.MaxLen), least), 65535-headers))
	return d
}

// syncsLocked reports whether a synchronisation daemon runs.
func (f *Fake) syncsLocked() bool { return f.daemons != [2]SyncDaemon{} }

// mixesLocked reports whether a destination is of another family than its service, which the messages of the
// synchronisation cannot say.
func (f *Fake) mixesLocked() bool {
	for k, v := range f.services {
		if slices.ContainsFunc(v.Dests, func(d RealServer) bool { return mixed(k.Family, d.DestKey) }) {
			return true
		}
	}
	return false
}
