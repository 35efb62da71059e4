package spec

import (
	"slices"
	"strings"
)

// SettingsOf returns what documents laid over one another say of the daemon and of the kernel's IPVS as a whole, that is
// beside services, [defaults], [[sources]] and include: for documents that do not say it. No problem has a place in it.
func SettingsOf(name string, docs ...*Document) *Document {
	own := layered(docs)
	own.services, own.defaults = nil, declaredDefaults{}
	return &Document{name: name, parts: []*Document{}, declared: own}
}

// LeftOut returns the keys of [gorb], [ipvs], [consul] and [probe] that documents say and others do not, in order, such as
// "gorb.interface".
func LeftOut(docs, others []*Document) []string {
	var left []string
	said := settingKeys(others)
	for _, key := range settingKeys(docs) {
		within := func(s string) bool { return key == s || strings.HasPrefix(key, s+".") || strings.HasPrefix(s, key+".") }
		if !slices.ContainsFunc(said, within) {
			left = append(left, key)
		}
	}
	return left
}

// settingKeys are the keys that documents say in the tables of settings.
func settingKeys(docs []*Document) []string {
	var keys []string
	for _, d := range leaves(docs) {
		for _, table := range []string{"consul", "gorb", "ipvs", "probe"} {
			if inner, is := d.tables[table].(map[string]any); is {
				keys = appendKeys(keys, path{table}, inner)
			}
		}
	}
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(key string) bool { return key == "gorb.env" }) // which is of its document
}

func appendKeys(keys []string, at path, table map[string]any) []string {
	for _, key := range sortedKeys(table) {
		here := append(at[:len(at):len(at)], key)
		if inner, is := table[key].(map[string]any); is {
			keys = appendKeys(keys, here, inner)
		} else {
			keys = append(keys, here.String())
		}
	}
	return keys
}
