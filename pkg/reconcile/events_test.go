package reconcile

import (
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestEvents has a backend come up, go down and come back, and an operation fail meanwhile.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, a := kernel.NewFake(), newAnswers()
		fail := false
		fake.Fail = func(kernel.Op) error {
			if fail {
				return syscall.EINVAL
			}
			return nil
		}
		keeper := NewKeeper(fake, nil, NewStore("", Place{}), Memory{})
		keeper.Check(a, a.of, func(string, probe.Counts) {})
		r := New(keeper, false, zerolog.Nop())
		var got []string
		say := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
		r.Tell(Events{
			Passed: func(p Passed) {
				say("%s, whole %v, serial %d, %d errors", p.Cause, p.Whole, p.Serial, len(p.Errs))
				for _, res := range p.Results {
					say("  %s: %s: %v", p.Name(res), res, res.Err)
				}
			},
			Turned: func(t Turned) { say("%s/%s: %d to %d %q %v", t.Service, t.Backend, t.Was, t.Is, t.Text, t.At.IsZero()) },
			Fell:   func(f Fell) { say("%s: all down %v of %d", f.Service, f.AllDown, f.Counts.Down) },
		})
		desired := make(chan *spec.Desired)
		go func() { _ = r.Run(t.Context(), Wakes{Desired: desired}) }()
		desired <- serial(3, checkedWeb("1:100"))
		synctest.Wait()
		before := r.Written(web)
		up := a.say(isUp, "")
		up[0].Since = time.Now()
		a.changes <- up
		synctest.Wait()
		if r.Written(web) == before {
			t.Error("it was written to, and the number is the same")
		}
		before = r.Written(web)
		a.changes <- a.say(probe.Verdict{Status: probe.Up, Good: 1, Of: 1}, "") // no other status
		synctest.Wait()
		if r.Written(web) != before {
			t.Error("nothing was written, and the number is another")
		}
		down := a.say(isDown, "")
		down[0].Text = "connection refused"
		fail = true
		a.changes <- down
		synctest.Wait()
		fail = false
		a.changes <- up
		synctest.Wait()
		want := []string{
			"start, whole true, serial 3, 0 errors",
			"  web: -A -t 10.0.0.1:80 -s wrr: <nil>",
			"  web: -a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0: <nil>",
			`web/b0: 0 to 1 "" false`,
			"health, whole false, serial 3, 0 errors",
			"  web: -e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 100: <nil>",
			"health, whole false, serial 3, 0 errors",
			`web/b0: 1 to 2 "connection refused" true`,
			"web: all down true of 1",
			"health, whole false, serial 3, 1 errors",
			"  web: -e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0: edit 10.1.0.1:80 of tcp 10.0.0.1:80: the kernel takes no such attributes (invalid argument)",
			`web/b0: 2 to 1 "" false`,
			"web: all down false of 0",
			"health, whole false, serial 3, 0 errors",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestBusy has a pass take a while.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := kernel.NewFake()
		fake.Fail = func(kernel.Op) error {
			time.Sleep(time.Minute)
			return nil
		}
		r := New(NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), false, zerolog.Nop())
		desired := make(chan *spec.Desired)
		go func() { _ = r.Run(t.Context(), Wakes{Desired: desired}) }()
		synctest.Wait()
		if busy := r.Busy(); busy != 0 {
			t.Errorf("before there is something to do it is busy for %s", busy)
		}
		desired <- serial(1, checkedWeb("1:100"))
		time.Sleep(time.Second)
		if busy := r.Busy(); busy != time.Second {
			t.Errorf("a second after a pass began it is busy for %s", busy)
		}
		time.Sleep(5 * time.Minute)
		if busy := r.Busy(); busy != 0 {
			t.Errorf("after the pass it is busy for %s", busy)
		}
	})
}
