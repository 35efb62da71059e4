package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// encodeJSON writes a service's keys one a line, and a backend on one line.
func encodeJSON(services []Service) []byte {
	var b bytes.Buffer
	b.WriteString("{\n  \"services\": {")
	for i := range services {
		s := &services[i]
		fmt.Fprintf(&b, "%s\n    %s: {", comma(i), jsonString(s.Name))
		settings := s.settings()
		for j, setting := range settings {
			fmt.Fprintf(&b, "%s\n      %s: %s", comma(j), jsonString(setting.key), jsonValue(setting.value))
		}
		if len(s.Backends) > 0 {
			fmt.Fprintf(&b, "%s\n      \"backends\": {", comma(len(settings)))
			for j, backend := range s.byName() {
				fmt.Fprintf(&b, "%s\n        %s: %s", comma(j), jsonString(backend.Name), jsonValue(backend.settings()))
			}
			b.WriteString("\n      }")
		}
		b.WriteString("\n    }")
	}
	if len(services) > 0 {
		b.WriteString("\n  ")
	}
	b.WriteString("}\n}\n")
	return b.Bytes()
}

// comma returns what separates an element from the one before it.
func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

func jsonValue(v any) string {
	switch v := v.(type) {
	case string:
		return jsonString(v)
	case []string:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = jsonString(s)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []setting:
		b := []byte{'{'}
		for i, s := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(b, jsonString(s.key)+": "+jsonValue(s.value)...)
		}
		return string(append(b, '}'))
	}
	return fmt.Sprint(v)
}

// jsonString quotes a string without the escapes that only HTML needs.
func jsonString(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // cannot err: it is a string
	return string(bytes.TrimSpace(b.Bytes()))
}
