package reconcile

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// bench is a reconciler that runs over a fake table, in a bubble of synctest.
type bench struct {
	*kernel.Fake
	host      *kernel.FakeHost
	desired   chan *spec.Desired
	asked     chan struct{}
	addresses chan struct{}
	log       bytes.Buffer // read while Run waits

	reconciler *Reconciler
	answers    *answers // nil: nobody checks

	mu    sync.Mutex // guards what follows
	reads [][]kernel.ServiceKey
}

// read returns what was read of the table so far, and begins anew.
func (b *bench) read() [][]kernel.ServiceKey {
	b.mu.Lock()
	defer b.mu.Unlock()
	reads := b.reads
	b.reads = nil
	return reads
}

func startBench(t *testing.T, m Memory) *bench { return startBenchWith(t, m, nil) }

// startBenchWith starts one whose backends are checked.
func startBenchWith(t *testing.T, m Memory, a *answers) *bench {
	b := &bench{answers: a, Fake: kernel.NewFake(), host: kernel.NewFakeHost(), desired: make(chan *spec.Desired), asked: make(chan struct{}), addresses: make(chan struct{})}
	b.FailObserve = func(keys []kernel.ServiceKey) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.reads = append(b.reads, keys)
		return nil
	}
	keeper := NewKeeper(b.Fake, b.host, NewStore("", Place{}), m)
	if b.answers != nil {
		keeper.Check(b.answers, b.answers.of, func(string, probe.Counts) {})
	}
	r := New(keeper, false, zerolog.New(&b.log))
	b.reconciler = r
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx, Wakes{b.desired, b.asked, b.addresses}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return b
}

// weight returns the weight of a backend of web, -1 where it is not there.
func (b *bench) weight(t *testing.T, addr string) int {
	t.Helper()
	d, ok := mustObserve(t, b.Fake)[web].Dest(dest(addr))
	if !ok {
		return -1
	}
	return int(d.Weight)
}

// drainSecond has the second of two backends leave while it has a connection.
func (b *bench) drainSecond() {
	b.desired <- webService("10.1.0.1:80", "10.1.0.2:80")
	synctest.Wait()
	b.SetConns(web, dest("10.1.0.2:80"), kernel.Conns{Active: 1})
	b.desired <- webService("10.1.0.1:80")
}

func TestLoopHealsDriftAtResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.desired <- webService("10.1.0.1:80")
		synctest.Wait()
		mustApply(t, b.Fake, []kernel.Op{{Kind: kernel.DeleteService, Key: web}})
		time.Sleep(26 * time.Second)
		if w := b.weight(t, "10.1.0.1:80"); w != -1 {
			t.Errorf("before the interval: weight %d", w)
		}
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if w := b.weight(t, "10.1.0.1:80"); w != 100 {
			t.Errorf("after the interval: weight %d", w)
		}
		if !strings.Contains(b.log.String(), `"cause":"resync"`) {
			t.Errorf("the log does not say why: %s", b.log.String())
		}
	})
}

func TestLoopAnswersWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.asked <- struct{}{}
		synctest.Wait()
		if len(b.read()) > 0 {
			t.Error("it read the kernel before there was a configuration")
		}
		b.desired <- webService("10.1.0.1:80")
		synctest.Wait()
		mustApply(t, b.Fake, []kernel.Op{{Kind: kernel.DeleteService, Key: web}})
		b.asked <- struct{}{}
		synctest.Wait()
		if w := b.weight(t, "10.1.0.1:80"); w != 100 {
			t.Errorf("weight %d", w)
		}
	})
}

func TestLoopDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.drainSecond()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if w := b.weight(t, "10.1.0.2:80"); w != 0 {
			t.Errorf("while it has a connection: weight %d", w)
		}
		b.SetConns(web, dest("10.1.0.2:80"), kernel.Conns{})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w := b.weight(t, "10.1.0.2:80"); w != -1 {
			t.Errorf("when it is empty: weight %d", w)
		}
	})
}

// TestDrainIsNotPutOff has another service change all the time, and the resync interval shortened.
func TestDrainIsNotPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.desired <- webService("10.1.0.1:80", "10.1.0.2:80")
		synctest.Wait()
		for i := range 20 {
			next := webService("10.1.0.1:80")
			other := next.Services[0]
			other.Name, other.Port, other.Persistent = "other", 81, time.Duration(1+i)*time.Second
			next.Services = append(next.Services, other)
			b.desired <- next
			time.Sleep(400 * time.Millisecond)
		}
		synctest.Wait()
		if w := b.weight(t, "10.1.0.2:80"); w != -1 {
			t.Errorf("the backend that left has weight %d", w)
		}
		quick := webService("10.1.0.1:80")
		quick.Gorb.Resync = time.Second
		b.desired <- quick
		synctest.Wait()
		mustApply(t, b.Fake, []kernel.Op{{Kind: kernel.DeleteService, Key: web}})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w := b.weight(t, "10.1.0.1:80"); w != 100 {
			t.Errorf("after the new interval: weight %d", w)
		}
	})
}

func TestBackendReturnsWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.drainSecond()
		time.Sleep(10 * time.Second)
		b.desired <- webService("10.1.0.1:80", "10.1.0.2:80")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if w := b.weight(t, "10.1.0.2:80"); w != 100 {
			t.Errorf("weight %d", w)
		}
		for _, op := range b.Ops() {
			if op.Kind == kernel.DeleteDest {
				t.Errorf("it was deleted: %v", op)
			}
		}
	})
}

func TestLoopReadsOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		d := webService("10.1.0.1:80")
		other := d.Services[0]
		other.Name, other.Port = "other", 81
		d.Services = append(d.Services, other)
		b.desired <- d
		synctest.Wait()
		b.read()
		next := webService("10.1.0.1:80", "10.1.0.2:80")
		next.Services = append(next.Services, other)
		b.desired <- next
		synctest.Wait()
		if reads := b.read(); len(reads) != 1 || len(reads[0]) != 1 || reads[0][0] != web {
			t.Errorf("it read %v", reads)
		}
	})
}

func TestLoopBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		var tries []time.Time
		var mended atomic.Bool
		b.Fail = func(op kernel.Op) error {
			if mended.Load() {
				return nil
			}
			if op.Kind == kernel.AddService {
				tries = append(tries, time.Now())
			}
			return syscall.ENOENT
		}
		b.desired <- webService("10.1.0.1:80")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := len(tries); n < 10 || n > 30 {
			t.Fatalf("%d tries in five minutes", n)
		}
		for i := 2; i < len(tries); i++ {
			if gap := tries[i].Sub(tries[i-1]); gap > 33*time.Second+time.Second {
				t.Errorf("the wait is not capped: %v", gap)
			}
		}
		if n := strings.Count(b.log.String(), "not done"); n != 1 {
			t.Errorf("the same failure was said %d times", n)
		}
		mended.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if w := b.weight(t, "10.1.0.1:80"); w != 100 {
			t.Errorf("when the kernel takes it: weight %d", w)
		}
		if !strings.Contains(b.log.String(), "everything is done that had failed") {
			t.Error("the end of the failure is not said")
		}
	})
}

func TestLoopWritesNothingThatChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.desired <- webService("10.1.0.1:80", "10.1.0.2:80")
		synctest.Wait()
		n := len(b.Ops())
		b.desired <- webService("10.1.0.1:80", "10.1.0.2:80")
		b.asked <- struct{}{}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := b.Ops()[n:]; len(got) > 0 {
			t.Errorf("it wrote %v", got)
		}
	})
}

// TestHeldIsSaid has a backend that the kernel never takes beside one that is to be drained by hand.
func TestHeldIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.desired <- webService("10.1.0.1:80", "10.1.0.2:80")
		synctest.Wait()
		d := webService("10.1.0.1:80", "10.1.0.2:80", "224.0.0.1:80")
		d.Services[0].Backends[0].Weight = 0
		b.desired <- d
		time.Sleep(time.Minute)
		synctest.Wait()
		const want = `"name":"web","waiting":["-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0"],"message":"this service keeps`
		if n := strings.Count(b.log.String(), want); n != 1 {
			t.Errorf("it was said %d times: %s", n, b.log.String())
		}
	})
}

// TestFlushIsForTheFirstPass has a service fail for ever: -f is over all the same.
func TestFlushIsForTheFirstPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := kernel.NewFake()
		fake.Fail = func(op kernel.Op) error {
			if op.Key == web {
				return syscall.ENOENT
			}
			return nil
		}
		r := New(NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), true, zerolog.Nop())
		ctx, cancel := context.WithCancel(t.Context())
		desired, done := make(chan *spec.Desired), make(chan error)
		go func() { done <- r.Run(ctx, Wakes{Desired: desired}) }()
		desired <- webService("10.1.0.1:80")
		synctest.Wait()
		foreign := key("10.0.0.9:80")
		setUp(t, fake, kernel.Table{foreign: webTable()[web]})
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, there := mustObserve(t, fake)[foreign]; !there {
			t.Error("a later pass flushed again")
		}
		cancel()
		<-done
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := kernel.NewFake()
		foreign := key("10.0.0.9:80")
		table := webTable(realServer("10.1.0.9:80", 1, 0, 0))
		table[foreign] = table[web]
		setUp(t, fake, table)
		fake.SetConns(web, dest("10.1.0.9:80"), kernel.Conns{Active: 4})
		watch := &watched{Kernel: fake, model: clone(table)}
		watch.judge = func(op kernel.Op, now kernel.Table) {
			if !serves(now[web]) {
				t.Errorf("after %v the declared service is missing", op)
			}
		}
		r := New(NewKeeper(watch, nil, NewStore("", Place{}), Memory{}), true, zerolog.Nop())
		ctx, cancel := context.WithCancel(t.Context())
		desired := make(chan *spec.Desired)
		done := make(chan error)
		go func() { done <- r.Run(ctx, Wakes{Desired: desired}) }()
		desired <- webService("10.1.0.1:80")
		synctest.Wait()
		now := mustObserve(t, fake)
		if _, there := now[foreign]; there || len(now[web].Dests) != 1 {
			t.Errorf("after the first pass: %v", now)
		}
		setUp(t, fake, kernel.Table{foreign: table[foreign]})
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, there := mustObserve(t, fake)[foreign]; !there {
			t.Error("a later pass flushed again")
		}
		cancel()
		<-done
	})
}
