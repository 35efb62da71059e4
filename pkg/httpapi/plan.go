package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Planner is asked what would be done; nothing changes by it.
type Planner interface {
	Plan(ctx context.Context, o PlanOptions) (*Plan, error)
	// PlanOf is a plan of a configuration.
	PlanOf(ctx context.Context, d *spec.Desired) (*Plan, error)
}

// PlanOptions say what a plan is of.
type PlanOptions struct {
	Namespace      string             // the network namespace whose table is meant; "": whichever the daemon keeps
	Proposals      []sources.Proposal // none: the daemon's own sources, as they are
	AcceptRemovals bool
	Flush          bool
}

const (
	// planTime is how long a plan may take, the wait for others included.
	planTime = 50 * time.Second // less than a Client waits
	// maxPlanBody is how much is read of a request for a plan.
	maxPlanBody = spec.MaxSize
)

// OfTable says which table is meant.
type OfTable struct {
	Namespace string `query:"namespace" doc:"The network namespace whose table is meant, as /status says it. By default whichever the daemon keeps."`
}

type planIn struct {
	OfTable
	AcceptRemovals bool `query:"accept_removals" doc:"As if the removals that are held were accepted."`
	Flush          bool `query:"flush" doc:"As if gorb started with --flush."`
}

// plan makes a plan of the daemon's own sources.
func (a *api) plan(ctx context.Context, _ *caller, in *planIn) (*reply[Plan], error) {
	return a.planned(ctx, func() (PlanOptions, error) {
		return PlanOptions{Namespace: in.Namespace, AcceptRemovals: in.AcceptRemovals, Flush: in.Flush}, nil
	})
}

// planOf makes a plan of what was sent.
func (a *api) planOf(ctx context.Context, c *caller, in *planIn) (*reply[Plan], error) {
	ctx, cancel := context.WithTimeout(ctx, planTime)
	defer cancel()
	body, err := a.readPlan(ctx, c.Request)
	if err != nil {
		return nil, err
	}
	defer body.done()
	return a.planned(ctx, func() (PlanOptions, error) {
		o, err := body.options()
		o.Namespace = in.Namespace
		o.AcceptRemovals, o.Flush = o.AcceptRemovals || in.AcceptRemovals, o.Flush || in.Flush
		return o, err
	})
}

// ErrOtherTable says that a daemon keeps another table than the one that is meant.
var ErrOtherTable = Fail(http.StatusMisdirectedRequest, "this gorb keeps the table of another network namespace")

func (a *api) planned(ctx context.Context, options func() (PlanOptions, error)) (*reply[Plan], error) {
	plan, err := a.plannedOnce(ctx, func(ctx context.Context) (*Plan, error) {
		o, err := options()
		if err != nil {
			return nil, err
		}
		return a.daemon.Plan(ctx, o)
	})
	if err != nil {
		return nil, err
	}
	return ok(*plan), nil
}

// plannedOnce has one plan made at a time, from the decoding of the request on, because a large one takes much room.
func (a *api) plannedOnce(ctx context.Context, plan func(context.Context) (*Plan, error)) (*Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, planTime)
	defer cancel()
	select {
	case <-ctx.Done():
		return nil, Fail(http.StatusServiceUnavailable, "others ask for plans already")
	case a.planning <- struct{}{}:
		defer func() { <-a.planning }()
	}
	made, err := plan(ctx)
	switch {
	case errors.Is(err, sources.ErrNothingYet):
		return nil, Fail(http.StatusServiceUnavailable, "there is no configuration yet, so there is no plan either")
	case err != nil && ctx.Err() != nil:
		return nil, Fail(http.StatusServiceUnavailable, "gorb is starting or ending, or has too much to do to make a plan now")
	case err != nil:
		return nil, placed(err)
	}
	return made, nil
}

// options decodes the documents of a request.
func (asked PlanRequest) options() (PlanOptions, error) {
	o := PlanOptions{AcceptRemovals: asked.AcceptRemovals, Flush: asked.Flush}
	var problems spec.Problems
	for _, l := range asked.Layers {
		p := sources.Proposal{Name: l.Name}
		if text := bytes.TrimSpace(l.Document); len(text) > 0 && string(text) != "null" {
			as := spec.Options{MaxSize: maxPlanBody} // in JSON it may be longer than it was
			if l.Remote {
				as.Origin = spec.Remote
			}
			doc, err := planDocument(l.Name, spec.JSON, text, as)
			if more, ok := errors.AsType[spec.Problems](err); ok {
				problems = append(problems, more...)
			}
			p.Document = doc
		}
		o.Proposals = append(o.Proposals, p)
	}
	switch {
	case len(problems) > 0:
		return o, placed(problems)
	case len(o.Proposals) == 0:
		return o, Fail(http.StatusUnprocessableEntity, "there are no layers; GET /plan is about the daemon's own")
	}
	return o, nil
}

// placed is the failure of an error whose problems are in several documents.
func placed(err error) error {
	list, ok := errors.AsType[spec.Problems](err)
	if !ok {
		return err
	}
	f := Fail(http.StatusUnprocessableEntity, unusable)
	for _, p := range list {
		if p.Source == theDocument { // which is the only one
			p.Source = ""
		}
		f.Problems = append(f.Problems, Problem{Source: p.Source, Path: p.Path, Message: p.Message})
	}
	return f
}
