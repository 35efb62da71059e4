package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Once reads sources one time, with what their documents declare.
type Once struct {
	Stdin  io.Reader
	Format spec.Format // of files and URLs; "": as they say themselves
	// Away leaves out what is not on this machine. It is not read, and Loaded.Skipped says that there is some.
	Away bool
	// Alone reads the arguments and nothing that they declare.
	Alone bool
	// Spare makes it no error yet that what is not on this machine cannot be had: Loaded.Trial may do without.
	Spare bool
}

// Loaded is what reading sources once gave.
type Loaded struct {
	Docs    []*spec.Document // in the order of layers, the lowest first
	Args    []Argument       // in the order in which they were named
	Pieces  []Piece          // what each source gave, in the order of layers
	Skipped bool             // something was left out
}

// Piece is what reading one source gave.
type Piece struct {
	Name string
	Doc  *spec.Document // nil with Err
	Err  error          // why there is none of a source that is not on this machine

	reading Reading
}

// Lacking says whether there is a source of which there is no document.
func (all Loaded) Lacking() bool {
	return slices.ContainsFunc(all.Pieces, func(p Piece) bool { return p.Doc == nil })
}

// Argument is a SOURCE argument: a file, a directory, or a URL.
type Argument struct {
	Name string
	Decl spec.SourceDecl // of a URL or Consul; the zero value is that of a file
	Doc  *spec.Document  // nil: it was left out
}

// Remote says whether the argument is not on this machine.
func (a Argument) Remote() bool { return a.Decl.URL != "" }

// Read reads the SOURCE arguments. The error is the problems of all of them, and of the whole as far as it can be judged,
// unless ctx has ended.
func (o Once) Read(ctx context.Context, names []string) (Loaded, error) {
	g := gatherer{Once: o, seen: make(map[string]bool)}
	for _, name := range names {
		g.argument(ctx, name)
		if ctx.Err() != nil {
			return Loaded{}, ctx.Err()
		}
	}
	switch {
	case len(g.problems) == 0 || g.spared == len(g.problems):
		return g.Loaded, nil
	case g.lacking || o.Alone:
		return Loaded{}, g.problems
	}
	_, err := spec.Merge(g.Docs...)
	return Loaded{}, err
}

// gatherer is one Once at work.
type gatherer struct {
	Once
	Loaded
	seen     map[string]bool // what sources are called
	problems spec.Problems
	spared   int  // those of them that are no error yet
	lacking  bool // there are problems that no document has, so that the whole is not judged
}

// argument reads what the operator named.
func (g *gatherer) argument(ctx context.Context, name string) {
	a, called := Argument{Name: name}, name
	read := func() Reading { return readingOf(Read(ctx, name, g.Format, g.Stdin)) }
	if d := (spec.SourceDecl{URL: name}); strings.Contains(name, "://") {
		called = title(d)
		var err error
		if a.Decl, err = spec.NewSourceDecl(name); err != nil {
			g.fault(called, err)
			g.lacking = true
			return
		}
		if d.Kind() == spec.URLSource {
			a.Decl.Format = g.Format
		}
		read = func() Reading { return readDeclared(ctx, a.Decl) }
	}
	g.seen[called] = true
	a.Doc = g.place(ctx, called, a.Remote(), 0, read)
	g.Args = append(g.Args, a)
}

// place reads a source, and puts its document and those of what it declares where they belong.
func (g *gatherer) place(ctx context.Context, name string, remote bool, depth int, read func() Reading) *spec.Document {
	if remote && g.Away {
		g.Skipped = true
		return nil
	}
	r := read()
	if ctx.Err() != nil {
		return nil
	}
	if r.Err != nil {
		g.fault(name, r.Err)
	}
	doc := r.Document
	if doc == nil {
		g.lacking = true
		if remote && g.Spare {
			g.spared += len(problemsWith(name, r.Err))
			g.Pieces = append(g.Pieces, Piece{Name: name, Err: r.Err, reading: r})
		}
		return nil
	}
	var decls []spec.SourceDecl
	if !remote && !g.Alone {
		decls = doc.Sources()
	}
	g.declared(ctx, doc, decls, true, depth)
	g.Docs = append(g.Docs, doc)
	g.Pieces = append(g.Pieces, Piece{Name: name, Doc: doc, reading: r})
	g.declared(ctx, doc, decls, false, depth)
	return doc
}

// declared reads those of the declarations of a document that stand below it, or above.
func (g *gatherer) declared(ctx context.Context, doc *spec.Document, decls []spec.SourceDecl, below bool, depth int) {
	for i, d := range decls {
		twice := slices.ContainsFunc(decls[:i], func(o spec.SourceDecl) bool { return o.Name == d.Name })
		if d.Below != below || ctx.Err() != nil || twice { // which the document says itself
			continue
		}
		name := title(d)
		why := ""
		switch {
		case depth+1 > maxDepth:
			why = fmt.Sprintf("declarations nest deeper than %d", maxDepth)
		case len(g.seen) >= maxSources:
			why = fmt.Sprintf("there are over %d sources", maxSources)
		case g.seen[name]:
			why = "another source has the name"
		}
		if why != "" {
			g.fault(doc.Name(), fmt.Errorf("source %s: %s", name, why))
			g.lacking = true
			continue
		}
		g.seen[name] = true
		g.place(ctx, name, isRemote(d), depth+1, func() Reading { return readDeclared(ctx, d) })
	}
}

// fault notes what is wrong with a source.
func (g *gatherer) fault(name string, err error) {
	g.problems = append(g.problems, problemsWith(name, err)...)
}

// problemsWith is what is wrong with a source; what the operating system or a server said is one problem.
func problemsWith(name string, err error) spec.Problems {
	if problems, ok := errors.AsType[spec.Problems](err); ok {
		return problems
	}
	text := err.Error()
	if file, ok := errors.AsType[*fileError](err); ok {
		name, text = file.name, file.err.Error()
	}
	return spec.Problems{{Source: name, Message: strings.TrimPrefix(text, name+": ")}}
}

// readingOf is a reading of a document and nothing else.
func readingOf(doc *spec.Document, err error) Reading { return Reading{Document: doc, Err: err} }
