package reconcile

import (
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
)

// Events are told what happens, by the goroutine of Run, which waits until they return: they must not block. One that is
// nil is not told.
type Events struct {
	Passed func(Passed)
	Turned func(Turned)
	Fell   func(Fell)
}

// Passed is a pass that was made. What it has is not changed any more; who keeps it, keeps all that the pass read.
type Passed struct {
	Cause   string // "configuration", "health", "resync" and the like
	At      time.Time
	Took    time.Duration
	Whole   bool     // it was about every service
	Serial  uint64   // of the Desired that it followed
	Results []Result // in order: done, failed, or held back (ErrHeld)
	Errs    []error  // what failed: operations, and what had to come before them

	plan *Plan // nil: the table could not be read
}

// Name returns what the service is called that an operation on the table is about, "" for one on the host.
func (p *Passed) Name(r Result) string {
	if r.Host != nil || p.plan == nil {
		return ""
	}
	return p.plan.called(r.Op.Key)
}

// Turned is a backend that is judged otherwise than before. Those that leave are not told of.
type Turned struct {
	probe.Ref
	Was, Is probe.Status
	Text    string // what its check said, of one that is down
	At      time.Time
}

func newTurned(was probe.Status, n probe.News) Turned {
	t := Turned{Ref: n.Ref, Was: was, Is: n.Verdict.Status, At: n.Since}
	if t.Is == probe.Down {
		t.Text = n.Text
	}
	return t
}

// Fell is a service that has come to have no backend that is up, or has one again.
type Fell struct {
	Service string
	Key     kernel.ServiceKey
	AllDown bool
	Counts  probe.Counts
}

// Tell has others told what happens. It comes before Run, and after the keeper has its Check.
func (r *Reconciler) Tell(e Events) {
	r.events, r.log.fell = e, e.Fell
	if r.keeper.checked != nil {
		r.keeper.checked.turned = e.Turned
	}
}

// tellPassed tells of a pass.
func (r *Reconciler) tellPassed(why cause, began, now time.Time, whole bool, report *Report) {
	if r.events.Passed == nil {
		return
	}
	r.events.Passed(Passed{
		Cause: string(why), At: now, Took: now.Sub(began), Whole: whole, Serial: r.desired.Serial,
		Results: report.Results, Errs: report.Errs, plan: report.Plan,
	})
}
