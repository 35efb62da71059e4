package sources

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/gorb-io/gorb/pkg/spec"
)

// What one layer may be made of.
const (
	maxFiles    = 10_000       // files, and entries of a directory
	maxTogether = spec.MaxSize // bytes in all of them
	maxIncluded = 8            // how deep files include one another
)

// A reader is one reading of a bundle.
type reader struct {
	*bundle
	now      map[string]held // what each file holds
	order    []string        // of now
	patterns []pattern       // what they include
	tried    map[string]bool // what was to be read, by where it really is
	size     int             // of all
	full     bool            // there is more than there may be
	errs     []error         // of what could not be read
}

func (b *bundle) reader() *reader {
	return &reader{bundle: b, now: make(map[string]held), tried: make(map[string]bool)}
}

// read reads all files.
func (b *bundle) read() (outcome, func() (*spec.Document, error), error) {
	r := b.reader()
	if b.dir {
		r.directory()
	} else {
		r.file(b.name, b.format, "", 0)
	}
	b.held, b.patterns, b.first = r.now, r.patterns, nil
	if err := r.failed(); err != nil {
		return outcome{err: err.Error()}, nil, err
	}
	return r.outcome(), r.joined, nil
}

// directory reads the files of a directory.
func (r *reader) directory() {
	inside, err := list(r.name)
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	for _, name := range inside.dirs {
		if !slices.Contains(r.passed, name) {
			r.log.Warn().Str("directory", name).Msg("subdirectory passed over")
		}
	}
	r.passed = inside.dirs
	if len(inside.files) == 0 {
		r.errs = append(r.errs, refusal(r.name, "there is no .toml, .json or .yaml file in it; one with an empty [services] says that there are none"))
	}
	for _, name := range inside.files {
		r.file(name, "", "", 0)
	}
}

// file reads one file and what it includes. The file by includes it, unless that is "".
func (r *reader) file(name string, f spec.Format, by string, depth int) {
	if r.full || r.known(name) {
		return
	}
	data, err := readRegular(name)
	r.size += len(data)
	switch {
	case depth > maxIncluded:
		err = refusal(name, fmt.Sprintf("is included by way of more than %d files", maxIncluded))
	case len(r.now) >= maxFiles:
		r.full, err = true, refusal(r.name, fmt.Sprintf("is made of more than %d files", maxFiles))
	case r.size > maxTogether:
		r.full, err = true, refusal(r.name, fmt.Sprintf("is made of files that are over %d MiB together", maxTogether>>20))
	}
	if err != nil {
		r.errs = append(r.errs, includedBy(by, err))
		return
	}
	r.take(name, f, data, depth)
}

// includedBy adds to what the operating system said of a file which other one, if any, leads to it.
func includedBy(by string, err error) error {
	file, ok := errors.AsType[*fileError](err)
	if !ok || by == "" {
		return err
	}
	return &fileError{name: file.name, err: fmt.Errorf("%w; %s includes it", file.err, by)}
}

// known says whether a file was come by before, under whatever name.
func (r *reader) known(name string) bool {
	if real, err := filepath.EvalSymlinks(absolute(name)); err == nil {
		name = real
	}
	was := r.tried[name]
	r.tried[name] = true
	return was
}

// take takes in what one file holds. It is decoded at once, because nothing else tells what it includes, unless it is what it
// was.
func (r *reader) take(name string, f spec.Format, data []byte, depth int) {
	h := held{sum: sha256.Sum256(data)}
	if was, ok := r.held[name]; ok && was.sum == h.sum {
		h = was
	} else if r.first != nil && r.first.Name() == name && r.first.Is(data) {
		h.doc = r.first // as nearly always at the start, when the program has just read it
	} else {
		o := r.options
		if !isDescriptor(name) { // which has no directory of its own
			o.Dir, _ = filepath.Split(name)
		}
		h.doc, h.err = decode(name, f, data, o)
	}
	r.now[name], r.order = h, append(r.order, name)
	if h.doc == nil {
		return
	}
	for _, text := range h.doc.Includes() {
		p, err := patternOf(name, text)
		if err != nil {
			r.errs = append(r.errs, err)
			continue
		}
		r.patterns = append(r.patterns, p)
		names, err := p.expand()
		if err != nil {
			r.errs = append(r.errs, includedBy(name, err))
		}
		for _, included := range names {
			r.file(included, "", name, depth+1)
		}
	}
}

// outcome identifies what was read.
func (r *reader) outcome() outcome {
	sum := sha256.New()
	for _, name := range r.order {
		h := r.now[name]
		_, _ = io.WriteString(sum, name+"\x00")
		_, _ = sum.Write(h.sum[:])
	}
	return outcome{sum: [sha256.Size]byte(sum.Sum(nil))}
}

// failed is why not everything could be read, with what is wrong in the rest; nil when everything was read.
func (r *reader) failed() error {
	switch {
	case len(r.errs) == 0:
		return nil
	case len(r.errs) == 1 && len(r.order) == 0:
		return r.errs[0]
	}
	return append(asProblems(r.errs...), r.wrong()...)
}

// wrong is what is wrong in the files that could be read.
func (r *reader) wrong() spec.Problems {
	var all spec.Problems
	for _, name := range r.order {
		all = append(all, asProblems(r.now[name].err)...)
	}
	return all
}

// joined makes one document of what was read. A file that includes nothing is what it is by itself.
func (r *reader) joined() (*spec.Document, error) {
	if !r.dir && len(r.order) == 1 {
		h := r.now[r.order[0]]
		return h.doc, h.err
	}
	docs := make([]*spec.Document, len(r.order))
	for i, name := range r.order {
		if docs[i] = r.now[name].doc; docs[i] == nil {
			return nil, r.wrong()
		}
	}
	return spec.Join(r.name, docs...)
}

// asProblems is errors as problems; what the operating system said of a file is one.
func asProblems(errs ...error) spec.Problems {
	var all spec.Problems
	for _, err := range errs {
		if problems, ok := errors.AsType[spec.Problems](err); ok {
			all = append(all, problems...)
		} else if file, ok := errors.AsType[*fileError](err); ok {
			all = append(all, spec.Problem{Source: file.name, Message: file.err.Error()})
		}
	}
	return all
}
