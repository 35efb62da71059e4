package probe

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// story is an engine that checks one backend, whose checks come out as letters say, and what is seen of it.
type story struct {
	*world
	lines []string
	said  string
}

// spelt answers the checks of a backend one after the other, the last for ever: "o" is well, "x" fails, "-" is not made,
// and "h" hangs until its time is over.
func spelt(letters string) func(context.Context) Outcome {
	at := 0
	return func(ctx context.Context) Outcome {
		c := letters[min(at, len(letters)-1)]
		at++
		switch c {
		case 'x':
			return Failed
		case '-':
			return Unmade
		case 'h':
			return hangs(ctx)
		}
		return OK
	}
}

// tell has the backend checked for a while and writes down each check, and each status and weight, with their times. It
// looks at the weight when the engine says that the verdict is another, when that says that the weight changes, and at no
// other time. Before the engine says anything a backend is unanswered.
func tell(t *testing.T, p Policy, dice func(time.Duration) time.Duration, declared uint32, letters string, until time.Duration) []string {
	s := &story{world: start(t, dice), said: "unanswered 0"}
	s.answer["a"] = spelt(letters)
	s.engine.Set(Wanted{Services: map[string][]Watch{"web": {s.watch("a", "a", p)}}, Checks: 9, Exec: 9})
	var v Verdict
	wake, over := time.NewTimer(until), time.After(until)
	defer wake.Stop()
	for {
		select {
		case news := <-s.engine.Changes():
			v = news[len(news)-1].Verdict
		case <-wake.C:
		case a := <-s.log:
			s.note(a.At, "check")
		case <-over:
			return s.lines
		}
		s.settle(&v)
		s.look(v, declared)
		if at, ok := v.ChangesAt(declared, nil, time.Now()); ok {
			wake.Reset(time.Until(at))
		}
	}
}

// settle takes in all that happens in this instant, checks first.
func (s *story) settle(v *Verdict) {
	synctest.Wait()
	for _, a := range s.asked() {
		s.note(a.At, "check")
	}
	for {
		select {
		case news := <-s.engine.Changes():
			*v = news[len(news)-1].Verdict
			synctest.Wait()
		default:
			return
		}
	}
}

func (s *story) note(at time.Duration, what string) {
	s.lines = append(s.lines, fmt.Sprintf("%s %s", at, what))
}

func (s *story) look(v Verdict, declared uint32) {
	text := fmt.Sprintf("%s %d", [...]string{"unanswered", "up", "down"}[v.Status], Effective(declared, nil, v, time.Now()))
	if text != s.said {
		s.note(time.Since(s.begun), text)
	}
	s.said = text
}

// TestStories has the engine check one backend under each of the policies, and tells what happens when.
func TestStories(t *testing.T) {
	quick := Policy{
		Interval: 2 * second, FastInterval: 500 * time.Millisecond, Timeout: second,
		Rise: 1, Fall: 2, Backoff: 1, MaxInterval: 20 * second, Window: 100,
	}
	of := func(change func(*Policy)) Policy {
		p := quick
		change(&p)
		return p
	}
	for _, tc := range []struct {
		name    string
		policy  Policy
		weight  uint32
		letters string
		until   time.Duration
		want    string
	}{
		{"rise, fall and fast_interval", of(func(p *Policy) { p.Rise = 2 }), 100, "oooxoxxoo", 11 * second, `
			0s check
			500ms check
			500ms up 100
			2.5s check
			4.5s check
			5s check
			7s check
			7.5s check
			7.5s down 0
			9.5s check
			10s check
			10s up 66`}, // the failure that was not enough counts in the share: 6 of 9
		{"timeout", quick, 100, "ohho", 6 * second, `
			0s check
			0s up 100
			2s check
			3s check
			4s down 0
			5s check
			5s up 50`},
		{"backoff and max_interval", of(func(p *Policy) { p.Fall, p.Backoff, p.MaxInterval = 1, 2, 7*second }), 100, "oxxxxxo", 34 * second, `
			0s check
			0s up 100
			2s check
			2s down 0
			4s check
			8s check
			15s check
			22s check
			29s check
			29s up 28
			31s check
			31s up 37
			33s check
			33s up 44`},
		{"gradual: a failure on the way back", quick, 100, "xxoox-oo", 13 * second, `
			0s check
			500ms check
			500ms down 0
			2.5s check
			2.5s up 33
			4.5s check
			4.5s up 50
			6.5s check
			6.5s down 0
			8.5s check
			10.5s check
			10.5s up 50
			12.5s check
			12.5s up 57`},
		{"slow start", of(func(p *Policy) { p.Restore, p.SlowStart = SlowStart, 8*second }), 4, "oxxo", 15 * second, `
			0s check
			0s up 4
			2s check
			2.5s check
			2.5s down 0
			4.5s check
			4.5s up 1
			6.5s check
			8.5s check
			8.5s up 2
			10.5s check
			10.5s up 3
			12.5s check
			12.5s up 4
			14.5s check`},
		{"slow start: a failure on the way back", of(func(p *Policy) { p.Restore, p.SlowStart = SlowStart, 8*second }), 4, "oxxoxo", 9 * second, `
			0s check
			0s up 4
			2s check
			2.5s check
			2.5s down 0
			4.5s check
			4.5s up 1
			6.5s check
			6.5s down 0
			8.5s check
			8.5s up 1`},
		{"immediate", of(func(p *Policy) { p.Restore = Immediate }), 100, "oxxo", 6 * second, `
			0s check
			0s up 100
			2s check
			2.5s check
			2.5s down 0
			4.5s check
			4.5s up 100`},
		{"initial_wait", of(func(p *Policy) { p.InitialWait = 1200 * time.Millisecond }), 100, "---xxo", 5 * second, `
			0s check
			500ms check
			1s check
			1.2s unanswered 100
			1.5s check
			2s check
			2s down 0
			4s check
			4s up 33`},
		{"an answer comes before initial_wait", of(func(p *Policy) { p.InitialWait, p.Fall = 1200*time.Millisecond, 1 }), 100, "ho", 3 * second, `
			0s check
			1s down 0
			2s check
			2s up 50`},
		{"a check that is not made", quick, 100, "ox-x-o", 8 * second, `
			0s check
			0s up 100
			2s check
			2.5s check
			3s check
			3s down 0
			5s check
			7s check
			7s up 50`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				equal(t, "story", tell(t, tc.policy, still, tc.weight, tc.letters, tc.until), linesOf(tc.want))
			})
		})
	}
}

// TestQuickFailover has a backend die right after a good check, with the settings and the times of docs/health.md, and
// every check as late as it may be.
func TestQuickFailover(t *testing.T) {
	p := Policy{
		Interval: 2 * second, FastInterval: 500 * time.Millisecond, Timeout: second,
		Rise: 1, Fall: 2, Backoff: 1, MaxInterval: 20 * second, Window: 100,
	}
	for letters, want := range map[string]string{"oxx": "2.65625s down 0", "ohh": "4.15625s down 0"} {
		synctest.Test(t, func(t *testing.T) {
			dice := 0
			got := tell(t, p, func(d time.Duration) time.Duration {
				if dice++; dice == 1 { // where in the interval its checks are to be: at the end
					return 0
				}
				return d // which no dice do
			}, 100, letters, 4500*time.Millisecond)
			equal(t, letters, got[len(got)-1], want)
		})
	}
}

// TestShares has the table of docs/health.md: the weight after so many good checks, of 100.
func TestShares(t *testing.T) {
	for results, want := range map[string][]uint32{
		"o*100 x":    {99, 99, 99, 99, 99, 100},
		"o*100 x*10": {90, 90, 90, 90, 99, 100},
		"x*100":      {1, 2, 10, 50, 99, 100},
		"x":          {50, 66, 90, 98, 99, 100},
	} {
		all := weights(100, nil, gorb, results+" o*100")
		all = all[len(all)-101:]
		equal(t, results, []uint32{all[1], all[2], all[10], all[50], all[99], all[100]}, want)
	}
}

func linesOf(text string) []string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}
