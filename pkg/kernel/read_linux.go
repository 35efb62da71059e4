package kernel

import (
	"context"
	"errors"
	"slices"
	"syscall"
)

// maxConfirm is how many services one datagram asks for: an answer takes some KiB of the receive buffer.
const maxConfirm = 64

// readServices reads all services, without their destinations. If the dump was torn it is taken again; what only the
// first one had is then asked for by name.
func (l *link) readServices(ctx context.Context, family uint16) ([]reading, error) {
	services, torn, err := l.dumpServices(ctx, family)
	if err != nil || !torn {
		return services, err
	}
	before := services
	if services, _, err = l.dumpServices(ctx, family); err != nil {
		return nil, err
	}
	again := make(map[ServiceKey]bool, len(services))
	for i := range services {
		again[services[i].key] = true
	}
	only := slices.DeleteFunc(before, func(s reading) bool { return again[s.key] })
	if err := l.confirm(ctx, family, only, func(*reading) bool { return true }); err != nil {
		return nil, err
	}
	return append(services, only...), nil
}

// dumpServices reports what a dump has, and whether it was torn as far as one can tell.
func (l *link) dumpServices(ctx context.Context, family uint16) (services []reading, torn bool, err error) {
	seen := make(map[ServiceKey]bool)
	repeated := false
	torn, err = l.dump(ctx, family, cmdGetService, func(m message) error {
		k, v, stats, err := l.service(m)
		switch {
		case err != nil:
			return err
		case seen[k]:
			repeated = true
			return nil
		}
		seen[k] = true
		services = append(services, reading{key: k, v: v, stats: ServiceStats{Stats: stats}, there: true})
		return nil
	})
	return services, torn || repeated, err
}

// readService reads the destinations of a service, and with byKey the service, too. If that was torn it is done again,
// and then taken as it is.
func (l *link) readService(ctx context.Context, family uint16, s *reading, byKey bool) error {
	torn, err := l.dumpService(ctx, family, s, byKey)
	if err == nil && torn {
		_, err = l.dumpService(ctx, family, s, byKey)
	}
	if err != nil {
		return err
	}
	s.v.Dests = l.kept()
	if l.stats {
		s.stats.Dests = make(map[DestKey]Stats, len(l.servers))
		for i, r := range l.servers {
			s.stats.Dests[r.DestKey] = l.counts[i]
		}
	}
	return nil
}

// dumpService reads a service in one exchange. The kernel answers a dump of the destinations of a service that is gone
// with an empty list and no error: asked for after that, a service is there if it is there.
func (l *link) dumpService(ctx context.Context, family uint16, s *reading, byKey bool) (torn bool, err error) {
	const dests, service = 0, 1 // the requests
	l.forget()
	l.begin()
	l.askFor(family, flagDump, cmdGetDest, s.key)
	dumped, asked := false, !byKey
	if byKey {
		l.askFor(family, 0, cmdGetService, s.key)
	}
	err = l.exchange(ctx, true, func(request int, m message) (_ bool, err error) {
		if request == service {
			err, asked = l.found(m, s), true
		} else {
			torn = torn || m.flags&flagTorn != 0
			dumped, err = takeDump(m, func(m message) error {
				r, stats, err := l.dest(m, s.key.Family)
				if err == nil && l.keep(r, stats) {
					torn = true
				}
				return err
			})
		}
		return dumped && asked, err
	})
	return torn, err
}

// found takes the answer to a request for a service.
func (l *link) found(m message, s *reading) error {
	if m.kind == msgError {
		err := m.errno()
		if s.there = false; errors.Is(err, syscall.ESRCH) {
			return nil
		}
		return err
	}
	_, v, stats, err := l.service(m)
	if err != nil {
		return err
	}
	v.Dests = s.v.Dests
	s.v, s.stats.Stats, s.there = v, stats, true
	return nil
}

// askFor adds a request for what is of a service to the datagram.
func (l *link) askFor(family, flags uint16, cmd uint8, k ServiceKey) {
	start := l.request(family, flags, cmd)
	l.out = l.appendService(l.out, k, nil)
	l.end(start)
}

// confirm asks for services by their keys whether they are there. It leaves out those whose keys cannot be written: it
// would ask for another.
func (l *link) confirm(ctx context.Context, family uint16, services []reading, which func(*reading) bool) error {
	var doubtful []*reading
	for i := range services {
		if s := &services[i]; which(s) && refuseKey(s.key) == nil {
			doubtful = append(doubtful, s)
		}
	}
	for some := range slices.Chunk(doubtful, maxConfirm) {
		l.begin()
		for _, s := range some {
			l.askFor(family, 0, cmdGetService, s.key)
		}
		answers := 0
		err := l.exchange(ctx, false, func(request int, m message) (bool, error) {
			answers++
			if err := l.found(m, some[request]); err != nil {
				return false, &keyError{some[request].key, err}
			}
			return answers == len(some), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
