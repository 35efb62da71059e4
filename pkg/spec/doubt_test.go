package spec

import (
	"fmt"
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	const backend = "[services.web.backends.a]\nhost = \"10.1.0.1\"\n"
	const mh = "method = \"mh\"\nflags = \"mh-fallback\"\n"
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "[services.web.backends.b%d]\nhost = \"10.1.%d.%d\"\n", i, i/256, i%256)
		}
		return b.String()
	}
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
			"method = \"dh\"\npulse = { type = \"none\" }\n", backend,
			"gorb.toml:3: services.web.method: dh refuses the clients of a backend at weight 0, " +
				"as one that leaves is until it has drained (at most 5m); dh has no fallback; sh and mh do",
		},
		"dh, checked by default": {
			"method = \"dh\"\n", backend,
			"gorb.toml:3: services.web.method: dh refuses the clients of a backend at weight 0, " +
				"as its pulse makes one that is down; dh has no fallback; sh and mh do",
		},
		"dh, never at 0": {"method = \"dh\"\ndrain = \"0\"\npulse = { type = \"none\" }\n", backend, ""},
		"none": {
			"method = \"none\"\n", backend,
			"gorb.toml:3: services.web.method: with none the service refuses every new connection",
		},
		"sip": {"protocol = \"udp\"\npersistent = true\npe = \"sip\"\n", backend, ""},
		"sip, not persistent": {
			"protocol = \"udp\"\npe = \"sip\"\n", backend,
			"gorb.toml:4: services.web.pe: sip has no effect without persistent",
		},
		"sip, tcp": {
			"persistent = true\npe = \"sip\"\n", backend,
			"gorb.toml:4: services.web.pe: sip finds calls in udp only; a client of tcp comes back by its address, as without it",
		},
		"netmask, not persistent": {
			"persistence_netmask = 24\n", backend,
			"gorb.toml:3: services.web.persistence_netmask: it has no effect without persistent: it groups clients that come back",
		},
		"every bit, not persistent": {"persistence_netmask = 32\nhost = \"10.0.0.1\"\n", backend, ""},
		"multicast": {
			"host = \"224.0.0.1\"\n", backend,
			"gorb.toml:3: services.web.host: 224.0.0.1 is a multicast address, and IPVS serves only what is sent to one host",
		},
		"any host": {
			"host = \"0.0.0.0\"\n", backend,
			"gorb.toml:3: services.web.host: 0.0.0.0 is the unspecified address, and IPVS serves only what is sent to one host",
		},
		"link-local": {
			"host = \"fe80::1\"\n", "[services.web.backends.a]\nhost = \"2001:db8::9\"\n",
			"gorb.toml:3: services.web.host: fe80::1 is a link-local address, and IPVS does not tell on which link",
		},
		"port 0 of a backend": {
			"", backend + "port = 0\n",
			"gorb.toml:5: services.web.backends.a.port: 0 is the port that the client asked for, which is always 80 here",
		},
		"port of dr in a mark": {
			"", backend + "[services.mark]\nfwmark = 7\n[services.mark.backends.a]\nhost = \"10.1.0.1\"\nport = 80\nmethod = \"dr\"\n",
			"gorb.toml:9: services.mark.backends.a.port: 80 has no effect: method dr leaves the port as the client asked",
		},
		"weight of 16 bits": {"", backend + "weight = 65535\n", ""},
		"weight of 17 bits": {
			"", backend + "weight = 65536\n", "gorb.toml:5: services.web.backends.a.weight: 65536 is over 65535: programs that " +
				"keep 16 bits of a weight read it as 0",
		},
		"mh, as many as slots": {mh, many(4093), ""},
		"mh, more than slots": {
			mh, many(4094), "gorb.toml:3: services.web.method: mh has 4093 slots in kernels as they are usually built, " +
				"and there are 4094 backends; beyond the slots it goes on with the old ones and says nothing",
		},
		"sh-fallback": {"method = \"sh\"\nflags = \"sh-fallback\"\npulse = { type = \"http\" }\n", backend, ""},
		"mh, flag-1":  {"method = \"mh\"\nflags = \"flag-1\"\n", backend, ""},
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

func TestWarnsWhereNothingIsSaidOfServices(t *testing.T) {
	const want = "gorb.toml: there is no [services], so no service is declared, and those that are gorb's leave; " +
		"an empty [services] says that this is meant"
	gorb := decode(t, "gorb.toml", "[gorb]\nresync = \"1m\"\n")
	ipvs := decode(t, "ipvs.toml", "[ipvs.timeouts]\ntcp = \"1h\"\n")
	none := decode(t, "none.toml", "[services]\n")
	tests := map[string]struct {
		docs []*Document
		want string // "" is none
	}{
		"gorb alone":        {[]*Document{gorb}, want},
		"gorb and ipvs":     {[]*Document{gorb, ipvs}, want},
		"with none, by key": {[]*Document{gorb, none, ipvs}, ""},
		"no documents":      {nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := merge(t, tt.docs...).Warnings.Error(); got != tt.want {
				t.Errorf("got:  %s\nwant: %s", got, tt.want)
			}
		})
	}
}
