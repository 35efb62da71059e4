package spec

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Document is what one source declares: decoded and checked alone, without defaults and not complete. It is never
// changed once made, and safe to share.
type Document struct {
	name     string
	format   Format
	text     string  // kept to find the line of a field when somebody asks
	at       path    // where in the configuration the text belongs; nil: it is the whole
	remote   bool    // it came from elsewhere, or a part did
	override *change // of which it is the body; nil: it is no override's
	empty    bool
	services bool // it has the key, if only an empty one
	declared declared
	sources  []SourceDecl
	includes []string
	env      func(string) (string, bool) // what stands for variables in the text; nil: it was not asked for

	parts  []*Document    // of a document that Join made; nil: it has a text of its own
	tables map[string]any // what it says beside services, for Join to see what is said twice

	faults Problems // what Decode found wrong; such a document cannot be used
	faulty faulty   // where
}

// Name returns the document's name as it was given to Decode.
func (d *Document) Name() string { return d.name }

// Is reports whether the document was decoded from this text.
func (d *Document) Is(data []byte) bool {
	return d.parts == nil && d.text == string(bytes.TrimPrefix(data, []byte(utf8BOM)))
}

// Empty reports whether there is not one key in the document. An empty [services] is a key: it says "none". A document
// that belongs at a path is never empty: it says that there is something.
func (d *Document) Empty() bool { return d.empty }

// Remote reports whether the document, or a part of it, came from elsewhere.
func (d *Document) Remote() bool { return d.remote }

// Sources returns the sources that the document declares, [[sources]], in order.
func (d *Document) Sources() []SourceDecl { return slices.Clone(d.sources) }

// Includes returns the patterns of files to read beside the document, in order.
func (d *Document) Includes() []string { return slices.Clone(d.includes) }

// Decode reads a document and checks it alone: syntax, keys, types and ranges. The name is what errors call it. The
// error is Problems, all of them together up to a limit. A UTF-8 byte order mark is skipped.
//
// Where the syntax is right and the rest is not, the document may be returned beside the error. It cannot be used, but
// Merge takes it, to say what else is wrong with the whole.
func Decode(name string, f Format, data []byte) (*Document, error) {
	return DecodeWith(name, f, data, Options{})
}

// DecodeWith is Decode for a document that is not whole, or not a file of the operator's own.
func DecodeWith(name string, f Format, data []byte, o Options) (*Document, error) {
	d := &Document{name: name, format: f, at: slices.Clone(o.At), remote: o.Origin == Remote}
	if p, bad := unreadable(data, cmp.Or(o.MaxSize, o.Origin.maxSize())); bad {
		return nil, d.problems(p)
	}
	d.text = string(bytes.TrimPrefix(data, []byte(utf8BOM)))

	c := checker{report: new(report), remote: o.Origin == Remote}
	root, err := d.parse(&c)
	if p := (pending{}); errors.As(err, &p) {
		return nil, d.problems(p)
	}
	if again := (redefined{}); errors.As(err, &again) { // the parsers return no other error
		*c.report = again.report
		for i := range c.found {
			c.found[i].path = slices.Concat(d.at, c.found[i].path)
		}
	}
	root = d.wrap(root)
	if c.expand(root, o) {
		d.env = o.Env
	}
	walkTable(&c, root, documentFields, d)
	d.beside(o.Dir)
	d.empty = len(root) == 0
	_, d.services = root["services"]
	if c.empty() {
		delete(root, "services")
		d.tables = root
		return d, nil
	}
	d.faults, d.faulty = c.problems([]*Document{d}), c.faulty()
	if c.more > 0 {
		return nil, d.faults // where the others are is not known
	}
	return d, d.faults
}

// schemaKey names the schema of a document to the editor that it is written with. It says nothing to gorb.
const schemaKey = "$schema"

// parse reads the text into a tree of map[string]any, whose root is what stands at d.at.
func (d *Document) parse(c *checker) (root map[string]any, err error) {
	switch d.format {
	case TOML:
		var retyped func(path) bool
		root, retyped, err = parseTOML(d.text)
		if retyped != nil {
			c.retyped = func(p path) bool { return len(p) > len(d.at) && retyped(p[len(d.at):]) }
		}
	case JSON:
		root, err = parseJSON(d.text, d.at, c.report)
	case YAML:
		root, err = parseYAML(d.text, d.at, c.report)
	default:
		err = pending{message: fmt.Sprintf("%q is not a format that gorb reads (toml, json, yaml)", string(d.format))}
	}
	if root == nil {
		root = make(map[string]any)
	}
	if _, ok := root[schemaKey].(string); ok && len(d.at) == 0 && d.format != TOML { // whose editors have a comment for it
		delete(root, schemaKey)
	}
	return root, err
}

// wrap puts a tree in the tables that lead to where it belongs.
func (d *Document) wrap(root map[string]any) map[string]any {
	if len(d.at) > 0 {
		d.fromGORB(root)
	}
	for _, key := range slices.Backward(d.at) {
		root = map[string]any{key: root}
	}
	return root
}

// problems returns the one problem that kept the document from being read.
func (d *Document) problems(p pending) Problems {
	at := slices.Concat(d.at, p.path)
	if len(at) > 0 {
		p.line = max(p.line, 1)
	}
	p.path = at
	problem := p.at(p.line)
	problem.Source = d.name
	return Problems{problem}
}

const utf8BOM = "\xef\xbb\xbf"

// unreadable says why data cannot be a document in any format, of at most so many bytes.
func unreadable(data []byte, most int) (pending, bool) {
	if len(data) > most {
		return pending{kind: KindLimit, message: fmt.Sprintf("%d bytes is over %d (%d MiB)", len(data), most, most>>20)}, true
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
