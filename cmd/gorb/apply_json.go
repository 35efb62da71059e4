package main

import (
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// applyJSON is the JSON of apply.
type applyJSON struct {
	Operations []httpapi.Operation `json:"operations"` // done
	Failures   []httpapi.Operation `json:"failures"`   // refused by the kernel, or held back
	Errors     []string            `json:"errors"`     // everything that went wrong, those refusals among it
	Draining   []httpapi.Draining  `json:"draining"`
	LeftAlone  []httpapi.LeftAlone `json:"left_alone"`
	LeftAtZero []httpapi.AtZero    `json:"left_at_zero"` // nobody checks them here
	Held       []httpapi.HeldOf    `json:"held"`         // removals of sources that were not done
	Away       []httpapi.Away      `json:"away"`         // sources that could not be had, whose last good copies count
	DecodeMS   float64             `json:"decode_ms"`
	ReadMS     float64             `json:"read_ms"`
	WriteMS    float64             `json:"write_ms"`
	PassMS     float64             `json:"pass_ms"` // reading, deciding, remembering and writing
}

func (a *applier) json() applyJSON {
	plan := newPlan(a.report.Plan)
	out := applyJSON{
		Operations: []httpapi.Operation{}, Failures: []httpapi.Operation{}, Errors: []string{},
		Draining: plan.Draining, LeftAlone: plan.LeftAlone, LeftAtZero: plan.LeftAtZero, Held: newHeld(a.trial), Away: newAway(a.trial),
		DecodeMS: milliseconds(a.decode), ReadMS: milliseconds(a.report.Read), WriteMS: milliseconds(a.report.Write), PassMS: milliseconds(a.pass),
	}
	for _, r := range a.report.Results {
		o := newOperation(a.report.Plan, reconcile.Step{Op: r.Op, Host: r.Host, Note: a.report.Plan.Notes[r.Op]})
		if r.Err != nil {
			o.Error = r.Err.Error()
			out.Failures = append(out.Failures, o)
			continue
		}
		out.Operations = append(out.Operations, o)
	}
	for _, err := range a.report.Errs {
		out.Errors = append(out.Errors, err.Error())
	}
	return out
}

// milliseconds returns a duration in milliseconds, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
