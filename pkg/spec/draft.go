package spec

import (
	"slices"
	"strings"
	"time"
)

// draft is what a checker writes down that has no document to check, and is asked what it would take. Its readers are
// called once for each key, with no value, and each says what a value has to be. So a key that is read is in the schema.
type draft struct {
	at       *Schema            // of the value that the walk is at
	defs     map[string]*Schema // by name, the tables that stand in several places
	prefix   string             // of references
	patch    bool               // of merge patches: null takes a value away
	defaults map[string]any     // by place, see keyPlace
}

func newDraft(prefix string) *draft {
	return &draft{defs: make(map[string]*Schema), prefix: prefix, defaults: schemaDefaults()}
}

// document returns what a whole document is.
func (d *draft) document() *Schema {
	d.at = new(Schema)
	root := d.at
	walkTable(&checker{report: new(report), draft: d}, nil, documentFields, nil)
	root.Title = "gorb: the configuration"
	root.Properties[schemaKey] = &Schema{
		Description: "Where the schema is, for editors; gorb does not look at it. In JSON and YAML only.",
		Type:        Types{"string"},
	}
	return root
}

// describes reports whether the checker is only asked what it takes, and then has that written down.
func (c *checker) describes(write func(s *Schema)) bool {
	if c.draft == nil {
		return false
	}
	write(c.draft.at)
	return true
}

// drafted returns what read says of a value.
func (d *draft) drafted(read func()) *Schema {
	around, s := d.at, new(Schema)
	d.at = s
	read()
	d.at = around
	return s
}

// draftTable says that a value is a table with the keys that the schema gives.
func draftTable[T any](c *checker, known fields[T]) {
	table := c.draft.at
	table.Type, table.AdditionalProperties = Types{"object"}, false
	table.Properties = make(map[string]*Schema, len(known))
	for _, key := range sortedKeys(known) {
		c.at = append(c.at, key)
		s := c.draft.drafted(func() { known[key](c, nil, new(T)) })
		c.draft.annotate(c.at, s)
		table.Properties[key] = s
		c.at = c.at[:len(c.at)-1]
	}
}

// draftNamed says that a value is a table whose keys are names.
func draftNamed[T any](c *checker, kind string, known fields[T]) {
	table := c.draft.at
	table.Type, table.PropertyNames = Types{"object"}, &Schema{Pattern: namePattern, Not: &Schema{Enum: []string{".", ".."}}}
	table.AdditionalProperties = c.draft.nullable(c.draft.drafted(func() { draftKind(c, kind, known) }))
}

// draftKind says that a value is a table of a kind that stands in several places, under whose name it is kept.
func draftKind[T any](c *checker, kind string, known fields[T]) {
	d, name := c.draft, kind
	if d.patch {
		name += patched
	}
	d.at.Ref = d.prefix + name
	if _, there := d.defs[name]; there {
		return
	}
	d.defs[name] = nil // while it is made
	around := c.at
	c.at = path{kind}
	d.defs[name] = d.drafted(func() { draftTable(c, known) })
	c.at = around
}

// draftTexts says that a value is a table of up to so many strings. The names have a form, and value says of the strings
// what they are.
func (c *checker) draftTexts(names string, most int, value func(s *Schema)) bool {
	if c.draft == nil {
		return false
	}
	table := c.draft.at
	table.Type, table.PropertyNames, table.MaxProperties = Types{"object"}, &Schema{Pattern: names}, most
	table.AdditionalProperties = c.draft.nullable(c.draft.drafted(func() { value(c.draft.at) }))
	return true
}

// draftEither says that a value is one of two things.
func (c *checker) draftEither(one, other func()) {
	c.draft.at.AnyOf = []*Schema{c.draft.drafted(one), c.draft.drafted(other)}
}

// keyPlace names a key by the table that it stands in: "service.port", "gorb.vip_interface.name".
func keyPlace(at path) string {
	keys := slices.DeleteFunc(slices.Clone(at), func(key string) bool { return strings.HasPrefix(key, indexMark) })
	return strings.Join(keys, ".")
}

// annotate adds to the schema of a key what it is for.
func (d *draft) annotate(at path, s *Schema) {
	key := keyPlace(at)
	what := sentences[key]
	if own, ok := strings.CutPrefix(key, "defaults."); ok && what == "" { // the same as of those that it is for
		key = own
		what = sentences[key]
	}
	s.Description = strings.TrimSpace(what + " " + s.Description)
	if d.patch {
		d.nullable(s)
		return
	}
	s.Default = d.defaults[key]
}

// nullable has a value be null as well, in a merge patch.
func (d *draft) nullable(s *Schema) *Schema {
	switch {
	case !d.patch:
	case s.Type == nil || s.Enum != nil:
		plain := *s
		plain.Description = ""
		*s = Schema{Description: s.Description, AnyOf: []*Schema{&plain, {Type: Types{"null"}}}}
	default:
		s.Type = append(s.Type, "null")
	}
	return s
}

// Forms of strings, for engines of ECMA 262 and of RE2 alike. Each takes all that the reader takes, and perhaps more.
const (
	namePattern  = `^[A-Za-z0-9._:@-]{1,128}$`
	tokenPattern = "^[!#$%&'*+.^`|~0-9A-Za-z_-]+$" // RFC 9110 section 5.6.2
	octetPattern = `(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	ipv4Pattern  = octetPattern + `(\.` + octetPattern + `){3}`
	ipv6Pattern  = `[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*`
	bitsPattern  = `0*(12[0-8]|1[01][0-9]|[1-9]?[0-9])`

	addressPattern = `^(` + ipv4Pattern + `|` + ipv6Pattern + `)$`
	prefixPattern  = `^(` + ipv4Pattern + `|` + ipv6Pattern + `)(/` + bitsPattern + `)?$`
	maskPattern    = `^(` + ipv4Pattern + `|/?` + bitsPattern + `)$`
	percentPattern = `^0*(100|[1-9]?[0-9])%$`
	rootedPattern  = `^(/|$)` // an absolute path, or nothing

	// Go's durations, and GORB's, with space around, as parseDuration takes them.
	durationPattern = `^[^0-9A-Za-z.+-]*[+-]?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+|` +
		`[0-9]+([sS]|[sS][eE][cC]|[sS][eE][cC][oO][nN][dD][sS]|[mM]|[mM][iI][nN]|[mM][iI][nN][uU][tT][eE][sS]|` +
		`[hH]|[hH][oO][uU][rR][sS]))[^0-9A-Za-z]*$`
)

// draftForm says that a value is a string of a form that many have, which is kept under a name.
func (c *checker) draftForm(name, what, pattern string) {
	c.draft.at.Ref = c.draft.prefix + name
	c.draft.defs[name] = &Schema{Description: what, Type: Types{"string"}, Pattern: pattern}
}

// draftAddress says that a value is an address.
func (c *checker) draftAddress() {
	c.draftForm("address", "An IPv4 or IPv6 address, such as \"10.0.0.1\"; no name.", addressPattern)
}

// draftDuration says that a value is a duration. JSON Schema has no range of those: it is said in words.
func (c *checker) draftDuration(lo, hi time.Duration) {
	c.draftForm("duration", "A duration with its unit, such as \"90s\", \"1m30s\" or \"1h\".", durationPattern)
	s, least := c.draft.at, "Over 0"
	if lo > 1 {
		least = "From " + formatDuration(lo)
	}
	if lo > 0 {
		s.Not = &Schema{Type: Types{"string"}, Pattern: `^[^1-9$]*$`} // nothing but zeros
		s.Description = least + " to " + formatDuration(hi) + "."
		return
	}
	s.Description = "Up to " + formatDuration(hi) + "."
}

// anyCase is the form of a word of which case does not matter.
func anyCase(words []string) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			b.WriteByte('|')
		}
		for _, r := range strings.ToLower(word) {
			b.WriteString("[" + string(r) + strings.ToUpper(string(r)) + "]")
		}
	}
	return "^(" + b.String() + ")$"
}
