package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/sources"
)

// TestRunRegisters: a director registers its services with a real Consul, and goes on without one.
func TestRunRegisters(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		agent := lab.Consul(t)
		client, err := api.NewClient(&api.Config{Address: agent.Address()})
		if err != nil {
			t.Fatal(err)
		}
		k := newKeeping(t, "") // where the agent is
		socket := filepath.Join(t.TempDir(), "gorb.sock")
		k.args = []string{"-c", "http://" + agent.Address(), "-l", "10.9.9.9:4672"}
		services := func(exit bool, names ...string) (list []tcpService) {
			text := fmt.Sprintf("[gorb]\nstate_dir = %q\nsocket = %q\n[consul]\nname = \"{{.Name}}-{{.Port}}-{{.Protocol}}\"\n"+
				"tags = [\"lb\"]\nderegister_at_exit = %t\n", k.state, socket, exit)
			for i, name := range names {
				s := tcpService{name: name, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80), method: "wrr"}
				list = append(list, s)
				text += s.toml()
			}
			if err := os.WriteFile(k.file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return list
		}
		list := services(false, "nginx", "mail")
		k.start()
		k.wantTable("at first", list...)
		both := []string{"gorb gorb 10.9.9.9:4672", "mail mail-80-tcp 10.0.0.2:80 lb", "nginx nginx-80-tcp 10.0.0.1:80 lb"}
		wantPassing(t, client, "at first", both...)
		eventually(t, "the status says so", func() bool {
			s := registration(t, socket)
			return s.State == sources.Good && s.Registered == 2 && s.Address == k.args[1]
		})

		// A restart goes unnoticed.
		k.signal(syscall.SIGTERM)
		wantPassing(t, client, "without gorb", both...)
		k.start()
		list = services(true, "nginx")
		k.wantTable("with one less", list...)
		wantPassing(t, client, "with one less", "gorb gorb 10.9.9.9:4672", both[2])

		// Nobody waits for a Consul that is away.
		agent.Stop()
		list = services(true, "nginx", "dns")
		k.wantTable("without Consul", list...)
		eventually(t, "the status says so", func() bool {
			s := registration(t, socket)
			return s.State == sources.Failing && strings.Contains(s.Error, "connection refused")
		})
		agent.Start()
		wantPassing(t, client, "with Consul again", "dns dns-80-tcp 10.0.0.2:80 lb", "gorb gorb 10.9.9.9:4672", both[2])
		k.signal(syscall.SIGTERM)
		wantPassing(t, client, "after the end")
	})
}

// registration is what /status says of Consul; nothing as long as gorb does not answer.
func registration(t *testing.T, socket string) *httpapi.Consul {
	t.Helper()
	var status httpapi.Status
	if err := httpapi.NewClient(socket).Do(t.Context(), "GET", "/status", nil, &status); err != nil {
		return new(httpapi.Consul)
	}
	return status.Consul
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v it is not that %s", patience, what)
		}
	}
}

// wantPassing waits until the catalogue has these as passing, beside Consul itself.
func wantPassing(t *testing.T, client *api.Client, when string, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		names, _, err := client.Catalog().Services(nil)
		if got = nil; err != nil {
			continue // no leader
		}
		delete(names, "consul")
		for name := range names {
			entries, _, err := client.Health().Service(name, "", true, nil)
			if err != nil {
				continue
			}
			for _, e := range entries {
				id := e.Service.ID[strings.LastIndex(e.Service.ID, ":")+1:]
				if e.Service.Service == "gorb" {
					id = "gorb" // the host's name is anything
				}
				line := fmt.Sprintf("%s %s %s:%d %s", id, e.Service.Service, e.Service.Address, e.Service.Port, strings.Join(e.Service.Tags, " "))
				got = append(got, strings.TrimSpace(line))
			}
		}
		if slices.Sort(got); slices.Equal(want, got) {
			return
		}
	}
	t.Fatalf("%s: after %v passing (-want +got) are:\n%s", when, patience, cmp.Diff(want, got))
}
