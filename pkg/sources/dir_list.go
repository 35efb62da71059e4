package sources

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/gorb-io/gorb/pkg/spec"
)

const slash = string(filepath.Separator)

// listing is what of a directory may be read, in name order.
type listing struct {
	files []string // of which the ending says what they are
	other []string // files of which it does not
	dirs  []string
}

// list lists a directory without what is hidden and what editors leave behind. Where a symbolic link leads decides what
// it is; one that leads nowhere is a file, which then cannot be read.
func list(dir string) (listing, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return listing{}, named(dir, err)
	}
	if !info.IsDir() {
		return listing{}, refusal(dir, "is not a directory")
	}
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NONBLOCK, 0) // see readRegular
	if err != nil {
		return listing{}, named(dir, err)
	}
	defer f.Close()
	entries, err := f.ReadDir(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return listing{}, named(dir, err)
	}
	if len(entries) > maxFiles {
		return listing{}, refusal(dir, fmt.Sprintf("there are more than %d files in it", maxFiles))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var l listing
	for _, entry := range entries {
		name := strings.TrimSuffix(dir, slash) + slash + entry.Name()
		_, known := spec.FormatOf(name)
		switch {
		case leftover(entry.Name()):
		case leadsToDir(name, entry):
			l.dirs = append(l.dirs, name)
		case known:
			l.files = append(l.files, name)
		default:
			l.other = append(l.other, name)
		}
	}
	return l, nil
}

// leftover says whether a file is hidden, or one that an editor keeps beside another: nano and emacs a~ and #a#, vim .a.swp
// and a.swp.
func leftover(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") ||
		strings.HasSuffix(name, ".swp") || strings.HasSuffix(name, ".tmp")
}

// leadsToDir says whether an entry of a directory is one, or a symbolic link to one.
func leadsToDir(name string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.IsDir()
	}
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// A pattern is what a file includes.
type pattern struct {
	dir  string // where, with a slash at its end; "": here
	base string // the last element
}

// patternOf is a pattern that a file includes, which is relative to the file.
func patternOf(file, text string) (pattern, error) {
	dir, base := filepath.Split(text)
	if wild(dir) {
		return pattern{}, refusal(file, fmt.Sprintf("include %q: a wildcard may stand only after the last slash", text))
	}
	// Nothing here is cleaned: ".." after a symbolic link is not what it looks like.
	if !filepath.IsAbs(dir) && !isDescriptor(file) { // which has no directory of its own
		beside, _ := filepath.Split(file)
		dir = beside + dir
	}
	return pattern{dir: dir, base: base}, nil
}

func wild(text string) bool { return strings.ContainsAny(text, `*?[\\`) }

// expand lists what a pattern stands for, in name order. A wildcard passes over what a directory does, and may stand for
// nothing; its directory must be there, because one that is not mounted is not empty. Without a wildcard the file must be
// there when it is read.
func (p pattern) expand() ([]string, error) {
	if !wild(p.base) {
		return []string{p.dir + p.base}, nil
	}
	inside, err := list(cmp.Or(p.dir, "."))
	if err != nil {
		return nil, err
	}
	names := append(inside.files, inside.other...)
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool {
		ok, _ := filepath.Match(p.base, filepath.Base(name)) // spec.Decode knows that it is one
		return !ok
	}), nil
}
