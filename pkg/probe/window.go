package probe

import "math/bits"

// maxWindow is the most answers that are remembered of a backend.
const maxWindow = 10_000

// window remembers the newest answers of a backend, one bit each. It is a value: what copies of it share is never
// written to.
//
// The newest 128 are in the value itself. Older holds what they push out, by words of 64, and only as long as there is a
// failure among what is remembered: a backend that is well needs none.
type window struct {
	recent [2]uint64 // bit 0 of the first is the newest answer; 1 is a success
	older  []uint64  // the words before, newest first, from position 64+fill on; what is not in it was good
	n      uint16    // how many answers are remembered
	fill   uint8     // how many came since older was last made
}

// windowOf returns how many answers a policy wants remembered.
func windowOf(p Policy) int { return min(max(p.Window, 1), maxWindow) }

// push returns the window with one more answer, and of no more than size. What a smaller size drops is forgotten: a
// larger one later begins with what is left.
func (w window) push(ok bool, size int) window {
	w.recent[1] = w.recent[1]<<1 | w.recent[0]>>63
	w.recent[0] <<= 1
	if ok {
		w.recent[0]++
	}
	w.n = uint16(min(int(w.n)+1, size))
	if w.fill++; w.fill < 64 {
		return w
	}
	good, of := w.share(size)
	w.fill = 0
	if good == of {
		w.older = nil
		return w
	}
	// From now on older begins with position 64. It has one word where 128 are enough, for a window that is made larger.
	keep := min(len(w.older), (size-64)/64)
	older := make([]uint64, 1, 1+keep)
	older[0] = w.recent[1]
	w.older = append(older, w.older[:keep]...)
	return w
}

// share returns how many of the last size answers were good, and how many there are.
func (w window) share(size int) (good, of int) {
	of = min(int(w.n), size)
	good = ones(w.recent[0], of) + ones(w.recent[1], of-64)
	for at, i := 128, 64-int(w.fill); at < of; {
		word := ^uint64(0)
		if i/64 < len(w.older) {
			word = w.older[i/64]
		}
		word >>= i % 64
		size := 64 - i%64
		good += ones(word, min(of-at, size))
		at, i = at+size, i+size
	}
	return good, of
}

// ones counts the ones among the first n bits of a word.
func ones(word uint64, n int) int {
	switch {
	case n <= 0:
		return 0
	case n < 64:
		word &= 1<<n - 1
	}
	return bits.OnesCount64(word)
}
