package spec

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// parseYAML parses a document that belongs at a path into a tree of map[string]any. What YAML is known to be misread by
// is reported; what makes the document unreadable is the error, a pending problem.
//
// The library gives the nodes with their lines; what they mean is decided here, because YAML 1.1 and 1.2, and their
// readers, differ in what a plain word is.
func parseYAML(text string, at path, r *report) (map[string]any, error) {
	top, err := yamlNodes(text)
	if err != nil {
		return nil, err
	}
	if top == nil || absent(top) {
		return nil, nil // only comments
	}
	in := yamlReader{report: r, at: slices.Clone(at)}
	root := in.value(top)
	if in.limit != nil {
		return nil, *in.limit
	}
	table, ok := root.(map[string]any)
	if _, told := root.(reported); !ok && !told {
		return nil, pending{line: top.Line, kind: KindType, message: shapeOf(root) + ", wanted a table"}
	}
	return table, nil
}

// visitYAML tells of every key of a document.
func visitYAML(text string, see visitor) {
	top, err := yamlNodes(text)
	if err != nil || top == nil {
		return
	}
	in := yamlReader{see: see}
	in.value(top)
}

// yamlNodes returns the one document of a text; nil is none. The error is a pending problem.
func yamlNodes(text string) (top *yaml.Node, err error) {
	if yamlMarks(text) > maxYAMLItems {
		return nil, pending{kind: KindLimit, message: fmt.Sprintf("over %d keys and values", maxYAMLItems)}
	}
	defer func() {
		if recover() != nil {
			top, err = nil, pending{message: "the YAML parser cannot read this"}
		}
	}()
	loader, err := yaml.NewLoader(strings.NewReader(text), yaml.WithPlugin(yamlLimits{}))
	if err != nil {
		return nil, pending{message: err.Error()}
	}
	var doc, further yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, yamlProblem(text, err)
	}
	switch err := loader.Load(&further); {
	case err == nil:
		return nil, pending{line: further.Line, message: "a second document begins here (---), and there may be one"}
	case !errors.Is(err, io.EOF):
		return nil, yamlProblem(text, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// yamlLimits keeps the parser, which recurses, from depths that the reader refuses anyway. Aliases are never followed.
type yamlLimits struct{}

// CheckDepth is asked for each level.
func (yamlLimits) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > 2*maxDepth { // an indent more or less: the reader counts
		return errors.New(yamlTooDeep)
	}
	return nil
}

// CheckAlias has nothing against any: the reader refuses them.
func (yamlLimits) CheckAlias(int, int) error { return nil }

const yamlTooDeep = "too deep"

// yamlMarks counts what keys and values are marked by, of which there is at least one for each: the parser keeps some
// 250 bytes for one, so that the text tells what it would take.
func yamlMarks(text string) int {
	n := 0
	for i := range len(text) {
		switch text[i] {
		case '\n', ',', '[', '{':
			n++
		case ':', '-', '?':
			if i+1 == len(text) || strings.IndexByte(" \t\r\n,[]{}\"'", text[i+1]) >= 0 ||
				i > 0 && strings.IndexByte("\"'}]", text[i-1]) >= 0 {
				n++
			}
		}
	}
	return n
}

// yamlProblem puts the parser's error into gorb's form.
func yamlProblem(text string, err error) error {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return pending{message: shorten(err.Error())}
	}
	p := pending{line: load.Mark.Line, message: shorten(load.Message)}
	switch {
	case strings.Contains(load.Message, yamlTooDeep):
		p.message = fmt.Sprintf("nested over %d deep", maxDepth)
	case load.ContextMsg != "":
		p.message = shorten(load.ContextMsg + ": " + load.Message)
	}
	p.line = min(p.line, lineAt(text, len(strings.TrimRight(text, "\n")))) // the end may be a line too far
	if tabbed(text, p.line) {
		p.message = "a tab indents the line, and YAML indents with spaces"
	}
	return p
}

// tabbed reports whether there is a tab in the indent of a line, which the parser is not clear about.
func tabbed(text string, number int) bool {
	n := 0
	for line := range strings.Lines(text) {
		if n++; n == number {
			indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
			return strings.Contains(indent, "\t")
		}
	}
	return false
}

// yamlReader makes a tree of nodes.
type yamlReader struct {
	see    visitor // nil: nobody wants to know
	report *report // nil: nobody wants to know
	limit  *pending

	at    path
	depth int
	items int
}

// value reads one value. A table is a map[string]any, an array an []any; what was found wrong is reported{}.
func (r *yamlReader) value(n *yaml.Node) any {
	switch {
	case r.limit != nil:
		return nil
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return r.refuse(n, "anchors (&) and aliases (*) are refused; write the value out")
	case tagged(n):
		return r.refuse(n, "%s is a tag, and tags are refused; a string goes in quotes", shorten(n.Tag))
	}
	switch n.Kind {
	case yaml.MappingNode:
		return r.within(n, func() any { return r.mapping(n) })
	case yaml.SequenceNode:
		return r.within(n, func() any { return r.list(n) })
	}
	if n.Style != 0 { // quoted or a block
		return n.Value
	}
	v := plainYAML(n.Value)
	if trap, ok := v.(*yamlTrap); ok {
		return r.refuse(n, "%s is %s; %s", shorten(n.Value), trap.why, trap.instead)
	}
	return v
}

// absent reports whether a value was left out.
func absent(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 && n.Anchor == ""
}

// tagged reports whether a node has a tag, "!" included, which says that the rest is not to be understood.
func tagged(n *yaml.Node) bool { return n.Style&yaml.TaggedStyle != 0 || n.Tag == "!" }

// refuse reports a problem at the current path.
func (r *yamlReader) refuse(n *yaml.Node, format string, args ...any) any {
	if r.report != nil {
		r.report.addLine(KindSyntax, r.at, n.Line, format, args...)
	}
	return reported{}
}

// within reads what is in a table or an array.
func (r *yamlReader) within(n *yaml.Node, read func() any) any {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > maxDepth {
		return r.exceed(n, "nested over %d deep", maxDepth)
	}
	if r.items += len(n.Content); r.items > maxYAMLItems {
		return r.exceed(n, "over %d keys and values", maxYAMLItems)
	}
	return read()
}

func (r *yamlReader) exceed(n *yaml.Node, format string, args ...any) any {
	r.limit = &pending{line: n.Line, kind: KindLimit, message: fmt.Sprintf(format, args...)}
	return nil
}

func (r *yamlReader) mapping(n *yaml.Node) any {
	table := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, why := yamlKey(key)
		if before, _, ok := strings.Cut(name, ":"); ok && key.Style == 0 && absent(value) {
			why = fmt.Sprintf("%s is a key without a value; if it is to be %s, a space goes after the colon", quote(name), quote(before))
		}
		if why != "" {
			r.refuse(key, "%s", why)
			continue
		}
		r.at = append(r.at, name)
		if r.see != nil {
			r.see(r.at, key.Line, true)
		}
		v := r.value(value)
		if _, twice := table[name]; twice {
			r.refuse(key, "the key is twice in its table")
		} else {
			table[name] = v
		}
		r.at = r.at[:len(r.at)-1]
	}
	return table
}

func (r *yamlReader) list(n *yaml.Node) any {
	list := make([]any, len(n.Content))
	for i, element := range n.Content {
		r.at = append(r.at, indexKey(i))
		if r.see != nil {
			r.see(r.at, element.Line, true)
		}
		list[i] = r.value(element)
		r.at = r.at[:len(r.at)-1]
	}
	return list
}
