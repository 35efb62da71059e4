package reconcile

import "time"

// Passes is what became of the passes so far.
type Passes struct {
	Place Place     // the table that is kept
	Last  time.Time // when the last pass ended; zero: there was none
	Whole time.Time // when the last one over everything did; zero: there was none
	Errs  []error   // what failed in the last one, or what could not be done
}

// Passes returns what became of the passes so far. It may be called from anywhere.
func (r *Reconciler) Passes() Passes {
	if p := r.passes.Load(); p != nil {
		return *p
	}
	return Passes{Place: r.keeper.store.place}
}

// note remembers a pass for others to see.
func (r *Reconciler) note(now time.Time, whole bool, report *Report) {
	p := r.Passes()
	p.Last, p.Errs = now, report.Errs
	if whole {
		p.Whole = now
	}
	r.passes.Store(&p)
}
