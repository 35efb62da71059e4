package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// writeOverride stores an override, also one that has no effect as things are.
func (a *api) writeOverride(ctx context.Context, c *caller, q *OverrideQuery) (*reply[OverrideWritten], error) {
	var change Change
	if err := Read(c.Request, &change); err != nil {
		return nil, err
	}
	change.TTL, change.Reason, change.By = cmp.Or(change.TTL, q.TTL), cmp.Or(change.Reason, q.Reason), cmp.Or(change.By, c.who.Name)
	c.at, c.reason = object{change.Service, change.Backend}, change.Reason
	var err error
	if change.Body, err = a.resolved(ctx, change.about()); err != nil {
		return nil, err
	}
	o, err := change.override(time.Now())
	if err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	at := object{o.Service, o.Backend}
	return retried(ctx, a, at.String(), at.service, func(wrote func()) (*reply[OverrideWritten], error) {
		over := overlay(a.daemon.Of(at.service))
		if err := ifMatch(c.Header["If-Match"], tagOfOverride(over.about(at))); err != nil {
			return nil, err
		}
		write := sources.Write{Override: o}
		writes := joined(slices.Concat([]sources.Write{write}, over.covered(write), over.above(write)))
		writes = append(writes, over.beneath(writes)...)
		over.unlessChanged(writes)
		var out OverrideWritten
		tried, wrong := a.daemon.TryWrites(writes...) // one that does not go with the rest is stored all the same
		if wrong == nil {
			out.Warnings = newProblems(tried.Warnings)
		}
		if q.DryRun {
			wrote()
			c.kept = true
			return a.wouldWrite(ctx, out, o, tried, wrong)
		}
		if c.Header["If-Match"] != nil {
			writes[0].IfService = over.revisions()
		}
		serial := a.serial()
		whole, _ := json.Marshal(change) // the kind and how long it lasts are nowhere else in the entry
		written, err := a.daemon.Write(ctx, writes, a.entry(c, at, whole, o.Reason))
		if err != nil {
			return nil, err
		}
		wrote()
		c.kept = true
		stored := *written.Now[0]
		wait, _ := patience(q.Wait) // it has been checked
		status, looked, came := a.outcome(ctx, wait, lookedFor{written.Revision, serial, tried, "/overrides"}, at.backend, at.service)
		a.amend(written.Entry, status, "stored", came.Pending)
		out.Override, out.InKernel = newOverride(stored), came
		if looked {
			out.Override = newOverrides(a.daemon.Status(), []sources.StoredOverride{stored})[0]
		}
		return &reply[OverrideWritten]{Status: status, Location: came.See, Body: out}, nil
	})
}

// wouldWrite says what would come of an override.
func (a *api) wouldWrite(ctx context.Context, out OverrideWritten, o spec.Override, tried *sources.Tried, wrong error) (*reply[OverrideWritten], error) {
	out.Override, out.InKernel = newOverride(sources.StoredOverride{Override: o}), InKernel{DryRun: true, Operations: []string{}}
	switch {
	case errors.Is(wrong, sources.ErrNothingYet):
		out.Pending = wrong.Error()
		return ok(out), nil
	case wrong != nil:
		if conflict, is := errors.AsType[*sources.OverrideError](wrong); is {
			return nil, conflict
		}
		out.State, out.Error = SetAside, wrong.Error()
		return ok(out), nil
	}
	out.State = map[sources.Effect]OverrideState{sources.InForce: InForce, sources.Dangles: Dangling, sources.Idles: Idle}[tried.Effects[0]]
	var err error
	out.InKernel, err = a.would(ctx, tried, o.Service)
	return ok(out), err
}

// lookedFor is what outcome waits for.
type lookedFor struct {
	revision uint64         // of the overrides
	serial   uint64         // of the configuration that was there before
	tried    *sources.Tried // what is written; nil: that could not be tried
	see      string         // where to look for it until gorb has
}

// serial is that of the configuration that counts; 0: there is none.
func (a *api) serial() uint64 {
	if d := a.daemon.Desired(); d != nil {
		return d.Serial
	}
	return 0
}

// outcome waits until the kernel has what is written over some services, or a backend of the only one. It says whether that
// was looked at, and what came of it. What the kernel refuses stays as it is: it is tried again.
func (a *api) outcome(
	ctx context.Context, wait time.Duration, what lookedFor, backend string, services ...string,
) (status int, looked bool, out InKernel) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	out.Operations = []string{}
	later := func(why string, until time.Time, see string) (int, bool, InKernel) {
		out.Pending, out.PendingUntil, out.See = why, until, see
		return http.StatusAccepted, looked, out
	}
	judged, err := a.daemon.Await(ctx, what.revision)
	if looked = err == nil; !looked {
		return later(notLooked, time.Time{}, what.see)
	}
	if judged.Desired == nil {
		return later(sources.ErrNothingYet.Error(), time.Time{}, what.see)
	}
	for _, service := range services {
		at, is, why, until := object{service, backend}, judged.Desired.Service(service), notDone, time.Time{}
		for {
			done, err := a.daemon.Settled(ctx, judged.Desired.Serial, service)
			if err != nil {
				return later(why, until, at.seen(is))
			}
			why, until = done.pending()
			if reasons := done.refusals(at.changed(what.tried)); len(reasons) > 0 {
				why = "the kernel refuses it: " + strings.Join(reasons, "; ")
			}
			if judged.Desired.Serial == what.serial {
				done.Operations = nil // nothing was asked of the kernel, and they are of what was before
			}
			if why == "" {
				out.Operations = append(out.Operations, done.Operations...)
				break
			}
			select {
			case <-ctx.Done():
				out.Operations = append(out.Operations, done.Operations...)
				return later(why, until, at.seen(is))
			case <-time.After(lookAgain):
			}
		}
	}
	return http.StatusOK, looked, out
}

// about is what is written, of which object.
func (c Change) about() spec.Override {
	return spec.Override{Kind: spec.OverrideKind(c.Kind), Service: c.Service, Backend: c.Backend, Body: c.Body}
}

// override makes of what was sent what is stored.
func (c Change) override(now time.Time) (spec.Override, error) {
	o := c.about()
	o.Reason, o.By, o.At = c.Reason, c.By, now
	if bytes.Equal(bytes.TrimSpace(c.Body), []byte("null")) {
		o.Body = nil
	}
	ttl, err := lasting(c.TTL)
	if err != nil {
		return o, &Failure{
			Code: http.StatusUnprocessableEntity, Message: unusable, Problems: []Problem{{Path: "ttl", Message: err.Error()}},
		}
	}
	if ttl > 0 {
		o.Until = now.Add(ttl)
	}
	return o, nil
}
