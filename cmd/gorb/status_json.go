package main

import (
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// statusJSON is the JSON of status.
type statusJSON struct {
	Gorb        *httpapi.Status `json:"gorb"`                   // what the gorb that runs knows; null: it was not to be asked
	GorbError   string          `json:"gorb_error,omitempty"`   // why it was not
	HealthError string          `json:"health_error,omitempty"` // why there is no health though checks are made
	KernelError string          `json:"kernel_error,omitempty"` // why what follows is null
	Info        *infoJSON       `json:"info"`
	Timeouts    *timeoutsJSON   `json:"timeouts"`
	Sync        []syncJSON      `json:"sync"` // the daemons that run
	Services    []serviceStatus `json:"services"`

	Health []httpapi.ServiceHealth `json:"health,omitempty"` // of the backends, where there is no table to show it in
}

type infoJSON struct {
	Version       string `json:"version"`
	ConnTableSize uint32 `json:"conn_table_size"` // in buckets
}

type timeoutsJSON struct {
	TCP    uint32 `json:"tcp_s"`
	TCPFin uint32 `json:"tcpfin_s"`
	UDP    uint32 `json:"udp_s"`
}

type syncJSON struct {
	Role      string `json:"role"`
	Interface string `json:"interface"`
	ID        uint8  `json:"syncid"`
	MaxLen    uint16 `json:"maxlen"`
	Group     string `json:"group,omitempty"`
	Port      uint16 `json:"port"`
	TTL       uint8  `json:"ttl"`
}

type serviceStatus struct {
	Service    string          `json:"service"`
	Name       string          `json:"name,omitempty"`
	Owned      bool            `json:"owned"` // gorb made it, or its configuration has named it
	Scheduler  string          `json:"scheduler"`
	Flags      []string        `json:"flags"`
	Persistent uint32          `json:"persistent_s"`      // 0: it is not persistent
	Netmask    string          `json:"netmask,omitempty"` // left out: every client is alone
	Engine     string          `json:"pe,omitempty"`
	Unknown    string          `json:"unknown,omitempty"` // why gorb must not edit it
	Stats      statsJSON       `json:"stats"`
	HeldFor    string          `json:"held_for,omitempty"` // the source that leaves it out, and whose removal is held
	OrderDrift *httpapi.Drift  `json:"order_drift"`        // null: the order is right, or of no matter
	Backends   []backendStatus `json:"backends"`           // in canonical order

	Health *httpapi.ServiceState   `json:"health,omitempty"` // none: nobody makes checks, or it is not known
	Absent []httpapi.BackendHealth `json:"absent,omitempty"` // the declared backends that the kernel does not have
}

type backendStatus struct {
	Backend        string     `json:"backend"`
	Method         string     `json:"method"` // nat, dr, tunnel, gue, gre, local, bypass
	TunnelPort     uint16     `json:"tunnel_port,omitempty"`
	TunnelChecksum string     `json:"tunnel_checksum,omitempty"`
	Weight         uint32     `json:"weight"`
	Upper          uint32     `json:"upper_threshold"`
	Lower          uint32     `json:"lower_threshold"`
	Active         uint32     `json:"active"`
	Inactive       uint32     `json:"inactive"`
	Persistent     uint32     `json:"persistent"`
	DrainingUntil  *time.Time `json:"draining_until,omitempty"`
	HeldFor        string     `json:"held_for,omitempty"` // the source that leaves it out, and whose removal is held
	Unknown        string     `json:"unknown,omitempty"`  // why gorb must not edit it
	Stats          statsJSON  `json:"stats"`

	Health *httpapi.BackendHealth `json:"health,omitempty"`
}

// statsJSON counts since the object was made or zeroed.
type statsJSON struct {
	Conns         uint64 `json:"connections"`
	InPackets     uint64 `json:"in_packets"`
	OutPackets    uint64 `json:"out_packets"`
	InBytes       uint64 `json:"in_bytes"`
	OutBytes      uint64 `json:"out_bytes"`
	ConnRate      uint64 `json:"connections_per_s"`
	InPacketRate  uint64 `json:"in_packets_per_s"`
	OutPacketRate uint64 `json:"out_packets_per_s"`
	InByteRate    uint64 `json:"in_bytes_per_s"`
	OutByteRate   uint64 `json:"out_bytes_per_s"`
}

func (s *status) json() statusJSON {
	out := statusJSON{Gorb: s.daemon}
	if s.unasked != nil {
		out.GorbError = s.unasked.Error()
	}
	if s.unchecked != nil {
		out.HealthError = s.unchecked.Error()
	}
	if s.unread != nil {
		out.KernelError, out.Health = s.unread.Error(), s.healthList
		return out
	}
	out.Info = &infoJSON{s.info.Version, s.info.ConnTableSize}
	out.Timeouts = &timeoutsJSON{s.timeouts.TCP, s.timeouts.TCPFin, s.timeouts.UDP}
	out.Sync, out.Services = []syncJSON{}, []serviceStatus{}
	for _, d := range s.sync {
		j := syncJSON{Role: d.Role.String(), Interface: d.Interface, ID: d.ID, MaxLen: d.MaxLen, Port: d.Port, TTL: d.TTL}
		if d.Group.IsValid() {
			j.Group = d.Group.String()
		}
		out.Sync = append(out.Sync, j)
	}
	for _, key := range s.table.Keys() {
		out.Services = append(out.Services, s.serviceJSON(key))
	}
	return out
}

func (s *status) serviceJSON(key kernel.ServiceKey) serviceStatus {
	v, stats, health := s.table[key], s.stats[key], s.health[key]
	owned, isOwned := s.memory.Services[key]
	out := serviceStatus{
		Service: key.String(), Name: owned.Name, Owned: isOwned, Scheduler: v.Scheduler, Flags: flagNames(v),
		Persistent: v.Timeout, Netmask: netmaskOf(key, v), Engine: v.Engine, Unknown: v.Unknown,
		Stats: statsJSON(stats.Stats), Backends: []backendStatus{}, HeldFor: s.held[reconcile.Ref{Service: key}],
	}
	if d, ok := reconcile.DriftOf(key, v); ok {
		out.OrderDrift = newDrift(d, owned.Name)
	}
	for _, d := range reconcile.Canonical(v.Dests) {
		if !s.shows(key, d.DestKey) {
			continue
		}
		b := backendStatus{
			Backend: d.DestKey.String(), Method: methodName(d.Dest), TunnelPort: d.Encap.Port, TunnelChecksum: checksumOf(d.Dest),
			Weight: d.Weight, Upper: d.Upper, Lower: d.Lower,
			Active: d.Conns.Active, Inactive: d.Conns.Inactive, Persistent: d.Conns.Persistent,
			HeldFor: s.held[reconcile.Ref{Service: key, Dest: d.DestKey}],
			Unknown: d.Unknown, Stats: statsJSON(stats.Dests[d.DestKey]), Health: health.of(d.DestKey),
		}
		if drain, ok := owned.Draining[d.DestKey]; ok {
			b.DrainingUntil = &drain.Until
		}
		out.Backends = append(out.Backends, b)
	}
	if health != nil {
		out.Health = &health.ServiceState
	}
	for _, d := range health.absent(v.Dests) {
		if s.shows(key, d.DestKey) {
			out.Absent = append(out.Absent, *health.of(d.DestKey))
		}
	}
	return out
}

// checksumOf returns the checksum of a tunnel that may have one, as a configuration calls it; "" for the others.
func checksumOf(d kernel.Dest) string {
	if d.Forward != kernel.Tunnel || d.Encap.Type == kernel.IPIP {
		return ""
	}
	switch d.Encap.Flags {
	case kernel.Checksum:
		return "csum"
	case kernel.RemoteChecksum:
		return "remcsum"
	}
	return "nocsum"
}
