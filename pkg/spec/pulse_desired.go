package spec

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Pulse is a health check, with all defaults. One of type none has nothing beside Type and Interval.
type Pulse struct {
	Type         string        // PulseNone, PulseTCP, ...
	Interval     time.Duration // from the start of a check to that of the next (default 1m)
	FastInterval time.Duration // the same while a change is being confirmed; at most Interval, the default
	Timeout      time.Duration // of one check (default 5s)
	Rise, Fall   int           // how many results in a row make a change; 1 to 1000 (default 1)
	Backoff      float64       // by what the interval grows while the backend is down; 1 to 10 (default 1: it does not)
	MaxInterval  time.Duration // and up to where; at least Interval (default: ten times that)
	Initial      string        // what an unanswered backend has: InitialKernel (default), ...
	InitialWait  time.Duration // how long it waits for its weight; 0, the default: until it is answered
	Restore      string        // how the weight comes back: RestoreGradual (default), ...
	Window       int           // of gradual: of how many checks the share counts; 1 to 10000 (default 100)
	SlowStart    time.Duration // of slow-start: how long until the whole weight (default 1m)
	Args         Args          // those that the type has
}

// The types of a pulse.
const (
	PulseNone  = "none"
	PulseTCP   = "tcp"
	PulseHTTP  = "http"
	PulseHTTPS = "https"
	PulseExec  = "exec"
)

// What an unanswered backend has.
const (
	InitialKernel = "kernel" // no more than the kernel gives it
	InitialUp     = "up"
	InitialDown   = "down"
)

// How the weight of a backend comes back.
const (
	RestoreGradual   = "gradual"
	RestoreSlowStart = "slow-start"
	RestoreImmediate = "immediate"
)

// Args are what a pulse has beside its judgement. The zero value of each is that it was left out.
type Args struct {
	// Of every type but none.
	Host   netip.Addr // what is checked; invalid: the backend's
	Port   uint16     // 0: the backend's
	Source netip.Addr // from where; invalid: as the kernel chooses
	Mark   uint32     // of the packets (SO_MARK); 0: none

	// Of tcp. Both are bytes, as they go over the wire.
	Send   string
	Expect string // what the answer begins with
	Regexp string // or what is found in it, in RE2

	// Of http and https.
	Method           string // "": GET
	Path             string // with the query; "": /
	Headers          map[string]string
	HostHeader       string
	Body             string
	Statuses         []StatusRange // expect; none: 200
	ExpectBody       string        // what is found in the body
	ExpectBodyRegexp string        // or in RE2
	HTTP2            bool
	Follow           bool // redirects are followed
	Reuse            bool // connections are kept for the next check

	// Of https.
	ServerName                string
	CAFile, CertFile, KeyFile string
	Insecure                  bool // whoever answers is believed

	// Of exec: the program and its arguments.
	Command []string
}

// StatusRange is a range of the statuses of HTTP, both ends included.
type StatusRange struct{ From, To uint16 }

func (p *Pulse) equal(o *Pulse) bool {
	if p == nil || o == nil || p == o {
		return p == o
	}
	return p.Type == o.Type && p.Interval == o.Interval && p.FastInterval == o.FastInterval && p.Timeout == o.Timeout &&
		p.Rise == o.Rise && p.Fall == o.Fall && p.Backoff == o.Backoff && p.MaxInterval == o.MaxInterval &&
		p.Initial == o.Initial && p.InitialWait == o.InitialWait && p.Restore == o.Restore && p.Window == o.Window &&
		p.SlowStart == o.SlowStart && p.Args.Equal(&o.Args)
}

// Equal reports whether two are the same.
func (a *Args) Equal(o *Args) bool {
	return a.Host == o.Host && a.Port == o.Port && a.Source == o.Source && a.Mark == o.Mark &&
		a.Send == o.Send && a.Expect == o.Expect && a.Regexp == o.Regexp &&
		a.Method == o.Method && a.Path == o.Path && maps.Equal(a.Headers, o.Headers) && a.HostHeader == o.HostHeader &&
		a.Body == o.Body && slices.Equal(a.Statuses, o.Statuses) && a.ExpectBody == o.ExpectBody &&
		a.ExpectBodyRegexp == o.ExpectBodyRegexp && a.HTTP2 == o.HTTP2 && a.Follow == o.Follow && a.Reuse == o.Reuse &&
		a.ServerName == o.ServerName && a.CAFile == o.CAFile && a.CertFile == o.CertFile && a.KeyFile == o.KeyFile &&
		a.Insecure == o.Insecure && slices.Equal(a.Command, o.Command)
}

// The pulses of backends that name none. Nobody changes them.
var (
	unchecked    = &Pulse{Type: PulseNone, Interval: DefaultInterval}
	defaultPulse = (&declaredPulse{}).filled(PulseTCP)
)

// PulseOf returns the health check of a backend of the service: its own, else the service's, else that of who says
// nothing, which is tcp, or none where there is no port of TCP to check. It is never nil, and not to be changed.
func (s *Service) PulseOf(b *Backend) *Pulse {
	switch {
	case b.Pulse != nil:
		return b.Pulse
	case s.Pulse != nil:
		return s.Pulse
	case s.datagrams() || b.Port == 0:
		return unchecked
	}
	return defaultPulse
}

// datagrams reports whether the ports of the service are not those of TCP.
func (s *Service) datagrams() bool { return s.Protocol == UDP || s.Protocol == SCTP }

// connects reports whether a check of a type connects to a port.
func connects(kind string) bool { return kind == PulseTCP || kind == PulseHTTP || kind == PulseHTTPS }

// judgement are all keys of a pulse but its type and args.
func (p *Pulse) judgement() []setting {
	return []setting{
		set("interval", formatDuration(p.Interval)), set("fast_interval", formatDuration(p.FastInterval)),
		set("timeout", formatDuration(p.Timeout)), set("rise", int64(p.Rise)), set("fall", int64(p.Fall)),
		set("backoff", p.Backoff), set("max_interval", formatDuration(p.MaxInterval)), set("initial", p.Initial),
		set("initial_wait", formatDuration(p.InitialWait)), set("restore", p.Restore), set("window", int64(p.Window)),
		set("slow_start", formatDuration(p.SlowStart)),
	}
}

// appendTo adds the pulse to a table's settings, where there is one: its type, and what differs from the defaults.
func (p *Pulse) appendTo(out []setting) []setting {
	if p == nil {
		return out
	}
	table := []setting{set("type", p.Type)}
	if p.Type != PulseNone {
		defaults := (&declaredPulse{interval: some(p.Interval)}).filled(p.Type).judgement()
		defaults[0] = set("interval", formatDuration(DefaultInterval))
		for i, s := range p.judgement() {
			if s.value != defaults[i].value {
				table = append(table, s)
			}
		}
		if args := p.Args.settings(); len(args) > 0 {
			table = append(table, set("args", args))
		}
	}
	return append(out, set("pulse", table))
}

// defaults are the settings of a pulse that may have been left out and have an effect.
func (p *Pulse) defaults() []setting {
	if p == nil {
		return nil
	}
	table := []setting{set("type", p.Type)}
	if p.Type == PulseNone {
		return []setting{set("pulse", append(table, set("interval", formatDuration(p.Interval))))}
	}
	idle := map[string]bool{
		"initial_wait": true, // it has none
		"max_interval": p.Backoff == 1,
		"window":       p.Restore != RestoreGradual,
		"slow_start":   p.Restore != RestoreSlowStart,
	}
	for _, s := range p.judgement() {
		if !idle[s.key] {
			table = append(table, s)
		}
	}
	return []setting{set("pulse", table)}
}
