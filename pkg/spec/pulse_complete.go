package spec

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The defaults of a pulse. The types, the interval and the timeout are GORB's.
const (
	defaultTimeout   = 5 * time.Second
	defaultWindow    = 100 // GORB's
	defaultSlowStart = time.Minute
)

// defaultMaxInterval is up to where the interval grows where nobody says.
func defaultMaxInterval(interval time.Duration) time.Duration { return min(10*interval, maxDuration) }

// filled is the pulse with all defaults, but for its args.
func (p *declaredPulse) filled(kind string) *Pulse {
	interval := p.interval.or(DefaultInterval)
	return &Pulse{
		Type:         kind,
		Interval:     interval,
		FastInterval: p.fastInterval.or(interval),
		Timeout:      p.timeout.or(defaultTimeout),
		Rise:         int(p.rise.or(1)),
		Fall:         int(p.fall.or(1)),
		Backoff:      p.backoff.or(1),
		MaxInterval:  p.maxInterval.or(defaultMaxInterval(interval)),
		Initial:      p.initial.or(InitialKernel),
		InitialWait:  p.initialWait.or(0),
		Restore:      p.restore.or(RestoreGradual),
		Window:       int(p.window.or(defaultWindow)),
		SlowStart:    p.slowStart.or(defaultSlowStart),
	}
}

// A pulseLayer is a table that a pulse is declared in.
type pulseLayer struct {
	at    path
	pulse *declaredPulse // nil: it is not there
}

// pulseLayers are those of one pulse, the highest first: its own, then defaults.
type pulseLayers struct {
	*completer
	layers []pulseLayer
	all    *declaredPulse // what they come to; nil: nothing
}

func (c *completer) pulseLayers(layers ...pulseLayer) *pulseLayers {
	p := &pulseLayers{completer: c, layers: layers}
	for _, l := range slices.Backward(layers) {
		p.all = l.pulse.over(p.all)
	}
	return p
}

// servicePulse completes the pulse of a service; nil where nobody says anything of it.
func (c *completer) servicePulse(s *Service) *Pulse {
	p := c.serviceLayers()
	if p.all == nil {
		return nil
	}
	return p.complete(s, nil)
}

func (c *completer) serviceLayers() *pulseLayers {
	return c.pulseLayers(
		pulseLayer{path{"services", c.name, "pulse"}, c.declared.pulse},
		pulseLayer{path{"defaults", "service", "pulse"}, c.defaults.service.pulse},
		pulseLayer{path{"defaults", "pulse"}, c.defaults.pulse},
	)
}

// backendPulse completes the pulse of a backend; nil where it is the service's. One that has no port to check has a pulse
// of type none, unless somebody wants it checked all the same.
func (c *completer) backendPulse(s *Service, b *Backend, declared *declaredPulse) *Pulse {
	if declared != nil {
		p := c.pulseLayers(
			pulseLayer{path{"services", c.name, "backends", b.Name, "pulse"}, declared},
			pulseLayer{path{"defaults", "pulse"}, c.defaults.pulse},
		)
		pulse := p.complete(s, b)
		if p.crosses(pulse, b) {
			p.faultSource(pulse, b)
		}
		return pulse
	}
	if !c.crossed && c.crosses(s.Pulse, b) {
		c.crossed = true
		c.serviceLayers().faultSource(s.Pulse, b)
	}
	if s.Pulse == nil || !connects(s.Pulse.Type) || s.Pulse.Args.Port != 0 || b.Port != 0 {
		return nil
	}
	if c.declared.pulse == nil || !c.declared.pulse.kind.set {
		return unchecked
	}
	if !c.portless && !c.lacksPort(s) && c.faulty.soundBackend(c.name, b.Name, "port", "") {
		c.portless = true
		c.addf(path{"pulse", "type"}, "%s", noPort(s.Pulse.Type, fmt.Sprintf("that of backend %s is 0", keyString(b.Name))))
	}
	return nil
}

// complete makes a Pulse of a service or, unless b is nil, of a backend.
func (p *pulseLayers) complete(s *Service, b *Backend) *Pulse {
	if slices.ContainsFunc(p.layers, func(l pulseLayer) bool { return p.faulty.under(l.at) }) {
		return unchecked // it has been reported, and nothing comes of it
	}
	kind, why := p.kind(s, b)
	if why != "" {
		p.faultf([]string{"type"}, "%s", why)
		return unchecked
	}
	if kind == PulseNone {
		p.doubtUnchecked()
		return unchecked
	}
	pulse := p.all.filled(kind)
	p.args(pulse)
	p.combination(pulse)
	p.doubt(pulse)
	if host, ok := p.all.args["host"].(checkedHost); ok && host.remote {
		a := asked{at: p.where("args", "host"), host: host.addr}
		if b != nil {
			a.own = b.Host
		}
		p.asked = append(p.asked, a)
	}
	return pulse
}

// where is the path of a key in the highest layer that has it.
func (p *pulseLayers) where(keys ...string) path {
	for _, l := range p.layers {
		if l.pulse.has(keys) {
			return append(slices.Clone(l.at), keys...)
		}
	}
	return append(slices.Clone(p.layers[0].at), keys...)
}

// own reports whether the object itself says something of a key, so that it is to hear what comes of that.
func (p *pulseLayers) own(keys ...string) bool { return p.layers[0].pulse.has(keys) }

// has reports whether a pulse has a key, or an arg.
func (p *declaredPulse) has(keys []string) bool {
	if p == nil {
		return false
	}
	if len(keys) == 2 {
		_, ok := p.args[keys[1]]
		return ok
	}
	return slices.ContainsFunc(p.said(nil)[0].value.([]setting), func(s setting) bool { return s.key == keys[0] })
}

// faultf reports a problem with a key, where it is declared. In [defaults] it is not seen whose pulse is meant.
func (p *pulseLayers) faultf(keys []string, format string, args ...any) {
	if !p.own(keys...) && p.where(keys...)[0] == "defaults" {
		format, args = format+", in %s", append(args, p.layers[0].at)
	}
	p.report.addf(p.where(keys...), format, args...)
}

// args fills in the args that the type has. What another type has was carried by GORB, and is left by a layer that changes
// the type, so it is no error; it is said to who wrote it here.
func (p *pulseLayers) args(pulse *Pulse) {
	for _, key := range sortedKeys(p.all.args) {
		a, v := arguments[key], p.all.args[key]
		if !slices.Contains(a.of, pulse.Type) {
			if p.own("args", key) {
				p.doubtf(p.where("args", key), "it goes with type %s, and this is %s; it has no effect",
					strings.Join(a.of, " or "), pulse.Type)
			}
			continue
		}
		if e, ok := v.(expectation); ok {
			e, why := e.as(pulse.Type, p.all.kind.set)
			if why != "" {
				p.doubtf(p.where("args", key), "%s", why)
				continue
			}
			if why := e.wrong(); why != "" {
				p.faultf([]string{"args", key}, "%s", why)
				continue
			}
			v = e
		}
		a.put(&pulse.Args, v)
	}
}

// combination reports what does not go together.
func (p *pulseLayers) combination(pulse *Pulse) {
	a := &pulse.Args
	if pulse.FastInterval > pulse.Interval {
		p.faultf([]string{"fast_interval"}, "%s is over interval %s",
			formatDuration(pulse.FastInterval), formatDuration(pulse.Interval))
	}
	if pulse.MaxInterval < pulse.Interval {
		p.faultf([]string{"max_interval"}, "%s is under interval %s",
			formatDuration(pulse.MaxInterval), formatDuration(pulse.Interval))
	}
	if a.Expect != "" && a.Regexp != "" {
		p.faultf([]string{"args", "regexp"}, "there is an expect already; of the two there can be one")
	}
	if a.ExpectBody != "" && a.ExpectBodyRegexp != "" {
		p.faultf([]string{"args", "expect_body_regexp"}, "there is an expect_body already; of the two there can be one")
	}
	if a.Method == "HEAD" && a.ExpectBody != "" {
		p.faultf([]string{"args", "expect_body"}, "the answer to HEAD has no body")
	}
	if a.Method == "HEAD" && a.ExpectBodyRegexp != "" {
		p.faultf([]string{"args", "expect_body_regexp"}, "the answer to HEAD has no body")
	}
	for _, pair := range [][2]string{{"cert_file", "key_file"}, {"key_file", "cert_file"}} {
		if _, other := p.all.args[pair[1]]; p.all.args[pair[0]] != nil && !other && pulse.Type == PulseHTTPS {
			p.faultf([]string{"args", pair[0]}, "it needs a %s", pair[1])
		}
	}
	if pulse.Type == PulseExec && len(a.Command) == 0 {
		p.faultf([]string{"type"}, "exec needs args = { command = [\"/path/to/program\"] }")
	}
	if a.Host.IsValid() && a.Source.IsValid() && a.Host.Is4() != a.Source.Is4() {
		p.faultf([]string{"args", "source"}, "%s is %s and the host %s", a.Source, familyOf(a.Source), familyOf(a.Host))
	}
}

// doubt warns of what has no effect, to who wrote it here, and of checks that outlive their interval.
func (p *pulseLayers) doubt(pulse *Pulse) {
	for _, d := range []struct {
		key    string
		idle   bool // and something else than its default
		advice string
	}{
		{"max_interval", pulse.Backoff == 1 && pulse.MaxInterval != defaultMaxInterval(pulse.Interval), "without a backoff over 1 the interval does not grow"},
		{"initial_wait", pulse.Initial != InitialKernel, "it goes with initial = \"kernel\""},
		{"window", pulse.Restore != RestoreGradual && pulse.Window != defaultWindow, "it goes with restore = \"gradual\""},
		{"slow_start", pulse.Restore != RestoreSlowStart && pulse.SlowStart != defaultSlowStart, "it goes with restore = \"slow-start\""},
	} {
		if d.idle && p.own(d.key) {
			p.doubtf(p.where(d.key), "it has no effect: %s", d.advice)
		}
	}
	// GORB's timeout was always 5s: who says nothing of it is not warned of it.
	if pulse.Timeout > pulse.Interval && p.all.timeout.set && (p.own("timeout") || p.own("interval")) {
		at := "timeout"
		if !p.own(at) {
			at = "interval"
		}
		p.doubtf(p.where(at), "timeout %s is over interval %s: a check without an answer holds up those after it",
			formatDuration(pulse.Timeout), formatDuration(pulse.Interval))
	}
	if pulse.Args.Insecure && pulse.Args.CAFile != "" && p.own("args", "insecure") {
		p.doubtf(p.where("args", "insecure"), "whoever answers is believed, so ca_file has no effect")
	}
}

// doubtUnchecked warns of a pulse that says what to check, and is none by default.
func (p *pulseLayers) doubtUnchecked() {
	if own := p.layers[0].pulse; own != nil && !p.all.kind.set && len(own.args) > 0 {
		p.doubtf(p.where("args"), "nothing is checked here by default, as there is no port to connect to; "+
			"a type and args = { port = 8080 } say otherwise")
	}
}

// doubtf warns of something in a pulse.
func (c *completer) doubtf(at path, format string, args ...any) {
	if c.doubts != nil {
		c.doubts.addf(at, format, args...)
	}
}
