package spec

import (
	"path/filepath"
	"strings"
)

// Format is the syntax of a document.
type Format string

// The syntaxes that a document may have. Both carry the same schema.
const (
	TOML Format = "toml"
	JSON Format = "json"
)

// FormatOf returns the format that the ending of a file's name stands for: ".toml" or ".json", in any case.
func FormatOf(name string) (Format, bool) {
	for _, f := range []Format{TOML, JSON} {
		if strings.EqualFold(filepath.Ext(name), "."+string(f)) {
			return f, true
		}
	}
	return "", false
}

// MaxSize is the size in bytes over which a document is refused unread.
const MaxSize = 16 << 20

// What a document may hold at most. Both parsers recurse and keep something for every key, so these are checked
// before parsing. The largest director that gorb is designed for stays below each.
const (
	maxDepth     = 16        // tables and arrays inside one another; the schema needs 7
	maxItems     = 3 << 19   // keys, tables and array elements
	maxPathBytes = 128 << 20 // the full paths of all keys, written out: what the TOML parser keeps in memory
)
