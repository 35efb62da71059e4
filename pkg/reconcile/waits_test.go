package reconcile

import (
	"fmt"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
)

// replacing is a director whose service had two backends that are up, and has two others now.
func replacing(t *testing.T) *director {
	t.Helper()
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isUp, ""))
	d.declare(t, checkedWeb("3:100 4:100"))
	d.check(t, "replaced", "1:100 2:100 3:0 4:0")
	return d
}

// TestReplacedByLive has all backends replaced, by some that are up: the old ones go once all of these have answered.
func TestReplacedByLive(t *testing.T) {
	d := replacing(t)
	r := d.hear(t, d.say(isUp, "10.1.0.3:"))
	d.check(t, "one is up", "1:100 2:100 3:100 4:0")
	if len(r.Plan.Waiting) != 1 || r.Plan.Waiting[0].Unanswered != 1 || r.Plan.Waiting[0].Up != 1 {
		t.Errorf("waiting: %+v", r.Plan.Waiting)
	}
	d.hear(t, d.say(isDown, "10.1.0.4:"))
	d.check(t, "all have answered", "1:0 2:0 3:100 4:0")
	d.pass(t, d.keeper.drains())
	d.check(t, "drained", "3:100 4:0")
	if _, leaves := d.watches["web"]; !leaves || len(d.watches["web"]) != 2 {
		t.Errorf("what left is still checked: %v", d.watches)
	}
}

// TestReplacedByDead has all backends replaced by dead ones: the old ones stay until the drain time is over.
func TestReplacedByDead(t *testing.T) {
	d := replacing(t)
	d.hear(t, d.say(isDown, "10.1.0.3:"))
	d.hear(t, d.say(isDown, "10.1.0.4:"))
	d.check(t, "all are down", "1:100 2:100 3:0 4:0")
	d.now = d.now.Add(59 * time.Second)
	d.pass(t, d.keeper.drains())
	d.check(t, "before the drain time is over", "1:100 2:100 3:0 4:0")
	d.now = d.now.Add(time.Second)
	d.pass(t, d.keeper.drains())
	d.check(t, "after it", "1:0 2:0 3:0 4:0")
}

// TestReplacedByUnanswered has nobody answer: what was there stays, whatever the drain time.
func TestReplacedByUnanswered(t *testing.T) {
	d := replacing(t)
	d.now = d.now.Add(time.Hour)
	d.pass(t, d.keeper.drains())
	d.check(t, "an hour later", "1:100 2:100 3:0 4:0")
}

// TestLeaverGoesDown has a backend that is kept for the others go down: it is checked on, under another name.
func TestLeaverGoesDown(t *testing.T) {
	d := replacing(t)
	d.hear(t, d.say(isDown, "10.1.0.1:"))
	d.check(t, "one of those that leave is down", "1:0 2:100 3:0 4:0")
	d.hear(t, d.say(isDown, "10.1.0.2:"))
	d.check(t, "both are down", "2:0 3:0 4:0")
}

// TestLeaverReturns has a backend declared again that was kept.
func TestLeaverReturns(t *testing.T) {
	d := replacing(t)
	d.declare(t, checkedWeb("3:100 1:50"))
	d.check(t, "declared again", "1:100 2:100 3:0")
	d.hear(t, d.say(isUp, "10.1.0.1:"))
	d.hear(t, d.say(isDown, "10.1.0.3:"))
	d.check(t, "answered", "1:50 2:0 3:0")
	if n := len(d.keeper.checked.leavers); n > 1 {
		t.Errorf("%d are checked that are declared no more", n)
	}
}

// TestLoweringWaits has the only backend that is up drained by hand as another comes.
func TestLoweringWaits(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100"))
	d.hear(t, d.say(isUp, ""))
	d.declare(t, checkedWeb("1:0 2:100"))
	d.check(t, "drained by hand", "1:100 2:0")
	d.hear(t, d.say(isUp, "10.1.0.2:"))
	d.check(t, "the other is up", "1:0 2:100")
}

// TestNothingToWaitFor has all backends drained by hand, or removed: that is meant.
func TestNothingToWaitFor(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isUp, ""))
	d.declare(t, checkedWeb("1:0 2:0"))
	d.check(t, "drained by hand", "1:0 2:0")
	d.declare(t, checkedWeb("1:100 2:100"))
	d.declare(t, checkedWeb(""))
	d.check(t, "removed", "1:0 2:0")
}

// TestEnoughStays has one of three removed while the others are up: no reason to wait, though a new one has not answered.
func TestEnoughStays(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100 3:100"))
	d.hear(t, d.say(isUp, ""))
	d.declare(t, checkedWeb("1:100 2:100 4:100"))
	d.check(t, "removed", "1:100 2:100 3:0 4:0")
}

// TestUncheckedStays counts a backend that nobody checks as up.
func TestUncheckedStays(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100"))
	d.hear(t, d.say(isUp, ""))
	next := checkedWeb("2:100")
	next.Services[0].Backends[0].Pulse = noPulse
	d.declare(t, next)
	d.check(t, "replaced", "1:0 2:100")
}

// TestReplacedWhileGorbWasAway has a gorb start with other backends than the kernel has: of those nothing is known but that
// they have traffic.
func TestReplacedWhileGorbWasAway(t *testing.T) {
	d := newDirector(twoOf(100, 0))
	d.declare(t, checkedWeb("3:100"))
	d.check(t, "at the start", "1:100 3:0")
	d.hear(t, d.say(isUp, ""))
	d.check(t, "answered", "1:0 3:100")
}

// TestWaitingIsRemembered has gorb start again while backends are kept.
func TestWaitingIsRemembered(t *testing.T) {
	dir := t.TempDir()
	d := newDirector(twoOf(100, 100))
	d.keeper.store = NewStore(dir, Place{})
	d.declare(t, checkedWeb("3:100"))
	m, err := NewStore(dir, Place{}).Load()
	if err != nil || !m.Services[web].Waiting.Equal(noon) {
		t.Fatalf("remembered %+v, %v", m.Services[web], err)
	}
	keeper := NewKeeper(d.Fake, nil, NewStore(dir, Place{}), m)
	d.now = d.now.Add(59 * time.Second)
	keeper.now = d.keeper.now
	keeper.Check(d.answers, d.of, func(string, probe.Counts) {})
	d.keeper = keeper
	d.declare(t, d.desired)
	d.hear(t, d.say(isDown, ""))
	d.check(t, "before the drain time is over", "1:100 2:100 3:0")
	d.now = d.now.Add(time.Second)
	d.pass(t, keeper.drains())
	d.check(t, "after it", "1:0 2:0 3:0")
}

// TestMovedServiceWaits has a service move to another address, with other backends.
func TestMovedServiceWaits(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100"))
	d.hear(t, d.say(isUp, ""))
	moved := checkedWeb("1:100 2:100")
	moved.Services[0].Host = key("10.0.0.9:80").Addr.Addr()
	moved.Services[0].Backends[0].Host = dest("10.1.0.3:80").Addr.Addr()
	d.declare(t, moved)
	d.check(t, "moved", "1:100")
	d.hear(t, d.say(isUp, "10.1.0.3:"))
	d.hear(t, d.say(isUp, "10.1.0.2:"))
	d.pass(t, d.keeper.drains())
	d.check(t, "answered", "1:0")
	if now := mustObserve(t, d.Fake)[key("10.0.0.9:80")]; fmt.Sprint(now.Dests[0].Weight, now.Dests[1].Weight) != "100 100" {
		t.Errorf("where it moved to: %+v", now.Dests)
	}
}

// TestWaitIsOverWithOneUp has one of those that stay never answer: once another is up the drain time is the most.
func TestWaitIsOverWithOneUp(t *testing.T) {
	d := replacing(t)
	d.hear(t, d.say(isUp, "10.1.0.3:"))
	d.now = d.now.Add(time.Minute)
	d.pass(t, d.keeper.drains())
	d.check(t, "after the drain time", "1:0 2:0 3:100 4:0")
}

// TestFlushDoesNotWait plans with a flush, and deletes at once: that is asked for.
func TestFlushDoesNotWait(t *testing.T) {
	for _, o := range []Options{{Flush: true}, {NoDrain: true}} {
		d := replacing(t)
		r, err := d.keeper.Pass(t.Context(), d.desired, o)
		if err != nil || len(r.Plan.Waiting) > 0 {
			t.Errorf("%+v: %v, waiting %v", o, err, r.Plan.Waiting)
		}
		d.check(t, "flushed", "3:0 4:0")
	}
}

// TestPlanUnderAnotherConfiguration asks what an edit would do: what is known of the backends counts, as far as they stay
// the same, and is not changed by the question.
func TestPlanUnderAnotherConfiguration(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isUp, "10.1.0.1:"))
	d.hear(t, d.say(isDown, "10.1.0.2:"))
	sets := d.sets
	a := d.keeper.answer(question{ctx: t.Context(), desired: checkedWeb("1:50 2:50 3:50")})
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got, want := ops(a.plan), "-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 0, -e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 50"; got != want {
		t.Errorf("the plan is %s, want %s", got, want)
	}
	a = d.keeper.answer(question{ctx: t.Context(), desired: checkedWeb("3:50")})
	if got, want := ops(a.plan), "-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 0, -d -t 10.0.0.1:80 -r 10.1.0.2:80"; a.err != nil || got != want || len(a.plan.Waiting) != 1 {
		t.Errorf("the plan is %s, want %s; waiting %v, %v", got, want, a.plan.Waiting, a.err)
	}
	r := d.pass(t, nil)
	if d.sets != sets || len(r.Plan.Ops) > 0 {
		t.Errorf("the question changed something: %d sets, %s", d.sets-sets, ops(r.Plan))
	}
}

// TestUrgentFirst has the first checks of a service without weight marked, and of no other.
func TestUrgentFirst(t *testing.T) {
	desired := checkedWeb("1:100")
	other := desired.Services[0]
	other.Name, other.Host = "xeb", key("10.0.0.2:80").Addr.Addr()
	desired.Services = append(desired.Services, other)
	d := newDirector(webTable(realServer("10.1.0.9:80", 1, 0, 0)))
	d.declare(t, desired)
	if web, other := d.watches["web"][0], d.watches["xeb"][0]; web.Urgent || !other.Urgent {
		t.Errorf("urgent: %v and %v, want false and true", web.Urgent, other.Urgent)
	}
}

// TestUnreadableTableIsChecked has the kernel not answer: the backends are checked all the same.
func TestUnreadableTableIsChecked(t *testing.T) {
	d := newDirector(nil)
	d.FailObserve = func([]kernel.ServiceKey) error { return fmt.Errorf("no answer") }
	d.desired = checkedWeb("1:100")
	if _, err := d.keeper.Pass(t.Context(), d.desired, Options{}); err == nil {
		t.Fatal("no error")
	}
	if len(d.watches["web"]) != 1 {
		t.Errorf("checked: %v", d.watches)
	}
}

// TestRenamedServiceKeepsItsWeights has a service and its backends get other names.
func TestRenamedServiceKeepsItsWeights(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(probe.Verdict{Status: probe.Up, Good: 1, Of: 2}, ""))
	renamed := checkedWeb("1:100 2:100")
	renamed.Services[0].Name, renamed.Services[0].Backends[0].Name = "shop", "aa"
	d.declare(t, renamed)
	d.check(t, "renamed", "1:50 2:50")
	d.hear(t, d.say(isUp, ""))
	d.check(t, "told", "1:100 2:100")
	if len(d.watches["web"]) > 0 {
		t.Errorf("still checked under its old name: %v", d.watches)
	}
}
