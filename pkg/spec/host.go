package spec

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// WithInterface returns a copy that names another interface; a flag wins over [gorb].
func (d *Desired) WithInterface(name string) *Desired {
	c := *d
	c.Gorb.Interface = name
	return &c
}

// WithVIP returns a copy that has the hosts of services put on another interface; a flag wins over [gorb].
func (d *Desired) WithVIP(name string) *Desired {
	c := *d
	c.Gorb.VIP = VIPInterface{Name: name}
	return &c
}

// CheckInterface says why a name is not that of an interface.
func CheckInterface(name string) error {
	return checkAlone(func(c *checker) { c.iface(name) })
}

// CheckListen says why an address is not one to listen at.
func CheckListen(address string) error {
	return checkAlone(func(c *checker) { c.listen(address) })
}

// checkAlone is what a reader finds wrong with a value that is in no document.
func checkAlone(read func(*checker)) error {
	var r report
	read(&checker{report: &r})
	for _, p := range r.problems(nil) {
		return errors.New(p.Message)
	}
	return nil
}

// NeedHost returns the names of the services that left their host out, in order.
func (d *Desired) NeedHost() []string {
	var names []string
	for i := range d.Services {
		if d.Services[i].needsHost() {
			names = append(names, d.Services[i].Name)
		}
	}
	return names
}

func (s *Service) needsHost() bool { return s.Fwmark == 0 && !s.Host.IsValid() }

// WithHost returns a copy in which the services that left their host out have this one. What depends on it, identity
// and families, is checked again; the error is Problems. An invalid address says that the interface has none: it is
// an error for each service that needs one, and none where no service does.
func (d *Desired) WithHost(a netip.Addr) (*Desired, error) {
	var faults report
	c := *d
	c.Services = slices.Clone(d.Services)
	for i := range c.Services {
		s := &c.Services[i]
		if !s.needsHost() {
			continue
		}
		if why := d.unfit(a); why != "" {
			faults.kindf(KindMissing, path{"services", s.Name, "host"}, "%s", why)
			continue
		}
		s.Host, s.OwnHost, s.Family = a, true, familyOf(a)
		if mask, ok := d.masks[s.Name]; ok {
			if why := mask.apply(s, s.Family); why != "" {
				faults.addf(path{"services", s.Name, "persistence_netmask"}, "%s", why)
			}
		}
	}
	if faults.empty() {
		c.checkHosts(&faults, nil)
	}
	if !faults.empty() {
		return nil, faults.problems(d.layers)
	}
	c.Warnings = c.WarningsOn("")
	return &c, nil
}

// unfit says why an address cannot stand for the hosts that were left out; "" where it can.
func (d *Desired) unfit(a netip.Addr) string {
	if !a.IsValid() {
		return fmt.Sprintf("it is left out, and interface %s has no global address", d.Gorb.Interface)
	}
	if why := notUnicast(a); why != "" {
		return fmt.Sprintf("it is left out, and %s of interface %s %s", a, d.Gorb.Interface, why)
	}
	return ""
}

// identity is what the kernel knows a service by. The services that left their host out will all have one host, so
// an invalid address is as good as any other here.
type identity struct {
	protocol Protocol
	host     netip.Addr
	port     uint16
	fwmark   uint32
	family   Family
}

func (s *Service) identity() identity {
	return identity{s.Protocol, s.Host, s.Port, s.Fwmark, s.Family}
}

func (id identity) String() string {
	switch {
	case id.fwmark != 0:
		return fmt.Sprintf("fwmark %d %s", id.fwmark, id.family)
	case !id.host.IsValid():
		return fmt.Sprintf("%s port %d on the interface's address", id.protocol, id.port)
	}
	return fmt.Sprintf("%s %s", id.protocol, netip.AddrPortFrom(id.host, id.port))
}

// checkHosts reports services that the kernel could not tell apart, hosts that no interface can have, and backends of a
// family that the service cannot reach. All depend on hosts, which may come late. What is faulty has been reported.
func (d *Desired) checkHosts(r *report, f faulty) {
	seen := make(map[identity]string, len(d.Services))
	for i := range d.Services {
		s := &d.Services[i]
		s.checkFamilies(r, f)
		if s.Fwmark == 0 && s.Port == 0 && s.Persistent == 0 {
			continue // without a port, which has been reported
		}
		if !f.sound(s.Name, "host", "port", "protocol", "fwmark", "family", "") {
			continue
		}
		if why := notOneHost(s.Host); why != "" && d.Gorb.VIP.Name != "" {
			r.addf(path{"services", s.Name, "host"}, "%s %s, which cannot be put on the vip_interface", s.Host, why)
		}
		id := s.identity()
		if first, twice := seen[id]; twice {
			r.kindf(KindTaken, path{"services", s.Name}, "%s is service %s already", id, keyString(first))
			continue
		}
		seen[id] = s.Name
	}
}

// checkFamilies reports backends whose family is not the service's and whose method cannot cross over.
func (s *Service) checkFamilies(r *report, f faulty) {
	if s.Family == "" || !f.sound(s.Name, "fwmark", "family", "") {
		return
	}
	for _, b := range s.Backends {
		if !b.Host.IsValid() || b.Method.crossesFamilies() || familyOf(b.Host) == s.Family ||
			!f.soundBackend(s.Name, b.Name, "method", "") {
			continue
		}
		r.kindf(KindFamilies, path{"services", s.Name, "backends", b.Name, "host"},
			"%s is %s and the service %s; only tunnels (tunnel, gue, gre) cross families, and this is %s",
			b.Host, familyOf(b.Host), s.Family, b.Method)
	}
}
