package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	stdinName = "stdin" // standard input, in messages

	pipeWait  = 5 * time.Second       // how long a FIFO may take to deliver and to end
	pipePause = 10 * time.Millisecond // between two looks at a FIFO that nobody has opened for writing
)

// isStdin says whether a FILE argument means standard input.
func isStdin(name string) bool {
	switch name {
	case "-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0":
		return true
	}
	return false
}

// isDescriptor says whether a FILE argument is what the program was started with open, and not a place in a directory.
func isDescriptor(name string) bool {
	return isStdin(name) || strings.HasPrefix(name, "/dev/fd/") || strings.HasPrefix(name, "/proc/self/fd/")
}

// isPipe says whether a file is a FIFO, or the pipe that /dev/fd/63 leads to.
func isPipe(info fs.FileInfo) bool { return info.Mode()&fs.ModeNamedPipe != 0 }

// readRegular reads a regular file of at most spec.MaxSize, and refuses everything else.
func readRegular(name string) ([]byte, error) {
	// Look before opening: to open a device can be an act.
	info, err := os.Stat(name)
	if err != nil {
		return nil, named(name, err)
	}
	if err := readable(name, info); err != nil {
		return nil, err
	}
	// Not to block is for the FIFO that takes the file's place between the two calls; regular files do not care.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, named(name, err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, named(name, err)
	}
	if err := readable(name, info); err != nil {
		return nil, err
	}
	return readAtMost(name, f, int(info.Size()))
}

// readable says why a file is not one to read: nil for a regular file that is not too big.
func readable(name string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return refusal(name, "is a directory, not a file")
	case mode&fs.ModeSocket != 0:
		return refusal(name, "is a socket, not a file")
	case mode&fs.ModeNamedPipe != 0:
		return refusal(name, "is a FIFO, which is read at the start only")
	case !mode.IsRegular():
		return refusal(name, "is a device, not a file")
	case info.Size() > spec.MaxSize:
		return tooBig(name)
	}
	return nil
}

// readAtMost reads r to its end, which is expected after size bytes and must come before spec.MaxSize.
func readAtMost(name string, r io.Reader, size int) ([]byte, error) {
	data := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(r, spec.MaxSize+1)); err != nil {
		return nil, named(name, err)
	}
	if data.Len() > spec.MaxSize {
		return nil, tooBig(name)
	}
	return data.Bytes(), nil
}

func tooBig(name string) error {
	return refusal(name, fmt.Sprintf("is over %d MiB", spec.MaxSize>>20))
}

// readStdin reads standard input to its end, or until ctx ends. A reader cannot be interrupted, so it has a goroutine
// of its own, which outlives a ctx that ends first.
func readStdin(ctx context.Context, stdin io.Reader) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := readAtMost(stdinName, stdin, 0)
		done <- result{data, err} // never blocks: there is room for the only one
	}()
	select {
	case <-ctx.Done():
		return nil, named(stdinName, ctx.Err())
	case r := <-done:
		return r.data, r.err
	}
}

// readPipe reads a FIFO to its end, within wait and while ctx lasts.
func readPipe(ctx context.Context, name string, wait time.Duration) ([]byte, error) {
	// A plain open of a FIFO waits for a writer, and nothing ends that wait.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, named(name, err)
	}
	defer f.Close()
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	defer context.AfterFunc(limited, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()

	// The pipe of a process substitution leads to no path. Its writer was there before us, so its end is the end.
	_, err = filepath.EvalSymlinks(name)
	anonymous := err != nil

	var data bytes.Buffer
	for {
		_, err := data.ReadFrom(io.LimitReader(f, int64(spec.MaxSize+1-data.Len())))
		switch {
		case ctx.Err() != nil:
			return nil, named(name, ctx.Err())
		case data.Len() > spec.MaxSize:
			return nil, tooBig(name)
		case limited.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
			return nil, refusal(name, fmt.Sprintf("did not deliver within %v", wait))
		case err != nil:
			return nil, named(name, err)
		case data.Len() > 0 || anonymous:
			return data.Bytes(), nil
		}
		// The end before the first byte: nobody has opened it for writing yet.
		select {
		case <-limited.Done():
		case <-time.After(pipePause):
		}
	}
}
