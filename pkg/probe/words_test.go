package probe

import (
	"testing"
	"time"
)

func TestWhy(t *testing.T) {
	patient := with(thresholds(3, 2))
	for _, tc := range []struct {
		policy  Policy
		kernel  *uint32
		results string
		later   time.Duration
		want    string
	}{
		{gorb, nil, "o", 0, ""},
		{gorb, has(200), "", 0, ""},
		{gorb, nil, "", 0, "not checked yet: it is new"},
		{gorb, has(0), "", 0, "not checked yet: the kernel has 0"},
		{gorb, has(37), "-", 0, "not checked yet (too many open files): the kernel has 37"},
		{with(func(p *Policy) { p.Initial = InitialDown }), has(37), "", 0, "not checked yet"},
		{patient, has(0), "x", 0, "not known yet: the kernel has 0"},
		{patient, has(0), "oo", 0, "not known yet: the kernel has 0; 2 of the 3 good checks in a row that it needs"},
		{gorb, nil, "o*3 xx", 0, "down since 12:04:00: HTTP 503, wanted 200"},
		{gorb, nil, "o*3 xx-", 0, "down since 12:04:00: HTTP 503, wanted 200"},
		{gorb, nil, "x", 30 * time.Hour, "down since 2026-03-01 12:01:00: HTTP 503, wanted 200"},
		{patient, nil, "xxo", 0, "down since 12:02:00: HTTP 503, wanted 200; 1 of the 3 good checks in a row that it needs"},
		{gorb, nil, "x*100 o*37", 0, "coming back: 37 of the last 100 checks were good"},
		{gorb, nil, "xo", 0, "coming back: 1 of the last 2 checks were good"},
		{with(slow(time.Hour)), nil, "xo", 0, "coming back since 12:02:00, all of its weight at 13:02:00"},
		{with(slow(time.Hour)), nil, "xo", time.Hour, ""},
	} {
		s := after(Begin(noon), tc.policy, tc.results)
		now := noon.Add(tc.later)
		if tc.later == 0 && tc.results != "" {
			now = s.Last().At
		}
		if got := Why(100, tc.kernel, s, tc.policy, now.Add(5*time.Minute)); got != tc.want {
			t.Errorf("after %q: %q, want %q", tc.results, got, tc.want)
		}
	}
}

func TestAllDown(t *testing.T) {
	for c, want := range map[Counts]bool{
		{}: false, {Drained: 1}: false, {Down: 1}: true, {Down: 1, Drained: 1}: true,
		{Down: 1, Up: 1}: false, {Down: 1, Unanswered: 1}: false, {Down: 1, Unchecked: 1}: false,
	} {
		if c.AllDown() != want {
			t.Errorf("%+v: %v, want %v", c, c.AllDown(), want)
		}
	}
}
