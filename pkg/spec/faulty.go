package spec

import (
	"slices"
	"strings"
)

// faulty is where documents are wrong: the paths of what was reported and, for an unknown key, that of its table and "",
// because any key of that table may be what it was to be. What depends on a faulty field cannot be judged.
type faulty map[string]bool

// faulty returns where the problems of a report are.
func (r *report) faulty() faulty {
	f := make(faulty, len(r.found))
	for _, p := range r.found {
		f[p.path.String()] = true
		if p.kind == KindUnknownKey {
			f[append(slices.Clone(p.path[:len(p.path)-1]), "").String()] = true
		}
	}
	return f
}

// sound reports whether nothing is wrong with the given keys of a service, nor with what holds them or stands for them.
func (f faulty) sound(service string, keys ...string) bool {
	return len(f) == 0 || f.clean(path{"services", service}, keys) && f.clean(path{"defaults", "service"}, keys)
}

// soundBackend is sound for the keys of a backend.
func (f faulty) soundBackend(service, backend string, keys ...string) bool {
	return len(f) == 0 || f.clean(path{"services", service, "backends", backend}, keys) &&
		f.clean(path{"defaults", "backend"}, keys)
}

// clean reports whether nothing is wrong with the given keys of a table, the table, and those that it is in.
func (f faulty) clean(table path, keys []string) bool {
	for i := range table {
		if f[table[:i+1].String()] {
			return false
		}
	}
	return !slices.ContainsFunc(keys, func(key string) bool {
		return f[append(slices.Clone(table), key).String()]
	})
}

// under reports whether something is wrong within a table.
func (f faulty) under(table path) bool {
	if len(f) == 0 {
		return false
	}
	at := table.String()
	for wrong := range f {
		if rest, ok := strings.CutPrefix(wrong, at); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}
