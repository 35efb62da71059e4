package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/internal/lab"
)

func manyWatches(n int, generation string, interval time.Duration) []Watch {
	p := Policy{
		Interval: interval, FastInterval: time.Second, Timeout: 5 * time.Second,
		Rise: 1, Fall: 1, Backoff: 1, MaxInterval: interval, Window: 100,
	}
	watches := make([]Watch, n)
	for i := range watches {
		watches[i] = Watch{
			Ref:     Ref{fmt.Sprintf("s%d", i/20), fmt.Sprintf("b%d", i%20)},
			Target:  Target{"tcp", fmt.Sprintf("%s10.%d.%d.%d:80", generation, i>>16, i>>8&255, i&255)},
			Policy:  p,
			Checker: func() Checker { return checkFunc(idle) },
		}
	}
	return watches
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkEngine is what 100,000 probes cost that are checked 10,000 times a second: by checks that do nothing, which is
// the engine's part, and by connections to 100,000 addresses of a server in this process, whose part is in it. It says the
// memory of the process too.
func BenchmarkEngine(b *testing.B) {
	b.Run("nothing", func(b *testing.B) {
		benchmarkEngine(b, func(int) Checker { return checkFunc(idle) })
	})
	b.Run("tcp", func(b *testing.B) {
		port := everywhere(b)
		benchmarkEngine(b, func(i int) Checker {
			addr := netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)})
			c, err := NewTCP(TCP{Addr: netip.AddrPortFrom(addr, port)})
			if err != nil {
				panic(err)
			}
			return c
		})
	})
}

func benchmarkEngine(b *testing.B, checker func(i int) Checker) {
	const n = 100_000
	for b.Loop() {
		before := heapBytes()
		watches := manyWatches(n, "", 10*time.Second)
		for i := range watches {
			watches[i].Checker = func() Checker { return checker(i) }
		}
		e := New(nil, zerolog.Nop())
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = e.Run(ctx) }()
		go func() {
			for {
				select {
				case <-done:
					return
				case <-e.Changes():
				}
			}
		}()
		at := time.Now()
		e.Set(Wanted{Services: byService(watches), Checks: 1000, Exec: 10})
		for e.Vitals().Probes < n || e.Vitals().Queued > 0 {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(float64(time.Since(at).Milliseconds()), "first-ms")
		time.Sleep(3 * time.Second)
		cpu, from := lab.ProcessorTime(b), time.Now()
		time.Sleep(10 * time.Second)
		cpu = lab.ProcessorTime(b) - cpu
		b.ReportMetric(float64(cpu.Microseconds())/time.Since(from).Seconds()/10_000, "cpu-us/check")
		b.ReportMetric(lab.ResidentMB(b), "resident-MB")
		b.ReportMetric(float64(heapBytes()-before)/n, "B/probe")
		at = time.Now()
		all, err := e.Snapshot(ctx)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(at).Microseconds())/1000, "snapshot-ms")
		for ref, s := range all {
			if s.State.Status() != Up {
				b.Fatal(ref, s.State.Last().Text)
			}
		}
		cancel()
		<-done
	}
}

// everywhere returns the port of a server that has all addresses of this machine.
func everywhere(b *testing.B) uint16 {
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	b.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return at(l).Port()
}
