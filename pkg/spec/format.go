package spec

import (
	"path/filepath"
	"strings"
)

// Format is the syntax of a document.
type Format string

// The syntaxes that a document may have. All carry the same schema.
const (
	TOML Format = "toml"
	JSON Format = "json"
	YAML Format = "yaml"
)

// FormatOf returns the format that the ending of a file's name stands for: ".toml", ".json", ".yaml" or ".yml", in any
// case.
func FormatOf(name string) (Format, bool) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".toml":
		return TOML, true
	case ".json":
		return JSON, true
	case ".yaml", ".yml":
		return YAML, true
	}
	return "", false
}

// The sizes in bytes over which a document is refused unread.
const (
	MaxSize       = 64 << 20 // a local one: the largest director's is some 20 MB as gorb writes it
	MaxRemoteSize = 16 << 20 // one from elsewhere
)

// maxSize is the size over which a document of an origin is refused.
func (o Origin) maxSize() int {
	if o == Remote {
		return MaxRemoteSize
	}
	return MaxSize
}

// What a document may hold at most. The parsers recurse and keep something for every key, so these are checked
// before parsing. The largest director that gorb is designed for stays below each.
const (
	maxDepth     = 16        // tables and arrays inside one another; the schema needs 7
	maxItems     = 3 << 19   // keys, tables and array elements
	maxYAMLItems = 1 << 21   // in YAML, where keys and values are counted
	maxPathBytes = 128 << 20 // the full paths of all keys, written out: what the TOML parser keeps in memory
)
