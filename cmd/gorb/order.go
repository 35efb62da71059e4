package main

import (
	"fmt"
	"io"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// driftsIn returns those services of a plan whose backends stand in another order than the canonical one. A table from
// a file, against, does not tell the order of the kernel's list.
func driftsIn(plan *reconcile.Plan, observed kernel.Table, against string) []reconcile.Drift {
	if against != "" {
		return nil
	}
	var drifts []reconcile.Drift
	for _, d := range reconcile.DriftNotes(observed) {
		if plan.Names[d.Key] != "" {
			drifts = append(drifts, d)
		}
	}
	return drifts
}

// printDrifts prints a line for each drift, as plan prints what people should know.
func printDrifts(w io.Writer, plan *reconcile.Plan, drifts []reconcile.Drift) {
	for _, d := range drifts {
		fmt.Fprintf(w, "# order: %s: %s; gorb reorder %s moves %s\n",
			title(plan, d.Key), d, called(d.Key, plan.Names[d.Key]), d.Change)
	}
}

func driftList(plan *reconcile.Plan, drifts []reconcile.Drift) []*driftJSON {
	list := []*driftJSON{}
	for _, d := range drifts {
		list = append(list, newDriftJSON(d, plan.Names[d.Key]))
	}
	return list
}
