package spec

import (
	"fmt"
	"slices"
	"strings"
)

// noPulse is the remark on a service whose pulse is of type none.
const noPulse = "the kernel knows of no health checks"

// Encode writes services as a document that Decode accepts: their identity, and what differs from the defaults. The
// order is that of the names, so equal services give equal text. TOML carries the comment at its top and a remark on
// each service whose pulse is of type none; JSON has no comments.
func Encode(services []Service, f Format, comment string) ([]byte, error) {
	services = slices.Clone(services)
	slices.SortFunc(services, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	for i, s := range services {
		if !isName(s.Name) || i > 0 && services[i-1].Name == s.Name {
			return nil, fmt.Errorf("encode service %q: it needs a name of its own", s.Name)
		}
		for _, b := range s.Backends {
			if !isName(b.Name) {
				return nil, fmt.Errorf("encode service %s: %q cannot name a backend", s.Name, b.Name)
			}
		}
	}
	switch f {
	case TOML:
		return encodeTOML(services, comment), nil
	case JSON:
		return encodeJSON(services), nil
	}
	return nil, fmt.Errorf("encode: %q is not a format that gorb writes (toml, json)", string(f))
}

// setting is a key of a table, its value a string, bool, int64, float64, []string or []setting.
type setting struct {
	key    string
	value  any
	remark string // "": none
}

func set(key string, value any) setting { return setting{key: key, value: value} }

// settings are the keys of a service, but for its backends.
func (s *Service) settings() []setting {
	var out []setting
	if s.Fwmark != 0 {
		out = append(out, set("fwmark", int64(s.Fwmark)), set("family", string(s.Family)))
	} else {
		if s.Host.IsValid() {
			out = append(out, set("host", s.Host.String()))
		}
		if s.HostName != "" {
			out = append(out, set("host_name", s.HostName))
		}
		out = append(out, set("port", int64(s.Port)), set("protocol", string(s.Protocol)))
	}
	if s.Method != defaultMethod {
		out = append(out, set("method", s.Method))
	}
	if s.Flags != 0 {
		out = append(out, set("flags", s.Flags.Names(s.Method)))
	}
	switch s.Persistent {
	case 0:
	case defaultPersistence:
		out = append(out, set("persistent", true))
	default:
		out = append(out, set("persistent", formatDuration(s.Persistent)))
	}
	if mask := formatNetmask(s); mask != nil {
		out = append(out, set("persistence_netmask", mask))
	}
	if s.Engine != "" {
		out = append(out, set("pe", s.Engine))
	}
	if s.Drain != DefaultDrain {
		out = append(out, set("drain", formatDuration(s.Drain)))
	}
	if s.RemoveDown {
		out = append(out, set("on_down", "remove"))
	}
	out = s.Pulse.appendTo(out)
	if s.Pulse != nil && s.Pulse.Type == PulseNone {
		out[len(out)-1].remark = noPulse
	}
	return out
}

// settings are the keys of a backend.
func (b *Backend) settings() []setting {
	out := []setting{set("host", b.Host.String())}
	if b.HostName != "" {
		out = append(out, set("host_name", b.HostName))
	}
	out = append(out, set("port", int64(b.Port)))
	if b.Weight != defaultWeight {
		out = append(out, set("weight", int64(b.Weight)))
	}
	if b.Method != NAT {
		out = append(out, set("method", string(b.Method)))
	}
	if b.Tunnel.Port != 0 {
		out = append(out, set("tunnel_port", int64(b.Tunnel.Port)))
	}
	if b.Tunnel.Checksum != "" && b.Tunnel.Checksum != NoChecksum {
		out = append(out, set("tunnel_checksum", string(b.Tunnel.Checksum)))
	}
	if b.Upper != 0 {
		out = append(out, set("upper_threshold", int64(b.Upper)))
	}
	if b.Lower != 0 {
		out = append(out, set("lower_threshold", int64(b.Lower)))
	}
	return b.Pulse.appendTo(out)
}

// byName returns the backends in the order of their names.
func (s *Service) byName() []Backend {
	backends := slices.Clone(s.Backends)
	slices.SortFunc(backends, func(a, b Backend) int { return strings.Compare(a.Name, b.Name) })
	return backends
}
