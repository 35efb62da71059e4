package httpapi

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// ServiceInfo is a service: what GET /service/{service} answers. Options, Health and Backends are as in GORB.
type ServiceInfo struct {
	Options    json.RawMessage   `json:"options" doc:"As it is declared, with the keys of the file."`
	Health     float64           `json:"health" doc:"The mean of that of its backends, 0 to 1; 1 without any."`
	Backends   []string          `json:"backends" doc:"Their names, in order."`
	Effective  *EffectiveService `json:"effective" doc:"What the kernel has; null: nothing, or it cannot be read."`
	State      ServiceState      `json:"state" doc:"How it is, by its backends."`
	Statistics *Statistics       `json:"statistics" doc:"What it has carried; null as effective."`
	Refused    string            `json:"refused,omitempty" doc:"Why the kernel refuses what is declared of it or its backends; none: it does not. gorb tries again."`
	Override   *Override         `json:"override,omitempty" doc:"What is written over the sources; none: nothing."`
	HeldFor    string            `json:"held_for,omitempty" doc:"The source that leaves it out, where its removal is held."`
}

// BackendInfo is a backend: what GET /service/{service}/{backend} answers. Options and Metrics are as in GORB.
type BackendInfo struct {
	Options    json.RawMessage   `json:"options" doc:"As it is declared, with the keys of the file."`
	Metrics    Metrics           `json:"metrics" doc:"How it is, in GORB's terms."`
	Effective  *EffectiveBackend `json:"effective" doc:"What the kernel has; null: nothing, or it cannot be read."`
	Health     BackendHealth     `json:"health" doc:"How it is, by its checks."`
	Statistics *Statistics       `json:"statistics" doc:"What it has carried; null as effective."`
	Refused    string            `json:"refused,omitempty" doc:"Why the kernel refuses what is declared of it, or to have its service; none: it does not. gorb tries again."`
	Override   *Override         `json:"override,omitempty" doc:"What is written over the sources; none: nothing."`
	HeldFor    string            `json:"held_for,omitempty" doc:"The source that leaves it out, where its removal is held."`
}

// Metrics is how a backend is, in GORB's terms.
type Metrics struct {
	Status int     `json:"status" doc:"1: down; 0: not known to be."`
	Health float64 `json:"health" doc:"The share of good ones among its last checks, 0 to 1."`
	Uptime int64   `json:"uptime" doc:"For how many seconds it has been up; 0 while it is not."`
}

// EffectiveService is a service as the kernel has it, in ipvsadm's words.
type EffectiveService struct {
	Address   netip.AddrPort `json:"address,omitzero" doc:"With protocol; a service has these or a mark."`
	Protocol  string         `json:"protocol,omitempty"`
	Fwmark    uint32         `json:"fwmark,omitempty"`
	Family    string         `json:"family"`
	Scheduler string         `json:"scheduler"`
	Flags     []string       `json:"flags" doc:"Of the scheduler, as -b of ipvsadm has them."`
	OnePacket bool           `json:"one_packet,omitempty"`
	Timeout   uint32         `json:"persistence_timeout,omitempty" doc:"In seconds; none: it is not persistent."`
	Engine    string         `json:"pe,omitempty"`
	Command   string         `json:"command" doc:"The arguments of ipvsadm(8) that would make it."`
}

// EffectiveBackend is a backend as the kernel has it, in ipvsadm's words.
type EffectiveBackend struct {
	Address    netip.AddrPort `json:"address"`
	Forward    string         `json:"forward"`
	Weight     uint32         `json:"weight"`
	Upper      uint32         `json:"upper_threshold,omitempty"`
	Lower      uint32         `json:"lower_threshold,omitempty"`
	Active     uint32         `json:"active_connections"`
	Inactive   uint32         `json:"inactive_connections"`
	Persistent uint32         `json:"persistent_connections"`
	Command    string         `json:"command" doc:"The arguments of ipvsadm(8) that would make it."`
}

// Statistics is what was carried since the object was made in the kernel, and how much is in a second.
type Statistics struct {
	Connections   uint64 `json:"connections"`
	InPackets     uint64 `json:"in_packets"`
	OutPackets    uint64 `json:"out_packets"`
	InBytes       uint64 `json:"in_bytes"`
	OutBytes      uint64 `json:"out_bytes"`
	ConnRate      uint64 `json:"connections_per_second"`
	InPacketRate  uint64 `json:"in_packets_per_second"`
	OutPacketRate uint64 `json:"out_packets_per_second"`
	InByteRate    uint64 `json:"in_bytes_per_second"`
	OutByteRate   uint64 `json:"out_bytes_per_second"`
}

// Kernel is what the kernel has of a declared service.
type Kernel struct {
	Service    *EffectiveService // nil: nothing
	Statistics *Statistics
	Backend    *KernelBackend // nil: nothing, or none was asked for
}

// KernelBackend is what the kernel has of a backend.
type KernelBackend struct {
	EffectiveBackend
	Statistics Statistics
}

// Settled is what became of a service in the kernel.
type Settled struct {
	Operations []string       // that were done, as arguments of ipvsadm(8)
	Refused    []Refusal      // that failed
	Held       []string       // what was held back or left alone, and why
	Waiting    *WaitingReason // nil: nothing waits
	Draining   int            // backends that leave and still have time
}

// Refusal is why something failed.
type Refusal struct {
	Backend netip.AddrPort // where the backend is that it is of; invalid: it is of the service itself, or what is around it
	Missing bool           // the service could not be made because of it, and so none of its backends is there
	Reason  string
}

// Written is what came of a change.
type Written struct {
	Object     string      `json:"object" doc:"\"web\", \"web/a\"."`
	Result     WriteResult `json:"result" enum:"created,changed,unchanged,removed,hidden,unhidden"`
	DryRun     bool        `json:"dry_run,omitempty" doc:"Nothing was done: this is what would be."`
	Operations []string    `json:"operations" doc:"What was done in the kernel, or would be, as arguments of ipvsadm(8)."`
	Pending    string      `json:"pending,omitempty" doc:"Why the kernel does not have all of it yet."`
	Until      time.Time   `json:"until,omitzero" doc:"When what waits is done at the latest, where that is known."`
	See        string      `json:"see,omitempty" doc:"Where to look for it."`
	Override   *Override   `json:"override,omitempty" doc:"What is written over the sources now; none: nothing."`
	Warnings   []Problem   `json:"warnings,omitempty" doc:"What is allowed and likely a mistake."`
}

// WriteResult is what a change came to.
type WriteResult string

// The results.
const (
	ResultCreated   WriteResult = "created"
	ResultChanged   WriteResult = "changed"
	ResultUnchanged WriteResult = "unchanged" // it was so already, and nothing was written
	ResultRemoved   WriteResult = "removed"
	ResultHidden    WriteResult = "hidden"   // the sources declare it, and it is not there all the same
	ResultUnhidden  WriteResult = "unhidden" // it is there again, as the sources declare it
)

// objectSchemas are the names of the schemas of what is declared.
const (
	serviceSchema = "service"
	backendSchema = "backend"
)

// newMetrics says in GORB's terms how a backend is.
func newMetrics(b *BackendHealth, now time.Time) Metrics {
	return Metrics{Status: int(b.gorbStatus()), Health: b.share(), Uptime: int64(b.uptime(now) / time.Second)}
}

// names are those of a service's backends.
func names(s *spec.Service) []string {
	all := make([]string, len(s.Backends))
	for i := range s.Backends {
		all[i] = s.Backends[i].Name
	}
	return all
}
