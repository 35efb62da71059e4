package spec

import "strconv"

// schemaDefaults are the defaults that are constants, by keyPlace: what completing makes of nothing at all.
func schemaDefaults() map[string]any {
	nothing := new(report) // what is missing in nothing is of no interest
	s, b := completeNothing(nothing)
	gorb := declaredGorb{}.complete(nothing, faulty{})
	consul := declaredConsul{}.complete(nothing, faulty{})
	source := declaredSource{}.complete()
	sync := (&declaredSync{}).complete(nothing, faulty{}, "master")
	probe := declaredProbe{}.complete()
	defaults := map[string][]setting{
		"gorb": {
			set("listen", gorb.Listen), set("interface", gorb.Interface), set("resync", formatDuration(gorb.Resync)),
			set("state_dir", gorb.StateDir), set("socket", gorb.Socket),
			set("start_timeout", formatDuration(gorb.StartTimeout)), set("debug_listen", gorb.DebugListen), set("env", false),
		},
		"api":                {set("anonymous", declaredAPI{}.complete(nothing, faulty{}).Anonymous)},
		"gorb.vip_interface": {set("create", gorb.VIP.Create)},
		"consul": {
			set("address", consul.Address), set("register", consul.Register), set("token_file", consul.TokenFile),
			set("ca_file", consul.CAFile), set("name", consul.Name), set("tags", []string{}), set("meta", map[string]string{}),
			set("warn_below", strconv.Itoa(consul.WarnBelow)+"%"), set("deregister_at_exit", consul.DeregisterAtExit),
		},
		"source": {
			set("below", source.Below), set("interval", formatDuration(source.Interval)),
			set("timeout", formatDuration(source.Timeout)), set("settle", formatDuration(source.Settle)),
			set("wait", formatDuration(source.Wait)), set("stale", source.Stale), set("env", source.Env),
			set("max_removal", strconv.Itoa(source.MaxRemoval)+"%"), set("max_removal_floor", source.MaxRemovalFloor),
		},
		"sync_daemon": {
			set("syncid", sync.ID), set("group", sync.Group.String()), set("port", sync.Port), set("ttl", sync.TTL),
		},
		"probe": {set("max_exec", probe.MaxExec), set("max_checks", probe.MaxChecks)},
		"service": {
			set("protocol", s.Protocol), set("family", IPv4), set("method", s.Method), set("flags", s.Flags.Names(s.Method)),
			set("persistent", persistence(s.Persistent)), set("pe", s.Engine), set("drain", formatDuration(s.Drain)),
			set("on_down", "drain"), set("disabled", false),
		},
		"backend": {
			set("weight", b.Weight), set("method", b.Method), set("upper_threshold", b.Upper),
			set("lower_threshold", b.Lower), set("tunnel_checksum", b.Tunnel.Checksum), set("disabled", false),
		},
	}
	for _, s := range defaultPulse.judgement() {
		switch s.key {
		case "fast_interval", "max_interval", "initial_wait": // of the interval's making, and none
		default:
			defaults["pulse"] = append(defaults["pulse"], s)
		}
	}
	for key, a := range arguments {
		if no, ok := a.get(new(Args)).(bool); ok {
			defaults["args"] = append(defaults["args"], set(key, no))
		}
	}
	all := make(map[string]any)
	for table, settings := range defaults {
		for _, s := range settings {
			all[table+"."+s.key] = s.value
		}
	}
	return all
}

// completeNothing returns the service and the backend that nobody says anything of. It is a tunnel, as a checksum is
// for those; its method is that of any other.
func completeNothing(r *report) (Service, Backend) {
	c := completer{
		report: r, defaults: new(declaredDefaults), declared: new(declaredService), faulty: faulty{},
		masks: make(map[string]netmask),
	}
	s := c.service()
	b := c.backend(&s, "", new(declaredBackend))
	b.Tunnel = c.backend(&s, "", &declaredBackend{method: some(GUE)}).Tunnel
	return s, b
}
