package kernel

import (
	"context"
	"errors"
	"syscall"

	"github.com/moby/ipvs"
)

// Observe returns the services with the given keys that exist, with their destinations; without keys, all.
//
// It is no snapshot: the kernel has none to give. While others write, a dump may lose entries or repeat them, without
// saying so (docs/kernel.md, "Errors and dumps"). What is repeated counts once; what is lost, the next Observe or an EEXIST shows.
func (c *Client) Observe(ctx context.Context, keys ...ServiceKey) (Table, error) {
	if err := c.familyInUse(); err != nil {
		return nil, readError(keys, err)
	}
	services, err := c.services(ctx, keys)
	if err != nil {
		return nil, readError(keys, err)
	}
	t := make(Table, len(services))
	for _, s := range services {
		k, v := fromService(s)
		if _, ok := t[k]; ok {
			continue
		}
		there, err := c.readDests(ctx, k, &v)
		if err != nil {
			return nil, readError([]ServiceKey{k}, err)
		}
		if there {
			t[k] = v
		}
	}
	return t, nil
}

// services reads services without their destinations.
func (c *Client) services(ctx context.Context, keys []ServiceKey) (services []*ipvs.Service, err error) {
	if len(keys) == 0 {
		err = c.request(ctx, func(h *ipvs.Handle) error {
			services, err = h.GetServices()
			return err
		})
		return services, err
	}
	for _, k := range keys {
		s, err := c.service(ctx, k)
		if err != nil {
			return nil, err
		}
		if s != nil {
			services = append(services, s)
		}
	}
	return services, nil
}

// service reads one service without its destinations; nil if it is not there.
func (c *Client) service(ctx context.Context, k ServiceKey) (s *ipvs.Service, err error) {
	if err := refuseKey(k); err != nil {
		return nil, err
	}
	err = c.request(ctx, func(h *ipvs.Handle) error {
		s, err = h.GetService(toService(k, Service{}))
		return err
	})
	if errors.Is(err, syscall.ESRCH) {
		return nil, nil
	}
	return s, err
}

// readDests reads the destinations of a service into v, and reports whether the service is still there.
func (c *Client) readDests(ctx context.Context, k ServiceKey, v *VirtualService) (there bool, err error) {
	if refuseKey(k) != nil {
		return true, nil // fromService said why; asking moby/ipvs would ask for another service
	}
	var dests []*ipvs.Destination
	err = c.request(ctx, func(h *ipvs.Handle) error {
		dests, err = h.GetDestinations(toService(k, Service{}))
		return err
	})
	if err != nil {
		return false, err
	}
	if len(dests) == 0 {
		// The kernel answers with an empty list and no error when the service is gone.
		s, err := c.service(ctx, k)
		return s != nil, err
	}
	addDests(k, v, dests)
	return true, nil
}
