package reconcile

import (
	"context"
	"net"
	"net/netip"
	"runtime/debug"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// BenchmarkDirector is a director without a kernel: the loop on Fake, and an engine that checks 100,000 backends in 5,000
// services by tcp, each every 10 s. All are one port of this process, whose kernel answers and whose program is not woken.
func BenchmarkDirector(b *testing.B) {
	const interval = 10 * time.Second
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	desired := large(5000, 100)
	desired.Probe = spec.Probe{MaxChecks: 10_000, MaxExec: 64}
	desired.Gorb.Resync = time.Hour
	pulse := spec.Pulse{Type: spec.PulseTCP, Rise: 1, Fall: 1, Backoff: 1, Window: 100}
	pulse.Interval, pulse.MaxInterval, pulse.FastInterval, pulse.Timeout = interval, interval, time.Second, 5*time.Second
	for i := range desired.Services {
		desired.Services[i].Pulse = &pulse
		for j := range desired.Services[i].Backends {
			at := &desired.Services[i].Backends[j]
			ip := at.Host.As4()
			ip[0] = 127
			at.Host, at.Port = netip.AddrFrom4(ip), port
		}
	}
	for b.Loop() {
		fake := kernel.NewFake()
		keeper := NewKeeper(fake, nil, NewStore("", Place{}), Memory{})
		engine := probe.New(nil, zerolog.Nop())
		keeper.Check(engine, new(probe.Kinds).Watches, func(string, probe.Counts) {})
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 2)
		wanted := make(chan *spec.Desired, 1)
		wanted <- desired
		go func() { ended <- engine.Run(ctx) }()
		go func() { ended <- New(keeper, false, zerolog.Nop()).Run(ctx, Wakes{Desired: wanted}) }()
		begun := time.Now()
		for v := engine.Vitals(); v.Probes < 100_000 || v.Queued > 0; v = engine.Vitals() {
			time.Sleep(10 * time.Millisecond)
		}
		b.ReportMetric(time.Since(begun).Seconds(), "first-s")
		time.Sleep(interval / 2)
		spent, from := lab.ProcessorTime(b), time.Now()
		time.Sleep(interval)
		spent = lab.ProcessorTime(b) - spent
		checks := 100_000 * time.Since(from).Seconds() / interval.Seconds()
		b.ReportMetric(checks/spent.Seconds(), "checks/processor-s")
		b.ReportMetric(lab.ResidentMB(b), "resident-MB")
		for key, v := range fake.Snapshot() {
			for _, dest := range v.Dests {
				if dest.Weight != 100 {
					b.Fatalf("%s, %s: weight %d", key, dest.Addr, dest.Weight)
				}
			}
		}
		cancel()
		for range cap(ended) {
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		}
		debug.FreeOSMemory()
	}
}
