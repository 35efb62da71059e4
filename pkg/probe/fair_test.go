package probe

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A new service has its first answer as soon as there is a slot, however many backends of others wait for their first.
func TestFirstChecksAreFair(t *testing.T) {
	for _, urgent := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, still)
			watch := func(service, what string) Watch {
				b := w.watch("a backend of "+service, what, plain)
				b.Ref.Service, b.Urgent = service, urgent
				return b
			}
			services := make(map[string][]Watch)
			for i := range 20 {
				service := fmt.Sprintf("s%02d", i)
				w.answer[service] = hangs
				for j := range 200 {
					b := watch(service, service)
					b.Ref.Backend = fmt.Sprint(j)
					b.Target.Args = fmt.Sprintf("%s/%d", service, j)
					services[service] = append(services[service], b)
				}
			}
			w.give(20, services)
			firsts := make(map[string]int)
			for _, a := range w.asked() {
				firsts[a.What]++
			}
			equal(t, "services of which one was checked", len(firsts), 20)
			w.sleep(9500 * time.Millisecond)
			w.heard()
			// One of the new ones shares its target with one that is last, and takes it along.
			shared := watch("u", "")
			shared.Target, shared.Checker = services["s19"][199].Target, services["s19"][199].Checker
			w.give(20, map[string][]Watch{"t": {watch("t", "t")}, "u": {shared}})
			w.sleep(second)
			equal(t, "one slot's time", w.heard()["a backend of t"], "up")
			w.sleep(second)
			equal(t, "and another", w.heard()["a backend of u"], "down")
		})
	}
}

// The queue gives its tickets out by turn and then in order, and knows who has waited longest, whoever leaves meanwhile.
func TestQueue(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	var l pool
	var waiting []*probe
	for i := range 20_000 {
		switch p := (&probe{members: []*member{{due: instant(i)}}}); {
		case dice.IntN(2) == 0 || len(waiting) == 0:
			l.push(p, first, dice.IntN(5))
			waiting = append(waiting, p)
		case dice.IntN(3) == 0:
			at := dice.IntN(len(waiting))
			l.leave(waiting[at])
			waiting = slices.Delete(waiting, at, at+1)
		case dice.IntN(3) == 0:
			p = waiting[dice.IntN(len(waiting))]
			l.push(p, first, min(p.turn, dice.IntN(5)))
		default:
			want := slices.MinFunc(waiting, func(a, b *probe) int { return (a.turn-b.turn)*1_000_000 + int(a.number) - int(b.number) })
			if l.first() != want {
				t.Fatal("another is next")
			}
			l.leave(want)
			waiting = slices.Delete(waiting, slices.Index(waiting, want), slices.Index(waiting, want)+1)
		}
		longest := never
		if len(waiting) > 0 {
			longest = waiting[0].due()
		}
		if l.longest() != longest || l.waiting != len(waiting) {
			t.Fatalf("%d wait since %d, wanted %d since %d", l.waiting, l.longest(), len(waiting), longest)
		}
		if n := len(l.queues[first].since); n > 65+2*len(waiting) {
			t.Fatalf("%d tickets are kept for %d", n, len(waiting))
		}
	}
}
