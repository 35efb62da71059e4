package spec

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// How many sources and patterns a document may have: each is a goroutine, and an open connection or file.
const (
	maxSources  = 100
	maxIncludes = 100
	maxHeaders  = 32
)

// declaredSource is what [[sources]] says of one.
type declaredSource struct {
	url, name                  opt[string]
	below, stale, env          opt[bool]
	format                     opt[Format]
	interval, timeout, settle  opt[time.Duration]
	wait, hold                 opt[time.Duration]
	caFile, certFile, keyFile  opt[string]
	bearerTokenFile, tokenFile opt[string]
	headerFiles                map[string]string
	datacenter, namespace      opt[string]
	maxRemoval                 opt[int]
	maxRemovalFloor            opt[uint32]
}

var sourceFields = fields[declaredSource]{
	"url":               func(c *checker, v any, d *declaredSource) { d.url = c.sourceURL(v) },
	"name":              func(c *checker, v any, d *declaredSource) { d.name = c.sourceName(v) },
	"below":             func(c *checker, v any, d *declaredSource) { d.below = c.boolean(v) },
	"format":            func(c *checker, v any, d *declaredSource) { d.format = oneOf(c, v, TOML, JSON, YAML) },
	"interval":          func(c *checker, v any, d *declaredSource) { d.interval = c.duration(v, time.Second, 24*time.Hour) },
	"timeout":           func(c *checker, v any, d *declaredSource) { d.timeout = c.duration(v, time.Second, 10*time.Minute) },
	"settle":            func(c *checker, v any, d *declaredSource) { d.settle = c.duration(v, 0, time.Minute) },
	"wait":              func(c *checker, v any, d *declaredSource) { d.wait = c.duration(v, time.Second, 10*time.Minute) },
	"ca_file":           func(c *checker, v any, d *declaredSource) { d.caFile = c.aFile(v) },
	"cert_file":         func(c *checker, v any, d *declaredSource) { d.certFile = c.aFile(v) },
	"key_file":          func(c *checker, v any, d *declaredSource) { d.keyFile = c.aFile(v) },
	"bearer_token_file": func(c *checker, v any, d *declaredSource) { d.bearerTokenFile = c.aFile(v) },
	"header_files":      func(c *checker, v any, d *declaredSource) { d.headerFiles = c.headerFiles(v) },
	"token_file":        func(c *checker, v any, d *declaredSource) { d.tokenFile = c.aFile(v) },
	"datacenter":        func(c *checker, v any, d *declaredSource) { d.datacenter = c.word(v, "a datacenter") },
	"namespace":         func(c *checker, v any, d *declaredSource) { d.namespace = c.word(v, "a namespace") },
	"stale":             func(c *checker, v any, d *declaredSource) { d.stale = c.boolean(v) },
	"env":               func(c *checker, v any, d *declaredSource) { d.env = c.boolean(v) },
	"max_removal":       func(c *checker, v any, d *declaredSource) { d.maxRemoval = c.percent(v) },
	"max_removal_floor": func(c *checker, v any, d *declaredSource) { d.maxRemovalFloor = whole[uint32](c, v, 1, 1_000_000) },
	"hold":              func(c *checker, v any, d *declaredSource) { d.hold = c.duration(v, time.Second, maxDuration) },
}

// keysOf are the keys of a source that go with some kinds only.
var keysOf = map[string][]SourceKind{
	"format":            {FileSource, URLSource},
	"interval":          {URLSource},
	"timeout":           {URLSource, ConsulSource},
	"settle":            {ConsulSource},
	"wait":              {ConsulSource},
	"ca_file":           {URLSource, ConsulSource},
	"cert_file":         {URLSource, ConsulSource},
	"key_file":          {URLSource, ConsulSource},
	"bearer_token_file": {URLSource},
	"header_files":      {URLSource},
	"token_file":        {ConsulSource},
	"datacenter":        {ConsulSource},
	"namespace":         {ConsulSource},
	"stale":             {ConsulSource},
	"env":               {FileSource},
	"max_removal":       {URLSource, ConsulSource},
	"max_removal_floor": {URLSource, ConsulSource},
	"hold":              {URLSource, ConsulSource},
}

// sources expects an array of tables.
func (c *checker) sources(v any) []SourceDecl {
	c.describes(func(s *Schema) { s.MaxItems = maxSources })
	list, ok := c.list(v, "an array of tables, [[sources]]")
	if !ok {
		return nil
	}
	if len(list) > maxSources {
		c.kindf(KindOver, "%d is over %d of them", len(list), maxSources)
		return nil
	}
	var all []SourceDecl
	names := make(map[string]int, len(list))
	for i, v := range list {
		c.at = append(c.at, indexKey(i))
		if s, ok := c.source(v); ok {
			if first, twice := names[s.Name]; twice {
				c.kindf(KindTwice, "source %s is sources[%d] already; a name of its own tells them apart", quote(s.Name), first)
			} else {
				names[s.Name] = i
			}
			all = append(all, s)
		}
		c.at = c.at[:len(c.at)-1]
	}
	return all
}

// source expects the table of a source.
func (c *checker) source(v any) (SourceDecl, bool) {
	var d declaredSource
	walkKind(c, v, "source", sourceFields, &d)
	c.describes(func(s *Schema) { s.Required = []string{"url"} })
	table, ok := v.(map[string]any)
	if !ok {
		return SourceDecl{}, false
	}
	if _, there := table["url"]; !there {
		c.kindf(KindMissing, "url is missing; a source needs one")
	}
	if !d.url.set {
		return SourceDecl{}, false
	}
	c.combination(table, &d)
	return d.complete(), true
}

// keyf reports at a key of the table that the walk is at what does not go together.
func (c *checker) keyf(key, format string, args ...any) {
	c.at = append(c.at, key)
	c.kindf(KindCombination, format, args...)
	c.at = c.at[:len(c.at)-1]
}

// combination reports keys of a source that do not go together.
func (c *checker) combination(table map[string]any, d *declaredSource) {
	kind := kindOf(d.url.value)
	for _, key := range sortedKeys(table) {
		if kinds, known := keysOf[key]; known && !slices.Contains(kinds, kind) {
			c.keyf(key, "it goes with %s, and this is %s", kindNames(kinds), kindNames([]SourceKind{kind}))
		}
	}
	has := func(key string) bool { _, ok := table[key]; return ok }
	for _, pair := range [][2]string{{"cert_file", "key_file"}, {"key_file", "cert_file"}} {
		if has(pair[0]) && !has(pair[1]) {
			c.keyf(pair[0], "it needs a %s", pair[1])
		}
	}
	for _, key := range []string{"ca_file", "cert_file", "key_file"} {
		if has(key) && strings.HasPrefix(d.url.value, "http://") {
			c.keyf(key, "it goes with https, and the url says http")
		}
	}
	if d.headerFiles["Authorization"] != "" && has("bearer_token_file") {
		c.keyf("bearer_token_file", "header_files has an Authorization already")
	}
}

// kindNames says what kinds of source there are, in an operator's words.
func kindNames(kinds []SourceKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = map[SourceKind]string{
			FileSource: "a file or directory", URLSource: "an http or https URL", ConsulSource: "Consul",
		}[k]
	}
	return strings.Join(words, " or ")
}

// aFile is file for a key that would better be left out than be empty.
func (c *checker) aFile(v any) opt[string] {
	c.describes(func(s *Schema) { s.MinLength = 1 })
	f := c.file(v)
	if f.set && f.value == "" {
		c.addf("\"\" is no file; leave the key out for none")
		return opt[string]{}
	}
	return f
}

// word expects what may name something of Consul's.
func (c *checker) word(v any, what string) opt[string] {
	c.describes(func(s *Schema) { s.Pattern = namePattern })
	s, ok := c.text(v, "the name of "+what)
	if ok && !isName(s) {
		c.addf("%s is not the name of %s", quote(s), what)
		ok = false
	}
	return opt[string]{s, ok}
}

// sourceName expects what a source is called in status and on the command line.
func (c *checker) sourceName(v any) opt[string] {
	c.describes(func(s *Schema) { s.MinLength, s.MaxLength = 1, 256 })
	s, ok := c.text(v, "a name")
	if ok && (strings.TrimSpace(s) != s || s == "" || len(s) > 256) {
		c.addf("%s: a source's name is 1 to 256 bytes, without space around it", quote(s))
		ok = false
	}
	return opt[string]{s, ok}
}

// headerFiles expects a table of headers and the files that have their values.
func (c *checker) headerFiles(v any) map[string]string {
	if c.draftTexts(tokenPattern, maxHeaders, func(s *Schema) { s.text("", 1, maxPath) }) {
		return nil
	}
	table, ok := c.table(v)
	if !ok {
		return nil
	}
	if len(table) > maxHeaders {
		c.kindf(KindOver, "%d is over %d of them", len(table), maxHeaders)
		return nil
	}
	files := make(map[string]string, len(table))
	for _, key := range sortedKeys(table) {
		c.at = append(c.at, key)
		name, why := headerName(key)
		if _, twice := files[name]; twice && why == "" {
			why = fmt.Sprintf("header %s is there already; case does not matter", name)
		}
		if why != "" {
			c.addf("%s", why)
		} else if f := c.aFile(table[key]); f.set {
			files[name] = f.value
		}
		c.at = c.at[:len(c.at)-1]
	}
	return files
}

// includes expects an array of patterns.
func (c *checker) includes(v any) []string {
	return c.texts(v, `an array of patterns such as ["conf.d/*.toml"]`, maxIncludes, func(v any) opt[string] {
		s := c.aFile(v)
		if !s.set {
			return s
		}
		_, err := filepath.Match(s.value, "")
		switch {
		case kindOf(s.value) != FileSource || strings.Contains(s.value, "://"):
			c.addf("%s is no file; [[sources]] is for what is read from elsewhere", quote(redact(s.value)))
		case err != nil:
			c.addf("%s is not a pattern: a [ has no ]", quote(s.value))
		default:
			return s
		}
		return opt[string]{}
	}).value
}
