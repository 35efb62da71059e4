package probe

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// play checks a backend, new in the kernel, when it is due, until the results are used up and nothing is to
// come, and writes down when its status or its weight changes, and when it is checked if that is asked for. A check takes a
// second. It looks at the weight when it says that it changes, and at no other time.
func play(declared uint32, p Policy, results string, checks bool) string {
	s := Begin(time.Now())
	start, due, said := time.Now(), time.Now(), ""
	var lines strings.Builder
	note := func(what string) {
		fmt.Fprintf(&lines, "%s %s\n", time.Since(start), what)
	}
	look := func() {
		text := fmt.Sprintf("%s %d", [...]string{"unanswered", "up", "down"}[s.Status()], Weight(declared, nil, s, p, time.Now()))
		if text != said {
			note(text)
		}
		said = text
	}
	look()
	for _, r := range resultsOf(s, results) {
		for {
			at, ok := s.Verdict(p).ChangesAt(declared, nil, time.Now())
			if !ok || at.After(due) {
				break
			}
			time.Sleep(time.Until(at))
			look()
		}
		time.Sleep(time.Until(due))
		if checks {
			note("check")
		}
		time.Sleep(time.Second)
		r.At, r.Took = time.Now(), time.Second
		s = s.Next(p, r)
		due = due.Add(s.Wait(p))
		look()
	}
	for {
		at, ok := s.Verdict(p).ChangesAt(declared, nil, time.Now())
		if !ok {
			return lines.String()
		}
		time.Sleep(time.Until(at))
		look()
	}
}

func TestTimelines(t *testing.T) {
	hourly := func(p *Policy) { p.Interval, p.FastInterval = time.Hour, 10*time.Second }
	for _, tc := range []struct {
		name     string
		declared uint32
		policy   Policy
		results  string
		checks   bool
		want     string
	}{
		{"a change is confirmed fast", 100, with(thresholds(2, 3)), "oo oxxo xxx oo", true, `
			0s unanswered 0
			0s check
			1s check
			2s up 100
			1m1s check
			2m1s check
			2m2s check
			2m3s check
			3m3s check
			3m4s check
			3m5s check
			3m6s down 0
			4m5s check
			4m6s check
			4m7s up 54`}, // 6 of 11
		{"backoff while down", 100, with(func(p *Policy) {
			p.Interval, p.Backoff, p.MaxInterval = 10*time.Second, 2, time.Minute
		}), "o x*6 -x o o", true, `
			0s unanswered 0
			0s check
			1s up 100
			10s check
			11s down 0
			20s check
			40s check
			1m20s check
			2m20s check
			3m20s check
			4m20s check
			5m20s check
			6m20s check
			6m21s up 22
			6m30s check
			6m31s up 30`},
		{"slow start", 4, with(slow(10*time.Second), hourly), "o x o", false, `
			0s unanswered 0
			1s up 4
			1h0m1s down 0
			2h0m1s up 1
			2h0m6s up 2
			2h0m8.5s up 3
			2h0m11s up 4`},
		{"the wait for an answer", 100, with(func(p *Policy) { p.InitialWait = 30 * time.Second }, hourly), "- -", false, `
			0s unanswered 0
			30s unanswered 100`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := strings.Split(strings.TrimSpace(play(tc.declared, tc.policy, tc.results, tc.checks)), "\n")
				var want []string
				for line := range strings.Lines(strings.TrimSpace(tc.want)) {
					want = append(want, strings.TrimSpace(line))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("timeline (-want +got):\n%s", diff)
				}
			})
		})
	}
}
