package spec

import (
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	const backend = "[services.web.backends.a]\nhost = \"10.1.0.1\"\n"
	const fallback = ` sends them to another`
	tests := map[string]struct {
		service, backends string
		want              string // "" is none
	}{
		"plain":       {"", backend, ""},
		"no backends": {"", "", "gorb.toml:1: services.web: the service has no backends, so it refuses every connection"},
		"all at 0": {
			"", backend + "weight = 0\n",
			"gorb.toml:1: services.web: all backends have weight 0, so the service refuses new connections",
		},
		"one at 0": {"", backend + "weight = 0\n[services.web.backends.b]\nhost = \"10.1.0.2\"\n", ""},
		"sh, one at 0": {
			"method = \"sh\"\n", backend + "weight = 0\n[services.web.backends.b]\nhost = \"10.1.0.2\"\n",
			"gorb.toml:3: services.web.method: sh refuses the clients of a backend at weight 0, as a is; " +
				"flags = \"sh-fallback\"" + fallback,
		},
		"mh, checked": {
			"method = \"mh\"\npulse = { type = \"http\" }\n", backend,
			"gorb.toml:3: services.web.method: mh refuses the clients of a backend at weight 0, " +
				"as its pulse makes one that is down; flags = \"mh-fallback\"" + fallback,
		},
		"mh, a backend checked": {
			"method = \"mh\"\ndrain = \"0\"\npulse = { type = \"none\" }\n", backend + "pulse = { type = \"tcp\" }\n",
			"gorb.toml:3: services.web.method: mh refuses the clients of a backend at weight 0, " +
				"as its pulse makes one that is down; flags = \"mh-fallback\"" + fallback,
		},
		"dh, drains": {
			"method = \"dh\"\n", backend,
			"gorb.toml:3: services.web.method: dh refuses the clients of a backend at weight 0, " +
				"as one that leaves is until it has drained (at most 5m); dh has no fallback; sh and mh do",
		},
		"dh, never at 0": {"method = \"dh\"\ndrain = \"0\"\npulse = { type = \"none\" }\n", backend, ""},
		"sh-fallback":    {"method = \"sh\"\nflags = \"sh-fallback\"\npulse = { type = \"http\" }\n", backend, ""},
		"mh, flag-1":     {"method = \"mh\"\nflags = \"flag-1\"\n", backend, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := "[services.web]\nport = 80\n" + tt.service + tt.backends
			got := merge(t, decode(t, "gorb.toml", text)).Warnings.Error()
			if got != tt.want {
				t.Errorf("%s\ngot:  %s\nwant: %s", strings.TrimSpace(text), got, tt.want)
			}
		})
	}
}
