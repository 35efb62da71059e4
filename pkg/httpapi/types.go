package httpapi

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Status is how a gorb that runs is: what GET /status answers.
type Status struct {
	Version string `json:"version"` // of the program
	PID     int    `json:"pid"`     // of the process
	Table   Table  `json:"table"`   // the table that it keeps

	StateDir string `json:"state_dir,omitempty"` // where it remembers what is its; none: nowhere

	Ready    bool     `json:"ready"`               // it keeps what all sources declare; NotReady says why not
	NotReady []string `json:"not_ready,omitempty"` // the reasons, in words

	Complete  bool     `json:"complete"`          // every source has been heard; until then nothing is removed
	Refused   string   `json:"refused,omitempty"` // why what the sources have now is not what counts
	Doubted   int      `json:"doubted"`           // services that leave if the files, read again, say so once more
	Sources   []Source `json:"sources"`           // the lowest layer first
	Overrides int      `json:"overrides"`         // how many there are
	Aside     []Aside  `json:"aside"`             // overrides that do not go with the documents, and do not count
	Dangling  []string `json:"dangling"`          // the objects of overrides that are without effect: they are gone
	Idle      []string `json:"idle"`              // the objects of overrides that hide what is not there
	Consul    *Consul  `json:"consul,omitempty"`  // the registration of services; none: there is to be none

	Health *HealthTotals `json:"health,omitempty"` // how the checks are; none: nobody makes any
}

// Consul is how the registration of services with a Consul agent is.
type Consul struct {
	Address    string        `json:"address"` // the agent's
	State      sources.State `json:"state"`
	Since      time.Time     `json:"since"`           // since when it is so
	Registered int           `json:"registered"`      // services, as far as is known
	Error      string        `json:"error,omitempty"` // why not everything is as it should be
}

// Table is the table that a gorb keeps, and what became of the passes over it.
type Table struct {
	BootID    string    `json:"boot_id"`             // of the kernel
	Namespace string    `json:"netns"`               // of the network, "DEVICE:INODE" of its file
	LastPass  time.Time `json:"last_pass,omitzero"`  // when the last pass ended, over whatever part of the table
	WholePass time.Time `json:"whole_pass,omitzero"` // when the last one over all of it did
	Problems  []string  `json:"problems"`            // what failed in the last pass, or cannot be: the first of them
	Failed    int       `json:"failed"`              // how many there are
}

// HeldList is everything whose removal is held.
type HeldList struct {
	Held []HeldObject `json:"held"`
}

// HeldObject is a service or backend whose removal is held, as the kernel knows it.
type HeldObject struct {
	Source   string         `json:"source"`
	Protocol spec.Protocol  `json:"protocol,omitempty"` // with Host and Port; a service has these or a mark
	Host     netip.Addr     `json:"host,omitzero"`
	Port     uint16         `json:"port,omitempty"`
	Fwmark   uint32         `json:"fwmark,omitempty"`
	Family   spec.Family    `json:"family,omitempty"` // with Fwmark
	Backend  netip.AddrPort `json:"backend,omitzero"` // none: the service itself
	Since    time.Time      `json:"since"`            // since when the source leaves it out
}

// Aside is an override that does not count.
type Aside struct {
	Object string `json:"object"` // "web", "web/a"
	Error  string `json:"error"`
}

// SourceList is the sources, the lowest layer first.
type SourceList struct {
	Sources []Source `json:"sources"`
}

// Source is what is known of one source.
type Source struct {
	Name    string        `json:"name"`
	Remote  bool          `json:"remote"`
	State   sources.State `json:"state"`
	Since   time.Time     `json:"since,omitzero"`    // since when it is good, or fails
	Version string        `json:"version,omitempty"` // what it calls its newest document: an ETag, an index
	Good    time.Time     `json:"good,omitzero"`     // when the last good document came
	Error   string        `json:"error,omitempty"`   // why what is there now cannot be used
	Held    *Held         `json:"held,omitempty"`    // removals that wait to be confirmed
}

// Held is the removals of a source that wait to be confirmed.
type Held struct {
	Count int       `json:"count"` // of services and backends
	Of    int       `json:"of"`    // how many the source alone declared
	Names []string  `json:"names"` // the first of them: "web", "web/a"
	Until time.Time `json:"until"` // when the source is asked to confirm the first of them
}

// ReloadRequest says what is to be read again.
type ReloadRequest struct {
	Sources []string `json:"sources,omitempty"` // by name; none: all of them, and the kernel's table
}

// Change is an override to be written.
type Change struct {
	Kind    string          `json:"kind"` // set, patch, hide
	Service string          `json:"service"`
	Backend string          `json:"backend,omitempty"` // "": the service itself
	Body    json.RawMessage `json:"body,omitempty"`    // the object, with the keys of the file; none for hide
	Reason  string          `json:"reason,omitempty"`
	By      string          `json:"by,omitempty"`
	TTL     string          `json:"ttl,omitempty"` // how long it lasts: "1h30m"; "": until it is cleared
}

// OverrideList is all overrides, by object.
type OverrideList struct {
	Overrides []Override `json:"overrides"`
}

// OverrideState is whether an override has an effect.
type OverrideState string

// The states.
const (
	InForce  OverrideState = "in_force"
	SetAside OverrideState = "aside"    // it does not go with the documents, and does not count
	Dangling OverrideState = "dangling" // its object is gone; it counts again when that returns
	Idle     OverrideState = "idle"     // it hides what is not there
)

// Override is an override that is stored.
type Override struct {
	Kind     spec.OverrideKind `json:"kind"`
	Service  string            `json:"service"`
	Backend  string            `json:"backend,omitempty"` // "": the service itself
	Body     json.RawMessage   `json:"body,omitempty"`    // the object, with the keys of the file; none for hide
	Reason   string            `json:"reason,omitempty"`
	By       string            `json:"by,omitempty"`
	At       time.Time         `json:"at"`
	Until    time.Time         `json:"until,omitzero"`  // when it ends; none: when it is cleared
	Revision uint64            `json:"revision"`        // greater than that of all that were written before it
	State    OverrideState     `json:"state,omitempty"` // "": not known yet, or that of one that is over
	Error    string            `json:"error,omitempty"` // why it is set aside
}

// Object names what the override is about: "web", "web/a".
func (o Override) Object() string {
	return spec.Override{Service: o.Service, Backend: o.Backend}.Object()
}

// Explanation says where the fields of an object come from.
type Explanation struct {
	Service string  `json:"service"`
	Backend string  `json:"backend,omitempty"` // "": the service itself
	Fields  []Field `json:"fields"`

	HeldFor string `json:"held_for,omitempty"` // the source that leaves it out, where its removal is held
}

// Field is one field of an object.
type Field struct {
	Path  string  `json:"path"`            // within the object: "port", "pulse.args.path", "backends.a"
	Value string  `json:"value,omitempty"` // as it is written in TOML; "": it has none any more
	From  Place   `json:"from"`            // who set it, or took it away
	Hid   []Given `json:"hid,omitempty"`   // what lower layers said, the highest first
}

// Given is a value that a higher layer hid.
type Given struct {
	Value string `json:"value,omitempty"`
	From  Place  `json:"from"`
}

// Place is where a value is written.
type Place struct {
	Source   string    `json:"source"`             // "gorb.toml", "override web/a"; "default" where nobody wrote it
	Line     int       `json:"line,omitempty"`     // none: there are no lines
	In       string    `json:"in,omitempty"`       // the table, where it is not the object's own: "defaults.service"
	Override *Override `json:"override,omitempty"` // what the source is, if it is one
}
