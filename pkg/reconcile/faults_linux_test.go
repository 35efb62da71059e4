package reconcile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestFaults makes passes over a real kernel whose answers a hook of the transport spoils, and over one that really
// refuses. Whatever befalls a pass, it says so in a sentence that names the object, and a later pass makes the table
// what is declared. What the client makes of each fault by itself is in the tests of pkg/kernel.
func TestFaults(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		t.Run("modules", testModules) // first, as no other namespace may have services
		t.Run("operations", testFaultyOperations)
		t.Run("readings", testFaultyReadings)
		t.Run("everywhere", testFaultEverywhere)
		t.Run("mixture", testFaultMixture)
		t.Run("surroundings", testFaultySurroundings)
		t.Run("others write", testOthersWrite)
		t.Run("others write at random", testOthersWriteAtRandom)
		t.Run("no capability", testNoCapability)
		t.Run("namespace deleted", testNamespaceDeleted)
		t.Run("refused for ever", testRefusedForEver)
		t.Run("cost", testCostOnKernel)
	})
}

// oneOfEach is a table and a configuration between which there is an operation of every kind.
func oneOfEach() (kernel.Table, Memory, *spec.Desired) {
	desired := webService("10.1.0.1:80", "10.1.0.2:80", "10.1.0.3:80", "10.1.0.5:80")
	other := webService("10.1.0.1:80").Services[0]
	other.Name, other.Port = "new", 81
	desired.Services = append(desired.Services, other)
	for i := range desired.Services {
		desired.Services[i].Drain = 0
	}
	table := WantedTable(desired)
	delete(table, KeyOf(&other))
	desired.Services[0].Method = "wlc"
	desired.Services[0].Backends[3].Upper = 1000
	v := table[web]
	v.Dests[0].Weight, v.Dests[1].Weight = 1, 200
	v.Dests[2] = realServer("10.1.0.4:80", 100, 0, 0)
	old := key("10.0.0.1:82")
	table[old] = kernel.VirtualService{Service: v.Service, Dests: []kernel.RealServer{realServer("10.1.0.1:80", 1, 0, 0)}}
	return table, Memory{Services: owned{web: {Name: "web"}, old: {Name: "old"}}}, desired
}

// noErrors are the refusals that say that the table is another than was read, so that it is read again at once, or that
// what was to be deleted is gone.
var noErrors = map[kernel.OpKind][]syscall.Errno{
	kernel.AddService:    {syscall.EEXIST},
	kernel.EditService:   {syscall.ESRCH},
	kernel.DeleteService: {syscall.ESRCH, syscall.ENOENT},
	kernel.AddDest:       {syscall.EEXIST, syscall.ESRCH},
	kernel.EditDest:      {syscall.ESRCH, syscall.ENOENT},
	kernel.DeleteDest:    {syscall.ESRCH, syscall.ENOENT},
}

// testFaultyOperations has each fault befall each operation.
func testFaultyOperations(t *testing.T) {
	s := newSpoilt(t)
	table, memory, desired := oneOfEach()
	s.begin(table, memory)
	r, _ := s.pass(desired)
	ops := r.Plan.Ops
	kinds := map[kernel.OpKind]bool{}
	for _, op := range ops {
		kinds[op.Kind] = true
	}
	if len(kinds) != int(kernel.DeleteDest) {
		t.Fatalf("operations of %d kinds:\n%s", len(kinds), lines(r.Plan))
	}
	for _, fault := range faultsOf() {
		for i, op := range ops {
			what := fmt.Sprintf("fault %v of %v", fault, op)
			s.begin(table, memory)
			s.befall(true, i, fault)
			_, errs := s.pass(desired)
			for _, err := range errs {
				named(t, err, op)
				if !errors.Is(err, fault.Errno) {
					t.Errorf("%s: %v", what, err)
				}
			}
			// What was lost is read again at once.
			refused := fault.Kind == kernel.Refused && !slices.Contains(noErrors[op.Kind], fault.Errno)
			if refused != (len(errs) > 0) {
				t.Errorf("%s: errors %v", what, errs)
			}
			s.converges(desired, what)
			if t.Failed() {
				return
			}
		}
		s.checkSaved(desired)
	}
}

// testFaultyReadings has each fault befall each request by which a pass reads.
func testFaultyReadings(t *testing.T) {
	s := newSpoilt(t)
	table, memory, desired := oneOfEach()
	empty := key("10.0.0.1:83") // it is asked for again
	table[empty] = kernel.VirtualService{Service: table[web].Service}
	memory.Services[empty] = Owned{Name: "empty"}
	const last = 1 + 3 // the services, what each has, and whether the empty one is there
	left := map[bool]int{}
	for _, fault := range faultsOf() {
		for i := range last + 1 {
			what := fmt.Sprintf("fault %v at request %d", fault, i)
			s.begin(table, memory)
			s.befall(false, i, fault)
			r, errs := s.pass(desired)
			object := "read tcp 10.0.0.1:8"
			if i == 0 || i == last && fault.Kind != kernel.Refused { // all empty ones are asked for at once
				object = "read the IPVS table: "
			}
			for _, err := range errs {
				if !strings.HasPrefix(err.Error(), object) {
					t.Errorf("%s: got %v, want %s", what, err, object)
				}
				if r.Plan != nil {
					t.Errorf("%s: there is a plan without a reading:\n%s", what, lines(r.Plan))
				}
			}
			want := 0
			switch fault.Kind {
			case kernel.Refused, kernel.Unanswered, kernel.Overflowed, kernel.Truncated:
				if i < last || fault.Errno != syscall.ESRCH { // which says that it is not there
					want = 1
				}
			case kernel.Newer:
				if r.Plan != nil {
					left[i == 0] += checkLeftAlone(t, what, r.Plan)
				}
			}
			if len(errs) != want {
				t.Errorf("%s: %d errors, want %d: %v", what, len(errs), want, errs)
			}
			s.converges(desired, what)
			if t.Failed() {
				return
			}
		}
		s.checkSaved(desired)
	}
	if left[true] == 0 || left[false] == 0 {
		t.Errorf("left alone of services, and of backends: %v", left)
	}
}

// checkLeftAlone sees that nothing is written that a plan says it leaves alone, and returns how much that is.
func checkLeftAlone(t *testing.T, what string, plan *Plan) int {
	t.Helper()
	for _, l := range plan.LeftAlone {
		for _, op := range plan.Ops {
			if op.Key == l.Key && op.DestKey == l.Dest {
				t.Errorf("%s: %v is left alone (%s), and %v", what, l.Object(), l.Reason, op)
			}
		}
	}
	return len(plan.LeftAlone)
}

// endsInterest reports whether a fault makes a reading say that a service is not there, which gorb then forgets.
func endsInterest(write bool, f kernel.Fault) bool { return !write && f.Errno == syscall.ESRCH }

// testFaultEverywhere has one fault befall all that is written, or read, for several passes: a service that serves goes
// on serving.
func testFaultEverywhere(t *testing.T) {
	s := newSpoilt(t)
	table, memory, desired := oneOfEach()
	for _, fault := range faultsOf() {
		for _, write := range []bool{false, true} {
			if endsInterest(write, fault) {
				continue
			}
			s.begin(table, memory)
			s.hook = func(r kernel.Request) kernel.Fault {
				if r.Write == write {
					return fault
				}
				return kernel.Fault{}
			}
			what := fmt.Sprintf("fault %v everywhere, write %v", fault, write)
			for range 3 {
				_, errs := s.pass(desired)
				if fault.Kind == kernel.Refused && len(errs) == 0 {
					t.Errorf("%s: no error", what)
				}
				for _, err := range errs {
					checkNamed(t, what, err)
				}
				if now := mustObserve(t, s.clean)[web]; !serves(now) {
					t.Errorf("%s: it serves no longer: %v", what, now)
				}
			}
			s.converges(desired, what)
			if t.Failed() {
				return
			}
		}
	}
}

// testFaultMixture has random faults befall a tenth of all requests, while one configuration takes the place of
// another.
func testFaultMixture(t *testing.T) {
	s := newSpoilt(t)
	all := faultsOf()
	failed := 0
	for seed := range uint64(100) {
		desired := newWorld(seed).desired()
		r := rand.New(rand.NewPCG(seed, 2))
		s.hook = func(req kernel.Request) (f kernel.Fault) {
			if r.IntN(10) == 0 {
				f = all[r.IntN(len(all))]
			}
			if endsInterest(req.Write, f) {
				return kernel.Fault{}
			}
			return f
		}
		failed += s.gets(desired, 4, fmt.Sprintf("seed %d", seed))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d errors", failed)
}

// testCostOnKernel counts the requests of passes over many services.
func testCostOnKernel(t *testing.T) {
	s := newSpoilt(t)
	const services = 1000
	desired := large(services, 100)
	for i := range desired.Services {
		desired.Services[i].Backends = desired.Services[i].Backends[:2]
	}
	s.converges(desired, "nothing")
	checkCost(t, s.keeper, desired, func() (reads, writes int) {
		defer clear(s.asked)
		return s.asked[false], s.asked[true]
	}, cost{whole: 1 + services, one: 2}) // a service by its key: it and its backends
}
