package main

import (
	"fmt"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// newDrift is a drift as it is told.
func newDrift(d reconcile.Drift, name string) *httpapi.Drift {
	out := httpapi.Drift{Service: d.Key.String(), Name: name, Moves: []string{}, Moved: d.Moved, Slots: d.Slots, About: d.About}
	for _, m := range d.Moves {
		out.Moves = append(out.Moves, m.String())
	}
	return &out
}

// newDrifts lists the drifts that a plan is about, each with the remark that people read.
func newDrifts(plan *reconcile.Plan) []httpapi.Drift {
	list := []httpapi.Drift{}
	for _, d := range plan.Drifts() {
		name := plan.Names[d.Key]
		out := newDrift(d, name)
		out.Remark = fmt.Sprintf("%s: %s; gorb reorder %s moves %s", titled(d.Key, name), d, called(d.Key, name), d.Change)
		list = append(list, *out)
	}
	return list
}
