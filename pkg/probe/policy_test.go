package probe

import (
	"testing"
	"time"
)

// Rise and fall count what comes in a row. Each letter is the status after a result: u, d, and ? for unanswered.
func TestRiseAndFall(t *testing.T) {
	for _, tc := range []struct {
		rise, fall int
		results    string
		want       string
	}{
		{1, 1, "oxox", "udud"},
		{0, 0, "oxox", "udud"},
		{3, 2, "ooo xo xx oo x ooo", "??u uu ud dd d ddu"},
		{3, 2, "x-x o-oo", "??d dddu"},
		{2, 2, "xox o", "??? u"},           // to and fro: the fourth answer decides
		{2, 2, "oxo x", "??? d"},           // whatever it is
		{1, 3, "xx o", "?? u"},             // one success is enough
		{1, 3, "xxx oox", "??d uud"},       // coming back: the first failure counts
		{2, 1, "x oo x o-o", "d du d ddu"}, // a check that is not made breaks nothing off
	} {
		s, got := Begin(noon), ""
		for _, c := range tc.results {
			if c == ' ' {
				got += " "
				continue
			}
			s = after(s, with(thresholds(tc.rise, tc.fall)), string(c))
			got += string("?ud"[s.Status()])
		}
		if got != tc.want {
			t.Errorf("rise %d, fall %d: after %s it is %s, want %s", tc.rise, tc.fall, tc.results, got, tc.want)
		}
	}
}

// One failure of three takes nothing from a backend that has all of its weight, and something comes between it and the
// next, it is not on its way back from anything.
func TestToleratedFailureCostsNothing(t *testing.T) {
	p := with(thresholds(1, 3))
	for _, results := range []string{"o*100 x", "o*100 xxoxx", "xxx o*100 xx"} {
		s := after(Begin(noon), p, results)
		if got := Weight(100, has(100), s, p, noon); got != 100 || s.Status() != Up {
			t.Errorf("after %s: weight %d, status %d", results, got, s.Status())
		}
	}
}

// The policy may change at any time: what is remembered is judged by the new one.
func TestPolicyChanges(t *testing.T) {
	short := with(func(p *Policy) { p.Window = 10 })
	long := with(func(p *Policy) { p.Window = 1000 })
	immediate := with(func(p *Policy) { p.Restore = Immediate })
	ramp := with(slow(time.Hour))
	back := after(Begin(noon), gorb, "x*100 o*37") // 37 minutes up
	for _, tc := range []struct {
		name   string
		policy Policy
		next   string
		want   uint32
	}{
		{"a smaller window", short, "", 100},
		{"a larger window knows no more", long, "", 37},
		{"a larger window fills", long, "ooo", 38}, // 40 of 103
		{"at once", immediate, "", 100},
		{"linear from when it came up", ramp, "", 60},
		{"linear, the next check", ramp, "o", 61},
		{"one failure is enough while it comes back", with(thresholds(1, 3)), "x", 0},
		{"three are needed when it would be back", with(slow(time.Minute), thresholds(1, 3)), "x", 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := after(back, tc.policy, tc.next)
			if got := Weight(100, nil, s, tc.policy, s.Last().At); got != tc.want {
				t.Errorf("weight is %d, want %d", got, tc.want)
			}
		})
	}
	if s := after(after(back, immediate, "o"), gorb, "o"); Weight(100, nil, s, gorb, noon) != 100 {
		t.Error("what has had its whole weight begins to come back")
	}
}
