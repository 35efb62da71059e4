package spec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSettingsOf lays what a document leaves out of the daemon's tables under it, and nothing of services.
func TestSettingsOf(t *testing.T) {
	decode := func(name, text string) *Document {
		d, err := Decode(name, TOML, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	low := decode("low", `
[gorb]
interface = "eth7"
vip_interface = { name = "gorb0", create = true }
[ipvs.timeouts]
tcp = "10m"
[defaults.service]
method = "rr"
[services.old]
host = "10.0.0.9"
port = 80
`)
	parts, err := Join("high", decode("high/a", "[gorb]\ninterface = \"eth8\"\n"), decode("high/b", "[probe]\nmax_exec = 7\n[ipvs.sysctl]\nconntrack = true\n"))
	if err != nil {
		t.Fatal(err)
	}
	sent := decode("sent", "[gorb]\nvip_interface = \"eth9\"\n[ipvs.sysctl]\nam_droprate = 3\n[services.web]\nhost = \"10.0.0.1\"\nport = 80\n")
	d, err := Merge(SettingsOf("here", low, parts), sent)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Services) != 1 || d.Services[0].Name != "web" || d.Services[0].Method != "wrr" {
		t.Errorf("services: %+v", d.Services)
	}
	if d.Gorb.Interface != "eth8" || d.Gorb.VIP != (VIPInterface{Name: "eth9"}) || d.Probe.MaxExec != 7 || len(d.IPVS.Sysctls) != 2 || d.IPVS.Timeouts.TCP == 0 {
		t.Errorf("settings: %+v %+v %+v", d.Gorb, d.Probe, d.IPVS)
	}
	want := []string{"gorb.interface", "ipvs.sysctl.conntrack", "ipvs.timeouts.tcp", "probe.max_exec"}
	if diff := cmp.Diff(want, LeftOut([]*Document{low, parts}, []*Document{sent})); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	// What goes wrong by a setting from here is said of the document that was sent.
	_, err = Merge(SettingsOf("here", low), decode("sent", "[services.web]\nhost = \"10.0.0.1\"\n"))
	if err == nil || err.Error() != "sent:1: services.web.port: missing; a service needs a port or a fwmark" {
		t.Error(err)
	}
}
