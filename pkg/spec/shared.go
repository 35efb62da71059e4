package spec

import "maps"

// shared is a map that is never changed once made. One with a few changes shares the rest with it. The zero V is for what is
// not there.
type shared[K comparable, V any] struct {
	base, over map[K]V // what is in over counts
}

// maxOver is how many changes are kept beside the rest before a map is made anew. Each change costs a copy of those.
const maxOver = 256

func (m shared[K, V]) get(key K) V {
	if v, changed := m.over[key]; changed {
		return v
	}
	return m.base[key]
}

func (m shared[K, V]) with(changes map[K]V) shared[K, V] {
	if len(changes) == 0 {
		return m
	}
	over := make(map[K]V, len(m.over)+len(changes))
	maps.Copy(over, m.over)
	maps.Copy(over, changes)
	if len(over) <= maxOver {
		return shared[K, V]{m.base, over}
	}
	base := maps.Clone(m.base)
	maps.Copy(base, over)
	return shared[K, V]{base: base}
}
