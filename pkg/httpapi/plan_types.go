package httpapi

import (
	"encoding/json"
	"time"
)

// PlanRequest asks what other sources would come to. A configuration may be sent in its place, and is then the only source.
type PlanRequest struct {
	Layers         []PlanLayer `json:"layers" doc:"The lowest first."`
	AcceptRemovals bool        `json:"accept_removals,omitempty"`
	Flush          bool        `json:"flush,omitempty" doc:"As 'run -f'."`
}

// PlanLayer is what one source is to say.
type PlanLayer struct {
	Name     string          `json:"name" doc:"Of the source."`
	Document json.RawMessage `json:"document,omitempty" doc:"The whole of it, with the keys of the file; none: what the daemon has of the source of that name."`
	Remote   bool            `json:"remote,omitempty" doc:"It came from elsewhere, and may not say all that a file may."`
}

// Plan is what a pass would do, and what it would leave alone and why.
type Plan struct {
	Daemon     *Asked      `json:"daemon" doc:"The gorb that was asked; null: none."`
	Operations []Operation `json:"operations" doc:"In order."`
	Draining   []Draining  `json:"draining" doc:"Backends that leave and still have time."`
	Leaving    []Leaving   `json:"leaving" doc:"Services that go when their backends have gone."`
	Adopted    []Adopted   `json:"adopted"`
	LeftAlone  []LeftAlone `json:"left_alone"`
	Foreign    []string    `json:"foreign" doc:"Services that are neither declared nor gorb's."`
	Elsewhere  []Elsewhere `json:"elsewhere" doc:"Addresses of services on other interfaces than the declared one."`
	Problems   []string    `json:"problems" doc:"What is declared and cannot be here."`
	// LeftAtZero are the backends that nobody checks here, and that stay at weight 0 because the kernel has them there.
	LeftAtZero []AtZero  `json:"left_at_zero"`
	Waiting    []Waiting `json:"waiting" doc:"Where removals and lowerings wait for a backend that stays to come up."`
	Held       []HeldOf  `json:"held" doc:"Removals that wait to be confirmed, and are not part of the plan."`
	Away       []Away    `json:"away" doc:"Sources that cannot be had, for which what they said last counts."`
	Warnings   []string  `json:"warnings" doc:"What is allowed and likely a mistake."`
	Order      []Drift   `json:"order" doc:"Services that 'gorb reorder' would mend."`
	Summary    string    `json:"summary"`
}

// Asked is the gorb that made a plan.
type Asked struct {
	PID       int    `json:"pid"`
	Socket    string `json:"socket"`
	Server    string `json:"server,omitempty" doc:"The URL, where a client asked it at one."`
	Namespace string `json:"namespace" doc:"The network namespace whose table it keeps."`
	Sources   bool   `json:"own_sources" doc:"The plan is of its own sources."`
	Overrides int    `json:"overrides" doc:"How many have an effect."`
	// Settings are of gorb and of its host, so that a document for several need not say them.
	Settings []string `json:"own_settings,omitempty" doc:"The keys beside services that what was sent leaves out, and that count as they are there."`
}

// Operation is one step of a plan.
type Operation struct {
	Args    string `json:"args,omitempty" doc:"Of ipvsadm(8), for an operation on the table."`
	Command string `json:"command,omitempty" doc:"For one around it."`
	Service string `json:"service,omitempty"`
	Name    string `json:"name,omitempty"`
	Backend string `json:"backend,omitempty"`
	Note    string `json:"note,omitempty"`
	Error   string `json:"error,omitempty" doc:"Why it is not done, where it was tried."`
}

// Draining is a backend that leaves.
type Draining struct {
	Service  string    `json:"service"`
	Name     string    `json:"name,omitempty"`
	Backend  string    `json:"backend"`
	Active   uint32    `json:"active"`
	Inactive uint32    `json:"inactive"`
	Begun    bool      `json:"begun" doc:"It is at weight 0 in the kernel already."`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Then     string    `json:"then" doc:"What ends it."`
}

// Leaving is a service that is no longer declared and has backends that drain.
type Leaving struct {
	Service string `json:"service"`
	Name    string `json:"name,omitempty"`
	Then    string `json:"then" doc:"What ends it."`
}

// Adopted is a service that somebody else made and the configuration names.
type Adopted struct {
	Service string    `json:"service"`
	Name    string    `json:"name"`
	Removes []Removed `json:"removes" doc:"Its backends that are not declared."`
}

// Removed is a backend that leaves an adopted service.
type Removed struct {
	Backend string `json:"backend"`
	Weight  uint32 `json:"weight"`
	Active  uint32 `json:"active"`
}

// Elsewhere is an address that somebody else put on an interface.
type Elsewhere struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
}

// LeftAlone is a service, or a backend, that gorb would write and does not.
type LeftAlone struct {
	Service string `json:"service"`
	Name    string `json:"name,omitempty"`
	Backend string `json:"backend,omitempty" doc:"Where only that is left alone."`
	Reason  string `json:"reason"`
}

// AtZero is a backend that stays at weight 0.
type AtZero struct {
	Service string `json:"service"`
	Name    string `json:"name,omitempty"`
	Backend string `json:"backend"`
}

// Waiting is a service that gives up nothing by declaration until a backend that stays is up.
type Waiting struct {
	Service string        `json:"service"`
	Name    string        `json:"name"`
	Reason  WaitingReason `json:"reason"`
}

// HeldOf is the removals of a source that are held.
type HeldOf struct {
	Source     string    `json:"source"`
	Count      int       `json:"count" doc:"Of services and backends."`
	Of         int       `json:"of" doc:"How many the source alone declared."`
	MaxRemoval int       `json:"max_removal" doc:"The share, in percent, over which they are held."`
	Names      []string  `json:"names" doc:"The first of them: \"web\", \"web/a\"."`
	Until      time.Time `json:"until,omitzero"`
}

// Away is a source that cannot be had, or cannot be used as it is.
type Away struct {
	Source string    `json:"source"`
	Error  string    `json:"error"`
	Copied time.Time `json:"copied,omitzero" doc:"When what counts of it came, where that is known."`
}

// Drift is a service whose backends stand in another order than the canonical one.
type Drift struct {
	Service string   `json:"service"`
	Name    string   `json:"name,omitempty"`
	Moves   []string `json:"backends_to_move" doc:"What 'gorb reorder' would take out and put back."`
	Moved   int      `json:"slots_moved" doc:"Of the scheduler's table."`
	Slots   int      `json:"slots"`
	About   bool     `json:"about" doc:"The number of slots is not exact."`
	Remark  string   `json:"remark,omitempty"`
}
