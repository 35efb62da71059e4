package main

import (
	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// newPlan is a plan as it is told, to people, programs, and from one gorb to another.
func newPlan(plan *reconcile.Plan) *httpapi.Plan {
	out := &httpapi.Plan{
		Operations: []httpapi.Operation{}, Draining: []httpapi.Draining{}, Leaving: []httpapi.Leaving{},
		Adopted: []httpapi.Adopted{}, LeftAlone: []httpapi.LeftAlone{}, Foreign: keyList(plan.Foreign), Elsewhere: []httpapi.Elsewhere{},
		Problems: []string{}, LeftAtZero: []httpapi.AtZero{}, Waiting: []httpapi.Waiting{}, Held: []httpapi.HeldOf{}, Away: []httpapi.Away{}, Warnings: []string{}, Order: []httpapi.Drift{},
		Summary: summary(plan),
	}
	for step := range plan.Steps() {
		out.Operations = append(out.Operations, newOperation(plan, step))
	}
	for _, d := range plan.Draining {
		out.Draining = append(out.Draining, httpapi.Draining{
			Service: d.Service.String(), Name: plan.Names[d.Service], Backend: d.Dest.String(),
			Active: d.Conns.Active, Inactive: d.Conns.Inactive, Begun: d.Begun, Since: d.Since, Until: d.Until,
			Then: deletion(d.Ref).String(),
		})
	}
	for _, key := range plan.Leaving {
		then := kernel.Op{Kind: kernel.DeleteService, Key: key}
		out.Leaving = append(out.Leaving, httpapi.Leaving{Service: key.String(), Name: plan.Names[key], Then: then.String()})
	}
	for _, a := range plan.Adopted {
		out.Adopted = append(out.Adopted, newAdopted(plan, a))
	}
	for _, l := range plan.LeftAlone {
		alone := httpapi.LeftAlone{Service: l.Key.String(), Name: plan.Names[l.Key], Reason: l.Reason}
		if l.Dest != (kernel.DestKey{}) {
			alone.Backend = l.Dest.String()
		}
		out.LeftAlone = append(out.LeftAlone, alone)
	}
	for _, r := range plan.LeftAtZero {
		out.LeftAtZero = append(out.LeftAtZero, httpapi.AtZero{
			Service: r.Service.String(), Name: plan.Names[r.Service], Backend: r.Dest.String(),
		})
	}
	for _, w := range plan.Waiting {
		out.Waiting = append(out.Waiting, httpapi.Waiting{Service: w.Key.String(), Name: w.Name, Reason: *newWaitingReason(w)})
	}
	for _, a := range plan.Elsewhere {
		out.Elsewhere = append(out.Elsewhere, httpapi.Elsewhere{Address: a.Addr.String(), Interface: a.Interface})
	}
	for _, problem := range plan.Problems {
		out.Problems = append(out.Problems, problem.Error())
	}
	return out
}

func keyList(keys []kernel.ServiceKey) []string {
	list := []string{}
	for _, key := range keys {
		list = append(list, key.String())
	}
	return list
}

func newAdopted(plan *reconcile.Plan, a reconcile.Adopted) httpapi.Adopted {
	out := httpapi.Adopted{Service: a.Key.String(), Name: plan.Names[a.Key], Removes: []httpapi.Removed{}}
	for _, b := range a.Removes {
		out.Removes = append(out.Removes, httpapi.Removed{Backend: b.DestKey.String(), Weight: b.Weight, Active: b.Conns.Active})
	}
	return out
}

func newOperation(plan *reconcile.Plan, step reconcile.Step) httpapi.Operation {
	if step.Host != nil {
		return httpapi.Operation{Command: step.String(), Note: step.Note}
	}
	op := step.Op
	o := httpapi.Operation{Args: op.String(), Service: op.Key.String(), Name: plan.Names[op.Key], Note: step.Note}
	if op.DestKey != (kernel.DestKey{}) {
		o.Backend = op.DestKey.String()
	}
	return o
}

// newHeld lists what is held in a trial.
func newHeld(trial *sources.Trial) []httpapi.HeldOf {
	list := []httpapi.HeldOf{}
	for _, h := range trial.Held {
		list = append(list, httpapi.HeldOf{
			Source: h.Source, Count: h.Count, Of: h.Of, MaxRemoval: h.MaxRemoval, Names: h.Names,
		})
	}
	return list
}

// newAway lists the sources that a trial did without.
func newAway(trial *sources.Trial) []httpapi.Away {
	list := []httpapi.Away{}
	for _, a := range trial.Away {
		list = append(list, httpapi.Away{Source: a.Source, Error: a.Err.Error(), Copied: a.Copied})
	}
	return list
}

// newWarnings lists what is allowed and likely a mistake.
func newWarnings(warnings spec.Problems) []string {
	list := []string{}
	for _, w := range warnings {
		list = append(list, w.String())
	}
	return list
}
