package sources

import (
	"maps"

	"github.com/gorb-io/gorb/pkg/spec"
)

// picks is which document counts of each layer; one without does not take part.
type picks map[*layer]*spec.Document

// whole is what documents and overrides make together, and what had to be left out for it.
type whole struct {
	desired   *spec.Desired
	picks     picks
	order     []*layer // the layers that take part
	overrides []spec.Override
	refused   map[*layer]spec.Problems // whose newest document is left out
	laid      spec.Layered             // what became of the overrides
}

// resolve makes the newest whole that is valid: what makes it invalid is left out alone (spec.Lay). The error says that
// there is none, not even without all that is new. A stack that is frozen makes it of what counts already.
func (s *stack) resolve(frozen bool) (*whole, error) {
	if frozen {
		return s.attempt(s.sound(), s.overrides)
	}
	try := s.newest()
	refused := make(map[*layer]spec.Problems)
	for range len(s.layers) + 1 {
		w, rejected, err := s.lay(try, s.overrides)
		if err != nil {
			return nil, err
		}
		moved := false
		for l, problems := range rejected {
			refused[l] = problems
			// What it declares of sources goes, too, and another arrangement is another whole.
			moved = moved || len(l.children) > 0 && !l.remote
			try[l] = l.sound
		}
		if !moved {
			w.picks, w.refused = try, refused
			return w, nil
		}
	}
	return s.attempt(s.sound(), s.overrides)
}

// attempt makes a whole of these documents and no others. The overrides that do not go with them are left out.
func (s *stack) attempt(p picks, overrides []spec.Override) (*whole, error) {
	w := &whole{picks: p, order: s.arranged(p), overrides: overrides}
	layers := make([]spec.Layer, len(w.order))
	for i, l := range w.order {
		layers[i] = spec.Layer{Document: p[l], Sound: p[l]}
	}
	return w, w.take(spec.Lay(layers, overrides, s.finish))
}

// lay makes a whole of documents, each of which may be left out for what counts of its layer. It returns the layers of
// which that is so.
func (s *stack) lay(p picks, overrides []spec.Override) (*whole, map[*layer]spec.Problems, error) {
	w := &whole{picks: maps.Clone(p), order: s.arranged(p), overrides: overrides}
	layers := make([]spec.Layer, len(w.order))
	for i, l := range w.order {
		layers[i] = spec.Layer{Document: p[l], Sound: l.sound, Turn: l.stamp}
	}
	laid := s.laying.Lay(layers, overrides, s.finish)
	rejected := make(map[*layer]spec.Problems)
	for i, problems := range laid.Rejected {
		if l := w.order[i]; p[l] != l.sound {
			rejected[l] = problems
		}
	}
	return w, rejected, w.take(laid)
}

// take takes in what documents and overrides came to; the error says that they came to nothing.
func (w *whole) take(laid spec.Layered) error {
	w.desired, w.laid = laid.Desired, laid
	if laid.Desired == nil {
		return laid.Problems
	}
	return nil
}

// setAside lists the overrides that do not go with the documents.
func (w *whole) setAside() []Aside {
	var aside []Aside
	for i, o := range w.overrides {
		if problems, bad := w.laid.Invalid[i]; bad {
			aside = append(aside, Aside{Override: o, Err: problems})
		}
	}
	return aside
}

// listed is the overrides of some places in the list.
func (w *whole) listed(places []int) []spec.Override {
	var list []spec.Override
	for _, i := range places {
		list = append(list, w.overrides[i])
	}
	return list
}

// Aside is an override that does not go with the documents, and why.
type Aside struct {
	Override spec.Override
	Err      error
}

// sameOverride says whether two overrides are the same one.
func sameOverride(a, b spec.Override) bool {
	return a.Kind == b.Kind && a.Service == b.Service && a.Backend == b.Backend && a.At.Equal(b.At) &&
		a.Until.Equal(b.Until) && string(a.Body) == string(b.Body)
}
