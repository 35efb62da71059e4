package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// mostAttempts is how often a change is decided anew because somebody else changed the same object meanwhile.
const mostAttempts = 10

// object is what a change is about.
type object struct{ service, backend string }

func (o object) String() string {
	return spec.Override{Service: o.service, Backend: o.backend}.Object()
}

// key is that of what is written over the sources of the object: what lasts, or what ends.
func (o object) key(ends bool) spec.OverrideKey {
	return spec.OverrideKey{Service: o.service, Backend: o.backend, Ends: ends}
}

func (o object) path() string {
	path := "/service/" + Segment(o.service)
	if o.backend != "" {
		path += "/" + Segment(o.backend)
	}
	return path
}

// isIn reports whether the object is there, as its service is; nil: that is not there.
func (o object) isIn(s *spec.Service) bool {
	return s != nil && (o.backend == "" || s.Backend(o.backend) != nil)
}

// tag is the ETag of the object; "": it is not there.
func (o object) tag(s *spec.Service) string {
	switch {
	case !o.isIn(s):
		return ""
	case o.backend == "":
		return tagOfService(s)
	}
	return tagOfBackend(s, s.Backend(o.backend))
}

// without is a service without the object; nil: it is the service, or that is not there.
func (o object) without(s *spec.Service) *spec.Service {
	if o.backend == "" || s == nil {
		return nil
	}
	rest := *s
	rest.Backends = slices.DeleteFunc(slices.Clone(s.Backends), func(b spec.Backend) bool { return b.Name == o.backend })
	return &rest
}

// override is what would be written over the sources of the object.
func (o object) override(c *caller, q *WriteQuery, kind spec.OverrideKind, body []byte) spec.Override {
	override := spec.Override{
		Kind: kind, Service: o.service, Backend: o.backend, Body: body, Reason: q.Reason, By: c.who.Name, At: time.Now(),
	}
	if ttl, _ := lasting(q.TTL); ttl > 0 { // it has been checked
		override.Until = override.At.Add(ttl)
	}
	return override
}

// step is what a change comes to: what is to be written, and what counts then.
type step struct {
	writes []sources.Write // none: nothing is to be changed
	serial uint64          // of the configuration that was there before
	own    int             // how many of them, from the first on, are what was asked for; the rest goes with them
	result WriteResult
	tried  *sources.Tried
	sent   []byte // for the audit; nil: nothing
}

// retried does something again where somebody else was quicker with what it is about, and then when nobody else does. It is
// to say when it has written, as others wait for that.
func retried[T any](ctx context.Context, a *api, what, service string, do func(wrote func()) (T, error)) (T, error) {
	var none T
	for again := range mostAttempts {
		back, err := a.turns.take(ctx, service, again > 0)
		if err != nil {
			return none, Fail(http.StatusServiceUnavailable, unavailable)
		}
		out, err := do(back)
		back()
		if !errors.Is(err, sources.ErrChanged) {
			return out, err
		}
	}
	return none, Fail(http.StatusConflict, "others change "+what+" at the same time, again and again")
}

// change does what decide says of a service as it is, nil: it is not there, and of what is written over it. Decide is asked
// again where somebody else was quicker.
func (a *api) change(
	ctx context.Context, c *caller, at object, q *WriteQuery, decide func(was *spec.Service, over overlay) (step, error),
) (*reply[Written], error) {
	return retried(ctx, a, at.String(), at.service, func(wrote func()) (*reply[Written], error) {
		over := overlay(a.daemon.Of(at.service))
		judged, err := a.judged(ctx)
		if err != nil {
			return nil, err
		}
		was := judged.Desired.Service(at.service)
		if given := c.Header["If-Match"]; given != nil { // of a service the tag is long in the making
			if err := ifMatch(given, at.tag(was)); err != nil {
				return nil, err
			}
		}
		if given := c.Header["If-None-Match"]; given != nil && ifMatch(given, at.tag(was)) == nil {
			return nil, Fail(http.StatusPreconditionFailed, "If-None-Match: it is there, and its ETag is "+at.tag(was))
		}
		s, err := decide(was, over)
		if err != nil {
			return nil, err
		}
		s.serial = judged.Desired.Serial
		c.kept = len(s.writes) == 0 || q.DryRun // nothing is changed
		switch {
		case len(s.writes) == 0:
			wrote()
			return a.unchanged(ctx, at, q, judged.Desired)
		case q.DryRun:
			wrote()
			return a.dryRun(ctx, at, was, s)
		}
		over.unlessChanged(s.writes)
		if c.Header["If-Match"] != nil {
			s.writes[0].IfService = over.revisions() // the tag has all of them in it
		}
		entry := a.entry(c, at, s.sent, q.Reason)
		entry.Result = string(s.result)
		written, err := a.daemon.Write(ctx, s.writes, entry)
		if err != nil {
			return nil, err
		}
		wrote()
		c.kept = true
		out, err := a.settle(ctx, at, q, s, written)
		if err == nil {
			a.amend(written.Entry, out.Status, string(s.result), out.Body.Pending)
		}
		return out, err
	})
}

// firstWait is how long a change waits for the first configuration.
const firstWait = time.Second

const unavailable = "gorb is starting or ending, or has too much to do"

// unlessChanged has writes done only if nobody else has changed what is at their keys since.
func (v overlay) unlessChanged(writes []sources.Write) {
	for i := range writes {
		if w := &writes[i]; w.If == nil {
			w.If = new(uint64)
			if o := v.at(w.Key()); o != nil {
				*w.If = o.Revision
			}
		}
	}
}

// judged waits until all that is stored has been looked at: whoever was told that something is stored has what comes next
// decided by it. A gorb that has just started is given a moment to read its files.
func (a *api) judged(ctx context.Context) (sources.Judged, error) {
	looking, cancel := context.WithTimeout(ctx, defaultWait)
	defer cancel()
	for began := time.Now(); ; {
		j, err := a.daemon.Await(looking, a.daemon.Revision())
		switch {
		case err != nil:
			return j, Fail(http.StatusServiceUnavailable, unavailable)
		case j.Desired != nil:
			return j, nil
		case time.Since(began) > firstWait:
			return j, Fail(http.StatusServiceUnavailable, sources.ErrNothingYet.Error())
		}
		select {
		case <-looking.Done():
		case <-time.After(lookAgain):
		}
	}
}

// withoutEnding is a service as it would be without all that ends, of which was is now; nil: it would not be there.
func (a *api) withoutEnding(over overlay, was *spec.Service) *spec.Service {
	if is, known := a.without(over.thatEnd(), was); known {
		return is
	}
	return was // it does not come to that
}

// without is a service as it would be without some of what is written over it, of which was is now; nil: it would not be
// there. False is that they cannot be taken back.
func (a *api) without(some overlay, was *spec.Service) (*spec.Service, bool) {
	if len(some) == 0 {
		return was, true
	}
	tried, err := a.daemon.TryWrites(clears(some)...)
	if err != nil {
		return nil, false
	}
	return object{service: some[0].Service}.serviceIn(tried, was), true
}

// try finds what would count with some changes.
func (a *api) try(writes ...sources.Write) (*sources.Tried, error) {
	tried, err := a.daemon.TryWrites(writes...)
	if err != nil {
		return nil, asGORB(err)
	}
	if len(tried.Aside) > 0 {
		f := Fail(http.StatusConflict, "other overrides would have no effect any more")
		for _, aside := range tried.Aside {
			f.Problems = append(f.Problems, Problem{Path: aside.Override.Object(), Message: aside.Err.Error()})
		}
		return nil, f
	}
	return tried, nil
}

// serviceIn is the service of an object as it would be, which was is now; nil: it would not be there.
func (o object) serviceIn(tried *sources.Tried, was *spec.Service) *spec.Service {
	for _, s := range tried.Services {
		if s.Name == o.service {
			return s.Now
		}
	}
	return was
}

// dryRun says what a change would do.
func (a *api) dryRun(ctx context.Context, at object, was *spec.Service, s step) (*reply[Written], error) {
	o, err := a.would(ctx, s.tried, at.service)
	if err != nil {
		return nil, err
	}
	w := Written{
		Object: at.String(), Result: s.result, DryRun: true, Operations: o.Operations, Pending: o.Pending, Until: o.PendingUntil,
		Warnings: newProblems(s.tried.Warnings),
	}
	return &reply[Written]{Status: http.StatusOK, ETag: at.tag(at.serviceIn(s.tried, was)), Body: w}, nil
}

// would says what would come of what was tried, of some services.
func (a *api) would(ctx context.Context, tried *sources.Tried, services ...string) (InKernel, error) {
	out := InKernel{DryRun: true, Operations: []string{}}
	plan, err := a.plannedOnce(ctx, func(ctx context.Context) (*Plan, error) {
		d, err := tried.Desired()
		if err != nil {
			return nil, err
		}
		return a.daemon.PlanOf(ctx, d)
	})
	if err != nil {
		return out, err
	}
	for _, op := range plan.Operations {
		if slices.Contains(services, op.Name) {
			out.Operations = append(out.Operations, cmp.Or(op.Args, op.Command))
		}
	}
	for _, waits := range plan.Waiting {
		if slices.Contains(services, waits.Name) {
			out.Pending, out.PendingUntil = waits.Reason.Why, waits.Reason.Until
		}
	}
	return out, nil
}
