package reconcile

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestExportRoundTrip exports random tables, and declares them again: nothing is to do.
func TestExportRoundTrip(t *testing.T) {
	for seed := range uint64(300) {
		table := newWorld(seed).table()
		services, left := Export(table, Memory{})
		if len(left) > 0 {
			t.Fatalf("seed %d: left out %v of\n%v", seed, left, table)
		}
		data, err := spec.Encode(services, spec.JSON, "")
		if err != nil {
			t.Fatal(err)
		}
		doc, err := spec.Decode("", spec.JSON, data)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, data)
		}
		desired, err := spec.Merge(doc)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, data)
		}
		if d := cmp.Diff(settled(table), settled(WantedTable(desired)), cmpOptions); d != "" {
			t.Fatalf("seed %d: (-table +declared again):\n%s", seed, d)
		}
	}
}

// TestExportSaysWhatItLeavesOut has what a configuration cannot say.
func TestExportSaysWhatItLeavesOut(t *testing.T) {
	service := func(change func(*kernel.VirtualService)) kernel.VirtualService {
		v := webTable(realServer("10.1.0.1:80", 1, 0, 0))[web]
		change(&v)
		return v
	}
	for want, v := range map[string]kernel.VirtualService{
		"its flags 0x40 cannot be declared": service(func(v *kernel.VirtualService) { v.Flags = 0x40 }),
		"its persistence without a timeout cannot be declared": service(func(v *kernel.VirtualService) {
			v.Flags = kernel.Persistent
		}),
		"unheard of": service(func(v *kernel.VirtualService) { v.Unknown = "unheard of" }),
		"its backend 10.1.0.1:80: unheard of": service(func(v *kernel.VirtualService) {
			v.Dests[0].Unknown = "unheard of"
		}),
		"its backend 10.1.0.1:80: its forwarding method (1, tunnel type 0) cannot be declared": service(func(v *kernel.VirtualService) {
			v.Dests[0].Forward = kernel.Local
		}),
		"its backend 10.1.0.1:80: its tunnel (flags 0x1, port 0) cannot be declared": service(func(v *kernel.VirtualService) {
			v.Dests[0].Forward, v.Dests[0].Encap.Flags = kernel.Tunnel, kernel.Checksum
		}),
	} {
		services, left := Export(kernel.Table{web: v}, Memory{})
		if len(services) > 0 || len(left) != 1 || left[0].Reason != want {
			t.Errorf("exported %v, left out %v, wanted %q", services, left, want)
		}
	}
}
