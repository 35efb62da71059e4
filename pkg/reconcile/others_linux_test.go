package reconcile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// othersDo are what others do to the table of oneOfEach: to each of its services, and to backends that stay, leave,
// come and were never declared.
func othersDo() [][]kernel.Op {
	service := func(kind kernel.OpKind, k string) kernel.Op {
		op := kernel.Op{Kind: kind, Key: key(k)}
		if kind != kernel.DeleteService {
			op.Service = kernel.Service{Scheduler: "lc", Netmask: kernel.FullNetmask(kernel.IPv4)}
		}
		return op
	}
	backend := func(kind kernel.OpKind, k, d string) kernel.Op {
		op := kernel.Op{Kind: kind, Key: key(k), DestKey: dest(d)}
		if kind != kernel.DeleteDest {
			op.Dest = kernel.Dest{Weight: 7, Forward: kernel.Route}
		}
		return op
	}
	const changed, added, left = "10.0.0.1:80", "10.0.0.1:81", "10.0.0.1:82"
	list := [][]kernel.Op{
		{service(kernel.AddService, added)},
		{service(kernel.AddService, added), backend(kernel.AddDest, added, "10.1.0.1:80")},
		{backend(kernel.AddDest, changed, "10.1.0.3:80")},
		{backend(kernel.AddDest, changed, "10.1.0.9:80")},
	}
	for _, k := range []string{changed, left} {
		list = append(list,
			[]kernel.Op{service(kernel.EditService, k)},
			[]kernel.Op{service(kernel.DeleteService, k)},
			[]kernel.Op{service(kernel.DeleteService, k), service(kernel.AddService, k)})
	}
	for _, d := range []string{"10.1.0.1:80", "10.1.0.4:80", "10.1.0.5:80"} {
		list = append(list,
			[]kernel.Op{backend(kernel.EditDest, changed, d)},
			[]kernel.Op{backend(kernel.DeleteDest, changed, d)},
			[]kernel.Op{backend(kernel.DeleteDest, changed, d), backend(kernel.AddDest, changed, d)})
	}
	return list
}

// testOthersWrite has others do one thing just before a request of a pass arrives, each at each. Nothing fails by it,
// and what a pass could not know when it read, the next one mends.
func testOthersWrite(t *testing.T) {
	s := newSpoilt(t)
	table, memory, desired := oneOfEach()
	before := func(write bool, at int, ops []kernel.Op) (arrived bool) {
		s.begin(table, memory)
		s.hook = func(r kernel.Request) kernel.Fault {
			if r.Write == write && s.asked[write] == at {
				arrived = true
				errs := s.clean.Apply(t.Context(), ops)
				if first := !write && at == 0; first && slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
					t.Errorf("%v: %v", ops, errs) // nothing else was done yet
				}
			}
			return kernel.Fault{}
		}
		what := fmt.Sprintf("%v before request %d, write %v", ops, at, write)
		if _, errs := s.pass(desired); len(errs) > 0 {
			t.Errorf("%s: %v", what, errs)
		}
		s.converges(desired, what)
		return arrived
	}
	for _, write := range []bool{false, true} {
		for at, arrived := 0, true; arrived; at++ {
			arrived = false
			for _, ops := range othersDo() {
				arrived = before(write, at, ops) || arrived
				if t.Failed() {
					return
				}
			}
		}
	}
	s.checkSaved(desired)
}

// testOthersWriteAtRandom has others do random things to what is declared before half of all requests, while one
// configuration takes the place of another.
func testOthersWriteAtRandom(t *testing.T) {
	s := newSpoilt(t)
	did, failed := 0, 0
	for seed := range uint64(60) {
		w := newWorld(seed)
		desired := w.desired()
		wanted := WantedTable(desired)
		r := rand.New(rand.NewPCG(seed, 3))
		s.hook = func(kernel.Request) kernel.Fault {
			if r.IntN(2) == 0 {
				if op, ok := othersOp(r, wanted, w.table()); ok && s.clean.Apply(t.Context(), []kernel.Op{op})[0] == nil {
					did++
				}
			}
			return kernel.Fault{}
		}
		failed += s.gets(desired, 3, fmt.Sprintf("seed %d", seed))
		if t.Failed() {
			return
		}
	}
	t.Logf("others did %d things, and %d operations failed by them", did, failed)
}

// othersOp returns something to do to a declared service, on the way to another table.
func othersOp(r *rand.Rand, wanted, other kernel.Table) (kernel.Op, bool) {
	if len(wanted) == 0 {
		return kernel.Op{}, false
	}
	keys := wanted.Keys()
	k := keys[r.IntN(len(keys))]
	op := kernel.Op{Kind: kernel.OpKind(1 + r.IntN(int(kernel.DeleteDest))), Key: k}
	v, there := other[k]
	switch op.Kind {
	case kernel.DeleteService:
		return op, true
	case kernel.AddService, kernel.EditService:
		op.Service = v.Service
		return op, there
	}
	if len(v.Dests) == 0 {
		return op, false
	}
	d := v.Dests[r.IntN(len(v.Dests))]
	op.DestKey = d.DestKey
	if op.Kind != kernel.DeleteDest {
		op.Dest = d.Dest
	}
	return op, true
}
