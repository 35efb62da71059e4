package probe

// Health is what is known of the backends that are checked. One that is not in it has the zero Verdict: it waits for its
// first answer. So a backend that nobody checks is not to be looked up.
//
// It belongs to one goroutine, which is given changes by the engine.
type Health map[Ref]Verdict

// Change is what is new of one backend. Whoever gives a backend another declaration tells of it before, as unanswered or
// gone: the old verdict is not for the new backend.
type Change struct {
	Ref
	Verdict Verdict
	Gone    bool // it is not checked any more
}

// Apply takes a change into account, and reports whether it is one.
func (h Health) Apply(c Change) bool {
	was, known := h[c.Ref]
	switch {
	case c.Gone:
		delete(h, c.Ref)
		return known
	case known && was == c.Verdict:
		return false
	}
	h[c.Ref] = c.Verdict
	return true
}

// Counts is how many backends of a service are how.
type Counts struct {
	Up, Down, Unanswered int
	Unchecked            int // have no pulse, and count as up wherever that matters
	Drained              int // are declared with weight 0, and count nowhere else, however they are
	Kept                 int // are to leave, or are declared with weight 0, and serve until others are up
}

// AllDown reports whether a service has backends with a weight, all of them have answered, that they are down, and no other
// serves meanwhile.
func (c Counts) AllDown() bool { return c.Down > 0 && c.Up+c.Unanswered+c.Unchecked+c.Kept == 0 }
