package spec

import "slices"

// OptionsJSON is the service as REST shows it: an object with the keys that GORB had, each of them always, and with what
// else differs from its default. A PUT takes it as it is.
func (s *Service) OptionsJSON() []byte {
	var out []setting
	if s.Fwmark != 0 {
		out = append(out, set("fwmark", int64(s.Fwmark)), set("family", string(s.Family)))
	} else {
		host := ""
		if s.Host.IsValid() {
			host = s.Host.String()
		}
		out = append(out, set("host", host), set("port", int64(s.Port)), set("protocol", string(s.Protocol)))
	}
	out = append(out, set("method", s.Method), set("flags", s.Flags.Names(s.Method)), set("persistent", false))
	return []byte(jsonValue(withRest(out, s.settings())))
}

// BackendOptionsJSON is OptionsJSON for a backend of the service. Its pulse is the one that it is checked by, whoever said
// so.
func (s *Service) BackendOptionsJSON(b *Backend) []byte {
	shown := *b
	shown.Pulse = s.PulseOf(b)
	out := []setting{
		set("host", b.Host.String()), set("port", int64(b.Port)), set("weight", int64(b.Weight)), set("method", string(b.Method)),
		set("pulse", shown.Pulse.shown()),
	}
	shown.Pulse = nil
	return []byte(jsonValue(withRest(out, shown.settings())))
}

// shown are the keys of a pulse that GORB had, and what else differs from its default.
func (p *Pulse) shown() []setting {
	out := []setting{set("type", p.Type), set("interval", formatDuration(p.Interval)), set("args", []setting{})}
	table, _ := p.appendTo(nil)[0].value.([]setting)
	return withRest(out, table)
}

// withRest is what is shown always, with what was said of that, and after it the rest.
func withRest(always, said []setting) []setting {
	for _, s := range said {
		i := slices.IndexFunc(always, func(a setting) bool { return a.key == s.key })
		if i < 0 {
			always = append(always, s)
		} else {
			always[i].value = s.value
		}
	}
	return always
}
