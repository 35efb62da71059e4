package reconcile

import (
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// hosted is a keeper of a table and a host, with all its operations in one list.
type hosted struct {
	*Keeper
	table *watched
	host  *kernel.FakeHost
	store string
}

func newHosted(t *testing.T, m Memory) *hosted {
	h := &hosted{table: &watched{Kernel: kernel.NewFake(), model: kernel.Table{}}, host: kernel.NewFakeHost(), store: t.TempDir()}
	h.Keeper = NewKeeper(h.table, h.host, NewStore(h.store, here), m)
	return h
}

// has reports whether the host has an address.
func (h *hosted) has(a kernel.Address) (there bool) {
	h.host.Edit(func(s *kernel.HostState) { there = s.Addresses[a] })
	return there
}

// remembered is what a gorb that starts now would find.
func (h *hosted) remembered(t *testing.T) Memory {
	t.Helper()
	m, err := NewStore(h.store, here).Load()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAddressFollowsItsService has one address for two services: it comes with the first, and goes with the last before
// that loses its weight.
func TestAddressFollowsItsService(t *testing.T) {
	h := newHosted(t, Memory{})
	h.host.Fail = func(op kernel.HostOp) error {
		if op.Kind == kernel.AddAddress && !servesAt(h.table.model, op.Address.Addr) {
			t.Errorf("%v, and the service has nowhere to send traffic: %v", op, h.table.model)
		}
		if op.Kind == kernel.AddAddress && !h.remembered(t).Host.Addresses[op.Address] {
			t.Errorf("%v, and it is not remembered", op)
		}
		return nil
	}
	h.table.judge = func(op kernel.Op, now kernel.Table) {
		if op.Kind == kernel.EditDest && op.Dest.Weight == 0 && op.Key == web && h.has(vip) {
			t.Errorf("%v, and the address is still there", op)
		}
	}
	both := onDummy(webService("10.1.0.1:80"))
	second := both.Services[0]
	second.Name, second.Port = "second", 81
	both.Services = append(both.Services, second)
	for _, services := range [][]spec.Service{both.Services, both.Services[:1], nil, both.Services[1:], both.Services} {
		next := *both
		next.Services = services
		if r := mustPass(t, h.Keeper, &next); len(r.Errs) > 0 {
			t.Fatal(r.Errs)
		}
		if want := len(services) > 0; h.has(vip) != want || h.remembered(t).Host.Addresses[vip] != want {
			t.Fatalf("with %d services: on the host %v, remembered %v", len(services), h.has(vip), h.remembered(t).Host)
		}
		if again := mustPass(t, h.Keeper, &next); len(again.Plan.HostOps()) > 0 {
			t.Fatalf("there is still to do: %v", again.Plan.HostOps())
		}
	}
	none := *both
	none.Gorb.VIP, none.Services = spec.VIPInterface{}, nil
	mustPass(t, h.Keeper, &none)
	if m := h.remembered(t).Host; !m.equal(HostMemory{}.clone()) {
		t.Errorf("in the end there is remembered %v", m)
	}
}

// TestCrashLeavesNoForgottenAddress ends gorb at each operation on the host, once before and once after it is done: the
// next one takes everything away that was made.
func TestCrashLeavesNoForgottenAddress(t *testing.T) {
	for _, kind := range []kernel.HostOpKind{kernel.AddLink, kernel.AddAddress, kernel.StartSync} {
		for _, done := range []bool{false, true} {
			h := newHosted(t, Memory{})
			crash := errors.New("killed")
			h.host.Fail = func(op kernel.HostOp) error {
				if op.Kind != kind {
					return nil
				}
				if done {
					h.host.Fail = nil
					h.host.Apply(t.Context(), []kernel.HostOp{op})
				}
				panic(crash)
			}
			d := onDummy(webService("10.1.0.1:80"))
			d.IPVS.Backup = &spec.SyncDaemon{Interface: "lo"}
			func() {
				defer func() {
					if r := recover(); r != crash {
						t.Fatalf("%v", r)
					}
				}()
				mustPass(t, h.Keeper, d)
			}()
			h.host.Fail = nil
			h.Keeper = NewKeeper(h.table, h.host, NewStore(h.store, here), h.remembered(t))
			mustPass(t, h.Keeper, &spec.Desired{})
			state := readHost(t, h.host, d, Memory{})
			if _, link := state.Links["gorb0"]; link || h.has(vip) || len(state.Sync) > 0 {
				t.Errorf("killed at %v, done %v: there is left %v", kind, done, state)
			}
		}
	}
}

// TestAddressFailures has operations on the host fail: the table goes on, and the next pass puts it right.
func TestAddressFailures(t *testing.T) {
	t.Run("an address cannot be put there", func(t *testing.T) {
		h := newHosted(t, Memory{})
		h.host.Fail = func(op kernel.HostOp) error {
			if op.Kind == kernel.AddAddress {
				return syscall.ENOBUFS
			}
			return nil
		}
		d := onDummy(webService("10.1.0.1:80"))
		r := mustPass(t, h.Keeper, d)
		if len(r.Errs) != 1 || !errors.Is(r.Errs[0], syscall.ENOBUFS) || r.ofTable != 0 || !serves(h.table.model[web]) {
			t.Errorf("errors %v, table %v", r.Errs, h.table.model)
		}
		// Meanwhile somebody else puts it there: it is not gorb's.
		h.host.Fail = nil
		h.host.Edit(func(s *kernel.HostState) { s.Addresses[vip] = true })
		mustPass(t, h.Keeper, d)
		if m := h.remembered(t); len(m.Host.Addresses) > 0 {
			t.Errorf("remembered %v", m.Host)
		}
	})
	t.Run("somebody is quicker to put it there", func(t *testing.T) {
		h := newHosted(t, Memory{})
		h.host.Fail = func(op kernel.HostOp) error {
			if op.Kind == kernel.AddAddress {
				h.host.Edit(func(s *kernel.HostState) { s.Addresses[op.Address] = true })
			}
			return nil
		}
		if r := mustPass(t, h.Keeper, onDummy(webService("10.1.0.1:80"))); len(r.Errs) > 0 || !h.has(vip) {
			t.Errorf("errors %v", r.Errs)
		}
		if m := h.remembered(t); len(m.Host.Addresses) > 0 {
			t.Errorf("somebody else's is remembered: %v", m.Host)
		}
	})
	t.Run("the answer was lost", func(t *testing.T) {
		h := newHosted(t, Memory{})
		h.host.Fail = func(op kernel.HostOp) error {
			if op.Kind != kernel.AddAddress {
				return nil
			}
			h.host.Edit(func(s *kernel.HostState) { s.Addresses[op.Address] = true })
			return kernel.ErrUncertain
		}
		if r := mustPass(t, h.Keeper, onDummy(webService("10.1.0.1:80"))); len(r.Errs) > 0 {
			t.Errorf("errors %v", r.Errs)
		}
		if !h.remembered(t).Host.Addresses[vip] {
			t.Error("an address that was put there is not remembered")
		}
	})
	t.Run("the service cannot be added", func(t *testing.T) {
		h := newHosted(t, Memory{})
		h.table.fail = func(op kernel.Op) bool { return op.Kind == kernel.AddService }
		r := mustPass(t, h.Keeper, onDummy(webService("10.1.0.1:80")))
		if h.has(vip) || len(h.remembered(t).Host.Addresses) > 0 {
			t.Errorf("the address is there, or remembered: %v", r.Results)
		}
	})
	t.Run("an address cannot be taken away", func(t *testing.T) {
		h := newHosted(t, Memory{})
		d := onDummy(webService("10.1.0.1:80"))
		mustPass(t, h.Keeper, d)
		h.host.Fail = func(op kernel.HostOp) error {
			if op.Kind == kernel.DeleteAddress {
				return syscall.ENOBUFS
			}
			return nil
		}
		d = onDummy(&spec.Desired{})
		mustPass(t, h.Keeper, d)
		if d, _ := h.table.model[web].Dest(dest("10.1.0.1:80")); d.Weight > 0 {
			t.Error("it holds the table back")
		}
		h.host.Fail = nil
		mustPass(t, h.Keeper, d)
		if h.has(vip) {
			t.Error("it is not tried again")
		}
	})
	t.Run("a service that moves cannot be added: its old address stays", func(t *testing.T) {
		h := newHosted(t, Memory{})
		d := onDummy(webService("10.1.0.1:80"))
		mustPass(t, h.Keeper, d)
		h.table.fail = func(op kernel.Op) bool { return op.Kind == kernel.AddService }
		moved := onDummy(webService("10.1.0.1:80"))
		moved.Services[0].Host = netip.MustParseAddr("10.0.0.7")
		mustPass(t, h.Keeper, moved)
		if !h.has(vip) {
			t.Error("the old address went before the new service was there")
		}
	})
}

// TestUnwritableMemoryMakesNoAddress sees that what cannot be remembered is not put on the host.
func TestUnwritableMemoryMakesNoAddress(t *testing.T) {
	h := newHosted(t, Memory{})
	h.Keeper.store = NewStore(filepath.Join("/proc", "gorb"), here)
	d := onDummy(webService("10.1.0.1:80"))
	r := mustPass(t, h.Keeper, d)
	if len(h.host.Ops()) > 0 || len(h.table.ops) > 0 {
		t.Errorf("done: %v, %v", h.host.Ops(), h.table.ops)
	}
	if n := len(r.Failures()); n != 4 || len(r.Errs) != 1 {
		t.Errorf("%d failures (%v), errors %v", n, r.Failures(), r.Errs)
	}
	setUp(t, h.table.Kernel.(*kernel.Fake), webTable())
	if r := mustPass(t, h.Keeper, d); len(r.Plan.Adopted) > 0 {
		t.Errorf("it says that it adopted %v", r.Plan.Adopted)
	}
}

// TestScopedPassReadsNoHost sees that a pass about one service lists addresses only when it has one to put or take.
func TestScopedPassReadsNoHost(t *testing.T) {
	h := newHosted(t, Memory{})
	reads := 0
	h.host.FailObserve = func(q kernel.HostQuery) error { reads++; return nil }
	d := onDummy(webService("10.1.0.1:80"))
	scoped := func(d *spec.Desired, want int) {
		t.Helper()
		reads = 0
		if _, err := h.Pass(t.Context(), d, Options{Scope: map[kernel.ServiceKey]bool{web: true}}); err != nil || reads != want {
			t.Errorf("read %d times, wanted %d; error %v", reads, want, err)
		}
	}
	scoped(d, 1)
	scoped(d, 0)
	scoped(onDummy(webService("10.1.0.2:80")), 0)
	scoped(onDummy(&spec.Desired{}), 1)
	scoped(onDummy(&spec.Desired{}), 0)
	if h.has(vip) {
		t.Error("the address is still there")
	}
	h.host.Edit(func(s *kernel.HostState) { s.Addresses[kernel.Address{Interface: "lo", Addr: vip.Addr}] = true })
	scoped(d, 1)
	scoped(d, 0) // it is somebody else's
}

// TestHostConverges has random configurations follow one another while operations on table and host fail, and checks
// the order at each step and the state in the end.
func TestHostConverges(t *testing.T) {
	for seed := range uint64(300) {
		w := newWorld(seed)
		h := newHosted(t, Memory{})
		h.Keeper.store = NewStore("", Place{})
		failing := true
		h.table.fail = func(kernel.Op) bool { return failing && w.chance(15) }
		h.host.Fail = func(op kernel.HostOp) error {
			if failing && w.chance(15) {
				return syscall.EIO
			}
			if op.Kind == kernel.AddAddress && !servesAt(h.table.model, op.Address.Addr) {
				t.Fatalf("seed %d: %v, and no service there has weight", seed, op)
			}
			return nil
		}
		var d *spec.Desired
		for range 4 {
			d = w.desired()
			d.Gorb.VIP = pick(w, spec.VIPInterface{}, spec.VIPInterface{Name: "lo"}, spec.VIPInterface{Name: "gorb0", Create: true})
			d.IPVS.Sysctls = pick(w, nil, map[string]string{"conntrack": "1"}, map[string]string{"conntrack": "0", "drop_entry": "1"})
			d.IPVS.Timeouts.TCP = pick(w, 0, time.Minute)
			d.IPVS.Backup = pick(w, nil, &spec.SyncDaemon{Interface: "lo"}, &spec.SyncDaemon{Interface: "lo", ID: 2})
			mustPass(t, h.Keeper, d)
		}
		failing = false
		for range 3 {
			mustPass(t, h.Keeper, d)
		}
		if r := mustPass(t, h.Keeper, d); !r.Plan.Empty() || len(r.Errs) > 0 {
			t.Fatalf("seed %d: there is still to do: %v, %v, errors %v", seed, r.Plan.Ops, r.Plan.HostOps(), r.Errs)
		}
		for a := range h.Keeper.memory.Host.Addresses {
			if a.Interface != d.Gorb.VIP.Name || !h.has(a) || !slices.ContainsFunc(d.Services, func(s spec.Service) bool { return s.Host == a.Addr }) {
				t.Fatalf("seed %d: %v is remembered, with %v", seed, a, d.Gorb.VIP)
			}
		}
		for i := range d.Services {
			a := kernel.Address{Interface: d.Gorb.VIP.Name, Addr: d.Services[i].Host}
			if a.Interface != "" && a.Addr.IsValid() && servesAt(h.table.model, a.Addr) && !h.has(a) {
				t.Fatalf("seed %d: %v is missing", seed, a)
			}
		}
	}
}

// servesAt reports whether a service at an address has somewhere to send traffic.
func servesAt(table kernel.Table, addr netip.Addr) bool {
	for key, v := range table {
		if key.Mark == 0 && key.Addr.Addr() == addr && serves(v) {
			return true
		}
	}
	return false
}
