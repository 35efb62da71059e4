package httpapi

import (
	"bytes"
	"cmp"
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
	Planner
	Prober
	Reconciler
	Registration() *sources.RegistrarStatus // nil: nothing is to be registered with Consul
	Version() string                        // of the program
	StateDir() string                       // where it remembers what is its; "": nowhere
}

// Reconciler is what is asked about the table that is kept; *reconcile.Reconciler has it.
type Reconciler interface {
	Passes() reconcile.Passes
}

// Layers is what is asked about where the configuration comes from; *sources.Layers has it.
type Layers interface {
	Status() sources.Status
	Held() []sources.HeldObject
	HeldFor(service, backend string) string // the source that leaves it out; "": it is not held
	Explain(service, backend string) ([]spec.Field, error)
	Reload(names ...string) error
	Accept(ctx context.Context, name string) error
}

// Overrides is what is asked about runtime changes; *sources.OverrideStore has it.
type Overrides interface {
	List() []sources.StoredOverride
	Put(ctx context.Context, o spec.Override) (sources.StoredOverride, error)
	Write(ctx context.Context, writes []sources.Write, e *sources.Entry) (sources.Written, error)
}

const (
	// acceptTime is how long an acceptance waits for a daemon that is ending, or not there yet.
	acceptTime = 10 * time.Second
	// effectTime is how long an override that is stored is waited for to have an effect.
	effectTime = 2 * time.Second
)

// NewMux returns the routes of a daemon, for Serve; others may be added. A name in a path is one segment, escaped, as
// Segment does: that of a source can be a URL.
//
//	GET    /status                         Status
//	GET    /sources                        SourceList
//	GET    /held                           HeldList
//	GET    /health                         Health; ?service=NAME, once or more: of these alone, as far as they are declared
//	POST   /sources/{name}/accept          the removals of a source that are held are done
//	GET    /overrides                      OverrideList
//	POST   /overrides                      Change; Override, once it has an effect or is seen to have none
//	DELETE /overrides/{service}            Override, as it was
//	DELETE /overrides/{service}/{backend}  Override, as it was
//	GET    /explain/{service}              Explanation
//	GET    /explain/{service}/{backend}    Explanation
//	POST   /probe/{service}/{backend}      Probed, once the check has ended
//	POST   /reload                         ReloadRequest, or no body for everything
//	GET    /plan                           Plan of the daemon's own sources; ?accept_removals=true, ?flush=true
//	POST   /plan                           PlanRequest; Plan; both: ?namespace=ID, the network namespace that is meant
//
// An answer that is an error is a Failure: 400 for what is no request, 404 for what is not there, 409 for what goes
// against what is, 421 for what is about another table, 422 for what cannot be used, 503 for what cannot be said now, 507
// for what there is no room for.
func NewMux(d Daemon) *http.ServeMux {
	a := api{d, make(chan struct{}, 1)}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request) (any, error){
		"GET /status":                           a.status,
		"GET /sources":                          a.sources,
		"GET /held":                             a.held,
		"POST /sources/{name}/accept":           a.accept,
		"GET /overrides":                        a.overrides,
		"POST /overrides":                       a.override,
		"DELETE /overrides/{service}":           a.clear,
		"DELETE /overrides/{service}/{backend}": a.clear,
		"GET /explain/{service}":                a.explain,
		"GET /explain/{service}/{backend}":      a.explain,
		"POST /probe/{service}/{backend}":       a.probe,
		"POST /reload":                          a.reload,
		"GET /plan":                             a.plan,
		"POST /plan":                            a.planOf,
		"/":                                     NotFound,
	} {
		mux.Handle(pattern, Handle(answer))
	}
	mux.HandleFunc("GET /health", a.health)
	return mux
}

// api answers the routes of a daemon.
type api struct {
	daemon   Daemon
	planning chan struct{} // of capacity one: full while a plan is made
}

func (a api) status(*http.Request) (any, error) {
	s := newStatus(a.daemon.Status(), a.daemon.Passes(), a.daemon.List(), a.daemon.Registration())
	s.Version, s.StateDir, s.Health = a.daemon.Version(), a.daemon.StateDir(), a.daemon.Checks()
	if why := hanging(s.Health); why != "" {
		s.Ready, s.NotReady = false, append(s.NotReady, why)
	}
	return s, nil
}

func (a api) held(*http.Request) (any, error) { return newHeldList(a.daemon.Held()), nil }

func (a api) sources(*http.Request) (any, error) {
	return SourceList{newSources(a.daemon.Status().Sources)}, nil
}

func (a api) accept(r *http.Request) (any, error) {
	name := r.PathValue("name")
	if err := a.knows(name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptTime)
	defer cancel()
	err := a.daemon.Accept(ctx, name)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, Fail(http.StatusServiceUnavailable, "gorb is starting or ending, and accepts nothing now")
	case err != nil:
		return nil, Fail(http.StatusConflict, err.Error())
	}
	return nil, nil
}

// knows says which source there is none of.
func (a api) knows(names ...string) error {
	list := a.daemon.Status().Sources
	for _, name := range names {
		if !slices.ContainsFunc(list, func(s sources.SourceStatus) bool { return s.Name == name }) {
			return Fail(http.StatusNotFound, "no source is called "+strconv.Quote(name))
		}
	}
	return nil
}

func (a api) reload(r *http.Request) (any, error) {
	var asked ReloadRequest
	if r.ContentLength != 0 {
		if err := Read(r, &asked); err != nil {
			return nil, err
		}
	}
	if err := a.knows(asked.Sources...); err != nil {
		return nil, err
	}
	return nil, a.daemon.Reload(asked.Sources...)
}

func (a api) overrides(*http.Request) (any, error) {
	return OverrideList{newOverrides(a.daemon.Status(), a.daemon.List())}, nil
}

func (a api) override(r *http.Request) (any, error) {
	var c Change
	if err := Read(r, &c); err != nil {
		return nil, err
	}
	o, err := c.override(time.Now())
	if err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	stored, err := a.daemon.Put(r.Context(), o)
	if err != nil {
		return nil, err
	}
	return a.settled(r.Context(), stored), nil
}

// settled waits until the daemon has looked at an override, and says whether it has an effect. After a while it does not
// wait any longer, and says nothing of that.
func (a api) settled(ctx context.Context, stored sources.StoredOverride) Override {
	ctx, cancel := context.WithTimeout(ctx, effectTime)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		status := a.daemon.Status()
		for _, o := range slices.Backward(status.Overrides) { // the last written is the last
			if o.Object() == stored.Object() && o.At.Equal(stored.At) {
				return newOverrides(status, []sources.StoredOverride{stored})[0]
			}
		}
		select {
		case <-ctx.Done():
			return newOverride(stored)
		case <-look.C:
		}
	}
}

// override makes of what was sent what is stored.
func (c Change) override(now time.Time) (spec.Override, error) {
	o := spec.Override{
		Kind: spec.OverrideKind(c.Kind), Service: c.Service, Backend: c.Backend,
		Body: c.Body, Reason: c.Reason, By: c.By, At: now,
	}
	if bytes.Equal(bytes.TrimSpace(c.Body), []byte("null")) {
		o.Body = nil
	}
	if c.TTL == "" {
		return o, nil
	}
	ttl, err := time.ParseDuration(c.TTL)
	const longest = 100 * 365 * 24 * time.Hour
	if err != nil || ttl <= 0 || ttl > longest {
		return o, &Failure{
			Code: http.StatusUnprocessableEntity, Message: "what was sent cannot be used",
			Problems: []Problem{{Path: "ttl", Message: strconv.Quote(c.TTL) + ` is no time to live: "90s", "15m", "1h30m"`}},
		}
	}
	o.Until = now.Add(ttl)
	return o, nil
}

func (a api) clear(r *http.Request) (any, error) {
	about := spec.Override{Service: r.PathValue("service"), Backend: r.PathValue("backend")}
	ending := about
	ending.Until = time.Now()
	written, err := a.daemon.Write(r.Context(), []sources.Write{{Override: ending}, {Override: about}}, nil)
	if err != nil {
		return nil, err
	}
	was := cmp.Or(written.Was...)
	if was == nil {
		return nil, Fail(http.StatusNotFound, "override of "+strconv.Quote(about.Object())+": there is none")
	}
	return newOverride(*was), nil
}

func (a api) explain(r *http.Request) (any, error) {
	service, backend := r.PathValue("service"), r.PathValue("backend")
	fields, err := a.daemon.Explain(service, backend)
	switch {
	case errors.Is(err, sources.ErrNothingYet):
		return nil, Fail(http.StatusServiceUnavailable, err.Error())
	case err != nil:
		return nil, Fail(http.StatusNotFound, err.Error())
	}
	e := newExplanation(service, backend, fields, a.daemon.List())
	e.HeldFor = a.daemon.HeldFor(service, backend)
	return e, nil
}
