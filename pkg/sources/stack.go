package sources

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// gathering is how long the answers to a Reload are waited for, so that a file on a dead disk does not hold up the rest.
const gathering = 2 * patience

// A stack is the documents of all layers and what became of them. It belongs to one goroutine and knows no clock: it
// says when it wants to be called.
type stack struct {
	log    zerolog.Logger
	finish func(*spec.Desired) (*spec.Desired, error)
	wait   time.Duration // how long the guard waits
	layers []layer

	before   *spec.Desired // what an earlier run left; nil: nothing is known of one
	handed   *spec.Desired // what was taken last; nil: nothing yet
	next     *spec.Desired // what is to be taken; nil: nothing new
	accepted *spec.Desired // the newest that counts: next, or else handed
	refused  string        // why the documents do not go together; "": they do

	alarm     time.Duration // call ring after this time, and not as agreed before; 0: as agreed; under 0: not at all
	reloading map[int]bool  // the layers whose answer to a Reload is still to come; nil: there was none
	removal
}

// layer is one source. A bad one counts with what was accepted of it last, if anything was.
type layer struct {
	name   string
	newest *spec.Document // the newest good one; nil: there was none yet
	sound  *spec.Document // the one that was part of what was accepted; nil: none
	bad    bool           // what is there now is not good
}

func newStack(l *Layers) *stack {
	s := &stack{log: l.log, finish: l.finish, wait: l.Wait, before: l.Before, layers: make([]layer, len(l.files))}
	for i, f := range l.files {
		s.layers[i] = layer{name: f.name, newest: f.first}
	}
	return s
}

// start judges what the program began with.
func (s *stack) start() {
	if d := s.merge(false); d != nil && !s.doubts(d, Reading{}) {
		s.accept(d)
	}
}

// hand notes that next was taken.
func (s *stack) hand() { s.handed, s.next = s.next, nil }

// reload begins to collect the readings that were asked for. They are judged together, because a service may have moved
// from one file to another.
func (s *stack) reload() {
	s.reloading = make(map[int]bool, len(s.layers))
	for i := range s.layers {
		s.reloading[i] = true
	}
	s.waiting, s.confirms = nil, nil // the answers settle it
	s.alarm = gathering
}

// ring is to be called at the time that was agreed. It says which layers are to be read again.
func (s *stack) ring() []int {
	switch {
	case s.reloading != nil:
		s.judge(Reading{Asked: true})
	case s.waiting != nil && len(s.doubted) == 0:
		s.accept(s.waiting) // not for what a file says: finish has changed its mind
	case s.waiting != nil:
		s.confirms = maps.Clone(s.doubted)
		return slices.Sorted(maps.Keys(s.confirms))
	}
	return nil
}

// take takes in a reading.
func (s *stack) take(r Reading) {
	l := &s.layers[r.Layer]
	s.report(l, r)
	switch {
	case r.Err == nil:
		l.newest = r.Document
	case l.sound != nil:
		// What was never accepted, and is not there any more, does not count.
		l.newest = l.sound
		delete(s.doubted, r.Layer)
	}

	if s.reloading != nil {
		if r.Asked {
			delete(s.reloading, r.Layer)
		}
		if len(s.reloading) > 0 {
			return
		}
		r.Asked = true
	}
	switch {
	case !r.Same || r.Asked:
		s.judge(r)
	case r.Again && r.Err == nil && s.confirms[r.Layer]:
		if delete(s.confirms, r.Layer); len(s.confirms) == 0 {
			s.accept(s.waiting)
		}
	}
}

// report logs what a reading changes about its layer being good or bad.
func (s *stack) report(l *layer, r Reading) {
	switch {
	case r.Err != nil && (!r.Same || r.Asked):
		message := "file refused, its last good content stays in force"
		if l.newest == nil {
			message = "file refused, there is no good content of it yet"
		}
		problems(s.log.Error().Str("file", l.name), r.Err).Msg(message)
	case r.Err == nil && l.bad:
		s.log.Info().Str("file", l.name).Msg("file is good again")
	}
	l.bad = r.Err != nil
}

// judge decides what the documents amount to since a reading.
func (s *stack) judge(r Reading) {
	s.reloading = nil
	d := s.merge(r.Asked)
	switch {
	case d == nil:
		s.removal = removal{doubted: s.doubted}
		s.alarm = -1
	case sameDesired(d, s.accepted):
		s.settle()
		if r.Asked && !slices.ContainsFunc(s.layers, func(l layer) bool { return l.bad }) {
			s.log.Info().Msg("configuration read, nothing has changed")
		}
	case r.Asked || !s.doubts(d, r):
		s.accept(d)
	}
}

// merge is what the documents make together; nil when they do not go together, or one is missing.
func (s *stack) merge(asked bool) *spec.Desired {
	docs := make([]*spec.Document, len(s.layers))
	for i, l := range s.layers {
		if docs[i] = l.newest; docs[i] == nil {
			return nil
		}
	}
	d, err := spec.Merge(docs...)
	if err == nil {
		d, err = s.finish(d)
	}
	if err != nil {
		if asked || err.Error() != s.refused {
			problems(s.log.Error(), err).Msg("configuration refused, the last good one stays in force")
		}
		s.refused = err.Error()
		return nil
	}
	if s.refused != "" {
		s.log.Info().Msg("configuration is good again")
	}
	s.refused = ""
	return d
}

// accept makes d what counts.
func (s *stack) accept(d *spec.Desired) {
	for _, w := range d.Warnings {
		if s.accepted == nil || !slices.ContainsFunc(s.accepted.Warnings, w.Same) {
			s.log.Warn().Msg(w.String())
		}
	}
	s.accepted, s.next = d, d
	s.settle()
	backends := 0
	for i := range d.Services {
		backends += len(d.Services[i].Backends)
	}
	s.log.Info().Int("services", len(d.Services)).Int("backends", backends).Msg("configuration read")
}

// settle ends all doubt: the documents are part of what is accepted.
func (s *stack) settle() {
	s.removal = removal{}
	s.alarm = -1
	for i := range s.layers {
		s.layers[i].sound = s.layers[i].newest
	}
}

// sameDesired says whether two declare the same. Where in its document each of it stands is no part of that.
func sameDesired(a, b *spec.Desired) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Gorb == b.Gorb && reflect.DeepEqual(a.IPVS, b.IPVS) && reflect.DeepEqual(a.Services, b.Services)
}

// problems adds an error to a log line: one by one where it is a list.
func problems(e *zerolog.Event, err error) *zerolog.Event {
	list, ok := errors.AsType[spec.Problems](err)
	if !ok {
		return e.Err(err)
	}
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = p.String()
	}
	return e.Strs("problems", lines)
}
