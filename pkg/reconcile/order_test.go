package reconcile

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// observedOrder returns an observed service with backends 10.1.0.N:80 of weight N, in the given dump order.
func observedOrder(scheduler string, dump ...int) kernel.VirtualService {
	v := kernel.VirtualService{Service: kernel.Service{Scheduler: scheduler, Netmask: kernel.FullNetmask(kernel.IPv4)}}
	for _, n := range dump {
		v.Dests = append(v.Dests, realServer(fmt.Sprintf("10.1.0.%d:80", n), uint32(n), 0, 0))
	}
	return v
}

func TestDrift(t *testing.T) {
	v := observedOrder("sh", 4, 2, 3, 1)
	d, ok := DriftOf(web, v)
	want := Drift{
		Key: web, Backends: 4, Moves: []kernel.DestKey{dest("10.1.0.3:80"), dest("10.1.0.4:80")},
		Change: Change{Moved: 102, Slots: 256, Unit: "buckets"},
	}
	if diff := cmp.Diff(want, d, cmpOptions); diff != "" || !ok {
		t.Errorf("drift %v (-want +got):\n%s", ok, diff)
	}
	ops := ""
	for _, op := range Reorder(web, v) {
		ops += op.String() + "\n"
	}
	const wantOps = `-d -t 10.0.0.1:80 -r 10.1.0.3:80
-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 3
-d -t 10.0.0.1:80 -r 10.1.0.4:80
-a -t 10.0.0.1:80 -r 10.1.0.4:80 -m -w 4
`
	if diff := cmp.Diff(wantOps, ops); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if got, want := d.String()+"; "+d.Change.String(),
		"2 of 4 backends are not in canonical order; 102 of 256 buckets, 40 % of the clients"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	for _, still := range []kernel.VirtualService{
		observedOrder("wrr", 1, 2), observedOrder("sh", 2, 1), observedOrder("mh", 1), observedOrder("sh"),
	} {
		if d, ok := DriftOf(web, still); ok || Reorder(web, still) != nil {
			t.Errorf("%s of %d backends drifts: %v", still.Scheduler, len(still.Dests), d)
		}
	}
	v.Dests[0].Unknown = "it has an attribute 99"
	if d, _ := DriftOf(web, v); d.Unknown != "its backend 10.1.0.4:80: it has an attribute 99" {
		t.Errorf("unknown is %q", d.Unknown)
	}
	notes := DriftNotes(kernel.Table{web: observedOrder("mh", 1, 2), key("10.0.0.2:80"): observedOrder("wrr", 1, 2)})
	if len(notes) != 1 || notes[0].Key != web || !strings.HasSuffix(notes[0].Change.String(), " of the clients") {
		t.Errorf("notes %v", notes)
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		n, of int
		want  string
	}{{0, 256, "0 %"}, {1, 4093, "0.0 %"}, {12, 4093, "0.3 %"}, {64, 256, "25 %"}, {1, 20, "5 %"}, {256, 256, "100 %"}} {
		if got := percent(tt.n, tt.of); got != tt.want {
			t.Errorf("%d of %d: %q, want %q", tt.n, tt.of, got, tt.want)
		}
	}
}

// TestReorder makes random services, and holds Reorder to what it promises: it is the least that does it, and nothing
// but the order changes.
func TestReorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scheduler := rapid.SampledFrom([]string{"sh", "mh"}).Draw(t, "scheduler")
		dump := rapid.Permutation([]int{1, 2, 3, 4, 5, 6}[:rapid.IntRange(0, 6).Draw(t, "backends")]).Draw(t, "dump")
		v := observedOrder(scheduler, dump...)
		for i := range v.Dests {
			d := &v.Dests[i]
			d.Weight = rapid.Uint32Range(0, 300).Draw(t, "weight")
			d.Forward = rapid.SampledFrom([]kernel.Forward{kernel.Masq, kernel.Tunnel, kernel.Route}).Draw(t, "forward")
			d.Upper = rapid.Uint32Range(0, 10).Draw(t, "upper")
			d.Lower = rapid.Uint32Range(0, d.Upper).Draw(t, "lower")
			d.Conns.Active = rapid.Uint32Range(0, 10).Draw(t, "active")
		}
		fake := kernel.NewFake()
		fake.Put(web, v)
		ops := Reorder(web, v)
		for i, err := range fake.Apply(t.Context(), ops) {
			if err != nil {
				t.Fatalf("%v: %v", ops[i], err)
			}
		}
		want := Canonical(v.Dests)
		slices.Reverse(want)
		after := fake.Snapshot()[web]
		if d := cmp.Diff(want, after.Dests, cmpOptions); d != "" {
			t.Fatalf("after %v (-want +got):\n%s", ops, d)
		}
		if OrderDrift(after) || Reorder(web, after) != nil {
			t.Fatal("it still drifts")
		}
		if n := fewest(dump); len(ops) != 2*n {
			t.Fatalf("%d operations for %v, which %d backends do", len(ops), dump, n)
		}
		drift, ok := DriftOf(web, v)
		if ok != (len(ops) > 0) || len(drift.Moves) != len(ops)/2 || drift.Moved < 0 || drift.Moved > drift.Slots {
			t.Fatalf("drift %+v of %d operations", drift, len(ops))
		}
	})
}

// fewest returns the least number of backends that can be moved to the head, in any order, to make a dump descend. It
// tries all choices.
func fewest(dump []int) int {
	least := len(dump)
	for chosen := range 1 << len(dump) {
		moved, stay := []int{}, []int{}
		for i, n := range dump {
			if chosen&(1<<i) != 0 {
				moved = append(moved, n)
			} else {
				stay = append(stay, n)
			}
		}
		slices.Sort(moved)
		slices.Reverse(moved)
		if list := slices.Concat(moved, stay); slices.IsSortedFunc(list, func(a, b int) int { return b - a }) {
			least = min(least, bits.OnesCount(uint(chosen)))
		}
	}
	return least
}

// TestTables holds what must be true of the tables whatever the weights.
func TestTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var dests []kernel.RealServer
		total := 0
		for i := range rapid.IntRange(1, 40).Draw(t, "backends") {
			w := rapid.OneOf(rapid.Uint32Range(0, 10), rapid.Uint32Range(0, 1<<31-1)).Draw(t, "weight")
			dests = append(dests, realServer(fmt.Sprintf("10.1.0.%d:80", i+1), w, 0, 0))
			total += int(w)
		}
		counts := map[kernel.DestKey]int{}
		for _, d := range shTable(dests) {
			counts[d]++
		}
		if first := dests[0]; counts[first.DestKey] < min(int(first.Weight), shSlots) {
			t.Fatalf("sh gives the first %d buckets", counts[first.DestKey])
		}
		clear(counts)
		for _, d := range mhTable(kernel.IPv4, dests) {
			counts[d]++
		}
		for _, d := range dests {
			if has := counts[d.DestKey] > 0; has != (d.Weight > 0) && total > 0 {
				t.Fatalf("mh gives %s, weight %d, %d slots", d.DestKey, d.Weight, counts[d.DestKey])
			}
		}
	})
	var many []kernel.RealServer
	for i := range mhSlots + 1 {
		addr := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		many = append(many, kernel.RealServer{DestKey: kernel.DestKey{Addr: netip.AddrPortFrom(addr, 80)}, Dest: kernel.Dest{Weight: 1}})
	}
	if table := mhTable(kernel.IPv4, many); table[0] != (kernel.DestKey{}) {
		t.Error("mh has a table for more backends than slots")
	}
}
