package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Daemon is the gorb that is asked. Every method may be called at any time, from anywhere.
type Daemon interface {
	Layers
	Overrides
	Audit
	Objects
	Planner
	Prober
	Reconciler
	Registration() *sources.RegistrarStatus // nil: nothing is to be registered with Consul
	Version() string                        // of the program
	StateDir() string                       // where it remembers what is its; "": nowhere
	Listening() *Listening                  // nil: not over TCP
}

// Reconciler is what is asked about the table that is kept; *reconcile.Reconciler has it.
type Reconciler interface {
	Passes() reconcile.Passes
	// Settled waits until a pass over a service has followed the configuration of a serial, or a later one. The error is
	// that of the context, or that the daemon ends.
	Settled(ctx context.Context, serial uint64, service string) (Settled, error)
	// Refused is what the kernel refused of a service in the newest pass over it; nothing: nothing. It waits for no pass, and
	// takes next to no time where nothing is.
	Refused(service string) []Refusal
	// Look has what the kernel has of a service read, and put right. The error is as that of Settled.
	Look(ctx context.Context, service string) error
}

// Layers is what is asked about where the configuration comes from; *sources.Layers has it.
type Layers interface {
	Status() sources.Status
	Held() []sources.HeldObject
	HeldFor(service, backend string) string // the source that leaves it out; "": it is not held
	Explain(service, backend string) ([]spec.Field, error)
	Reload(names ...string) error
	Accept(ctx context.Context, name string) error
	Await(ctx context.Context, revision uint64) (sources.Judged, error)
	TryWrites(writes ...sources.Write) (*sources.Tried, error)
}

// Overrides is what is asked about runtime changes; *sources.OverrideStore has it.
type Overrides interface {
	List() []sources.StoredOverride
	Of(service string) []sources.StoredOverride // a part of List
	Revision() uint64                           // of the newest of all
	Write(ctx context.Context, writes []sources.Write, e *sources.Entry) (sources.Written, error)
}

// Audit is who changed what; *sources.OverrideStore has it.
type Audit interface {
	Record(ctx context.Context, e sources.Entry) (uint64, error)
	Amend(id uint64, status int, result string) error
	Audit(before uint64, most int) []sources.Entry
}

const (
	// acceptTime is how long an acceptance waits for a daemon that is ending, or not there yet.
	acceptTime = 10 * time.Second
	// pendingTime is how long is waited to know whether the kernel refuses an override.
	pendingTime = 500 * time.Millisecond
)

func (a *api) status(context.Context, *caller, *struct{}) (*reply[Status], error) {
	s := newStatus(a.daemon.Status(), a.daemon.Passes(), a.daemon.List(), a.daemon.Registration())
	s.Version, s.StateDir, s.Health = a.daemon.Version(), a.daemon.StateDir(), a.daemon.Checks()
	s.API = a.daemon.Listening()
	if why := hanging(s.Health); why != "" {
		s.Ready, s.NotReady = false, append(s.NotReady, why)
	}
	return ok(s), nil
}

func (a *api) listHeld(context.Context, *caller, *struct{}) (*reply[HeldList], error) {
	return ok(newHeldList(a.daemon.Held())), nil
}

func (a *api) listSources(context.Context, *caller, *struct{}) (*reply[SourceList], error) {
	return ok(SourceList{newSources(a.daemon.Status().Sources)}), nil
}

// isDone is an answer that says that it is done, and no more.
type isDone struct{}

// BecauseOf is why somebody does what is in no override.
type BecauseOf struct {
	Reason string `query:"reason" doc:"What it is for. It is in the audit."`
}

// sourceIn names a source.
type sourceIn struct {
	BecauseOf
	Name string `path:"name" doc:"The name of a source. One that is a URL is one segment, escaped."`
}

func (a *api) accept(ctx context.Context, _ *caller, in *sourceIn) (*reply[isDone], error) {
	if err := a.knows(in.Name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, acceptTime)
	defer cancel()
	err := a.daemon.Accept(ctx, in.Name)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, Fail(http.StatusServiceUnavailable, "gorb is starting or ending, and accepts nothing now")
	case err != nil:
		return nil, Fail(http.StatusConflict, err.Error())
	}
	return ok(isDone{}), nil
}

// knows says which source there is none of.
func (a *api) knows(names ...string) error {
	list := a.daemon.Status().Sources
	for _, name := range names {
		if !slices.ContainsFunc(list, func(s sources.SourceStatus) bool { return s.Name == name }) {
			return Fail(http.StatusNotFound, "no source is called "+strconv.Quote(name))
		}
	}
	return nil
}

func (a *api) reload(_ context.Context, c *caller, _ *BecauseOf) (*reply[isDone], error) {
	var asked ReloadRequest
	if err := readIfAny(c.Request, &asked); err != nil {
		return nil, err
	}
	if err := a.knows(asked.Sources...); err != nil {
		return nil, err
	}
	return ok(isDone{}), a.daemon.Reload(asked.Sources...)
}

func (a *api) explainService(_ context.Context, _ *caller, in *OfService) (*reply[Explanation], error) {
	return a.explain(object{in.Service, ""})
}

func (a *api) explainBackend(_ context.Context, _ *caller, in *OfBackend) (*reply[Explanation], error) {
	return a.explain(object{in.Service, in.Backend})
}

func (a *api) explain(at object) (*reply[Explanation], error) {
	fields, err := a.daemon.Explain(at.service, at.backend)
	switch {
	case errors.Is(err, sources.ErrNothingYet):
		return nil, Fail(http.StatusServiceUnavailable, err.Error())
	case err != nil:
		return nil, Fail(http.StatusNotFound, err.Error())
	}
	e := newExplanation(at.service, at.backend, fields, a.daemon.List())
	e.HeldFor = a.daemon.HeldFor(at.service, at.backend)
	return ok(e), nil
}
