package spec

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMergeIPVS(t *testing.T) {
	base := decode(t, "base.toml", `
[gorb]
vip_interface = "eth0"
[ipvs.timeouts]
tcp = "1h"
udp = "1m"
[ipvs.sysctl]
conntrack = 1
sync_threshold = "3 50"
[ipvs.sync.master]
interface = "eth1"
syncid = 7
[ipvs.sync.backup]
interface = "eth1"
`)
	top := decode(t, "top.toml", `
[gorb]
vip_interface.create = true
[ipvs.timeouts]
tcp = "2h"
tcpfin = "30s"
[ipvs.sysctl]
conntrack = false
drop_entry = "1"
[ipvs.sync.master]
syncid = 0
port = 8849
`)
	addr := netip.MustParseAddr("224.0.0.81")
	want := IPVS{
		Timeouts: Timeouts{TCP: 2 * time.Hour, TCPFin: 30 * time.Second, UDP: time.Minute},
		Sysctls:  map[string]string{"conntrack": "0", "sync_threshold": "3 50", "drop_entry": "1"},
		Master:   &SyncDaemon{Interface: "eth1", Group: addr, Port: 8849, TTL: 1},
		Backup:   &SyncDaemon{Interface: "eth1", Group: addr, Port: 8848, TTL: 1},
	}
	got := merge(t, base, top)
	if diff := cmp.Diff(want, got.IPVS, sameValues); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := (VIPInterface{Name: "eth0", Create: true}); got.Gorb.VIP != want {
		t.Errorf("vip_interface is %+v, want %+v", got.Gorb.VIP, want)
	}
	if before := merge(t, base).IPVS; before.Sysctls["conntrack"] != "1" || before.Master.ID != 7 {
		t.Errorf("merging changed a document: %+v", before)
	}
	for name, want := range map[string]VIPInterface{
		`vip_interface = "eth1"`:            {Name: "eth1"}, // a plain value replaces the table
		`vip_interface.name = "eth1"`:       {Name: "eth1", Create: true},
		`vip_interface = {}`:                {Name: "eth0", Create: true},
		`vip_interface = { create = false}`: {Name: "eth0"},
	} {
		if got := merge(t, base, top, decode(t, "last.toml", "[gorb]\n"+name)).Gorb.VIP; got != want {
			t.Errorf("%s gives %+v, want %+v", name, got, want)
		}
	}
}

func TestIPVSEqual(t *testing.T) {
	const text = `
[ipvs.timeouts]
tcp = "1h"
[ipvs.sysctl]
conntrack = 1
[ipvs.sync.master]
interface = "eth0"
`
	of := func(text string) IPVS { return merge(t, decode(t, "gorb.toml", text)).IPVS }
	if !of(text).Equal(of(text)) {
		t.Error("it does not equal itself")
	}
	if !(IPVS{Sysctls: map[string]string{}}).Equal(of("[ipvs]\n")) {
		t.Error("no sysctls are not none")
	}
	for _, change := range [][2]string{
		{"1h", "2h"},
		{"conntrack = 1", "conntrack = 0"},
		{"conntrack = 1", ""},
		{"eth0", "eth1"},
		{"master", "backup"},
		{"[ipvs.sync.master]", "[ipvs.sync.backup]\ninterface = \"eth0\"\n[ipvs.sync.master]"},
	} {
		if of(text).Equal(of(strings.ReplaceAll(text, change[0], change[1]))) {
			t.Errorf("%q makes no difference", change)
		}
	}
}

func TestSysctlValues(t *testing.T) {
	for declared, want := range map[string]string{
		`conntrack = true`:                "1",
		`conntrack = false`:               "0",
		`conntrack = "01"`:                "1",
		`drop_entry = 3`:                  "3",
		`est_nice = -20`:                  "-20",
		`svc_lfactor = "-8"`:              "-8",
		`sync_ports = 128`:                "128",
		`sync_refresh_period = 2147483`:   "2147483",
		`sync_qlen_max = 1_000`:           "1000",
		`sync_threshold = "0  0"`:         "0 0",
		`sync_threshold = "9 0"`:          "9 0", // without a period any threshold will do
		`sync_threshold = "007 010"`:      "7 10",
		`est_cpulist = ""`:                "",
		`est_cpulist = 2`:                 "2",
		`est_cpulist = "1,0,5-7,6-8,10"`:  "0-1,5-8,10",
		`est_cpulist = "4-6,3-9,8191,3"`:  "3-9,8191",
		`conn_max = 1000`:                 "1000", // of a kernel to come
		`a_list_to_come = " 1   2 three"`: "1 2 three",
	} {
		desired := merge(t, decode(t, "gorb.toml", "[ipvs.sysctl]\n"+declared))
		name, _, _ := strings.Cut(declared, " ")
		if got, ok := desired.IPVS.Sysctls[name]; !ok || got != want {
			t.Errorf("%s is %q, want %q", declared, got, want)
		}
	}
}

func TestNetmask(t *testing.T) {
	type groups struct {
		Netmask   uint32
		OneClient bool
	}
	const v4, v6, mark, any = `host = "10.0.0.1"`, `host = "2001:db8::1"`, "fwmark = 1\nfamily = \"ipv6\"", ``
	for _, tt := range []struct {
		service, netmask string
		want             groups
	}{
		{v4, `"255.255.255.0"`, groups{Netmask: 0xffffff00}},
		{v4, `"255.0.255.0"`, groups{Netmask: 0xff00ff00}}, // the kernel takes gaps
		{v4, `"24"`, groups{Netmask: 0xffffff00}},
		{v4, `"/24"`, groups{Netmask: 0xffffff00}},
		{v4, `1`, groups{Netmask: 0x80000000}},
		{v4, `31`, groups{Netmask: 0xfffffffe}},
		{v4, `32`, groups{}},
		{v4, `"255.255.255.255"`, groups{}},
		{v4, `0`, groups{OneClient: true}},
		{v4, `"0.0.0.0"`, groups{OneClient: true}},
		{v6, `24`, groups{Netmask: 24}},
		{v6, `"/1"`, groups{Netmask: 1}},
		{v6, `127`, groups{Netmask: 127}},
		{v6, `128`, groups{}},
		{mark, `64`, groups{Netmask: 64}},
		{any, `24`, groups{Netmask: 0xffffff00}}, // until the host is known
	} {
		text := fmt.Sprintf("[services.a]\npersistent = true\npersistence_netmask = %s\n%s\n", tt.netmask, tt.service)
		if tt.service != mark {
			text += "port = 80\n"
		}
		s := merge(t, decode(t, "gorb.toml", text)).Services[0]
		if got := (groups{s.Netmask, s.OneClient}); got != tt.want {
			t.Errorf("%s is %+v, want %+v", text, got, tt.want)
		}
	}
}

// TestNetmaskWithHost: what a prefix length means depends on the host, which comes late.
func TestNetmaskWithHost(t *testing.T) {
	const service = "[services.a]\nport = 80\npersistent = true\npersistence_netmask = "
	for _, tt := range []struct {
		netmask, host string
		want          uint32
		problem       string
	}{
		{"24", "10.0.0.1", 0xffffff00, ""},
		{"24", "2001:db8::1", 24, ""},
		{"32", "2001:db8::1", 32, ""},
		{"128", "2001:db8::1", 0, ""},
		{"64", "2001:db8::1", 64, ""},
		{"64", "10.0.0.1", 0, "gorb.toml:4: services.a.persistence_netmask: 64 is over 32, and the service is ipv4"},
		{
			`"255.255.0.0"`, "2001:db8::1", 0, "gorb.toml:4: services.a.persistence_netmask: 255.255.0.0 is a mask of IPv4, " +
				"and the service is ipv6; wanted a prefix length from 1 to 128",
		},
	} {
		desired := merge(t, decode(t, "gorb.toml", service+tt.netmask))
		with, err := desired.WithHost(netip.MustParseAddr(tt.host))
		switch {
		case err != nil || tt.problem != "":
			if err == nil || err.Error() != tt.problem {
				t.Errorf("%s at %s: got %v, want %s", tt.netmask, tt.host, err, tt.problem)
			}
		case with.Services[0].Netmask != tt.want:
			t.Errorf("%s at %s is %x, want %x", tt.netmask, tt.host, with.Services[0].Netmask, tt.want)
		}
	}
}

func TestWarningsOn(t *testing.T) {
	const (
		delays = "drop the first packet of a client that uses a port again, which costs it a second"
		sticks = "a client that uses a port again stays with its old backend, be that at weight 0 or gone"
	)
	for _, tt := range []struct {
		sysctls, release, want string // "" is no warning
	}{
		{"conntrack = 1\nconn_reuse_mode = 1", "", "beside conntrack = 1 kernels from 4.1 to 5.8 " + delays + "; with those use 0"},
		{"conntrack = 1\nconn_reuse_mode = 1", "6.1.0-18-amd64", ""},
		{"conntrack = 1\nconn_reuse_mode = 1", "5.9.0", ""},
		{
			"conntrack = 1\nconn_reuse_mode = 2", "5.8.18",
			"beside conntrack = 1 kernels from 4.1 to 5.8, as 5.8.18 is, " + delays + "; use 0",
		},
		{
			"conntrack = 1\nconn_reuse_mode = 1", "4.19.0-27-amd64",
			"beside conntrack = 1 kernels from 4.1 to 5.8, as 4.19.0-27-amd64 is, " + delays + "; use 0",
		},
		{"conntrack = 1\nconn_reuse_mode = 1", "3.10.0-1160.el7", ""},
		{
			"conntrack = 1\nconn_reuse_mode = 0", "",
			"beside conntrack = 1 this is for kernels before 5.9; with later ones use 1: " + sticks,
		},
		{"conntrack = 1\nconn_reuse_mode = 0", "5.4.0-42-generic", ""},
		{
			"conntrack = 1\nconn_reuse_mode = 0", "10.0-rc1",
			"beside conntrack = 1 this is for kernels before 5.9; with 10.0-rc1 use 1: " + sticks,
		},
		{"conntrack = 0\nconn_reuse_mode = 1", "5.4.0", ""},
		{"conntrack = 1", "5.4.0", ""}, // what is not declared is not judged
		{"conn_reuse_mode = 1", "5.4.0", ""},
	} {
		desired := merge(t, decode(t, "gorb.toml", "[ipvs.sysctl]\n"+tt.sysctls+"\n[services]\n"))
		want := tt.want
		if want != "" {
			want = "gorb.toml:3: ipvs.sysctl.conn_reuse_mode: " + want
		}
		if got := desired.WarningsOn(tt.release).Error(); got != want {
			t.Errorf("%s on %q\ngot:  %s\nwant: %s", tt.sysctls, tt.release, got, want)
		}
	}
}

// TestWarningsWithHost: what is doubtful may show only when the host is known.
func TestWarningsWithHost(t *testing.T) {
	desired := merge(t, decode(t, "gorb.toml", `[services.web]
port = 80
[services.web.backends.a]
host = "2001:db8::1"
method = "tunnel"
[ipvs.sync.master]
interface = "eth0"
`))
	if len(desired.Warnings) > 0 {
		t.Errorf("without a host: %v", desired.Warnings)
	}
	with, err := desired.WithHost(netip.MustParseAddr("10.0.0.1"))
	if err != nil || len(with.Warnings) != 1 || with.Warnings[0].Path != "ipvs.sync.master" {
		t.Errorf("with one: %v, %v", with.Warnings, err)
	}
}
