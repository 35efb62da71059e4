package sources

import (
	"maps"
	"time"
)

// anything says whether there is something to begin with.
func (s *stack) anything() bool {
	for _, l := range s.layers {
		if l.newest != nil {
			return true
		}
	}
	return len(s.overrides) > 0
}

// ready says whether it is time to judge: every source has delivered or its last good copy counts, or they were waited
// for long enough and there is something to begin with.
func (s *stack) ready(now time.Time) bool {
	if s.started {
		return true
	}
	if !s.anything() || len(s.missing()) > 0 && now.Before(s.startBy) {
		return false
	}
	s.started = true
	s.resume()
	return true
}

// resume makes what the last good copies say the measure of what sources remove while gorb was away, and what counted
// before a hold where gorb ended within one. It is not handed over.
func (s *stack) resume() {
	base, any := s.newest(), false
	for _, l := range s.layers {
		if l.copied != nil {
			base[l], any = l.copied, true
		}
		if l.live {
			l.copied = nil
		}
	}
	if !any {
		return
	}
	before := maps.Clone(base)
	for _, l := range s.layers {
		if l.before != nil && base[l] != nil {
			before[l] = l.before
		}
		l.before = nil
	}
	w, err := s.attempt(before, s.overrides)
	if err != nil {
		before = base
		w, err = s.attempt(base, s.overrides)
	}
	if err != nil {
		return
	}
	s.accepted, s.laid = s.completed(w.desired, w), nil
	for l, doc := range before {
		if l.sound = doc; doc != base[l] {
			l.guard = resumed(limitsOf(l.decl))
		}
	}
}

// useCopy makes the last good copy of a source count until the source delivers.
func (s *stack) useCopy(now time.Time, l *layer) {
	l.newest = l.copied
	s.stamps++
	l.stamp = s.stamps
	s.log.Warn().Str("source", l.name).Int64("age_s", int64(now.Sub(l.account.good)/time.Second)).
		Msg("the source has not answered, its last good copy counts until it does")
}
