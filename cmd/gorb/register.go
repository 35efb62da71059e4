package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// checkConsul says what is wrong with -c.
func (d *daemon) checkConsul(given bool) error {
	if !given {
		return nil
	}
	err := spec.CheckConsul(d.consul)
	if err == nil {
		return nil
	}
	if _, e := os.Stat(d.consul); e == nil { // as -c is elsewhere
		return fmt.Errorf("-c: %s is a file; -c is the Consul to register with, and a configuration stands by itself: gorb run %[1]s", d.consul)
	}
	return fmt.Errorf("-c: %w", err)
}

// registrar makes what registers the services of layers with Consul. Until those have something to say, nothing that an
// earlier run registered is given up.
func (d *daemon) registrar(first *spec.Desired, layers *sources.Layers) *sources.Registrar {
	host, err := os.Hostname()
	if err != nil {
		d.log.Warn().Err(err).Msg("this host has no name to register services with Consul by")
	}
	r := sources.NewRegistrar(sources.Owner(host, first.Gorb.StateDir), d.log)
	early := &spec.Desired{Gorb: first.Gorb, Consul: first.Consul, Incomplete: !d.unlisted || !d.flush}
	r.Desired = func() *spec.Desired { return d.consulOver(cmp.Or(layers.Desired(), early)) }
	listen := cmp.Or(d.listen, first.Gorb.Listen) // which is that of the start
	r.Own = func(desired *spec.Desired) (string, int) { return ownAddress(listen, desired) }
	return r
}

// consulOver lets -c win over [consul].
func (d *daemon) consulOver(desired *spec.Desired) *spec.Desired {
	if d.consul == "" {
		return desired
	}
	return desired.WithConsul(d.consul)
}

// ownAddress is where the API is, over TCP: as -l or [gorb] listen have it, else on the interface's address, as GORB registered
// it. "" is the agent's own, and the port 0 that there is no API.
func ownAddress(listen string, desired *spec.Desired) (string, int) {
	host, service, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0
	}
	port, _ := strconv.ParseUint(service, 10, 16) // a name is none
	if addr, err := netip.ParseAddr(host); host != "" && (err != nil || !addr.IsUnspecified()) {
		return host, int(port)
	}
	addr, err := kernel.InterfaceAddr(desired.Gorb.Interface, virtualHosts(desired))
	if err != nil {
		return "", int(port)
	}
	return addr.String(), int(port)
}
