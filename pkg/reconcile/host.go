package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Host is what reconciling needs of what surrounds the table: kernel.Host and kernel.FakeHost have it.
type Host interface {
	// Observe reads the parts that are asked for. Beside an error it returns those that could be read.
	Observe(ctx context.Context, q kernel.HostQuery) (kernel.HostState, error)
	// Apply does the operations in order and goes on past failures; it returns one error, or nil, for each.
	Apply(ctx context.Context, ops []kernel.HostOp) []error
}

// HostQuery returns what of the host a pass over everything has to read: what is declared, and what gorb put there.
func HostQuery(d *spec.Desired, m Memory) kernel.HostQuery {
	synced := d.IPVS.Master != nil || d.IPVS.Backup != nil
	return kernel.HostQuery{
		Sysctls:   slices.Sorted(maps.Keys(d.IPVS.Sysctls)),
		Timeouts:  d.IPVS.Timeouts != (spec.Timeouts{}),
		Sync:      synced || len(m.Host.Sync) > 0,
		Addresses: d.Gorb.VIP.Name != "" || len(m.Host.Addresses) > 0 || len(m.Host.Links) > 0 || synced,
	}
}

// hostStep is one operation on the host, and what it depends on.
type hostStep struct {
	op   kernel.HostOp
	note string
	// after are the operations on the host that must not have failed before it.
	after []kernel.HostOp
	// before is, for StopSync, the start that it makes way for; the zero value is none.
	before kernel.HostOp
	// services are, for AddAddress, those that it is for: one of them must serve. For DeleteAddress, those that leave.
	services []kernel.ServiceKey
	// back says that gorb had put the address there already.
	back bool
	// instead are, for AddAddress, the services that leave because they moved to it.
	instead []kernel.ServiceKey
	// forget says that what it takes away is forgotten once that is done.
	forget bool
}

// hostDecider decides about the host. The phases are filled in the order in which the parts are decided about.
type hostDecider struct {
	*decider
	next  HostMemory
	steps [phases][]hostStep
}

// decideHost returns the operations on the host, by phase.
func (d *decider) decideHost() []batch {
	if d.Host == nil {
		return nil
	}
	h := hostDecider{decider: d, next: d.Memory.Host.clone()}
	h.sysctls()
	h.timeouts()
	for _, role := range []kernel.Role{kernel.Master, kernel.Backup} {
		h.daemon(role)
	}
	if d.Host.Addresses != nil && d.Host.Links != nil {
		h.addresses()
	}
	if !h.next.equal(d.Memory.Host) {
		d.plan.host = &h.next
	}
	var list []batch
	for p, steps := range h.steps {
		if len(steps) > 0 {
			list = append(list, batch{phase: phase(p), host: steps})
		}
	}
	return list
}

// merge returns the batches of table and host in the order of their phases.
func merge(table, host []batch) []batch {
	if len(host) == 0 {
		return table
	}
	all := slices.Concat(table, host)
	slices.SortFunc(all, func(a, b batch) int { return cmp.Compare(a.phase, b.phase) })
	return all
}

func (h *hostDecider) add(p phase, s hostStep) { h.steps[p] = append(h.steps[p], s) }

// automatic are the sysctls in which 1 and 2 are one mode that is switched on: the kernel itself changes one into the
// other as memory gets short (update_defense_level, ip_vs_ctl.c).
var automatic = map[string]bool{"drop_entry": true, "drop_packet": true, "secure_tcp": true}

// sameSysctl reports whether two values of a sysctl mean the same.
func sameSysctl(name, a, b string) bool {
	if automatic[name] && (a == "1" || a == "2") && (b == "1" || b == "2") {
		return true
	}
	return slices.Equal(strings.Fields(a), strings.Fields(b)) // sync_threshold has two numbers, with a tab between
}

// schedulerOf are the sysctls that are there only while the module of a scheduler is loaded (ip_vs_lblc.c,
// ip_vs_lblcr.c).
var schedulerOf = map[string]string{"lblc_expiration": "lblc", "lblcr_expiration": "lblcr"}

// comes reports whether a sysctl that is not there will be once the table is as wanted.
func (h *hostDecider) comes(name string) bool {
	scheduler, ok := schedulerOf[name]
	if !ok {
		return false
	}
	for key := range h.plan.wanted.Table {
		if h.plan.wanted.Table[key].Scheduler == scheduler {
			return true
		}
	}
	return false
}

func (h *hostDecider) sysctls() {
	if h.Host.Sysctls == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(h.Desired.IPVS.Sysctls)) {
		want := h.Desired.IPVS.Sysctls[name]
		have, ok := h.Host.Sysctls[name]
		switch {
		case !ok && h.comes(name):
			h.add(last, hostStep{
				op:   kernel.HostOp{Kind: kernel.SetSysctl, Name: name, Value: want},
				note: fmt.Sprintf("net.ipv4.vs.%s comes with the scheduler %s", name, schedulerOf[name]),
			})
		case !ok:
			h.plan.Problems = append(h.plan.Problems,
				fmt.Errorf("ipvs.sysctl.%s: this kernel has no net.ipv4.vs.%s", name, name))
		case !sameSysctl(name, want, strings.TrimSpace(have)):
			h.add(settings, hostStep{
				op:   kernel.HostOp{Kind: kernel.SetSysctl, Name: name, Value: want},
				note: fmt.Sprintf("net.ipv4.vs.%s is %s", name, strings.Join(strings.Fields(have), " ")),
			})
		}
	}
}

func (h *hostDecider) timeouts() {
	if h.Host.Timeouts == nil {
		return
	}
	var set kernel.Timeouts
	differing := func(to *uint32, want time.Duration, have uint32) {
		if s := uint32(want / time.Second); s != have {
			*to = s // which is 0, "as it is", where none is declared
		}
	}
	want, have := h.Desired.IPVS.Timeouts, *h.Host.Timeouts
	differing(&set.TCP, want.TCP, have.TCP)
	differing(&set.TCPFin, want.TCPFin, have.TCPFin)
	differing(&set.UDP, want.UDP, have.UDP)
	if set != (kernel.Timeouts{}) {
		h.add(settings, hostStep{
			op:   kernel.HostOp{Kind: kernel.SetTimeouts, Timeouts: set},
			note: fmt.Sprintf("the timeouts are %d %d %d; 0 leaves one as it is", have.TCP, have.TCPFin, have.UDP),
		})
	}
}

// daemon decides about the synchronisation daemon of a role. Nothing of one that runs can be changed: it is stopped and
// started. One that somebody else started runs on unless another is declared.
func (h *hostDecider) daemon(role kernel.Role) {
	if h.Host.Sync == nil {
		return
	}
	want := h.Desired.IPVS.Master
	if role == kernel.Backup {
		want = h.Desired.IPVS.Backup
	}
	var have *kernel.SyncDaemon
	if i := slices.IndexFunc(h.Host.Sync, func(d kernel.SyncDaemon) bool { return d.Role == role }); i >= 0 {
		have = &h.Host.Sync[i]
	}
	stop := hostStep{op: kernel.HostOp{Kind: kernel.StopSync, Sync: kernel.SyncDaemon{Role: role}}}
	switch {
	case want == nil && h.Desired.Incomplete:
		return
	case want == nil && h.next.Sync[role] && have != nil:
		stop.forget = true
		h.add(settings, stop)
		return
	case want == nil:
		delete(h.next.Sync, role)
		return
	case have != nil && sameDaemon(*want, *have):
		return
	}
	if _, there := h.Host.Links[want.Interface]; !there && h.Host.Links != nil {
		h.plan.Problems = append(h.plan.Problems, fmt.Errorf("ipvs.sync.%s.interface: there is no interface %s; there are %s",
			role, want.Interface, h.links()))
		return
	}
	start := hostStep{op: kernel.HostOp{Kind: kernel.StartSync, Sync: daemonOf(role, want)}}
	if have != nil {
		stop.before = start.op
		stop.note = fmt.Sprintf("the %s daemon runs on %s with id %d, and is not as declared", role, have.Interface, have.ID)
		h.add(settings, stop)
		start.after = []kernel.HostOp{stop.op}
	}
	h.next.Sync[role] = true
	h.add(last, start)
}

// daemonOf returns a declared daemon as it is started.
func daemonOf(role kernel.Role, d *spec.SyncDaemon) kernel.SyncDaemon {
	return kernel.SyncDaemon{
		Role: role, Interface: d.Interface, ID: d.ID, MaxLen: d.MaxLen, Group: d.Group, Port: d.Port, TTL: d.TTL,
	}
}

// sameDaemon reports whether a daemon runs as declared. What is left to the kernel is 224.0.0.81, 8848 and 1
// (set_mcast_* and start_sync_thread, ip_vs_sync.c); a maxlen that is not declared may be any.
func sameDaemon(want spec.SyncDaemon, have kernel.SyncDaemon) bool {
	group := func(a netip.Addr) netip.Addr {
		if a.IsValid() {
			return a
		}
		return netip.AddrFrom4([4]byte{224, 0, 0, 81})
	}
	return want.Interface == have.Interface && want.ID == have.ID && group(want.Group) == group(have.Group) &&
		cmp.Or(want.Port, 8848) == cmp.Or(have.Port, 8848) && max(want.TTL, 1) == max(have.TTL, 1) &&
		(want.MaxLen == 0 || want.MaxLen == have.MaxLen)
}
