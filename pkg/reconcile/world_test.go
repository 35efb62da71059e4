package reconcile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// A world makes random configurations and tables out of few identities, so that they overlap.
type world struct{ *rand.Rand }

func newWorld(seed uint64) world { return world{rand.New(rand.NewPCG(seed, 1))} }

// noPulse is of the services whose declared weights count: nobody checks their backends.
var noPulse = &spec.Pulse{Type: spec.PulseNone, Interval: spec.DefaultInterval}

func pick[T any](w world, of ...T) T { return of[w.IntN(len(of))] }

// chance is true in n of 100 cases.
func (w world) chance(n int) bool { return w.IntN(100) < n }

// services returns a random choice of declared services.
func (w world) services() []spec.Service {
	var list []spec.Service
	for i := range 6 {
		if w.chance(40) {
			continue
		}
		s := spec.Service{
			Name: fmt.Sprintf("s%d", i), Method: pick(w, "wrr", "rr", "wlc", "sh"), Drain: time.Minute, Pulse: noPulse,
		}
		switch i {
		case 0, 1:
			s.Protocol, s.Host, s.Port, s.Family = spec.TCP, netip.MustParseAddr("10.0.0.1"), uint16(80+i), spec.IPv4
		case 2:
			s.Protocol, s.Host, s.Port, s.Family = spec.UDP, netip.MustParseAddr("10.0.0.1"), 80, spec.IPv4
		case 3:
			s.Protocol, s.Host, s.Port, s.Family = spec.TCP, netip.MustParseAddr("fd00::1"), 80, spec.IPv6
		case 4:
			s.Fwmark, s.Family = 7, spec.IPv4
		case 5:
			s.Fwmark, s.Family = 7, spec.IPv6
		}
		if w.chance(30) {
			s.Persistent = time.Duration(60*(1+w.IntN(3))) * time.Second
			s.Netmask = pick(w, 0, uint32(0xffffff00))
			if s.Family == spec.IPv6 {
				s.Netmask = pick(w, 0, uint32(64))
			}
			if s.Protocol == spec.UDP {
				s.Engine = pick(w, "", "sip")
			}
		}
		if w.chance(30) {
			s.Flags = spec.Flag1 << w.IntN(3)
		}
		s.Backends = w.backends(&s)
		list = append(list, s)
	}
	return list
}

// backends returns a random choice of backends of a service.
func (w world) backends(s *spec.Service) []spec.Backend {
	var list []spec.Backend
	for i := range 6 {
		if w.chance(40) {
			continue
		}
		b := spec.Backend{
			Name: fmt.Sprintf("b%d", i), Method: spec.NAT,
			Host: netip.AddrFrom4([4]byte{10, 1, 0, byte(1 + i/2)}), Port: s.Port + uint16(i%2),
			Weight: pick(w, uint32(0), 1, 1, 50, 100, 100000),
		}
		if s.Family == spec.IPv6 {
			b.Host = netip.MustParseAddr(fmt.Sprintf("fd01::%d", 1+i/2))
		}
		if b.Port == s.Port && w.chance(40) {
			b.Method = pick(w, spec.DR, spec.Tunnel, spec.GUE, spec.GRE)
		}
		if i == 5 && s.Family == spec.IPv4 && w.chance(50) {
			b.Host, b.Port, b.Method = netip.MustParseAddr("fd01::9"), s.Port, pick(w, spec.Tunnel, spec.GUE, spec.GRE)
		}
		switch b.Method {
		case spec.GUE:
			b.Tunnel = spec.Encap{Port: pick(w, uint16(6080), 6081), Checksum: pick(w, spec.NoChecksum, spec.SumChecksum, spec.RemoteChecksum)}
		case spec.GRE:
			b.Tunnel.Checksum = pick(w, spec.NoChecksum, spec.SumChecksum)
		}
		if w.chance(30) {
			b.Upper, b.Lower = pick(w, uint32(10), 1000), pick(w, uint32(0), 5)
		}
		list = append(list, b)
	}
	return list
}

func (w world) desired() *spec.Desired {
	return &spec.Desired{Services: w.services(), Gorb: spec.Gorb{Resync: 30 * time.Second}}
}

// table returns a random table, destinations in the order in which they are to be added.
func (w world) table() kernel.Table {
	t := WantedTable(w.desired())
	for _, k := range t.Keys() {
		v := t[k]
		w.Shuffle(len(v.Dests), func(i, j int) { v.Dests[i], v.Dests[j] = v.Dests[j], v.Dests[i] })
		t[k] = v
	}
	return t
}

// memory returns a random choice of the services of a table, as gorb's.
func (w world) memory(t kernel.Table) Memory {
	m := Memory{Services: owned{}}
	for _, k := range t.Keys() {
		if w.chance(60) {
			m.Services[k] = Owned{Name: nameOf(k), Drain: time.Minute}
		}
	}
	return m
}

// setUp makes an empty kernel hold a table.
func setUp(t *testing.T, k Kernel, table kernel.Table) {
	t.Helper()
	var ops []kernel.Op
	for _, key := range table.Keys() {
		v := table[key]
		ops = append(ops, kernel.Op{Kind: kernel.AddService, Key: key, Service: v.Service})
		for _, d := range v.Dests {
			ops = append(ops, kernel.Op{Kind: kernel.AddDest, Key: key, DestKey: d.DestKey, Dest: d.Dest})
		}
	}
	mustApply(t, k, ops)
}

// clear empties a kernel.
func clearTable(t *testing.T, k Kernel) {
	t.Helper()
	var ops []kernel.Op
	for _, key := range mustObserve(t, k).Keys() {
		ops = append(ops, kernel.Op{Kind: kernel.DeleteService, Key: key})
	}
	mustApply(t, k, ops)
}

func mustApply(t *testing.T, k Kernel, ops []kernel.Op) {
	t.Helper()
	for i, err := range k.Apply(t.Context(), ops) {
		if err != nil {
			t.Fatalf("%v: %v", ops[i], err)
		}
	}
}

func mustObserve(t *testing.T, k Kernel) kernel.Table {
	t.Helper()
	table, err := k.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// watched is a kernel under watch: it fails operations when asked to, and follows in a model what each that was done
// made of the table, so that every state in between can be judged.
type watched struct {
	Kernel
	fail  func(kernel.Op) bool
	model kernel.Table
	judge func(op kernel.Op, now kernel.Table)
	ops   []kernel.Op
}

func (w *watched) Apply(ctx context.Context, ops []kernel.Op) []error {
	errs := make([]error, len(ops))
	for i, op := range ops {
		if w.fail != nil && w.fail(op) {
			errs[i] = &kernel.OpError{Op: op, Err: syscall.EIO}
			continue
		}
		errs[i] = w.Kernel.Apply(ctx, []kernel.Op{op})[0]
		if errs[i] == nil {
			w.ops = append(w.ops, op)
			follow(w.model, op)
			if w.judge != nil {
				w.judge(op, w.model)
			}
		}
	}
	return errs
}

// follow applies an operation to a model.
func follow(t kernel.Table, op kernel.Op) {
	v := t[op.Key]
	v.Dests = slices.DeleteFunc(slices.Clone(v.Dests), func(d kernel.RealServer) bool { return d.DestKey == op.DestKey })
	switch op.Kind {
	case kernel.DeleteService:
		delete(t, op.Key)
		return
	case kernel.AddService, kernel.EditService:
		v.Service = op.Service
	case kernel.AddDest, kernel.EditDest:
		v.Dests = append(v.Dests, kernel.RealServer{DestKey: op.DestKey, Dest: op.Dest})
	}
	t[op.Key] = v
}

// serves reports whether a service has somewhere to send traffic.
func serves(v kernel.VirtualService) bool {
	return slices.ContainsFunc(v.Dests, func(d kernel.RealServer) bool { return d.Weight > 0 })
}

// clone copies a table.
func clone(t kernel.Table) kernel.Table {
	c := make(kernel.Table, len(t))
	for k, v := range t {
		v.Dests = slices.Clone(v.Dests)
		c[k] = v
	}
	return c
}

// settled returns a table without what a configuration cannot set: connections, and the order of destinations.
func settled(t kernel.Table) kernel.Table {
	c := clone(t)
	for k, v := range c {
		for i := range v.Dests {
			v.Dests[i].Conns = kernel.Conns{}
		}
		sortDests(v.Dests)
		if len(v.Dests) == 0 {
			v.Dests = nil
		}
		c[k] = v
	}
	return c
}
