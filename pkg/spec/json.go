package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// parseJSON parses a document that belongs at a path into a tree of map[string]any. Keys that stand twice in an object
// are reported; what makes the document unreadable is the error, a pending problem.
func parseJSON(text string, at path, r *report) (map[string]any, error) {
	if strings.TrimSpace(text) == "" {
		return nil, pending{message: `the file is empty; {"services": {}} says that there are none`}
	}
	// Syntax is encoding/json's to judge, which it does without recursion. The reader can then trust the text.
	if data := []byte(text); !json.Valid(data) {
		var raw json.RawMessage
		return nil, jsonProblem(text, json.Unmarshal(data, &raw))
	}
	in := jsonReader{text: text, line: 1, report: r, at: slices.Clone(at)}
	root := in.document()
	if in.limit != nil {
		return nil, *in.limit
	}
	table, ok := root.(map[string]any)
	if !ok {
		return nil, pending{line: 1, kind: KindType, message: shapeOf(root) + ", wanted an object"}
	}
	return table, nil
}

// jsonProblem puts encoding/json's error into gorb's form.
func jsonProblem(text string, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return pending{message: shorten(err.Error())}
	}
	message := syntax.Error()
	if strings.HasSuffix(message, "exceeded max depth") {
		message = fmt.Sprintf("nested over %d deep", maxDepth)
	}
	// The offset is one behind the byte that is wrong.
	return pending{line: lineAt(text, int(syntax.Offset)-1), message: message}
}

// jsonReader reads JSON whose syntax has been checked. encoding/json alone will not do: it keeps the last of two
// equal keys, and knows no lines.
type jsonReader struct {
	text   string
	pos    int
	line   int     // of pos
	see    visitor // nil: nobody wants to know
	report *report // nil: nobody wants to know
	limit  *pending

	at    path
	depth int
	items int
}

// document reads the whole text, up to a limit that is exceeded.
func (r *jsonReader) document() any { return r.value() }

// value reads one value. A table is a map[string]any, an array an []any.
func (r *jsonReader) value() any {
	r.space()
	switch r.text[r.pos] {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		return r.string()
	}
	start := r.pos
	for r.pos < len(r.text) && !strings.ContainsRune(",]} \t\r\n", rune(r.text[r.pos])) {
		r.pos++
	}
	switch word := r.text[start:r.pos]; word {
	case "true", "false":
		return word == "true"
	case "null":
		return nil
	default:
		if n, err := strconv.ParseInt(word, 10, 64); err == nil {
			return n
		}
		return json.Number(word)
	}
}

func (r *jsonReader) object() map[string]any {
	table := make(map[string]any)
	r.elements('}', func() {
		key := r.string()
		line := r.line
		r.space()
		r.pos++ // the colon
		r.at = append(r.at, key)
		if r.see != nil {
			r.see(r.at, line, true)
		}
		value := r.value()
		if _, twice := table[key]; !twice {
			table[key] = value
		} else if r.report != nil {
			r.report.addLine(KindTwice, r.at, line, "the key is twice in its object")
		}
		r.at = r.at[:len(r.at)-1]
	})
	return table
}

func (r *jsonReader) array() []any {
	list := []any{}
	r.elements(']', func() {
		r.at = append(r.at, indexKey(len(list)))
		if r.see != nil {
			r.see(r.at, r.line, true)
		}
		list = append(list, r.value())
		r.at = r.at[:len(r.at)-1]
	})
	return list
}

// elements reads what stands between brackets, separated by commas.
func (r *jsonReader) elements(end byte, element func()) {
	r.pos++
	r.depth++
	if r.depth > maxDepth {
		r.exceed("nested over %d deep", maxDepth)
	}
	for r.limit == nil {
		r.space()
		if r.text[r.pos] == ',' {
			r.pos++
			r.space()
		}
		if r.text[r.pos] == end {
			r.pos++
			break
		}
		if r.items++; r.items > maxItems {
			r.exceed("over %d keys and values", maxItems)
			break
		}
		element()
	}
	r.depth--
}

func (r *jsonReader) exceed(format string, args ...any) {
	if r.limit == nil {
		r.limit = &pending{line: r.line, kind: KindLimit, message: fmt.Sprintf(format, args...)}
	}
}

// string reads a string, quotes included.
func (r *jsonReader) string() string {
	start := r.pos
	escaped := false
	for r.pos++; r.text[r.pos] != '"'; r.pos++ {
		if r.text[r.pos] == '\\' {
			escaped = true
			r.pos++
		}
	}
	r.pos++
	if !escaped {
		return r.text[start+1 : r.pos-1]
	}
	var s string
	_ = json.Unmarshal([]byte(r.text[start:r.pos]), &s) // cannot err: its syntax has been checked
	return s
}

func (r *jsonReader) space() {
	for r.pos < len(r.text) {
		switch r.text[r.pos] {
		case '\n':
			r.line++
		case ' ', '\t', '\r':
		default:
			return
		}
		r.pos++
	}
}
