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
	Version string `json:"version" doc:"Of the program."`
	PID     int    `json:"pid" doc:"Of the process."`
	Table   Table  `json:"table" doc:"The table that it keeps."`

	StateDir string `json:"state_dir,omitempty" doc:"Where it remembers what is its; none: nowhere."`

	Ready    bool     `json:"ready" doc:"It keeps what all sources declare; not_ready says why not."`
	NotReady []string `json:"not_ready,omitempty" doc:"The reasons, in words."`

	Complete  bool     `json:"complete" doc:"Every source has been heard; until then nothing is removed."`
	Refused   string   `json:"refused,omitempty" doc:"Why what the sources have now is not what counts."`
	Doubted   int      `json:"doubted" doc:"Services that leave if the files, read again, say so once more."`
	Sources   []Source `json:"sources" doc:"The lowest layer first."`
	Overrides int      `json:"overrides" doc:"How many there are."`
	Aside     []Aside  `json:"aside" doc:"Overrides that do not go with the documents, and do not count."`
	Dangling  []string `json:"dangling" doc:"The objects of overrides that are without effect: they are gone."`
	Idle      []string `json:"idle" doc:"The objects of overrides that hide what is not there."`
	Consul    *Consul  `json:"consul,omitempty" doc:"The registration of services; none: there is to be none."`

	Health *HealthTotals `json:"health,omitempty" doc:"How the checks are; none: nobody makes any."`

	API *Listening `json:"api,omitempty" doc:"The API over TCP; none: there is to be none."`
}

// Listening is where the API is to be had over TCP.
type Listening struct {
	Listen string `json:"listen" doc:"Where it listens, or is to."`
	TLS    bool   `json:"tls" doc:"With TLS alone."`
	Error  string `json:"error,omitempty" doc:"Why it does not listen; it is tried again."`
}

// Consul is how the registration of services with a Consul agent is.
type Consul struct {
	Address    string        `json:"address" doc:"The agent's."`
	State      sources.State `json:"state" enum:"waiting,good,copied,failing,refused"`
	Since      time.Time     `json:"since" doc:"Since when it is so."`
	Registered int           `json:"registered" doc:"Services, as far as is known."`
	Error      string        `json:"error,omitempty" doc:"Why not everything is as it should be."`
}

// Table is the table that a gorb keeps, and what became of the passes over it.
type Table struct {
	BootID    string    `json:"boot_id" doc:"Of the kernel."`
	Namespace string    `json:"netns" doc:"Of the network, \"DEVICE:INODE\" of its file."`
	LastPass  time.Time `json:"last_pass,omitzero" doc:"When the last pass ended, over whatever part of the table."`
	WholePass time.Time `json:"whole_pass,omitzero" doc:"When the last one over all of it did."`
	Problems  []string  `json:"problems" doc:"What failed in the last pass, or cannot be: the first of them."`
	Failed    int       `json:"failed" doc:"How many there are."`
}

// HeldList is everything whose removal is held.
type HeldList struct {
	Held []HeldObject `json:"held"`
}

// HeldObject is a service or backend whose removal is held, as the kernel knows it.
type HeldObject struct {
	Source   string         `json:"source"`
	Protocol spec.Protocol  `json:"protocol,omitempty" doc:"With host and port; a service has these or a mark."`
	Host     netip.Addr     `json:"host,omitzero"`
	Port     uint16         `json:"port,omitempty"`
	Fwmark   uint32         `json:"fwmark,omitempty"`
	Family   spec.Family    `json:"family,omitempty" doc:"With fwmark."`
	Backend  netip.AddrPort `json:"backend,omitzero" doc:"None: the service itself."`
	Since    time.Time      `json:"since" doc:"Since when the source leaves it out."`
}

// Aside is an override that does not count.
type Aside struct {
	Object string `json:"object" doc:"\"web\", \"web/a\"."`
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
	State   sources.State `json:"state" enum:"waiting,good,copied,failing,refused"`
	Since   time.Time     `json:"since,omitzero" doc:"Since when it is good, or fails."`
	Version string        `json:"version,omitempty" doc:"What it calls its newest document: an ETag, an index."`
	Good    time.Time     `json:"good,omitzero" doc:"When the last good document came."`
	Error   string        `json:"error,omitempty" doc:"Why what is there now cannot be used."`
	Held    *Held         `json:"held,omitempty" doc:"Removals that wait to be confirmed."`
}

// Held is the removals of a source that wait to be confirmed.
type Held struct {
	Count int       `json:"count" doc:"Of services and backends."`
	Of    int       `json:"of" doc:"How many the source alone declared."`
	Names []string  `json:"names" doc:"The first of them: \"web\", \"web/a\"."`
	Until time.Time `json:"until" doc:"When the source is asked to confirm the first of them."`
}

// ReloadRequest says what is to be read again.
type ReloadRequest struct {
	Sources []string `json:"sources,omitempty" doc:"By name; none: all of them, and the kernel's table."`
}

// Change is an override to be written.
type Change struct {
	Kind    string          `json:"kind" enum:"set,patch,hide"`
	Service string          `json:"service"`
	Backend string          `json:"backend,omitempty" doc:"None: the service itself."`
	Body    json.RawMessage `json:"body,omitempty" doc:"The object, with the keys of the file; none for hide. A name in host is looked up, once."`
	Reason  string          `json:"reason,omitempty"`
	By      string          `json:"by,omitempty"`
	TTL     string          `json:"ttl,omitempty" doc:"How long it lasts: \"1h30m\"; \"\": until it is cleared."`
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
	Kind     spec.OverrideKind `json:"kind" enum:"set,patch,hide"`
	Service  string            `json:"service"`
	Backend  string            `json:"backend,omitempty" doc:"None: the service itself."`
	Body     json.RawMessage   `json:"body,omitempty" doc:"The object, with the keys of the file; none for hide."`
	Reason   string            `json:"reason,omitempty"`
	By       string            `json:"by,omitempty"`
	At       time.Time         `json:"at"`
	Until    time.Time         `json:"until,omitzero" doc:"When it ends; none: when it is cleared."`
	Revision uint64            `json:"revision" doc:"Greater than that of all that were written before it."`
	State    OverrideState     `json:"state,omitempty" enum:"in_force,aside,dangling,idle" doc:"None: not known yet, or that of one that is over."`
	Error    string            `json:"error,omitempty" doc:"Why it is set aside."`
	Refused  string            `json:"refused,omitempty" doc:"Why the kernel refuses what it asks for, though it is in force; gorb tries again."`
	Beneath  *Override         `json:"beneath,omitempty" doc:"What lasts, of the same object, over which this lies until it ends; none: nothing, or it is told beside."`
}

// OverrideWritten is an override that was stored, and what came of it.
type OverrideWritten struct {
	Override
	InKernel
	Warnings []Problem `json:"warnings,omitempty" doc:"What is allowed and likely a mistake."`
}

// ClearedOverride is an override that was taken back, and what came of it.
type ClearedOverride struct {
	Override
	InKernel
}

// ClearedOverrides is all overrides that were taken back, and what came of it.
type ClearedOverrides struct {
	OverrideList
	InKernel
}

// InKernel is what came of overrides in the kernel.
type InKernel struct {
	DryRun       bool      `json:"dry_run,omitempty" doc:"Nothing was done: this is what would be."`
	Operations   []string  `json:"operations" doc:"What was done in the kernel, or would be, as arguments of ipvsadm(8)."`
	Pending      string    `json:"pending,omitempty" doc:"Why the kernel does not have all of it."`
	PendingUntil time.Time `json:"pending_until,omitzero" doc:"When what waits is done at the latest, where that is known."`
	See          string    `json:"see,omitempty" doc:"Where to look for it."`
}

// Key is what the override is known by.
func (o Override) Key() spec.OverrideKey {
	return spec.Override{Service: o.Service, Backend: o.Backend, Until: o.Until}.Key()
}

// Object names what the override is about: "web", "web/a".
func (o Override) Object() string {
	return spec.Override{Service: o.Service, Backend: o.Backend}.Object()
}

// Explanation says where the fields of an object come from.
type Explanation struct {
	Service string  `json:"service"`
	Backend string  `json:"backend,omitempty" doc:"None: the service itself."`
	Fields  []Field `json:"fields"`

	HeldFor string `json:"held_for,omitempty" doc:"The source that leaves it out, where its removal is held."`
}

// Field is one field of an object.
type Field struct {
	Path  string  `json:"path" doc:"Within the object: \"port\", \"pulse.args.path\", \"backends.a\"."`
	Value string  `json:"value,omitempty" doc:"As it is written in TOML; \"\": it has none any more."`
	From  Place   `json:"from" doc:"Who set it, or took it away."`
	Hid   []Given `json:"hid,omitempty" doc:"What lower layers said, the highest first."`
}

// Given is a value that a higher layer hid.
type Given struct {
	Value string `json:"value,omitempty"`
	From  Place  `json:"from"`
}

// Place is where a value is written.
type Place struct {
	Source   string    `json:"source" doc:"\"gorb.toml\", \"override web/a\"; \"default\" where nobody wrote it."`
	Line     int       `json:"line,omitempty" doc:"None: there are no lines."`
	In       string    `json:"in,omitempty" doc:"The table, where it is not the object's own: \"defaults.service\"."`
	Override *Override `json:"override,omitempty" doc:"What the source is, if it is one."`
}
