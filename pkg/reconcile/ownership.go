package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// memoryFile is the form of ownership.json. Services come last, one a line.
type memoryFile struct {
	Version int `json:"version"`
	Place
	Addresses []memoryAddress   `json:"addresses,omitempty"`
	Links     []string          `json:"links,omitempty"`
	Sync      []string          `json:"sync,omitempty"`
	Services  []json.RawMessage `json:"services"`
}

type memoryAddress struct {
	Interface string     `json:"interface"`
	Address   netip.Addr `json:"address"`
}

type memoryService struct {
	Name     string          `json:"name"`
	Family   kernel.Family   `json:"family"`
	Protocol kernel.Protocol `json:"protocol,omitempty"`
	Address  netip.AddrPort  `json:"address,omitzero"`
	Fwmark   uint32          `json:"fwmark,omitempty"`
	Drain    time.Duration   `json:"drain_ns"`
	Waiting  time.Time       `json:"waiting,omitzero"`
	Draining []memoryDrain   `json:"draining,omitempty"`
}

type memoryDrain struct {
	Backend netip.AddrPort `json:"backend"`
	Since   time.Time      `json:"since"`
	Until   time.Time      `json:"until"`
}

// memoryVersion is the version of the file's form; another one is not understood.
const memoryVersion = 1

// encoder writes memories. It keeps what it wrote of each service, since from one writing to the next few differ and
// there may be ten thousand. The zero value is ready.
type encoder struct {
	order []kernel.ServiceKey
	lines map[kernel.ServiceKey]memoryLine
}

type memoryLine struct {
	of   Owned
	text []byte
}

func (e *encoder) encode(place Place, m Memory) ([]byte, error) {
	if err := e.update(m.Services); err != nil {
		return nil, err
	}
	f := memoryFile{Version: memoryVersion, Place: place, Services: []json.RawMessage{}}
	for _, a := range slices.SortedFunc(maps.Keys(m.Host.Addresses), kernel.Address.Compare) {
		f.Addresses = append(f.Addresses, memoryAddress{a.Interface, a.Addr})
	}
	f.Links = slices.Sorted(maps.Keys(m.Host.Links))
	for _, r := range slices.Sorted(maps.Keys(m.Host.Sync)) {
		f.Sync = append(f.Sync, r.String())
	}
	head, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return nil, err
	}
	data, _ := bytes.CutSuffix(head, []byte("]\n}"))
	data = slices.Grow(data, 160*len(e.order))
	for i, key := range e.order {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(append(data, "\n  "...), e.lines[key].text...)
	}
	return append(data, "\n ]\n}\n"...), nil
}

// update brings the lines up to date.
func (e *encoder) update(services map[kernel.ServiceKey]Owned) error {
	if e.lines == nil {
		e.lines = make(map[kernel.ServiceKey]memoryLine, len(services))
	}
	added := false
	for key, o := range services {
		line, ok := e.lines[key]
		if ok && line.of.equal(o) {
			continue
		}
		text, err := json.Marshal(lineOf(key, o))
		if err != nil {
			return err
		}
		e.lines[key] = memoryLine{o, text}
		added = added || !ok
	}
	if len(e.lines) > len(services) {
		maps.DeleteFunc(e.lines, func(key kernel.ServiceKey, _ memoryLine) bool { _, ok := services[key]; return !ok })
	}
	if added || len(e.lines) != len(e.order) {
		e.order = sortKeys(slices.AppendSeq(e.order[:0], maps.Keys(e.lines)))
	}
	return nil
}

func lineOf(k kernel.ServiceKey, o Owned) memoryService {
	s := memoryService{
		Name: o.Name, Family: k.Family, Protocol: k.Protocol, Address: k.Addr, Fwmark: k.Mark, Drain: o.Drain,
		Waiting: o.Waiting,
	}
	for _, d := range slices.SortedFunc(maps.Keys(o.Draining), kernel.DestKey.Compare) {
		s.Draining = append(s.Draining, memoryDrain{d.Addr, o.Draining[d].Since, o.Draining[d].Until})
	}
	return s
}

// decodeMemory reads a memory. Entries that no gorb writes are left out and named: one that the kernel refuses would
// keep all others from being looked up.
func decodeMemory(data []byte) (place Place, m Memory, dropped []error, err error) {
	var f memoryFile
	if err := json.Unmarshal(data, &f); err != nil {
		return Place{}, Memory{}, nil, err
	}
	if f.Version != memoryVersion {
		return Place{}, Memory{}, nil, fmt.Errorf("version %d, wanted %d", f.Version, memoryVersion)
	}
	m = Memory{Services: make(map[kernel.ServiceKey]Owned, len(f.Services)), Host: HostMemory{}.clone()}
	drop := func(format string, args ...any) { dropped = append(dropped, fmt.Errorf(format, args...)) }
	for i, line := range f.Services {
		var s memoryService
		if err := json.Unmarshal(line, &s); err != nil {
			drop("services[%d]: %w", i, err)
			continue
		}
		key := kernel.ServiceKey{Family: s.Family, Protocol: s.Protocol, Addr: s.Address, Mark: s.Fwmark}
		if !writable(key) {
			drop("services[%d]: %s is no service", i, key)
			continue
		}
		o := Owned{Name: s.Name, Drain: s.Drain, Waiting: s.Waiting}
		for _, d := range s.Draining {
			if o.Draining == nil {
				o.Draining = make(map[kernel.DestKey]Drain, len(s.Draining))
			}
			o.Draining[kernel.DestKey{Addr: d.Backend}] = Drain{Since: d.Since, Until: d.Until}
		}
		m.Services[key] = o
	}
	for i, a := range f.Addresses {
		if !plain(a.Address) || a.Interface == "" {
			drop("addresses[%d]: %s on %q is no address of an interface", i, a.Address, a.Interface)
			continue
		}
		m.Host.Addresses[kernel.Address{Interface: a.Interface, Addr: a.Address}] = true
	}
	for i, name := range f.Links {
		if name == "" {
			drop("links[%d]: it has no name", i)
			continue
		}
		m.Host.Links[name] = true
	}
	for i, name := range f.Sync {
		switch name {
		case kernel.Master.String():
			m.Host.Sync[kernel.Master] = true
		case kernel.Backup.String():
			m.Host.Sync[kernel.Backup] = true
		default:
			drop("sync[%d]: %q is no role", i, name)
		}
	}
	return f.Place, m, dropped, nil
}

// writable reports whether a service could be the kernel's, and gorb's.
func writable(k kernel.ServiceKey) bool {
	if k.Mark != 0 {
		return (k.Family == kernel.IPv4 || k.Family == kernel.IPv6) && k.Protocol == 0 && k.Addr == netip.AddrPort{}
	}
	return plain(k.Addr.Addr()) && k.Family == kernel.FamilyOf(k.Addr.Addr()) &&
		(k.Protocol == kernel.TCP || k.Protocol == kernel.UDP || k.Protocol == kernel.SCTP)
}

// plain reports whether an address is one as gorb writes them.
func plain(a netip.Addr) bool { return a.IsValid() && !a.Is4In6() && a.Zone() == "" }
