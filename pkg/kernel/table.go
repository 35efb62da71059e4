package kernel

import (
	"fmt"
	"slices"
	"strings"
)

// Conns counts the connections of a destination. For TCP, Active are those in state ESTABLISHED and Inactive all
// others, half-open ones and those in TIME_WAIT among them; for UDP Active is always zero. Persistent are the templates of
// persistent clients, which are no connections.
type Conns struct {
	Active     uint32
	Inactive   uint32
	Persistent uint32
}

// Stats counts what a service or a destination has carried since it was made or zeroed, and how much it carries in a
// second, as the kernel estimates it (every 2 s, over about 8 s).
type Stats struct {
	Conns, InPackets, OutPackets, InBytes, OutBytes                uint64
	ConnRate, InPacketRate, OutPacketRate, InByteRate, OutByteRate uint64
}

// ServiceStats are the statistics of a service and of its destinations.
type ServiceStats struct {
	Stats
	Dests map[DestKey]Stats
}

// Statistics are those of a table. They are read beside it, since only those who look want them.
type Statistics map[ServiceKey]ServiceStats

// RealServer is a destination in a table.
type RealServer struct {
	DestKey
	Dest
	Conns Conns // observed; zero in a wanted table
	// Unknown says why gorb must not edit this observed destination: it has something that this package cannot say, and
	// that an edit would reset without a word. It is "" otherwise, and in a wanted table always.
	Unknown string
}

// VirtualService is a service and its destinations. In an observed table they stand in the kernel's dump order (the
// reverse of the order in which they were added), in a wanted table in canonical order.
type VirtualService struct {
	Service
	Dests []RealServer
	// Unknown says why gorb must not edit this observed service: it has something that this package cannot say, and that
	// an edit would reset without a word (docs/kernel.md, "Editing"). It is "" otherwise, and in a wanted table always.
	Unknown string
}

// Dest returns the destination with the given key.
func (v VirtualService) Dest(k DestKey) (RealServer, bool) {
	if i := v.index(k); i >= 0 {
		return v.Dests[i], true
	}
	return RealServer{}, false
}

// index returns where the destination with the given key stands, or -1.
func (v VirtualService) index(k DestKey) int {
	return slices.IndexFunc(v.Dests, func(d RealServer) bool { return d.DestKey == k })
}

// Table is an IPVS table, observed or wanted.
type Table map[ServiceKey]VirtualService

// Keys returns the keys of the table in order.
func (t Table) Keys() []ServiceKey {
	keys := make([]ServiceKey, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, ServiceKey.Compare)
	return keys
}

// String gives the table as `ipvsadm -Sn` would print it, services in order and destinations in canonical order.
func (t Table) String() string {
	var b strings.Builder
	for _, k := range t.Keys() {
		v := t[k]
		fmt.Fprintln(&b, Op{Kind: AddService, Key: k, Service: v.Service})
		dests := slices.Clone(v.Dests)
		sortDests(dests)
		for _, d := range dests {
			fmt.Fprintln(&b, Op{Kind: AddDest, Key: k, DestKey: d.DestKey, Dest: d.Dest})
		}
	}
	return b.String()
}

// sortDests puts destinations into canonical order.
func sortDests(dests []RealServer) {
	slices.SortFunc(dests, func(a, b RealServer) int { return a.Compare(b.DestKey) })
}
