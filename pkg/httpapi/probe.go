package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
)

// Probed is what came of a check.
type Probed struct {
	Service string  `json:"service"`
	Backend string  `json:"backend"`
	Type    string  `json:"type" doc:"Of the pulse: \"tcp\"."`
	Check   string  `json:"check" doc:"What was checked, and with which args: \"10.1.0.1:80\"."`
	Outcome Outcome `json:"outcome" enum:"ok,failed,unmade" doc:"What it found."`
	Error   string  `json:"error,omitempty" doc:"In words; none where it is ok."`
	Took    float64 `json:"took_ms"`
	Steps   []Step  `json:"steps" doc:"What the check did, in order."`
}

// Outcome is what a check found.
type Outcome string

// The outcomes.
const (
	ProbedOK     Outcome = "ok"
	ProbedFailed Outcome = "failed"
	ProbedUnmade Outcome = "unmade" // the check could not be made: it says nothing of the backend
)

// Step is one thing that a check did.
type Step struct {
	At   float64 `json:"at_ms" doc:"Since its start."`
	Text string  `json:"text"`
}

// probeTime is how long a check that was asked for may take, the wait for the one before it included.
const probeTime = 50 * time.Second // less than a Client waits

func (a *api) probe(ctx context.Context, _ *caller, in *OfBackend) (*reply[Probed], error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	probed, err := a.daemon.Probe(ctx, in.Service, in.Backend)
	switch {
	case errors.Is(err, sources.ErrNothingYet):
		return nil, Fail(http.StatusServiceUnavailable, err.Error())
	case ctx.Err() != nil:
		return nil, Fail(http.StatusServiceUnavailable, "there is no answer within "+probeTime.String()+
			": the check has a longer timeout, or gorb has too much to do, or is ending")
	case err != nil:
		return nil, err
	}
	return ok(*probed), nil
}
