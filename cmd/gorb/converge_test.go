package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestConverges has three of ten backends fail at random, somebody change weights behind gorb's back, and the file edited,
// all at once. In the end the table is what is declared, of what is well.
func TestConverges(t *testing.T) { lab.Run(t, func(t *testing.T) { converge(t, 5*time.Second) }) }

// TestSoakConverges is its long form.
func TestSoakConverges(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestConverges; make soak runs it")
	}
	lab.Run(t, func(t *testing.T) { converge(t, 3*time.Minute) })
}

func converge(t *testing.T, lasts time.Duration) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	ns := lab.Namespace(t)
	lab.Exec(t, ns, "ip", "route", "add", "local", "10.1.0.0/24", "dev", "lo")
	r := rand.New(rand.NewPCG(seed, 0))
	var flaky []*flakyServer
	drains := tcpService{
		name: "drains", addr: netip.MustParseAddrPort("10.0.0.1:25"), method: "wrr", drain: "0",
		pulse: `type = "tcp", interval = "150ms", timeout = "5s", window = 5, args = { expect = "220 " }`,
	}
	for i := range 10 {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), 25)
		drains.backends = append(drains.backends, tcpBackend{addr: at, weight: 100})
		s := &flakyServer{t: t, ns: ns, at: at}
		s.be(well)
		if i%3 == 1 {
			flaky = append(flaky, s)
		}
	}
	removes := drains
	removes.name, removes.addr, removes.onDown = "removes", netip.MustParseAddrPort("10.0.0.2:25"), "remove"
	services := []tcpService{drains, removes}
	k := newKeeping(t, ns)
	k.settings = "resync = \"1s\"\n"
	k.declare(services...)
	k.start()
	k.wantTable("at the start", services...)

	over := make(chan struct{})
	var others sync.WaitGroup
	for i, s := range flaky {
		others.Go(func() { s.fail(rand.New(rand.NewPCG(seed, uint64(i+1))), over) })
	}
	meddled := 0
	others.Go(func() { meddled = meddle(ns, services, rand.New(rand.NewPCG(seed, 100)), over) })
	edits := 0
	for end := time.Now().Add(lasts); time.Now().Before(end); edits++ {
		k.declare(edited(services, r)...)
		time.Sleep(within(r, 500*time.Millisecond))
	}
	close(over)
	others.Wait()

	services = edited(services, r)
	for i := range services {
		for j := range services[i].backends {
			services[i].backends[j].leaving = false
		}
	}
	for i, s := range flaky {
		s.be([]condition{well, gone, wrong}[i])
	}
	k.declare(services...)
	for i := range services {
		s := &services[i]
		for _, f := range flaky[1:] {
			j := slices.IndexFunc(s.backends, func(b tcpBackend) bool { return b.addr == f.at })
			if s.onDown == "remove" {
				s.backends = slices.Delete(s.backends, j, j+1)
			} else {
				s.backends[j].weight = 0
			}
		}
	}
	k.wantTable("in the end", services...)
	written := k.writes()
	time.Sleep(2 * time.Second)
	k.wantTable("and after it", services...)
	if n := k.writes() - written; n > 0 {
		t.Errorf("%d operations when nothing changed any more", n)
	}
	changes := 0
	for _, s := range flaky {
		changes += s.changes
	}
	t.Logf("%d edits of the file, %d weights by somebody else, servers changed %d times; gorb made %d operations",
		edits, meddled, changes, written)
}

// within returns a time of up to d.
func within(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// edited returns services with other weights and, now and then, without some backends; half of them stay.
func edited(services []tcpService, r *rand.Rand) []tcpService {
	all := slices.Clone(services)
	for i := range all {
		backends := slices.Clone(all[i].backends)
		for j := range backends {
			backends[j].weight = 1 + r.IntN(100)
			backends[j].leaving = j >= len(backends)/2 && r.IntN(3) == 0
		}
		all[i].backends = backends
	}
	return all
}

// meddle changes weights behind gorb's back, and returns how many.
func meddle(ns string, services []tcpService, r *rand.Rand, over <-chan struct{}) (done int) {
	for {
		s := &services[r.IntN(len(services))]
		b := s.backends[r.IntN(len(s.backends))]
		_, err := lab.Try(ns, "ipvsadm", "-e", "-t", s.addr.String(), "-r", b.addr.String(), "-m", "-w", strconv.Itoa(r.IntN(200)))
		if err == nil { // or it is not in the kernel
			done++
		}
		select {
		case <-over:
			return done
		case <-time.After(within(r, 20*time.Millisecond)):
		}
	}
}

// condition is how a server is.
type condition int

const (
	well  condition = iota
	gone            // nobody listens
	wrong           // it says something else than it should
	resetting
	conditions
)

// flakyServer is a server that is now so, now otherwise.
type flakyServer struct {
	t       *testing.T
	ns      string
	at      netip.AddrPort
	stop    func() // nil: nobody listens
	changes int
}

func (s *flakyServer) be(c condition) {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	s.changes++
	if c == gone {
		return
	}
	s.stop = serveAt(s.t, s.ns, s.at, []behaviour{
		well: greets, resetting: resets,
		wrong: func(c net.Conn) { fmt.Fprintf(c, "500 broken\r\n") },
	}[c])
}

// fail has the server fail and recover at random.
func (s *flakyServer) fail(r *rand.Rand, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(within(r, 600*time.Millisecond)):
		}
		if r.IntN(2) == 0 {
			s.be(well)
		} else {
			s.be(condition(r.IntN(int(conditions))))
		}
	}
}
