package spec

import (
	"net/netip"
	"time"
)

// said are the fields that documents declared of a service, but for its backends. A test compares them with the schema.
func (s *declaredService) said() []setting {
	var out []setting
	out = say(out, "host", s.host, addressValue)
	out = say(out, "host_name", s.hostName, word)
	out = say(out, "port", s.port, numeral)
	out = say(out, "protocol", s.protocol, word)
	out = say(out, "fwmark", s.fwmark, numeral)
	out = say(out, "family", s.family, word)
	out = say(out, "method", s.method, word)
	out = say(out, "flags", s.flags, word)
	out = say(out, "persistent", s.persistent, persistence)
	out = say(out, "persistence_netmask", s.netmask, maskValue)
	out = say(out, "pe", s.engine, word)
	out = say(out, "drain", s.drain, span)
	out = say(out, "on_down", s.onDown, word)
	out = say(out, "disabled", s.disabled, truth)
	return s.pulse.said(out)
}

// said is like that of services.
func (b *declaredBackend) said() []setting {
	var out []setting
	out = say(out, "host", b.host, addressValue)
	out = say(out, "host_name", b.hostName, word)
	out = say(out, "port", b.port, numeral)
	out = say(out, "weight", b.weight, numeral)
	out = say(out, "method", b.method, word)
	out = say(out, "tunnel_port", b.tunnel.port, numeral)
	out = say(out, "tunnel_checksum", b.tunnel.checksum, word)
	out = say(out, "upper_threshold", b.upper, numeral)
	out = say(out, "lower_threshold", b.lower, numeral)
	out = say(out, "disabled", b.disabled, truth)
	return b.pulse.said(out)
}

// say adds a field that was not left out, in the form that settings have.
func say[T any](out []setting, key string, o opt[T], form func(T) any) []setting {
	if !o.set {
		return out
	}
	return append(out, set(key, form(o.value)))
}

func truth(b bool) any { return b }

func word[T ~string](s T) any { return string(s) }

func numeral[T ~uint16 | ~uint32](n T) any { return int64(n) }

func span(d time.Duration) any { return formatDuration(d) }

func addressValue(a netip.Addr) any { return a.String() }

func persistence(d time.Duration) any {
	switch d {
	case 0:
		return false
	case defaultPersistence:
		return true
	}
	return formatDuration(d)
}

func maskValue(n netmask) any {
	if n.mask.IsValid() {
		return n.String()
	}
	return int64(n.bits)
}

// leaf is a setting that is no table, and the way to it.
type leaf struct {
	path  path
	value string // in TOML
}

// flat returns the settings in the tables that settings are, too, as they may be shown.
func flat(at path, settings []setting) []leaf { return leavesOf(at, withoutSecrets(settings)) }

func leavesOf(at path, settings []setting) []leaf {
	var out []leaf
	for _, s := range settings {
		here := append(at[:len(at):len(at)], s.key)
		if table, ok := s.value.([]setting); ok {
			out = append(out, leavesOf(here, table)...)
			continue
		}
		out = append(out, leaf{here, tomlValue(s.value)})
	}
	return out
}
