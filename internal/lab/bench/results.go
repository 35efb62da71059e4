package main

import (
	"slices"
	"time"
)

// A task is what all programs are measured at.
type task string

const (
	create task = "create all"
	weigh  task = "change all weights"
	change task = "change one weight"
	read   task = "read all"
	remove task = "delete all"
)

// A method is how a task is done: by a program, and what of its time counts. The first method of a task is the one that
// the others are compared with.
type method struct {
	task task
	name string
	part part // of the first method of the task: it is no program of its own
}

// A part says how the time of a method is a part of another's, or has that as a part.
type part int

const (
	whole  part = iota // it is none
	writes             // the others are compared with this, too
	pass
)

// The methods. What counts for a program is the time from its start to its end, and for gorb read_ms and write_ms: from
// decoded documents to the kernel's last answer.
var (
	gorbCreate       = method{create, "gorb apply", whole}
	gorbCreatePass   = method{create, "gorb apply, the whole pass", pass}
	gorbCreateWrites = method{create, "gorb apply, writes alone", writes}
	ipvsadmCreate    = method{create, "ipvsadm -R", whole}
	keepalivedStart  = method{create, "keepalived -C, start", whole}

	gorbWeigh        = method{weigh, "gorb apply", whole}
	gorbWeighPass    = method{weigh, "gorb apply, the whole pass", pass}
	gorbWeighWrites  = method{weigh, "gorb apply, writes alone", writes}
	ipvsadmWeigh     = method{weigh, "ipvsadm -R", whole}
	keepalivedReload = method{weigh, "keepalived -C, reload", whole}

	gorbChange       = method{change, "gorb run, pass over one service", whole}
	ipvsadmChange    = method{change, "ipvsadm -e", whole}
	keepalivedChange = method{change, "keepalived -C, reload", whole}

	gorbRead    = method{read, "gorb, as a pass reads", whole}
	ipvsadmRead = method{read, "ipvsadm -Ln", whole}

	gorbRemove       = method{remove, "gorb apply", whole}
	gorbRemovePass   = method{remove, "gorb apply, the whole pass", pass}
	gorbRemoveWrites = method{remove, "gorb apply, writes alone", writes}
	ipvsadmRemove    = method{remove, "ipvsadm -C", whole}
	keepalivedRemove = method{remove, "keepalived -C, reload (but one)", whole}
)

// methods are all of them in the order in which they are shown.
var methods = []method{
	gorbCreate, gorbCreatePass, gorbCreateWrites, ipvsadmCreate, keepalivedStart,
	gorbWeigh, gorbWeighPass, gorbWeighWrites, ipvsadmWeigh, keepalivedReload,
	gorbChange, ipvsadmChange, keepalivedChange,
	gorbRead, ipvsadmRead,
	gorbRemove, gorbRemovePass, gorbRemoveWrites, ipvsadmRemove, keepalivedRemove,
}

// results is what was measured.
type results struct {
	table  table                      // the size of it
	times  map[method][]time.Duration // what counts, once for each run
	walls  map[method][]time.Duration // from the start of the program to its end, where the program is all of the method
	calls  map[method]float64         // system calls of all of the program
	decode []time.Duration            // of gorb, of all the documents
}

func newResults(t table) *results {
	return &results{
		table: t,
		times: map[method][]time.Duration{},
		walls: map[method][]time.Duration{},
		calls: map[method]float64{},
	}
}

// objects returns how many services and backends a method reads or writes.
func (r *results) objects(m method) int {
	switch m.task {
	case change:
		return 1
	case weigh:
		return r.table.services * r.table.backends
	default:
		return r.table.objects()
	}
}

// report makes a report of the results.
func (r *results) report(system string) report {
	out := report{
		System: system, Services: r.table.services, Backends: r.table.backends,
		DecodeMS: inMilliseconds(shortest(r.decode)),
	}
	ours := map[part]float64{} // of gorb, at the task
	for _, m := range methods {
		first := len(out.Rows) == 0 || out.Rows[len(out.Rows)-1].Task != m.task
		objects := float64(r.objects(m))
		ms := inMilliseconds(shortest(r.times[m]))
		next := row{
			Task: m.task, Method: m.name, MS: ms, Micros: 1000 * ms / objects,
			Calls: r.calls[m] / objects, WallMS: inMilliseconds(shortest(r.walls[m])),
		}
		switch {
		case first:
			ours = map[part]float64{whole: ms}
		case m.part != whole:
			ours[m.part] = ms
		default:
			next.Ratio, next.WritesRatio = ratio(ms, ours[whole]), ratio(ms, ours[writes])
		}
		out.Rows = append(out.Rows, next)
	}
	return out
}

// ratio returns how many times as fast as another gorb is; 0 is unknown.
func ratio(theirs, ours float64) float64 {
	if ours <= 0 {
		return 0
	}
	return theirs / ours
}

// shortest returns what the least disturbed run took: whatever else a machine does only adds. It is 0 without any.
func shortest(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return slices.Min(all)
}

// extrapolate returns what a program that made so many calls for few objects and so many for more makes for all,
// if what it does once is the same and the rest grows with the objects.
func extrapolate(few, fewCalls, more, moreCalls, all int) float64 {
	if few == more {
		return float64(moreCalls)
	}
	slope := float64(moreCalls-fewCalls) / float64(more-few)
	return float64(moreCalls) + slope*float64(all-more)
}

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
