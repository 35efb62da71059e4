package probe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// gorb is GORB's policy: every answer is a change, and weights come back by the share of the last 100.
var gorb = Policy{
	Interval: time.Minute, FastInterval: time.Second, Timeout: 5 * time.Second,
	Rise: 1, Fall: 1, Backoff: 1, MaxInterval: time.Hour, Window: 100,
}

// with returns GORB's policy with changes.
func with(changes ...func(*Policy)) Policy {
	p := gorb
	for _, change := range changes {
		change(&p)
	}
	return p
}

func thresholds(rise, fall int) func(*Policy) {
	return func(p *Policy) { p.Rise, p.Fall = rise, fall }
}

func slow(d time.Duration) func(*Policy) {
	return func(p *Policy) { p.Restore, p.SlowStart = SlowStart, d }
}

// noon is when the checks of the tests begin. It is local because words are.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

// after returns a State after results, a minute apart: "o" is a success, "x" a failure, "-" a check that was not made.
// "o*3" stands for "ooo".
func after(s State, p Policy, results string) State {
	for _, r := range resultsOf(s, results) {
		s = s.Next(p, r)
	}
	return s
}

func resultsOf(s State, text string) []Result {
	at := s.last.At
	if at.IsZero() {
		at = s.since
	}
	var list []Result
	for word := range strings.FieldsSeq(text) {
		var times int
		if kind, n, ok := strings.Cut(word, "*"); ok {
			fmt.Sscan(n, &times)
			word = strings.Repeat(kind, times)
		}
		for _, c := range word {
			at = at.Add(time.Minute)
			switch c {
			case 'o':
				list = append(list, Result{Outcome: OK, At: at})
			case 'x':
				list = append(list, Result{Outcome: Failed, Text: "HTTP 503, wanted 200", At: at})
			case '-':
				list = append(list, Result{Outcome: Unmade, Text: "too many open files", At: at})
			}
		}
	}
	return list
}

// weights returns the weights after each of the results.
func weights(declared uint32, kernel *uint32, p Policy, results string) []uint32 {
	s := Begin(noon)
	var list []uint32
	for _, r := range resultsOf(s, results) {
		s = s.Next(p, r)
		list = append(list, Weight(declared, kernel, s, p, r.At))
	}
	return list
}

func has(w uint32) *uint32 { return &w }

// The timelines of GORB's restoration (COMPAT-GORB.md, 3.4), without the errors of its floats.
func TestGradual(t *testing.T) {
	ramp := func(n int) (list []uint32) {
		for i := range n {
			list = append(list, uint32(i+1))
		}
		return list
	}
	firstFails := []uint32{0}
	for k := range 99 {
		firstFails = append(firstFails, uint32(100*(k+1)/(k+2)))
	}
	if diff := cmp.Diff([]uint32{0, 50, 66, 75, 80, 83, 85}, firstFails[:7]); diff != "" {
		t.Fatalf("GORB's numbers (-want +got):\n%s", diff)
	}
	for _, tc := range []struct {
		name     string
		declared uint32
		results  string
		skip     int // of the weights
		want     []uint32
	}{
		{"the first check of a new backend succeeds", 100, "o", 0, []uint32{100}},
		{"the first check of a new backend fails", 100, "x o*100", 0, append(firstFails, 100)},
		{"a blip after 50 checks", 100, "o*50 xoo", 49, []uint32{100, 0, 98, 98}},
		{"a blip after 100 checks", 100, "o*100 x o*100", 200, []uint32{100}},
		{"99 checks after a blip", 100, "o*100 x o*99", 199, []uint32{99}},
		{"a long outage", 100, "x*100 o*100", 100, ramp(100)},
		{"a long outage of a large weight", 1<<31 - 1, "x*100 oo", 100, []uint32{21474836, 42949672}},
		{"a long outage of a small weight", 3, "x*100 o*34", 131, []uint32{1, 1, 1}},
		{"two thirds of a small weight", 3, "x*100 o*67", 165, []uint32{1, 2}},
		{"B1: a failure during restoration", 100, "x*100 o*50 xo", 149, []uint32{50, 0, 51}},
		{"B2: a weight of 0 stays 0 in every state", 0, "ox o*3", 0, []uint32{0, 0, 0, 0, 0}},
		{"#47: a weight of 1 is back at once", 1, "x*100 o*3", 99, []uint32{0, 1, 1, 1}},
		{"a check that is not made changes nothing", 100, "-x-oo-", 0, []uint32{0, 0, 0, 50, 66, 66}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := weights(tc.declared, nil, gorb, tc.results)[tc.skip:]
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("weights (-want +got):\n%s", diff)
			}
		})
	}
}

// B2: a changed weight is the declared one at once, scaled by health like any other.
func TestB2ChangedWeightCountsInEveryState(t *testing.T) {
	for _, tc := range []struct {
		results  string
		from, to uint32
	}{
		{"x", 0, 0},
		{"x*100 o*37", 37, 74},
		{"o", 100, 200},
	} {
		s := after(Begin(noon), gorb, tc.results)
		if got := Weight(100, has(100), s, gorb, noon); got != tc.from {
			t.Errorf("after %s: 100 is %d, want %d", tc.results, got, tc.from)
		}
		if got := Weight(200, has(100), s, gorb, noon); got != tc.to {
			t.Errorf("after %s: 200 is %d, want %d", tc.results, got, tc.to)
		}
		if got := Weight(0, has(100), s, gorb, noon); got != 0 {
			t.Errorf("after %s: 0 is %d", tc.results, got)
		}
	}
}

// B17: what the backend before it was told is nothing to one that is new, nor is what comes for that one late.
func TestB17LateResultIsOfTheOldState(t *testing.T) {
	old := after(Begin(noon), gorb, "x*5")
	fresh := Begin(noon.Add(time.Hour))
	after(old, gorb, "xx")
	fresh = after(fresh, gorb, "o")
	if got := Weight(100, nil, fresh, gorb, noon); got != 100 {
		t.Errorf("the new backend has %d, want 100", got)
	}
	h := Health{}
	ref := Ref{"web", "a"}
	for _, c := range []Change{
		{Ref: ref, Verdict: old.Verdict(gorb)},
		{Ref: ref, Gone: true},
		{Ref: ref, Verdict: fresh.Verdict(gorb)},
	} {
		if !h.Apply(c) || h.Apply(c) {
			t.Errorf("%+v is not a change the first time only", c)
		}
	}
	if diff := cmp.Diff(Health{ref: {Status: Up}}, h); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
}

// B34: a new backend has no weight before it is checked, and is not said to be up. One that was there keeps what it had.
func TestB34NothingBeforeTheFirstAnswer(t *testing.T) {
	p := with(func(p *Policy) { p.InitialWait = 10 * time.Minute })
	up, down := with(func(p *Policy) { p.Initial = InitialUp }), with(func(p *Policy) { p.Initial = InitialDown })
	downSlow := with(slow(time.Hour), func(p *Policy) { p.Initial = InitialDown })
	for _, tc := range []struct {
		name    string
		policy  Policy
		kernel  *uint32
		after   time.Duration
		results string
		want    uint32
	}{
		{"new", gorb, nil, 0, "", 0},
		{"new, and a check cannot be made", gorb, nil, time.Hour, "-", 0},
		{"at 0 in the kernel", gorb, has(0), 0, "", 0},
		{"with less in the kernel", gorb, has(37), 0, "", 37},
		{"with more in the kernel", gorb, has(500), 0, "", 100},
		{"new, wait", p, nil, 10*time.Minute - 1, "", 0},
		{"new, wait over", p, nil, 10 * time.Minute, "-", 100},
		{"new, wait over, has failed", p, nil, 10 * time.Minute, "x", 0},
		{"at 0 in the kernel, wait over", p, has(0), 10 * time.Minute, "", 0},
		{"initial up", up, has(0), 0, "", 100},
		{"initial up, has failed", up, nil, 0, "x", 0},
		{"initial down", down, has(100), 0, "", 0},
		{"initial down, has succeeded", down, has(0), 0, "o", 100},
		{"initial down, comes up slowly", downSlow, has(0), 31 * time.Minute, "o", 50},
		{"new, comes up as one that was not down", with(slow(time.Hour)), has(0), 31 * time.Minute, "o", 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := after(Begin(noon), tc.policy, tc.results)
			if got := Weight(100, tc.kernel, s, tc.policy, noon.Add(tc.after)); got != tc.want {
				t.Errorf("weight is %d, want %d", got, tc.want)
			}
			if got := Effective(100, tc.kernel, Verdict{}, noon); tc.policy == gorb && got != tc.want {
				t.Errorf("weight of what health does not know is %d, want %d", got, tc.want)
			}
		})
	}
	if s := Begin(noon).Status(); s != Unanswered {
		t.Errorf("status is %d", s)
	}
}

// A restart of gorb forgets the window. What the kernel holds counts until an answer, and no weight is lost then.
func TestRestartLosesNoWeight(t *testing.T) {
	if diff := cmp.Diff([]uint32{100, 100, 100}, weights(100, has(100), gorb, "ooo")); diff != "" {
		t.Errorf("a backend that is well (-want +got):\n%s", diff)
	}
	patient := with(thresholds(2, 3))
	if diff := cmp.Diff([]uint32{100, 100, 100, 100}, weights(100, has(100), patient, "xxoo")); diff != "" {
		t.Errorf("failures that are not enough (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint32{100, 100, 0}, weights(100, has(100), patient, "xxx")); diff != "" {
		t.Errorf("failures that are enough (-want +got):\n%s", diff)
	}
}
