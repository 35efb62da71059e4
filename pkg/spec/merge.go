package spec

import "time"

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
func Merge(docs ...*Document) (*Desired, error) {
	var all declared
	for _, d := range docs {
		all = d.declared.over(all)
	}

	var faults, doubts report
	desired := &Desired{Gorb: all.gorb.complete(), layers: docs}
	for _, name := range sortedKeys(all.services) {
		c := completer{report: &faults, defaults: &all.defaults, declared: all.services[name], name: name}
		desired.Services = append(desired.Services, c.service())
	}
	desired.checkHosts(&faults)
	if !faults.empty() {
		return nil, faults.problems(docs)
	}
	for i := range desired.Services {
		desired.Services[i].doubt(&doubts)
	}
	desired.Warnings = doubts.problems(docs)
	return desired, nil
}

func (g declaredGorb) complete() Gorb {
	return Gorb{
		Listen:    g.listen.or(defaultListen),
		Interface: g.iface.or(defaultInterface),
		Resync:    g.resync.or(defaultResync),
		StateDir:  g.stateDir.or(defaultStateDir),
	}
}
