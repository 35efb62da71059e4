package probe

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// TestB20IPv6 checks backends with IPv6 addresses: GORB wrote [::1]:80 as ::1:80, so that they were always down, or could
// not be declared.
func TestB20IPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	hosts := make(chan string, 9)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts <- r.Host
		_, _ = io.WriteString(w, "ok")
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })

	at := netip.MustParseAddrPort(l.Addr().String())
	watches := new(Kinds).Watches(&desiredOf(t, strings.NewReplacer("PORT", fmt.Sprint(at.Port())).Replace(`
[services.web]
host = "2001:db8::1"
port = PORT
[services.web.backends]
a = { host = "::1", pulse = { type = "tcp" } }
b = { host = "::1", port = 1, pulse = { type = "http", args = { port = PORT } } }
c = { host = "2001:db8::2", pulse = { type = "http", args = { host = "::1" } } }
`)).Services[0])
	if len(watches) != 3 {
		t.Fatalf("%d checks", len(watches))
	}
	for _, w := range watches {
		if r, _ := w.Once(t.Context()); r.Outcome != OK {
			t.Errorf("%s, %s %s: %d %s", w.Ref.Backend, w.Target.Kind, w.Target.Args, r.Outcome, r.Text)
		}
	}
	for range 2 {
		equal(t, "the host that is asked for", <-hosts, at.String())
	}
}
