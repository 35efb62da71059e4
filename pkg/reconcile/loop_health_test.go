package reconcile

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
)

// TestLoopFollowsHealth has the engine say something: the loop reads that service and writes its weight, at once.
func TestLoopFollowsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBenchWith(t, Memory{}, newAnswers())
		b.desired <- checkedWeb("1:100")
		synctest.Wait()
		b.read()
		b.answers.changes <- b.answers.say(isUp, "")
		synctest.Wait()
		if w := b.weight(t, "10.1.0.1:80"); w != 100 {
			t.Errorf("up: weight %d", w)
		}
		b.answers.changes <- b.answers.say(isDown, "")
		synctest.Wait()
		if w := b.weight(t, "10.1.0.1:80"); w != 0 {
			t.Errorf("down: weight %d", w)
		}
		b.answers.changes <- b.answers.say(isDown, "") // is known
		synctest.Wait()
		want := [][]kernel.ServiceKey{{web}, nil, {web}, nil} // nil: those of the test
		if diff := cmp.Diff(want, b.read(), cmpOptions); diff != "" {
			t.Errorf("what was read (-want +got):\n%s", diff)
		}
		if !strings.Contains(b.log.String(), `"cause":"health"`) {
			t.Errorf("the log does not say why: %s", b.log.String())
		}
	})
}

// TestLoopWakesForSlowStart has a weight grow without anybody saying anything.
func TestLoopWakesForSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBenchWith(t, Memory{}, newAnswers())
		b.desired <- checkedWeb("1:4")
		synctest.Wait()
		b.answers.changes <- b.answers.say(probe.Verdict{Status: probe.Up, From: time.Now(), Over: 8 * time.Second}, "")
		var got []int
		for range 9 {
			synctest.Wait()
			got = append(got, b.weight(t, "10.1.0.1:80"))
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]int{1, 1, 1, 1, 2, 2, 3, 3, 4}, got); diff != "" {
			t.Errorf("weights by the second (-want +got):\n%s", diff)
		}
	})
}

// TestLoopEndsWaitByItself has what stays be down: when the drain time is over nobody need say so.
func TestLoopEndsWaitByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBenchWith(t, Memory{}, newAnswers())
		b.desired <- checkedWeb("1:100")
		synctest.Wait()
		b.answers.changes <- b.answers.say(isUp, "")
		b.desired <- checkedWeb("2:100")
		synctest.Wait()
		b.answers.changes <- b.answers.say(isDown, "10.1.0.2:")
		time.Sleep(50 * time.Second)
		if w := b.weight(t, "10.1.0.1:80"); w != 100 {
			t.Errorf("before the drain time is over: weight %d", w)
		}
		if p := b.reconciler.Passes(); len(p.Waiting) != 1 || p.Waiting[0].Down != 1 {
			t.Errorf("waiting: %+v", p.Waiting)
		}
		time.Sleep(15 * time.Second)
		if w := b.weight(t, "10.1.0.1:80"); w > 0 {
			t.Errorf("after it: weight %d", w)
		}
		if p := b.reconciler.Passes(); len(p.Waiting) != 0 {
			t.Errorf("waiting still: %+v", p.Waiting)
		}
		for _, text := range []string{`"level":"warn","component":"reconcile","service":"tcp 10.0.0.1:80","name":"web","up":0,"down":1,"unanswered":0`, "the drain time is over", "all backends are down"} {
			if strings.Count(b.log.String(), text) != 1 {
				t.Errorf("the log does not say %q once: %s", text, b.log.String())
			}
		}
	})
}
