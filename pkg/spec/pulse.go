package spec

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// declaredPulse is what documents say of a health check. An arg is a value that the table of arguments reads.
type declaredPulse struct {
	kind         opt[string]
	interval     opt[time.Duration]
	fastInterval opt[time.Duration]
	timeout      opt[time.Duration]
	rise, fall   opt[uint16]
	backoff      opt[float64]
	maxInterval  opt[time.Duration]
	initial      opt[string]
	initialWait  opt[time.Duration]
	restore      opt[string]
	window       opt[uint16]
	slowStart    opt[time.Duration]
	args         map[string]any
}

// How far the judgement of a pulse may go.
const (
	maxRise    = 1000
	maxWindow  = 10_000
	maxBackoff = 10
)

var pulseFields = fields[declaredPulse]{
	"type":          func(c *checker, v any, p *declaredPulse) { p.kind = c.pulseType(v) },
	"interval":      func(c *checker, v any, p *declaredPulse) { p.interval = c.duration(v, 1, maxDuration) },
	"fast_interval": func(c *checker, v any, p *declaredPulse) { p.fastInterval = c.duration(v, 1, maxDuration) },
	"timeout":       func(c *checker, v any, p *declaredPulse) { p.timeout = c.duration(v, 1, maxDuration) },
	"rise":          func(c *checker, v any, p *declaredPulse) { p.rise = whole[uint16](c, v, 1, maxRise) },
	"fall":          func(c *checker, v any, p *declaredPulse) { p.fall = whole[uint16](c, v, 1, maxRise) },
	"backoff":       func(c *checker, v any, p *declaredPulse) { p.backoff = c.factor(v, 1, maxBackoff) },
	"max_interval":  func(c *checker, v any, p *declaredPulse) { p.maxInterval = c.duration(v, 1, maxDuration) },
	"initial": func(c *checker, v any, p *declaredPulse) {
		p.initial = oneOf(c, v, InitialKernel, InitialUp, InitialDown)
	},
	"initial_wait": func(c *checker, v any, p *declaredPulse) { p.initialWait = c.duration(v, 1, maxDuration) },
	"restore": func(c *checker, v any, p *declaredPulse) {
		p.restore = oneOf(c, v, RestoreGradual, RestoreSlowStart, RestoreImmediate)
	},
	"window":     func(c *checker, v any, p *declaredPulse) { p.window = whole[uint16](c, v, 1, maxWindow) },
	"slow_start": func(c *checker, v any, p *declaredPulse) { p.slowStart = c.duration(v, 1, maxDuration) },
	"args": func(c *checker, v any, p *declaredPulse) {
		p.args = make(map[string]any)
		walkKind(c, v, "args", argFields, &p.args)
	},
}

// pulse expects the table of a health check.
func (c *checker) pulse(v any) *declaredPulse {
	p := new(declaredPulse)
	walkKind(c, v, "pulse", pulseFields, p)
	if v == nil {
		return nil
	}
	if e, ok := p.args["expect"].(expectation); ok && e.kind == "" && p.kind.set {
		e.kind = p.kind.value
		p.args["expect"] = e
		c.at = append(c.at, "args", "expect")
		if why := e.wrong(); why != "" {
			c.addf("%s", why)
		}
		c.at = c.at[:len(c.at)-2]
	}
	return p
}

// pulseTypes are those there are.
var pulseTypes = []string{PulseNone, PulseTCP, PulseHTTP, PulseHTTPS, PulseExec}

// pulseType expects a type of pulse, in any case, as GORB took it. Who can write elsewhere is not to say what runs here.
func (c *checker) pulseType(v any) opt[string] {
	if c.describes(func(s *Schema) {
		s.Type, s.AnyOf = Types{"string"}, []*Schema{{Enum: pulseTypes}, {Pattern: anyCase(pulseTypes)}}
	}) {
		return opt[string]{}
	}
	if s, ok := v.(string); ok && slices.Contains(pulseTypes, strings.ToLower(s)) {
		v = strings.ToLower(s)
	}
	kind := oneOf(c, v, pulseTypes...)
	if c.remote && kind.value == PulseExec {
		c.kindf(KindPlace, "%q runs a program: %s", PulseExec, onlyLocal)
		return opt[string]{}
	}
	return kind
}

// factor expects a number from lo to hi, which may have a fraction.
func (c *checker) factor(v any, lo, hi float64) opt[float64] {
	if c.describes(func(s *Schema) { s.Type = Types{"number"}; s.between(int64(lo), int64(hi)) }) {
		return opt[float64]{}
	}
	var f float64
	switch v := v.(type) {
	case int64:
		f = float64(v)
	case float64:
		f = v
	case json.Number:
		f, _ = strconv.ParseFloat(v.String(), 64) // it is a number, and may be out of range: then f is infinite
	default:
		c.wrongType(v, "a number")
		return opt[float64]{}
	}
	switch {
	case f >= lo && f <= hi:
		return some(f)
	case f < lo:
		c.kindf(KindUnder, "%s is under %s", formatFactor(f), formatFactor(lo))
	default: // NaN as well
		c.kindf(KindOver, "%s is over %s", formatFactor(f), formatFactor(hi))
	}
	return opt[float64]{}
}

func formatFactor(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// over is like the others; no pulse at all is nil.
func (p *declaredPulse) over(under *declaredPulse) *declaredPulse {
	if p == nil || under == nil {
		if p == nil {
			return under
		}
		return p
	}
	return &declaredPulse{
		kind:         p.kind.over(under.kind),
		interval:     p.interval.over(under.interval),
		fastInterval: p.fastInterval.over(under.fastInterval),
		timeout:      p.timeout.over(under.timeout),
		rise:         p.rise.over(under.rise),
		fall:         p.fall.over(under.fall),
		backoff:      p.backoff.over(under.backoff),
		maxInterval:  p.maxInterval.over(under.maxInterval),
		initial:      p.initial.over(under.initial),
		initialWait:  p.initialWait.over(under.initialWait),
		restore:      p.restore.over(under.restore),
		window:       p.window.over(under.window),
		slowStart:    p.slowStart.over(under.slowStart),
		args:         overlay(p.argsOver(under.kind), under.args, argOver),
	}
}

// argsOver are the args where the pulse lies over one of a type. What was expected without a type being said was meant
// for the type below: another one on top does not make something else of it.
func (p *declaredPulse) argsOver(kind opt[string]) map[string]any {
	e, ok := p.args["expect"].(expectation)
	if !ok || e.kind != "" || !kind.set {
		return p.args
	}
	e.kind = kind.value
	return overlay(map[string]any{"expect": e}, p.args, argOver)
}

// argOver merges tables, and else takes the value on top.
func argOver(top, under any) any {
	t, isTable := top.(map[string]string)
	u, both := under.(map[string]string)
	if isTable && both {
		return overlay(t, u, func(top, _ string) string { return top })
	}
	return top
}

// said adds a pulse, where there is one.
func (p *declaredPulse) said(out []setting) []setting {
	if p == nil {
		return out
	}
	var table []setting
	table = say(table, "type", p.kind, word)
	table = say(table, "interval", p.interval, span)
	table = say(table, "fast_interval", p.fastInterval, span)
	table = say(table, "timeout", p.timeout, span)
	table = say(table, "rise", p.rise, numeral)
	table = say(table, "fall", p.fall, numeral)
	table = say(table, "backoff", p.backoff, func(f float64) any { return f })
	table = say(table, "max_interval", p.maxInterval, span)
	table = say(table, "initial", p.initial, word)
	table = say(table, "initial_wait", p.initialWait, span)
	table = say(table, "restore", p.restore, word)
	table = say(table, "window", p.window, numeral)
	table = say(table, "slow_start", p.slowStart, span)
	if len(p.args) > 0 {
		var args []setting
		for _, key := range sortedKeys(p.args) {
			args = append(args, set(key, argSaid(p.args[key])))
		}
		table = append(table, set("args", args))
	}
	return append(out, set("pulse", table))
}
