package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestHoldBack has one backend replaced by another: while the new one cannot be added, the old one stays as it is.
func TestHoldBack(t *testing.T) {
	fake := kernel.NewFake()
	other := key("10.0.0.2:80")
	table := webTable(realServer("10.1.0.1:80", 100, 0, 0))
	table[other] = kernel.VirtualService{Service: table[web].Service, Dests: []kernel.RealServer{realServer("10.1.0.1:80", 100, 0, 0)}}
	setUp(t, fake, table)
	refused := dest("10.1.0.2:80")
	fake.Fail = func(op kernel.Op) error {
		if op.Key == web && op.DestKey == refused {
			return syscall.EINVAL
		}
		return nil
	}
	desired := webService("10.1.0.2:80")
	second := desired.Services[0]
	second.Name, second.Host = "other", other.Addr.Addr()
	desired.Services = append(desired.Services, second)

	keeper := NewKeeper(fake, nil, NewStore("", Place{}), Memory{Services: owned{web: {}, other: {}}})
	r := mustPass(t, keeper, desired)
	if len(r.Errs) != 1 || !errors.Is(r.Errs[0], syscall.EINVAL) {
		t.Errorf("errors %v", r.Errs)
	}
	var held []string
	for _, f := range r.Failures() {
		if errors.Is(f.Err, ErrHeld) {
			held = append(held, f.Op.String())
		}
	}
	if fmt.Sprint(held) != "[-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0]" {
		t.Errorf("held back: %v", held)
	}
	now := mustObserve(t, fake)
	if d, _ := now[web].Dest(dest("10.1.0.1:80")); d.Weight != 100 {
		t.Errorf("the old backend has weight %d while the new one is missing", d.Weight)
	}
	if d, _ := now[other].Dest(dest("10.1.0.1:80")); d.Weight != 0 {
		t.Errorf("another service was held back too: weight %d", d.Weight)
	}
}

// TestOnlyCapacityHoldsBack has a service edit fail: the backend that leaves goes all the same.
func TestOnlyCapacityHoldsBack(t *testing.T) {
	fake := kernel.NewFake()
	setUp(t, fake, webTable(realServer("10.1.0.1:80", 100, 0, 0), realServer("10.1.0.2:80", 100, 0, 0)))
	fake.Fail = func(op kernel.Op) error {
		if op.Kind == kernel.EditService {
			return syscall.ENOENT
		}
		return nil
	}
	desired := webService("10.1.0.1:80")
	desired.Services[0].Method = "mh"
	mustPass(t, NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), desired)
	if d, _ := mustObserve(t, fake)[web].Dest(dest("10.1.0.2:80")); d.Weight != 0 {
		t.Errorf("the backend that leaves has weight %d", d.Weight)
	}
}

// TestMovedServiceIsHeldBack has a service move to an address that cannot be made: it stays where it is.
func TestMovedServiceIsHeldBack(t *testing.T) {
	fake := kernel.NewFake()
	setUp(t, fake, webTable(realServer("10.1.0.1:80", 100, 0, 0)))
	fake.Fail = func(op kernel.Op) error {
		if op.Kind == kernel.AddService {
			return syscall.ENOENT
		}
		return nil
	}
	desired := webService("10.1.0.1:80")
	desired.Services[0].Host = key("10.0.0.2:80").Addr.Addr()
	keeper := NewKeeper(fake, nil, NewStore("", Place{}), Memory{Services: owned{web: {Name: "web"}}})
	for range 3 {
		mustPass(t, keeper, desired)
	}
	if d, _ := mustObserve(t, fake)[web].Dest(dest("10.1.0.1:80")); d.Weight != 100 {
		t.Errorf("the service that could not be moved has weight %d", d.Weight)
	}
}

// planOf returns the plan that leads to a wanted table.
func planOf(wanted Wanted, observed kernel.Table) *Plan {
	d := diff(wanted, observed)
	return &Plan{Ops: d.ops, batches: d.batches(), wanted: wanted, observed: observed}
}

// TestDownIsNeverHeldBack takes down a backend in a service where everything else fails.
func TestDownIsNeverHeldBack(t *testing.T) {
	fake := kernel.NewFake()
	observed := webTable(realServer("10.1.0.1:80", 100, 0, 0))
	setUp(t, fake, observed)
	fake.Fail = func(op kernel.Op) error {
		if op.Kind == kernel.AddDest {
			return syscall.ENOMEM
		}
		return nil
	}
	wanted := Wanted{
		Table: webTable(realServer("10.1.0.1:80", 0, 0, 0), realServer("10.1.0.2:80", 100, 0, 0)),
		Down:  map[Ref]bool{{web, dest("10.1.0.1:80")}: true},
	}
	apply(t.Context(), fake, nil, planOf(wanted, observed), barred{})
	if d, _ := mustObserve(t, fake)[web].Dest(dest("10.1.0.1:80")); d.Weight != 0 {
		t.Errorf("the backend that is down has weight %d", d.Weight)
	}
}

// TestFailedServiceIsNotFilled sees that nothing is tried in a service that could not be added.
func TestFailedServiceIsNotFilled(t *testing.T) {
	fake := kernel.NewFake()
	fake.Fail = func(op kernel.Op) error {
		if op.Kind == kernel.AddService {
			return syscall.ENOENT
		}
		return nil
	}
	r := mustPass(t, NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), webService("10.1.0.1:80"))
	if len(r.Errs) != 1 || len(r.Results) != 2 || !errors.Is(r.Results[1].Err, ErrHeld) {
		t.Errorf("errors %v, results %v", r.Errs, r.Results)
	}
}

// TestStaleReading has another process write between the reading and the writing, in each way that can collide.
func TestStaleReading(t *testing.T) {
	service := kernel.Op{Kind: kernel.AddService, Key: web, Service: webTable()[web].Service}
	backend := kernel.Op{
		Kind: kernel.AddDest, Key: web, DestKey: dest("10.1.0.1:80"),
		Dest: kernel.Dest{Weight: 1},
	}
	tests := []struct {
		name    string
		before  []kernel.Op
		between []kernel.Op
	}{
		{"the service appears", nil, []kernel.Op{service}},
		{"the service appears with a backend", nil, []kernel.Op{service, backend}},
		{"the backend appears", []kernel.Op{service}, []kernel.Op{backend}},
		{"the backend goes", []kernel.Op{service, backend}, []kernel.Op{{Kind: kernel.DeleteDest, Key: web, DestKey: dest("10.1.0.1:80")}}},
		{"the service goes", []kernel.Op{service, backend}, []kernel.Op{{Kind: kernel.DeleteService, Key: web}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake := kernel.NewFake()
			mustApply(t, fake, tt.before)
			watch := &watched{Kernel: fake, model: kernel.Table{}}
			first := true
			watch.fail = func(kernel.Op) bool {
				if first {
					first = false
					mustApply(t, fake, tt.between)
				}
				return false
			}
			r := mustPass(t, NewKeeper(watch, nil, NewStore("", Place{}), Memory{}), webService("10.1.0.1:80"))
			if len(r.Errs) > 0 {
				t.Errorf("errors %v", r.Errs)
			}
			if d, ok := mustObserve(t, fake)[web].Dest(dest("10.1.0.1:80")); !ok || d.Weight != 100 {
				t.Errorf("the backend is %v, %v", d.Dest, ok)
			}
		})
	}
}

// TestStaleKeepsWhatWasMade has somebody make one backend of a new service: gorb's service stays gorb's.
func TestStaleKeepsWhatWasMade(t *testing.T) {
	fake := kernel.NewFake()
	watch := &watched{Kernel: fake, model: kernel.Table{}}
	other := realServer("10.1.0.2:80", 7, 0, 0)
	watch.fail = func(op kernel.Op) bool {
		if op.Kind == kernel.AddDest && op.DestKey == other.DestKey {
			fake.Apply(t.Context(), []kernel.Op{{Kind: kernel.AddDest, Key: web, DestKey: other.DestKey, Dest: other.Dest}})
		}
		return false
	}
	desired := webService("10.1.0.1:80", "10.1.0.2:80")
	keeper := NewKeeper(watch, nil, NewStore("", Place{}), Memory{})
	r := mustPass(t, keeper, desired)
	if len(r.Errs) > 0 || len(r.Plan.LeftAlone) > 0 {
		t.Errorf("errors %v, left alone %v", r.Errs, r.Plan.LeftAlone)
	}
	if _, mine := keeper.memory.Services[web]; !mine {
		t.Error("the service that gorb made is not remembered")
	}
	if d, _ := mustObserve(t, fake)[web].Dest(other.DestKey); d.Weight != 100 {
		t.Errorf("the backend that was stale has weight %d", d.Weight)
	}
}

func TestJoinIsCapped(t *testing.T) {
	var errs []error
	for i := range 25 {
		errs = append(errs, fmt.Errorf("failure %d", i))
	}
	if got := Join(errs[:2]).Error(); got != "failure 0\nfailure 1" {
		t.Errorf("two: %q", got)
	}
	var last error = Join(errs)
	list := last.(interface{ Unwrap() []error }).Unwrap()
	if len(list) != 11 || list[10].Error() != "and 15 more" {
		t.Errorf("25: %v", list)
	}
	if Join(nil) != nil {
		t.Error("none is not nil")
	}
}

// TestDeletionIsHeldBack is TestHoldBack for a service without a drain, whose old backend would be deleted at once.
func TestDeletionIsHeldBack(t *testing.T) {
	fake := kernel.NewFake()
	setUp(t, fake, webTable(realServer("10.1.0.1:80", 100, 0, 0)))
	fake.Fail = func(op kernel.Op) error {
		if op.Kind == kernel.AddDest {
			return syscall.EINVAL
		}
		return nil
	}
	desired := webService("10.1.0.2:80")
	desired.Services[0].Drain = 0
	mustPass(t, NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), desired)
	if d, _ := mustObserve(t, fake)[web].Dest(dest("10.1.0.1:80")); d.Weight != 100 {
		t.Errorf("the old backend has weight %d while the new one is missing", d.Weight)
	}
}

// TestRefusedForEver has a backend that the kernel never takes beside one that health takes down: that goes to 0, and
// nothing else in the service is held up.
func TestRefusedForEver(t *testing.T) {
	fake := kernel.NewFake()
	observed := webTable(realServer("10.1.0.1:80", 100, 0, 0), realServer("10.1.0.2:80", 1, 0, 0))
	setUp(t, fake, observed)
	wanted := Wanted{
		Table: webTable(realServer("10.1.0.1:80", 0, 0, 0), realServer("10.1.0.2:80", 2, 0, 0), realServer("224.0.0.1:80", 100, 0, 0)),
		Down:  map[Ref]bool{{web, dest("10.1.0.1:80")}: true},
	}
	for range 2 {
		results := apply(t.Context(), fake, nil, planOf(wanted, mustObserve(t, fake)), barred{})
		if last := results[len(results)-1]; len(results) > 3 || !slices.ContainsFunc(results, func(r Result) bool { return errors.Is(r.Err, syscall.EINVAL) }) {
			t.Errorf("results %v, the last %v", results, last)
		}
	}
	now := mustObserve(t, fake)[web]
	down, _ := now.Dest(dest("10.1.0.1:80"))
	raised, _ := now.Dest(dest("10.1.0.2:80"))
	if down.Weight != 0 || raised.Weight != 2 {
		t.Errorf("the one that is down has weight %d, the other %d", down.Weight, raised.Weight)
	}
}

// TestGoneIsDone has somebody else delete what gorb is about to delete.
func TestGoneIsDone(t *testing.T) {
	fake := kernel.NewFake()
	setUp(t, fake, webTable(realServer("10.1.0.1:80", 100, 0, 0), realServer("10.1.0.2:80", 0, 0, 0)))
	fake.Fail = func(op kernel.Op) error {
		if op.Kind == kernel.DeleteDest {
			return syscall.ENOENT
		}
		return nil
	}
	r := mustPass(t, NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), webService("10.1.0.1:80"))
	if len(r.Errs) > 0 || len(r.Failures()) > 0 || len(r.Results) != 1 {
		t.Errorf("errors %v, results %v", r.Errs, r.Results)
	}
}

// TestLostAnswer has the kernel do an operation, or not, and its answer get lost: it is read again in the same pass,
// and after three readings it is left to the next.
func TestLostAnswer(t *testing.T) {
	kinds := []kernel.OpKind{kernel.AddService, kernel.AddDest, kernel.EditDest, kernel.DeleteDest}
	for _, kind := range kinds {
		for _, done := range []bool{false, true} {
			fake := kernel.NewFake()
			if kind != kernel.AddService && kind != kernel.AddDest {
				setUp(t, fake, webTable(realServer("10.1.0.1:80", 1, 0, 0), realServer("10.1.0.2:80", 0, 0, 0)))
			}
			first := true
			fake.Fail = func(op kernel.Op) error {
				if op.Kind != kind || !first {
					return nil
				}
				first = false
				if done {
					mustApply(t, fake, []kernel.Op{op})
				}
				return fmt.Errorf("%w: too slow", kernel.ErrUncertain)
			}
			keeper := NewKeeper(fake, nil, NewStore("", Place{}), Memory{})
			r := mustPass(t, keeper, webService("10.1.0.1:80"))
			if v := mustObserve(t, fake)[web]; len(r.Errs) > 0 || len(v.Dests) != 1 || v.Dests[0].Weight != 100 {
				t.Errorf("kind %d, done %v: errors %v, %v", kind, done, r.Errs, v)
			}
			if _, mine := keeper.memory.Services[web]; !mine {
				t.Errorf("kind %d, done %v: it is not gorb's", kind, done)
			}
		}
	}
	tries := 0
	fake := kernel.NewFake()
	fake.Fail = func(kernel.Op) error { tries++; return kernel.ErrUncertain }
	r := mustPass(t, NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), webService())
	if tries != maxRounds || len(r.Errs) != 1 || !errors.Is(r.Errs[0], kernel.ErrUncertain) {
		t.Errorf("%d tries, errors %v", tries, r.Errs)
	}
}

// TestLaterReadingIsReported has a service appear between reading and writing, with a backend that nobody declared.
func TestLaterReadingIsReported(t *testing.T) {
	fake := kernel.NewFake()
	watch := &watched{Kernel: fake, model: kernel.Table{}}
	first := true
	watch.fail = func(kernel.Op) bool {
		if first {
			first = false
			setUp(t, fake, webTable(realServer("10.1.0.9:80", 7, 0, 0)))
		}
		return false
	}
	r := mustPass(t, NewKeeper(watch, nil, NewStore("", Place{}), Memory{}), webService("10.1.0.1:80"))
	if len(r.Plan.Adopted) != 1 || len(r.Plan.Adopted[0].Removes) != 1 || len(r.Plan.Draining) != 1 {
		t.Errorf("adopted %v, draining %v", r.Plan.Adopted, r.Plan.Draining)
	}
}
