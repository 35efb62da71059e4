package spec

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sort"
	"strings"
)

// Layer is the place of a document among others.
type Layer struct {
	Document *Document // the newest; nil: there is none yet
	// Sound takes the place of Document where that is rejected; nil: nothing does. Where both are the same one, it is not
	// rejected.
	Sound *Document
	Turn  uint64 // when Document came: of two the higher is the newer, of equals the later layer
}

// Layered is what layers and overrides come to.
type Layered struct {
	Desired *Desired // nil: there is no way to go on, and Problems says why
	// Problems is what is wrong with the whole; nil where there is a Desired.
	Problems Problems
	// Rejected is what is wrong with the documents that were left out for the whole to be right, by layer. It goes on
	// with what was Sound there.
	Rejected map[int]Problems
	// Invalid is what is wrong with the overrides that were set aside, by their place in the list.
	Invalid map[int]Problems
	// Dangling are the overrides that have no effect because their object is gone, or the service that it is in.
	Dangling []int
	// Idle are those that hide what is not there.
	Idle []int
}

// Lay is MergeWith for layers of which some may not go with the others. While the whole is wrong it sets aside, one by
// one, the newest override that is wrong with what is below it; where documents are wrong without any, it rejects the
// newest that made them so. An override that is wrong with the documents goes before any of these does. Nothing that is
// set aside is lost: it counts again in the next Lay in which it goes with the rest.
//
// The function finish is what a program does to every merged Desired, such as WithHost; what it refuses is wrong too. Nil
// is to do nothing.
func Lay(layers []Layer, overrides []Override, finish func(*Desired) (*Desired, error)) Layered {
	out, _ := lay(layers, overrides, finish)
	return out
}

// lay is Lay. It returns beside that what a later one can go on from; nil where it cannot.
func lay(layers []Layer, overrides []Override, finish func(*Desired) (*Desired, error)) (Layered, *Laid) {
	if finish == nil {
		finish = func(d *Desired) (*Desired, error) { return d, nil }
	}
	l := &laying{layers: layers, finish: finish}
	l.all, l.order, l.broken = changes(overrides)

	var pending []int // the layers whose documents may be rejected
	for i, layer := range layers {
		if layer.Document != nil && layer.Document != layer.Sound {
			pending = append(pending, i)
		}
	}
	pending = l.byTurn(pending)
	out := l.try(pending, nil)
	switch {
	case out.Desired != nil:
		return out, l.keep(overrides, out)
	case len(pending) == 0 || l.try(nil, nil).Desired == nil:
		return out, nil // there is nothing right to go on from
	}
	return l.reject(pending, out), nil
}

// reject leaves out the newest of the documents that are pending, which are wrong together, until the rest is right.
func (l *laying) reject(pending []int, out Layered) Layered {
	rejected := make(map[int]Problems)
	for out.Desired == nil {
		n := l.newestWrong(pending)
		if n < len(pending)-1 {
			out = l.try(pending[:n+1], nil)
		}
		rejected[pending[n]] = out.Problems
		pending = slices.Delete(slices.Clone(pending), n, n+1)
		out = l.try(pending, rejected)
	}
	return l.readmit(pending, rejected, out)
}

// readmit takes back what goes with the rest after all: what was wrong with a document may be what another said that was
// rejected after it.
func (l *laying) readmit(pending []int, rejected map[int]Problems, out Layered) Layered {
	for again := len(rejected) > 1; again; {
		again = false
		for _, i := range l.byTurn(slices.Collect(maps.Keys(rejected))) {
			with := l.byTurn(append(slices.Clone(pending), i))
			rest := maps.Clone(rejected)
			delete(rest, i)
			if laid := l.try(with, rest); laid.Desired != nil {
				out, pending, rejected, again = laid, with, rest, true
			}
		}
	}
	return out
}

// newestWrong returns the place of the newest pending document that is wrong with those before it, while those are right.
// It asks the newest first: what is wrong with an older one alone a newer one may mend.
func (l *laying) newestWrong(pending []int) int {
	wrong := len(pending) - 1 // with those before it
	right := wrong - 1        // -1: without any of them
	for step := 1; right >= 0 && l.try(pending[:right+1], nil).Desired == nil; step *= 2 {
		wrong, right = right, max(right-step, -1)
	}
	first := right + 1
	return first + sort.Search(wrong-first, func(n int) bool { return l.try(pending[:first+n+1], nil).Desired == nil })
}

// byTurn sorts layers, the one with the oldest document first.
func (l *laying) byTurn(layers []int) []int {
	slices.SortFunc(layers, func(a, b int) int { return cmp.Or(cmp.Compare(l.layers[a].Turn, l.layers[b].Turn), a-b) })
	return layers
}

// laying is what all tries have in common.
type laying struct {
	layers []Layer
	all    []*change
	order  []int
	broken map[int]Problems // the overrides that are wrong alone
	finish func(*Desired) (*Desired, error)

	docs []*Document // of the newest try
	base declared    // what they come to
}

// try merges with the newest documents of some layers and the sound ones of the others.
func (l *laying) try(newest []int, rejected map[int]Problems) Layered {
	var docs []*Document
	for i, layer := range l.layers {
		d := layer.Sound
		if slices.Contains(newest, i) {
			d = layer.Document
		}
		if d != nil {
			docs = append(docs, d)
		}
	}
	base := layered(docs)
	l.docs, l.base = docs, base
	out := Layered{Rejected: maps.Clone(rejected), Invalid: maps.Clone(l.broken)}

	order := l.order
	m := l.merge(docs, base, order)
	if m.err != nil && len(order) > 0 {
		bad := badOverrides(base, l.all, order)
		maps.Copy(out.Invalid, placed(docs, l.all, bad))
		order = slices.DeleteFunc(slices.Clone(order), func(i int) bool { return bad[i] != nil })
		m = l.merge(docs, base, order)
		if m.unfinished {
			order, m = l.setAsideUnfinished(docs, base, order, out.Invalid, m)
		}
	}
	return out.with(l, order, m)
}

// merged is what documents and overrides merge to.
type merged struct {
	desired    *Desired
	inert      map[int]bool // the overrides that had nothing to lie over
	err        error
	unfinished bool // only finishing is what failed
}

// merge merges documents with the overrides that order lists, and finishes the whole.
func (l *laying) merge(docs []*Document, base declared, order []int) (m merged) {
	var whole declared
	whole, m.inert = base.lay(l.all, order)
	if m.desired, m.err = whole.complete(docs, picked(l.all, order)); m.err != nil {
		return m
	}
	if m.desired, m.err = m.desired.checkAsked(); m.err == nil {
		m.desired, m.err = l.finish(m.desired)
	}
	m.unfinished = m.err != nil
	return m
}

// finishTries bounds how many overrides are set aside for what finishing says, each for a dozen of merges.
const finishTries = 8

// setAsideUnfinished sets aside the overrides without which the whole can be finished, where it can without any. What
// finishing looks at is not known here, so it is tried: by halves, as the overrides came.
func (l *laying) setAsideUnfinished(docs []*Document, base declared, order []int, invalid map[int]Problems, m merged) (
	[]int, merged,
) {
	fails := func(n int) error { return l.merge(docs, base, order[:n]).err }
	for try := 0; m.err != nil && try < finishTries && fails(0) == nil; try++ {
		n := sort.Search(len(order)-1, func(n int) bool { return fails(n+1) != nil })
		invalid[order[n]] = asProblems(fails(n + 1))
		order = slices.Delete(slices.Clone(order), n, n+1)
		m = l.merge(docs, base, order)
	}
	return order, m
}

// asProblems returns the problems that an error is made of; any other is one.
func asProblems(err error) Problems {
	if problems, ok := errors.AsType[Problems](err); ok || err == nil {
		return problems
	}
	return Problems{{Message: err.Error()}}
}

// with fills in what came of a try.
func (out Layered) with(l *laying, order []int, m merged) Layered {
	if m.err != nil {
		out.Problems = asProblems(m.err)
		return out
	}
	out.Desired = m.desired
	for _, i := range slices.Sorted(slices.Values(order)) {
		switch m.desired.effect(l.all[i], m.inert[i]) {
		case laidIdle:
			out.Idle = append(out.Idle, i)
		case laidDangling:
			out.Dangling = append(out.Dangling, i)
		}
	}
	return out
}

// has reports whether there is what a Set or Patch needs: its object, or for a Set the service that it is in. What a
// later override hid of a Set is as it should be.
func (d *Desired) has(c *change) bool {
	s := d.service(c.name())
	switch {
	case c.kind == Set && c.backendName() == "":
		return true
	case s == nil || c.kind == Set || c.backendName() == "":
		return s != nil
	}
	return s.backend(c.backendName()) != nil
}

// service returns the service of a name; nil where there is none.
func (d *Desired) service(name string) *Service {
	i, found := slices.BinarySearchFunc(d.Services, name, func(s Service, name string) int {
		return strings.Compare(s.Name, name)
	})
	if !found {
		return nil
	}
	return &d.Services[i]
}

func (s *Service) backend(name string) *Backend {
	i, found := slices.BinarySearchFunc(s.Backends, name, func(b Backend, name string) int {
		return strings.Compare(b.Name, name)
	})
	if !found {
		return nil
	}
	return &s.Backends[i]
}
