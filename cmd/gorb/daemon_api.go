package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// daemonAPI is what others may ask a daemon for.
type daemonAPI struct {
	*sources.Layers
	*sources.OverrideStore
	reconciler reconciling
	registrar  *sources.Registrar
	asked      chan<- struct{} // of capacity one: the kernel's table is to be read again
	stateDir   string
	engine     *probe.Engine // nil: nobody makes checks
	live       *liveness
	view       *tableView
	tcp        *listening // nil: not over TCP
}

// reconciling is what is asked of the reconciler.
type reconciling interface {
	Passes() reconcile.Passes
	Busy() time.Duration
	Plan(ctx context.Context, desired *spec.Desired, flush bool) (*reconcile.Plan, error)
	Await(ctx context.Context, serial uint64, services ...string) (reconcile.Outcome, error)
	Failing(service string) []error
	Look(ctx context.Context, services ...string) error
}

var (
	_ httpapi.Daemon        = daemonAPI{}
	_ httpapi.Living        = daemonAPI{}
	_ httpapi.MetricsSource = daemonAPI{}
)

// Registration is how the services are registered with Consul; nil: they are not to be.
func (a daemonAPI) Registration() *sources.RegistrarStatus { return a.registrar.Status() }

// Passes is what became of the passes over the table.
func (a daemonAPI) Passes() reconcile.Passes { return a.reconciler.Passes() }

// Busy is for how long the loop that keeps the table has been at one thing; 0: it waits.
func (a daemonAPI) Busy() time.Duration { return a.reconciler.Busy() }

// Listening is where the API is to be had over TCP; nil: nowhere.
func (a daemonAPI) Listening() *httpapi.Listening { return a.tcp.now() }

// Version is that of the program.
func (daemonAPI) Version() string { return version }

// StateDir is where it remembers what is its.
func (a daemonAPI) StateDir() string { return a.stateDir }

// Reload has sources read now. Without names that is all of them, and the kernel's table.
func (a daemonAPI) Reload(names ...string) error {
	if err := a.Layers.Reload(names...); err != nil || len(names) > 0 {
		return err
	}
	select {
	case a.asked <- struct{}{}:
	default: // one is on its way
	}
	return nil
}

// Plan makes a plan of what is proposed, or of what the daemon's sources say.
func (a daemonAPI) Plan(ctx context.Context, o httpapi.PlanOptions) (*httpapi.Plan, error) {
	where, err := place()
	if err != nil {
		return nil, err
	}
	if o.Namespace != "" && o.Namespace != where.Namespace {
		return nil, httpapi.ErrOtherTable
	}
	trial, err := a.Layers.Try(o.Proposals, o.AcceptRemovals)
	if _, told := errors.AsType[spec.Problems](err); err != nil && !told && !errors.Is(err, sources.ErrNothingYet) {
		return nil, httpapi.Fail(http.StatusUnprocessableEntity, err.Error()) // it is of what was proposed
	} else if err != nil {
		return nil, err
	}
	plan, err := a.reconciler.Plan(ctx, trial.Desired, o.Flush)
	if err != nil {
		return nil, err
	}
	out := newPlan(plan)
	out.Order, out.Held = newDrifts(plan), newHeld(trial)
	out.Warnings = newWarnings(trial.Desired.WarningsOn(kernel.Release()))
	out.Daemon = &httpapi.Asked{
		PID: os.Getpid(), Socket: trial.Desired.Gorb.Socket, Namespace: where.Namespace,
		Sources: len(o.Proposals) == 0, Overrides: trial.Overrides, Settings: trial.Own,
	}
	if out.Daemon.Sources {
		a.own(out)
	}
	return out, nil
}

// Probe has a backend checked now, as its configuration says. What the engine has not heard of yet is checked beside it.
func (a daemonAPI) Probe(ctx context.Context, service, backend string) (*httpapi.Probed, error) {
	desired := a.Desired()
	if desired == nil {
		return nil, sources.ErrNothingYet
	}
	w, err := watchOf(desired, objectName{service, backend})
	if err != nil {
		return nil, err
	}
	result, trace, err := a.engine.Now(ctx, w.Ref)
	if errors.Is(err, probe.ErrUnknown) {
		result, trace = w.Once(ctx)
	} else if err != nil {
		return nil, err
	}
	return newProbed(w, result, trace), nil
}

// own adds to a plan of the daemon's own sources which of them cannot be had, and when what is held is confirmed.
func (a daemonAPI) own(plan *httpapi.Plan) {
	for _, s := range a.Status().Sources {
		if s.Err != "" || s.State == sources.Waiting {
			plan.Away = append(plan.Away, httpapi.Away{Source: s.Name, Error: cmp.Or(s.Err, "it has not answered yet"), Copied: s.Good})
		}
		for i := range plan.Held {
			if plan.Held[i].Source == s.Name {
				plan.Held[i].Until = s.Held.Until
			}
		}
	}
}
