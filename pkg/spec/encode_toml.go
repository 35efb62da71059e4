package spec

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

func encodeTOML(services []Service, comment string) []byte {
	var b bytes.Buffer
	if comment != "" {
		for line := range strings.Lines(comment) {
			fmt.Fprintln(&b, strings.TrimRight("# "+strings.Map(printable, line), " "))
		}
		b.WriteByte('\n')
	}
	if len(services) == 0 {
		b.WriteString("[services]\n")
	}
	for i := range services {
		s := &services[i]
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[services.%s]\n", keyString(s.Name))
		tomlSettings(&b, s.settings())
		for _, backend := range s.byName() {
			fmt.Fprintf(&b, "\n[services.%s.backends.%s]\n", keyString(s.Name), keyString(backend.Name))
			tomlSettings(&b, backend.settings())
		}
	}
	return b.Bytes()
}

// printable maps what may not stand in a comment to space.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// tomlSettings writes settings, one a line.
func tomlSettings(b *bytes.Buffer, settings []setting) {
	for _, s := range settings {
		fmt.Fprintf(b, "%s = %s", keyString(s.key), tomlValue(s.value))
		if s.remark != "" {
			fmt.Fprintf(b, " # %s", s.remark)
		}
		b.WriteByte('\n')
	}
}

func tomlValue(v any) string {
	switch v := v.(type) {
	case string:
		return tomlString(v)
	case []string:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = tomlString(s)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []setting:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = keyString(s.key) + " = " + tomlValue(s.value)
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return fmt.Sprint(v)
}

// tomlString writes a basic string. Go's quoting will not do: TOML has no "\a" or "\v".
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
