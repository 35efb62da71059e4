package httpapi

import (
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
)

// EventType says what an event is about, and which type its data has.
type EventType string

// The types of events.
const (
	EventService  EventType = "service"  // ServiceEvent
	EventBackend  EventType = "backend"  // BackendEvent
	EventOverride EventType = "override" // OverrideEvent
	EventTable    EventType = "table"    // TableEvent
	EventSource   EventType = "source"   // SourceEvent
	EventRemoval  EventType = "removal"  // RemovalEvent
	EventConfig   EventType = "config"   // ConfigEvent
	EventReady    EventType = "ready"    // ReadyEvent
	EventGap      EventType = "gap"      // GapEvent; it cannot be asked for: every reader gets it
)

// eventTypes are those that can be asked for.
var eventTypes = []EventType{
	EventService, EventBackend, EventOverride, EventTable, EventSource, EventRemoval, EventConfig, EventReady,
}

const (
	// MostListed is how many objects, operations or errors one event names. Beside them it says how many there are.
	MostListed = 100
	// mostText is how much of one text an event repeats.
	mostText = 1 << 10
)

// EventData is what an event says: a pointer to one of the types of this file. It says what happened, and never what was
// configured, so that no secret comes with it.
type EventData interface {
	stamp(at time.Time)
	// fit cuts down to what an event may have.
	fit()
	// about returns the type, and the services that it is about; with more there are others that it does not name.
	about() (kind EventType, services []string, more bool)
}

// Stamp is what all events have.
type Stamp struct {
	At time.Time `json:"at"` // when it happened; the Hub sets it where it is zero
}

func (s *Stamp) stamp(at time.Time) {
	if s.At.IsZero() {
		s.At = at
	}
}

func (*Stamp) fit() {}

// Storm is what an event has where so much changed at once that not all of it has events: they would push out all others.
type Storm struct {
	Others int `json:"others,omitempty"` // further changes of this type, which no event tells of
}

// ServiceChange is what became of a service's declaration.
type ServiceChange string

// The changes.
const (
	ServiceDeclared ServiceChange = "declared"
	ServiceChanged  ServiceChange = "changed" // or one of its backends did
	ServiceGone     ServiceChange = "gone"
	ServiceDown     ServiceChange = "down" // it has no backend any more that is up
	ServiceUp       ServiceChange = "up"   // it has one again
)

// ServiceEvent says that a service is declared, is declared otherwise, or is no more; or that none of its backends is up.
type ServiceEvent struct {
	Stamp
	Service string        `json:"service"`
	Change  ServiceChange `json:"change"`
	Storm
}

func (e *ServiceEvent) about() (EventType, []string, bool) {
	return EventService, []string{e.Service}, e.Others > 0
}

// BackendEvent says that a backend is judged otherwise by its checks.
type BackendEvent struct {
	Stamp
	Service string      `json:"service"`
	Backend string      `json:"backend"`
	Was     HealthState `json:"was"`
	Is      HealthState `json:"is"`
	Why     string      `json:"why,omitempty"` // in words: "HTTP 503, wanted 200"
	Storm
}

func (e *BackendEvent) fit() { e.Why = shorten(e.Why) }

func (e *BackendEvent) about() (EventType, []string, bool) {
	return EventBackend, []string{e.Service}, e.Others > 0
}

// OverrideChange is what became of an override.
type OverrideChange string

// The changes. The first three are the kinds of overrides.
const (
	OverrideSet     OverrideChange = "set"
	OverridePatched OverrideChange = "patch"
	OverrideHidden  OverrideChange = "hide"
	OverrideCleared OverrideChange = "cleared" // by somebody
	OverrideEnded   OverrideChange = "ended"   // its time was over
)

// OverrideEvent says that an override was written, cleared, or has ended.
type OverrideEvent struct {
	Stamp
	Change   OverrideChange `json:"change"`
	Service  string         `json:"service"`
	Backend  string         `json:"backend,omitempty"` // none: the service itself
	By       string         `json:"by,omitempty"`      // who did that; of one that has ended: who wrote it
	Reason   string         `json:"reason,omitempty"`  // of that
	Until    time.Time      `json:"until,omitzero"`    // when it ends, or was to; none: when it is cleared
	Revision uint64         `json:"revision,omitempty"`
	Storm
}

func (e *OverrideEvent) fit() { e.By, e.Reason = shorten(e.By), shorten(e.Reason) }

func (e *OverrideEvent) about() (EventType, []string, bool) {
	return EventOverride, []string{e.Service}, e.Others > 0
}

// TableEvent says that a pass over the kernel's table wrote to it, or failed.
type TableEvent struct {
	Stamp
	Cause      string   `json:"cause"`      // what the pass was for: "health", "configuration", "resync"
	Services   []string `json:"services"`   // those that it wrote to, or failed with: the first of them
	Touched    int      `json:"touched"`    // how many there are
	Operations []string `json:"operations"` // what it wrote, as arguments of ipvsadm: the first of them
	Written    int      `json:"written"`    // how many there are
	Errors     []string `json:"errors"`     // the first of them
	Failed     int      `json:"failed"`     // how many there are
	Storm
}

func (e *TableEvent) fit() {
	e.Services, e.Touched = listed(e.Services, e.Touched)
	e.Operations, e.Written = listed(e.Operations, e.Written)
	e.Errors, e.Failed = listed(e.Errors, e.Failed)
}

func (e *TableEvent) about() (EventType, []string, bool) {
	return EventTable, e.Services, e.Touched > len(e.Services) || e.Others > 0
}

// SourceEvent says that a source is otherwise than it was.
type SourceEvent struct {
	Stamp
	Source string        `json:"source"`
	State  sources.State `json:"state"`
	Error  string        `json:"error,omitempty"` // why what is there now cannot be used
}

func (e *SourceEvent) fit()                             { e.Error = shorten(e.Error) }
func (*SourceEvent) about() (EventType, []string, bool) { return EventSource, nil, false }

// RemovalChange is what became of removals that are held.
type RemovalChange string

// The changes.
const (
	RemovalHeld     RemovalChange = "held"     // they wait to be confirmed
	RemovalAccepted RemovalChange = "accepted" // they are done, as somebody or the source confirmed
	RemovalReturned RemovalChange = "returned" // the source has the objects again
)

// RemovalEvent says what became of the removals of a source that were, or now are, held.
type RemovalEvent struct {
	Stamp
	Source string        `json:"source"`
	Change RemovalChange `json:"change"`
	Names  []string      `json:"names"` // "web", "web/a": the first of them
	Count  int           `json:"count"` // how many there are
}

func (e *RemovalEvent) fit() { e.Names, e.Count = listed(e.Names, e.Count) }

func (e *RemovalEvent) about() (EventType, []string, bool) {
	var services []string
	for _, name := range e.Names {
		service, _, _ := strings.Cut(name, "/")
		services = append(services, service)
	}
	return EventRemoval, services, e.Count > len(e.Names)
}

// ConfigEvent says that what the sources have now cannot be used, and what was good before counts; or that it can again.
type ConfigEvent struct {
	Stamp
	Good  bool   `json:"good"`
	Error string `json:"error,omitempty"` // why it is refused
}

func (e *ConfigEvent) fit()                             { e.Error = shorten(e.Error) }
func (*ConfigEvent) about() (EventType, []string, bool) { return EventConfig, nil, false }

// ReadyEvent says that gorb has come to keep what all sources declare, or does not any more.
type ReadyEvent struct {
	Stamp
	Ready    bool     `json:"ready"`
	NotReady []string `json:"not_ready,omitempty"` // the reasons, in words
}

func (e *ReadyEvent) fit()                             { e.NotReady, _ = listed(e.NotReady, 0) }
func (*ReadyEvent) about() (EventType, []string, bool) { return EventReady, nil, false }

// GapEvent says that events that a reader asked for are not there any more. What is still there comes after it.
type GapEvent struct {
	Stamp
	Lost    uint64 `json:"lost,omitempty"` // how many; none: that is not known, they are of an earlier run of gorb
	Message string `json:"message"`
}

// gapMessage is what every gap says.
const gapMessage = "some events are lost; read /status anew"

// listed returns the first of a list, never null and none of them long, and how many there are.
func listed(list []string, of int) ([]string, int) {
	of = max(of, len(list))
	first := make([]string, 0, min(len(list), MostListed))
	for _, text := range list[:min(len(list), MostListed)] {
		first = append(first, shorten(text))
	}
	return first, of
}

func shorten(text string) string {
	if len(text) <= mostText {
		return text
	}
	return strings.ToValidUTF8(text[:mostText], "") + "..."
}
