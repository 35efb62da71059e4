package kernel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// TestContractClient is the contract over a fake kernel: the same client, on any machine, with the race detector.
func TestContractClient(t *testing.T) {
	testContract(t, func(t *testing.T) world {
		k := newFakeKernel()
		k.SetInterfaces("lo")
		return world{k.open(t, nil), func(_ *testing.T, key ServiceKey, d DestKey) {
			c, s := Conns{Active: 1}, Stats{Conns: 1}
			if k.Snapshot(key)[key].Flags&Persistent != 0 {
				c.Persistent = 1
			}
			k.SetConns(key, d, c)
			k.SetStatistics(key, ServiceStats{Stats: s, Dests: map[DestKey]Stats{d: s}})
		}}
	})
}

// checkRead compares what a client reads with what there is.
func checkRead(t *testing.T, c *Client, k *fakeKernel) {
	t.Helper()
	got, err := c.Observe(t.Context())
	if diff := cmp.Diff(k.Snapshot(), got, sameTable); err != nil || diff != "" {
		t.Errorf("%v; (-want +got):\n%s", err, diff)
	}
}

// manyDests are operations that make a service with n destinations.
func manyDests(n int) []Op {
	ops := []Op{addService(web, rr)}
	for i := range n {
		a := web.Addr.Addr().As4()
		a[1], a[2], a[3] = 1, byte(i>>8), byte(i)
		ops = append(ops, Op{Kind: AddDest, Key: web, DestKey: DestKey{netip.AddrPortFrom(netip.AddrFrom4(a), 80)}, Dest: Dest{Weight: 1}})
	}
	return ops
}

// TestBatches shows how many operations go in one datagram, and which of them an error is about.
func TestBatches(t *testing.T) {
	k := newFakeKernel()
	c := k.open(t, nil)
	ops := manyDests(1000)
	ops[500] = ops[400]                            // is there already
	ops[600].Dest.Forward = 9                      // is refused here
	ops[len(ops)-1] = deleteDest(web, "1.2.3.4:5") // the last: its answer is an error and the acknowledgement
	k.sends = nil
	for i, err := range c.Apply(t.Context(), ops) {
		want := map[int]error{500: syscall.EEXIST, 600: syscall.EINVAL, len(ops) - 1: syscall.ENOENT}[i]
		var opErr *OpError
		if !errors.Is(err, want) || err != nil && (!errors.As(err, &opErr) || opErr.Op != ops[i]) {
			t.Errorf("operation %d: %v, want %v", i, err, want)
		}
	}
	if got := len(k.Snapshot()[web].Dests); got != 997 {
		t.Errorf("%d destinations, want 997", got)
	}
	if want := []int{128, 128, 128, 128, 128, 128, 128, 104}; !slices.Equal(k.sends, want) {
		t.Errorf("datagrams of %v requests, want %v", k.sends, want)
	}
}

// faults gives the requests of a client their faults, in order, from the next one on.
type faults struct {
	next []Fault
}

func (f *faults) of(Request) (first Fault) {
	if len(f.next) > 0 {
		first, f.next = f.next[0], f.next[1:]
	}
	return first
}

func (f *faults) set(at int, fault Fault) {
	f.next = append(make([]Fault, at), fault)
}

// TestLostAnswers loses the answer to the second of three datagrams.
func TestLostAnswers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault Fault
		at    int   // the operation
		cause error // nil: nothing is lost
	}{
		{"unanswered", Fault{Kind: Unanswered}, 255, os.ErrDeadlineExceeded},
		{"overflowed", Fault{Kind: Overflowed}, 255, syscall.ENOBUFS},
		{"truncated", Fault{Kind: Truncated}, 255, errGarbled},
		{"interrupted", Fault{Kind: Interrupted}, 255, nil},
		{"strange", Fault{Kind: Strange}, 255, nil},
		{"no acknowledgement that was not asked for", Fault{Kind: Unanswered}, 200, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			k, f := newFakeKernel(), faults{}
			c := k.open(t, f.of)
			ops := manyDests(299)
			ops[140].Dest = Dest{Upper: 1, Lower: 2}
			f.set(tt.at, tt.fault)
			for i, err := range c.Apply(t.Context(), ops) {
				switch {
				case tt.cause != nil && i > 140 && i < 256:
					if !errors.Is(err, ErrUncertain) || !errors.Is(err, tt.cause) || !strings.Contains(err.Error(), ops[i].DestKey.String()) {
						t.Fatalf("operation %d: %v, want %v for %v", i, err, ErrUncertain, tt.cause)
					}
				case i == 140:
					if !errors.Is(err, syscall.ERANGE) {
						t.Errorf("operation %d: %v, want %v", i, err, syscall.ERANGE)
					}
				case tt.cause != nil && i > 128 && i < 140: // the answer to a later one says that they were done
					if err != nil {
						t.Errorf("operation %d: %v", i, err)
					}
				case err != nil:
					t.Errorf("operation %d: %v", i, err)
				}
			}
			if got := len(k.Snapshot()[web].Dests); got != 298 { // nothing was sent twice
				t.Errorf("%d destinations, want 298", got)
			}
			wantSockets := 1
			if tt.cause != nil {
				wantSockets = 2
			}
			if k.sockets != wantSockets {
				t.Errorf("%d sockets, want %d", k.sockets, wantSockets)
			}
			checkRead(t, c, k)
		})
	}
}

// TestErrnos answers each operation with each errno: one sentence that names the object, and the rest is done.
func TestErrnos(t *testing.T) {
	k, f := newFakeKernel(), faults{}
	c := k.open(t, f.of)
	apply(t, c, addService(web, rr), addDest(web, "10.1.0.1:80", Dest{}))
	for _, errno := range []syscall.Errno{
		syscall.EPERM, syscall.EEXIST, syscall.ESRCH, syscall.ENOENT, syscall.EINVAL, syscall.ERANGE, syscall.ENOMEM,
		syscall.EAFNOSUPPORT, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EBUSY, syscall.EIO,
	} {
		for _, op := range []Op{
			addService(dns, rr), editService(web, rr), deleteService(web),
			addDest(web, "10.1.0.2:80", Dest{}), editDest(web, "10.1.0.1:80", Dest{}), deleteDest(web, "10.1.0.1:80"),
		} {
			f.set(0, Fault{Refused, errno})
			before := k.String()
			errs := c.Apply(t.Context(), []Op{op, editDest(web, "10.1.0.1:80", Dest{})})
			if !errors.Is(errs[0], errno) || !strings.HasPrefix(errs[0].Error(), op.action()+": ") || errs[1] != nil {
				t.Errorf("%s, %v: %v", op, errno, errs)
			}
			if after := k.String(); after != before {
				t.Errorf("%s, %v: the table changed from\n%s to\n%s", op, errno, before, after)
			}
		}
		f.set(0, Fault{Refused, errno})
		if _, err := c.Observe(t.Context(), web); errno != syscall.ESRCH && (!errors.Is(err, errno) || !strings.HasPrefix(err.Error(), "read tcp 10.0.0.1:80: ")) {
			t.Errorf("read, %v: %v", errno, err)
		}
		f.set(1, Fault{Refused, errno})
		if _, err := c.Observe(t.Context()); !errors.Is(err, errno) || !strings.HasPrefix(err.Error(), "read tcp 10.0.0.1:80: ") {
			t.Errorf("read all, %v: %v", errno, err)
		}
	}
}

// TestReadFaults reads a table while answers are lost, and at once again.
func TestReadFaults(t *testing.T) {
	for _, tt := range []struct {
		fault   FaultKind
		want    error
		unknown string
	}{
		{Unanswered, os.ErrDeadlineExceeded, ""},
		{Overflowed, syscall.ENOBUFS, ""},
		{Truncated, errGarbled, ""},
		{Interrupted, nil, ""},
		{Strange, nil, ""},
		{Torn, nil, ""},
		{Newer, nil, "it has the attribute 99, which this gorb does not know"},
	} {
		k, f := newFakeKernel(), faults{}
		c := k.open(t, f.of)
		apply(t, c, addService(web, rr), addService(dns, rr), addService(web6, rr6), addDest(dns, "10.1.0.1:80", Dest{}))
		for at := range 4 { // the dump of services, and those of destinations
			for _, keys := range [][]ServiceKey{nil, {web, dns, web6}} {
				f.set(at, Fault{Kind: tt.fault})
				got, err := c.Observe(t.Context(), keys...)
				if !errors.Is(err, tt.want) || errors.Is(err, ErrUncertain) {
					t.Errorf("fault %d at %d of %v: %v, want %v", tt.fault, at, keys, err, tt.want)
				}
				unknown := ""
				for _, v := range got {
					unknown += v.Unknown
					for _, d := range v.Dests {
						unknown += d.Unknown
					}
				}
				if !strings.Contains(unknown, tt.unknown) && at == 0 && keys == nil {
					t.Errorf("fault %d at %d: Unknown is %q, want %q", tt.fault, at, unknown, tt.unknown)
				}
				f.next = nil
				checkRead(t, c, k)
			}
		}
	}
}

// TestTornDump shows that a service which a torn dump left out is found, and one that went meanwhile is not.
func TestTornDump(t *testing.T) {
	k := newFakeKernel()
	gone := deleteService(dns)
	gone.Key.Mark, gone.Key.Protocol, gone.Key.Addr = 1, 0, netip.AddrPort{} // the last but one of the dump
	reads := 0
	c := k.open(t, func(r Request) Fault {
		if r.Write {
			reads = 0
		} else if reads++; reads == 2 {
			apply(t, k.Fake, gone)
		}
		return Fault{}
	})
	for torn := range 3 {
		apply(t, c, addService(web, rr), addService(dns, rr), addService(web6, rr6), addService(gone.Key, rr), addService(mark4, rr))
		k.repeats = torn
		checkRead(t, c, k)
		apply(t, c, deleteService(web), deleteService(dns), deleteService(web6), deleteService(mark4))
	}
}

// TestTornDumpOfEdited shows that a service is read anew that only the first of two torn dumps had: it was edited before
// the second.
func TestTornDumpOfEdited(t *testing.T) {
	k := newFakeKernel()
	key := func(n int) ServiceKey { return ServiceKey{Family: IPv4, Mark: uint32(n)} }
	reads := 0
	c := k.open(t, func(r Request) Fault {
		if reads++; !r.Write && reads == 2 {
			apply(t, k.Fake, editService(key(3), with("wlc", 0, 0, full)))
		}
		return Fault{}
	})
	for n := range 4 {
		apply(t, k.Fake, addService(key(n+1), rr), addDest(key(n+1), "10.1.0.1:80", Dest{}))
	}
	k.repeats = 2 // of which the second leaves out the third service
	checkRead(t, c, k)
}

// TestTornDestinations has destinations change while they are dumped: the kernel says so, or one comes again in the
// second datagram and another does not come.
func TestTornDestinations(t *testing.T) {
	for _, tt := range []struct {
		name string
		keys []ServiceKey
		torn int // the number of the request that dumps the destinations; 2 is its repetition
	}{
		{"all", nil, 1},
		{"by key", []ServiceKey{web}, 0},
	} {
		k := newFakeKernel()
		apply(t, k.Fake, addService(web, rr), addDest(web, "10.1.0.1:80", Dest{}), addDest(web, "10.1.0.2:80", Dest{}))
		c := k.open(t, func(r Request) Fault {
			switch r.Number {
			case tt.torn:
				return Fault{Kind: Torn}
			case 2:
				apply(t, k.Fake, addDest(web, "10.1.0.3:80", Dest{}))
			}
			return Fault{}
		})
		for _, how := range []string{"told", "repeated"} {
			got, err := c.Observe(t.Context(), tt.keys...)
			if diff := cmp.Diff(k.Snapshot(), got, sameTable); err != nil || diff != "" {
				t.Errorf("%s, %s: %v; (-want +got):\n%s", tt.name, how, err, diff)
			}
			k.repeatDests = 1
		}
		if got := len(k.Snapshot()[web].Dests); got != 3 {
			t.Errorf("%s: read once, and so %d destinations", tt.name, got)
		}
	}
}

// TestReload unloads and loads IPVS, which gives it another number.
func TestReload(t *testing.T) {
	k := newFakeKernel()
	c := k.open(t, nil)
	apply(t, c, addService(web, rr))
	k.id = 0
	if _, err := c.Observe(t.Context()); !errors.Is(err, ErrNoIPVS) {
		t.Errorf("observe: %v, want %v", err, ErrNoIPVS)
	}
	if err := c.Apply(t.Context(), []Op{addService(web6, rr6)})[0]; !errors.Is(err, ErrNoIPVS) {
		t.Errorf("apply: %v, want %v", err, ErrNoIPVS)
	}
	if _, err := openOn(t.Context(), Options{}, k.socket); !errors.Is(err, ErrNoIPVS) {
		t.Errorf("open: %v, want %v", err, ErrNoIPVS)
	}
	k.id = 31
	apply(t, c, addService(web6, rr6))
	checkRead(t, c, k)
}

// TestReloadMeanwhile does it between the look at IPVS and its use.
func TestReloadMeanwhile(t *testing.T) {
	for _, id := range []uint16{0, 31} {
		want := map[uint16]error{0: ErrNoIPVS, 31: errReloaded}[id]
		k := newFakeKernel()
		var once sync.Once
		c := k.open(t, func(r Request) Fault {
			if r.Number == 1 {
				once.Do(func() {
					k.mu.Lock()
					defer k.mu.Unlock()
					k.id = id
				})
			}
			return Fault{}
		})
		apply(t, c, addService(web, rr))
		if _, err := c.Observe(t.Context(), web); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		k.id = 30
		if errs := c.Apply(t.Context(), manyDests(200)); errs[1] != nil {
			t.Errorf("%v", errs[1])
		}
	}
}

// TestSyncUnacknowledged loses the acknowledgements of starts and stops: what runs then is what counts.
func TestSyncUnacknowledged(t *testing.T) {
	k, f := newFakeKernel(), faults{}
	c := k.open(t, f.of)
	d := SyncDaemon{Role: Master, Interface: "eth0", ID: 1}
	for _, kind := range []FaultKind{Unanswered, Overflowed, Truncated} {
		f.set(0, Fault{Kind: kind})
		if err := c.StartSync(t.Context(), d); err != nil {
			t.Errorf("fault %d: start: %v", kind, err)
		}
		if running, err := c.SyncDaemons(t.Context()); err != nil || len(running) != 1 {
			t.Errorf("fault %d: %v, %v", kind, running, err)
		}
		f.set(0, Fault{Kind: kind})
		if err := c.StopSync(t.Context(), Master); err != nil {
			t.Errorf("fault %d: stop: %v", kind, err)
		}
		if running, err := c.SyncDaemons(t.Context()); err != nil || len(running) != 0 {
			t.Errorf("fault %d: %v, %v", kind, running, err)
		}
	}
	f.next = []Fault{{Kind: Unanswered}, {Kind: Unanswered}, {Kind: Unanswered}}
	if err := c.StopSync(t.Context(), Backup); !errors.Is(err, ErrUncertain) {
		t.Errorf("nothing but lost answers: %v, want %v", err, ErrUncertain)
	}
	for errno, want := range map[syscall.Errno]string{
		syscall.EEXIST: "start the sync daemon (master on eth0): a master runs already: stop it first (",
		syscall.ENODEV: "start the sync daemon (master on eth0): there is no interface eth0 (",
		syscall.EINVAL: "start the sync daemon (master on eth0): the kernel takes no such attributes, or a destination is not of its service's family, with which no sync daemon can run (",
		syscall.EPERM:  "start the sync daemon (master on eth0): needs CAP_NET_ADMIN: run as root or give the capability (",
	} {
		f.set(0, Fault{Refused, errno})
		if err := c.StartSync(t.Context(), d); !errors.Is(err, errno) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestConcurrentUse reads and writes from several goroutines, some of whose answers are lost, and closes in the midst.
func TestConcurrentUse(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	k := newFakeKernel()
	c := k.open(t, func(r Request) Fault {
		return map[int]Fault{5: {Kind: Unanswered}, 11: {Kind: Overflowed}}[r.Number%17]
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				key := ServiceKey{Family: IPv4, Mark: uint32(1 + i*100 + n%100)}
				err := c.Apply(context.Background(), []Op{addService(key, rr), addDest(key, "10.1.0.1:80", Dest{})})[0]
				_, readErr := c.Observe(context.Background())
				if errors.Is(err, net.ErrClosed) && errors.Is(readErr, net.ErrClosed) {
					return
				}
				if n == 30 && i == 0 {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if len(c.idle) > maxLinks || len(c.busy) > 8+maxLinks {
		t.Errorf("%d idle and %d busy links", len(c.idle), len(c.busy))
	}
}

// TestEndedContext ends a context while an answer is awaited.
func TestEndedContext(t *testing.T) {
	k := newFakeKernel()
	ctx, cancel := context.WithCancel(t.Context())
	c := k.open(t, func(r Request) Fault {
		if r.Number == 255 {
			cancel()
			return Fault{Kind: Unanswered}
		}
		return Fault{}
	})
	for i, err := range c.Apply(ctx, manyDests(299)) {
		switch {
		case i < 128 && err != nil, i >= 128 && !errors.Is(err, context.Canceled), errors.Is(err, ErrUncertain) != (i >= 128 && i < 256):
			t.Errorf("operation %d: %v", i, err)
		}
	}
}
