package spec

import (
	"cmp"
	"maps"
	"slices"
)

// searchBudget bounds what a search for bad overrides costs, in backends and overrides looked at: a second or so. It is far
// more than 10,000 overrides come to in services as they are.
const searchBudget = 1_000_000

// A search finds the overrides that make a whole wrong.
type search struct {
	base     declared // what the documents say
	all      []*change
	of       map[string][]int // the overrides of each service that has some, in order
	rank     map[int]int      // their order
	trials   map[string]*trial
	gorb     Gorb
	probe    Probe
	known    hosts // of the backends that documents and overrides have; which of them there will be, nobody knows yet
	budget   int
	rejected map[int]*report
}

// badOverrides returns what is wrong with each of the overrides that has to be set aside for the whole to be right, as
// far as it is for overrides to make it so.
func badOverrides(base declared, all []*change, order []int) map[int]*report {
	s := search{
		base: base, all: all, of: make(map[string][]int), rank: make(map[int]int), trials: make(map[string]*trial),
		gorb: base.gorb.complete(new(report), nil), probe: base.probe.complete(), known: make(hosts),
		budget: searchBudget, rejected: make(map[int]*report),
	}
	for _, service := range base.services {
		s.known.add(service)
	}
	for rank, i := range order {
		s.of[all[i].name()] = append(s.of[all[i].name()], i)
		s.rank[i] = rank
		s.known.add(all[i].service)
		if b := all[i].backend; b != nil {
			s.known[b.host.value] = true
		}
	}
	names := sortedKeys(s.of)
	for _, name := range names {
		s.try(name, nil)
	}
	s.readmit(s.tellApart(names))
	for _, r := range s.rejected {
		r.shorten()
	}
	return s.rejected
}

// maxTold is how many problems are kept of each override that is set aside.
const maxTold = 10

func (r *report) shorten() {
	if n := len(r.found); n > maxTold {
		r.found, r.more = slices.Clip(r.found[:maxTold]), r.more+n-maxTold
	}
}

// trial returns a trial of a service as the documents have it. No override may make it what is taken.
func (s *search) trial(name string, taken map[identity]string) *trial {
	t := &trial{
		folding: folding{now: s.base.services[name]}, name: name, defaults: &s.base.defaults, gorb: s.gorb,
		probe: s.probe, known: s.known, budget: &s.budget, taken: taken,
	}
	if t.now != nil {
		t.base, _ = s.base.identity(name)
	}
	return t
}

// try lays the overrides of a service that are not set aside yet. None may make it what is taken.
func (s *search) try(name string, taken map[identity]string) {
	t := s.trial(name, taken)
	var order []int
	for _, i := range s.of[name] {
		if s.rejected[i] == nil {
			order = append(order, i)
		}
	}
	for i, r := range t.run(s.all, order) {
		s.rejected[i] = r
	}
	s.trials[name] = t
}

// tellApart sets aside the newest of the overrides that make two services one to the kernel, until all are told apart.
// What documents alone make one stays so. It returns what each service is.
func (s *search) tellApart(names []string) (taken map[identity]string) {
	taken = make(map[identity]string, len(s.base.services))
	for _, name := range sortedKeys(s.base.services) {
		if s.trials[name] == nil {
			if id, ok := s.base.identity(name); ok {
				taken[id] = name
			}
		}
	}
	byAge := slices.Clone(names)
	slices.SortStableFunc(byAge, func(a, b string) int { return cmp.Compare(s.age(a), s.age(b)) })
	for _, name := range byAge {
		for name != "" {
			name = s.admit(taken, name)
		}
	}
	return taken
}

// readmit takes back, the oldest first, what was set aside and goes with the rest after all: a later override mends it, or
// what it did not go with is set aside, too.
func (s *search) readmit(taken map[identity]string) {
	byAge := slices.SortedFunc(maps.Keys(s.rejected), func(i, j int) int { return cmp.Compare(s.rank[i], s.rank[j]) })
	for again := true; again && s.budget >= 0; {
		left := slices.DeleteFunc(slices.Clone(byAge), func(i int) bool { return s.takeBack(i, taken) })
		again = len(left) < len(byAge)
		byAge = left
	}
}

// takeBack takes an override back if it goes with the rest, and reports whether it does.
func (s *search) takeBack(i int, taken map[identity]string) bool {
	name := s.all[i].name()
	if s.budget -= len(s.of[name]); s.budget < 0 {
		return false
	}
	t := s.trial(name, taken)
	for _, j := range s.of[name] {
		if j == i || s.rejected[j] == nil {
			t.apply(s.all[j])
		}
	}
	if !t.check().empty() {
		return false
	}
	delete(s.rejected, i)
	if was := s.trials[name]; was.here && taken[was.service.identity()] == name {
		delete(taken, was.service.identity())
	}
	if t.here {
		taken[t.service.identity()] = name
	}
	s.trials[name] = t
	return true
}

// age is the rank of the override that gave a service its identity, -1 where the documents did.
func (s *search) age(name string) int {
	if t := s.trials[name]; t != nil && t.mover >= 0 {
		return s.rank[t.mover]
	}
	return -1
}

// admit puts a service among the others. It returns the one that has to be placed anew for that, "" for none.
func (s *search) admit(taken map[identity]string, name string) string {
	t := s.trials[name]
	if !t.here {
		return ""
	}
	id := t.service.identity()
	holder, twice := taken[id]
	if !twice || holder == name {
		taken[id] = name
		return ""
	}
	loser, winner := name, holder
	if s.age(holder) > s.age(name) {
		loser, winner = holder, name
	}
	if s.age(loser) < 0 {
		return ""
	}
	r := new(report)
	r.kindf(KindTaken, path{"services", loser}, "%s is service %s already", id, keyString(winner))
	s.rejected[s.trials[loser].mover] = r
	taken[id] = winner
	s.try(loser, taken)
	return loser
}

// identity is what the kernel will know a service by, as far as it can be told.
func (d declared) identity(name string) (identity, bool) {
	if d.services[name].disabled.value {
		return identity{}, false
	}
	var r report
	s := Service{Name: name}
	c := completer{report: &r, defaults: &d.defaults, declared: d.services[name], name: name}
	if c.declared.fwmark.set {
		c.markIdentity(&s)
	} else {
		c.addressIdentity(&s)
	}
	return s.identity(), s.Fwmark != 0 || c.declared.port.set
}
