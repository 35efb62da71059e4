package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Export returns a table as a configuration would declare it, and the services that a configuration cannot say, with
// the reason. Every service has a pulse of type none, because the kernel knows of no checks. Services that are gorb's
// have the names that they were declared with, others are named for what they are, such as "tcp-10.0.0.1-80".
func Export(t kernel.Table, m Memory) ([]spec.Service, []LeftAlone) {
	var services []spec.Service
	var left []LeftAlone
	used := map[string]bool{}
	for _, key := range t.Keys() {
		s := spec.Service{Name: m.Services[key].Name}
		if s.Name == "" || used[s.Name] {
			s.Name = nameOf(key)
		}
		for made, i := s.Name, 2; used[s.Name]; i++ {
			s.Name = fmt.Sprintf("%s-%d", made, i)
		}
		if err := exportService(&s, key, t[key]); err != nil {
			left = append(left, LeftAlone{Key: key, Reason: err.Error()})
			continue
		}
		used[s.Name] = true
		services = append(services, s)
	}
	slices.SortFunc(services, func(a, b spec.Service) int { return strings.Compare(a.Name, b.Name) })
	return services, left
}

// Owned returns the services that are gorb's, as far as their names and identities are remembered.
func (k *Keeper) Owned() *spec.Desired {
	d := &spec.Desired{Services: make([]spec.Service, 0, len(k.memory.Services))}
	for key, o := range k.memory.Services {
		s := spec.Service{Name: o.Name}
		identify(&s, key)
		d.Services = append(d.Services, s)
	}
	return d
}

// identify fills in what the kernel knows a service by.
func identify(s *spec.Service, key kernel.ServiceKey) {
	s.Host, s.Port, s.Fwmark = key.Addr.Addr(), key.Addr.Port(), key.Mark
	for p, k := range protocols {
		if k == key.Protocol {
			s.Protocol = p
		}
	}
	for f, k := range families {
		if k == key.Family {
			s.Family = f
		}
	}
}

// nameOf returns a name for a service that has none.
func nameOf(key kernel.ServiceKey) string {
	if key.Mark != 0 {
		return fmt.Sprintf("fwmark-%d-%s", key.Mark, key.Family)
	}
	return fmt.Sprintf("%s-%s-%d", key.Protocol, key.Addr.Addr(), key.Addr.Port())
}

// exportService fills in a service as it would be declared; the error says what cannot be declared.
func exportService(s *spec.Service, key kernel.ServiceKey, v kernel.VirtualService) error {
	if v.Unknown != "" {
		return errors.New(v.Unknown)
	}
	identify(s, key)
	s.Method, s.Engine = v.Scheduler, v.Engine
	s.Persistent = time.Duration(v.Timeout) * time.Second
	s.Drain = spec.DefaultDrain
	s.Pulse = &spec.Pulse{Type: "none", Interval: spec.DefaultInterval}
	if v.Netmask != kernel.FullNetmask(key.Family) {
		s.Netmask, s.OneClient = v.Netmask, v.Netmask == 0
	}
	for _, f := range flags {
		if v.Flags&f.kernel != 0 {
			s.Flags |= f.declared
		}
	}
	if again := declaredService(s); again != v.Service {
		return fmt.Errorf("%s cannot be declared", serviceDifference(v.Service, again))
	}
	for _, d := range v.Dests {
		b, err := exportBackend(d)
		if err != nil {
			return fmt.Errorf("its backend %s: %w", d.DestKey, err)
		}
		s.Backends = append(s.Backends, b)
	}
	return declarable(s)
}

// serviceDifference names the first attribute that a declaration of a service would not give it.
func serviceDifference(have, declared kernel.Service) string {
	switch {
	case have.Flags != declared.Flags && have.Flags&^declared.Flags == kernel.Persistent:
		return "its persistence without a timeout"
	case have.Flags != declared.Flags:
		return fmt.Sprintf("its flags %#x", uint32(have.Flags))
	case have.Netmask != declared.Netmask:
		return fmt.Sprintf("its persistence netmask %#x", have.Netmask)
	}
	return fmt.Sprintf("its persistence timeout of %d s", have.Timeout)
}

// declarable says why a configuration with a service would be refused: the kernel holds what gorb does not declare,
// such as a port 0 without persistence.
func declarable(s *spec.Service) error {
	data, err := spec.Encode([]spec.Service{*s}, spec.JSON, "")
	if err != nil {
		return err
	}
	doc, err := spec.Decode("", spec.JSON, data)
	if err == nil {
		_, err = spec.Merge(doc)
	}
	var problems spec.Problems
	if errors.As(err, &problems) && len(problems) > 0 {
		return errors.New(problems[0].Message)
	}
	return err
}

// exportBackend returns a backend as it would be declared.
func exportBackend(d kernel.RealServer) (spec.Backend, error) {
	if d.Unknown != "" {
		return spec.Backend{}, errors.New(d.Unknown)
	}
	b := spec.Backend{
		Name: fmt.Sprintf("%s-%d", d.Addr.Addr(), d.Addr.Port()),
		Host: d.Addr.Addr(), Port: d.Addr.Port(), Weight: d.Weight, Upper: d.Upper, Lower: d.Lower,
	}
	for _, f := range forwards {
		if f.forward == d.Forward && f.encap == d.Encap.Type {
			b.Method = f.declared
		}
	}
	if b.Method == "" {
		return b, fmt.Errorf("its forwarding method (%d, tunnel type %d) cannot be declared", d.Forward, d.Encap.Type)
	}
	if b.Method == spec.GUE || b.Method == spec.GRE {
		b.Tunnel.Port = d.Encap.Port
		for _, c := range checksums {
			if c.kernel == d.Encap.Flags {
				b.Tunnel.Checksum = c.declared
			}
		}
	}
	if declaredDest(&b) != d.Dest {
		return b, fmt.Errorf("its tunnel (flags %#x, port %d) cannot be declared", uint16(d.Encap.Flags), d.Encap.Port)
	}
	return b, nil
}
