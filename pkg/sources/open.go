package sources

import (
	"context"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Open makes the source of a declaration, as the given layer. A file that is not there yet may come; a directory that is
// not there yet is one if its name ends in a slash.
func Open(d spec.SourceDecl, layer int, log zerolog.Logger) (Source, error) {
	switch d.Kind() {
	case spec.URLSource:
		return NewURL(d, layer, log)
	case spec.ConsulSource:
		return NewConsul(d, layer, log)
	}
	if isDirectory(d.URL) {
		dir := NewDir(d.URL, layer, log)
		dir.Options = optionsOf(d)
		return dir, nil
	}
	file := NewFile(d.URL, layer, d.Format, log, nil)
	file.Options, file.missed = optionsOf(d), true
	return file, nil
}

// isDirectory says whether a name is that of a directory, or looks so.
func isDirectory(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir() || err != nil && strings.HasSuffix(name, slash)
}

// optionsOf says how the files of a declaration are decoded.
func optionsOf(d spec.SourceDecl) spec.Options {
	return spec.Options{Env: os.LookupEnv, Expand: d.Env}
}

// readDeclared reads what a declaration names, once. What a remote source says beside an error is not there.
func readDeclared(ctx context.Context, d spec.SourceDecl) Reading {
	switch d.Kind() {
	case spec.URLSource:
		u, err := NewURL(d, 0, zerolog.Nop())
		if err != nil {
			return Reading{Err: err}
		}
		return u.Read(ctx)
	case spec.ConsulSource:
		c, err := NewConsul(d, 0, zerolog.Nop())
		if err != nil {
			return Reading{Err: err}
		}
		return c.Read(ctx)
	}
	return readingOf(readLocal(ctx, d.URL, d.Format, optionsOf(d), strings.NewReader("")))
}

// Top makes the source of an argument, as the given layer. The format is that of a file, "" by its name.
func (a Argument) Top(layer int, f spec.Format, log zerolog.Logger) (Top, error) {
	top := Top{First: a.Doc, Decl: a.Decl}
	switch {
	case a.Remote():
		source, err := Open(a.Decl, layer, log)
		if err != nil {
			return Top{}, err
		}
		top.Source = source
	case !isDescriptor(a.Name) && isDirectory(a.Name):
		top.Source = NewDir(a.Name, layer, log)
	default:
		top.Source = NewFile(a.Name, layer, f, log, a.Doc)
	}
	return top, nil
}
