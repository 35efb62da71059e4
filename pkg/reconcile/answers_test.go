package reconcile

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// tcpPulse is a check whose answers the tests give.
var tcpPulse = &spec.Pulse{Type: spec.PulseTCP}

// answers stands in for the engine: it knows what is to be checked, and says of it what a test wants.
type answers struct {
	watches map[string][]probe.Watch
	policy  probe.Policy
	sets    int
	checks  int // of the newest Wanted, and exec
	exec    int
	changes chan []probe.News
}

func newAnswers() *answers {
	return &answers{watches: map[string][]probe.Watch{}, changes: make(chan []probe.News)}
}

// Set is of Checks.
func (a *answers) Set(w probe.Wanted) {
	a.sets++
	a.checks, a.exec = w.Checks, w.Exec
	maps.Copy(a.watches, w.Services)
	maps.DeleteFunc(a.watches, func(_ string, list []probe.Watch) bool { return len(list) == 0 })
}

// Changes is of Checks.
func (a *answers) Changes() <-chan []probe.News { return a.changes }

// of returns the watches of a service, whose targets are the addresses of its backends.
func (a *answers) of(s *spec.Service) []probe.Watch {
	var list []probe.Watch
	for i := range s.Backends {
		b := &s.Backends[i]
		if s.PulseOf(b).Type == spec.PulseNone {
			continue
		}
		list = append(list, probe.Watch{
			Ref:    probe.Ref{Service: s.Name, Backend: b.Name},
			Target: probe.Target{Kind: "tcp", Args: netip.AddrPortFrom(b.Host, b.Port).String()}, Policy: a.policy,
		})
	}
	return list
}

// say returns the news that those backends have a verdict whose address begins with a prefix.
func (a *answers) say(v probe.Verdict, prefix string) []probe.News {
	var news []probe.News
	for _, name := range slices.Sorted(maps.Keys(a.watches)) {
		for _, w := range a.watches[name] {
			if strings.HasPrefix(w.Target.Args, prefix) {
				news = append(news, probe.News{Change: probe.Change{Ref: w.Ref, Verdict: v}, Target: w.Target})
			}
		}
	}
	return news
}

// The plain verdicts.
var (
	isUp   = probe.Verdict{Status: probe.Up}
	isDown = probe.Verdict{Status: probe.Down}
)

// director is a keeper whose checks a test answers.
type director struct {
	*kernel.Fake
	*answers
	keeper  *Keeper
	desired *spec.Desired
	now     time.Time
	counts  map[string]probe.Counts // as they were noted
}

func newDirector(table kernel.Table) *director {
	d := &director{Fake: kernel.NewFake(), answers: newAnswers(), now: noon}
	for key, v := range table {
		d.Put(key, v)
	}
	d.keeper = NewKeeper(d.Fake, nil, NewStore("", Place{}), Memory{})
	d.keeper.now = func() time.Time { return d.now }
	d.counts = map[string]probe.Counts{}
	d.keeper.Check(d.answers, d.answers.of, func(name string, c probe.Counts) { d.counts[name] = c })
	return d
}

// declare makes a configuration the one that counts, by a pass over everything.
func (d *director) declare(t *testing.T, next *spec.Desired) *Report {
	t.Helper()
	d.desired = next
	return d.pass(t, nil)
}

// hear has the keeper hear news, and make the pass that follows from them.
func (d *director) hear(t *testing.T, news []probe.News) *Report {
	t.Helper()
	return d.pass(t, d.keeper.checked.take(news))
}

func (d *director) pass(t *testing.T, scope map[kernel.ServiceKey]bool) *Report {
	t.Helper()
	r, err := d.keeper.Pass(t.Context(), d.desired, Options{Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// weights are those of the service web in the kernel: "1:100 2:0" for 10.1.0.1 and 10.1.0.2.
func (d *director) weights(t *testing.T) string {
	t.Helper()
	var words []string
	for _, r := range Canonical(mustObserve(t, d.Fake)[web].Dests) {
		octets := r.Addr.Addr().As4()
		words = append(words, fmt.Sprintf("%d:%d", octets[3], r.Weight))
	}
	return strings.Join(words, " ")
}

// check says so where the weights are not those.
func (d *director) check(t *testing.T, when, want string) {
	t.Helper()
	if got := d.weights(t); got != want {
		t.Errorf("%s: weights %q, want %q", when, got, want)
	}
}

// checkedWeb is a configuration of the service web alone, its backends 10.1.0.N checked, as "1:100 2:50".
func checkedWeb(backends string) *spec.Desired {
	d := webService("10.1.0.1:80")
	s := &d.Services[0]
	s.Pulse, s.Drain = tcpPulse, time.Minute
	s.Backends = nil
	for i, word := range strings.Fields(backends) {
		var n byte
		var weight uint32
		if _, err := fmt.Sscanf(word, "%d:%d", &n, &weight); err != nil {
			panic(err)
		}
		s.Backends = append(s.Backends, spec.Backend{
			Name: fmt.Sprintf("b%d", i), Host: netip.AddrFrom4([4]byte{10, 1, 0, n}), Port: 80, Weight: weight, Method: spec.NAT,
		})
	}
	return d
}
