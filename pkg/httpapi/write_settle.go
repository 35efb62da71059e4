package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// lookAgain is how often something that waits is looked at.
const lookAgain = 50 * time.Millisecond

// settle waits until the kernel has a change that is stored, and says what came of it.
func (a *api) settle(ctx context.Context, at object, q *WriteQuery, s step, written sources.Written) (*reply[Written], error) {
	wait, _ := patience(q.Wait) // it has been checked
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	out := Written{
		Object: at.String(), Result: s.result, Operations: []string{}, Override: a.overrideOf(at),
		Warnings: newProblems(s.tried.Warnings),
	}
	was, now := at.changed(s.tried)
	judged, err := a.daemon.Await(waiting, written.Revision)
	if err != nil {
		return a.later(at, out, notLooked, time.Time{}, now), nil
	}
	if judged.Desired == nil {
		return a.later(at, out, sources.ErrNothingYet.Error(), time.Time{}, now), nil
	}
	if err := a.overtaken(ctx, at, s, written, judged); err != nil {
		return nil, err
	}
	told, reasons := a.followed(waiting, at, out, following{judged.Desired, judged.Desired.Serial != s.serial, was, now})
	if len(reasons) > 0 {
		return nil, a.refused(ctx, at, q, written, reasons)
	}
	return told, nil
}

// unchanged answers where there is nothing to write: the kernel may not have it yet, or refuse it, all the same.
func (a *api) unchanged(ctx context.Context, at object, q *WriteQuery, d *spec.Desired) (*reply[Written], error) {
	out := Written{
		Object: at.String(), Result: ResultUnchanged, DryRun: q.DryRun, Operations: []string{}, Override: a.overrideOf(at),
	}
	is := d.Service(at.service)
	if q.DryRun {
		return &reply[Written]{Status: http.StatusOK, ETag: at.tag(is), Body: out}, nil
	}
	wait, _ := patience(q.Wait) // it has been checked
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if _, err := a.daemon.Settled(ctx, d.Serial, at.service); err == nil {
		_ = a.daemon.Look(ctx, at.service) // somebody may have taken it away since; an end of the time is told below
	}
	told, reasons := a.followed(ctx, at, out, following{desired: d, was: at.without(is), now: is})
	if len(reasons) > 0 {
		f := kernelRefuses(at, reasons)
		f.Problems = append(f.Problems, Problem{Message: "nothing was changed: it is so already, and tried again"})
		return nil, f
	}
	return told, nil
}

// following is what the kernel is to follow.
type following struct {
	desired  *spec.Desired
	asked    bool          // whether it is another configuration than before
	was, now *spec.Service // whose difference is what is waited for; nil: not there
}

// followed waits until the kernel has what is declared of an object, and answers; or returns why the kernel refuses it.
func (a *api) followed(ctx context.Context, at object, out Written, f following) (*reply[Written], []string) {
	is := f.desired.Service(at.service)
	for {
		done, err := a.daemon.Settled(ctx, f.desired.Serial, at.service)
		switch {
		case err != nil && out.Pending == "":
			return a.later(at, out, notDone, time.Time{}, is), nil
		case err != nil:
			return a.later(at, out, out.Pending, out.Until, is), nil
		}
		if f.asked { // else nothing was asked of the kernel, and they are of what was before
			out.Operations = append([]string{}, done.Operations...)
		}
		if reasons := done.refusals(f.was, f.now); len(reasons) > 0 {
			return nil, reasons
		}
		waits, until := done.pending()
		out.Pending, out.Until = waits, until
		if waits == "" {
			if done.Draining > 0 {
				out.Pending = fmt.Sprintf("backends that leave: %d; they go when they have no connections", done.Draining)
			}
			return &reply[Written]{Status: http.StatusOK, ETag: at.tag(is), Body: out}, nil
		}
		select {
		case <-ctx.Done():
			return a.later(at, out, waits, until, is), nil
		case <-time.After(lookAgain):
		}
	}
}

// overtaken takes back a change that is without effect because of what others did while it was made, such as to remove the
// service of a backend.
func (a *api) overtaken(ctx context.Context, at object, s step, written sources.Written, judged sources.Judged) error {
	var f *Failure
	for _, w := range s.writes[:s.own] {
		if w.Kind != spec.Set && w.Kind != spec.Patch {
			continue
		}
		switch effect, why := judged.Of(w.Key()); effect {
		case sources.Dangles:
			f = notThere("others have removed it, or its service, at the same time")
		case sources.SetAside:
			f = Fail(http.StatusConflict, "it does not go with what others have changed at the same time: "+why.Error())
		}
	}
	if f == nil {
		return nil
	}
	if err := a.withdraw(ctx, written); err != nil && !errors.Is(err, sources.ErrChanged) {
		f.Problems = append(f.Problems, Problem{Message: "the change could not be withdrawn: " + err.Error()})
	}
	_ = a.daemon.Amend(written.Entry, f.Code, f.Message) // the answer says it
	return f
}

const (
	notLooked = "it is stored, and gorb has not looked at it yet"
	notDone   = "it is stored, and no pass has come to it yet"
)

// later answers that a change is stored, and where to look for the rest, by the service as it is to be.
func (a *api) later(at object, out Written, why string, until time.Time, is *spec.Service) *reply[Written] {
	out.Pending, out.Until, out.See = why, until, at.seen(is)
	return &reply[Written]{Status: http.StatusAccepted, Location: out.See, Body: out}
}

// seen is where to look for what waits of an object, by its service as it is to be, nil: it is to go: where it is declared
// there, else at its service, and of a service that leaves in the plan.
func (o object) seen(is *spec.Service) string {
	service := object{o.service, ""}
	switch {
	case o.isIn(is):
		return o.path()
	case service.isIn(is):
		return service.path()
	}
	return "/plan"
}

// refused takes back a change that the kernel refuses, unless it is to be kept, and says why.
func (a *api) refused(ctx context.Context, at object, q *WriteQuery, written sources.Written, reasons []string) error {
	f := kernelRefuses(at, reasons)
	what := "the change is withdrawn"
	if q.Keep {
		what = "the change is kept, and tried again"
	} else if err := a.withdraw(ctx, written); errors.Is(err, sources.ErrChanged) {
		what = "the change is not withdrawn: somebody has changed it since"
	} else if err != nil {
		what = "the change could not be withdrawn: " + err.Error()
	}
	f.Problems = append(f.Problems, Problem{Message: what})
	_ = a.daemon.Amend(written.Entry, f.Code, fmt.Sprintf("%s: %s; %s", f.Message, reasons[0], what)) // the answer says it
	return f
}

// kernelRefuses is that the kernel refuses what is declared of an object.
func kernelRefuses(at object, reasons []string) *Failure {
	f := Fail(http.StatusInternalServerError, errIPVS)
	for _, reason := range reasons {
		f.Problems = append(f.Problems, Problem{Path: at.String(), Message: reason})
	}
	f.Problems = foremost(f.Problems)
	return f
}

// pending says why the kernel does not have what is declared, though nothing was refused; "": it has.
func (s *Settled) pending() (why string, until time.Time) {
	switch {
	case s.Waiting != nil:
		return s.Waiting.Why, s.Waiting.Until
	case len(s.Held) > 0:
		return strings.Join(s.Held, "; "), time.Time{}
	}
	return "", time.Time{}
}
