package httpapi

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

const (
	// mostSaid lines of a kind may be in the log at once, and one more with each sayEvery that goes by.
	mostSaid = 10
	sayEvery = 10 * time.Second
)

// voice says one kind of thing in the log, however often clients cause it. It may be used from anywhere.
type voice struct {
	limit  *rate.Limiter
	unsaid atomic.Int64 // lines that are left out
}

func newVoice() *voice { return &voice{limit: rate.NewLimiter(rate.Every(sayEvery), mostSaid)} }

// may reports whether there may be a line now; else it counts as left out.
func (v *voice) may(now time.Time) bool {
	if v.limit.AllowN(now, 1) {
		return true
	}
	v.unsaid.Add(1)
	return false
}

// say ends a line that may be, with how many others were left out before it.
func (v *voice) say(e *zerolog.Event, message string) {
	if n := v.unsaid.Swap(0); n > 0 {
		e = e.Int64("others", n)
	}
	e.Msg(message)
}
