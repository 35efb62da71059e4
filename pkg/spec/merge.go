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
	all := layered(docs)
	var known Problems
	wrong := faulty{}
	for _, d := range docs {
		known = append(known, d.faults...)
		maps.Copy(wrong, d.faulty)
	}

	var faults report
	desired := &Desired{
		Gorb:   all.gorb.complete(&faults, wrong),
		IPVS:   all.ipvs.complete(&faults, wrong),
		layers: docs,
		masks:  make(map[string]netmask),
	}
	for _, name := range sortedKeys(all.services) {
		c := completer{
			report: &faults, defaults: &all.defaults, declared: all.services[name], name: name, faulty: wrong,
			masks: desired.masks,
		}
		desired.Services = append(desired.Services, c.service())
	}
	desired.checkHosts(&faults, wrong)
	if !faults.empty() || len(known) > 0 {
		return nil, inOrder(docs, append(known, faults.problems(docs)...))
	}
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
	for i, d := range docs {
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

func (g declaredGorb) complete(r *report, f faulty) Gorb {
	return Gorb{
		Listen:    g.listen.or(defaultListen),
		Interface: g.iface.or(defaultInterface),
		Resync:    g.resync.or(defaultResync),
		StateDir:  g.stateDir.or(defaultStateDir),
		VIP:       g.vip.complete(r, f),
	}
}
