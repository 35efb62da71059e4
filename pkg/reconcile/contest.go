package reconcile

import (
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
)

const (
	// addressWait is how long a change of an address is left to settle: a tool that sets up an interface makes many.
	addressWait = 50 * time.Millisecond
	// contestEnd is how long nobody must have taken an address away for the waits to be short again.
	contestEnd = time.Minute
	// contestSaid is how often in a row an address is put back before the log says that it is contested.
	contestSaid = 5
)

// contest slows gorb down where another program takes away the addresses that it puts back: the wait doubles with every
// time, up to maxRetry. The zero value is that of peace.
type contest struct {
	losses int // how often in a row an address was put back
	last   time.Time
}

// wait returns how long to wait before the next look at the addresses.
func (c *contest) wait(now time.Time) time.Duration {
	if now.Sub(c.last) >= contestEnd {
		c.losses = 0
	}
	return min(addressWait<<min(c.losses, 10), maxRetry)
}

// lost takes in what a pass did. It reports whether now is the time to say that somebody contests the addresses. A pass
// that no change of an address caused may add one for other reasons, but it may not end a contest either.
func (c *contest) lost(now time.Time, why cause, r *Report) bool {
	put := slices.ContainsFunc(r.Results, func(res Result) bool {
		return res.Host != nil && res.Host.Kind == kernel.AddAddress && res.Err == nil
	})
	if !put || why != causeAddress && c.losses == 0 {
		return false
	}
	c.last = now
	if why == causeAddress {
		c.losses++
	}
	return why == causeAddress && c.losses == contestSaid
}
