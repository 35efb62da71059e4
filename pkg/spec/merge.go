package spec

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// The defaults. They are applied once, to the merged whole.
const (
	defaultListen    = ":4672"
	defaultInterface = "eth0"
	defaultResync    = 30 * time.Second
	defaultStateDir  = "/var/lib/gorb"
	defaultMethod    = "wrr" // GORB's, since health checks change weights
	defaultWeight    = 100
	defaultPulse     = "tcp"
)

// The defaults that whoever makes a Service needs, so that Encode leaves them out.
const (
	DefaultDrain    = 5 * time.Minute // Service.Drain
	DefaultInterval = time.Minute     // Pulse.Interval
)

// Merge lays documents over one another, the later ones on top: tables merge, values replace. It applies the
// defaults and checks the whole. The error is Problems; each is placed in the layer that set the field. Merging no
// documents gives a Desired without services.
//
// Documents that Decode found fault with are never merged; their problems are in the error, beside what is wrong with the
// whole as far as that can be told.
func Merge(docs ...*Document) (*Desired, error) {
	var all declared
	var known Problems
	wrong := faulty{}
	for _, d := range docs {
		all = d.declared.over(all)
		known = append(known, d.faults...)
		maps.Copy(wrong, d.faulty)
	}

	var faults, doubts report
	desired := &Desired{Gorb: all.gorb.complete(), layers: docs}
	for _, name := range sortedKeys(all.services) {
		c := completer{report: &faults, defaults: &all.defaults, declared: all.services[name], name: name, faulty: wrong}
		desired.Services = append(desired.Services, c.service())
	}
	desired.checkHosts(&faults, wrong)
	if !faults.empty() || len(known) > 0 {
		return nil, inOrder(docs, append(known, faults.problems(docs)...))
	}
	for i := range desired.Services {
		desired.Services[i].doubt(&doubts)
	}
	desired.Warnings = doubts.problems(docs)
	return desired, nil
}

// inOrder sorts problems by document, line and path.
func inOrder(docs []*Document, problems Problems) Problems {
	layer := make(map[string]int, len(docs))
	for i, d := range docs {
		layer[d.name] = i
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(layer[a.Source], layer[b.Source]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return problems
}

func (g declaredGorb) complete() Gorb {
	return Gorb{
		Listen:    g.listen.or(defaultListen),
		Interface: g.iface.or(defaultInterface),
		Resync:    g.resync.or(defaultResync),
		StateDir:  g.stateDir.or(defaultStateDir),
	}
}
