package sources

import (
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Trying says what a Trial goes by. The zero value knows of nothing before.
type Trying struct {
	Now time.Time
	// Copies has the last good copies, by which removals are measured and which stand in for sources that cannot be had;
	// nil: there are none. They are only read.
	Copies copies
	// Finish is that of NewLayers; nil is to do nothing.
	Finish func(*spec.Desired) (*spec.Desired, error)
	// Accept does what would be held.
	Accept bool
}

// Trial is what sources come to, found without running them.
type Trial struct {
	Desired   *spec.Desired // what would count, with what is held as it was
	Held      []Removal     // what is held, the lowest layer first
	Away      []Away        // the sources that cannot be had, whose last good copies count
	Overrides int           // how many have an effect
	Unread    []error       // why last good copies cannot be read
	Own       []string      // the keys of settings that are the sources' own, because what Try was given leaves them out

	good []order
}

// Removal is the removals of a source that are held.
type Removal struct {
	Source     string
	MaxRemoval int // the share, in percent, over which they are
	Held
}

// Away is a source that cannot be had.
type Away struct {
	Source string
	Err    error
	Copied time.Time // when what counts of it came
}

// Trial is what run would make of what was read, of which nothing was left out (Once.Away, Once.Alone), as if it had been
// read by Reload: what files say counts at once, and what remote sources would remove is measured by their last good
// copies. A source that could not be had, and has no copy, is an error, and so is a whole that is not valid.
func (all Loaded) Trial(t Trying) (*Trial, error) {
	layers := NewLayers(zerolog.Nop(), nil, t.Finish)
	kept := &noted{copies: t.Copies}
	layers.Copies = kept
	s := newStack(layers, t.Now)
	pieces := make(map[string]Piece, len(all.Pieces))
	for _, p := range all.Pieces {
		pieces[p.Name] = p
	}
	for _, a := range all.Args {
		l := s.found(t.Now, a.layerName(), a.Decl, nil)
		s.orders = append(s.orders, order{id: l.id, name: l.name})
	}
	good := s.answer(t.Now, pieces)
	if err := s.lacks(pieces); err != nil {
		return nil, errors.Join(append([]error{err}, kept.errs...)...)
	}
	if s.accepted == nil || s.refused != "" {
		return nil, s.wrong()
	}
	if t.Accept {
		s.acceptAll(t.Now)
		good = append(good, s.answer(t.Now, pieces)...)
	}
	trial := s.trial()
	trial.good, trial.Unread = good, kept.errs
	for _, l := range s.arranged(s.newest()) {
		if err := pieces[l.name].Err; err != nil {
			trial.Away = append(trial.Away, Away{Source: l.name, Err: err, Copied: l.account.good})
		}
	}
	return trial, nil
}

// layerName is what the layer of an argument is called.
func (a Argument) layerName() string {
	if a.Remote() {
		return title(a.Decl)
	}
	return a.Name
}

// answer gives the stack what was read of every source that it asks for, and returns what else it wants done.
func (s *stack) answer(now time.Time, pieces map[string]Piece) []order {
	var rest []order
	for orders := s.takeOrders(); len(orders) > 0; orders = s.takeOrders() {
		for _, o := range orders {
			l := s.byID[o.id]
			switch {
			case o.save != nil || o.hold != nil:
				rest = append(rest, o)
			case !o.stop && l != nil:
				r := pieces[l.name].reading
				r.Layer, r.Asked = l.id, true
				s.take(now, r)
			}
		}
	}
	return rest
}

// lacks is what is wrong with the sources of which there is nothing at all.
func (s *stack) lacks(pieces map[string]Piece) error {
	var problems spec.Problems
	for _, l := range s.layers {
		if p := pieces[l.name]; l.newest == nil && p.Err != nil {
			problems = append(problems, problemsWith(p.Name, p.Err)...)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

// wrong is why the newest documents come to nothing, in the words of whoever refuses them.
func (s *stack) wrong() error {
	newest := s.newest()
	var docs []*spec.Document
	for _, l := range s.arranged(newest) {
		docs = append(docs, newest[l])
	}
	d, err := spec.Merge(docs...)
	if err == nil {
		_, err = s.finish(d)
	}
	if err == nil {
		_, err = s.attempt(newest, s.overrides)
	}
	if err == nil {
		return errors.New(s.refused)
	}
	return err
}

// acceptAll lets go whatever is held.
func (s *stack) acceptAll(now time.Time) {
	for _, l := range slices.Clone(s.layers) {
		if len(l.guard.held) > 0 {
			_ = s.acceptRemoval(now, l.name) // which errs only where there is nothing to accept
		}
	}
}

// trial is what came of what the stack was given.
func (s *stack) trial() *Trial {
	t := &Trial{
		Desired:   s.accepted,
		Overrides: len(s.overrides) - len(s.aside) - len(s.dangling) - len(s.idle),
	}
	for _, l := range s.arranged(s.newest()) {
		if len(l.guard.held) > 0 {
			t.Held = append(t.Held, Removal{Source: l.name, MaxRemoval: l.decl.MaxRemoval, Held: s.statusOf(l).Held})
		}
	}
	return t
}

// Save keeps what the sources delivered as their last good copies, and beside them what is held is measured by.
func (t *Trial) Save(c Copies) error { return obey(c, t.good) }

// noted is copies, and why some could not be read.
type noted struct {
	copies copies // nil: none
	errs   []error
}

// Load is that of copies; what it cannot read is noted.
func (n *noted) Load(name string) (*spec.Document, time.Time, error) {
	if n.copies == nil {
		return nil, time.Time{}, nil
	}
	doc, at, err := n.copies.Load(name)
	if err != nil {
		n.errs = append(n.errs, err)
	}
	return doc, at, err
}

// Save saves nothing: see Trial.Save.
func (n *noted) Save(string, Reading) error { return nil }

// Before is what Load is, of what counted before something was held.
func (n *noted) Before(name string) (*spec.Document, error) {
	if n.copies == nil {
		return nil, nil
	}
	doc, err := n.copies.Before(name)
	if err != nil {
		n.errs = append(n.errs, err)
	}
	return doc, err
}

// Hold holds nothing: see Trial.Save.
func (n *noted) Hold(string, bool) error { return nil }
