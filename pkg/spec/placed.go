package spec

import (
	"maps"
	"slices"
)

// placed finds the places of what was reported about overrides, each laid over the documents. The texts are read once,
// however many overrides there are.
func placed(docs []*Document, all []*change, reports map[int]*report) map[int]Problems {
	order := slices.Sorted(maps.Keys(reports))
	var paths []path
	for _, i := range order {
		for _, p := range reports[i].found {
			paths = append(paths, p.path)
		}
	}
	docs = leaves(docs)
	places := locate(docs, paths)
	out := make(map[int]Problems, len(reports))
	for _, i := range order {
		n := len(reports[i].found)
		out[i] = all[i].problems(reports[i], docs, paths[:n], places[:n])
		paths, places = paths[n:], places[n:]
	}
	return out
}

// problems places what was reported about an override: in it, where it has the field, else in the documents.
func (c *change) problems(r *report, docs []*Document, paths []path, places []place) Problems {
	for i, own := range locate([]*Document{c.doc}, paths) {
		if own.line > 0 && (own.depth >= places[i].depth || c.doc.replaces(paths[i])) {
			own.layer = len(docs)
			places[i] = own
		}
	}
	return r.placed(append(slices.Clip(docs), c.doc), places)
}
