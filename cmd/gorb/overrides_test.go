package main

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestOverridesOutlastRestarts: what the state directory has of them is laid over the files, and nothing else can open it
// meanwhile.
func TestOverridesOutlastRestarts(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		web := tcpService{name: "web", addr: netip.MustParseAddrPort("10.0.0.1:80"), method: "wrr", backends: []tcpBackend{
			{addr: netip.MustParseAddrPort("10.1.0.1:80"), weight: 10}, {addr: netip.MustParseAddrPort("10.1.0.2:80"), weight: 10},
		}}
		k := newKeeping(t, lab.Namespace(t))
		k.declare(web)
		k.start()
		k.wantTable("at first", web)
		if store, err := sources.OpenOverrides(k.state); store != nil {
			t.Errorf("the overrides of a gorb that runs can be opened: %v", err)
		}
		k.signal(syscall.SIGTERM)

		store, err := sources.OpenOverrides(k.state)
		if err != nil {
			t.Fatal(err)
		}
		o := spec.Override{
			Service: "web", Backend: "b0", Kind: spec.Patch, Body: []byte(`{"weight": 3}`), Reason: "disk", By: "test",
		}
		if _, err := store.Write(t.Context(), []sources.Write{{Override: o}}, nil); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		k.start()
		web.backends[0].weight = 3
		k.wantTable("with the override", web)
		k.signal(syscall.SIGKILL)
		k.start()
		k.wantTable("after a crash", web)
		k.signal(syscall.SIGTERM)
	})
}
