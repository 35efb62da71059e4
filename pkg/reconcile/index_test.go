package reconcile

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestIndexShared makes an index of the one before, and anew: both are the same. What has changed by them is what two
// configurations declare differently.
func TestIndexShared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawDesired(t, "before"), drawDesired(t, "after")
		was := newIndex(before, nil)
		got, want := newIndex(after, was), newIndex(after, nil)
		if d := cmp.Diff(want.of, got.of); d != "" {
			t.Errorf("services (-want +got):\n%s", d)
		}
		for addr, keys := range want.hosts {
			if len(keys) != len(got.hosts[addr]) {
				t.Errorf("%s has %v, want %v", addr, got.hosts[addr], keys)
			}
		}
		differ := map[kernel.ServiceKey]bool{}
		for key := range want.of {
			if old := was.service(key); old == nil || !old.Equal(want.service(key)) {
				differ[key] = true
			}
		}
		for key := range was.of {
			if want.service(key) == nil {
				differ[key] = true
			}
		}
		scope := map[kernel.ServiceKey]bool{}
		changed(scope, was, got)
		if d := cmp.Diff(differ, scope); d != "" {
			t.Errorf("changed (-want +got):\n%s", d)
		}
	})
}

// drawDesired draws a configuration of few services, so that two of them have some in common.
func drawDesired(t *rapid.T, label string) *spec.Desired {
	d := &spec.Desired{}
	if rapid.Bool().Draw(t, label+" on an interface") {
		d.Gorb.VIP.Name = "lo"
	}
	for _, name := range []string{"a", "b", "c"} {
		if !rapid.Bool().Draw(t, label+" "+name) {
			continue
		}
		port := uint16(name[0])
		if rapid.Bool().Draw(t, label+" moves "+name) {
			port += 100
		}
		d.Services = append(d.Services, spec.Service{
			Name: name, Protocol: spec.TCP, Host: netip.MustParseAddr("10.0.0.1"), Port: port, Family: spec.IPv4,
			Method: rapid.SampledFrom([]string{"rr", "wrr"}).Draw(t, label+" method of "+name), OwnHost: rapid.Bool().Draw(t, label+" own "+name),
		})
	}
	return d
}
