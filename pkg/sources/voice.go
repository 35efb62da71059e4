package sources

import "time"

const (
	// A voice says so many lines at once, and then one in so long; what is too much is said at debug level, and status
	// has it.
	breath = 20
	quiet  = 5 * time.Second
)

// voice keeps a log from being flooded by a source that flaps. It is a value and knows no clock.
type voice struct {
	left int       // lines that may be said at once
	at   time.Time // when left was true
}

func newVoice(now time.Time) voice { return voice{left: breath, at: now} }

// speaks says whether there is a line left, and takes it.
func (v *voice) speaks(now time.Time) bool {
	if n := int(now.Sub(v.at) / quiet); n > 0 {
		v.left, v.at = min(breath, v.left+n), v.at.Add(time.Duration(n)*quiet)
	}
	if v.left == 0 {
		return false
	}
	v.left--
	return true
}

// again is when there is a line left.
func (v *voice) again() time.Time {
	if v.left > 0 {
		return v.at
	}
	return v.at.Add(quiet)
}
