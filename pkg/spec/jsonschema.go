package spec

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// Schema is a JSON Schema (draft 2020-12), or a part of one. It has the keywords that the configuration needs.
type Schema struct {
	Dialect     string `json:"$schema,omitempty"`
	Ref         string `json:"$ref,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`

	Type  Types     `json:"type,omitempty"`
	Enum  []string  `json:"enum,omitempty"`
	AnyOf []*Schema `json:"anyOf,omitempty"`
	Not   *Schema   `json:"not,omitempty"`

	MinLength int    `json:"minLength,omitempty"`
	MaxLength int    `json:"maxLength,omitempty"`
	Pattern   string `json:"pattern,omitempty"`
	Minimum   *int64 `json:"minimum,omitempty"`
	Maximum   *int64 `json:"maximum,omitempty"`

	MinItems int     `json:"minItems,omitempty"`
	MaxItems int     `json:"maxItems,omitempty"`
	Items    *Schema `json:"items,omitempty"`

	MaxProperties int                `json:"maxProperties,omitempty"`
	Required      []string           `json:"required,omitempty"`
	Properties    map[string]*Schema `json:"properties,omitempty"`
	PropertyNames *Schema            `json:"propertyNames,omitempty"`
	// AdditionalProperties is false, or a *Schema; nil: there may be any.
	AdditionalProperties any `json:"additionalProperties,omitempty"`

	Default any                `json:"default,omitempty"`
	Defs    map[string]*Schema `json:"$defs,omitempty"`
}

// Types are the types that a value may have: JSON's words, one or several.
type Types []string

// MarshalJSON writes one type as a string, several as an array.
func (t Types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// dialect is the draft that the schema is written in.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// ConfigSchema returns the JSON Schema of the configuration: of what Decode takes, of all formats. It is made of the
// tables that Decode reads by, so that it has every key. What Decode accepts it accepts; it knows less of what is in a
// string, and nothing of keys that do not go together.
//
// In strings it takes the environment's variables, for files that ask for them. It is the caller's own.
func ConfigSchema() *Schema {
	d := newDraft("#/$defs/")
	root := d.document()
	d.defs[variable] = &Schema{
		Description: "A string with the environment's ${NAME} in it, where [gorb] or the source says env = true.",
		Type:        Types{"string"},
		Pattern:     `\$\{`,
	}
	root.Defs = d.defs
	root.admitVariables()
	root.Dialect = dialect
	return root
}

// JSONSchema returns ConfigSchema as JSON.
func JSONSchema() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(ConfigSchema()) // cannot err: it has nothing but strings, numbers and booleans
	return b.Bytes()
}

// Definitions returns the parts of the schema by name, for a document that has places of its own for them: "service" and
// "backend", which are what PUT takes, "service_patch" and "backend_patch", which are the same as a merge patch,
// "configuration", which is a whole document, and what these refer to. References are the prefix, such as
// "#/components/schemas/", and a name. They are the caller's own.
func Definitions(prefix string) map[string]*Schema {
	d := newDraft(prefix)
	d.defs["configuration"] = d.document()
	patch := newDraft(prefix)
	patch.patch = true
	patch.document()
	for _, kind := range []string{"service", "backend", "pulse", "args"} {
		d.defs[kind+patched] = patch.defs[kind+patched]
	}
	return d.defs
}

// variable is the definition of a string with a variable in it, and patched the end of the names of merge patches.
const (
	variable = "variable"
	patched  = "_patch"
)

// admitVariables has strings that are bound to a form be variables as well: what stands for those is not known here.
func (s *Schema) admitVariables() {
	switch {
	case s.Enum != nil && slices.Equal(s.Type, Types{"string"}):
		s.AnyOf, s.Enum = []*Schema{{Enum: s.Enum}, {Ref: "#/$defs/" + variable}}, nil
	case s.Pattern != "":
		s.Pattern += `|\$\{`
	}
	for _, part := range s.parts() {
		part.admitVariables()
	}
}

// parts are the schemas of the values within, and alternatives. Names are no values.
func (s *Schema) parts() []*Schema {
	parts := slices.Clone(s.AnyOf)
	if s.Items != nil {
		parts = append(parts, s.Items)
	}
	if rest, ok := s.AdditionalProperties.(*Schema); ok {
		parts = append(parts, rest)
	}
	parts = slices.AppendSeq(parts, maps.Values(s.Properties))
	return slices.AppendSeq(parts, maps.Values(s.Defs))
}

// between bounds a number.
func (s *Schema) between(lo, hi int64) { s.Minimum, s.Maximum = &lo, &hi }

// text is a string of a form and a length, in characters; "" and 0 leave them open.
func (s *Schema) text(pattern string, least, most int) {
	s.Type, s.Pattern, s.MinLength, s.MaxLength = Types{"string"}, pattern, least, most
}

// words is a string that is one of a few.
func (s *Schema) words(words []string) { s.Type, s.Enum = Types{"string"}, words }
