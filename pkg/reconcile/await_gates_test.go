package reconcile

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// followed takes down a pass that followed a serial and did something in web, err: that could not be made.
func followed(p *progress, n uint64, err error, ops ...Result) {
	r := &Report{Plan: &Plan{Names: map[kernel.ServiceKey]string{web: "web"}}, Results: ops}
	p.note(serial(n, &spec.Desired{}), err == nil, r, err)
}

// TestAwaitOneLeaves has one of several who wait for a serial give up: the others wait on, who comes later waits with them,
// and all are answered.
func TestAwaitOneLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		answers := make(chan error, 3)
		wait := func(ctx context.Context) {
			_, err := b.reconciler.Await(ctx, 5, "web")
			answers <- err
		}
		ctx, cancel := context.WithCancel(t.Context())
		go wait(ctx)
		go wait(t.Context())
		synctest.Wait()
		cancel()
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("who gives up is told %v", err)
		}
		go wait(t.Context())
		synctest.Wait()
		if gates := b.reconciler.progress.gates; len(gates) != 1 || gates[0].waiting != 2 {
			t.Errorf("two wait for one serial, at %d gates", len(gates))
		}
		b.desired <- serial(5, webService("10.1.0.1:80"))
		synctest.Wait()
		if len(answers) != 2 || errors.Join(<-answers, <-answers) != nil {
			t.Error("not both of those who went on waiting are answered")
		}
	})
}

// TestAwaitGates has gates of several serials: one is left, one opened, and one stays.
func TestAwaitGates(t *testing.T) {
	p := newProgress()
	late, first, left := p.enter(7), p.enter(5), p.enter(6)
	why := errors.New("why")
	if err := p.leave(left, why); err != why {
		t.Errorf("who leaves is told %v", err)
	}
	followed(p, 5, nil)
	select {
	case <-first.open:
	default:
		t.Error("the gate of what was followed is not open")
	}
	// Its context ended at the very moment: it was followed all the same, and the gate is not there to be left.
	if err := p.leave(first, why); err != nil {
		t.Errorf("who leaves when it is followed is told %v", err)
	}
	select {
	case <-late.open:
		t.Error("the gate of what comes is open")
	default:
	}
	if len(p.gates) != 1 || p.gates[0] != late || p.enter(5) != nil || p.enter(7) != late {
		t.Errorf("there are %d gates", len(p.gates))
	}
}

// TestAwaitUnread has the table not be readable after something was followed: that it cannot be read is told to those who
// wait for more, and what was left undone in it is still known.
func TestAwaitUnread(t *testing.T) {
	p := newProgress()
	refused := Result{Op: kernel.Op{Kind: kernel.EditDest, Key: web}, Err: syscall.EINVAL}
	followed(p, 1, nil, refused)
	followed(p, 2, syscall.EPERM)
	for n, want := range map[uint64]error{1: syscall.EINVAL, 2: errors.Join(syscall.EPERM, syscall.EINVAL)} {
		o := p.outcome(n, []string{"web"})
		if got := errors.Join(o.Errs...); o.Serial != 1 || got.Error() != want.Error() {
			t.Errorf("who asks for %d is told %q of %d, want %q of 1", n, got, o.Serial, want)
		}
	}
	followed(p, 2, nil)
	if o := p.outcome(3, []string{"web"}); o.Serial != 2 || len(o.Errs) > 0 {
		t.Errorf("readable again, %v is told of %d", o.Errs, o.Serial)
	}
}

// TestDoneOpsLost has the oldest operations forgotten one after the other: what is not there any more is said for their
// serials, and for no other.
func TestDoneOpsLost(t *testing.T) {
	var d doneOps
	add := func(n uint64, ops int) {
		r := &Report{Plan: &Plan{Names: map[kernel.ServiceKey]string{web: "web"}}, Results: make([]Result, ops)}
		for i := range r.Results {
			r.Results[i].Op = kernel.Op{Kind: kernel.EditDest, Key: web}
		}
		d.add(n, r)
	}
	want := func(when string, n uint64, ops int, cut bool) {
		t.Helper()
		if steps, is := d.since(n, []string{"web"}); len(steps) != ops || is != cut {
			t.Errorf("%s: since %d %d operations, cut %v, want %d, %v", when, n, len(steps), is, ops, cut)
		}
	}
	want("nothing was done", 0, 0, false)
	add(1, 2)
	add(2, mostDone-2)
	want("all is there", 0, mostDone, false)
	add(3, 1)
	want("one of 1 is forgotten", 1, mostDone, true)
	want("none of 2 is", 2, mostDone-1, false)
	add(4, 2)
	want("one of 2 is", 2, mostDone, true)
	want("none of 3 is", 3, 3, false)
	add(5, mostDone)
	want("all before 5 is", 4, mostDone, true)
	want("none of 5 is", 5, mostDone, false)
	add(6, mostDone+1)
	want("one of 6 is, which was never there", 6, mostDone, true)
	add(7, 1)
	want("what came after is there", 7, 1, false)
}
