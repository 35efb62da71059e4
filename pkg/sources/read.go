package sources

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Read reads one FILE argument once: a file with what it includes, a directory, or "-" for standard input, which is read
// from stdin. What leads to standard input, /dev/stdin and the like, is the same.
//
// The format f is used where it is given; "" means by the name's ending, and TOML for standard input, pipes and other
// open files (/dev/fd/3), which have no name of their own. A FIFO, such as process substitution makes, has five seconds
// to deliver and to end; standard input has no limit but ctx. A socket or a device is refused without being opened, what
// is over spec.MaxSize without being read whole, and so is a document that has no key in it. A directory is read as a Dir
// reads it. What standard input and pipes include is relative to the working directory.
//
// A document may come beside an error, as from spec.Decode. Every error names the file, and is a spec.Problems where the
// operating system has no part in it. A file that is missing is an error that is fs.ErrNotExist. When ctx ends while
// standard input is silent, Read returns but the read beneath cannot be ended; it stays until the process does.
func Read(ctx context.Context, name string, f spec.Format, stdin io.Reader) (*spec.Document, error) {
	return readLocal(ctx, name, f, spec.Options{Env: os.LookupEnv}, stdin)
}

// readLocal is Read with options.
func readLocal(ctx context.Context, name string, f spec.Format, o spec.Options, stdin io.Reader) (*spec.Document, error) {
	b := newBundle(name, f, o, zerolog.Nop())
	r := b.reader()
	if info, err := os.Stat(name); err == nil && info.IsDir() && !isStdin(name) {
		b.dir = true
		r.directory()
	} else {
		data, pipe, err := read(ctx, name, stdin)
		if err != nil {
			return nil, err
		}
		if pipe || isDescriptor(name) {
			b.format = orTOML(name, f)
		}
		if isStdin(name) {
			b.name = stdinName
		} else {
			r.known(name)
		}
		r.take(b.name, b.format, data, 0)
	}
	if err := r.failed(); err != nil {
		return nil, err
	}
	return r.joined()
}

// ReadText reads what a FILE argument holds as Read does, whatever it is.
func ReadText(ctx context.Context, name string, stdin io.Reader) ([]byte, error) {
	data, _, err := read(ctx, name, stdin)
	return data, err
}

// read is ReadText, and says whether it was a FIFO.
func read(ctx context.Context, name string, stdin io.Reader) (data []byte, pipe bool, err error) {
	if isStdin(name) {
		data, err = readStdin(ctx, stdin)
		return data, false, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, false, named(name, err)
	}
	if isPipe(info) {
		data, err = readPipe(ctx, name, pipeWait)
		return data, true, err
	}
	data, err = readRegular(name)
	return data, false, err
}

// decode is spec.DecodeWith for what a file held: the format follows from the name where f is "", and a document without a
// key is refused, because that is what a file looks like while it is written, or after a disk has run full.
func decode(name string, f spec.Format, data []byte, o spec.Options) (*spec.Document, error) {
	if f == "" {
		var ok bool
		if f, ok = spec.FormatOf(name); !ok {
			return nil, refusal(name, "the name ends in none of .toml, .json, .yaml and .yml")
		}
	}
	doc, err := spec.DecodeWith(name, f, data, o)
	if err == nil && doc.Empty() {
		return nil, refusal(name, "there is no key in it; an empty [services] says that there are none")
	}
	return doc, err
}

// orTOML is f, or what the name's ending says, or TOML: a pipe seldom has a name to go by.
func orTOML(name string, f spec.Format) spec.Format {
	if f != "" {
		return f
	}
	if f, ok := spec.FormatOf(name); ok {
		return f
	}
	return spec.TOML
}

// refusal is the error of a file that can be read, and will not be used.
func refusal(name, message string) error {
	return spec.Problems{{Source: name, Message: message}}
}

// named is err with the file's name before it, as the operator typed it, instead of the system call and its path.
func named(name string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return &fileError{name: name, err: err}
}

// fileError is what the operating system said about a file.
type fileError struct {
	name string
	err  error
}

func (e *fileError) Error() string { return e.name + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }
