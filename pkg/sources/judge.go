package sources

import (
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// cause is why something is judged. The zero value is that documents said something.
type cause struct {
	asked     bool // somebody wants to have it so: a Reload
	confirmed bool // the second reading of files is there
	override  bool // it does not come from documents
}

// judge decides what the documents and overrides amount to.
func (s *stack) judge(now time.Time, c cause) {
	if !s.ready(now) {
		s.judgeAt, s.reloading = time.Time{}, nil // it is done when the time has come
		return
	}
	// What waits for files to be read again goes on waiting while something else changes.
	frozen := c.override && (s.waiting != nil || s.reloading != nil)
	touched, asked := s.touched, c.asked && s.answeredAll()
	if !frozen {
		s.judgeAt, s.reloading = time.Time{}, nil
		s.touched, s.askedFor = make(map[int]bool), make(map[int]bool)
	}
	if !c.override {
		s.pause(now)
		s.laying = spec.Layering{} // what finish knows of the host may be otherwise now, also where the documents are the same
	}
	w, err := s.resolve(frozen)
	if s.hopeless = err; err != nil {
		s.refuse(now, err, c.asked)
		if !frozen {
			s.removal = removal{doubted: s.doubted}
		}
		return
	}
	guards, held := s.guards(now, w)
	d := s.completed(withHeld(w.desired, s.accepted, held), w)
	if !frozen {
		s.refusals(now, w, c.asked)
	}
	s.setAside(now, w)
	same := s.underway() && sameDesired(d, s.accepted)
	sure := frozen || asked || c.override && len(touched) == 0
	if !same && !sure && s.doubts(now, d, touched, c.confirmed) {
		if c.override {
			s.judge(now, c) // without what is in doubt now
		}
		return
	}
	was := s.accepted
	s.keepAll(guards)
	s.accept(now, w, d, c, frozen, same)
	s.watch(now, was, guards)
	s.dismiss(now)
}

// answeredAll says whether every layer in doubt was among those to be reloaded.
func (s *stack) answeredAll() bool {
	for id := range s.doubted {
		if !s.askedFor[id] && s.waiting != nil {
			return false
		}
	}
	return true
}

// completed is d, marked where a source that takes part has not been heard yet.
func (s *stack) completed(d *spec.Desired, w *whole) *spec.Desired {
	if !slices.ContainsFunc(w.order, func(l *layer) bool { return w.picks[l] == nil }) {
		return d
	}
	c := *d
	c.Incomplete = true
	return &c
}

// accept makes d what counts.
func (s *stack) accept(now time.Time, w *whole, d *spec.Desired, c cause, frozen, same bool) {
	d = s.numbered(d, same)
	switch {
	case !same:
		s.announce(now, s.accepted, d, c)
		s.next = d
	case s.next != nil:
		s.next = d
	}
	if same && c.asked && !slices.ContainsFunc(s.layers, func(l *layer) bool { return l.bad }) {
		s.log.Info().Msg("configuration read, nothing has changed")
	}
	s.accepted, s.laid = d, s.laying.Laid()
	if frozen {
		s.laid = nil // it is of documents that do not count yet
	}
	s.settle(w, frozen)
}

// numbered is d with its serial, which is a new one only where d is other than what counts.
func (s *stack) numbered(d *spec.Desired, same bool) *spec.Desired {
	c := *d
	if c.Serial = s.serial; !same {
		s.serial++
		c.Serial = s.serial
	}
	return &c
}

// underway says whether something was handed over, or is about to be.
func (s *stack) underway() bool { return s.handed != nil || s.next != nil }

// announce logs that d counts from now on.
func (s *stack) announce(now time.Time, was, d *spec.Desired, c cause) {
	for _, warning := range d.Warnings {
		if was == nil || !slices.ContainsFunc(was.Warnings, warning.Same) {
			s.line(now, &s.said, zerolog.WarnLevel).Msg(warning.String())
		}
	}
	backends := 0
	for i := range d.Services {
		backends += len(d.Services[i].Backends)
	}
	event := s.log.Debug() // who writes overrides is answered, and the audit has it
	if !c.override {
		event = s.line(now, &s.said, zerolog.InfoLevel)
	}
	if d.Incomplete {
		event.Strs("missing", s.missing())
	}
	event.Int("services", len(d.Services)).Int("backends", backends).Msg("configuration read")
}

// missing is the names of the sources that have not been heard yet.
func (s *stack) missing() []string {
	var names []string
	for _, l := range s.layers {
		if l.newest == nil {
			names = append(names, l.name)
		}
	}
	return names
}

// settle notes what is part of what counts, and ends all doubt about files unless they are left as they are.
func (s *stack) settle(w *whole, frozen bool) {
	if frozen {
		return
	}
	s.removal, s.free = removal{}, make(map[object]bool)
	for _, l := range s.layers {
		l.heard = false
	}
	for l, doc := range w.picks {
		if doc == nil {
			continue
		}
		l.sound = doc
		if l.remote && l.live && doc == l.reading.Document && doc != l.saved {
			reading := l.reading
			s.orders = append(s.orders, order{name: l.name, save: &reading})
			l.reading, l.saved = Reading{}, doc
		}
	}
}

// refuse notes that nothing valid can be made at all.
func (s *stack) refuse(now time.Time, err error, asked bool) {
	if asked || err.Error() != s.refused {
		problems(s.line(now, &s.said, zerolog.ErrorLevel), err).
			Msg("configuration refused, the last good one stays in force")
	}
	s.refused = err.Error()
}

// refusals notes which documents were left out of a whole to make it valid, and says what is new about that.
func (s *stack) refusals(now time.Time, w *whole, asked bool) {
	var texts []string
	// What was refused of a source that fails now is not good again: nobody knows what it would say.
	unknown, better := false, false
	for _, l := range s.layers {
		err, refused := w.refused[l]
		if !refused {
			if l.account.refused != "" {
				unknown, better = unknown || l.bad, better || !l.bad
				l.account.refused, l.account.saidRefused = "", ""
			}
			continue
		}
		if l.account.refused == "" {
			l.account.refusedAt = now
		}
		texts = append(texts, err.Error())
		l.account.refused = err.Error()
		if asked || l.account.saidRefused != err.Error() {
			problems(s.line(now, &l.said, zerolog.ErrorLevel).Str(l.kind(), l.name), err).
				Msg("configuration refused, the last good one stays in force")
		}
		l.account.saidRefused = err.Error()
	}
	if s.refused != "" && len(texts) == 0 && (better || !unknown) {
		s.line(now, &s.said, zerolog.InfoLevel).Msg("configuration is good again")
	}
	s.refused = strings.Join(texts, "\n")
}

// setAside notes what overrides have no effect, and says what is new about that.
func (s *stack) setAside(now time.Time, w *whole) {
	aside := w.setAside()
	for _, a := range aside {
		if !slices.ContainsFunc(s.aside, func(b Aside) bool { return sameOverride(a.Override, b.Override) }) {
			problems(s.line(now, &s.said, zerolog.ErrorLevel).Str("override", a.Override.Object()), a.Err).
				Msg("override set aside, it does not go with the documents")
		}
	}
	s.aside, s.dangling, s.idle = aside, w.listed(w.laid.Dangling), w.listed(w.laid.Idle)
}
