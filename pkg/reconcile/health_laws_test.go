package reconcile

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestHealthLaws has random edits, answers, failures and second writers follow each other, and holds every state of the
// table that comes of them to the laws of the overlay.
func TestHealthLaws(t *testing.T) {
	for seed := range uint64(1000) {
		checkHealthLaws(t, seed)
	}
}

func checkHealthLaws(t *testing.T, seed uint64) {
	t.Helper()
	w := newWorld(seed)
	one, two := newLawful(nil), newLawful(w.checkedTable()) // what they begin with is different
	one.fail = func(op kernel.Op) bool { return mayFail(op) && w.chance(20) }
	truth := map[string]bool{}
	desired := w.checkedServices()
	both := func(do func(l *lawful)) { do(one); do(two) }
	both(func(l *lawful) { l.edit(t, seed, desired) })
	for range 30 {
		switch w.IntN(6) {
		case 0, 1:
			desired = w.checkedServices()
			copied := copyOf(desired)
			both(func(l *lawful) { l.edit(t, seed, desired) })
			if !slices.EqualFunc(copied.Services, desired.Services, func(a, b spec.Service) bool { return a.Equal(&b) }) {
				t.Fatalf("seed %d: the configuration was changed", seed)
			}
		case 2, 3:
			addr := fmt.Sprintf("10.1.0.%d:80", 1+w.IntN(6))
			truth[addr] = w.chance(60)
			v := verdict(truth[addr], w.IntN(3))
			both(func(l *lawful) { l.hear(t, seed, l.say(v, addr)) })
		case 4:
			one.spoil(t, w)
		case 5:
			both(func(l *lawful) { l.now = l.now.Add(time.Duration(w.IntN(40)) * time.Second); l.look(t, seed) })
		}
	}
	one.fail = nil
	for addr := range 6 { // all answer in the end
		addr := fmt.Sprintf("10.1.0.%d:80", 1+addr)
		both(func(l *lawful) { l.hear(t, seed, l.say(verdict(truth[addr], 0), addr)) })
	}
	both(func(l *lawful) {
		for range 4 {
			l.now = l.now.Add(2 * time.Hour)
			l.look(t, seed)
		}
		if r := l.pass(t, nil); len(r.Plan.Ops) > 0 {
			t.Fatalf("seed %d: there is still to do: %s", seed, ops(r.Plan))
		}
		l.settled(t, seed, desired, truth)
	})
	declared := WantedTable(desired)
	of := func(l *lawful) kernel.Table { // the other had services that are nobody's
		table := settled(mustObserve(t, l.Fake))
		maps.DeleteFunc(table, func(key kernel.ServiceKey, _ kernel.VirtualService) bool { _, is := declared[key]; return !is })
		return table
	}
	if diff := cmp.Diff(of(one), of(two), cmpOptions); diff != "" {
		t.Fatalf("seed %d: two directors that heard the same differ (-one +two):\n%s", seed, diff)
	}
}

// verdict is one of those that a backend may have.
func verdict(up bool, share int) probe.Verdict {
	switch {
	case !up:
		return isDown
	case share == 0:
		return isUp
	}
	return probe.Verdict{Status: probe.Up, Good: uint16(share), Of: 50}
}

// mayFail reports whether an operation makes something, which may fail.
func mayFail(op kernel.Op) bool { return op.Kind == kernel.AddDest || op.Kind == kernel.AddService }

// lawful is a director that is held to the laws.
type lawful struct {
	*director
	*watched
}

func newLawful(table kernel.Table) *lawful {
	d := newDirector(table)
	l := &lawful{director: d, watched: &watched{Kernel: d.Fake}}
	d.keeper.kernel = l.watched
	return l
}

// edit makes a configuration the one that counts.
func (l *lawful) edit(t *testing.T, seed uint64, next *spec.Desired) {
	live := map[string]bool{}
	if l.desired != nil {
		live = l.lives()
	}
	l.desired = next
	l.judged(t, seed, live, nil, func() { l.pass(t, nil) })
}

// hear has it hear news.
func (l *lawful) hear(t *testing.T, seed uint64, news []probe.News) {
	scope := l.keeper.checked.take(news)
	l.judged(t, seed, l.lives(), scope, func() { l.pass(t, scope) })
}

// look has it look at everything, as every while.
func (l *lawful) look(t *testing.T, seed uint64) {
	l.judged(t, seed, l.lives(), nil, func() { l.pass(t, nil) })
}

// spoil has somebody else write weights.
func (l *lawful) spoil(t *testing.T, w world) {
	for key, v := range l.Snapshot() {
		for _, r := range v.Dests {
			if w.chance(30) {
				r.Weight = pick(w, uint32(0), 3, 100)
				l.Fake.Apply(t.Context(), []kernel.Op{{Kind: kernel.EditDest, Key: key, DestKey: r.DestKey, Dest: r.Dest}})
			}
		}
	}
}

// judged makes a pass and holds all of its states to the laws: what has live weight as it begins keeps some, but for what the
// configuration gives up.
func (l *lawful) judged(t *testing.T, seed uint64, live map[string]bool, scope map[kernel.ServiceKey]bool, pass func()) {
	t.Helper()
	before := l.Snapshot()
	l.model = clone(before)
	l.judge = func(op kernel.Op, now kernel.Table) {
		for name := range live {
			if l.servesNow(name, before) && !l.excused(name) && !l.servesNow(name, now) {
				t.Fatalf("seed %d: after %v, %s has no weight on what is live\n%v", seed, op, name, now)
			}
		}
	}
	pass()
	l.judge = nil
	for i := range l.desired.Services {
		s := &l.desired.Services[i]
		key := KeyOf(s)
		if scope != nil && !scope[key] {
			continue
		}
		for j := range s.Backends {
			b := &s.Backends[j]
			v := l.keeper.checked.overlay.Health[probe.Ref{Service: s.Name, Backend: b.Name}]
			if r, there := l.model[key].Dest(destKeyOf(b)); there && v.Status == probe.Down && r.Weight > 0 {
				t.Fatalf("seed %d: %s/%s is down and has weight %d after a pass", seed, s.Name, b.Name, r.Weight)
			}
		}
	}
}

// lives returns the services that have live weight, by name.
func (l *lawful) lives() map[string]bool {
	live := map[string]bool{}
	for key, v := range l.Snapshot() {
		if name := l.nameOf(key); name != "" && l.live(key, v) {
			live[name] = true
		}
	}
	return live
}

// nameOf returns what a service is called, as it is declared or remembered.
func (l *lawful) nameOf(key kernel.ServiceKey) string {
	for i := range l.desired.Services {
		if s := &l.desired.Services[i]; KeyOf(s) == key {
			return s.Name
		}
	}
	return l.keeper.memory.Services[key].Name
}

// live reports whether a service has weight on a backend that is not known to be down.
func (l *lawful) live(key kernel.ServiceKey, v kernel.VirtualService) bool {
	return slices.ContainsFunc(v.Dests, func(r kernel.RealServer) bool {
		return r.Weight > 0 && !l.downNow(key, r.DestKey)
	})
}

// downNow reports whether a backend is known to be down.
func (l *lawful) downNow(key kernel.ServiceKey, k kernel.DestKey) bool {
	if v, leaves := l.keeper.checked.overlay.Leaving[Ref{key, k}]; leaves {
		return v.Status == probe.Down
	}
	for i := range l.desired.Services {
		s := &l.desired.Services[i]
		for j := range s.Backends {
			if b := &s.Backends[j]; KeyOf(s) == key && destKeyOf(b) == k {
				return l.keeper.checked.overlay.Health[probe.Ref{Service: s.Name, Backend: b.Name}].Status == probe.Down
			}
		}
	}
	return false
}

// servesNow reports whether a service has live weight, under whatever identity.
func (l *lawful) servesNow(name string, now kernel.Table) bool {
	for key, v := range now {
		if l.nameOf(key) == name && l.live(key, v) {
			return true
		}
	}
	return false
}

// excused reports whether a service may be without weight: it is not declared any more, or with no weight; what it had went
// down; or everything that stays has been down for the drain time.
func (l *lawful) excused(name string) bool {
	i := slices.IndexFunc(l.desired.Services, func(s spec.Service) bool { return s.Name == name })
	if i < 0 {
		return true
	}
	s := &l.desired.Services[i]
	weights, down := 0, 0
	for j := range s.Backends {
		b := &s.Backends[j]
		if b.Weight == 0 {
			continue
		}
		weights++
		if l.keeper.checked.overlay.Health[probe.Ref{Service: s.Name, Backend: b.Name}].Status == probe.Down {
			down++
		}
	}
	if weights == 0 {
		return true
	}
	for key, o := range l.keeper.memory.Services {
		over := !o.Waiting.IsZero() && !l.now.Before(o.Waiting.Add(o.Drain))
		if l.nameOf(key) == name && down == weights && over {
			return true
		}
	}
	return down == weights && !slices.ContainsFunc(slices.Collect(maps.Keys(l.keeper.checked.overlay.Leaving)), func(r Ref) bool {
		return l.nameOf(r.Service) == name
	})
}

// settled checks the weights in the end.
func (l *lawful) settled(t *testing.T, seed uint64, desired *spec.Desired, truth map[string]bool) {
	t.Helper()
	table := mustObserve(t, l.Fake)
	for i := range desired.Services {
		s := &desired.Services[i]
		for j := range s.Backends {
			b := &s.Backends[j]
			want, there := b.Weight, true
			if s.PulseOf(b).Type != spec.PulseNone && !truth[destKeyOf(b).Addr.String()] {
				want, there = 0, !s.RemoveDown
			}
			got, exists := table[KeyOf(s)].Dest(destKeyOf(b))
			if exists != there || exists && got.Weight != want {
				t.Fatalf("seed %d: %s/%s is there: %v, with weight %d; want %v, %d", seed, s.Name, b.Name, exists, got.Weight, there, want)
			}
		}
	}
}

// checkedServices is a random configuration of two services whose backends are of six addresses, most of them checked.
func (w world) checkedServices() *spec.Desired {
	d := &spec.Desired{Gorb: spec.Gorb{Resync: 30 * time.Second}}
	for _, name := range []string{"api", "web"} {
		if w.chance(10) {
			continue
		}
		s := spec.Service{
			Name: name, Host: netip.AddrFrom4([4]byte{10, 0, 0, pick(w, byte(1), 1, 1, 3)}), Port: 80, Protocol: spec.TCP,
			Family: spec.IPv4, Method: "wrr", Drain: time.Hour, Pulse: tcpPulse, RemoveDown: w.chance(30),
		}
		if name == "api" {
			s.Port = 81
		}
		for i, n := range w.Perm(6)[:w.IntN(5)] {
			b := spec.Backend{
				Name: fmt.Sprintf("b%d", i), Host: netip.AddrFrom4([4]byte{10, 1, 0, byte(n + 1)}), Port: 80,
				Weight: pick(w, uint32(0), 1, 50, 100), Method: spec.NAT,
			}
			if w.chance(15) {
				b.Pulse = noPulse
			}
			s.Backends = append(s.Backends, b)
		}
		d.Services = append(d.Services, s)
	}
	return d
}

// checkedTable is a random table of such services.
func (w world) checkedTable() kernel.Table { return WantedTable(w.checkedServices()) }

// copyOf copies a configuration.
func copyOf(d *spec.Desired) *spec.Desired {
	c := &spec.Desired{Services: slices.Clone(d.Services)}
	for i := range c.Services {
		c.Services[i].Backends = slices.Clone(c.Services[i].Backends)
	}
	return c
}
