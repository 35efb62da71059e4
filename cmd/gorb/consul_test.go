package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/sources/consultest"
)

// TestRunFromConsul: a director takes its services from Consul, and starts while Consul is away.
func TestRunFromConsul(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		kv := consultest.New(t)
		backend := func(weight int) string { return fmt.Sprintf(`{"host": "10.1.0.1", "port": 80, "weight": %d}`, weight) }
		kv.Put("gorb/services/web", "host = '10.0.0.1'\nport = 80", "gorb/services/web/backends/b0", backend(10))
		web := tcpService{name: "web", addr: netip.MustParseAddrPort("10.0.0.1:80"), method: "wrr", backends: []tcpBackend{
			{addr: netip.MustParseAddrPort("10.1.0.1:80"), weight: 10},
		}}
		k := newKeeping(t, "") // where the server is
		text := fmt.Sprintf("[gorb]\nstate_dir = %q\n[[sources]]\nurl = %q\nname = \"kv\"\n[defaults.pulse]\ntype = \"none\"\n[services]\n", k.state, kv.URL("gorb/"))
		if err := os.WriteFile(k.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		k.start()
		k.wantTable("at first", web)
		kv.Put("gorb/services/web/backends/b0", backend(7))
		web.backends[0].weight = 7
		k.wantTable("after a put", web)
		if out := lab.Exec(t, "", "gorb", "plan", k.file); !strings.HasSuffix(out, "\nnothing to do\n") {
			t.Errorf("a plan beside it: %s", out)
		}

		k.signal(syscall.SIGTERM)
		kv.Stop()
		lab.Exec(t, "", "ipvsadm", "-C")
		k.start()
		k.wantTable("with Consul away", web)
		kv.Put("gorb/services/web/backends/b0", backend(9))
		kv.Start()
		web.backends[0].weight = 9
		k.wantTable("with Consul again", web)
		k.signal(syscall.SIGTERM)
	})
}
