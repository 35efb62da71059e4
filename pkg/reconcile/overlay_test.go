package reconcile

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// twoOf is a table in which the service web has two backends.
func twoOf(first, second uint32) kernel.Table {
	return webTable(realServer("10.1.0.1:80", first, 0, 0), realServer("10.1.0.2:80", second, 0, 0))
}

func TestUnansweredBackends(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy probe.Policy
		after  time.Duration
		want   string // of one that the kernel has at 0, one that it has at 40, and a new one
	}{
		{"kernel", probe.Policy{}, time.Hour, "1:0 2:40 3:0"},
		{"up", probe.Policy{Initial: probe.InitialUp}, 0, "1:100 2:100 3:100"},
		{"down", probe.Policy{Initial: probe.InitialDown}, 0, "1:0 2:0 3:0"},
		{"before initial_wait", probe.Policy{InitialWait: time.Minute}, 59 * time.Second, "1:0 2:40 3:0"},
		{"after initial_wait", probe.Policy{InitialWait: time.Minute}, time.Minute, "1:0 2:40 3:100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDirector(twoOf(0, 40))
			d.policy = tt.policy
			d.declare(t, checkedWeb("1:100 2:100 3:100"))
			d.now = d.now.Add(tt.after)
			d.pass(t, nil)
			d.check(t, "unanswered", tt.want)
			d.hear(t, d.say(isUp, ""))
			d.check(t, "answered", "1:100 2:100 3:100")
		})
	}
}

// TestLesserOfKernelAndDeclared has a weight lowered that the kernel has higher, and nobody has answered.
func TestLesserOfKernelAndDeclared(t *testing.T) {
	d := newDirector(twoOf(100, 100))
	d.declare(t, checkedWeb("1:30 2:300"))
	d.check(t, "unanswered", "1:30 2:100")
}

// TestInitialWaitOfOthers has somebody give weight to a backend that waits: that is no reason to give it all.
func TestInitialWaitOfOthers(t *testing.T) {
	d := newDirector(nil)
	d.policy = probe.Policy{InitialWait: time.Minute}
	d.declare(t, checkedWeb("1:100"))
	mustApply(t, d.Fake, []kernel.Op{{Kind: kernel.EditDest, Key: web, DestKey: dest("10.1.0.1:80"), Dest: kernel.Dest{Weight: 7}}})
	d.now = d.now.Add(2 * time.Minute)
	d.pass(t, nil)
	d.check(t, "after the wait", "1:7")
}

// TestInitialWaitLater has a backend that waits get a limit to that.
func TestInitialWaitLater(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100"))
	d.hear(t, d.say(probe.Verdict{From: noon, Over: time.Minute}, ""))
	d.now = d.now.Add(time.Minute)
	d.pass(t, nil)
	d.check(t, "after the wait", "1:100")
}

func TestHealthScalesWeights(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:1"))
	d.check(t, "at first", "1:0 2:0")
	d.hear(t, d.say(probe.Verdict{Status: probe.Up, Good: 1, Of: 3}, ""))
	d.check(t, "coming back", "1:33 2:1")
	d.declare(t, checkedWeb("1:1000 2:0"))
	d.check(t, "another weight", "1:333 2:0")
	d.hear(t, d.say(isDown, "10.1.0.1:"))
	d.check(t, "down", "1:0 2:0")
	d.declare(t, checkedWeb("1:500 2:7"))
	d.check(t, "another weight while down", "1:0 2:2")
	d.hear(t, d.say(isUp, ""))
	d.check(t, "whole", "1:500 2:7")
}

// TestSlowStart has a weight grow with time alone.
func TestSlowStartWakes(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:4"))
	d.hear(t, d.say(probe.Verdict{Status: probe.Up, From: noon, Over: time.Minute}, ""))
	var got []string
	for range 10 {
		at := d.keeper.checked.next(d.now)
		if at.IsZero() {
			break
		}
		d.now = at
		d.pass(t, d.keeper.checked.due(d.now))
		got = append(got, fmt.Sprint(d.now.Sub(noon), " ", d.weights(t)))
	}
	if want := []string{"30s 1:2", "45s 1:3", "1m0s 1:4"}; cmp.Diff(want, got) != "" {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestSlowStartIsNoBurst has a weight that grows by the millisecond: it is looked at every tenth of a second.
func TestSlowStartIsNoBurst(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100"))
	d.hear(t, d.say(probe.Verdict{Status: probe.Up, From: noon, Over: time.Second}, ""))
	if at := d.keeper.checked.next(noon); at != noon.Add(wakeQuantum) {
		t.Errorf("it is looked at after %v", at.Sub(noon))
	}
}

// TestReplacedBackendIsNotJudgedByTheOld has a backend get another address under its name, with news of the old one on the
// way.
func TestReplacedBackendIsNotJudgedByTheOld(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isUp, ""))
	late := d.say(isUp, "10.1.0.2:")
	d.declare(t, checkedWeb("1:100 3:100"))
	d.hear(t, late)
	if v := d.keeper.checked.overlay.Health[probe.Ref{Service: "web", Backend: "b1"}]; v.Status != probe.Unanswered {
		t.Errorf("the new backend is judged by the old: %+v", v)
	}
	if w, _ := mustObserve(t, d.Fake)[web].Dest(dest("10.1.0.3:80")); w.Weight != 0 {
		t.Errorf("the new backend has weight %d before it answered", w.Weight)
	}
}

// TestDownComesFirst has a backend go down while nothing can be added.
func TestDownComesFirst(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isUp, ""))
	d.Fail = func(op kernel.Op) error {
		if op.Kind == kernel.AddDest {
			return syscall.ENOMEM
		}
		return nil
	}
	d.declare(t, checkedWeb("1:100 2:100 3:100"))
	r := d.hear(t, d.say(isDown, "10.1.0.2:"))
	d.check(t, "down", "1:100 2:0")
	if got := fmt.Sprint(r.Plan.Ops[0]); got != "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 0" {
		t.Errorf("the first operation is %s", got)
	}
}

// TestDownWhereNothingIsRemembered has gorb adopt a service while its memory cannot be written.
func TestDownWhereNothingIsRemembered(t *testing.T) {
	d := newDirector(twoOf(100, 100))
	d.keeper.store = NewStore("/dev/null/nowhere", Place{})
	d.declare(t, checkedWeb("1:100 2:100"))
	d.hear(t, d.say(isDown, "10.1.0.2:"))
	d.check(t, "down", "1:100 2:0")
}

func TestOnDownRemove(t *testing.T) {
	desired := checkedWeb("1:100 2:100")
	desired.Services[0].RemoveDown = true
	for _, drain := range []time.Duration{0, time.Minute} {
		desired.Services[0].Drain = drain
		d := newDirector(nil)
		d.declare(t, desired)
		d.check(t, "new", "1:0 2:0")
		d.hear(t, d.say(isUp, ""))
		d.SetConns(web, dest("10.1.0.2:80"), kernel.Conns{Active: 1})
		d.hear(t, d.say(isDown, "10.1.0.2:"))
		d.check(t, "down", "1:100 2:0")
		d.now = d.now.Add(time.Minute)
		d.pass(t, d.keeper.drains())
		d.check(t, "drained", "1:100")
		d.hear(t, d.say(probe.Verdict{Status: probe.Up, Good: 1, Of: 4}, "10.1.0.2:"))
		d.check(t, "back", "1:100 2:25")
	}
}

// TestLeftAtZero plans without checks.
func TestLeftAtZero(t *testing.T) {
	desired := checkedWeb("1:100 2:100 3:100")
	table := twoOf(0, 40)
	p := Decide(Input{Desired: desired, Observed: table, Now: noon})
	if got, want := ops(p), "-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 100, -e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 100"; got != want {
		t.Errorf("operations %s, want %s", got, want)
	}
	if want := []Ref{{web, dest("10.1.0.1:80")}}; cmp.Diff(want, p.LeftAtZero, cmpOptions) != "" {
		t.Errorf("left at 0: %v", p.LeftAtZero)
	}
	raised := Decide(Input{Desired: desired, Observed: table, Now: noon, Raise: true})
	if len(raised.LeftAtZero) != 0 || len(raised.Ops) != 3 {
		t.Errorf("with Raise: left at 0 %v, operations %s", raised.LeftAtZero, ops(raised))
	}
}

// TestLeftAtZeroKeepsTheRest has the only backend with weight leave, by removal or by its weight, while nobody checks the
// other: it keeps its weight, unless the other is raised.
func TestLeftAtZeroKeepsTheRest(t *testing.T) {
	for _, next := range []string{"2:100", "1:0 2:100"} {
		in := Input{Desired: checkedWeb(next), Observed: twoOf(100, 0), Now: noon}
		if p := Decide(in); len(p.Ops) > 0 || len(p.Waiting) != 1 || len(p.LeftAtZero) != 1 {
			t.Errorf("%s: operations %s, waiting %v, left at 0 %v", next, ops(p), p.Waiting, p.LeftAtZero)
		}
		in.Raise = true
		want := "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 100, -e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0"
		if p := Decide(in); ops(p) != want || len(p.Waiting) > 0 {
			t.Errorf("%s with Raise: operations %s, want %s; waiting %v", next, ops(p), want, p.Waiting)
		}
	}
}

func ops(p *Plan) string {
	var words []string
	for _, op := range p.Ops {
		words = append(words, op.String())
	}
	return strings.Join(words, ", ")
}

// TestDesiredIsNotTouched has health come and go beside a configuration.
func TestDesiredIsNotTouched(t *testing.T) {
	desired, copied := checkedWeb("1:100 2:50"), checkedWeb("1:100 2:50")
	d := newDirector(nil)
	d.declare(t, desired)
	for _, v := range []probe.Verdict{isUp, isDown, {Status: probe.Up, Good: 1, Of: 2}} {
		d.hear(t, d.say(v, ""))
	}
	if !copied.Services[0].Equal(&desired.Services[0]) {
		t.Errorf("the configuration is another: %+v, was %+v", desired.Services[0], copied.Services[0])
	}
}

// TestAllDownIsSaid has all backends of a service go down, and another that is added come up.
func TestAllDownIsSaid(t *testing.T) {
	var log strings.Builder
	j := newJournal(zerolog.New(&log))
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100 3:0"))
	for _, news := range [][]probe.News{
		d.say(isUp, ""), d.say(isDown, "10.1.0.1:"), d.say(isDown, "10.1.0.2:"), d.say(isDown, "10.1.0.3:"),
	} {
		j.health(false, d.hear(t, news))
	}
	j.health(true, d.declare(t, checkedWeb("1:100 4:100")))
	j.health(false, d.hear(t, d.say(isUp, "10.1.0.4:")))
	want := `{"level":"error","component":"reconcile","service":"tcp 10.0.0.1:80","name":"web","backends":2,"message":"all backends are down: nobody serves this service until one comes back"}
{"level":"info","component":"reconcile","service":"tcp 10.0.0.1:80","name":"web","message":"a backend is up again"}
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestCountsAreNoted has a service whose backends are in different states, and go.
func TestCountsAreNoted(t *testing.T) {
	d := newDirector(nil)
	d.declare(t, checkedWeb("1:100 2:100 3:100 4:0"))
	d.hear(t, d.say(isUp, "10.1.0.1:"))
	d.hear(t, d.say(isDown, "10.1.0.2:"))
	if want := map[string]probe.Counts{"web": {Up: 1, Down: 1, Unanswered: 1, Drained: 1}}; !maps.Equal(d.counts, want) {
		t.Errorf("noted %+v, want %+v", d.counts, want)
	}
	d.declare(t, &spec.Desired{})
	if want := map[string]probe.Counts{"web": {}}; !maps.Equal(d.counts, want) {
		t.Errorf("the service is gone: noted %+v, want %+v", d.counts, want)
	}
}
