package spec

import (
	"cmp"
	"fmt"
	"slices"
)

// maxProblems is how many problems are told apart; of the others only the number is said. Who mistypes a default
// makes thousands of them, and the first hundred say it all.
const maxProblems = 100

// pending is a problem whose place is not known yet. What has no kind is said by a parser, and KindSyntax.
type pending struct {
	path    path
	line    int // 0: the line of path, found when it is needed
	kind    ProblemKind
	message string
}

func (p pending) Error() string { return p.message }

// report gathers problems. It is cheap to report to when it is full, so that a bad document of 16 MiB costs what a
// good one does.
type report struct {
	found []pending
	more  int
}

func (r *report) empty() bool { return len(r.found) == 0 }

// full reports whether a further problem is only counted, so that its message need not be made.
func (r *report) full() bool { return len(r.found) == maxProblems }

// addf reports at a path what does not go together in a whole.
func (r *report) addf(p path, format string, args ...any) {
	r.kindf(KindCombination, p, format, args...)
}

// kindf reports a problem of a kind at a path.
func (r *report) kindf(kind ProblemKind, p path, format string, args ...any) {
	r.addLine(kind, p, 0, format, args...)
}

// addLine is kindf for a problem whose line is known.
func (r *report) addLine(kind ProblemKind, p path, line int, format string, args ...any) {
	if !r.full() {
		r.add(pending{path: p, line: line, kind: kind, message: fmt.Sprintf(format, args...)})
		return
	}
	r.more++
}

// add reports a problem, whose path it copies.
func (r *report) add(p pending) {
	if r.full() {
		r.more++
		return
	}
	p.path = slices.Clone(p.path)
	r.found = append(r.found, p)
}

// problems finds the place of everything reported, in the last of the layers that has it, and puts the problems in
// order: by layer, line and path.
func (r *report) problems(layers []*Document) Problems {
	if r.empty() {
		return nil
	}
	layers = leaves(layers)
	paths := make([]path, len(r.found))
	for i, p := range r.found {
		paths[i] = p.path
	}
	return r.placed(layers, locate(layers, paths))
}

// placed is problems for places that are known.
func (r *report) placed(layers []*Document, places []place) Problems {
	type placed struct {
		layer int
		Problem
	}
	all := make([]placed, len(r.found))
	for i, p := range r.found {
		line := cmp.Or(p.line, places[i].line)
		all[i] = placed{places[i].layer, p.at(line)}
		if len(layers) > 0 {
			d := layers[places[i].layer]
			all[i].Source = d.name
			if d.override != nil && p.line == 0 {
				all[i].Line = 0 // one line is all there is, as a rule
			}
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})

	out := make(Problems, len(all), len(all)+1)
	for i, p := range all {
		out[i] = p.Problem
	}
	if r.more > 0 {
		out = append(out, Problem{Source: out[len(out)-1].Source, Message: fmt.Sprintf("and %d more", r.more)})
	}
	return out
}
