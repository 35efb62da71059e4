package spec

import (
	"maps"
	"slices"
	"strings"
)

func isBackend(key string) bool { return strings.HasPrefix(key, "backends.") }

// onlyNil returns the part of a table that is nil.
func onlyNil(table map[string]any) map[string]any {
	c := maps.Clone(table)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v != nil })
	return c
}

// fields are those of the service; s is what came of it, nil where it is hidden.
func (t *story) fields(s *Service) []Field {
	if s == nil {
		return t.hidden(t.makeFields(nil))
	}
	builtin := []setting{set("method", s.Method), set("drain", formatDuration(s.Drain)), set("persistent", persistence(s.Persistent))}
	if s.Fwmark != 0 {
		builtin = append(builtin, set("family", string(s.Family)))
		delete(t.defaults, "protocol")
	} else {
		builtin = append(builtin, set("protocol", string(s.Protocol)))
	}
	if s.OwnHost {
		builtin = append(builtin, set("host", s.Host.String()))
	}
	t.underlay()
	fields := settled(t.makeFields(append(builtin, s.Pulse.defaults()...)), s.Pulse)
	for i, f := range fields { // the summary is of what came of the backend
		if p, _ := parsePath(f.Path); isBackend(f.Path) && f.Value != "" && s.backend(p[1]) != nil {
			fields[i].Value = tomlValue(withoutSecrets(s.backend(p[1]).settings()))
		}
	}
	return fields
}

// fieldsOfBackend is fields for a backend.
func (t *story) fieldsOfBackend(s *Service, name string) []Field {
	if s == nil || s.backend(name) == nil {
		return t.hidden(t.makeFields(nil))
	}
	b := s.backend(name)
	builtin := []setting{set("port", int64(b.Port)), set("weight", int64(b.Weight)), set("method", string(b.Method))}
	if b.Tunnel.Checksum != "" {
		builtin = append(builtin, set("tunnel_checksum", string(b.Tunnel.Checksum)))
	} else {
		delete(t.defaults, "tunnel_checksum")
	}
	if b.Tunnel.Port == 0 {
		delete(t.defaults, "tunnel_port")
	}
	if t.saysOfPulse() {
		t.underlay()
	}
	return settled(t.makeFields(append(builtin, b.Pulse.defaults()...)), b.Pulse)
}

// saysOfPulse reports whether anybody says anything of the object's own pulse.
func (t *story) saysOfPulse() bool {
	for key, h := range t.keys {
		if h.live && strings.HasPrefix(key, "pulse.") {
			return true
		}
	}
	return false
}

// settled puts right what layers said of a pulse and does not hold in the whole: a type of [defaults] where there is
// nothing to connect to, and what an answer of another type was to be.
func settled(fields []Field, p *Pulse) []Field {
	if p == nil {
		return fields
	}
	for i, f := range fields {
		kind := tomlValue(p.Type)
		if f.Path == "pulse.type" && f.Value != "" && f.Value != kind {
			f.Hid = append([]Given{{f.Value, f.From}}, f.Hid...)
			f.Value, f.From = kind, Place{Source: builtIn}
			fields[i] = f
		}
	}
	return slices.DeleteFunc(fields, func(f Field) bool {
		return f.Path == "pulse.args.expect" && f.Value != "" && p.Args.Expect == "" && len(p.Args.Statuses) == 0
	})
}

// hidden puts before the fields of an object that is not there who hid it.
func (t *story) hidden(fields []Field) []Field {
	if t.there || t.hider == (Place{}) {
		return fields
	}
	return append([]Field{{Path: "disabled", Value: "true", From: t.hider}}, fields...)
}

// makeFields makes fields of what was said. The settings are the defaults that nobody wrote, and count where nobody says
// anything else.
func (t *story) makeFields(builtin []setting) []Field {
	known := make(map[string]string)
	for _, l := range flat(nil, builtin) {
		known[l.path.String()] = l.value
	}
	keys := make(map[string]bool)
	for key := range t.keys {
		keys[key] = true
	}
	for key := range known {
		keys[key] = true
	}
	if len(builtin) > 0 {
		for key := range t.defaults {
			keys[key] = true
		}
	}
	fields := make([]Field, 0, len(keys))
	for key := range keys {
		fields = append(fields, t.field(key, known[key], len(builtin) > 0))
	}
	sortFields(fields)
	return fields
}

// field makes a field of what was said of it, last and before.
func (t *story) field(key, builtin string, there bool) Field {
	f := Field{Path: key}
	var given []Given // all that was said, the lowest first
	if d := t.defaults[key]; d != nil && there {
		given = append(given, d.given...)
	}
	own := t.keys[key]
	switch {
	case own != nil && own.live:
		given = append(given, own.given...)
		f.Value, f.From = given[len(given)-1].Value, given[len(given)-1].From
		given = given[:len(given)-1]
	case len(given) > 0:
		f.Value, f.From = given[len(given)-1].Value, given[len(given)-1].From
		given = given[:len(given)-1]
	case builtin != "":
		f.Value, f.From = builtin, Place{Source: builtIn}
	case own != nil:
		f.From = own.cut
	}
	if own != nil && !own.live {
		given = append(given, own.given...)
	}
	slices.Reverse(given)
	f.Hid = given
	return f
}
