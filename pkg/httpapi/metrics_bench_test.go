package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
)

// many is a source of 10,000 services with 20 backends each, which come as they do from the engine.
type many struct{ services, backends int }

func (m many) Health(_ context.Context, _ []string, each func(ServiceHealth) error) error {
	for i := range m.services {
		s := serviceHealth(fmt.Sprint("service-", i), m.backends)
		for j := range s.Backends {
			s.Backends[j].Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}), 8080)
		}
		if err := each(s); err != nil {
			return err
		}
	}
	return nil
}

func (many) Weights(context.Context) (WeightOf, error) {
	return func(ServiceState, netip.AddrPort) (uint32, bool) { return 100, true }, nil
}

func BenchmarkMetrics(b *testing.B) {
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			m := NewMetrics(many{10_000, 20})
			peak := uint64(0)
			for b.Loop() {
				runtime.GC()
				w := &counter{header: http.Header{}, peak: &peak}
				r := httptest.NewRequest("GET", "/metrics", nil)
				r.Header.Set("Accept-Encoding", encoding)
				m.ServeHTTP(w, r)
				b.ReportMetric(float64(w.n)/1e6, "MB-sent")
			}
			b.ReportMetric(float64(peak)/1e6, "MB-heap")
		})
	}
}

// counter is an answer that nobody keeps.
type counter struct {
	header http.Header
	n      int
	peak   *uint64
}

func (c *counter) Header() http.Header { return c.header }
func (c *counter) WriteHeader(int)     {}

func (c *counter) Write(b []byte) (int, error) {
	if c.n>>22 != (c.n+len(b))>>22 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		*c.peak = max(*c.peak, m.HeapAlloc)
	}
	c.n += len(b)
	return len(b), nil
}
