package reconcile

import (
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestNothingUpLeaves has what leaves be down, all of it: there is nothing to wait with.
func TestNothingUpLeaves(t *testing.T) {
	d := replacing(t)
	if r := d.hear(t, d.say(isDown, "10.1.0.1:")); len(r.Plan.Waiting) != 1 {
		t.Errorf("one is up: waiting %+v", r.Plan.Waiting)
	}
	if r := d.hear(t, d.say(isDown, "10.1.0.2:")); len(r.Plan.Waiting) != 0 {
		t.Errorf("both are down: waiting %+v", r.Plan.Waiting)
	}
}

// TestLeaverIsDownFromTheBeginning has somebody raise a backend that is down, and the configuration leave it out.
func TestLeaverIsDownFromTheBeginning(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isUp, "10.1.0.2:"))
	d.hear(t, d.say(isDown, "10.1.0.1:"))
	mustApply(t, d.Fake, []kernel.Op{{Kind: kernel.EditDest, Key: web, DestKey: dest("10.1.0.1:80"), Dest: kernel.Dest{Weight: 7}}})
	d.declare(t, checkedWeb("3:100"))
	d.check(t, "left out", "1:0 2:100 3:0")
	if n := len(d.keeper.checked.targets); n != 1 {
		t.Errorf("%d are known, and one is declared", n)
	}
}

// TestUnansweredWithWeightIsNotUp has a gorb start: what the kernel gives a backend does not make it one that is up.
func TestUnansweredWithWeightIsNotUp(t *testing.T) {
	d := newDirector(twoOf(100, 100))
	d.declare(t, checkedWeb("2:100"))
	d.check(t, "at the start", "1:100 2:100")
	d.hear(t, d.say(isUp, "10.1.0.2:"))
	d.check(t, "answered", "1:0 2:100")
}

// TestWaitSinceLater has the clock of the machine set back while gorb was away.
func TestWaitSinceLater(t *testing.T) {
	d := newDirector(twoOf(100, 100))
	d.keeper.memory.Services[web] = Owned{Name: "web", Drain: time.Minute, Waiting: noon.Add(time.Hour)}
	d.declare(t, checkedWeb("3:100"))
	d.hear(t, d.say(isDown, ""))
	d.now = d.now.Add(time.Minute)
	d.pass(t, nil)
	d.check(t, "the drain time is over", "1:0 2:0 3:0")
}

// TestMovedServiceGivesUpNothing has a service move whose old backends have no weight: they go at once.
func TestMovedServiceGivesUpNothing(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isUp, "10.1.0.2:"))
	d.declare(t, webAt("10.0.0.9", "3:100"))
	d.check(t, "one of the old has weight", "2:100")
	d.hear(t, d.say(isDown, "10.1.0.2:"))
	r := d.pass(t, nil)
	d.check(t, "none has", "")
	if len(r.Plan.Waiting) > 0 {
		t.Errorf("waiting: %+v", r.Plan.Waiting)
	}
}

// TestLateNewsOfLeavers has news of a leaving backend come late: of what was checked there before, or that it is gone.
func TestLateNewsOfLeavers(t *testing.T) {
	d := replacing(t)
	news := d.say(isDown, "10.1.0.1:")
	other, gone := news[0], news[0]
	other.Target.Args, gone.Gone = "10.1.0.1:81", true
	if scope := d.keeper.checked.take([]probe.News{other, gone}); len(scope) > 0 {
		t.Errorf("it is news of %v", scope)
	}
	d.pass(t, nil)
	d.check(t, "not of them", "1:100 2:100 3:0 4:0")
}

// TestLeaversOfOtherServices makes a pass about another service than what leaves.
func TestLeaversOfOtherServices(t *testing.T) {
	d := replacing(t)
	other := webAt("10.0.0.9", "5:100").Services[0]
	other.Name = "xeb"
	d.declare(t, &spec.Desired{Services: []spec.Service{d.desired.Services[0], other}})
	d.hear(t, d.say(isUp, "10.1.0.5:"))
	if n := len(d.keeper.checked.leavers); n != 2 {
		t.Errorf("%d of those that leave are checked on, want both", n)
	}
}

// TestLateNewsOfWhatReturned has a backend be taken out and declared again, before it is heard that it was gone.
func TestLateNewsOfWhatReturned(t *testing.T) {
	d := newDirector(twoOf(100, 100))
	d.policy = probe.Policy{Initial: probe.InitialDown}
	d.declare(t, checkedWeb("1:100 2:100"))
	late := d.say(probe.Verdict{}, "")
	for i := range late {
		late[i].Gone = true
	}
	if scope := d.keeper.checked.take(late); len(scope) > 0 {
		t.Errorf("it is news of %v", scope)
	}
	if v := d.keeper.checked.overlay.Health[probe.Ref{Service: "web", Backend: "b0"}]; v.Initial != probe.InitialDown {
		t.Errorf("how it begins is forgotten: %+v", v)
	}
}
