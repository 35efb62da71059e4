package httpapi

import (
	"context"
	"net/netip"
	"strconv"
	"time"
)

// MetricsSource is what metrics are made of. Its methods may be called at any time, from anywhere.
type MetricsSource interface {
	// Health is that of Prober.
	Health(ctx context.Context, names []string, each func(ServiceHealth) error) error
	// Weights returns how to look up the weight that the kernel has, in one reading of its table; false: it has no such
	// backend. An error is that the table cannot be read now.
	Weights(ctx context.Context) (WeightOf, error)
}

// WeightOf returns the weight that a backend of a service has.
type WeightOf func(of ServiceState, backend netip.AddrPort) (weight uint32, ok bool)

// share is how much of the last checks of a backend was good. Of one that is not checked, or has not answered yet, nothing
// bad is known: that is 1, so that a backend that comes does not look like one that fails.
func (b *BackendHealth) share() float64 {
	if b.Of == 0 {
		return 1
	}
	return float64(b.Good) / float64(b.Of)
}

// share is the mean of those of the backends, the drained ones too; 1 where there are none. Both are GORB's.
func (s *ServiceHealth) share() float64 {
	if len(s.Backends) == 0 {
		return 1
	}
	sum := 0.0
	for i := range s.Backends {
		sum += s.Backends[i].share()
	}
	return sum / float64(len(s.Backends))
}

// uptime is for how long a backend has been up; 0 while it is not, or is not checked.
func (b *BackendHealth) uptime(now time.Time) time.Duration {
	if b.State != Up || b.Since.IsZero() {
		return 0
	}
	return max(now.Sub(b.Since), 0)
}

// gorbStatus is 1 for a backend that is down, and 0 for any other.
func (b *BackendHealth) gorbStatus() int {
	if b.State == Down {
		return 1
	}
	return 0
}

// endpoint is the service's address for labels. A service by mark has none: it is told by the mark, and its protocol is
// "fwmark".
func (s *ServiceState) endpoint() (host, port, protocol string) {
	if s.Fwmark != 0 {
		return "fwmark " + strconv.FormatUint(uint64(s.Fwmark), 10), "0", "fwmark"
	}
	return s.Host.String(), strconv.Itoa(int(s.Port)), string(s.Protocol)
}
