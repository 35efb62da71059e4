package reconcile

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	// drainInterval is the time between readings of services that have leaving backends.
	drainInterval = time.Second
	// firstRetry is the wait after a first failure; it doubles with each further one, up to maxRetry.
	firstRetry = 200 * time.Millisecond
	maxRetry   = 30 * time.Second
)

// cause says what woke the loop, for the log.
type cause string

const (
	causeStart   cause = "start"
	causeConfig  cause = "configuration"
	causeAsked   cause = "asked"
	causeResync  cause = "resync"
	causeDrain   cause = "drain"
	causeRetry   cause = "retry"
	causeAddress cause = "address"
	causeHealth  cause = "health"
	causeLook    cause = "look"
)

// Reconciler makes passes when there is reason to: a new configuration, a request, the end of the resync interval, a
// backend that drains or is judged otherwise, an address that changed, a failure to be tried again. Everything it has belongs to the goroutine
// of Run, but for passes, began, progress and what the keeper wrote.
type Reconciler struct {
	keeper    *Keeper
	log       journal
	questions chan question
	looks     chan look

	desired *index // the newest; nil before the first
	clean   *index // what the table is known to follow; nil after a failure
	flush   bool   // still to be done
	retries int
	contest contest

	passes   atomic.Pointer[Passes]    // nil: there was none
	began    atomic.Pointer[time.Time] // since when Run is at one thing; nil: it waits
	progress *progress
	events   Events

	judged map[kernel.ServiceKey]bool // the services that causeHealth is about
	looked map[kernel.ServiceKey]bool // the same of causeLook

	resyncAt  time.Time // zero: not due
	drainAt   time.Time
	retryAt   time.Time
	addressAt time.Time
	healthAt  time.Time
}

// New returns a reconciler. With flush, the first pass removes every service that is not declared, whoever made it.
func New(k *Keeper, flush bool, log zerolog.Logger) *Reconciler {
	return &Reconciler{
		keeper:    k,
		flush:     flush,
		log:       newJournal(log),
		questions: make(chan question),
		looks:     make(chan look),
		progress:  newProgress(),
	}
}

// Wakes are what wakes a Reconciler beside its own clock. A channel that is nil never does.
type Wakes struct {
	Desired   <-chan *spec.Desired // each value takes the place of the one before
	Asked     <-chan struct{}      // a whole pass at once
	Addresses <-chan struct{}      // an interface or an address of the host changed
}

// Run keeps the table until ctx ends, and then leaves it as it is. Until the first configuration nothing is read or
// written. It runs once.
func (r *Reconciler) Run(ctx context.Context, wakes Wakes) error {
	defer close(r.progress.over)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var news <-chan []probe.News
	if r.keeper.checked != nil {
		news = r.keeper.checked.checks.Changes()
	}
	for {
		timer.Reset(time.Until(r.next()))
		r.began.Store(nil)
		var why cause
		var looks []look
		select {
		case <-ctx.Done():
			return nil
		case d := <-wakes.Desired:
			r.begin()
			why = causeConfig
			if r.desired == nil {
				why = causeStart
			} else if d.Gorb.Resync != r.desired.Gorb.Resync {
				r.resyncAt = time.Now().Add(jitter(d.Gorb.Resync))
			}
			r.desired = r.keeper.indexOf(d)
		case n := <-news:
			r.begin()
			if r.judged = r.keeper.checked.take(n); len(r.judged) > 0 {
				why = causeHealth
			}
		case <-wakes.Asked:
			why = causeAsked
		case <-wakes.Addresses:
			if r.desired != nil && r.addressAt.IsZero() {
				r.addressAt = time.Now().Add(r.contest.wait(time.Now()))
			}
		case l := <-r.looks:
			r.begin()
			if looks = r.allLooks(l); r.desired != nil {
				r.looked, why = r.lookedAt(looks), causeLook
			}
		case q := <-r.questions:
			r.begin()
			q.answer <- r.keeper.answer(q)
		case <-timer.C:
			why = r.due(time.Now())
		}
		if r.desired != nil && why != "" {
			r.begin()
			r.pass(ctx, why)
		}
		for _, l := range looks {
			close(l.done)
		}
	}
}

// next returns when the loop is to wake by itself.
func (r *Reconciler) next() time.Time {
	at := time.Now().Add(time.Hour)
	for _, t := range []time.Time{r.resyncAt, r.drainAt, r.retryAt, r.addressAt, r.healthAt} {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	return at
}

// due returns what there is to do now; "" is nothing.
func (r *Reconciler) due(now time.Time) cause {
	over := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	switch {
	case over(r.retryAt):
		return causeRetry
	case over(r.resyncAt):
		return causeResync
	case over(r.addressAt):
		return causeAddress
	case over(r.healthAt):
		r.judged = r.keeper.checked.due(now)
		return causeHealth
	case over(r.drainAt):
		return causeDrain
	}
	return ""
}

// pass makes one pass and decides when the next is due.
func (r *Reconciler) pass(ctx context.Context, why cause) {
	scope, began := r.scope(why), time.Now()
	report, err := r.keeper.Pass(ctx, r.desired.Desired, Options{
		Scope: scope, Addresses: why == causeAddress, Flush: r.flush,
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		report.failed(err)
	}
	r.log.pass(why, scope == nil, report)

	now := time.Now()
	r.note(now, scope == nil, report)
	r.tellPassed(why, began, now, scope == nil, report)
	if scope == nil {
		r.resyncAt = now.Add(jitter(r.desired.Gorb.Resync))
	}
	if scope == nil || why == causeAddress {
		r.addressAt = time.Time{}
	}
	if r.contest.lost(now, why, report) {
		r.log.contested(report)
	}
	if scope == nil || why == causeDrain {
		r.drainAt = time.Time{} // other passes do not look at what drains, and must not put it off
	}
	if r.drainAt.IsZero() && len(r.keeper.drains()) > 0 {
		r.drainAt = now.Add(drainInterval)
	}
	r.healthAt = r.keeper.checked.next(now)
	if err == nil && !r.desired.Incomplete {
		r.flush = false // it is for the first pass; what that could not delete stays
	}
	r.follow(scope == nil, report, now)
	// What a pass for a configuration is not about is declared as it was, and the table follows that.
	r.progress.note(r.desired.Desired, err == nil && (scope == nil || why == causeConfig), report, err)
}

// follow notes whether the table follows the configuration now, and when what failed is tried again: always by a pass
// over everything.
func (r *Reconciler) follow(whole bool, report *Report, now time.Time) {
	switch {
	case report.ofTable > 0:
		r.clean = nil
	case whole || r.clean != nil:
		r.clean = r.desired
	}
	switch {
	case len(report.Errs) > 0 && (whole || r.retryAt.IsZero()):
		r.retryAt = now.Add(jitter(min(firstRetry<<min(r.retries, 10), maxRetry)))
		r.retries++
	case len(report.Errs) == 0 && whole:
		r.retries, r.retryAt = 0, time.Time{}
	}
}

// scope returns the services that a pass has to read; nil is all.
func (r *Reconciler) scope(why cause) map[kernel.ServiceKey]bool {
	scope := map[kernel.ServiceKey]bool{}
	switch {
	case why == causeDrain:
		return r.keeper.drains()
	case why == causeHealth:
		return r.judged
	case why == causeLook:
		return r.looked
	case why == causeAddress:
	case why == causeConfig && r.clean != nil && r.clean.sameHost(r.desired):
		changed(scope, r.clean, r.desired)
	default:
		return nil
	}
	return scope
}

// jitter spreads a duration over a tenth less to a tenth more, so that the directors of a fleet do not act in step.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
