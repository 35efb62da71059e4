package spec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Document is what one source declares: decoded and checked alone, without defaults and not complete. It is never
// changed once made, and safe to share.
type Document struct {
	name     string
	format   Format
	text     string // kept to find the line of a field when somebody asks
	empty    bool
	services bool // it has the key, if only an empty one
	declared declared

	faults Problems // what Decode found wrong; such a document cannot be used
	faulty faulty   // where
}

// Name returns the document's name as it was given to Decode.
func (d *Document) Name() string { return d.name }

// Empty reports whether there is not one key in the document. An empty [services] is a key: it says "none".
func (d *Document) Empty() bool { return d.empty }

// Decode reads a document and checks it alone: syntax, keys, types and ranges. The name is what errors call it. The
// error is Problems, all of them together up to a limit. A UTF-8 byte order mark is skipped.
//
// Where the syntax is right and the rest is not, the document may be returned beside the error. It cannot be used, but
// Merge takes it, to say what else is wrong with the whole.
func Decode(name string, f Format, data []byte) (*Document, error) {
	d := &Document{name: name, format: f}
	if p, bad := unreadable(data); bad {
		return nil, d.problems(p)
	}
	d.text = string(bytes.TrimPrefix(data, []byte(utf8BOM)))

	var (
		root   map[string]any
		report report
		retype func(path) bool
		err    error
	)
	switch f {
	case TOML:
		root, retype, err = parseTOML(d.text)
	case JSON:
		root, err = parseJSON(d.text, &report)
	default:
		err = pending{message: fmt.Sprintf("%q is not a format that gorb reads (toml, json)", string(f))}
	}
	if p := (pending{}); errors.As(err, &p) { // the parsers return no other error
		return nil, d.problems(p)
	}

	c := checker{report: &report, retyped: retype}
	walkTable(&c, root, documentFields, &d.declared)
	d.empty = len(root) == 0
	_, d.services = root["services"]
	if report.empty() {
		return d, nil
	}
	d.faults, d.faulty = report.problems([]*Document{d}), report.faulty()
	if report.more > 0 {
		return nil, d.faults // where the others are is not known
	}
	return d, d.faults
}

// problems returns the one problem that kept the document from being read.
func (d *Document) problems(p pending) Problems {
	return Problems{{Source: d.name, Line: p.line, Path: p.path.String(), Message: p.message}}
}

const utf8BOM = "\xef\xbb\xbf"

// unreadable says why data cannot be a document in any format.
func unreadable(data []byte) (pending, bool) {
	if len(data) > MaxSize {
		return pending{message: fmt.Sprintf("%d bytes is over %d (16 MiB)", len(data), MaxSize)}, true
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return pending{line: 1, message: "the text is UTF-16; gorb reads UTF-8"}, true
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return pending{line: lineAt(string(data), i), message: "there is a NUL byte in the text"}, true
	}
	if utf8.Valid(data) {
		return pending{}, false
	}
	i := 0
	for {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return pending{line: lineAt(string(data), i), message: fmt.Sprintf("byte 0x%02x is not valid UTF-8", data[i])}, true
		}
		i += n
	}
}

// lineAt returns the line, counted from 1, of the byte at an offset.
func lineAt(text string, offset int) int {
	return 1 + strings.Count(text[:max(0, min(offset, len(text)))], "\n")
}
