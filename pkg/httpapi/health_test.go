package httpapi

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gorb-io/gorb/pkg/spec"
)

func serviceHealth(name string, backends int) ServiceHealth {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	s := ServiceHealth{ServiceState: ServiceState{
		Name: name, Protocol: spec.TCP, Host: netip.MustParseAddr("10.0.0.1"), Port: 80,
		Counts: Counts{Down: backends}, AllDown: true, OnDown: "drain",
	}}
	for i := range backends {
		s.Backends = append(s.Backends, BackendHealth{
			Name: fmt.Sprint("b", i), Address: netip.MustParseAddrPort("10.1.0.1:8080"),
			Check: Check{"http", "10.1.0.1:8080/health"}, State: Down, Since: at,
			Last: &CheckResult{At: at, TookMS: 1.234, Outcome: CheckFailed, Text: "HTTP 503, wanted 200"},
			Good: 97, Of: 100, Weight: 100, Effective: new(uint32), Why: "down since 10:22:58: HTTP 503, wanted 200",
		})
	}
	return s
}

func TestHealthRoute(t *testing.T) {
	f, c := fake(t)
	if d := cmp.Diff(Health{Services: []ServiceHealth{}}, ask[Health](t, c, "GET", "/health", nil)); d != "" {
		t.Errorf("of nothing (-want +got):\n%s", d)
	}
	f.health = []ServiceHealth{serviceHealth("a", 1), serviceHealth("b", 3), serviceHealth("c", 2)}
	f.checks = &HealthTotals{Engine: Engine{Probes: 4, LateMS: 12}, AllDown: Named{1, []string{"a"}}, Waiting: Named{Names: []string{}}}
	want := Health{&f.checks.Engine, f.health}
	if d := cmp.Diff(want, ask[Health](t, c, "GET", "/health", nil), cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})); d != "" {
		t.Errorf("of all (-want +got):\n%s", d)
	}
	some := ask[Health](t, c, "GET", "/health?service=c&service=gone&service=a", nil)
	if len(some.Services) != 2 || some.Services[0].Name != "a" || some.Services[1].Name != "c" {
		t.Errorf("of some: %+v", some.Services)
	}
	if d := cmp.Diff(f.checks, ask[Status](t, c, "GET", "/status", nil).Health); d != "" {
		t.Errorf("in /status (-want +got):\n%s", d)
	}

	// A part is not taken for the whole.
	f.unhealthy = errors.New("checks are not made any more")
	var failure *Failure
	if err := c.Do(t.Context(), "GET", "/health", nil, &Health{}); err == nil || errors.As(err, &failure) {
		t.Errorf("half-way: %v", err)
	}
	const why = "how backends are cannot be said now: checks are not made any more"
	if err := c.Do(t.Context(), "GET", "/health?service=none", nil, &Health{}); !errors.As(err, &failure) || failure.Code != 503 || failure.Error() != why {
		t.Errorf("from the start: %v", err)
	}
}

func TestHanging(t *testing.T) {
	for ms, want := range map[int64]string{0: "", 9999: "", 12345: "the checks hang: nothing has been judged for 12 s"} {
		if got := hanging(&HealthTotals{Engine: Engine{HangsMS: ms}}); got != want {
			t.Errorf("after %d ms: %q, want %q", ms, got, want)
		}
	}
	if got := hanging(nil); got != "" {
		t.Errorf("where nobody makes checks: %q", got)
	}
}
