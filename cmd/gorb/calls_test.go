package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestCallsOfFailure counts what gorb asks the kernel for from a failed check to weight 0, where there are many services:
// that service is read, and that backend written.
func TestCallsOfFailure(t *testing.T) {
	lab.Need(t, "strace")
	lab.Run(t, func(t *testing.T) {
		ns := lab.Namespace(t)
		lab.Exec(t, ns, "ip", "route", "add", "local", "10.1.0.0/16", "dev", "lo")
		serveAt(t, ns, netip.MustParseAddrPort("0.0.0.0:80"), hangs)
		victim := netip.MustParseAddrPort("10.1.20.3:81")
		stopServer := serveAt(t, ns, victim, hangs)
		k := newKeeping(t, ns)
		k.settings = "resync = \"1h\"\n"
		var services []tcpService
		for i := range 40 {
			s := tcpService{
				name: fmt.Sprintf("s%d", i), addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80),
				method: "wrr", answers: true,
			}
			for j := range 5 {
				addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), byte(j)}), 80)
				if addr.Addr() == victim.Addr() {
					addr = victim
				}
				s.backends = append(s.backends, tcpBackend{addr: addr, weight: 100})
			}
			services = append(services, s)
		}
		// The others are checked once a minute: a traced call is dear, and a machine that is slow besides would do nothing
		// but check.
		services[20].pulse = `interval = "1s"`
		k.declare(services...)
		k.start()
		k.wantTable("at the start", services...)

		stop := lab.Strace(t, k.cmd.Process.Pid, "write,writev,sendto,sendmsg,sendmmsg")
		stopServer()
		services[20].backends[3].weight = 0
		k.wantTable("when one is down", services...)
		want := []string{"GET_DEST", "GET_SERVICE", "SET_DEST"}
		if got := requests(stop(), services[20].addr.Addr()); !slices.Equal(want, got) {
			t.Errorf("it asked the kernel for %v, want %v", got, want)
		}
	})
}

// ipvsCommands are those of linux/ip_vs.h, from 1.
var ipvsCommands = []string{
	"NEW_SERVICE", "SET_SERVICE", "DEL_SERVICE", "GET_SERVICE", "NEW_DEST", "SET_DEST", "DEL_DEST", "GET_DEST",
}

// requests returns the requests of IPVS in what lab.Strace wrote down, with a note at those that are not about a service.
func requests(calls []string, service netip.Addr) []string {
	const header, control = 16, 0x10 // linux/netlink.h; nlctrl of linux/genetlink.h tells the families
	var all []string
	for _, call := range calls {
		for _, text := range written.FindAllStringSubmatch(call, -1) {
			rest, err := hex.DecodeString(strings.ReplaceAll(text[1], `\x`, ""))
			for err == nil && len(rest) > header {
				size := int(binary.NativeEndian.Uint32(rest))
				if size <= header || size > len(rest) {
					break // not of netlink
				}
				message := rest[:size]
				rest = rest[size:]
				if binary.NativeEndian.Uint16(message[4:]) == control {
					continue
				}
				name := fmt.Sprintf("command %d", message[header])
				if i := int(message[header]) - 1; i >= 0 && i < len(ipvsCommands) {
					name = ipvsCommands[i]
				}
				if !bytes.Contains(message, service.AsSlice()) {
					name += " of others"
				}
				all = append(all, name)
			}
		}
	}
	return all
}

// written matches what a call writes.
var written = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})+)"`)
