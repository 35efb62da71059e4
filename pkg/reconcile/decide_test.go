package reconcile

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// key and dest make identities of text, for tests to read.
func key(addr string) kernel.ServiceKey {
	a := netip.MustParseAddrPort(addr)
	return kernel.ServiceKey{Family: kernel.FamilyOf(a.Addr()), Protocol: kernel.TCP, Addr: a}
}

func dest(addr string) kernel.DestKey { return kernel.DestKey{Addr: netip.MustParseAddrPort(addr)} }

// realServer returns an observed destination.
func realServer(addr string, weight uint32, active, inactive uint32) kernel.RealServer {
	return kernel.RealServer{
		DestKey: dest(addr), Dest: kernel.Dest{Weight: weight},
		Conns: kernel.Conns{Active: active, Inactive: inactive},
	}
}

// webService returns a declared service on 10.0.0.1:80 with backends at weight 100.
func webService(backends ...string) *spec.Desired {
	s := spec.Service{
		Name: "web", Host: netip.MustParseAddr("10.0.0.1"), Port: 80, Protocol: spec.TCP, Family: spec.IPv4,
		Method: "wrr", Drain: time.Minute, Pulse: noPulse,
	}
	for _, b := range backends {
		a := netip.MustParseAddrPort(b)
		s.Backends = append(s.Backends, spec.Backend{Name: b, Host: a.Addr(), Port: a.Port(), Weight: 100, Method: spec.NAT})
	}
	return &spec.Desired{Services: []spec.Service{s}, Gorb: spec.Gorb{Resync: 30 * time.Second}}
}

// owned is what a Memory has of services.
type owned = map[kernel.ServiceKey]Owned

// with returns a memory after what a plan wants remembered.
func with(m Memory, p *Plan) Memory {
	k := NewKeeper(nil, nil, NewStore("", Place{}), m)
	if _, err := k.remember(p.memory, p.host); err != nil {
		panic(err)
	}
	return k.memory
}

var web = key("10.0.0.1:80")

// webTable returns a table of that service.
func webTable(dests ...kernel.RealServer) kernel.Table {
	return kernel.Table{web: {
		Service: kernel.Service{Scheduler: "wrr", Netmask: kernel.FullNetmask(kernel.IPv4)},
		Dests:   dests,
	}}
}

// lines returns the operations of a plan as text.
func lines(p *Plan) string {
	var b strings.Builder
	for _, op := range p.Ops {
		b.WriteString(op.String() + "\n")
	}
	return b.String()
}

func TestDrain(t *testing.T) {
	began := func(ago time.Duration) map[kernel.DestKey]Drain {
		return map[kernel.DestKey]Drain{dest("10.1.0.2:80"): {Since: noon.Add(-ago), Until: noon.Add(time.Minute - ago)}}
	}
	const (
		toZero   = "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 0\n"
		deletion = "-d -t 10.0.0.1:80 -r 10.1.0.2:80\n"
	)
	tests := []struct {
		name     string
		leaving  kernel.RealServer
		draining map[kernel.DestKey]Drain
		protocol kernel.Protocol
		change   func(*Input)
		ops      string
		since    time.Duration // ago; what is remembered; under 0: nothing
	}{
		{name: "goes to 0 first", leaving: realServer("10.1.0.2:80", 5, 0, 0), ops: toZero},
		{name: "connections keep it", leaving: realServer("10.1.0.2:80", 0, 3, 0), draining: began(10 * time.Second), since: 10 * time.Second},
		{name: "empty is deleted", leaving: realServer("10.1.0.2:80", 0, 0, 0), draining: began(time.Second), ops: deletion, since: -1},
		{name: "was at 0 before and is empty", leaving: realServer("10.1.0.2:80", 0, 0, 0), ops: deletion, since: -1},
		{name: "was at 0 before and has connections", leaving: realServer("10.1.0.2:80", 0, 1, 0)},
		{name: "a handshake may be under way", leaving: realServer("10.1.0.2:80", 0, 0, 1), draining: began(2 * time.Second), since: 2 * time.Second},
		{name: "no handshake takes that long", leaving: realServer("10.1.0.2:80", 0, 0, 1), draining: began(3 * time.Second), ops: deletion, since: -1},
		{name: "UDP counts the inactive", protocol: kernel.UDP, leaving: realServer("10.1.0.2:80", 0, 0, 1), draining: began(30 * time.Second), since: 30 * time.Second},
		{name: "its time is over", leaving: realServer("10.1.0.2:80", 0, 9, 9), draining: began(time.Minute), ops: deletion, since: -1},
		{name: "raised behind gorb's back", leaving: realServer("10.1.0.2:80", 7, 9, 9), draining: began(50 * time.Second), ops: toZero},
		{name: "the clock went back", leaving: realServer("10.1.0.2:80", 0, 1, 0), draining: began(-time.Hour)},
		{
			name: "the drain time was shortened", leaving: realServer("10.1.0.2:80", 0, 1, 0), draining: began(10 * time.Second), since: -1, ops: deletion,
			change: func(in *Input) { in.Desired.Services[0].Drain = 5 * time.Second },
		},
		{
			name: "its end is another's", leaving: realServer("10.1.0.2:80", 0, 0, 0), draining: began(time.Hour), since: time.Hour,
			change: func(in *Input) { in.KeepDraining = true },
		},
		{
			name: "no drain declared", leaving: realServer("10.1.0.2:80", 5, 9, 9), ops: deletion, since: -1,
			change: func(in *Input) { in.Desired.Services[0].Drain = 0 },
		},
		{
			name: "no drain asked", leaving: realServer("10.1.0.2:80", 5, 9, 9), ops: deletion, since: -1,
			change: func(in *Input) { in.NoDrain = true },
		},
		{
			name: "flush", leaving: realServer("10.1.0.2:80", 5, 9, 9), ops: deletion, since: -1,
			change: func(in *Input) { in.Flush = true },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{
				Desired:  webService("10.1.0.1:80"),
				Memory:   Memory{Services: owned{web: {Name: "web", Drain: time.Minute, Draining: tt.draining}}},
				Observed: webTable(realServer("10.1.0.1:80", 100, 0, 0), tt.leaving),
				Now:      noon,
			}
			at := web
			if tt.protocol == kernel.UDP {
				at.Protocol = kernel.UDP
				in.Desired.Services[0].Protocol = spec.UDP
				in.Observed = kernel.Table{at: in.Observed[web]}
				in.Memory = Memory{Services: owned{at: in.Memory.Services[web]}}
			}
			if tt.change != nil {
				tt.change(&in)
			}
			p := Decide(in)
			if got := lines(p); got != tt.ops {
				t.Errorf("operations:\n%swant:\n%s", got, tt.ops)
			}
			got, draining := with(in.Memory, p).Services[at].Draining[dest("10.1.0.2:80")]
			if want := noon.Add(-tt.since); tt.since < 0 == draining || draining && !got.Since.Equal(want) {
				t.Errorf("remembered %v %v, wanted %v ago", draining, got, tt.since)
			}
		})
	}
}

func TestLeavingServiceDrainsAndGoes(t *testing.T) {
	in := Input{
		Desired:  &spec.Desired{},
		Memory:   Memory{Services: owned{web: {Name: "web", Drain: time.Minute}}},
		Observed: webTable(realServer("10.1.0.2:80", 100, 1, 0), realServer("10.1.0.1:80", 100, 0, 0)),
		Now:      noon,
	}
	p := Decide(in)
	if got, want := lines(p), "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0\n-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 0\n"; got != want {
		t.Fatalf("at first:\n%swant:\n%s", got, want)
	}
	in.Memory = with(in.Memory, p)
	in.Observed = webTable(realServer("10.1.0.2:80", 0, 1, 0), realServer("10.1.0.1:80", 0, 0, 0))
	p = Decide(in)
	if got, want := lines(p), "-d -t 10.0.0.1:80 -r 10.1.0.1:80\n"; got != want {
		t.Fatalf("when one is empty:\n%swant:\n%s", got, want)
	}
	in.Memory = with(in.Memory, p)
	in.Observed = webTable(realServer("10.1.0.2:80", 0, 0, 0))
	if got, want := lines(Decide(in)), "-D -t 10.0.0.1:80\n"; got != want {
		t.Fatalf("when all are empty:\n%swant:\n%s", got, want)
	}
}

func TestOwnership(t *testing.T) {
	observed := webTable(realServer("10.1.0.9:80", 5, 2, 0))
	t.Run("foreign", func(t *testing.T) {
		p := Decide(Input{Desired: &spec.Desired{}, Observed: observed, Now: noon})
		if len(p.Ops) > 0 || !slices.Equal(p.Foreign, []kernel.ServiceKey{web}) || len(p.memory) > 0 {
			t.Errorf("ops %v, foreign %v, memory %v", p.Ops, p.Foreign, p.memory)
		}
	})
	t.Run("foreign and flush", func(t *testing.T) {
		p := Decide(Input{Desired: &spec.Desired{}, Observed: observed, Now: noon, Flush: true})
		if got, want := lines(p), "-D -t 10.0.0.1:80\n"; got != want {
			t.Errorf("got %swant %s", got, want)
		}
	})
	t.Run("adopted", func(t *testing.T) {
		p := Decide(Input{Desired: webService("10.1.0.1:80"), Observed: observed, Now: noon})
		want := "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 100\n-e -t 10.0.0.1:80 -r 10.1.0.9:80 -m -w 0\n"
		if got := lines(p); got != want {
			t.Errorf("got:\n%swant:\n%s", got, want)
		}
		if len(p.Adopted) != 1 || len(p.Adopted[0].Removes) != 1 || p.memory[web] == nil {
			t.Errorf("adopted %v, memory %v", p.Adopted, p.memory)
		}
	})
	t.Run("out of scope", func(t *testing.T) {
		p := Decide(Input{
			Desired: webService("10.1.0.1:80"), Observed: kernel.Table{}, Now: noon,
			Scope: map[kernel.ServiceKey]bool{key("10.0.0.9:80"): true},
		})
		if len(p.Ops) > 0 {
			t.Errorf("ops %v", p.Ops)
		}
	})
}

func TestSchedulerChangeIsMarked(t *testing.T) {
	desired := webService("10.1.0.1:80")
	desired.Services[0].Method = "rr"
	p := Decide(Input{Desired: desired, Observed: webTable(realServer("10.1.0.1:80", 100, 0, 0)), Now: noon})
	if len(p.Ops) != 1 || !strings.Contains(p.Notes[p.Ops[0]], "scheduler wrr to rr") {
		t.Errorf("ops %v, notes %v", p.Ops, p.Notes)
	}
}

// TestUnknown sees that what an edit would reset in part is left alone, and all else in its service goes on.
func TestUnknown(t *testing.T) {
	const why = "it has what gorb does not know"
	unknown := func(addr string, weight uint32) kernel.RealServer {
		b := realServer(addr, weight, 0, 0)
		b.Unknown = why
		return b
	}
	t.Run("a service", func(t *testing.T) {
		observed := webTable(realServer("10.1.0.1:80", 1, 0, 0), realServer("10.1.0.9:80", 1, 0, 0))
		v := observed[web]
		v.Scheduler, v.Unknown = "sh", why
		observed[web] = v
		p := Decide(Input{Desired: webService("10.1.0.1:80"), Observed: observed, Now: noon})
		want := "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 100\n-e -t 10.0.0.1:80 -r 10.1.0.9:80 -m -w 0\n"
		if got := lines(p); got != want || !slices.Equal(p.LeftAlone, []LeftAlone{{Key: web, Reason: why}}) {
			t.Errorf("left alone %v, operations:\n%swant:\n%s", p.LeftAlone, got, want)
		}
	})
	t.Run("backends", func(t *testing.T) {
		observed := webTable(unknown("10.1.0.1:80", 1), realServer("10.1.0.2:80", 1, 0, 0), unknown("10.1.0.9:80", 1))
		for _, flush := range []bool{false, true} {
			p := Decide(Input{Desired: webService("10.1.0.1:80", "10.1.0.2:80"), Observed: observed, Now: noon, Flush: flush})
			want := []LeftAlone{{web, dest("10.1.0.1:80"), why}, {web, dest("10.1.0.9:80"), why}}
			if got := lines(p); got != "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 100\n" || !slices.Equal(p.LeftAlone, want) {
				t.Errorf("left alone %v, operations:\n%s", p.LeftAlone, got)
			}
		}
	})
	t.Run("a leaving service waits for it", func(t *testing.T) {
		in := Input{
			Desired: &spec.Desired{}, Memory: Memory{Services: owned{web: {Name: "web"}}}, Now: noon,
			Observed: webTable(unknown("10.1.0.1:80", 1), realServer("10.1.0.2:80", 1, 0, 0)),
		}
		if got := lines(Decide(in)); got != "-d -t 10.0.0.1:80 -r 10.1.0.2:80\n" {
			t.Errorf("operations:\n%s", got)
		}
	})
	t.Run("a drain that cannot go on is not waited for", func(t *testing.T) {
		m := Memory{Services: owned{web: {
			Name: "web", Drain: time.Minute,
			Draining: map[kernel.DestKey]Drain{dest("10.1.0.9:80"): {Since: noon, Until: noon.Add(time.Minute)}},
		}}}
		p := Decide(Input{Desired: webService(), Memory: m, Observed: webTable(unknown("10.1.0.9:80", 0)), Now: noon})
		if got := with(m, p).Services[web].Draining; len(got) > 0 || len(p.Draining) > 0 {
			t.Errorf("remembered %v, draining %v", got, p.Draining)
		}
	})
}

// TestOwnedEqual sees that whatever changes in what is remembered of a service is written.
func TestOwnedEqual(t *testing.T) {
	one := Owned{Name: "web", Drain: time.Minute, Draining: map[kernel.DestKey]Drain{dest("10.1.0.1:80"): {Since: noon, Until: noon}}}
	later := Owned{Name: "web", Drain: time.Minute, Draining: map[kernel.DestKey]Drain{dest("10.1.0.1:80"): {Since: noon, Until: noon.Add(1)}}}
	for _, other := range []Owned{
		{Name: "other", Drain: one.Drain, Draining: one.Draining},
		{Name: "web", Draining: one.Draining},
		{Name: "web", Drain: one.Drain},
		later,
	} {
		if one.equal(other) || !other.equal(other) {
			t.Errorf("%v and %v", one, other)
		}
	}
}
