package probe

import (
	"context"
	"time"
)

// Ref names a backend of the configuration.
type Ref struct{ Service, Backend string }

// Result is what came of one check.
type Result struct {
	Outcome Outcome
	Text    string        // in words: "connect: connection refused", "HTTP 503, wanted 200"; "" where it is OK
	At      time.Time     // when the check ended; it has a monotonic reading
	Took    time.Duration // from the start of the check
}

// Outcome is what a check found.
type Outcome uint8

// The outcomes.
const (
	// Unmade is a check that could not be made, for want of descriptors, say: it says nothing of the backend.
	Unmade Outcome = iota
	OK
	Failed
)

// A Checker makes checks of one kind, of one target. Check comes back before the deadline of ctx, or just after; a
// connection, a process or anything else that it began has ended then. It may be called again, not at the same time.
type Checker interface {
	Check(ctx context.Context, t *Trace) Result
}

// Trace takes down what a check does, step by step, for `gorb probe`. Nil takes nothing down.
type Trace struct {
	Steps []Step
}

// Step is one thing that a check did.
type Step struct {
	At   time.Duration // since the start of the check
	Text string        // "connected to 10.1.0.1:80 from 10.1.0.254:40312"
}

// Status is how a backend is.
type Status uint8

// The statuses.
const (
	Unanswered Status = iota // no check has been answered yet
	Up
	Down
)

// Policy is how the results of a backend are judged. All durations are over 0 unless they say otherwise.
type Policy struct {
	Interval     time.Duration // from the start of a check to that of the next
	FastInterval time.Duration // the same while a change is being confirmed by Rise or Fall
	Timeout      time.Duration // of one check
	Rise, Fall   int           // how many successes, or failures, in a row make a change; at least 1
	Backoff      float64       // by what the interval grows with each failure while the backend is down; 1: it does not
	MaxInterval  time.Duration // and up to where

	Initial     Initial
	InitialWait time.Duration // how long an unanswered backend waits for its weight; 0: until it is answered

	Restore   Restore
	Window    int           // of Gradual: of how many checks the share counts; at least 1
	SlowStart time.Duration // of SlowStart: how long until the whole weight
}

// Initial is what an unanswered backend has.
type Initial uint8

// The ways to begin.
const (
	AsKernel    Initial = iota // no more than the kernel gives it; nothing if it is new
	InitialUp                  // its weight
	InitialDown                // nothing
)

// Restore is how a backend that has come up gets its weight back.
type Restore uint8

// The ways to restore.
const (
	Gradual   Restore = iota // the share of successes among the last Window checks, and at least 1
	SlowStart                // linear over a duration
	Immediate
)
