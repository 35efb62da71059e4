package kernel

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hostTarget is what the contract of the surroundings holds for: a FakeHost or a Host, with the interfaces lo, eth1,
// which is up, and eth2, which is down, neither of kind dummy, and no addresses but those of lo.
type hostTarget interface {
	Observe(ctx context.Context, q HostQuery) (HostState, error)
	Apply(ctx context.Context, ops []HostOp) []error
}

func TestHostContractFake(t *testing.T) {
	testHostContract(t, func(*testing.T) hostTarget {
		f := NewFakeHost()
		f.Edit(func(s *HostState) { s.Links["eth1"], s.Links["eth2"] = true, false })
		return f
	})
}

// hostStep is an operation and how its error reads; "" is success.
type hostStep struct {
	op   HostOp
	want string
}

func at(link, addr string) Address { return Address{link, netip.MustParseAddr(addr)} }

func putAddr(link, addr string) HostOp  { return HostOp{Kind: AddAddress, Address: at(link, addr)} }
func takeAddr(link, addr string) HostOp { return HostOp{Kind: DeleteAddress, Address: at(link, addr)} }

func addLink(name string) HostOp { return HostOp{Kind: AddLink, Address: Address{Interface: name}} }

func raiseLink(name string) HostOp { return HostOp{Kind: RaiseLink, Address: Address{Interface: name}} }

func deleteLink(name string) HostOp {
	return HostOp{Kind: DeleteLink, Address: Address{Interface: name}}
}
func setSysctl(name, v string) HostOp { return HostOp{Kind: SetSysctl, Name: name, Value: v} }

func startSync(d SyncDaemon) HostOp { return HostOp{Kind: StartSync, Sync: d} }
func stopSync(r Role) HostOp        { return HostOp{Kind: StopSync, Sync: SyncDaemon{Role: r}} }

var hostContract = []struct {
	name  string
	steps []hostStep
	want  HostState // Sysctls are those asked for; of Links and Addresses, what is there besides hostTarget's own
}{
	{
		name: "settings",
		steps: []hostStep{
			{setSysctl("conntrack", "1"), ""},
			{setSysctl("sync_threshold", "4\t60"), ""},
			{setSysctl("nosuch", "1"), "set net.ipv4.vs.nosuch to 1: this kernel has no such setting"},
			{setSysctl("../ip_forward", "1"), "set net.ipv4.vs.../ip_forward to 1: this kernel has no such setting"},
		},
		want: HostState{Sysctls: map[string]string{"conntrack": "1", "sync_threshold": "4 60", "drop_entry": "0"}},
	},
	{
		name: "addresses are put and taken once",
		steps: []hostStep{
			{putAddr("eth1", "10.0.0.1"), ""},
			{putAddr("eth1", "10.0.0.1"), "put 10.0.0.1 on eth1: somebody else has just put it there"},
			{putAddr("lo", "10.0.0.1"), ""},
			{putAddr("eth1", "10.0.0.2"), ""},
			{putAddr("eth1", "fd00::1"), ""},
			{putAddr("eth1", "fd00::1"), "put fd00::1 on eth1: somebody else has just put it there"},
			{putAddr("eth1", "fd00::2"), ""},
			{takeAddr("eth1", "10.0.0.2"), ""},
			{takeAddr("eth1", "10.0.0.2"), ""},
			{takeAddr("eth1", "fd00::2"), ""},
			{takeAddr("eth1", "fd00::2"), ""},
			{takeAddr("eth9", "10.0.0.1"), ""},
		},
		want: HostState{Addresses: map[Address]bool{
			at("eth1", "10.0.0.1"): true, at("lo", "10.0.0.1"): true, at("eth1", "fd00::1"): true,
		}},
	},
	{
		name: "operations that are refused",
		steps: []hostStep{
			{putAddr("eth9", "10.0.0.1"), "put 10.0.0.1 on eth9: there is no interface eth9; there are eth1, eth2, lo"},
			{putAddr("eth1", "224.0.0.1"), "put 224.0.0.1 on eth1: an interface can have no such address"},
			{HostOp{Kind: AddAddress, Address: Address{Interface: "eth1"}}, "put invalid IP on eth1: an interface can have no such address"},
			{takeAddr("eth1", "::"), "take :: from eth1: an interface can have no such address"},
			{addLink("sixteen-letters-"), `make the interface sixteen-letters-: no interface can be called "sixteen-letters-"`},
			{HostOp{}, "operation(0): no such operation"},
		},
	},
	{
		name: "interfaces",
		steps: []hostStep{
			{addLink("gorb0"), ""},
			{addLink("gorb0"), "make the interface gorb0: another interface has this name"},
			{addLink("gorb1"), ""},
			{addLink("eth1"), "make the interface eth1: another interface has this name"},
			{raiseLink("gorb0"), ""},
			{raiseLink("eth2"), "set the interface eth2 up: it is of kind "},
			{raiseLink("eth9"), "set the interface eth9 up: there is no interface eth9; there are "},
			{putAddr("gorb0", "10.0.0.1"), ""},
			{putAddr("gorb1", "10.0.0.1"), ""},
			{deleteLink("gorb1"), ""},
			{deleteLink("gorb1"), ""},
			{deleteLink("eth1"), "delete the interface eth1: it is of kind "},
		},
		want: HostState{Links: map[string]bool{"gorb0": true}, Addresses: map[Address]bool{at("gorb0", "10.0.0.1"): true}},
	},
	{
		name: "timeouts",
		steps: []hostStep{
			{HostOp{Kind: SetTimeouts, Timeouts: Timeouts{TCP: 1000}}, ""},
			{HostOp{Kind: SetTimeouts, Timeouts: Timeouts{TCPFin: 30, UDP: 60}}, ""},
			{HostOp{Kind: SetTimeouts, Timeouts: Timeouts{TCP: 7, UDP: 1<<31 - 1}}, "set the timeouts of connections"},
			{HostOp{Kind: SetTimeouts}, ""},
		},
		want: HostState{Timeouts: &Timeouts{TCP: 1000, TCPFin: 30, UDP: 60}},
	},
	{
		name: "synchronisation",
		steps: []hostStep{
			{startSync(SyncDaemon{Role: Backup, Interface: "eth1"}), ""},
			{startSync(SyncDaemon{Role: Backup, Interface: "eth1"}), "start the sync daemon (backup on eth1): a backup runs already"},
			{startSync(SyncDaemon{Role: Master, Interface: "eth9"}), "start the sync daemon (master on eth9): there is no interface eth9; there are eth1, eth2, lo"},
			{startSync(SyncDaemon{Role: Master, Interface: "eth1", Group: netip.MustParseAddr("10.0.0.1")}), "start the sync daemon (master on eth1): "},
			{stopSync(Master), ""},
			{startSync(SyncDaemon{Role: Master, Interface: "eth1", ID: 7, Port: 8849, TTL: 2, MaxLen: 1400}), ""},
			{stopSync(Backup), ""},
			{startSync(SyncDaemon{Role: Backup, Interface: "eth1", ID: 7}), ""},
		},
		want: HostState{Sync: []SyncDaemon{
			{Role: Master, Interface: "eth1", ID: 7, Port: 8849, TTL: 2, MaxLen: 1400, Group: netip.MustParseAddr("224.0.0.81")},
			{Role: Backup, Interface: "eth1", ID: 7, Port: 8848, TTL: 1, MaxLen: 1472, Group: netip.MustParseAddr("224.0.0.81")},
		}},
	},
}

// testHostContract is the contract: what the surroundings answer.
func testHostContract(t *testing.T, open func(t *testing.T) hostTarget) {
	for _, tt := range hostContract {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t)
			for i, s := range tt.steps {
				s.check(t, i, h.Apply(t.Context(), []HostOp{s.op})[0])
			}
			q := HostQuery{
				Sysctls:   slices.Collect(maps.Keys(tt.want.Sysctls)),
				Timeouts:  tt.want.Timeouts != nil,
				Sync:      tt.want.Sync != nil,
				Addresses: tt.want.Timeouts == nil && tt.want.Sync == nil,
			}
			if len(q.Sysctls) > 0 {
				q.Sysctls = append(q.Sysctls, "nosuch", "../ip_forward")
			}
			got, err := h.Observe(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if q.Addresses {
				added(t, &got)
			}
			if diff := cmp.Diff(tt.want, got, sameHost); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a batch goes on past failures, until its context ends", func(t *testing.T) { testHostBatch(t, open(t)) })
	t.Run("what is not asked for is nil", func(t *testing.T) {
		got, err := open(t).Observe(t.Context(), HostQuery{})
		if diff := cmp.Diff(HostState{}, got, sameHost); err != nil || diff != "" {
			t.Errorf("%v, state (-want +got):\n%s", err, diff)
		}
	})
}

func (s hostStep) check(t *testing.T, i int, err error) {
	t.Helper()
	var hostErr *HostError
	switch {
	case err == nil && s.want == "":
	case err == nil:
		t.Errorf("step %d: %s: done, want %s", i, s.op, s.want)
	case !errors.As(err, &hostErr) || hostErr.Op != s.op:
		t.Errorf("step %d: %s: %T does not carry the operation: %v", i, s.op, err, err)
	case s.want == "" || !strings.HasPrefix(err.Error(), s.want):
		t.Errorf("step %d: %s:\ngot  %v\nwant %s", i, s.op, err, s.want)
	}
}

// sameHost compares states; cmp cannot look into addresses.
var sameHost = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// added takes away what hostTarget has at first, and the link-local addresses that a kernel adds.
func added(t *testing.T, s *HostState) {
	t.Helper()
	for name, up := range map[string]bool{"lo": true, "eth1": true, "eth2": false} {
		if got, ok := s.Links[name]; !ok || got != up {
			t.Errorf("interface %s: there %v, up %v", name, ok, got)
		}
		delete(s.Links, name)
	}
	maps.DeleteFunc(s.Addresses, func(a Address, _ bool) bool {
		return a.Addr.IsLoopback() || a.Addr.IsLinkLocalUnicast()
	})
	if len(s.Links) == 0 {
		s.Links = nil
	}
	if len(s.Addresses) == 0 {
		s.Addresses = nil
	}
}

func testHostBatch(t *testing.T, h hostTarget) {
	ops := []HostOp{putAddr("eth1", "10.0.0.1"), putAddr("eth9", "10.0.0.1"), setSysctl("nosuch", "1"), putAddr("eth1", "10.0.0.2")}
	errs := h.Apply(t.Context(), ops)
	for i, want := range []error{nil, syscall.ENODEV, fs.ErrNotExist, nil} {
		if !errors.Is(errs[i], want) {
			t.Errorf("%s: %v, want %v", ops[i], errs[i], want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i, err := range h.Apply(ctx, []HostOp{takeAddr("eth1", "10.0.0.1"), takeAddr("eth1", "10.0.0.2")}) {
		if hostErr := (*HostError)(nil); !errors.Is(err, context.Canceled) || !errors.As(err, &hostErr) {
			t.Errorf("operation %d: %v, want a *HostError for %v", i, err, context.Canceled)
		}
	}
	if _, err := h.Observe(ctx, HostQuery{Addresses: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("observe: %v, want %v", err, context.Canceled)
	}
	got, err := h.Observe(t.Context(), HostQuery{Addresses: true})
	if err != nil || !got.Addresses[at("eth1", "10.0.0.1")] || !got.Addresses[at("eth1", "10.0.0.2")] {
		t.Errorf("%v, %v", got.Addresses, err)
	}
}

// TestFakeHost is what a FakeHost has beyond the contract.
func TestFakeHost(t *testing.T) {
	f := NewFakeHost()
	broken := errors.New("broken")
	f.Fail = func(o HostOp) error {
		if o.Address.Addr.Is6() {
			return broken
		}
		return nil
	}
	f.FailObserve = func(q HostQuery) error {
		if q.Timeouts {
			return broken
		}
		return nil
	}
	ops := []HostOp{putAddr("lo", "10.0.0.1"), putAddr("lo", "fd00::1"), takeAddr("lo", "10.0.0.1")}
	if errs := f.Apply(t.Context(), ops); errs[0] != nil || !errors.Is(errs[1], broken) || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
	if diff := cmp.Diff([]HostOp{ops[0], ops[2]}, f.Ops(), sameHost); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	s, err := f.Observe(t.Context(), HostQuery{Sysctls: []string{"conntrack"}, Timeouts: true, Sync: true, Addresses: true})
	if !errors.Is(err, broken) || s.Timeouts != nil || s.Sysctls == nil || s.Sync == nil || s.Links == nil || s.Addresses == nil {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestFakeHostTable: a daemon does not run beside a destination of another family than its service's, whichever comes
// first.
func TestFakeHostTable(t *testing.T) {
	h := NewFakeHost()
	start, stop := startSync(SyncDaemon{Role: Master, Interface: "lo"}), stopSync(Master)
	add := addDest(web, "[2001:db8::1]:80", tunnel(IPIP, 0, 0))
	apply(t, h.Table, addService(web, rr), add)
	if err := h.Apply(t.Context(), []HostOp{start})[0]; !errors.Is(err, syscall.EINVAL) {
		t.Errorf("start beside it: %v, want %v", err, syscall.EINVAL)
	}
	apply(t, h.Table, deleteDest(web, "[2001:db8::1]:80"))
	applyHost(t, h, start)
	if err := h.Table.Apply(t.Context(), []Op{add})[0]; !errors.Is(err, syscall.EINVAL) {
		t.Errorf("add it beside a daemon: %v, want %v", err, syscall.EINVAL)
	}
	applyHost(t, h, stop)
	apply(t, h.Table, add)
}

// applyHost carries out operations that must not fail.
func applyHost(t *testing.T, h hostTarget, ops ...HostOp) {
	t.Helper()
	for _, err := range h.Apply(t.Context(), ops) {
		if err != nil {
			t.Fatal(err)
		}
	}
}
