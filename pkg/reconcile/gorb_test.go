package reconcile

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// The bugs of the first GORB's health checks, each as a test that gorb does not have it: a loop over a fake kernel, and the
// engine beside it, whose checks come out as a test says. Its policy is GORB's.

var gorbPolicy = probe.Policy{
	Interval: time.Minute, FastInterval: time.Minute, Timeout: 5 * time.Second,
	Rise: 1, Fall: 1, Backoff: 1, MaxInterval: time.Hour, Window: 100,
}

// served is a loop and an engine.
type served struct {
	*kernel.Fake
	t       *testing.T
	desired chan *spec.Desired

	mu      sync.Mutex // guards everything below
	letters string     // how the checks of the first come out: "o" is well, "x" fails, "h" hangs and then fails; the last for ever
	made    int        // checks
	ops     []kernel.Op
	counts  probe.Counts
}

func startServed(t *testing.T, letters string) *served {
	s := &served{Fake: kernel.NewFake(), t: t, desired: make(chan *spec.Desired), letters: letters}
	s.Fail = func(op kernel.Op) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ops = append(s.ops, op)
		return nil
	}
	engine := probe.New(func(time.Duration) time.Duration { return 0 }, zerolog.Nop())
	keeper := NewKeeper(s.Fake, nil, NewStore("", Place{}), Memory{})
	keeper.Check(engine, s.watches, func(_ string, c probe.Counts) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.counts = c
	})
	loop := New(keeper, false, zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = engine.Run(ctx) })
	done.Go(func() { _ = loop.Run(ctx, Wakes{Desired: s.desired}) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return s
}

func (s *served) watches(service *spec.Service) []probe.Watch {
	var list []probe.Watch
	for i := range service.Backends {
		b := &service.Backends[i]
		w := probe.Watch{
			Ref:    probe.Ref{Service: service.Name, Backend: b.Name},
			Target: probe.Target{Kind: "tcp", Args: netip.AddrPortFrom(b.Host, b.Port).String()},
			Policy: gorbPolicy, Checker: func() probe.Checker { return well{} },
		}
		if b.Host == first {
			w.Checker = func() probe.Checker { return s }
		}
		list = append(list, w)
	}
	return list
}

// first is the backend whose checks a test decides, and well are those of all others.
var first = netip.MustParseAddr("10.1.0.1")

type well struct{}

// Check is of probe.Checker.
func (well) Check(context.Context, *probe.Trace) probe.Result { return probe.Result{Outcome: probe.OK} }

// Check is of probe.Checker.
func (s *served) Check(_ context.Context, _ *probe.Trace) probe.Result {
	s.mu.Lock()
	letter := s.letters[min(s.made, len(s.letters)-1)]
	s.made++
	s.mu.Unlock()
	switch letter {
	case 'h':
		time.Sleep(gorbPolicy.Timeout) // whatever the engine wants
		return probe.Result{Outcome: probe.Failed}
	case 'x':
		return probe.Result{Outcome: probe.Failed}
	}
	return probe.Result{Outcome: probe.OK}
}

// declare makes this the configuration, as checkedWeb.
func (s *served) declare(backends string) {
	s.desired <- checkedWeb(backends)
	synctest.Wait()
}

// weights returns the weight of 10.1.0.1 now, and after each of so many minutes; -1 where it is not there.
func (s *served) weights(minutes int) []int {
	s.t.Helper()
	var list []int
	for i := range minutes + 1 {
		if i > 0 {
			time.Sleep(time.Minute)
		}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		d, there := mustObserve(s.t, s.Fake)[web].Dest(dest("10.1.0.1:80"))
		if list = append(list, -1); there {
			list[i] = int(d.Weight)
		}
	}
	return list
}

// raised reports whether anything ever gave a weight to 10.1.0.1.
func (s *served) raised() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range s.ops {
		if op.Dest.Weight > 0 {
			return true
		}
	}
	return false
}

// TestB1FailureWhileComingBack has a backend fail again before it has all of its weight: GORB left it what it had.
func TestB1FailureWhileComingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServed(t, "xooxxoo")
		s.declare("1:100")
		equal(t, s.weights(6), []int{0, 50, 66, 0, 0, 50, 57})
	})
}

// TestB2WeightIsDeclaredWhileDown has the weight edited in every state: GORB sent traffic to the dead, and undid the edit
// with the next check.
func TestB2WeightIsDeclaredWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServed(t, "xxooo")
		s.declare("1:100")
		equal(t, s.weights(0), []int{0})
		s.declare("1:300")
		equal(t, s.weights(3), []int{0, 0, 100, 150}) // down, down, 1 of 3, 2 of 4
		s.declare("1:0")                              // drained by hand
		equal(t, s.weights(2), []int{0, 0, 0})
		s.declare("1:30")
		equal(t, s.weights(0), []int{20}) // 4 of 6
	})
}

// TestB17AddedAgain has a backend removed and added again, as it was, while its check hangs and is about to fail: GORB
// took the new one down for that and forgot its weight.
func TestB17AddedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServed(t, "oho")
		s.declare("1:100 2:0")
		time.Sleep(time.Minute + time.Second) // its second check hangs
		s.declare("2:0")
		time.Sleep(time.Second)
		s.declare("1:100 2:0")
		equal(t, s.weights(2), []int{0, 100, 100})
	})
}

// TestB34NothingBeforeTheFirstCheck has a new backend not answer for a while: GORB gave it all of its weight until then.
func TestB34NothingBeforeTheFirstCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServed(t, "ho")
		s.declare("1:100")
		equal(t, s.counts, probe.Counts{Unanswered: 1})
		time.Sleep(4 * time.Second)
		if s.raised() {
			t.Errorf("it had a weight before it answered: %v", s.ops)
		}
		equal(t, s.weights(1), []int{0, 50})
	})
}

// TestIssue47WeightOfOne has a backend of weight 1 come back after a long outage: GORB left it at 0 for 99 checks.
func TestIssue47WeightOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServed(t, "xxxxxxxxxxo")
		s.declare("1:1")
		equal(t, s.weights(12), []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1})
	})
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
