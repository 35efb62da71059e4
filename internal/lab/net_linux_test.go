package lab

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestNet(t *testing.T) {
	Run(t, func(t *testing.T) {
		start := time.Now()
		n := NewNet(t, 3)
		t.Logf("made in %v", time.Since(start))
		for i, ns := range n.Backends {
			serve(t, ns, n.Backends[i])
		}
		for _, tt := range []struct {
			name    string
			vip     netip.Addr
			forward string
			backend func(int) netip.Addr
		}{
			{"nat", n.VIP(1), "-m", n.BackendAddr},
			{"dr", n.VIP(2), "-g", n.BackendAddr},
			{"tunnel", n.VIP(3), "-i", n.BackendAddr},
			{"nat6", n.VIP6(1), "-m", n.BackendAddr6},
			{"dr6", n.VIP6(2), "-g", n.BackendAddr6},
		} {
			t.Run(tt.name, func(t *testing.T) {
				vip := netip.AddrPortFrom(tt.vip, 80).String()
				Exec(t, n.Director, "ipvsadm", "-A", "-t", vip, "-s", "rr")
				for i := range n.Backends {
					backend := netip.AddrPortFrom(tt.backend(i), 80).String()
					Exec(t, n.Director, "ipvsadm", "-a", "-t", vip, "-r", backend, tt.forward)
				}
				answers := map[string]int{}
				for range 6 {
					answers[ask(t, n.Client, vip)]++
				}
				for _, ns := range n.Backends {
					if answers[ns] != 2 {
						t.Errorf("answers %v, want 2 of each backend", answers)
						break
					}
				}
			})
		}
	})
}

// serve answers connections to port 80 in a namespace with an answer.
func serve(t *testing.T, ns, answer string) {
	t.Helper()
	var l net.Listener
	err := Do(ns, func() (err error) {
		l, err = net.Listen("tcp", ":80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, answer)
			c.Close()
		}
	}()
}

// ask connects from a namespace and returns all that the other side sends.
func ask(t *testing.T, ns, addr string) string {
	t.Helper()
	var answer []byte
	err := Do(ns, func() error {
		// net.Dialer may race addresses in goroutines of its own, but not with a single address.
		c, err := net.DialTimeout("tcp", addr, 30*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		answer, err = io.ReadAll(c)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
