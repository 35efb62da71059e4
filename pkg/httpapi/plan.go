package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Planner is asked what would be done; nothing changes by it.
type Planner interface {
	Plan(ctx context.Context, o PlanOptions) (*Plan, error)
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

// plan makes a plan of the daemon's own sources.
func (a api) plan(r *http.Request) (any, error) {
	var o PlanOptions
	for name, into := range map[string]*bool{"accept_removals": &o.AcceptRemovals, "flush": &o.Flush} {
		var err error
		if *into, err = truth(r.URL.Query(), name); err != nil {
			return nil, err
		}
	}
	return a.planned(r, func() (PlanOptions, error) { return o, nil })
}

// truth is what a query says of a name: nothing, "true", "false" and the like.
func truth(q url.Values, name string) (bool, error) {
	if !q.Has(name) {
		return false, nil
	}
	v, err := strconv.ParseBool(q.Get(name))
	if err != nil {
		return false, Fail(http.StatusBadRequest, name+" is true or false")
	}
	return v, nil
}

// planOf makes a plan of what was sent.
func (a api) planOf(r *http.Request) (any, error) {
	return a.planned(r, func() (PlanOptions, error) {
		var asked PlanRequest
		if err := Read(r, &asked); err != nil {
			return PlanOptions{}, err
		}
		return asked.options()
	})
}

// ErrOtherTable says that a daemon keeps another table than the one that is meant.
var ErrOtherTable = Fail(http.StatusMisdirectedRequest, "this gorb keeps the table of another network namespace")

// planned has one plan made at a time, from the reading of the request on, because a large one takes much room.
func (a api) planned(r *http.Request, read func() (PlanOptions, error)) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), planTime)
	defer cancel()
	select {
	case <-ctx.Done():
		return nil, Fail(http.StatusServiceUnavailable, "others ask for plans already")
	case a.planning <- struct{}{}:
		defer func() { <-a.planning }()
	}
	o, err := read()
	if err != nil {
		return nil, err
	}
	o.Namespace = r.URL.Query().Get("namespace")
	plan, err := a.daemon.Plan(ctx, o)
	switch {
	case errors.Is(err, sources.ErrNothingYet):
		return nil, Fail(http.StatusServiceUnavailable, "there is no configuration yet, so there is no plan either")
	case err != nil && ctx.Err() != nil:
		return nil, Fail(http.StatusServiceUnavailable, "gorb is starting or ending, or has too much to do to make a plan now")
	case err != nil:
		return nil, placed(err)
	}
	return plan, nil
}

// options decodes the documents of a request. The environment is not looked at, and no file.
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
			doc, err := spec.DecodeWith(l.Name, spec.JSON, text, as)
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
	f := Fail(http.StatusUnprocessableEntity, "what was sent cannot be used")
	for _, p := range list {
		f.Problems = append(f.Problems, Problem{Source: p.Source, Path: p.Path, Message: p.Message})
	}
	return f
}
