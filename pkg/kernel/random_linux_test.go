package kernel

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorb-io/gorb/internal/lab"
)

// testSameAnswers gives the same random operations to a Fake and the kernel: they must answer alike, and be alike
// after each sequence.
func testSameAnswers(t *testing.T) {
	const sequences, length = 200, 30
	client := open(t, lab.Namespace(t))
	for seed := range uint64(sequences) {
		r := rand.New(rand.NewPCG(seed, 0))
		fake := NewFake()
		ops := make([]Op, length)
		for i := range ops {
			ops[i] = randomOp(r)
		}
		want, got := fake.Apply(t.Context(), ops), client.Apply(t.Context(), ops)
		for i, op := range ops {
			if errnoOf(want[i]) != errnoOf(got[i]) {
				t.Errorf("seed %d, operation %d, %s: the fake says %v, the kernel %v", seed, i, op, want[i], got[i])
			}
		}
		table, err := client.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fake.Snapshot(), table, sameTable); diff != "" {
			t.Errorf("seed %d (-fake +kernel):\n%s", seed, diff)
		}
		for k := range table {
			apply(t, client, deleteService(k))
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// randomOp returns an operation of a small world, so that many meet what others left; some are wrong in one way or
// several.
func randomOp(r *rand.Rand) Op {
	key := pick(r, web, web6, dns, mark4, mark6)
	op := Op{Kind: pick(r, AddService, AddService, EditService, DeleteService, AddDest, AddDest, AddDest, EditDest, DeleteDest), Key: key}
	if op.Kind == AddService || op.Kind == EditService {
		op.Service = Service{
			Scheduler: pick(r, "rr", "wrr", "wlc", "sh", "mh", "none"),
			Flags:     Flags(r.Uint32()) & (Persistent | OnePacket | Sched1 | Sched2 | Sched3),
			Netmask:   pick[uint32](r, full, 0xffffff00, 0),
		}
		if key.Family == IPv6 {
			op.Service.Netmask = pick[uint32](r, 128, 64, 1, 0, 129)
		}
		op.Service.Engine = pick(r, "", "", "sip")
		switch r.IntN(100) { // seldom, as the kernel then runs modprobe
		case 0:
			op.Service.Scheduler = "nosuch"
		case 1:
			op.Service.Engine = "nosuch"
		}
		if op.Service.Flags&Persistent != 0 {
			op.Service.Timeout = pick[uint32](r, 1, 300, maxTimeout)
		}
		return op
	}
	if op.Kind == DeleteService {
		return op
	}
	if f := pick(r, IPv4, IPv6, key.Family, key.Family); f == IPv4 {
		op.DestKey = dest(pick(r, "10.1.0.1:80", "10.1.0.1:8080", "10.1.0.2:0", "127.0.0.1:80", "224.0.0.1:80"))
	} else {
		op.DestKey = dest(pick(r, "[2001:db8::9]:80", "[2001:db8::a]:0", "[::1]:80", "[fe80::1]:80", "[::]:80"))
	}
	if op.Kind != DeleteDest {
		op.Dest = Dest{
			Forward: pick(r, Masq, Local, Tunnel, Tunnel, Tunnel, Route, Bypass),
			Weight:  pick[uint32](r, 0, 1, 100, maxWeight, maxWeight+1),
			Upper:   pick[uint32](r, 0, 10, 1000),
			Lower:   pick[uint32](r, 0, 0, 5, 10, 1000),
		}
		if op.Dest.Forward == Tunnel {
			op.Dest.Encap = pick(r, Encap{}, Encap{Type: GRE}, Encap{Type: GRE, Flags: Checksum}, Encap{Type: GUE},
				Encap{Type: GUE, Port: 6080}, Encap{Type: GUE, Port: 7, Flags: RemoteChecksum}, Encap{Flags: Checksum})
		}
	}
	return op
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		return ^errno
	}
	return errno
}
