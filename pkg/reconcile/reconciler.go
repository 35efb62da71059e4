package reconcile

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
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
	causeStart  cause = "start"
	causeConfig cause = "configuration"
	causeAsked  cause = "asked"
	causeResync cause = "resync"
	causeDrain  cause = "drain"
	causeRetry  cause = "retry"
)

// Reconciler makes passes when there is reason to: a new configuration, a request, the end of the resync interval, a
// backend that drains, a failure to be tried again. Everything it has belongs to the goroutine of Run.
type Reconciler struct {
	keeper *Keeper
	log    journal

	desired *spec.Desired // the newest; nil before the first
	clean   *spec.Desired // what the table is known to follow; nil after a failure
	flush   bool          // still to be done
	retries int

	resyncAt time.Time // zero: not due
	drainAt  time.Time
	retryAt  time.Time
}

// New returns a reconciler. With flush, the first pass removes every service that is not declared, whoever made it.
func New(k *Keeper, flush bool, log zerolog.Logger) *Reconciler {
	return &Reconciler{
		keeper: k,
		flush:  flush,
		log:    journal{log: log.With().Str("component", "reconcile").Logger()},
	}
}

// Run keeps the table until ctx ends, and then leaves it as it is. Each value of desired takes the place of the one
// before; until the first nothing is read or written. A value of asked makes a whole pass at once.
func (r *Reconciler) Run(ctx context.Context, desired <-chan *spec.Desired, asked <-chan struct{}) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(r.next()))
		var why cause
		select {
		case <-ctx.Done():
			return nil
		case d := <-desired:
			why = causeConfig
			if r.desired == nil {
				why = causeStart
			} else if d.Gorb.Resync != r.desired.Gorb.Resync {
				r.resyncAt = time.Now().Add(jitter(d.Gorb.Resync))
			}
			r.desired = d
		case <-asked:
			why = causeAsked
		case <-timer.C:
			why = r.due(time.Now())
		}
		if r.desired != nil && why != "" {
			r.pass(ctx, why)
		}
	}
}

// next returns when the loop is to wake by itself.
func (r *Reconciler) next() time.Time {
	at := time.Now().Add(time.Hour)
	for _, t := range []time.Time{r.resyncAt, r.drainAt, r.retryAt} {
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
	case over(r.drainAt):
		return causeDrain
	}
	return ""
}

// pass makes one pass and decides when the next is due.
func (r *Reconciler) pass(ctx context.Context, why cause) {
	scope := r.scope(why)
	report, err := r.keeper.Pass(ctx, r.desired, Options{Scope: scope, Flush: r.flush})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		report.Errs = append(report.Errs, err)
	}
	r.log.pass(why, scope == nil, report)

	now := time.Now()
	if scope == nil {
		r.resyncAt = now.Add(jitter(r.desired.Gorb.Resync))
	}
	if scope == nil || why == causeDrain {
		r.drainAt = time.Time{} // other passes do not look at what drains, and must not put it off
	}
	if r.drainAt.IsZero() && len(r.keeper.memory.draining()) > 0 {
		r.drainAt = now.Add(drainInterval)
	}
	if err == nil {
		r.flush = false // it is for the first pass; what that could not delete stays
	}
	switch {
	case len(report.Errs) > 0:
		r.clean = nil
		if scope == nil || r.retryAt.IsZero() {
			r.retryAt = now.Add(jitter(min(firstRetry<<min(r.retries, 10), maxRetry)))
			r.retries++
		}
	case scope == nil || r.clean != nil:
		r.clean, r.retries, r.retryAt = r.desired, 0, time.Time{}
	}
}

// scope returns the services that a pass has to read; nil is all.
func (r *Reconciler) scope(why cause) map[kernel.ServiceKey]bool {
	scope := map[kernel.ServiceKey]bool{}
	switch {
	case why == causeDrain:
		for _, k := range r.keeper.memory.draining() {
			scope[k] = true
		}
	case why == causeConfig && r.clean != nil:
		changed(scope, r.clean, r.desired)
	default:
		return nil
	}
	return scope
}

// changed adds the services to scope that two configurations declare differently.
func changed(scope map[kernel.ServiceKey]bool, was, is *spec.Desired) {
	old := make(map[kernel.ServiceKey]*spec.Service, len(was.Services))
	for i := range was.Services {
		old[KeyOf(&was.Services[i])] = &was.Services[i]
	}
	for i := range is.Services {
		s := &is.Services[i]
		key := KeyOf(s)
		if o, ok := old[key]; !ok || !o.Equal(s) {
			scope[key] = true
		}
		delete(old, key)
	}
	for key := range old {
		scope[key] = true
	}
}

// jitter spreads a duration over a tenth less to a tenth more, so that the directors of a fleet do not act in step.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
