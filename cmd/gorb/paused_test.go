package main

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestPaused stops gorb for longer than the timeout of its checks, as the suspension of a virtual machine does, while it
// waits for answers. It was not the backends that were late.
func TestPaused(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		ns := lab.Namespace(t)
		lab.Exec(t, ns, "ip", "route", "add", "local", "10.1.0.0/24", "dev", "lo")
		web := tcpService{
			name: "mail", addr: netip.MustParseAddrPort("10.0.0.1:25"), method: "wrr",
			pulse: `type = "tcp", interval = "1s", timeout = "2s", args = { expect = "220 " }`,
		}
		for i := range 20 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), 25)
			web.backends = append(web.backends, tcpBackend{addr: addr, weight: 100})
			serveAt(t, ns, addr, func(c net.Conn) {
				time.Sleep(400 * time.Millisecond)
				greets(c)
			})
		}
		k := newKeeping(t, ns)
		k.declare(web)
		k.start()
		k.wantTable("at the start", web)
		seen := watchTable(t, ns)
		k.signal(syscall.SIGSTOP)
		time.Sleep(4 * time.Second) // about the timeout, and what the engine waits beyond it for a check to end
		k.signal(syscall.SIGCONT)
		time.Sleep(1500 * time.Millisecond)
		wantTables(t, "a pause of gorb", seen(), tableOf(web))
	})
}
