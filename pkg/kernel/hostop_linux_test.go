package kernel

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
)

// testHostCommands runs what HostOp.String prints and looks for its effect with another command.
func testHostCommands(t *testing.T) {
	v4 := Address{"gorb0", netip.MustParseAddr("192.0.2.1")}
	v6 := Address{"gorb0", netip.MustParseAddr("2001:db8::1")}
	group := netip.MustParseAddr("239.1.2.3")
	ns := lab.Namespace(t)
	for _, tt := range []struct {
		op    HostOp
		look  string
		want  string // in what the look shows
		never bool   // not in it
	}{
		{op: HostOp{Kind: SetSysctl, Name: "expire_nodest_conn", Value: "1"}, look: "sysctl net.ipv4.vs.expire_nodest_conn", want: "= 1"},
		{op: HostOp{Kind: SetSysctl, Name: "sync_threshold", Value: "5 60"}, look: "sysctl net.ipv4.vs.sync_threshold", want: "= 5\t60"},
		{op: HostOp{Kind: SetTimeouts, Timeouts: Timeouts{TCP: 60, UDP: 30}}, look: "ipvsadm -L --timeout", want: "60 120 30"},
		{
			op:   HostOp{Kind: StartSync, Sync: SyncDaemon{Master, "lo", 7, 1000, group, 77, 9}},
			look: "ipvsadm -L --daemon", want: "master sync daemon (mcast=lo, syncid=7, maxlen=1000, group=239.1.2.3, port=77, ttl=9)",
		},
		{
			op:   HostOp{Kind: StartSync, Sync: SyncDaemon{Role: Backup, Interface: "lo", Group: netip.MustParseAddr("ff02::7")}},
			look: "ipvsadm -L --daemon", want: "backup sync daemon (mcast=lo, syncid=0, maxlen=65487, group=ff02::7, port=8848, ttl=1)",
		},
		{op: HostOp{Kind: StopSync, Sync: SyncDaemon{Role: Master}}, look: "ipvsadm -L --daemon", want: "master", never: true},
		{op: HostOp{Kind: StopSync, Sync: SyncDaemon{Role: Backup}}, look: "ipvsadm -L --daemon", want: "backup", never: true},
		{op: HostOp{Kind: AddLink, Address: Address{Interface: "gorb0"}}, look: "ip -d -o link show dev gorb0 up", want: "dummy"},
		{op: HostOp{Kind: AddAddress, Address: v4}, look: "ip -o addr show dev gorb0", want: "192.0.2.1/32"},
		{op: HostOp{Kind: AddAddress, Address: v6}, look: "ip -o addr show dev gorb0 -tentative", want: "2001:db8::1/128 scope global nodad"},
		{op: HostOp{Kind: DeleteAddress, Address: v4}, look: "ip -o addr show dev gorb0", want: "192.0.2.1", never: true},
		{op: HostOp{Kind: DeleteAddress, Address: v6}, look: "ip -o addr show dev gorb0", want: "2001:db8::1", never: true},
		{op: HostOp{Kind: DeleteLink, Address: Address{Interface: "gorb0"}}, look: "ip link", want: "gorb0", never: true},
	} {
		lab.Exec(t, ns, "sh", "-c", tt.op.String())
		if got := lab.Exec(t, ns, "sh", "-c", tt.look); strings.Contains(got, tt.want) == tt.never {
			t.Errorf("%s; %s: %q in it: %v\n%s", tt.op, tt.look, tt.want, !tt.never, got)
		}
	}
}
