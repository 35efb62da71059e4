package reconcile

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// hostLines returns the operations of a plan on the host as text.
func hostLines(p *Plan) string {
	var lines []string
	for _, op := range p.HostOps() {
		lines = append(lines, op.String())
	}
	return strings.Join(lines, "\n")
}

// onDummy declares that the services' addresses are put on an interface that is made.
func onDummy(d *spec.Desired) *spec.Desired {
	d.Gorb.VIP = spec.VIPInterface{Name: "gorb0", Create: true}
	return d
}

var vip = kernel.Address{Interface: "gorb0", Addr: web.Addr.Addr()}

// readHost returns what a pass over everything reads.
func readHost(t *testing.T, h Host, d *spec.Desired, m Memory) *kernel.HostState {
	t.Helper()
	state, err := h.Observe(t.Context(), HostQuery(d, m))
	if err != nil {
		t.Fatal(err)
	}
	return &state
}

func TestHostDecisions(t *testing.T) {
	backup := kernel.SyncDaemon{Role: kernel.Backup, Interface: "lo", ID: 3, MaxLen: 1472, Port: 8848, TTL: 1}
	backup.Group = netip.MustParseAddr("224.0.0.81")
	declaredBackup := &spec.SyncDaemon{Interface: "lo", ID: 3}
	tests := []struct {
		name    string
		declare func(*spec.Desired)
		memory  HostMemory
		host    func(*kernel.HostState)
		want    string
		problem string
	}{
		{name: "nothing is declared", host: func(s *kernel.HostState) { s.Sync = append(s.Sync, backup) }},
		{
			name: "sysctls that differ",
			declare: func(d *spec.Desired) {
				d.IPVS.Sysctls = map[string]string{
					"conntrack": "1", "sloppy_tcp": "0", "sync_threshold": "3 50", "drop_entry": "1", "secure_tcp": "2", "drop_packet": "1",
				}
			},
			host: func(s *kernel.HostState) {
				s.Sysctls["sync_threshold"], s.Sysctls["drop_entry"], s.Sysctls["secure_tcp"] = "3\t50", "2", "1"
			},
			want: "sysctl -w net.ipv4.vs.conntrack=1\nsysctl -w net.ipv4.vs.drop_packet=1",
		},
		{
			name:    "a sysctl that this kernel lacks",
			declare: func(d *spec.Desired) { d.IPVS.Sysctls = map[string]string{"est_nice": "1", "conntrack": "1"} },
			want:    "sysctl -w net.ipv4.vs.conntrack=1",
			problem: "ipvs.sysctl.est_nice: this kernel has no net.ipv4.vs.est_nice",
		},
		{
			name: "a sysctl that comes with a scheduler",
			declare: func(d *spec.Desired) {
				d.IPVS.Sysctls = map[string]string{"lblc_expiration": "60", "lblcr_expiration": "60"}
				d.Services[0].Method = "lblc"
			},
			want:    "sysctl -w net.ipv4.vs.lblc_expiration=60",
			problem: "ipvs.sysctl.lblcr_expiration: this kernel has no net.ipv4.vs.lblcr_expiration",
		},
		{
			name:    "timeouts",
			declare: func(d *spec.Desired) { d.IPVS.Timeouts = spec.Timeouts{TCP: 900 * time.Second, UDP: time.Minute} },
			want:    "ipvsadm --set 0 0 60",
		},
		{
			name:    "a daemon is started",
			declare: func(d *spec.Desired) { d.IPVS.Backup = declaredBackup },
			want:    "ipvsadm --start-daemon backup --mcast-interface lo --syncid 3",
		},
		{
			name:    "a daemon that runs as declared",
			declare: func(d *spec.Desired) { d.IPVS.Backup = declaredBackup },
			host:    func(s *kernel.HostState) { s.Sync = append(s.Sync, backup) },
		},
		{
			name:    "a daemon that runs otherwise",
			declare: func(d *spec.Desired) { d.IPVS.Backup = &spec.SyncDaemon{Interface: "lo", ID: 3, TTL: 2} },
			host:    func(s *kernel.HostState) { s.Sync = append(s.Sync, backup) },
			want:    "ipvsadm --stop-daemon backup\nipvsadm --start-daemon backup --mcast-interface lo --syncid 3 --mcast-ttl 2",
		},
		{
			name:   "gorb's daemon is no longer declared",
			memory: HostMemory{Sync: map[kernel.Role]bool{kernel.Backup: true}},
			host:   func(s *kernel.HostState) { s.Sync = append(s.Sync, backup) },
			want:   "ipvsadm --stop-daemon backup",
		},
		{
			name:    "an address on an interface that is made",
			declare: func(d *spec.Desired) { onDummy(d) },
			want:    "ip link add gorb0 up type dummy\nip addr add 10.0.0.1/32 dev gorb0",
		},
		{
			name:    "an interface that is down",
			declare: func(d *spec.Desired) { onDummy(d) },
			host:    func(s *kernel.HostState) { s.Links["gorb0"] = false },
			want:    "ip link set gorb0 up\nip addr add 10.0.0.1/32 dev gorb0",
		},
		{
			name:    "an interface with a name for the shell",
			declare: func(d *spec.Desired) { onDummy(d).Gorb.VIP.Name = "it's;id" },
			want:    `ip link add 'it'\''s;id' up type dummy` + "\n" + `ip addr add 10.0.0.1/32 dev 'it'\''s;id'`,
		},
		{
			name:    "an interface that is not there",
			declare: func(d *spec.Desired) { d.Gorb.VIP.Name = "eth7" },
			problem: "gorb.vip_interface: there is no interface eth7 to put addresses on; there are lo",
		},
		{
			name:    "an address that is on another interface",
			declare: func(d *spec.Desired) { d.Gorb.VIP.Name = "lo" },
			host: func(s *kernel.HostState) {
				s.Links["eth0"] = true
				s.Addresses[kernel.Address{Interface: "eth0", Addr: vip.Addr}] = true
			},
		},
		{
			name:    "no backend has weight",
			declare: func(d *spec.Desired) { onDummy(d); d.Services[0].Backends[0].Weight = 0 },
			want:    "ip link add gorb0 up type dummy",
		},
		{
			name:    "the address moves, and its old interface goes",
			declare: func(d *spec.Desired) { d.Gorb.VIP.Name = "lo" },
			memory:  HostMemory{Addresses: map[kernel.Address]bool{vip: true}, Links: map[string]bool{"gorb0": true}},
			host:    func(s *kernel.HostState) { s.Links["gorb0"], s.Addresses[vip] = true, true },
			want:    "ip addr add 10.0.0.1/32 dev lo\nip addr delete 10.0.0.1/32 dev gorb0\nip link delete gorb0",
		},
		{
			name:   "an interface that somebody else uses too stays",
			memory: HostMemory{Addresses: map[kernel.Address]bool{vip: true}, Links: map[string]bool{"gorb0": true}},
			host: func(s *kernel.HostState) {
				s.Links["gorb0"], s.Addresses[vip] = true, true
				s.Addresses[kernel.Address{Interface: "gorb0", Addr: netip.MustParseAddr("10.9.9.9")}] = true
			},
			want: "ip addr delete 10.0.0.1/32 dev gorb0",
		},
		{
			name:    "an address whose service is not declared",
			declare: func(d *spec.Desired) { onDummy(d); d.Services = nil },
			memory:  HostMemory{Addresses: map[kernel.Address]bool{vip: true}},
			host:    func(s *kernel.HostState) { s.Links["gorb0"], s.Addresses[vip] = true, true },
			want:    "ip addr delete 10.0.0.1/32 dev gorb0",
		},
		{
			name:    "somebody else's address stays",
			declare: func(d *spec.Desired) { onDummy(d); d.Services = nil },
			host:    func(s *kernel.HostState) { s.Links["gorb0"], s.Addresses[vip] = true, true },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := kernel.NewFakeHost()
			d, m := webService("10.1.0.1:80"), Memory{Host: tt.memory}
			if tt.declare != nil {
				tt.declare(d)
			}
			if tt.host != nil {
				host.Edit(tt.host)
			}
			p := Decide(Input{Desired: d, Memory: m, Observed: kernel.Table{}, Host: readHost(t, host, d, m), Now: noon})
			if got := hostLines(p); got != tt.want {
				t.Errorf("operations:\n%s\nwant:\n%s", got, tt.want)
			}
			if got := Join(p.Problems); tt.problem == "" != (got == nil) || got != nil && got.Error() != tt.problem {
				t.Errorf("problems: %v", got)
			}
		})
	}
}

// TestStepsOrder has everything at once, and sees the steps of host and table in the order of the pass.
func TestStepsOrder(t *testing.T) {
	d := onDummy(webService("10.1.0.1:80"))
	d.IPVS.Sysctls = map[string]string{"conntrack": "1"}
	d.IPVS.Master = &spec.SyncDaemon{Interface: "lo"}
	old := key("10.0.0.2:80")
	m := Memory{
		Services: owned{old: {Name: "old"}},
		Host:     HostMemory{Addresses: map[kernel.Address]bool{{Interface: "gorb0", Addr: old.Addr.Addr()}: true}},
	}
	host := kernel.NewFakeHost()
	host.Edit(func(s *kernel.HostState) {
		s.Links["gorb0"] = true
		s.Addresses[kernel.Address{Interface: "gorb0", Addr: old.Addr.Addr()}] = true
	})
	observed := kernel.Table{old: webTable(realServer("10.1.0.9:80", 1, 0, 0))[web]}
	p := Decide(Input{Desired: d, Memory: m, Observed: observed, Host: readHost(t, host, d, m), Now: noon})
	var got []string
	for s := range p.Steps() {
		got = append(got, s.String())
	}
	want := []string{
		"sysctl -w net.ipv4.vs.conntrack=1",
		"-A -t 10.0.0.1:80 -s wrr",
		"-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 100",
		"ip addr add 10.0.0.1/32 dev gorb0",
		"ip addr delete 10.0.0.2/32 dev gorb0",
		"-D -t 10.0.0.2:80",
		"ipvsadm --start-daemon master --mcast-interface lo",
	}
	if diff := cmp.Diff(want, got); diff != "" || p.Empty() {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}
