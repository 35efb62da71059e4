package sources

import (
	"maps"
	"slices"
	"time"
)

// wake is the time to call ring; zero: not.
func (s *stack) wake() time.Time {
	var first time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	sooner(s.judgeAt)
	sooner(s.confirmAt)
	if s.reloading != nil {
		sooner(s.gatherTo)
	}
	if !s.started && s.anything() {
		sooner(s.startBy)
	}
	for _, l := range s.layers {
		sooner(l.askAt)
		if l.copied != nil && l.newest == nil {
			sooner(l.copyAt)
		}
		if l.remote && l.bad != l.account.saidBad {
			sooner(l.said.again())
		}
	}
	return first
}

// ring is to be called at the time that was agreed. It says which layers are to be read again.
func (s *stack) ring(now time.Time) []int {
	over := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	var again []int
	judge := over(s.judgeAt)
	for _, l := range s.layers {
		if l.copied != nil && l.newest == nil && over(l.copyAt) {
			s.useCopy(now, l)
			judge = true
		}
		if over(l.askAt) {
			again = append(again, l.id)
			l.askAt = now.Add(limitsOf(l.decl).hold)
		}
		if l.remote && l.bad != l.account.saidBad && over(l.said.again()) {
			s.tell(now, l)
		}
	}
	if s.reloading != nil && over(s.gatherTo) {
		s.judge(now, cause{asked: true})
		judge = false
	}
	if over(s.confirmAt) {
		s.confirmAt = time.Time{}
		switch {
		case s.waiting == nil:
		case len(s.doubted) == 0:
			s.judge(now, cause{confirmed: true}) // not for what a file says: finish has changed its mind
		default:
			s.confirms = maps.Clone(s.doubted)
			again = slices.AppendSeq(again, maps.Keys(s.confirms))
		}
	}
	if judge || !s.started && s.anything() && over(s.startBy) {
		s.judge(now, cause{})
	}
	slices.Sort(again)
	return slices.Compact(again)
}
