package reconcile

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// take has somebody take the address away, and the host say so.
func (b *bench) take() {
	b.host.Edit(func(s *kernel.HostState) { delete(s.Addresses, vip) })
	b.addresses <- struct{}{}
}

// has reports whether the address is there.
func (b *bench) has() (there bool) {
	b.host.Edit(func(s *kernel.HostState) { there = s.Addresses[vip] })
	return there
}

func TestAddressIsPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.addresses <- struct{}{} // before there is a configuration
		b.desired <- onDummy(webService("10.1.0.1:80"))
		synctest.Wait()
		b.read()
		for range 3 { // many at once are one
			b.take()
		}
		time.Sleep(addressWait)
		synctest.Wait()
		if !b.has() {
			t.Error("the address is not back")
		}
		if reads := b.read(); len(reads) != 1 || len(reads[0]) != 1 {
			t.Errorf("it read %v", reads)
		}
		b.addresses <- struct{}{} // as the host says of what gorb itself did
		time.Sleep(time.Second)
		synctest.Wait()
		if reads := b.read(); len(reads) > 0 {
			t.Errorf("with nothing to do it read %v", reads)
		}
		if !strings.Contains(b.log.String(), `"cause":"address","addresses_added":1,"host":["ip addr add 10.0.0.1/32 dev gorb0"]`) {
			t.Errorf("the log: %s", b.log.String())
		}
	})
}

// TestContestedAddress has another program take the address away whenever it is there.
func TestContestedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.desired <- onDummy(webService("10.1.0.1:80"))
		synctest.Wait()
		put := 0
		for range 5 * 60 * 100 { // five minutes
			if b.has() {
				put++
				b.take()
			}
			time.Sleep(10 * time.Millisecond)
		}
		if put < 10 || put > 40 {
			t.Errorf("it was put back %d times in five minutes", put)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		b.take()
		time.Sleep(2 * addressWait)
		synctest.Wait()
		if !b.has() {
			t.Error("after some peace it is still slow")
		}
		if n := strings.Count(b.log.String(), `"addresses":["10.0.0.1 on gorb0"],"message":"something takes away`); n != 1 {
			t.Errorf("it was said %d times", n)
		}
	})
}

// TestHostFailureKeepsPassesSmall has the host fail for ever: a change of one service is still a pass about that one.
func TestHostFailureKeepsPassesSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.host.Fail = func(kernel.HostOp) error { return syscall.EINVAL }
		d := webService("10.1.0.1:80")
		d.IPVS.Sysctls = map[string]string{"conntrack": "1"}
		b.desired <- d
		synctest.Wait()
		b.read()
		next := webService("10.1.0.2:80")
		next.IPVS = d.IPVS
		b.desired <- next
		synctest.Wait()
		if reads := b.read(); len(reads) != 1 || len(reads[0]) != 1 {
			t.Errorf("it read %v", reads)
		}
		b.host.Edit(func(s *kernel.HostState) { s.Sysctls["conntrack"] = "1" })
		time.Sleep(time.Minute)
		synctest.Wait()
		if !strings.Contains(b.log.String(), "everything is done that had failed") {
			t.Errorf("the log: %s", b.log.String())
		}
	})
}

func TestHostChangeIsAWholePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.desired <- webService("10.1.0.1:80")
		b.desired <- onDummy(webService("10.1.0.1:80"))
		synctest.Wait()
		if !b.has() {
			t.Error("the address is not there")
		}
		d := onDummy(webService("10.1.0.1:80"))
		d.IPVS.Timeouts = spec.Timeouts{UDP: time.Minute}
		b.desired <- d
		synctest.Wait()
		if state := readHost(t, b.host, d, Memory{}); state.Timeouts.UDP != 60 {
			t.Errorf("timeouts %v", state.Timeouts)
		}
	})
}

// TestRemovedServiceIsSeen has a service leave the configuration, in a pass about what changed.
func TestRemovedServiceIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		d := webService("10.1.0.1:80")
		other := d.Services[0]
		other.Name, other.Port = "other", 81
		d.Services = append(d.Services, other)
		b.desired <- d
		synctest.Wait()
		b.read()
		next := webService("10.1.0.1:80")
		b.desired <- next
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if _, there := mustObserve(t, b.Fake)[key("10.0.0.1:81")]; there {
			t.Error("it is still there")
		}
		for _, keys := range b.read()[:2] { // the pass about the change, and the one about the drain
			if len(keys) != 1 || keys[0] != key("10.0.0.1:81") {
				t.Errorf("it read %v", keys)
			}
		}
	})
}

// TestFailureIsFollowedByWholePasses has one service fail and another one change.
func TestFailureIsFollowedByWholePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		var failing atomic.Bool
		b.Fail = func(op kernel.Op) error {
			if failing.Load() && op.Kind == kernel.AddDest {
				return syscall.ENOMEM
			}
			return nil
		}
		b.desired <- webService()
		synctest.Wait()
		failing.Store(true)
		b.desired <- webService("10.1.0.1:80")
		synctest.Wait()
		b.read()
		second := webService("10.1.0.1:80")
		second.Services[0].Persistent = time.Minute
		b.desired <- second
		synctest.Wait()
		if reads := b.read(); len(reads) != 1 || len(reads[0]) != 0 {
			t.Errorf("after a failure it read %v", reads)
		}
		// Once it is mended, the next failure is tried again as soon as the first was.
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		failing.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		failing.Store(true)
		b.desired <- webService("10.1.0.1:80", "10.1.0.2:80")
		synctest.Wait()
		failing.Store(false)
		time.Sleep(2 * firstRetry)
		synctest.Wait()
		if w := b.weight(t, "10.1.0.2:80"); w != 100 {
			t.Errorf("weight %d", w)
		}
	})
}

// TestUnknownIsNotLookedAtEverySecond has a draining backend become what gorb cannot write.
func TestUnknownIsNotLookedAtEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.drainSecond()
		synctest.Wait()
		v := mustObserve(t, b.Fake)[web]
		for i := range v.Dests {
			if v.Dests[i].DestKey == dest("10.1.0.2:80") {
				v.Dests[i].Unknown = "it has what gorb does not know"
			}
		}
		b.Put(web, v)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		b.read()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if reads := b.read(); len(reads) > 0 {
			t.Errorf("it read %v", reads)
		}
	})
}
