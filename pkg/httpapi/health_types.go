package httpapi

import (
	"net/netip"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// HealthTotals is how the checks are as a whole.
type HealthTotals struct {
	Engine   Engine `json:"engine"`
	Backends Counts `json:"backends" doc:"Of all services; one of two services counts twice."`
	AllDown  Named  `json:"all_down" doc:"Services all of whose backends are down."`
	Waiting  Named  `json:"waiting" doc:"Services of which what is to leave waits."`
}

// Engine is how what makes the checks is itself.
type Engine struct {
	Probes int       `json:"probes" doc:"Different checks; backends that are checked in the same way share one."`
	Active int       `json:"active" doc:"Checks that are made now."`
	Queued int       `json:"queued" doc:"Checks that are due and wait for others to end."`
	Stuck  int       `json:"stuck" doc:"Checks that do not end though their timeout is over."`
	Unmade int       `json:"unmade" doc:"Backends whose last check could not be made."`
	Newest time.Time `json:"newest,omitzero" doc:"When the newest result came; none: there was none."`
	LateMS int64     `json:"late_ms" doc:"By how much the earliest of what is due is late."`
	// HangsMS is for how long nothing at all was done. Over some seconds nothing is judged any more.
	HangsMS int64 `json:"hangs_ms" doc:"For how long nothing at all was done. Over some seconds nothing is judged any more."`
}

// Named is how many services there are of a sort, and the names of the first.
type Named struct {
	Count int      `json:"count"`
	Names []string `json:"names"`
}

// Counts is how many backends are in which state.
type Counts struct {
	Up         int `json:"up"`
	Down       int `json:"down"`
	Unanswered int `json:"unanswered"`
	Unchecked  int `json:"unchecked"`
	Drained    int `json:"drained" doc:"Declared with weight 0, and counted nowhere else."`
}

// Health is how the backends of services are: what GET /health answers. It is of the declared services, by name.
type Health struct {
	Engine   *Engine         `json:"engine" doc:"Null: nobody makes checks."`
	Services []ServiceHealth `json:"services"`
}

// ServiceHealth is how the backends of a service are.
type ServiceHealth struct {
	ServiceState
	Backends []BackendHealth `json:"backends" doc:"By name."`
}

// ServiceState is how a service is, by its backends.
type ServiceState struct {
	Name     string         `json:"name"`
	Protocol spec.Protocol  `json:"protocol,omitempty" doc:"With host and port; a service has these or a mark."`
	Host     netip.Addr     `json:"host,omitzero"`
	Port     uint16         `json:"port,omitempty"`
	Fwmark   uint32         `json:"fwmark,omitempty"`
	Family   spec.Family    `json:"family,omitempty" doc:"With fwmark."`
	Counts   Counts         `json:"counts"`
	AllDown  bool           `json:"all_down" doc:"All of its backends have answered, that they are down."`
	OnDown   string         `json:"on_down" doc:"What becomes of one that is down: \"drain\", \"remove\"."`
	Waiting  *WaitingReason `json:"waiting,omitempty" doc:"None: nothing waits."`
}

// WaitingReason is why a removal or a lowering that is declared is not done yet: no backend that stays is up.
type WaitingReason struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero" doc:"When it is done all the same; none: that is not known yet."`
	Why   string    `json:"why"`
}

// HealthState is how a backend is.
type HealthState string

// The states.
const (
	Up         HealthState = "up"
	Down       HealthState = "down"
	Unanswered HealthState = "unanswered" // no check has been answered yet
	Unchecked  HealthState = "unchecked"  // it has no pulse, or nobody makes checks
)

// BackendHealth is how a backend is.
type BackendHealth struct {
	Name    string         `json:"name"`
	Address netip.AddrPort `json:"address"`
	Check   Check          `json:"check"`
	State   HealthState    `json:"state" enum:"up,down,unanswered,unchecked"`
	Since   time.Time      `json:"since,omitzero" doc:"Since when; none: it is not checked, or not yet."`
	Last    *CheckResult   `json:"last,omitempty" doc:"Of its newest check; none: there was none."`
	Good    int            `json:"good" doc:"How many of its last checks were good."`
	Of      int            `json:"of" doc:"Of how many."`
	Weight  uint32         `json:"declared_weight"`
	// Effective is what health gives it of that; none: what the kernel has, but no more than is declared.
	Effective *uint32 `json:"effective_weight,omitempty" doc:"What health gives it of that; none: what the kernel has, but no more than is declared."`
	Why       string  `json:"why,omitempty" doc:"In words, why that is not the declared one."`
}

// Check is how a backend is checked.
type Check struct {
	Type   string `json:"type" doc:"Of the pulse: none, tcp, http, https, exec."`
	Target string `json:"target,omitempty" doc:"In short: \"10.1.0.1:80\", \"10.1.0.1:80/health\", \"/usr/bin/check\"."`
}

// CheckResult is what came of a check.
type CheckResult struct {
	At      time.Time    `json:"at"`
	TookMS  float64      `json:"took_ms"`
	Outcome CheckOutcome `json:"outcome" enum:"ok,failed,unmade"`
	Text    string       `json:"text,omitempty" doc:"In words: \"HTTP 503, wanted 200\"."`
}

// CheckOutcome is what a check found.
type CheckOutcome string

// The outcomes.
const (
	CheckOK     CheckOutcome = "ok"
	CheckFailed CheckOutcome = "failed"
	CheckUnmade CheckOutcome = "unmade" // it could not be made, and says nothing of the backend
)
