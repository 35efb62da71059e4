package sources

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestPlanRegistrations applies what is planned to what the agent has: that is what is wanted then, nothing of anybody
// else's has changed, and there is nothing more to do.
func TestPlanRegistrations(t *testing.T) {
	registrations := func(ids ...string) *rapid.Generator[[]Registration] {
		return rapid.Custom(func(t *rapid.T) []Registration {
			var list []Registration
			for _, id := range ids {
				if !rapid.Bool().Draw(t, id) {
					continue
				}
				list = append(list, Registration{
					ID: id, Name: id, Address: "10.0.0.1", Port: rapid.IntRange(1, 2).Draw(t, "port"),
					Tags:   rapid.SampledFrom([][]string{nil, {"a"}}).Draw(t, "tags"),
					Status: rapid.SampledFrom([]string{"passing", "warning", "critical"}).Draw(t, "status"),
				})
			}
			return list
		})
	}
	ours := []string{"gorb:lb", "gorb:lb:a", "gorb:lb:b"}
	rapid.Check(t, func(t *rapid.T) {
		wanted := registrations(ours...).Draw(t, "wanted")
		theirs := registrations("a", "gorb", "gorb:lb1", "gorb:lb1:a", "gorb:l").Draw(t, "theirs")
		before := append(registrations(ours...).Draw(t, "before"), theirs...)
		keep := rapid.Bool().Draw(t, "keep")
		if len(before) > 0 && rapid.Bool().Draw(t, "without check") {
			before[0].Status = ""
		}
		agent := make(map[string]Registration)
		for _, r := range before {
			agent[r.ID] = r
		}
		for _, op := range planRegistrations("lb", wanted, before, chores{Pass: rapid.Bool().Draw(t, "pass"), Keep: keep}) {
			switch {
			case op.Register != nil:
				agent[op.Register.ID] = *op.Register
			case op.Pass != nil:
				r := agent[op.Pass.ID]
				r.Status, r.Output = op.Pass.Status, op.Pass.Output
				agent[op.Pass.ID] = r
			default:
				delete(agent, op.Deregister)
			}
		}
		want := make(map[string]Registration)
		for _, r := range append(slices.Clone(wanted), before...) {
			if _, known := want[r.ID]; !known && (keep || !r.ownedBy("lb") || slices.ContainsFunc(wanted, func(w Registration) bool { return w.ID == r.ID })) {
				want[r.ID] = r
			}
		}
		if diff := cmp.Diff(want, agent); diff != "" {
			t.Fatalf("agent (-want +got):\n%s", diff)
		}
		if more := planRegistrations("lb", wanted, slices.Collect(maps.Values(agent)), chores{Keep: keep}); len(more) > 0 {
			t.Fatalf("%d more operations", len(more))
		}
	})
}

// TestPlanRegistrationsPasses proves that gorb is alive though nothing has changed.
func TestPlanRegistrationsPasses(t *testing.T) {
	own := ownRegistration("lb", "10.0.0.1", 4672)
	kept := Registration{ID: "gorb:lb:web", Name: "web", Status: "warning"}
	ops := planRegistrations("lb", []Registration{own}, []Registration{kept, own}, chores{Pass: true, Keep: true})
	equal(t, "operations", []registerOp{{Pass: &own}, {Pass: &kept}}, ops)
}

func TestWantedRegistration(t *testing.T) {
	s := &spec.Service{Name: "nginx", Host: netip.MustParseAddr("fd00::1"), Port: 80, Protocol: spec.TCP}
	c := spec.Consul{Name: "{{.Name}}-{{.Port}}-{{.Protocol}}", Tags: []string{"lb"}, Meta: map[string]string{"k": "v"}, WarnBelow: 50}
	for _, test := range []struct {
		live Liveness
		want string
	}{
		{Liveness{}, "passing: no backend has a pulse"},
		{Liveness{Up: 2, All: 2}, "passing: no backend has a pulse"},
		{Liveness{Up: 0, All: 2, Pulse: true}, "critical: 0 of 2 backends up"},
		{Liveness{Up: 1, All: 3, Pulse: true}, "warning: 1 of 3 backends up"},
		{Liveness{Up: 1, All: 2, Pulse: true}, "passing: 1 of 2 backends up"},
	} {
		r, ok := wantedRegistration("lb", c, s, test.live)
		want := "gorb:lb:nginx nginx-80-tcp fd00::1 80 [lb] map[k:v] " + test.want
		got := fmt.Sprint(r.ID, " ", r.Name, " ", r.Address, " ", r.Port, " ", r.Tags, " ", r.Meta, " ", r.Status, ": ", r.Output)
		equal(t, fmt.Sprint(test.live), want, got)
		equal(t, "registered", true, ok)
	}
	if _, ok := wantedRegistration("lb", c, &spec.Service{Name: "m", Fwmark: 7}, Liveness{}); ok {
		t.Error("a firewall mark is registered")
	}
}

// TestAllUp: a backend of a tcp service has a pulse where nobody says anything.
func TestAllUp(t *testing.T) {
	backend, none := spec.Backend{Port: 80}, &spec.Pulse{Type: spec.PulseNone}
	unchecked := spec.Backend{Port: 80, Pulse: none}
	for _, test := range []struct {
		name string
		s    spec.Service
		want Liveness
	}{
		{"nothing said", spec.Service{Protocol: spec.TCP, Backends: []spec.Backend{unchecked, backend}}, Liveness{2, 2, true}},
		{"none of the service's", spec.Service{Protocol: spec.TCP, Pulse: none, Backends: []spec.Backend{backend}}, Liveness{1, 1, false}},
		{"udp", spec.Service{Protocol: spec.UDP, Backends: []spec.Backend{backend}}, Liveness{1, 1, false}},
	} {
		equal(t, test.name, test.want, AllUp(&test.s))
	}
}
