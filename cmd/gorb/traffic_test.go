package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestTraffic changes the configuration 50 times while 200 transfers are in flight, and 40 more over IPv6.
func TestTraffic(t *testing.T) { lab.Run(t, func(t *testing.T) { changeUnderTraffic(t, 50) }) }

// TestSoakTraffic is its long form.
func TestSoakTraffic(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestTraffic; make soak runs it")
	}
	lab.Run(t, func(t *testing.T) { changeUnderTraffic(t, 1000) })
}

// transferSize is the least size of a transfer: one that fits the first window survives even a wrong deletion.
const transferSize = 2 << 20

func changeUnderTraffic(t *testing.T, changes int) {
	n := lab.NewNet(t, 3)
	// The kernel then forgets the connections of a backend that is deleted, so that adding it again does not help them.
	setExpireNodestConn(t, n.Director, "1")
	parts := changes + 3
	l := newLoad(t, n, transferSize/parts+1, parts)
	d := newDesign(n, rand.New(rand.NewPCG(1, 1)))
	k := newKeeping(t, n.Director)
	k.declare(d.services()...)
	k.start()
	k.wantTable("at the start", d.services()...)
	for i := range 240 {
		l.open(d.sites()[i/200].addr)
	}
	l.release(0)
	l.want("at the start")
	t.Logf("transfers by backend: %v", l.inFlight())

	part, asked, refused := 0, 0, 0
	step := func(c change) {
		t.Helper()
		part++
		what := fmt.Sprintf("change %d: %s", part, c.what)
		stop := l.ask(d.sites()[0].addr, d.sites()[1].addr)
		k.declare(d.services()...)
		l.release(part) // enough to be on its way still when gorb acts
		k.wantTable(what, d.services()...)
		got := stop()
		asked += got.asked
		for _, err := range got.failed {
			if !c.reschedules || !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %v", what, err)
			}
			refused++
		}
		l.want(what)
	}
	for range changes / 2 {
		step(d.change())
	}
	const leaver = 2 // the last one
	step(d.retire(leaver))
	for range changes - changes/2 {
		step(d.change())
	}
	t.Logf("%d short requests meanwhile, %d of them refused in the instant of a scheduler change", asked, refused)

	l.release(parts-1, leaver)
	l.want("the last part", leaver)
	d.web.backends = d.web.backends[:leaver]
	k.wantTable("a backend that has left, after its last connection", d.services()...)
	l.release(parts-1, 0, 1)
	l.want("the last part", 0, 1)
}

// TestDeletedServices has somebody delete services while their transfers are in flight. While they are gone the kernel drops
// the packets, and when gorb has put them back the transfers go on.
func TestDeletedServices(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.NewNet(t, 3)
		setExpireNodestConn(t, n.Director, "0") // the kernel's default
		// With the last service of a family its hooks go (ip_vs_unregister_hooks), and what comes in then is reset, not dropped.
		foreign := []tcpService{
			{addr: netip.AddrPortFrom(n.VIP(9), 80), method: "rr"},
			{addr: netip.AddrPortFrom(n.VIP6(9), 80), method: "rr"},
		}
		makeForeign(t, n.Director, foreign...)
		const parts = 3
		l := newLoad(t, n, transferSize/parts+1, parts)
		d := newDesign(n, nil)
		k := newKeeping(t, n.Director)
		k.declare(d.services()...)
		k.start()
		k.wantTable("at the start", append(foreign, d.services()...)...)
		for i := range 40 {
			l.open(d.sites()[i%2].addr)
		}
		for part := range parts {
			l.release(part)
			for _, s := range d.sites() {
				lab.Exec(t, n.Director, "ipvsadm", "-D", "-t", s.addr.String())
			}
			k.signal(syscall.SIGHUP)
			what := fmt.Sprintf("deletion %d", part+1)
			k.wantTable(what, append(foreign, d.services()...)...)
			l.want(what)
		}
	})
}

// setExpireNodestConn says whether the kernel forgets connections whose backend is gone.
func setExpireNodestConn(t *testing.T, ns, value string) {
	t.Helper()
	err := lab.Do(ns, func() error {
		return os.WriteFile("/proc/sys/net/ipv4/vs/expire_nodest_conn", []byte(value), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// design is a configuration that changes: a website over IPv4, the same over IPv6, and a service that counts the changes,
// so that each of them shows in the table, even if only a name changes.
type design struct {
	rand    *rand.Rand
	net     *lab.Net
	web     tcpService
	retired int // the backend that left for good; -1: none
	changes int
	kinds   []func(*design) string // of change: each says what it did, or nothing if it could do nothing
	next    []int                  // which of them come next
}

func newDesign(n *lab.Net, r *rand.Rand) *design {
	d := &design{rand: r, net: n, retired: -1}
	d.kinds = []func(*design) string{
		(*design).leaveOrReturn, (*design).leaveOrReturn, (*design).reweigh,
		(*design).rename, (*design).reflag, (*design).persist, (*design).reschedule,
	}
	d.web = tcpService{name: "web", addr: netip.AddrPortFrom(n.VIP(1), 80), method: "wrr", drain: "24h", answers: true}
	for i := range n.Backends {
		d.web.backends = append(d.web.backends, tcpBackend{addr: netip.AddrPortFrom(n.BackendAddr(i), 80), weight: 100})
	}
	return d
}

// sites returns the website over IPv4 and IPv6.
func (d *design) sites() []tcpService {
	six := d.web
	six.name += "-6"
	six.addr = netip.AddrPortFrom(d.net.VIP6(1), 80)
	six.backends = slices.Clone(six.backends)
	for i := range six.backends {
		six.backends[i].addr = netip.AddrPortFrom(d.net.BackendAddr6(i), 80)
	}
	return []tcpService{d.web, six}
}

func (d *design) services() []tcpService {
	return append(d.sites(), tcpService{
		name: "changes", addr: netip.AddrPortFrom(d.net.VIP(2), 80), method: "wrr",
		backends: []tcpBackend{{addr: netip.MustParseAddrPort("10.1.0.99:80"), weight: d.changes}},
	})
}

// change is what has changed in a design.
type change struct {
	what        string
	reschedules bool // it may refuse connections that are opened in that instant
}

// change makes one change; all kinds come in turn, in random order.
func (d *design) change() change {
	for {
		if len(d.next) == 0 {
			d.next = d.rand.Perm(len(d.kinds))
		}
		kind, was := d.kinds[d.next[0]], d.web.method
		d.next = d.next[1:]
		if what := kind(d); what != "" {
			d.changes++
			return change{what, d.web.method != was}
		}
	}
}

// retire has a backend leave for good, and all others return.
func (d *design) retire(i int) change {
	for j := range d.web.backends {
		b := &d.web.backends[j]
		b.leaving, b.weight = j == i, 100
	}
	d.retired = i
	d.changes++
	return change{what: fmt.Sprintf("backend %d leaves for good", i+1)}
}

// pick returns a backend that is not retired.
func (d *design) pick() (int, *tcpBackend) {
	for {
		if i := d.rand.IntN(len(d.web.backends)); i != d.retired {
			return i, &d.web.backends[i]
		}
	}
}

// serves reports whether there is somewhere to send traffic.
func (d *design) serves() bool {
	return slices.ContainsFunc(d.web.backends, func(b tcpBackend) bool { return !b.leaving && b.weight > 0 })
}

func (d *design) leaveOrReturn() string {
	i, b := d.pick()
	b.leaving = !b.leaving
	switch {
	case !d.serves():
		b.leaving = !b.leaving
		return ""
	case b.leaving:
		return fmt.Sprintf("backend %d leaves", i+1)
	}
	return fmt.Sprintf("backend %d returns", i+1)
}

func (d *design) reweigh() string {
	i, b := d.pick()
	was := b.weight
	b.weight = other(d, was, 0, 1, 99, 100, 65535)
	if !d.serves() {
		b.weight = was
		return ""
	}
	return fmt.Sprintf("backend %d has weight %d instead of %d", i+1, b.weight, was)
}

func (d *design) rename() string {
	d.web.name = fmt.Sprintf("web-%d", d.changes)
	return "the service is named " + d.web.name
}

func (d *design) persist() string {
	d.web.persistent = other(d, d.web.persistent, 0, 1, 360)
	return fmt.Sprintf("clients persist for %d s", d.web.persistent)
}

// methods are the schedulers and their flags. A hash needs its fallback, or clients whose backend has weight 0 are refused.
// Left out are dh, in which a service has one backend only, and ovf, whose weights are limits.
var methods = map[string][]string{
	"sh": {"sh-fallback", "sh-fallback|sh-port"}, "mh": {"mh-fallback", "mh-fallback|mh-port"},
	"rr": plain, "wrr": plain, "lc": plain, "wlc": plain, "lblc": plain, "lblcr": plain, "sed": plain, "nq": plain, "fo": plain,
}

var plain = []string{"", "flag-1", "flag-2|flag-3"}

func (d *design) reflag() string {
	d.web.flags = other(d, d.web.flags, methods[d.web.method]...)
	return fmt.Sprintf("the flags are %q", d.web.flags)
}

func (d *design) reschedule() string {
	d.web.method = other(d, d.web.method, slices.Sorted(maps.Keys(methods))...)
	d.web.flags = methods[d.web.method][0]
	return "the method is " + d.web.method
}

// other returns one of values that is not the present one.
func other[T comparable](d *design, present T, values ...T) T {
	for {
		if v := values[d.rand.IntN(len(values))]; v != present {
			return v
		}
	}
}
