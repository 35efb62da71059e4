package sources

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// BenchmarkOverrideWrite writes one override each of 10,000, with an entry in the audit, from many callers at once.
func BenchmarkOverrideWrite(b *testing.B) {
	for _, writers := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			s, err := OpenOverrides(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close() //nolint:errcheck // what is written is gone with the directory
			var all []Write
			for i := range maxOverrides {
				all = append(all, Write{Override: weight(i, 1)})
			}
			if _, err := s.Write(b.Context(), all, nil); err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			b.SetParallelism((writers + 1) / 2)
			b.ReportAllocs()
			b.ResetTimer()
			one := func() {
				i := int(n.Add(1))
				e := &Entry{Who: "token ci", From: "10.0.0.7:5123", What: "PATCH /service/s1/a", Object: "s1/a", Status: 200, Body: []byte(`{"weight":1}`)}
				if _, err := s.Write(b.Context(), []Write{{Override: weight(i*7919%maxOverrides, i%100)}}, e); err != nil {
					b.Error(err)
				}
			}
			if writers == 1 {
				for b.Loop() {
					one()
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						one()
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

// weight patches the weight of a backend.
func weight(service, n int) spec.Override {
	return override(spec.Patch, fmt.Sprintf("s%d/b0", service), fmt.Sprintf(`{"weight":%d}`, n))
}

// wide is a document of services with so many backends each.
func wide(tb testing.TB, services, backends int) *spec.Document {
	tb.Helper()
	var text strings.Builder
	for i := range services {
		fmt.Fprintf(&text, "[services.s%d]\nhost = \"10.0.%d.%d\"\nport = 80\n", i, i/256, i%256)
		for j := range backends {
			fmt.Fprintf(&text, "[services.s%d.backends.b%d]\nhost = \"10.1.%d.%d\"\nport = 8080\n", i, j, j, i%256)
		}
	}
	d, err := spec.Decode("wide.toml", spec.TOML, []byte(text.String()))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// judging is a stack with a wide document and 5,000 overrides.
func judging(b *testing.B, backends int) (*stack, *OverrideStore) {
	b.Helper()
	s, err := OpenOverrides("")
	if err != nil {
		b.Fatal(err)
	}
	var all []Write
	for i := range 5000 {
		all = append(all, Write{Override: weight(i, 1)})
	}
	if _, err := s.Write(b.Context(), all, nil); err != nil {
		b.Fatal(err)
	}
	l := NewLayers(zerolog.Nop(), []Top{{Source: newPlayed("wide"), First: wide(b, 10_000, backends)}}, nil)
	l.Overrides = s
	k := newStack(l, time.Now())
	k.start(time.Now())
	return k, s
}

// BenchmarkOverrideJudged is what the loop of Layers does for one override that has changed.
func BenchmarkOverrideJudged(b *testing.B) {
	for _, backends := range []int{1, 20} {
		b.Run(fmt.Sprintf("%d backends", 10_000*backends), func(b *testing.B) {
			k, s := judging(b, backends)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				if _, err := s.Write(b.Context(), []Write{{Override: weight(n*7919%10_000, 200+n)}}, nil); err != nil {
					b.Fatal(err)
				}
				list, revision := s.Snapshot()
				k.override(time.Now(), list, revision)
				if k.view().laid == nil || k.next == nil {
					b.Fatal("not judged")
				}
				k.hand(time.Now())
			}
		})
	}
}

func BenchmarkOverrideTry(b *testing.B) {
	for _, backends := range []int{1, 20} {
		b.Run(fmt.Sprintf("%d backends", 10_000*backends), func(b *testing.B) {
			k, _ := judging(b, backends)
			l := NewLayers(zerolog.Nop(), nil, nil)
			l.publish(k.view())
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				if _, err := l.TryWrites(Write{Override: weight(n%10_000, n%100)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
