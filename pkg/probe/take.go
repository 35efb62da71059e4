package probe

import (
	"slices"
	"time"
)

// piece is how many watches are taken before the engine looks after its checks again: a millisecond or two.
const piece = 512

// taking is a Wanted while it is taken: first all leave who give up a target, then all come, and then what nobody checks
// any more is let go. So a target keeps its state when another backend takes it over, of whichever service.
type taking struct {
	services map[string][]Watch
	names    []string // of the services

	leave, come int // how many of them are through
	watch       int // how many watches of the next to come
	turn        int // how many of them have a first check before them
	left        map[Target][]*member
	fallen      map[Ref]bool // of those that left and come back, who was said to be down
	emptied     []*probe     // may have nobody left
	touched     []*probe     // are to be arranged when this piece is taken
	policies    policies
}

// take makes a Wanted the next that is taken.
func (e *Engine) take(w Wanted) {
	e.gen++
	e.plain.wanted, e.exec.wanted = max(1, w.Checks), max(1, w.Exec)
	e.taking = &taking{
		services: w.Services, names: ordered(w.Services),
		left: make(map[Target][]*member), fallen: make(map[Ref]bool), policies: policies{all: make(map[Policy]*Policy)},
	}
}

// ordered returns the names of services, those without weight first: who comes first is checked first.
func ordered(services map[string][]Watch) []string {
	var names, others []string
	for name, watches := range services {
		if len(watches) > 0 && watches[0].Urgent {
			names = append(names, name)
		} else {
			others = append(others, name)
		}
	}
	slices.Sort(names)
	slices.Sort(others)
	return append(names, others...)
}

// takePiece goes on with what is taken.
func (e *Engine) takePiece(now instant) {
	t := e.taking
	for n := 0; n < piece; n++ {
		switch {
		case t.leave < len(t.names):
			n += e.leave(t, t.names[t.leave], now)
			t.leave++
		case t.come < len(t.names):
			e.next(t, now)
		case len(t.emptied) > 0:
			last := len(t.emptied) - 1
			if p := t.emptied[last]; len(p.members) == 0 && !p.gone {
				e.drop(p)
			}
			t.emptied = t.emptied[:last]
		default:
			e.taking = nil
			n = piece
		}
	}
	e.provide()
	for _, p := range t.touched {
		p.touched = false
		e.arrange(p, now)
	}
	t.touched = t.touched[:0]
}

// touch has a probe arranged, once however many of its members are edited.
func (t *taking) touch(p *probe) {
	if !p.touched {
		p.touched = true
		t.touched = append(t.touched, p)
	}
}

// leave takes the backends of a service away that go, or get another target. It returns how many it looked at.
func (e *Engine) leave(t *taking, service string, now instant) int {
	roster, watches := e.services[service], t.services[service]
	if len(roster) == 0 {
		return 0
	}
	targets := make(map[string]Target, len(watches))
	for i := range watches {
		targets[watches[i].Ref.Backend] = watches[i].Target
	}
	var leaving []string
	for name, m := range roster {
		if target, named := targets[name]; !named || target != m.probe.key.Target {
			leaving = append(leaving, name)
		}
	}
	slices.Sort(leaving)
	looked := len(roster) + len(watches)
	for _, name := range leaving {
		m := roster[name]
		delete(roster, name)
		e.unseat(t, m)
		e.hinder(m, "", now)
		target := m.probe.key.Target
		t.left[target] = append(t.left[target], m)
		if _, named := targets[name]; named && m.fallen {
			t.fallen[m.ref] = true
		} else if !named {
			e.tell(News{Change: Change{Ref: m.ref, Gone: true}, Target: target})
		}
	}
	if len(watches) == 0 {
		delete(e.services, service)
	}
	return looked
}

// next has the next watch come.
func (e *Engine) next(t *taking, now instant) {
	service := t.names[t.come]
	watches := t.services[service]
	if t.watch == len(watches) {
		delete(t.services, service) // or all would be held until the last has come
		t.come, t.watch, t.turn = t.come+1, 0, 0
		return
	}
	roster := e.services[service]
	if roster == nil {
		roster = make(map[string]*member, len(watches))
		e.services[service] = roster
	}
	e.come(t, roster, &watches[t.watch], now)
	t.watch++
}

// come seats a backend at the probe that is its.
func (e *Engine) come(t *taking, roster map[string]*member, w *Watch, now instant) {
	p := e.probeOf(w)
	e.slack = max(min(e.slack, w.Policy.Interval/slackShare, w.Policy.FastInterval/slackShare), time.Millisecond)
	m := roster[w.Ref.Backend]
	known := m != nil
	if !known {
		if from := t.heritage(w, p); from != nil {
			m = from.heir()
		}
	}
	if m != nil {
		m.edit(w, t.policies.shared(m.policy, w.Policy), now, e.dice)
	} else {
		m = newMember(w, t.policies.shared(nil, w.Policy), e.gen, now, Begin(now.time(e.epoch)))
	}
	switch {
	case !known:
		p.seat(m)
		roster[w.Ref.Backend] = m
	case m.probe != p: // another timeout
		e.unseat(t, m)
		p.seat(m)
	}
	if m.turn = t.turn; !m.tried {
		t.turn++
	}
	if !known {
		m.fallen = m.fallen || t.fallen[w.Ref]
		last := m.state.Last()
		e.hinder(m, last.cause(), now)
	}
	t.touch(p)
	// Also what is as it was: whoever sets a backend may have forgotten what was told of it, because it was another in a
	// Set between the two, which the engine need not have seen.
	m.judge()
	e.tell(p.news(m))
	e.say(m, m.verdict.Status, "") // if it is up already at another target
}

// probeOf returns the probe of a watch, a new one if need be.
func (e *Engine) probeOf(w *Watch) *probe {
	k := key{w.Target, w.Policy.Timeout}
	p := e.probes[k]
	if p == nil {
		p = &probe{key: k, keeps: w.Keeps, checker: w.Checker(), pool: &e.plain, index: -1, gone: true}
		if w.Target.Kind == kindExec {
			p.pool = &e.exec
		}
		e.probes[k] = p
	}
	if p.gone {
		p.gone = false
		e.needs.count(p, 1)
	}
	return p
}

// unseat takes a member away from its probe.
func (e *Engine) unseat(t *taking, m *member) {
	p := m.probe
	p.unseat(m)
	if t.touch(p); len(p.members) == 0 {
		p.pool.leave(p)
		t.emptied = append(t.emptied, p)
	}
}

// alike is how many members of a probe are looked at for one that is judged alike.
const alike = 64

// heritage returns whose state a new backend has: that of one with its target, and its policy if there is such a one.
// Of those that leave with this Wanted the patience does not matter, as it does not where a backend gets another timeout.
func (t *taking) heritage(w *Watch, p *probe) *member {
	left := t.left[w.Target]
	for _, all := range [][]*member{p.members, left} {
		for _, m := range all[:min(len(all), alike)] {
			if *m.policy == w.Policy {
				return m
			}
		}
	}
	switch {
	case len(p.members) > 0:
		return p.members[0]
	case len(left) > 0:
		return left[0]
	}
	return nil
}

// policies are those of a Wanted, each once: most backends have the same.
type policies struct {
	all  map[Policy]*Policy
	last *Policy
}

// shared returns where a policy is, and was already if it is the same.
func (s *policies) shared(was *Policy, p Policy) *Policy {
	if was != nil && *was == p {
		return was
	}
	if s.last != nil && *s.last == p {
		return s.last
	}
	if s.last = s.all[p]; s.last == nil {
		once := p // or each call would allocate
		s.last = &once
		s.all[p] = s.last
	}
	return s.last
}

// drop lets a probe go that nobody wants any more. Its check is broken off; until that has ended the probe stays, for a
// check of the same target must not begin meanwhile.
func (e *Engine) drop(p *probe) {
	p.gone = true
	e.needs.count(p, -1)
	p.pool.leave(p)
	for _, asked := range p.asked {
		asked <- Answer{Err: ErrUnknown}
	}
	p.asked = nil
	if p.run != nil {
		p.run.cancel()
		e.agenda.put(p, p.wake())
		return
	}
	e.agenda.put(p, never)
	delete(e.probes, p.key)
	e.needs.close(p)
}
