package main

import "github.com/gorb-io/gorb/pkg/spec"

// atStart returns what is to be called with each new configuration: it says, once for each value, which settings are others
// than those that gorb started with, and have no effect until the next start. A state_dir that changes is refused.
func (d *daemon) atStart(first spec.Gorb) func(*spec.Desired) {
	said := first
	note := func(setting, was string, said *string, now string) {
		if now == *said {
			return
		}
		if *said = now; now != was {
			d.log.Warn().Str("setting", setting).Str("is", was).Str("declared", now).
				Msg("this setting counts from the next start on")
		}
	}
	return func(next *spec.Desired) {
		note("gorb.socket", first.Socket, &said.Socket, next.Gorb.Socket)
		if d.listen == "" { // which wins
			note("gorb.listen", first.Listen, &said.Listen, next.Gorb.Listen)
		}
		note("gorb.debug_listen", first.DebugListen, &said.DebugListen, next.Gorb.DebugListen)
	}
}
