package probe

import (
	"testing"
	"time"
	"unsafe"
)

func BenchmarkNext(b *testing.B) {
	for _, bb := range []struct {
		name   string
		window int
		fail   int // every so many checks
	}{
		{"well", 100, 0},
		{"coming-back", 100, 150},
		{"well/window=10000", maxWindow, 0},
		{"coming-back/window=10000", maxWindow, 5000},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := with(func(p *Policy) { p.Window = bb.window })
			s, r := Begin(noon), Result{Outcome: OK, At: noon}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Outcome = OK
				if bb.fail > 0 && i%bb.fail == 0 {
					r.Outcome = Failed
				}
				r.At = r.At.Add(time.Second)
				s = s.Next(p, r)
			}
			b.ReportMetric(float64(unsafe.Sizeof(s)), "B/State")
		})
	}
}

func BenchmarkWeight(b *testing.B) {
	back := after(Begin(noon), gorb, "x*100 o*37")
	for name, p := range map[string]Policy{"gradual": gorb, "slow-start": with(slow(time.Hour))} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Weight(100, nil, back, p, noon)
			}
		})
	}
	v := back.Verdict(gorb)
	b.Run("effective", func(b *testing.B) {
		for b.Loop() {
			Effective(100, nil, v, noon)
		}
		b.ReportMetric(float64(unsafe.Sizeof(v)), "B/Verdict")
	})
}
