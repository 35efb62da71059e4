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
	Type    string  `json:"type"`            // of the pulse: "tcp"
	Check   string  `json:"check"`           // what was checked, and with which args: "10.1.0.1:80"
	Outcome Outcome `json:"outcome"`         // what it found
	Error   string  `json:"error,omitempty"` // in words; none where it is ok
	Took    float64 `json:"took_ms"`
	Steps   []Step  `json:"steps"` // what the check did, in order
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
	At   float64 `json:"at_ms"` // since its start
	Text string  `json:"text"`
}

// probeTime is how long a check that was asked for may take, the wait for the one before it included.
const probeTime = 50 * time.Second // less than a Client waits

func (a api) probe(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTime)
	defer cancel()
	probed, err := a.daemon.Probe(ctx, r.PathValue("service"), r.PathValue("backend"))
	switch {
	case errors.Is(err, sources.ErrNothingYet):
		return nil, Fail(http.StatusServiceUnavailable, err.Error())
	case ctx.Err() != nil:
		return nil, Fail(http.StatusServiceUnavailable, "there is no answer within "+probeTime.String()+
			": the check has a longer timeout, or gorb has too much to do, or is ending")
	case err != nil:
		return nil, err
	}
	return probed, nil
}
