package reconcile

import (
	"bytes"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// serving is a keeper that has put the web service and its address where they are declared.
func serving(t *testing.T) *hosted {
	h := newHosted(t, Memory{})
	mustPass(t, h.Keeper, onDummy(webService("10.1.0.1:80")))
	return h
}

// movedTo is the web service at another address.
func movedTo(addr string) *spec.Desired {
	d := webService("10.1.0.1:80")
	d.Services[0].Host = netip.MustParseAddr(addr)
	return d
}

// weight returns the weight of web's backend where it was first.
func (h *hosted) weight() uint32 {
	d, _ := h.table.model[web].Dest(dest("10.1.0.1:80"))
	return d.Weight
}

// TestMoveThatCannotBe has a service or its address move to where it cannot be: it goes on serving where it was, until
// it can.
func TestMoveThatCannotBe(t *testing.T) {
	refused := func(kind kernel.HostOpKind) func(h *hosted) {
		return func(h *hosted) {
			h.host.Fail = func(op kernel.HostOp) error {
				if op.Kind == kind {
					return syscall.ENOBUFS
				}
				return nil
			}
		}
	}
	unwritable := func(h *hosted) { h.Keeper.store = NewStore(filepath.Join("/proc", "gorb"), here) }
	toLo := func(d *spec.Desired) *spec.Desired { d.Gorb.VIP = spec.VIPInterface{Name: "lo"}; return d }
	toMissing := func(d *spec.Desired) *spec.Desired { d.Gorb.VIP = spec.VIPInterface{Name: "eth9"}; return d }
	otherPort := onDummy(webService("10.1.0.1:80"))
	otherPort.Services[0].Port = 81
	for name, tt := range map[string]struct {
		fault  func(*hosted) // nil: none
		next   *spec.Desired
		mended *spec.Desired // nil: next
	}{
		"another address that is refused":                 {refused(kernel.AddAddress), onDummy(movedTo("10.0.0.7")), nil},
		"another address that is not remembered":          {unwritable, onDummy(movedTo("10.0.0.7")), nil},
		"another port that is not remembered":             {unwritable, otherPort, nil},
		"another interface that is not remembered":        {unwritable, toLo(webService("10.1.0.1:80")), nil},
		"another interface that refuses the address":      {refused(kernel.AddAddress), toLo(webService("10.1.0.1:80")), nil},
		"another interface that is missing":               {nil, toMissing(webService("10.1.0.1:80")), toLo(webService("10.1.0.1:80"))},
		"another address and interface, which is missing": {nil, toMissing(movedTo("10.0.0.7")), toLo(movedTo("10.0.0.7"))},
	} {
		t.Run(name, func(t *testing.T) {
			h := serving(t)
			good := h.Keeper.store
			if tt.fault != nil {
				tt.fault(h)
			}
			for range 2 {
				if r := mustPass(t, h.Keeper, tt.next); len(r.Errs) == 0 {
					t.Error("nothing is said to be wrong")
				}
				// What the loop may do next: look at what drains, and at addresses.
				for _, o := range []Options{
					{Scope: h.drains()}, {Scope: cloned(h.draining)}, {Scope: map[kernel.ServiceKey]bool{}, Addresses: true},
				} {
					if _, err := h.Pass(t.Context(), tt.next, o); err != nil {
						t.Fatal(err)
					}
				}
				if !h.has(vip) || h.weight() != 100 {
					t.Errorf("the address is there: %v; the backend has weight %d", h.has(vip), h.weight())
				}
			}
			h.host.Fail, h.Keeper.store = nil, good
			if tt.mended == nil {
				tt.mended = tt.next
			}
			if r := mustPass(t, h.Keeper, tt.mended); len(r.Errs) > 0 {
				t.Errorf("when it can be: %v", r.Errs)
			}
			moved := tt.mended.Services[0].Host
			if h.has(vip) != (tt.mended.Gorb.VIP.Name == vip.Interface && moved == vip.Addr) {
				t.Errorf("the old address is there: %v", h.has(vip))
			}
			if at := (kernel.Address{Interface: tt.mended.Gorb.VIP.Name, Addr: moved}); !h.has(at) {
				t.Errorf("there is no %s", at)
			}
		})
	}
}

// TestMoveToAddressThatAppears has somebody else put the new address there between the reading and the writing.
func TestMoveToAddressThatAppears(t *testing.T) {
	h := serving(t)
	h.host.Fail = func(op kernel.HostOp) error {
		if op.Kind == kernel.AddAddress {
			h.host.Edit(func(s *kernel.HostState) { s.Addresses[op.Address] = true })
		}
		return nil
	}
	r := mustPass(t, h.Keeper, onDummy(movedTo("10.0.0.7")))
	if len(r.Errs) > 0 || len(r.Failures()) > 0 || h.has(vip) || h.weight() != 0 {
		t.Errorf("the old address is there: %v; its backend has weight %d; not done %v; errors %v", h.has(vip), h.weight(), r.Failures(), r.Errs)
	}
}

// TestMoveFromForeignAddress has a service leave an address that somebody else put there, for one that cannot be put
// anywhere.
func TestMoveFromForeignAddress(t *testing.T) {
	h := newHosted(t, Memory{})
	h.host.Edit(func(s *kernel.HostState) { s.Addresses[kernel.Address{Interface: "lo", Addr: vip.Addr}] = true })
	mustPass(t, h.Keeper, webService("10.1.0.1:80"))
	d := movedTo("10.0.0.7")
	d.Gorb.VIP.Name = "eth9"
	r := mustPass(t, h.Keeper, d)
	if h.weight() != 100 {
		t.Errorf("the backend has weight %d", h.weight())
	}
	notes := slices.Collect(maps.Values(r.Plan.Notes))
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "waits until the address") {
		t.Errorf("the plan says %q", notes)
	}
	// It is there already, wherever: nothing waits for the interface.
	h.host.Edit(func(s *kernel.HostState) {
		s.Addresses[kernel.Address{Interface: "lo", Addr: netip.MustParseAddr("10.0.0.7")}] = true
	})
	if mustPass(t, h.Keeper, d); h.weight() != 0 {
		t.Errorf("with the new address there, the backend has weight %d", h.weight())
	}
}

// TestMoveThatIsRefused has the kernel refuse for ever what a service is to become: the loop leaves what it was, also
// when it looks at what drains.
func TestMoveThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		var moved atomic.Bool
		var tries atomic.Int32
		b.Fail = func(op kernel.Op) error {
			if moved.Load() && op.Kind == kernel.AddService {
				tries.Add(1)
				return syscall.ENOENT
			}
			return nil
		}
		b.desired <- webService("10.1.0.1:80")
		synctest.Wait()
		moved.Store(true)
		d := webService("10.1.0.1:80")
		d.Services[0].Port = 81
		b.desired <- d
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if w := b.weight(t, "10.1.0.1:80"); w != 100 {
			t.Errorf("the backend has weight %d", w)
		}
		if n := tries.Load(); n > 20 {
			t.Errorf("tried %d times in two minutes", n)
		}
		moved.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, there := mustObserve(t, b.Fake)[web]; there {
			t.Error("the old one is still there")
		}
	})
}

// TestUnwritableMemoryStopsNoDaemon has a daemon of somebody else's that is not as declared.
func TestUnwritableMemoryStopsNoDaemon(t *testing.T) {
	h := newHosted(t, Memory{})
	h.host.Edit(func(s *kernel.HostState) {
		s.Sync = []kernel.SyncDaemon{{Role: kernel.Master, Interface: "lo", ID: 1}}
	})
	d := webService("10.1.0.1:80")
	d.IPVS.Master = &spec.SyncDaemon{Interface: "lo", ID: 2}
	h.Keeper.store = NewStore(filepath.Join("/proc", "gorb"), here)
	mustPass(t, h.Keeper, d)
	if state := readHost(t, h.host, d, Memory{}); len(state.Sync) != 1 || state.Sync[0].ID != 1 {
		t.Errorf("there runs %v", state.Sync)
	}
}

// TestDaemonThatCannotBeStopped has it declared otherwise than it runs: nothing is started beside it.
func TestDaemonThatCannotBeStopped(t *testing.T) {
	h := newHosted(t, Memory{})
	h.host.Edit(func(s *kernel.HostState) {
		s.Sync = []kernel.SyncDaemon{{Role: kernel.Backup, Interface: "lo", ID: 1, MaxLen: 1400}}
	})
	h.host.Fail = func(op kernel.HostOp) error {
		if op.Kind == kernel.StopSync {
			return syscall.EBUSY
		}
		return nil
	}
	d := webService("10.1.0.1:80")
	d.IPVS.Backup = &spec.SyncDaemon{Interface: "lo", ID: 1, MaxLen: 1300}
	h.Keeper.memory.Host.Sync = map[kernel.Role]bool{kernel.Backup: true}
	r := mustPass(t, h.Keeper, d)
	if len(r.Errs) != 1 || len(h.host.Ops()) > 0 {
		t.Errorf("done %v, errors %v", h.host.Ops(), r.Errs)
	}
	if !h.Keeper.memory.Host.Sync[kernel.Backup] {
		t.Error("the one that still runs is forgotten")
	}
}

// TestDaemonOfMissingInterface leaves what runs alone.
func TestDaemonOfMissingInterface(t *testing.T) {
	h := newHosted(t, Memory{})
	d := webService("10.1.0.1:80")
	d.IPVS.Master = &spec.SyncDaemon{Interface: "lo"}
	mustPass(t, h.Keeper, d)
	d = webService("10.1.0.1:80")
	d.IPVS.Master = &spec.SyncDaemon{Interface: "eth9"}
	r := mustPass(t, h.Keeper, d)
	const want = "ipvs.sync.master.interface: there is no interface eth9; there are lo"
	if len(r.Errs) != 1 || r.Errs[0].Error() != want {
		t.Errorf("errors %v", r.Errs)
	}
	if state := readHost(t, h.host, d, Memory{}); len(state.Sync) != 1 || state.Sync[0].Interface != "lo" {
		t.Errorf("there runs %v", state.Sync)
	}
}

// TestOwnAddressIsNotVirtual has a service without host, and the machine lose the address that stood for it: it is
// nobody's to put back.
func TestOwnAddressIsNotVirtual(t *testing.T) {
	h := newHosted(t, Memory{})
	d := onDummy(webService("10.1.0.1:80"))
	d.Services[0].Host = netip.Addr{}
	d, err := d.WithHost(vip.Addr)
	if err != nil {
		t.Fatal(err)
	}
	mustPass(t, h.Keeper, d)
	if _, there := h.table.model[web]; !there || h.has(vip) {
		t.Errorf("the service is there: %v; its address is: %v", there, h.has(vip))
	}
}

// TestAddressElsewhere has somebody else have an address on another interface: it stays there, and that is said.
func TestAddressElsewhere(t *testing.T) {
	h := newHosted(t, Memory{})
	there := kernel.Address{Interface: "lo", Addr: vip.Addr}
	h.host.Edit(func(s *kernel.HostState) { s.Addresses[there] = true })
	r := mustPass(t, h.Keeper, onDummy(webService("10.1.0.1:80")))
	var log bytes.Buffer
	j := journal{log: zerolog.New(&log)}
	for range 2 {
		j.pass(causeResync, true, r)
	}
	if n := strings.Count(log.String(), `"addresses":["10.0.0.1 on lo"],"message":"somebody else`); n != 1 {
		t.Errorf("it was said %d times: %s", n, log.String())
	}
	if h.has(vip) || !slices.Equal(r.Plan.Elsewhere, []kernel.Address{there}) || len(r.Errs) > 0 {
		t.Errorf("elsewhere is %v, errors %v", r.Plan.Elsewhere, r.Errs)
	}
	h.host.Edit(func(s *kernel.HostState) { delete(s.Addresses, there) })
	if r := mustPass(t, h.Keeper, onDummy(webService("10.1.0.1:80"))); !h.has(vip) || len(r.Plan.Elsewhere) > 0 {
		t.Errorf("it is not taken over: %v", r.Plan.Elsewhere)
	}
}

// TestAddressTakenWithoutWeight has somebody take an address away while its service has no weight: connections may still
// need it.
func TestAddressTakenWithoutWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		weight := func(w uint32) {
			d := onDummy(webService("10.1.0.1:80"))
			d.Services[0].Backends[0].Weight = w
			b.desired <- d
			time.Sleep(time.Second)
			synctest.Wait()
		}
		weight(100)
		weight(0)
		b.take()
		time.Sleep(time.Second)
		synctest.Wait()
		if !b.has() {
			t.Error("the address is not back")
		}
	})
}

// TestLinkLocalIsNoUse has the kernel's own address on an interface that gorb made.
func TestLinkLocalIsNoUse(t *testing.T) {
	h := serving(t)
	h.host.Edit(func(s *kernel.HostState) {
		s.Addresses[kernel.Address{Interface: "gorb0", Addr: netip.MustParseAddr("fe80::1")}] = true
	})
	mustPass(t, h.Keeper, &spec.Desired{})
	var lines []string
	for _, op := range h.host.Ops() {
		lines = append(lines, op.String())
	}
	if want := "ip link delete gorb0"; lines[len(lines)-1] != want {
		t.Errorf("done:\n%s\nwant last: %s", strings.Join(lines, "\n"), want)
	}
}

// TestServiceGoesInBetween has somebody delete a service between gorb's reading and the one thing that it has to do
// there.
func TestServiceGoesInBetween(t *testing.T) {
	for kind, change := range map[kernel.OpKind]func(*spec.Desired){
		kernel.EditService: func(d *spec.Desired) { d.Services[0].Method = "rr" },
		kernel.AddDest: func(d *spec.Desired) {
			d.Services[0].Backends = append(d.Services[0].Backends, webService("10.1.0.2:80").Services[0].Backends...)
		},
		kernel.EditDest: func(d *spec.Desired) { d.Services[0].Backends[0].Weight = 7 },
	} {
		h := newHosted(t, Memory{})
		mustPass(t, h.Keeper, webService("10.1.0.1:80"))
		d := webService("10.1.0.1:80")
		change(d)
		first := true
		h.table.fail = func(op kernel.Op) bool {
			if op.Kind == kind && first {
				first = false
				h.table.Kernel.Apply(t.Context(), []kernel.Op{{Kind: kernel.DeleteService, Key: web}})
			}
			return false
		}
		if r := mustPass(t, h.Keeper, d); len(r.Errs) > 0 {
			t.Errorf("%v: errors %v", kind, r.Errs)
		}
		if now, want := mustObserve(t, h.table.Kernel)[web], d.Services[0]; now.Scheduler != want.Method || len(now.Dests) != len(want.Backends) {
			t.Errorf("%v: there is %v", kind, now)
		}
	}
}
