package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gorb-io/gorb/pkg/sources"
)

func (a *api) listOverrides(ctx context.Context, _ *caller, _ *struct{}) (*reply[OverrideList], error) {
	list := a.daemon.List()
	out := OverrideList{a.overridesNow(ctx, list)}
	return &reply[OverrideList]{Status: http.StatusOK, ETag: tagOfAll(list), Body: out}, nil
}

func (a *api) getServiceOverride(ctx context.Context, _ *caller, in *OfService) (*reply[Override], error) {
	return a.getOverride(ctx, object{in.Service, ""})
}

func (a *api) getBackendOverride(ctx context.Context, _ *caller, in *OfBackend) (*reply[Override], error) {
	return a.getOverride(ctx, object{in.Service, in.Backend})
}

func (a *api) getOverride(ctx context.Context, at object) (*reply[Override], error) {
	list := overlay(a.daemon.Of(at.service)).about(at)
	if len(list) == 0 {
		return nil, noOverride(at)
	}
	told := a.overridesNow(ctx, list)
	o := told[len(told)-1]
	if len(told) > 1 {
		o.Beneath = &told[0]
	}
	return &reply[Override]{Status: http.StatusOK, ETag: tagOfOverride(list), Body: o}, nil
}

// about are the overrides of an object: what lasts, and what ends.
func (v overlay) about(at object) overlay {
	return slices.DeleteFunc(slices.Clone(v), func(o sources.StoredOverride) bool { return o.Backend != at.backend })
}

func noOverride(at object) error {
	return Fail(http.StatusNotFound, "override of "+strconv.Quote(at.String())+": there is none")
}

// tagOfOverride is the ETag of the overrides of an object; "": there are none.
func tagOfOverride(list []sources.StoredOverride) string {
	if len(list) == 0 {
		return ""
	}
	tag := `"r`
	for i, o := range list {
		if i > 0 {
			tag += "-"
		}
		tag += strconv.FormatUint(o.Revision, 10)
	}
	return tag + `"`
}

type clearService struct {
	OfService
	ClearOne
}

type clearBackend struct {
	OfBackend
	ClearOne
}

// ClearOne is what the taking back of what is written over one object may carry.
type ClearOne struct {
	ClearQuery
	Ending bool `query:"ending" doc:"Take back only what ends by itself. By default what lasts goes, too."`
}

func (a *api) clearServiceOverride(ctx context.Context, c *caller, in *clearService) (*reply[ClearedOverride], error) {
	return a.clear(ctx, c, object{in.Service, ""}, in.ClearOne)
}

func (a *api) clearBackendOverride(ctx context.Context, c *caller, in *clearBackend) (*reply[ClearedOverride], error) {
	return a.clear(ctx, c, object{in.Service, in.Backend}, in.ClearOne)
}

// clear takes back what is written over one object.
func (a *api) clear(ctx context.Context, c *caller, at object, q ClearOne) (*reply[ClearedOverride], error) {
	return retried(ctx, a, at.String(), at.service, func(wrote func()) (*reply[ClearedOverride], error) {
		over := overlay(a.daemon.Of(at.service))
		list := over.about(at)
		if len(list) == 0 {
			return nil, noOverride(at)
		}
		tag := tagOfOverride(list) // as GET has it
		if q.Ending {
			list = slices.DeleteFunc(list, func(o sources.StoredOverride) bool { return !o.Ends() })
		}
		if len(list) == 0 {
			return nil, Fail(http.StatusNotFound, "override of "+strconv.Quote(at.String())+": there is none that ends")
		}
		if err := ifMatch(c.Header["If-Match"], tag); err != nil {
			return nil, err
		}
		writes := clears(list)
		if c.Header["If-Match"] != nil {
			writes[0].IfService = over.revisions()
		}
		status, came, err := a.takeBack(ctx, c, at, writes, q.ClearQuery, wrote)
		if err != nil {
			return nil, err
		}
		was := stacked(overlay(list).of(at))
		return &reply[ClearedOverride]{Status: status, Location: came.See, Body: ClearedOverride{*was, came}}, nil
	})
}

// clearOverrides takes back all of them.
func (a *api) clearOverrides(ctx context.Context, c *caller, q *ClearQuery) (*reply[ClearedOverrides], error) {
	return retried(ctx, a, "overrides", "", func(wrote func()) (*reply[ClearedOverrides], error) {
		revision := a.daemon.Revision() // before the list: what is written in between makes it another
		list := a.daemon.List()
		if err := ifMatch(c.Header["If-Match"], tagOfAll(list)); err != nil {
			return nil, err
		}
		out := ClearedOverrides{OverrideList{[]Override{}}, InKernel{DryRun: q.DryRun, Operations: []string{}}}
		if len(list) == 0 {
			return ok(out), nil
		}
		writes := clears(list)
		if c.Header["If-Match"] != nil {
			writes[0].IfStore = &revision
		}
		status, came, err := a.takeBack(ctx, c, object{}, writes, *q, wrote)
		if err != nil {
			return nil, err
		}
		out.InKernel = came
		for _, was := range list {
			out.Overrides = append(out.Overrides, newOverride(was))
		}
		return &reply[ClearedOverrides]{Status: status, Location: came.See, Body: out}, nil
	})
}

// tagOfAll is the ETag of all overrides: the newest revision, and how many there are.
func tagOfAll(list []sources.StoredOverride) string {
	var newest uint64
	for _, o := range list {
		newest = max(newest, o.Revision)
	}
	return fmt.Sprintf(`"r%d-%d"`, newest, len(list))
}

// takeBack takes overrides back, by writes in the order of their keys, whatever comes of that, or says what would.
// It says when it has written.
func (a *api) takeBack(
	ctx context.Context, c *caller, at object, writes []sources.Write, q ClearQuery, wrote func(),
) (int, InKernel, error) {
	var services []string
	for i := range writes {
		services = append(services, writes[i].Service)
	}
	services = slices.Compact(services)
	tried, wrong := a.daemon.TryWrites(writes...)
	if q.DryRun {
		wrote()
		c.kept = true
		if wrong != nil { // it is taken back all the same
			return http.StatusOK, InKernel{DryRun: true, Operations: []string{}, Pending: noEffect(wrong)}, nil
		}
		came, err := a.would(ctx, tried, services...)
		return http.StatusOK, came, err
	}
	serial := a.serial()
	written, err := a.daemon.Write(ctx, writes, a.entry(c, at, nil, q.Reason))
	if err != nil {
		return 0, InKernel{}, err
	}
	wrote()
	c.kept = true
	wait, _ := patience(q.Wait) // it has been checked
	what := lookedFor{written.Revision, serial, tried, at.withoutOverride(tried)}
	status, _, came := a.outcome(ctx, wait, what, at.backend, services...)
	a.amend(written.Entry, status, "cleared", came.Pending)
	return status, came, nil
}

// withoutOverride is where to look for what waits once nothing is written over an object any more, which for the zero object
// is all of them; nothing is to be seen of that among the overrides.
func (o object) withoutOverride(tried *sources.Tried) string {
	switch {
	case o == object{}:
		return "/status"
	case tried == nil:
		return o.path() // what it comes to is not known
	}
	_, now := o.changed(tried)
	return o.seen(now)
}

func noEffect(err error) string { return "it does not go with the sources: " + err.Error() }
