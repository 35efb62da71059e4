package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// serial gives a configuration its number.
func serial(n uint64, d *spec.Desired) *spec.Desired {
	d.Serial = n
	return d
}

// told is an outcome in short: what was done, and how many errors and the like there are.
func told(o Outcome) string {
	words := []string{fmt.Sprint(o.Serial)}
	for _, s := range o.Ops {
		words = append(words, s.String())
	}
	for _, err := range o.Errs {
		words = append(words, "error: "+err.Error())
	}
	for _, text := range o.Held {
		words = append(words, "held: "+text)
	}
	for _, w := range o.Waiting {
		words = append(words, fmt.Sprintf("waiting: %s up %d, down %d, unanswered %d", w.Name, w.Up, w.Down, w.Unanswered))
	}
	if o.Draining > 0 {
		words = append(words, fmt.Sprintf("%d draining", o.Draining))
	}
	return strings.Join(words, "\n")
}

// await asks what came of a serial, which was followed.
func (b *bench) await(t *testing.T, n uint64, services ...string) string {
	t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody is waited for
	o, err := b.reconciler.Await(ctx, n, services...)
	if err != nil {
		t.Errorf("serial %d was not followed: %v", n, err)
	}
	return told(o)
}

func wantTold(t *testing.T, when, got string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(want, "\n"), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

const (
	addWeb   = "-A -t 10.0.0.1:80 -s wrr"
	addFirst = "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 100"
	addTwo   = "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 100"
)

// TestAwait has one wait before its configuration comes, and others ask when it has been followed, and a later one.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		got := make(chan string, 3)
		for _, n := range []uint64{0, 5, 6} {
			go func() {
				o, err := b.reconciler.Await(t.Context(), n, "web")
				got <- fmt.Sprintf("%d: %v, %v", n, len(o.Ops), err)
			}()
		}
		synctest.Wait()
		if len(got) > 0 {
			t.Fatalf("before anything came: %s", <-got)
		}
		b.desired <- serial(5, webService("10.1.0.1:80"))
		synctest.Wait()
		if len(got) != 2 {
			t.Fatalf("%d are answered, want those of 0 and 5", len(got))
		}
		wantTold(t, "followed", b.await(t, 5, "web"), "5", addWeb, addFirst)
		wantTold(t, "another service", b.await(t, 5, "other"), "5")
		b.desired <- serial(7, webService("10.1.0.1:80", "10.1.0.2:80")) // 6 was superseded
		synctest.Wait()
		if len(got) != 3 {
			t.Errorf("who waits for a serial that was superseded is not answered")
		}
		wantTold(t, "a later one counts", b.await(t, 6, "web"), "7", addTwo)
		wantTold(t, "since the first", b.await(t, 5), "7", addWeb, addFirst, addTwo)
		b.desired <- serial(8, webService("10.1.0.1:80", "10.1.0.2:80"))
		wantTold(t, "nothing changed", b.await(t, 8, "web"), "8")
		if n := len(b.reconciler.progress.gates); n != 0 {
			t.Errorf("%d gates are left", n)
		}
	})
}

// TestAwaitFailure has the kernel refuse a backend, and then take it, while another service comes and goes.
func TestAwaitFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		var refuse atomic.Bool
		refuse.Store(true)
		b.Fail = func(op kernel.Op) error {
			if op.DestKey == dest("10.1.0.2:80") && refuse.Load() {
				return syscall.EINVAL
			}
			return nil
		}
		b.desired <- serial(1, webService("10.1.0.1:80"))
		b.desired <- serial(2, webService("10.1.0.2:80"))
		synctest.Wait()
		o, err := b.reconciler.Await(t.Context(), 2, "web")
		refused, ok := errors.AsType[*kernel.OpError](errors.Join(o.Errs...))
		if err != nil || !ok || refused.Op.Kind != kernel.AddDest || !errors.Is(refused, syscall.EINVAL) {
			t.Errorf("refused: %v, %v", o.Errs, err)
		}
		if len(o.Held) != 1 || !strings.HasPrefix(o.Held[0], "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0: held back") {
			t.Errorf("held back: %q", o.Held)
		}
		if len(o.Ops) > 0 {
			t.Errorf("done: %v", o.Ops)
		}
		refuse.Store(false)
		time.Sleep(time.Second / 2)
		wantTold(t, "tried again", b.await(t, 2, "web"), "2", addTwo, "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0", "1 draining")
		time.Sleep(2 * time.Second)
		wantTold(t, "drained", b.await(t, 2, "web"), "2", addTwo, "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0", "-d -t 10.0.0.1:80 -r 10.1.0.1:80")
	})
}

// TestAwaitIsOfItsServices has a failure in one service stay known while passes are about another, and no longer than the
// service is there.
func TestAwaitIsOfItsServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.SetConns(web, dest("10.1.0.2:80"), kernel.Conns{})
		other := webService("10.1.0.1:80").Services[0]
		other.Name, other.Port = "other", 81
		with := func(n uint64, d *spec.Desired, weight uint32) *spec.Desired {
			s := other
			s.Backends = append([]spec.Backend(nil), other.Backends...)
			s.Backends[0].Weight = weight
			d.Services = append([]spec.Service{s}, d.Services...)
			return serial(n, d)
		}
		b.desired <- with(1, webService("10.1.0.1:80", "10.1.0.2:80"), 1)
		synctest.Wait()
		b.SetConns(web, dest("10.1.0.2:80"), kernel.Conns{Active: 1})
		b.desired <- with(2, webService("10.1.0.1:80"), 1)
		b.desired <- with(3, webService("10.1.0.1:80"), 2)
		wantTold(t, "the service that drains", b.await(t, 3, "web"), "3", "1 draining")
		wantTold(t, "the other", b.await(t, 3, "other"), "3", "-e -t 10.0.0.1:81 -r 10.1.0.1:80 -m -w 2")
		b.desired <- serial(4, &spec.Desired{Services: []spec.Service{other}, Gorb: spec.Gorb{Resync: 30 * time.Second}})
		wantTold(t, "removed", b.await(t, 4, "web"), "4", "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0", "2 draining")
		mustApply(t, b.Fake, []kernel.Op{{Kind: kernel.DeleteService, Key: web}})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if p := b.reconciler.progress; len(p.records.of)+len(p.records.named) != 0 {
			t.Errorf("of what is gone is known: %v", p.records)
		}
	})
}

// TestFailing has the kernel refuse what is declared of one service and then take it, and refuse it again when the service
// goes elsewhere and then away: whoever asks is told at any time, without waiting, and nothing of other services.
func TestFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		var refuse atomic.Bool
		b.Fail = func(op kernel.Op) error {
			if op.DestKey == dest("10.1.0.2:80") && refuse.Load() {
				return syscall.EINVAL
			}
			return nil
		}
		other := webService("10.1.0.1:80").Services[0]
		other.Name, other.Port = "other", 81
		n := uint64(0)
		declare := func(d *spec.Desired, weight uint32) {
			t.Helper()
			s := other
			s.Backends = append([]spec.Backend(nil), other.Backends...)
			s.Backends[0].Weight = weight
			d.Services = append([]spec.Service{s}, d.Services...)
			n++
			b.desired <- serial(n, d)
			synctest.Wait()
		}
		expect := func(when, want string) {
			t.Helper()
			b.reconciler.progress.mu.Lock() // as a pass that takes its time may
			defer b.reconciler.progress.mu.Unlock()
			got := fmt.Sprint(errors.Join(b.reconciler.Failing("web")...))
			if !strings.Contains(got, want) || len(b.reconciler.Failing("other")) > 0 {
				t.Errorf("%s: web %s; other %v", when, got, b.reconciler.Failing("other"))
			}
		}
		expect("before anything came", "<nil>")
		declare(webService("10.1.0.1:80"), 1)
		expect("done", "<nil>")
		refuse.Store(true)
		declare(webService("10.1.0.1:80", "10.1.0.2:80"), 1)
		expect("refused", "add 10.1.0.2:80 to tcp 10.0.0.1:80: ")
		declare(webService("10.1.0.1:80", "10.1.0.2:80"), 2)
		expect("while the other changes", "add 10.1.0.2:80 to ")
		refuse.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		expect("tried again", "<nil>")
		refuse.Store(true)
		moved := webService("10.1.0.1:80", "10.1.0.2:80")
		moved.Services[0].Port = 82
		declare(moved, 2)
		expect("elsewhere", "add 10.1.0.2:80 to tcp 10.0.0.1:82: ")
		declare(&spec.Desired{Gorb: spec.Gorb{Resync: 30 * time.Second}}, 2)
		refuse.Store(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		expect("gone", "<nil>")
	})
}

// TestAwaitRemoved has a service removed that has nothing to drain: what was done is told though nothing is left of it.
func TestAwaitRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		d := webService("10.1.0.1:80")
		d.Services[0].Drain = 0
		b.desired <- serial(1, d)
		b.desired <- serial(2, &spec.Desired{Gorb: spec.Gorb{Resync: 30 * time.Second}})
		wantTold(t, "removed", b.await(t, 2, "web"), "2", "-D -t 10.0.0.1:80")
	})
}

// TestAwaitWaiting has all backends replaced by some of which nothing is known.
func TestAwaitWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBenchWith(t, Memory{}, newAnswers())
		b.desired <- serial(1, checkedWeb("1:100"))
		synctest.Wait()
		b.answers.changes <- b.answers.say(isUp, "")
		b.desired <- serial(2, checkedWeb("2:100"))
		addSecond := "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 0"
		wantTold(t, "unanswered", b.await(t, 2, "web"), "2", addSecond, "waiting: web up 0, down 0, unanswered 1")
		b.answers.changes <- b.answers.say(isUp, "10.1.0.2:")
		raise, lower := "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 100", "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0"
		wantTold(t, "up", b.await(t, 2, "web"), "2", addSecond, raise, lower, "1 draining")
	})
}

// TestAwaitUnreadable has the table not be readable: nothing was followed, and who gives up hears why.
func TestAwaitUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		var fail atomic.Bool
		fail.Store(true)
		b.FailObserve = func([]kernel.ServiceKey) error {
			if fail.Load() {
				return syscall.EPERM
			}
			return nil
		}
		b.desired <- serial(1, webService("10.1.0.1:80"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o, err := b.reconciler.Await(ctx, 1, "web")
		if !errors.Is(err, context.DeadlineExceeded) || len(o.Errs) != 1 || !errors.Is(o.Errs[0], syscall.EPERM) {
			t.Errorf("%v; %v", err, o.Errs)
		}
		if n := len(b.reconciler.progress.gates); n != 0 {
			t.Errorf("%d gates are left", n)
		}
		fail.Store(false)
		if o, err := b.reconciler.Await(t.Context(), 1, "web"); err != nil || told(o) != "1\n"+addWeb+"\n"+addFirst {
			t.Errorf("readable again: %v; %s", err, told(o))
		}
	})
}

// TestAwaitEnds has Run end while somebody waits.
func TestAwaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(NewKeeper(kernel.NewFake(), nil, NewStore("", Place{}), Memory{}), false, zerolog.Nop())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- r.Run(ctx, Wakes{}) }()
		go func() {
			_, err := r.Await(t.Context(), 1)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := errors.Join(<-done, <-done); !errors.Is(err, ErrEnded) {
			t.Errorf("it ended with %v", err)
		}
	})
}

// TestAwaitAddress has two services at one address, which cannot be put on an interface at first: the outcome of both says
// so, and counts it once.
func TestAwaitAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		var refuse atomic.Bool
		refuse.Store(true)
		b.host.Fail = func(op kernel.HostOp) error {
			if op.Kind == kernel.AddAddress && refuse.Load() {
				return syscall.EPERM
			}
			return nil
		}
		d := serial(1, webService("10.1.0.1:80"))
		other := d.Services[0]
		other.Name, other.Port, other.Backends = "other", 81, nil
		d.Services = append([]spec.Service{other}, d.Services...)
		d.Gorb.VIP = spec.VIPInterface{Name: "vip0", Create: true}
		b.desired <- d
		synctest.Wait()
		for _, name := range []string{"web", "other"} {
			o, err := b.reconciler.Await(t.Context(), 1, name)
			if err != nil || len(o.Errs) != 1 || !errors.Is(o.Errs[0], syscall.EPERM) {
				t.Errorf("%s: %v, %v", name, err, o.Errs)
			}
		}
		refuse.Store(false)
		time.Sleep(time.Second / 2)
		add := "ip addr add 10.0.0.1/32 dev vip0"
		wantTold(t, "the other", b.await(t, 1, "other"), "1", "-A -t 10.0.0.1:81 -s wrr", add)
		wantTold(t, "both", b.await(t, 1, "web", "other"), "1", addWeb, "-A -t 10.0.0.1:81 -s wrr", addFirst, add)
		if o := b.await(t, 1); strings.Count(o, "vip0") != 2 || strings.Count(o, add) != 1 {
			t.Errorf("all, and the interface: %s", o)
		}
	})
}

// TestDoneOps has more operations than are remembered.
func TestDoneOps(t *testing.T) {
	var d doneOps
	var next uint32
	for i, tt := range []struct {
		n, want int
		cut     bool
	}{
		{10, 10, false},
		{mostDone - 10, mostDone - 10, false},
		{5, 5, false},
		{mostDone + 7, mostDone, true},
		{1, 1, false},
	} {
		r := &Report{Plan: &Plan{Names: map[kernel.ServiceKey]string{web: "web"}}}
		for range tt.n {
			r.Results = append(r.Results, Result{Op: kernel.Op{Kind: kernel.EditDest, Key: web, Dest: kernel.Dest{Weight: next}}})
			next++
		}
		d.add(uint64(i+1), r)
		steps, cut := d.since(uint64(i+1), []string{"web"})
		if first := next - uint32(tt.want); len(steps) != tt.want || cut != tt.cut || steps[0].Op.Dest.Weight != first {
			t.Errorf("serial %d: %d operations from %v on, cut %v", i+1, len(steps), steps[0], cut)
		}
	}
	if steps, cut := d.since(1, nil); len(steps) != mostDone || !cut {
		t.Errorf("all: %d, cut %v", len(steps), cut)
	}
}
