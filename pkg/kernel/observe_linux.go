package kernel

import (
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// perLink is how many services make another socket worth its while.
const perLink = 32

// reading is a service that is being read.
type reading struct {
	key   ServiceKey
	v     VirtualService
	stats ServiceStats
	there bool
}

// Observe returns the services with the given keys that exist, with their destinations; without keys, all.
//
// It is no snapshot: the kernel has none to give. While others write, a dump may lose entries or repeat them, without
// saying so (docs/kernel.md, "Errors and dumps"). What is repeated counts once, and makes it read again; what is lost,
// the next Observe or an EEXIST shows.
func (c *Client) Observe(ctx context.Context, keys ...ServiceKey) (Table, error) {
	services, err := c.observe(ctx, false, keys)
	if err != nil {
		return nil, err
	}
	return tableOf(services), nil
}

// ObserveStats is Observe with the statistics.
func (c *Client) ObserveStats(ctx context.Context, keys ...ServiceKey) (Table, Statistics, error) {
	services, err := c.observe(ctx, true, keys)
	if err != nil {
		return nil, nil, err
	}
	statistics := make(Statistics, len(services))
	for i := range services {
		if s := &services[i]; s.there {
			statistics[s.key] = s.stats
		}
	}
	return tableOf(services), statistics, nil
}

func tableOf(services []reading) Table {
	t := make(Table, len(services))
	for i := range services {
		if s := &services[i]; s.there {
			t[s.key] = s.v
		}
	}
	return t
}

func (c *Client) observe(ctx context.Context, stats bool, keys []ServiceKey) (services []reading, err error) {
	err = c.using(ctx, func(l *link, family uint16) (err error) {
		l.stats = stats
		if len(keys) > 0 {
			if services, err = toRead(keys); err != nil {
				return err
			}
			return c.readAll(ctx, l, family, services, true)
		}
		if services, err = l.readServices(ctx, family); err != nil {
			return err
		}
		if err := c.readAll(ctx, l, family, services, false); err != nil {
			return err
		}
		return l.confirm(ctx, family, services, func(s *reading) bool { return len(s.v.Dests) == 0 })
	})
	if err != nil {
		return nil, readError(keys, err)
	}
	return services, nil
}

// toRead lists the services with the given keys, each once.
func toRead(keys []ServiceKey) ([]reading, error) {
	services := make([]reading, 0, len(keys))
	seen := make(map[ServiceKey]bool, len(keys))
	for _, k := range keys {
		if err := refuseKey(k); err != nil {
			return nil, &keyError{k, err}
		}
		if !seen[k] {
			seen[k] = true
			services = append(services, reading{key: k})
		}
	}
	return services, nil
}

// readAll reads the destinations of services over as many sockets as are of use. With byKey it reads the services, too.
func (c *Client) readAll(ctx context.Context, l *link, family uint16, services []reading, byKey bool) error {
	var next atomic.Int64
	read := func(ctx context.Context, l *link) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(services) {
				return nil
			}
			if err := l.readService(ctx, family, &services[i], byKey); err != nil {
				return &keyError{services[i].key, err}
			}
		}
	}
	links := min(maxLinks, runtime.GOMAXPROCS(0), len(services)/perLink)
	if links <= 1 {
		return read(ctx, l)
	}
	g, ctx := errgroup.WithContext(ctx)
	for range links - 1 {
		other, err := c.take()
		if err != nil {
			break // it only takes longer
		}
		other.stats = l.stats
		g.Go(func() error {
			defer c.give(other)
			return read(ctx, other)
		})
	}
	g.Go(func() error { return read(ctx, l) })
	return g.Wait()
}
