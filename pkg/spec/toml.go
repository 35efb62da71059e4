package spec

import (
	"errors"
	"strings"

	"github.com/BurntSushi/toml"
)

// parseTOML parses a document into a tree of map[string]any. The error is a pending problem or, beside the tree,
// redefined. The function that it returns, if any, says of a table whether the text also gives its name a plain value,
// which the parser drops without a word where the table came first.
func parseTOML(text string) (root map[string]any, retyped func(path) bool, err error) {
	reader := tomlReader{tomlScanner: tomlScanner{text: text, line: 1}}
	if root, ok := reader.document(); ok {
		return root, nil, reader.redefinitions()
	}
	if err := reader.mistake(); err != nil {
		return nil, nil, err
	}
	return judgeTOML(text)
}

// judgeTOML is parseTOML by the parser alone, which takes ten times as long and knows all of TOML.
func judgeTOML(text string) (root map[string]any, retyped func(path) bool, err error) {
	scan := tomlScanner{text: text, line: 1}
	whole := scan.document()
	if scan.limit != nil {
		return nil, nil, *scan.limit
	}
	if !whole {
		// The text is broken here. The parser knows to say how, but is given only what was scanned and the rest of
		// that line, so that nothing reaches it unguarded.
		text = text[:lineEnd(text, scan.pos)]
	}

	defer func() {
		if r := recover(); r != nil { // the parser panics where it finds a bug in itself
			root, err = nil, pending{line: scan.line, message: "the TOML parser cannot read this"}
		}
	}()
	meta, err := toml.Decode(text, &root)
	if err != nil {
		return nil, nil, tomlProblem(text, err)
	}
	if !whole {
		return nil, nil, pending{line: scan.line, message: "this is not TOML"}
	}
	retyped = func(p path) bool {
		kind := meta.Type(p...)
		return kind != "" && kind != "Hash"
	}
	return root, retyped, nil
}

// lineEnd returns the end of the line that pos is in, or a point not far into a line that is too long to parse.
func lineEnd(text string, pos int) int {
	const far = 4096
	end := min(len(text), pos+far)
	if i := strings.IndexByte(text[pos:end], '\n'); i >= 0 {
		return pos + i + 1
	}
	for end < len(text) && end > pos && text[end]&0xc0 == 0x80 { // not within a rune
		end--
	}
	return end
}

// tomlProblem puts the parser's error into gorb's form.
func tomlProblem(text string, err error) error {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return pending{message: shorten(err.Error())}
	}
	message := strings.TrimSuffix(strings.TrimSpace(parse.Message), ".")
	if rest, ok := strings.CutPrefix(message, "Key '"); ok {
		message = "key '" + rest
	}
	value, rest, _ := strings.Cut(message, " is out of range")
	p := pending{message: shorten(message)}
	// Position.Line is where the parser stopped, often a line late; Start is where the trouble begins.
	p.line = lineAt(text, parse.Position.Start)
	if rest != "" { // it is about a value, and LastKey is its path
		p.path, _ = parsePath(parse.LastKey)
		p.message = shorten(value) + " is out of range" + rest
	}
	return p
}

// parsePath reads a path as path.String writes it.
func parsePath(s string) (path, bool) {
	scan := tomlScanner{text: s, line: 1}
	if !scan.key(0) || scan.pos < len(s) {
		return nil, false
	}
	return scan.at, true
}
