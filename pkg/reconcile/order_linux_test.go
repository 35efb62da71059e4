package reconcile

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestTablesOfKernel has many clients open connections, and compares where the kernel sends each with the simulated
// table, before the order is mended and after.
func TestTablesOfKernel(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, tt := range []struct {
			name, rules string
			service     netip.AddrPort
			clients     string // the prefix of their addresses
			port        bool
		}{
			{
				name: "sh", clients: "10.8.0.", service: netip.MustParseAddrPort("10.0.0.1:53"),
				rules: "-A -u 10.0.0.1:53 -s sh\n-a -u 10.0.0.1:53 -r 10.1.0.2 -g -w 30\n" +
					"-a -u 10.0.0.1:53 -r 10.1.0.3 -g -w 1\n-a -u 10.0.0.1:53 -r 10.1.0.1 -g -w 100",
			},
			{
				name: "sh-port", clients: "10.8.0.", service: netip.MustParseAddrPort("10.0.0.1:53"), port: true,
				rules: "-A -u 10.0.0.1:53 -s sh -b sh-port\n-a -u 10.0.0.1:53 -r 10.1.0.2 -g -w 3\n-a -u 10.0.0.1:53 -r 10.1.0.1 -g -w 2",
			},
			{
				name: "mh", clients: "10.8.0.", service: netip.MustParseAddrPort("10.0.0.1:53"),
				rules: "-A -u 10.0.0.1:53 -s mh\n-a -u 10.0.0.1:53 -r 10.1.0.2 -m -w 1000\n" +
					"-a -u 10.0.0.1:53 -r 10.1.0.3:54 -m -w 1\n-a -u 10.0.0.1:53 -r 10.1.0.1 -m -w 100\n" +
					"-a -u 10.0.0.1:53 -r 10.1.0.4 -m -w 777",
			},
			{
				name: "mh, IPv6", clients: "fd08::", service: netip.MustParseAddrPort("[fd00::1]:53"),
				rules: "-A -u [fd00::1]:53 -s mh -b mh-port\n-a -u [fd00::1]:53 -r [fd01::2]:53 -g -w 7\n" +
					"-a -u [fd00::1]:53 -r [fd01::1:1]:53 -g -w 7\n-a -u [fd00::1]:53 -r [fd01::3]:53 -g -w 3", port: true,
			},
		} {
			t.Run(tt.name, func(t *testing.T) {
				ns := clientsNamespace(t, tt.rules)
				client, err := kernel.Open(t.Context(), kernel.Options{Namespace: lab.NamespacePath(ns), LoadModule: true})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				k := kernel.ServiceKey{Family: kernel.FamilyOf(tt.service.Addr()), Protocol: kernel.UDP, Addr: tt.service}
				for _, order := range []string{"as it was made", "reordered"} {
					v := observeOne(t, client, k)
					if drifts := OrderDrift(v); drifts != (order == "as it was made") {
						t.Errorf("%s: drifts is %v", order, drifts)
					}
					want := map[string]string{}
					for _, c := range sendDatagrams(t, ns, tt.clients, tt.service) {
						want[c.String()] = predict(k.Family, v, c, tt.port).String()
					}
					got := connections(t, ns)
					for c := range got {
						if want[c] == "" {
							delete(got, c) // of the round before
						}
					}
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("%s: where the clients went (-want +got):\n%s", order, d)
					}
					for i, err := range client.Apply(t.Context(), Reorder(k, v)) {
						if err != nil {
							t.Fatalf("operation %d: %v", i, err)
						}
					}
				}
			})
		}
	})
}

// clientsNamespace returns a namespace with many local addresses and a table.
func clientsNamespace(t *testing.T, rules string) string {
	ns := lab.Namespace(t)
	lab.Exec(t, ns, "sh", "-c", `ip link add d0 type dummy && ip link set d0 up &&
		ip addr add 10.1.0.100/24 dev d0 && ip addr add fd01::100/64 dev d0 nodad &&
		ip addr add 10.0.0.1/32 dev d0 && ip addr add fd00::1/128 dev d0 nodad &&
		ip route add local 10.8.0.0/24 dev lo && ip -6 route add local fd08::/64 dev lo &&
		sysctl -qw net.ipv6.ip_nonlocal_bind=1 &&
		echo "$0" | ipvsadm -R`, rules)
	return ns
}

func observeOne(t *testing.T, client *kernel.Client, k kernel.ServiceKey) kernel.VirtualService {
	table, err := client.Observe(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return table[k]
}

// sendDatagrams sends one from each of 200 addresses to a service, and returns where they came from.
func sendDatagrams(t *testing.T, ns, prefix string, to netip.AddrPort) []netip.AddrPort {
	var from []netip.AddrPort
	err := lab.Do(ns, func() error {
		for n := range 200 {
			local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("%s%d", prefix, n+1)), 0))
			c, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(to))
			if err != nil {
				return err
			}
			_, err = c.Write([]byte("?"))
			from = append(from, c.LocalAddr().(*net.UDPAddr).AddrPort())
			if c.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return from
}

// connections returns the backend of each client, as the kernel has them.
func connections(t *testing.T, ns string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(lab.Exec(t, ns, "ipvsadm", "-Lnc")) {
		if f := strings.Fields(line); len(f) == 6 && f[0] == "UDP" {
			found[f[3]] = f[5]
		}
	}
	return found
}

// predict returns the backend of a client: ip_vs_sh_hashkey and ip_vs_mh_hashkey, over the simulated tables.
func predict(f kernel.Family, v kernel.VirtualService, client netip.AddrPort, port bool) kernel.DestKey {
	if !port {
		client = netip.AddrPortFrom(client.Addr(), 0)
	}
	folded := fold(f, kernel.DestKey{Addr: client})
	if v.Scheduler == "mh" {
		return mhTable(f, v.Dests)[mhHash(folded, mhFirstKey)%mhSlots]
	}
	const goldenRatio = 0x61c88647 // hash_32 of include/linux/hash.h
	return shTable(v.Dests)[folded*goldenRatio>>(32-8)]
}
