package reconcile

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// webAt is checkedWeb at another address.
func webAt(host, backends string) *spec.Desired {
	d := checkedWeb(backends)
	d.Services[0].Host = key(host + ":80").Addr.Addr()
	return d
}

// weightAt is the weight of a backend in the kernel; -1: it is not there.
func (d *director) weightAt(t *testing.T, service, backend string) int {
	t.Helper()
	r, there := mustObserve(t, d.Fake)[key(service)].Dest(dest(backend))
	if !there {
		return -1
	}
	return int(r.Weight)
}

// TestMovedTwiceWaits has a service move twice, so that the same backend leaves it at two addresses: each is checked on.
func TestMovedTwiceWaits(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, webAt("10.0.0.1", "1:100"))
	d.hear(t, d.say(isUp, ""))
	d.declare(t, webAt("10.0.0.2", "2:100"))
	d.declare(t, webAt("10.0.0.2", "2:100 1:100"))
	d.hear(t, d.say(isUp, "10.1.0.1:"))
	d.declare(t, webAt("10.0.0.3", "3:100"))
	for _, service := range []string{"10.0.0.1:80", "10.0.0.2:80"} {
		if w := d.weightAt(t, service, "10.1.0.1:80"); w != 100 {
			t.Fatalf("%s: it is not kept, its weight is %d", service, w)
		}
	}
	d.hear(t, d.say(isDown, "10.1.0.1:"))
	for _, service := range []string{"10.0.0.1:80", "10.0.0.2:80"} {
		if w := d.weightAt(t, service, "10.1.0.1:80"); w > 0 {
			t.Errorf("%s: what is down has weight %d", service, w)
		}
	}
}

// TestMovedServiceWaitsThroughRetries has a write to the old address turn out to be stale: the second reading is about the
// new one too, for which it waits.
func TestMovedServiceWaitsThroughRetries(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isUp, ""))
	d.declare(t, webAt("10.0.0.9", "3:100"))
	failed := false
	d.Fail = func(op kernel.Op) error {
		if op.Kind == kernel.EditDest && op.DestKey == dest("10.1.0.1:80") && !failed {
			failed = true
			return syscall.ENOENT
		}
		return nil
	}
	d.hear(t, d.say(isDown, "10.1.0.1:"))
	if !failed {
		t.Fatal("nothing was stale")
	}
	if w := d.weightAt(t, "10.0.0.1:80", "10.1.0.2:80"); w != 100 {
		t.Errorf("what is up and kept has weight %d", w)
	}
}

// TestLeaverOfAnotherServiceReturns has a backend that is kept for a service which moved be declared again where it was, by
// another service: it is not checked on for the first.
func TestLeaverOfAnotherServiceReturns(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100"))
	d.hear(t, d.say(isUp, ""))
	moved := webAt("10.0.0.9", "3:100")
	d.declare(t, moved)
	if n := len(d.watches["web"]); n != 2 {
		t.Fatalf("%d are checked, want the new one and the one that is kept", n)
	}
	heir := checkedWeb("1:100").Services[0]
	heir.Name = "xeb"
	d.declare(t, &spec.Desired{Services: []spec.Service{moved.Services[0], heir}})
	if n := len(d.watches["web"]); n != 1 {
		t.Errorf("checked for web: %v", d.watches["web"])
	}
	if v := d.keeper.checked.overlay.Health[probe.Ref{Service: "xeb", Backend: "b0"}]; v != isUp {
		t.Errorf("what was known of it is forgotten: %+v", v)
	}
}

// TestRenamedWhileDown has a backend that is down get another name, or come back as it leaves, where those that nobody has
// answered for have their weight: it has none.
func TestRenamedWhileDown(t *testing.T) {
	d := newDirector(nil)
	d.policy = probe.Policy{Initial: probe.InitialUp}
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isDown, "10.1.0.1:"))
	d.declare(t, checkedWeb("2:100 1:100"))
	d.check(t, "under another name", "1:0 2:100")
	renamed := checkedWeb("1:100 2:100")
	renamed.Services[0].Name = "shop"
	d.declare(t, renamed)
	d.check(t, "in a service of another name", "1:0 2:100")
}

// TestLimitsAreSet has nothing edited but how many checks may be made at once.
func TestLimitsAreSet(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100"))
	next := checkedWeb("1:100")
	next.Probe = spec.Probe{MaxChecks: 7, MaxExec: 3}
	sets := d.sets
	d.declare(t, next)
	d.declare(t, next)
	if got := fmt.Sprint(d.sets-sets, " ", d.checks, " ", d.exec); got != "1 7 3" {
		t.Errorf("sets, checks and programs: %s, want 1 7 3", got)
	}
	if len(d.watches["web"]) != 1 {
		t.Errorf("checked: %v", d.watches)
	}
}

// TestMovedServiceKeepsItsAddress has a service move to another virtual address, with another backend: it is served at the
// old one until that is up.
func TestMovedServiceKeepsItsAddress(t *testing.T) {
	h, a := newHosted(t, Memory{}), newAnswers()
	h.Check(a, a.of, func(string, probe.Counts) {})
	there := kernel.Address{Interface: vip.Interface, Addr: key("10.0.0.9:80").Addr.Addr()}
	next := onDummy(checkedWeb("1:100"))
	hear := func(v probe.Verdict, prefix string) {
		h.checked.take(a.say(v, prefix))
		mustPass(t, h.Keeper, next)
	}
	addresses := func(when string, old, other bool) {
		t.Helper()
		if h.has(vip) != old || h.has(there) != other {
			t.Errorf("%s: the old address is there: %v, the other: %v; want %v, %v", when, h.has(vip), h.has(there), old, other)
		}
	}
	mustPass(t, h.Keeper, next)
	hear(isUp, "")
	addresses("at first", true, false)
	next = onDummy(webAt("10.0.0.9", "3:100 4:100"))
	mustPass(t, h.Keeper, next)
	addresses("moved", true, false)
	hear(isUp, "10.1.0.3:")
	addresses("one is up", true, true)
	hear(isDown, "10.1.0.4:")
	addresses("all have answered", false, true)
}
