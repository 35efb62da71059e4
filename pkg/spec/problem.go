package spec

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a document, in the operator's words.
type Problem struct {
	Source  string      // the document, as the operator named it
	Line    int         // counted from 1; 0 where there is none
	Path    string      // such as "services.web.port"; "" for the document
	Message string      // such as "70000 is over 65535"
	Kind    ProblemKind // for programs
}

func (p Problem) String() string {
	s := p.place() + ": "
	if p.Path != "" {
		s += p.Path + ": "
	}
	return s + p.Message
}

// place returns the document and the line.
func (p Problem) place() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d", p.Source, p.Line)
	}
	return p.Source
}

// Same reports whether two problems are the same but for the line, which moves with every edit above it.
func (p Problem) Same(q Problem) bool {
	q.Line = p.Line
	return p == q
}

// Problems is everything that is wrong, in the order of the documents. As an error it is one line a problem.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.String()
	}
	return strings.Join(lines, "\n")
}
