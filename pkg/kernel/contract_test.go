package kernel

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// target is what the contract holds for: a Fake or a Client, with an empty table.
type target interface {
	Observe(ctx context.Context, keys ...ServiceKey) (Table, error)
	Apply(ctx context.Context, ops []Op) []error
	ObserveStats(ctx context.Context, keys ...ServiceKey) (Table, Statistics, error)
	Info(ctx context.Context) (Info, error)
	Timeouts(ctx context.Context) (Timeouts, error)
	SetTimeouts(ctx context.Context, t Timeouts) error
	SyncDaemons(ctx context.Context) ([]SyncDaemon, error)
	StartSync(ctx context.Context, d SyncDaemon) error
	StopSync(ctx context.Context, r Role) error
}

// world is a target and the traffic around it.
type world struct {
	target
	// connect opens a TCP connection through a service to its only destination.
	connect func(t *testing.T, k ServiceKey, d DestKey)
}

func TestContractFake(t *testing.T) {
	testContract(t, func(*testing.T) world {
		f := NewFake()
		f.SetInterfaces("lo")
		return world{f, func(_ *testing.T, k ServiceKey, d DestKey) {
			c, s := Conns{Active: 1}, Stats{Conns: 1}
			if f.Snapshot(k)[k].Flags&Persistent != 0 {
				c.Persistent = 1
			}
			f.SetConns(k, d, c)
			f.SetStatistics(k, ServiceStats{Stats: s, Dests: map[DestKey]Stats{d: s}})
		}}
	})
}

// testContract is the contract: what the kernel answers (docs/kernel.md), as far as operations
// can ask it.
func testContract(t *testing.T, open func(t *testing.T) world) {
	for _, tt := range contract {
		t.Run(tt.name, func(t *testing.T) {
			w := open(t)
			for i, s := range tt.steps {
				s.check(t, i, w.Apply(t.Context(), []Op{s.op})[0])
			}
			checkDump(t, w, tt.want)
		})
	}
	t.Run("batch goes on past failures", func(t *testing.T) { testBatch(t, open(t)) })
	t.Run("an ended context stops a batch", func(t *testing.T) { testEndedContext(t, open(t)) })
	t.Run("observe by key", func(t *testing.T) { testObserveKeys(t, open(t)) })
	t.Run("long dumps", func(t *testing.T) { testLongDumps(t, open(t)) })
	t.Run("connections", func(t *testing.T) { testConnections(t, open(t)) })
	t.Run("statistics", func(t *testing.T) { testStatistics(t, open(t)) })
	t.Run("info", func(t *testing.T) { testInfo(t, open(t)) })
	t.Run("timeouts", func(t *testing.T) { testTimeouts(t, open(t)) })
	t.Run("synchronisation", func(t *testing.T) { testSync(t, open(t)) })
}

// step is an operation and its answer; zero is success.
type step struct {
	op   Op
	want syscall.Errno
}

func (s step) check(t *testing.T, i int, err error) {
	t.Helper()
	var opErr *OpError
	switch {
	case err == nil && s.want == 0:
	case err == nil:
		t.Errorf("step %d: %s: done, want %v", i, s.op, s.want)
	case !errors.As(err, &opErr) || opErr.Op != s.op:
		t.Errorf("step %d: %s: %T does not carry the operation: %v", i, s.op, err, err)
	case s.want == 0 || !errors.Is(err, s.want):
		t.Errorf("step %d: %s: %v, want %v", i, s.op, err, s.want)
	}
}

// checkDump compares the whole table with rules, whose destinations stand in dump order.
func checkDump(t *testing.T, w target, want string) {
	t.Helper()
	got, err := w.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := ParseRules("want", []byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got, sameTable); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// sameTable compares tables whole, but for connections.
var sameTable = cmp.Options{
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmpopts.IgnoreFields(RealServer{}, "Conns"),
	cmpopts.EquateEmpty(),
}

func testBatch(t *testing.T, w world) {
	ops := []Op{
		addService(web, rr),
		addDest(web, "224.0.0.1:80", Dest{}),
		addDest(web, "10.1.0.1:80", Dest{}),
		addDest(mark4, "10.1.0.1:80", Dest{}),
		addDest(web, "10.1.0.2:80", Dest{}),
	}
	errs := w.Apply(t.Context(), ops)
	for i, want := range []syscall.Errno{0, syscall.EINVAL, 0, syscall.ESRCH, 0} {
		step{ops[i], want}.check(t, i, errs[i])
	}
	checkDump(t, w, "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 0\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0")
	if errs := w.Apply(t.Context(), nil); len(errs) != 0 {
		t.Errorf("no operations gave %d answers", len(errs))
	}
}

func testEndedContext(t *testing.T, w world) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i, err := range w.Apply(ctx, []Op{addService(web, rr), addService(web6, rr6)}) {
		var opErr *OpError
		if !errors.Is(err, context.Canceled) || !errors.As(err, &opErr) {
			t.Errorf("operation %d: %v, want an *OpError for %v", i, err, context.Canceled)
		}
	}
	if _, err := w.Observe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("observe: %v, want %v", err, context.Canceled)
	}
	checkDump(t, w, "")
}

func testObserveKeys(t *testing.T, w world) {
	apply(t, w, addService(web, rr), addService(web6, rr6), addService(mark4, rr), addService(mark6, rr6),
		addDest(web, "10.1.0.1:80", Dest{}), addDest(mark6, "[2001:db8:1::1]:0", Dest{}))
	for _, keys := range [][]ServiceKey{
		{web}, {web6}, {mark4}, {mark6}, {web, mark6}, {web, web}, {missing}, {missing, mark4},
	} {
		all, err := w.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := Table{}
		for _, k := range keys {
			if v, ok := all[k]; ok {
				want[k] = v
			}
		}
		got, err := w.Observe(t.Context(), keys...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameTable); diff != "" {
			t.Errorf("observe %v (-want +got):\n%s", keys, diff)
		}
	}
	if _, err := w.Observe(t.Context(), ServiceKey{Family: IPv4, Protocol: TCP}); err == nil {
		t.Error("a key without an address was read")
	}
}

// testLongDumps reads what does not fit one message.
func testLongDumps(t *testing.T, w world) {
	var ops []Op
	for i := range 400 {
		k := ServiceKey{Family: IPv4, Protocol: TCP, Addr: netip.AddrPortFrom(web.Addr.Addr(), uint16(1000+i))}
		ops = append(ops, addService(k, rr))
	}
	var dests []DestKey
	for i := range 600 {
		d := DestKey{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 80)}
		dests = append(dests, d)
		ops = append(ops, Op{Kind: AddDest, Key: ops[0].Key, DestKey: d, Dest: Dest{Weight: uint32(i)}})
	}
	apply(t, w, ops...)
	got, err := w.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 400 {
		t.Errorf("%d services, want 400", len(got))
	}
	var keys []DestKey
	for _, d := range got[ops[0].Key].Dests {
		keys = append(keys, d.DestKey)
	}
	slices.Reverse(dests)
	if !slices.Equal(keys, dests) {
		t.Errorf("%d destinations, not the 600 in reverse order of addition", len(keys))
	}
}

// testConnections shows that connections survive edits and, through the kernel's trash, deletions.
func testConnections(t *testing.T, w world) {
	d := dest("10.9.0.1:8080")
	add := Op{Kind: AddDest, Key: web, DestKey: d, Dest: Dest{Weight: 1}}
	check := func(when string, k ServiceKey, want uint32) {
		t.Helper()
		got, err := w.Observe(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		server, ok := got[k].Dest(d)
		if !ok || server.Conns.Active != want {
			t.Errorf("%s: %+v there %v, want %d active connections", when, server.Conns, ok, want)
		}
	}
	apply(t, w, addService(web, rr), add)
	check("added", web, 0)
	w.connect(t, web, d)
	check("connected", web, 1)
	apply(t, w, Op{Kind: EditDest, Key: web, DestKey: d})
	check("set to weight 0", web, 1)
	apply(t, w, Op{Kind: EditService, Key: web, Service: Service{Scheduler: "wlc", Netmask: FullNetmask(IPv4)}})
	check("given another scheduler", web, 1)
	apply(t, w, Op{Kind: DeleteDest, Key: web, DestKey: d}, add)
	check("deleted and added", web, 1)
	apply(t, w, Op{Kind: DeleteService, Key: web}, addService(web, rr), add)
	check("deleted and added with its service", web, 1)
	apply(t, w, Op{Kind: DeleteDest, Key: web, DestKey: d}, addService(mark4, rr), Op{Kind: AddDest, Key: mark4, DestKey: d})
	check("added to another service", mark4, 0)
}

// apply carries out operations that must not fail.
func apply(t *testing.T, w target, ops ...Op) {
	t.Helper()
	for _, err := range w.Apply(t.Context(), ops) {
		if err != nil {
			t.Fatal(err)
		}
	}
}
