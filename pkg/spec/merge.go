package spec

import (
	"cmp"
	"errors"
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
	defaultSocket    = "/run/gorb/gorb.sock"
	defaultStart     = 30 * time.Second
	defaultMethod    = "wrr" // GORB's, since health checks change weights
	defaultWeight    = 100
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
func Merge(docs ...*Document) (*Desired, error) { return MergeWith(docs, nil) }

// MergeWith is Merge with overrides on top of the documents, in their order: of two the later one wins.
// What a field that an override set is blamed for carries the name of the override: "override web/a". An override whose
// object is gone has no effect. One that is wrong makes the whole wrong; Lay sets such aside instead.
func MergeWith(docs []*Document, overrides []Override) (*Desired, error) {
	all, order, wrong := changes(overrides)
	whole, _ := layered(docs).lay(all, order)
	desired, err := whole.complete(docs, picked(all, order))
	if err == nil {
		desired, err = desired.checkAsked()
	}
	if len(wrong) == 0 {
		return desired, err
	}
	problems, _ := errors.AsType[Problems](err)
	for _, i := range slices.Sorted(maps.Keys(wrong)) {
		problems = append(problems, wrong[i]...)
	}
	return nil, problems
}

// picked returns what is at the given places of a list.
func picked[T any](all []T, order []int) []T {
	out := make([]T, len(order))
	for i, at := range order {
		out[i] = all[at]
	}
	return out
}

// complete makes the Desired of what documents and overrides declare together.
func (d declared) complete(docs []*Document, over []*change) (*Desired, error) {
	var known Problems
	wrong := faulty{}
	for _, doc := range docs {
		known = append(known, doc.faults...)
		maps.Copy(wrong, doc.faulty)
	}
	layers := slices.Clip(docs)
	for _, c := range over {
		layers = append(layers, c.doc)
	}

	var faults, doubts report
	desired := &Desired{
		Gorb:   d.gorb.complete(&faults, wrong),
		IPVS:   d.ipvs.complete(&faults, wrong),
		Consul: d.consul.complete(&faults, wrong),
		Probe:  d.probe.complete(),
		API:    d.api.complete(&faults, wrong),
		layers: layers,
		masks:  make(map[string]netmask),
	}
	desired.Services = slices.Grow(desired.Services, len(d.services))
	for _, name := range sortedKeys(d.services) {
		if d.services[name].disabled.value {
			continue
		}
		c := completer{
			report: &faults, defaults: &d.defaults, declared: d.services[name], name: name, faulty: wrong,
			masks: desired.masks, doubts: &doubts,
		}
		desired.Services = append(desired.Services, c.service())
		desired.asked = append(desired.asked, c.asked...)
	}
	desired.checkHosts(&faults, wrong)
	if !faults.empty() || len(known) > 0 {
		return nil, inOrder(layers, append(known, faults.problems(layers)...))
	}
	desired.doubts = doubts.found
	desired.Warnings = desired.WarningsOn("")
	return desired, nil
}

// layered lays what documents declare over one another. It does so by halves: one by one, what thousands of documents
// declare would be copied once for each of them.
func layered(docs []*Document) declared {
	switch n := len(docs); n {
	case 0:
		return declared{}
	case 1:
		return docs[0].declared
	default:
		return layered(docs[n/2:]).over(layered(docs[:n/2]))
	}
}

// inOrder sorts problems by document, line and path; how many there are more comes last, as it has neither.
func inOrder(docs []*Document, problems Problems) Problems {
	layer := make(map[string]int, len(docs))
	for i, d := range leaves(docs) {
		layer[d.name] = i
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(layer[a.Source], layer[b.Source]), placeless(a)-placeless(b),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return problems
}

// placeless is 1 for a problem that has no place in its document, else 0.
func placeless(p Problem) int {
	if p.Line == 0 && p.Path == "" {
		return 1
	}
	return 0
}

// Settings is [gorb], [consul], [probe] and [api] alone of documents laid over one another, where the rest is not all there yet. The error
// is Problems.
func Settings(docs ...*Document) (*Desired, error) {
	var known Problems
	wrong := faulty{}
	for _, doc := range docs {
		known = append(known, doc.faults...)
		maps.Copy(wrong, doc.faulty)
	}
	var faults report
	all := layered(docs)
	d := &Desired{
		Gorb: all.gorb.complete(&faults, wrong), Consul: all.consul.complete(&faults, wrong), Probe: all.probe.complete(),
		API:        all.api.complete(&faults, wrong),
		Incomplete: true,
	}
	if !faults.empty() || len(known) > 0 {
		return nil, inOrder(docs, append(known, faults.problems(docs)...))
	}
	return d, nil
}

func (g declaredGorb) complete(r *report, f faulty) Gorb {
	return Gorb{
		Listen:    g.listen.or(defaultListen),
		Interface: g.iface.or(defaultInterface),
		Resync:    g.resync.or(defaultResync),
		StateDir:  g.stateDir.or(defaultStateDir),
		VIP:       g.vip.complete(r, f),
		Socket:    g.socket.or(defaultSocket),

		StartTimeout: g.startTimeout.or(defaultStart),
		DebugListen:  g.debugListen.or(""),
	}
}
