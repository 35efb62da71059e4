package sources

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Tried is what would count with some writes.
type Tried struct {
	Services []TriedService // those that the writes are about, by name
	Effects  []Effect       // of each write: InForce, Dangles or Idles
	Warnings spec.Problems  // about those services
	Aside    []Aside        // other overrides that would not go with the rest any more

	quick *spec.Relaid // nil: the whole was looked at
	view  *view
	whole func() (*stack, error) // looks at the whole
	trial *spec.Desired          // what that came to; nil: it was not
}

// TriedService is a service as it counts and as it would; nil: it is not there. Both are shared and must not be changed.
type TriedService struct {
	Name     string
	Was, Now *spec.Service
}

// TryWrites finds what would count with these writes in force, in their order; what they say of revisions is not looked at.
// The error says what is wrong with them: spec.Problems with the path of each, an *OverrideError, or ErrNothingYet. Nothing
// changes by it, and it may be called from anywhere.
//
// It costs what the services cost that the writes are about, unless others have to be looked at as well: an address that
// another has, a pulse with a host of its own, or an override of the same service that is set aside.
func (l *Layers) TryWrites(writes ...Write) (*Tried, error) {
	v := l.snapshot.Load()
	if v.desired == nil {
		return nil, ErrNothingYet
	}
	now := time.Now()
	list, err := v.merged(now, writes)
	if err != nil {
		return nil, err
	}
	t := &Tried{view: v, whole: func() (*stack, error) {
		l.wholes.Lock()
		defer l.wholes.Unlock()
		return v.with(now, l.finish, list)
	}}
	if v.laid == nil {
		return t.slow(list)
	}
	if t.quick = v.laid.With(list...); t.quick.Hard() {
		return t.slow(list)
	}
	if problems := t.quick.Problems(); len(problems) > 0 {
		return nil, problems
	}
	t.Warnings = t.quick.Warnings()
	for _, name := range t.quick.Services() {
		s := TriedService{Name: name}
		s.Was, s.Now = t.quick.Service(name)
		t.Services = append(t.Services, s)
	}
	for _, o := range list {
		effect := InForce
		switch dangling, idle := t.quick.Effect(o.Key()); {
		case dangling:
			effect = Dangles
		case idle:
			effect = Idles
		}
		t.Effects = append(t.Effects, effect)
	}
	return t, nil
}

// merged is the overrides that the store would have at the keys of the writes, one for each write.
func (v *view) merged(now time.Time, writes []Write) ([]spec.Override, error) {
	list := make([]spec.Override, len(writes))
	for i, w := range writes {
		o, err := tidy(w.Override)
		if err != nil {
			return nil, err
		}
		if o.At.IsZero() {
			o.At = now.UTC()
		}
		was, there := v.override(o)
		for _, earlier := range list[:i] {
			if earlier.Key() == o.Key() {
				was, there = earlier, !isClear(earlier)
			}
		}
		if there && !isClear(o) && (!was.Ends() || now.Before(was.Until)) {
			if o, err = over(was, o); err != nil {
				return nil, err
			}
		}
		list[i] = o
	}
	return list, nil
}

// override is the override at the key of another that was looked at last.
func (v *view) override(o spec.Override) (spec.Override, bool) {
	if v.laid != nil {
		return v.laid.Override(o.Key())
	}
	i := slices.IndexFunc(v.status.Overrides, func(p spec.Override) bool { return p.Key() == o.Key() })
	if i < 0 {
		return spec.Override{}, false
	}
	return v.status.Overrides[i], true
}

// with is a stack that has judged the whole with other overrides.
func (v *view) with(now time.Time, finish func(*spec.Desired) (*spec.Desired, error), list []spec.Override) (*stack, error) {
	s := v.stack(now, finish)
	for _, st := range v.stands {
		if st.part {
			s.propose(now, st, st.document)
		}
	}
	s.bystanders(v.stands)
	s.overrides = replacedBy(s.overrides, list)
	s.judge(now, cause{asked: true})
	if s.refused != "" {
		return nil, s.wrong()
	}
	return s, nil
}

// slow looks at the whole.
func (t *Tried) slow(list []spec.Override) (*Tried, error) {
	s, err := t.whole()
	if err != nil {
		return nil, err
	}
	var problems spec.Problems
	about := func(o spec.Override) func(spec.Override) bool {
		return func(p spec.Override) bool { return p.Key() == o.Key() }
	}
	for _, a := range s.aside {
		if slices.ContainsFunc(list, about(a.Override)) {
			own, _ := errors.AsType[spec.Problems](a.Err)
			problems = append(problems, own...)
		} else if !slices.ContainsFunc(t.view.status.Aside, func(b Aside) bool { return sameOverride(a.Override, b.Override) }) {
			t.Aside = append(t.Aside, a)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	for _, o := range list {
		effect := InForce
		switch {
		case slices.ContainsFunc(s.dangling, about(o)):
			effect = Dangles
		case slices.ContainsFunc(s.idle, about(o)):
			effect = Idles
		}
		t.Effects = append(t.Effects, effect)
		if !slices.ContainsFunc(t.Services, func(have TriedService) bool { return have.Name == o.Service }) {
			t.Services = append(t.Services, TriedService{o.Service, t.view.desired.Service(o.Service), s.accepted.Service(o.Service)})
			t.Warnings = append(t.Warnings, s.accepted.WarningsOf(o.Service)...)
		}
	}
	slices.SortFunc(t.Services, func(a, b TriedService) int { return strings.Compare(a.Name, b.Name) })
	t.trial = s.accepted
	return t, nil
}

// replacedBy is the overrides with others in place of those at their keys, those that end last.
func replacedBy(all, list []spec.Override) []spec.Override {
	keys := make(map[spec.OverrideKey]bool, len(list))
	for _, o := range list {
		keys[o.Key()] = true
	}
	all = slices.DeleteFunc(slices.Clone(all), func(o spec.Override) bool { return keys[o.Key()] })
	for i, o := range list {
		later := func(p spec.Override) bool { return p.Key() == o.Key() }
		if !isClear(o) && !slices.ContainsFunc(list[i+1:], later) {
			all = append(all, o)
		}
	}
	return slices.Concat(
		slices.DeleteFunc(slices.Clone(all), spec.Override.Ends),
		slices.DeleteFunc(all, func(o spec.Override) bool { return !o.Ends() }),
	)
}

// Desired is the whole that would count, with what is held as it was: for a plan.
func (t *Tried) Desired() (*spec.Desired, error) {
	switch {
	case t.trial != nil:
		return t.trial, nil
	case len(t.view.guards) > 0: // where what is held stands the whole decides
		s, err := t.whole()
		if err != nil {
			return nil, err
		}
		return s.accepted, nil
	}
	d := *t.quick.Desired()
	d.Incomplete = t.view.desired.Incomplete
	return &d, nil
}
