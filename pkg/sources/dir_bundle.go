package sources

import (
	"crypto/sha256"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// A bundle is the files that make one layer: a file, or those of a directory, and what they include. Each is read once,
// however many ways lead to it; a file that includes itself in the end adds nothing. It belongs to one goroutine.
type bundle struct {
	name    string      // as the operator typed it
	dir     bool        // it is a directory
	format  spec.Format // of the file; "": by its ending
	options spec.Options
	log     zerolog.Logger

	first    *spec.Document  // what was decoded before the first reading; nil: nothing
	held     map[string]held // what each file held at the last reading, so that one that changes is decoded alone
	patterns []pattern       // what they include
	passed   []string        // subdirectories that are passed over
}

// held is what a file held.
type held struct {
	sum [sha256.Size]byte
	doc *spec.Document
	err error // why the document cannot be used
}

func newBundle(name string, f spec.Format, o spec.Options, log zerolog.Logger) *bundle {
	return &bundle{name: name, format: f, options: o, log: log}
}

// absolute is a file's name from the root. It is not cleaned: ".." after a symbolic link is not what it looks like.
func absolute(name string) string {
	if wd, err := os.Getwd(); err == nil && !filepath.IsAbs(name) {
		return wd + slash + name
	}
	return name
}

// deciding lists the directories in which a change can change what is read.
func (b *bundle) deciding() []string {
	path := absolute(b.name)
	if b.dir {
		path = within(path)
	}
	dirs := deciding(path)
	for _, p := range b.patterns {
		dirs = append(dirs, deciding(within(absolute(p.dir)))...)
	}
	for name := range b.held {
		// Where a regular file is, its directory decides, and that is there already.
		if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSymlink != 0 {
			dirs = append(dirs, deciding(absolute(name))...)
		}
	}
	return unique(dirs)
}

// within is a path that deciding takes for one inside a directory.
func within(dir string) string { return dir + slash + "." }

// stamp is what the files look like from outside: those that there are now, and those that the last reading included.
func (b *bundle) stamp() stamp {
	st := stampOf(b.name)
	if st.info == nil {
		return st
	}
	var names []string
	if b.dir {
		inside, err := list(b.name)
		if err != nil {
			return stamp{err: err.Error()}
		}
		st.dir, names = true, inside.files
	}
	for _, p := range b.patterns {
		matched, err := p.expand()
		if err != nil {
			st.files = append(st.files, fileStamp{p.dir + p.base, stamp{err: err.Error()}})
		}
		names = append(names, matched...)
	}
	for _, name := range names {
		st.files = append(st.files, fileStamp{name, stampOf(name)})
	}
	return st
}
