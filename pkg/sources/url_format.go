package sources

import (
	"fmt"
	"mime"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// formats are the media types that name a format. YAML's is RFC 9512's; the others with x- and text/ are what servers
// sent before it.
var formats = map[string]spec.Format{
	"application/json":   spec.JSON,
	"text/json":          spec.JSON,
	"application/toml":   spec.TOML,
	"application/x-toml": spec.TOML,
	"text/toml":          spec.TOML,
	"text/x-toml":        spec.TOML,
	"application/yaml":   spec.YAML,
	"application/x-yaml": spec.YAML,
	"text/yaml":          spec.YAML,
	"text/x-yaml":        spec.YAML,
	"text/vnd.yaml":      spec.YAML,
}

// unspecific are the media types that servers give to what they do not know.
var unspecific = map[string]bool{
	"":                         true,
	"text/plain":               true,
	"application/octet-stream": true,
	"binary/octet-stream":      true,
}

// formatFor is the format of an answer: the declared one, or the Content-Type's, or that of the path's ending where the
// Content-Type is one that says nothing. Any other Content-Type is an error: it is that of a login page, not of a document.
func formatFor(declared spec.Format, contentType, path string) (spec.Format, error) {
	if declared != "" {
		return declared, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(contentType, ";") // a type with odd parameters is still that type
		media = strings.ToLower(strings.TrimSpace(media))
	}
	switch f, ok := formats[media]; {
	case ok:
		return f, nil
	case strings.HasSuffix(media, "+json"):
		return spec.JSON, nil
	case strings.HasSuffix(media, "+yaml"):
		return spec.YAML, nil
	case !unspecific[media]:
		return "", fmt.Errorf("Content-Type %s is none of toml, json and yaml; format says what it is", media)
	}
	if f, ok := spec.FormatOf(path); ok {
		return f, nil
	}
	return "", fmt.Errorf("neither its Content-Type (%s) nor the path's ending says whether it is toml, json or yaml; format does", orNone(media))
}

// orNone is text, or the word for none.
func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
