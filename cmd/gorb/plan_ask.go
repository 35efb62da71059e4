package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// askOwn asks the gorb that runs about its own sources. Nil without an error: there is none.
func (p *planner) askOwn(ctx context.Context) (*httpapi.Plan, error) {
	at := p.at
	if at.socket == "" && at.server == "" {
		at.socket = usualSocket(ctx)
	}
	q := url.Values{}
	for name, set := range map[string]bool{"accept_removals": p.accept, "flush": p.flush} {
		if set {
			q.Set(name, strconv.FormatBool(set))
		}
	}
	plan, err := p.ask(ctx, at, http.MethodGet, q, func() (any, error) { return nil, nil })
	if plan != nil {
		for _, a := range plan.Away {
			fmt.Fprintf(p.stderr, "note: %s\n", awayText(a))
		}
	}
	return plan, err
}

// awayText says why a source of the gorb that was asked is not what it says now, and what counts instead.
func awayText(a httpapi.Away) string {
	text := named(a.Source, errors.New(a.Error))
	if a.Copied.IsZero() {
		return text + "; nothing has been heard of it yet, and until then nothing is removed"
	}
	return text + "; its last good document counts"
}

// usualSocket is that of the default configuration, as far as it can be read.
func usualSocket(ctx context.Context) string {
	all, err := sources.Once{Alone: true, Away: true}.Read(ctx, []string{defaultFile})
	if err != nil {
		return defaultSocket
	}
	settings, err := spec.Settings(all.Docs...)
	if err != nil {
		return defaultSocket
	}
	return settings.Gorb.Socket
}

// askAbout asks the gorb that runs about what was read. Nil without an error: there is none.
func (p *planner) askAbout(ctx context.Context, all sources.Loaded) (*httpapi.Plan, error) {
	settings, err := spec.Settings(all.Docs...)
	if err != nil {
		return nil, err
	}
	at := p.at
	if at.socket == "" {
		at.socket = settings.Gorb.Socket
	}
	plan, err := p.ask(ctx, at, http.MethodPost, url.Values{}, func() (any, error) { return p.request(all) })
	problems, refused := errors.AsType[spec.Problems](err)
	for _, piece := range all.Pieces {
		switch {
		case piece.Err == nil:
		case plan != nil:
			plan.Away = append(plan.Away, httpapi.Away{Source: piece.Name, Error: piece.Err.Error()})
			fmt.Fprintf(p.stderr, "note: %s; what the gorb that runs has of it counts\n", named(piece.Name, piece.Err))
		case refused:
			for i := range problems {
				if problems[i].Source == piece.Name {
					problems[i].Message = strings.TrimPrefix(named(piece.Name, piece.Err), piece.Name+": ") +
						"; and the gorb that runs has nothing of it"
				}
			}
		}
	}
	return plan, err
}

// request is what was read as it is sent. What is wrong with it is said here, where the lines are known, but not what the
// [probe] of the gorb that is asked may allow.
func (p *planner) request(all sources.Loaded) (*httpapi.PlanRequest, error) {
	if !all.Lacking() {
		_, err := spec.Merge(all.Docs...)
		problems, listed := errors.AsType[spec.Problems](err)
		certain := func(p spec.Problem) bool { return p.Kind != spec.KindPlace }
		if err != nil && (!listed || slices.ContainsFunc(problems, certain)) {
			return nil, err
		}
	}
	asked := &httpapi.PlanRequest{AcceptRemovals: p.accept, Flush: p.flush}
	for _, piece := range all.Pieces {
		layer := httpapi.PlanLayer{Name: piece.Name}
		if piece.Doc != nil {
			layer.Remote = piece.Doc.Remote()
			var err error
			if layer.Document, err = piece.Doc.JSON(); err != nil {
				return nil, err
			}
		}
		asked.Layers = append(asked.Layers, layer)
	}
	return asked, nil
}

// ask has the gorb at a place make a plan. Nil without an error: none listens at the socket, or one that keeps another
// table and was not named.
func (p *planner) ask(ctx context.Context, at askedPlace, method string, q url.Values, body func() (any, error)) (*httpapi.Plan, error) {
	far := at.server != ""
	if !far {
		if _, err := os.Stat(at.socket); err != nil {
			return nil, nil // nobody listens there
		}
		if where, err := place(); err == nil && p.at.socket == "" {
			q.Set("namespace", where.Namespace)
		}
	}
	content, err := body()
	if err != nil {
		return nil, err
	}
	var plan httpapi.Plan
	asked := asking{askedPlace: at, patience: workPatience}
	err = asked.do(ctx, method, "/plan?"+q.Encode(), content, &plan)
	failure, _ := errors.AsType[*httpapi.Failure](err)
	switch {
	case !far && (errors.Is(err, httpapi.ErrNoDaemon) || failure != nil && failure.Code == httpapi.ErrOtherTable.Code):
		return nil, nil
	case err != nil:
		return nil, inLayers(err, far)
	case plan.Daemon == nil:
		return nil, fmt.Errorf("%s: the answer is no plan; --offline asks nobody", cmp.Or(at.server, at.socket))
	case p.files.iface != "":
		return nil, &usageError{err: fmt.Errorf("-i %s: the gorb that runs (pid %d) was started with its interface; --offline plans with another",
			p.files.iface, plan.Daemon.PID)}
	case p.raise:
		return nil, &usageError{err: fmt.Errorf("--raise: the gorb that runs (pid %d) has the backends checked, and raises those that are up; "+
			"--offline plans without it", plan.Daemon.PID)}
	}
	plan.Daemon.Server = at.server
	if !far {
		plan.Daemon.Socket = at.socket
	}
	return &plan, nil
}

// inLayers has what the daemon says of several documents say which, as problems with files do.
func inLayers(err error, far bool) error {
	var failure *httpapi.Failure
	switch {
	case errors.As(err, &failure) && len(failure.Problems) > 0:
	case far:
		return err
	default:
		return fmt.Errorf("asked the gorb that runs: %w; --offline asks nobody", err)
	}
	var problems spec.Problems
	for _, p := range failure.Problems {
		problems = append(problems, spec.Problem{Source: p.Source, Path: p.Path, Message: p.Message})
	}
	return problems
}
