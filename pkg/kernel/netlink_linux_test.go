package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorb-io/gorb/internal/lab"
	"github.com/moby/ipvs"
	"golang.org/x/sys/unix"
)

// TestNetlink is what the codec and the transport owe to a real kernel, beyond the contract.
func TestNetlink(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		t.Run("batches", testBatches)
		t.Run("everything reads back", testReadsBack)
		t.Run("moby reads the same", testMobyReads)
		t.Run("sync daemons", testSyncDaemons)
		t.Run("faults", testFaults)
		t.Run("strangers", testStrangers)
		t.Run("namespace deleted", testNamespaceDeleted)
	})
}

// testBatches makes operations fail in the middle, and all of them: more answers than a receive buffer would hold.
func testBatches(t *testing.T) {
	c := open(t, lab.Namespace(t))
	ops := manyDests(1000)
	ops[500] = ops[400]
	for i, err := range c.Apply(t.Context(), ops) {
		if (i == 500) != errors.Is(err, unix.EEXIST) || (i != 500) != (err == nil) {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	for i, err := range c.Apply(t.Context(), ops) {
		if !errors.Is(err, unix.EEXIST) {
			t.Errorf("operation %d again: %v", i, err)
		}
	}
	got, err := c.Observe(t.Context(), web)
	if err != nil || len(got[web].Dests) != 999 {
		t.Errorf("%d destinations, %v", len(got[web].Dests), err)
	}
}

// everything is a table with all that an operation can say.
func everything() Table {
	d := func(addr string, v Dest) RealServer { return RealServer{DestKey: dest(addr), Dest: v} }
	all := []RealServer{
		d("10.1.0.1:80", Dest{Weight: 1<<31 - 1}),
		d("10.1.0.2:80", Dest{Weight: 65536, Upper: 100000, Lower: 99999}),
		d("10.1.0.3:80", Dest{Forward: Route, Upper: 1}),
		d("10.1.0.4:80", Dest{Forward: Local}),
		d("10.1.0.5:80", Dest{Forward: Bypass}),
		d("10.1.0.6:80", tunnel(IPIP, 0, 0)),
		d("10.1.0.7:80", tunnel(GUE, 6080, NoChecksum)),
		d("10.1.0.8:80", tunnel(GUE, 1, Checksum)),
		d("10.1.0.9:80", tunnel(GUE, 65535, RemoteChecksum)),
		d("10.1.0.10:80", tunnel(GRE, 0, NoChecksum)),
		d("10.1.0.11:80", tunnel(GRE, 0, Checksum)),
		d("[2001:db8::1]:80", tunnel(IPIP, 0, 0)),
		d("[2001:db8::2]:80", tunnel(GUE, 6080, Checksum)),
		d("[2001:db8::3]:80", tunnel(GRE, 0, Checksum)),
	}
	isMixed := func(f Family) func(RealServer) bool {
		return func(r RealServer) bool { return r.Forward != Tunnel && mixed(f, r.DestKey) }
	}
	return Table{
		web:   {Service: with("wrr", Persistent|OnePacket|Sched1|Sched2|Sched3, 300, 0xffff0000), Dests: slices.Clone(all)},
		dns:   {Service: withEngine("rr", "sip"), Dests: all},
		sctp:  {Service: with("none", 0, 0, full)},
		mark4: {Service: with("mh", Sched1|Sched2, 0, full), Dests: all[:3]},
		web6:  {Service: with("sh", Persistent, 5, 64), Dests: slices.DeleteFunc(slices.Clone(all), isMixed(IPv6))},
		mark6: {Service: with("lblcr", 0, 0, 1), Dests: all[11:]},
	}
}

// makeTable are the operations that make a table with its destinations in their order.
func makeTable(table Table) (ops []Op) {
	for _, k := range table.Keys() {
		ops = append(ops, addService(k, table[k].Service))
		for _, d := range slices.Backward(table[k].Dests) {
			ops = append(ops, Op{Kind: AddDest, Key: k, DestKey: d.DestKey, Dest: d.Dest})
		}
	}
	return ops
}

// testReadsBack writes everything, and edits everything into everything else.
func testReadsBack(t *testing.T) {
	c := open(t, lab.Namespace(t))
	want := everything()
	apply(t, c, makeTable(want)...)
	check := func(when string, keys ...ServiceKey) {
		t.Helper()
		got, err := c.Observe(t.Context(), keys...)
		if diff := cmp.Diff(want, got, sameTable); err != nil || diff != "" {
			t.Errorf("%s: %v; (-want +got):\n%s", when, err, diff)
		}
	}
	check("made")
	check("read by key", want.Keys()...)

	// Each destination becomes what the next of its family is: no attribute of a tunnel is left over.
	edited := want[web].Dests[:11]
	for range edited {
		first := edited[0].Dest
		var ops []Op
		for i := range edited {
			if edited[i].Dest = first; i+1 < len(edited) {
				edited[i].Dest = edited[i+1].Dest
			}
			ops = append(ops, Op{Kind: EditDest, Key: web, DestKey: edited[i].DestKey, Dest: edited[i].Dest})
		}
		apply(t, c, ops...)
		got, err := c.Observe(t.Context(), web)
		if diff := cmp.Diff(want[web], got[web], sameTable); err != nil || diff != "" {
			t.Fatalf("edited: %v; (-want +got):\n%s", err, diff)
		}
	}
}

// testMobyReads has an independent reader say the same, as far as it can: neither tunnels nor engines, and 16 bits of a
// weight.
func testMobyReads(t *testing.T) {
	ns := lab.Namespace(t)
	table := everything()
	apply(t, open(t, ns), makeTable(table)...)
	h, err := ipvs.New(lab.NamespacePath(ns))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	services, err := h.GetServices()
	if err != nil || len(services) != len(table) {
		t.Fatalf("%d services, %v", len(services), err)
	}
	addr := func(b []byte, port uint16) netip.AddrPort {
		a, _ := netip.AddrFromSlice(b)
		return netip.AddrPortFrom(a, port)
	}
	for _, s := range services {
		k := ServiceKey{Family: Family(s.AddressFamily), Protocol: Protocol(s.Protocol), Mark: s.FWMark}
		mask := s.Netmask
		if k.Family == IPv4 { // which moby/ipvs passes as it lies in memory
			mask = binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, mask))
		}
		if k.Mark == 0 {
			k.Addr = addr(s.Address, s.Port)
		}
		want, ok := table[k]
		got := Service{Scheduler: s.SchedName, Flags: Flags(s.Flags), Timeout: s.Timeout, Netmask: mask, Engine: want.Engine}.normal()
		if !ok || got != want.Service {
			t.Errorf("%s: moby reads %+v, want %+v", k, got, want.Service)
		}
		dests, err := h.GetDestinations(s)
		if err != nil || len(dests) != len(want.Dests) {
			t.Fatalf("%s: %d destinations, %v; want %d", k, len(dests), err, len(want.Dests))
		}
		for i, d := range dests {
			r := want.Dests[i]
			r.Encap, r.Weight = Encap{}, r.Weight&0xffff
			got := RealServer{DestKey: DestKey{addr(d.Address, d.Port)}, Dest: Dest{
				Forward: Forward(d.ConnectionFlags & ipvs.ConnectionFlagFwdMask), Weight: uint32(d.Weight), Upper: d.UpperThreshold, Lower: d.LowerThreshold,
			}}
			if got != r {
				t.Errorf("%s: moby reads %+v, want %+v", k, got, r)
			}
		}
	}
}

// testSyncDaemons starts both, with every attribute, on groups of both families, and stops them at once.
func testSyncDaemons(t *testing.T) {
	ns := lab.Namespace(t)
	for _, args := range []string{"link add sync0 up type dummy", "addr add 10.9.0.1/24 dev sync0", "addr add 2001:db8::1/64 dev sync0 nodad"} {
		lab.Exec(t, ns, "ip", strings.Fields(args)...)
	}
	// Nobody waits for what the kernel does not acknowledge.
	c := openWith(t, Options{Namespace: lab.NamespacePath(ns), Deadline: time.Hour})
	for _, group := range []string{"224.0.0.77", "ff02::77"} {
		want := []SyncDaemon{
			{Role: Master, Interface: "sync0", ID: 7, MaxLen: 1200, Group: netip.MustParseAddr(group), Port: 8899, TTL: 3},
			{Role: Backup, Interface: "sync0", ID: 255, MaxLen: 1300, Group: netip.MustParseAddr(group), Port: 8898, TTL: 4},
		}
		for range 3 {
			for _, d := range want {
				if err := c.StartSync(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			got, err := c.SyncDaemons(t.Context())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v; got %+v, want %+v", err, got, want)
			}
			for _, d := range want { // right after the start
				if err := c.StopSync(t.Context(), d.Role); err != nil {
					t.Error(err)
				}
			}
		}
	}
	err := c.StartSync(t.Context(), SyncDaemon{Role: Master, Interface: "nosuch"})
	const want = "start the sync daemon (master on nosuch): there is no interface nosuch ("
	if !errors.Is(err, unix.ENODEV) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// testFaults has each fault befall a write and a read of a real kernel, and the next ones go well.
func testFaults(t *testing.T) {
	var f faults
	c := openWith(t, Options{Namespace: lab.NamespacePath(lab.Namespace(t)), Deadline: 20 * time.Millisecond, Fault: f.of})
	want := everything()
	apply(t, c, makeTable(want)...)
	for kind := Refused; kind <= Newer; kind++ {
		edit := editDest(web, "10.1.0.1:80", Dest{Weight: uint32(kind)})
		f.set(0, Fault{kind, unix.ENOMEM})
		err := c.Apply(t.Context(), []Op{edit})[0]
		if lost := kind == Unanswered || kind == Overflowed || kind == Truncated; errors.Is(err, ErrUncertain) != lost || errors.Is(err, unix.ENOMEM) != (kind == Refused) {
			t.Errorf("fault %d: %v", kind, err)
		}
		if kind != Refused {
			want[web].Dests[0].Weight = uint32(kind)
		}
		f.set(2, Fault{kind, unix.ENOMEM})
		_, _ = c.Observe(t.Context())
		f.next = nil
		got, err := c.Observe(t.Context())
		if diff := cmp.Diff(want, got, sameTable); err != nil || diff != "" {
			t.Errorf("after fault %d: %v; (-want +got):\n%s", kind, err, diff)
		}
	}
}

// testStrangers has another process send to a socket that waits for the kernel: what it sends is no answer, and makes
// the wait no longer.
func testStrangers(t *testing.T) {
	fds := [2]int{}
	for i := range fds {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_USERSOCK)
		if err != nil {
			t.Fatal(err)
		}
		fds[i] = fd
	}
	defer unix.Close(fds[1])
	s, err := newSocket(fds[0], 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.cut(false)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // longer than anything waits here
	defer cancel()
	message := appendMessage(nil, message{kind: msgDone, port: s.port(), body: make([]byte, 4)})
	for _, when := range []string{"in time", "when the time of the request has run out"} {
		if err := unix.Sendto(fds[1], message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: s.port()}); err != nil {
			t.Fatal(err)
		}
		if b, err := s.receive(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: got %x, %v, want %v", when, b, err, os.ErrDeadlineExceeded)
		}
		s.deadline = time.Hour // of the next request
	}
}

// testNamespaceDeleted deletes the namespace of a client: its sockets keep it alive, and another cannot be had.
func testNamespaceDeleted(t *testing.T) {
	const ns = "short-lived"
	if err := lab.AddNamespace(ns); err != nil {
		t.Fatal(err)
	}
	var f faults
	c := openWith(t, Options{Namespace: lab.NamespacePath(ns), Deadline: 20 * time.Millisecond, Fault: f.of})
	apply(t, c, addService(web, rr))
	if err := lab.DeleteNamespace(ns); err != nil {
		t.Fatal(err)
	}
	checkDump(t, c, "-A -t 10.0.0.1:80 -s rr")
	f.set(0, Fault{Kind: Unanswered})
	if _, err := c.Observe(t.Context(), web); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
	want := fmt.Sprintf("open a netlink socket in the network namespace %s: ", lab.NamespacePath(ns))
	if _, err := c.Observe(t.Context(), web); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), want) {
		t.Errorf("read: %v, want %s", err, want)
	}
	if err := c.Apply(t.Context(), []Op{addService(dns, rr)})[0]; !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), want) {
		t.Errorf("write: %v, want %s", err, want)
	}
}
