package spec

import (
	"maps"
	"strings"
)

// draftExpect says what argExpect takes: a status, the beginning of an answer, or statuses and ranges.
func (s *Schema) draftExpect() {
	status := &Schema{Type: Types{"integer"}}
	status.between(100, 599)
	text := new(Schema)
	text.text("", 1, maxArg)
	several := &Schema{Type: Types{"integer", "string"}}
	several.between(100, 599)
	s.AnyOf = []*Schema{status, text, {Type: Types{"array"}, MinItems: 1, MaxItems: maxStatuses, Items: several}}
}

// draftSysctls says what sysctls takes: the settings that are known, in their ranges, and others.
func (c *checker) draftSysctls() {
	setting := Types{"integer", "boolean", "string"}
	known := make(map[string]*Schema, len(sysctls))
	for name := range maps.Keys(sysctls) {
		s := c.draft.drafted(func() { sysctls[name](c, "") })
		if s.Minimum != nil || s.Type == nil {
			s.Type = setting
		}
		known[name] = s
	}
	c.describes(func(s *Schema) {
		s.Type, s.Properties, s.MaxProperties = Types{"object"}, known, maxSysctls
		s.PropertyNames, s.AdditionalProperties = &Schema{Pattern: sysctlName.String()}, &Schema{Type: setting}
	})
}

// listOf is the form of words with | between, or nothing.
func listOf(words []string) string {
	one := `(` + strings.Join(words, `|`) + `)`
	return `^(` + one + `(\|` + one + `)*)?$`
}
