package reconcile

import (
	"slices"
	"time"
)

// Passes is what became of the passes so far.
type Passes struct {
	Place Place     // the table that is kept
	Last  time.Time // when the last pass ended; zero: there was none
	Whole time.Time // when the last one over everything did; zero: there was none
	Errs  []error   // what failed in the last one, or what could not be done
	// Waiting are the services in which what is given up waits for a backend that stays to come up, in order.
	Waiting []Waiting
}

// Passes returns what became of the passes so far. It may be called from anywhere.
func (r *Reconciler) Passes() Passes {
	if p := r.passes.Load(); p != nil {
		return *p
	}
	return Passes{Place: r.keeper.store.place}
}

// begin notes that Run begins with something.
func (r *Reconciler) begin() {
	now := time.Now()
	r.began.Store(&now)
}

// Busy is for how long Run has been at one thing, such as a pass; 0: it waits for something to do. It may be called from
// anywhere.
func (r *Reconciler) Busy() time.Duration {
	if began := r.began.Load(); began != nil {
		return time.Since(*began)
	}
	return 0
}

// note remembers a pass for others to see.
func (r *Reconciler) note(now time.Time, whole bool, report *Report) {
	p := r.Passes()
	p.Last, p.Errs = now, report.Errs
	if whole {
		p.Whole = now
	}
	if report.Plan != nil {
		p.Waiting = r.waiting(whole, report.Plan)
	}
	r.passes.Store(&p)
}

// waiting returns what waits now. What a pass was not about is as it was.
func (r *Reconciler) waiting(whole bool, p *Plan) []Waiting {
	was := r.Passes().Waiting
	if len(was)+len(p.Waiting) == 0 {
		return nil
	}
	now := slices.Clone(p.Waiting)
	for _, w := range was {
		if _, decided := p.Names[w.Key]; !whole && !decided {
			now = append(now, w)
		}
	}
	slices.SortFunc(now, func(a, b Waiting) int { return a.Key.Compare(b.Key) })
	return now
}
