package spec

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// path leads to a key from the root of a document: {"services", "web", "port"}. An element of an array is an indexKey.
type path []string

// indexMark begins a part of a path that is the index of an array's element. No key has it: it is not UTF-8.
const indexMark = "\xff"

// indexKey is the part of a path that leads to an element of an array.
func indexKey(i int) string { return indexMark + strconv.Itoa(i) }

// maxShown is how many bytes of a name or value a message repeats.
const maxShown = 160

// String writes the path as an operator types it in TOML: services."web.example".port; sources[1].url.
func (p path) String() string {
	var b strings.Builder
	for i, key := range p {
		if index, ok := strings.CutPrefix(key, indexMark); ok {
			b.WriteString("[" + index + "]")
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(keyString(key))
	}
	return b.String()
}

// within reports whether the path is that of a table or leads into it.
func (p path) within(table path) bool {
	return len(p) >= len(table) && slices.Equal(p[:len(table)], table)
}

// keyString quotes a key where TOML asks for it, and shortens one that no message should repeat in full.
func keyString(key string) string {
	if len(key) > maxShown {
		return strconv.Quote(shorten(key))
	}
	for i := range len(key) {
		if !isBareKey(key[i]) {
			return strconv.Quote(key)
		}
	}
	if key == "" {
		return `""`
	}
	return key
}

// shorten cuts a text after maxShown bytes, between runes where it has any.
func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	n := maxShown
	for n > maxShown-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// isBareKey reports whether c may stand in a TOML key without quotes.
func isBareKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// isName reports whether s may name a service or a backend: 1 to 128 of letters, digits and "._:@-", but not "." or
// "..", so that a name is one segment of a URL.
func isName(s string) bool {
	if s == "" || len(s) > 128 || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if !isBareKey(s[i]) && s[i] != '.' && s[i] != ':' && s[i] != '@' {
			return false
		}
	}
	return true
}
