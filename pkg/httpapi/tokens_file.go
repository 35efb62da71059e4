package httpapi

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// lookEvery is how often files are looked at for changes, at most.
	lookEvery = time.Second
	// settleTime is how long after a change a file is read again all the same: one that changes twice within a tick of its
	// file system's clock looks the same.
	settleTime = 2 * time.Second
	// maxFile is the most that is read of one.
	maxFile = 1 << 20
)

// watched is what is made of files, made again when they change. They are looked at when somebody asks, so that there is
// nothing to stop.
type watched[T any] struct {
	paths []string
	parse func(texts [][]byte) (T, error) // with an error it may return what is good
	keep  bool                            // what was good stays until there is something else that is
	now   func() time.Time
	log   zerolog.Logger

	changed func() // the files say something else; nil: nobody wants to know

	mu    sync.Mutex // of who looks at the files
	state atomic.Pointer[fileState[T]]
}

type fileState[T any] struct {
	value  T
	err    error
	sum    [sha256.Size]byte // of what they say
	files  []os.FileInfo     // nil where one could not be had
	read   time.Time         // when they were
	looked time.Time
}

// begin reads the files for the first time. The error says what is wrong with them now.
func (w *watched[T]) begin() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readLocked(new(fileState[T]), w.stat()).err
}

// get returns what the files say. Two that ask at once do not wait for one another.
func (w *watched[T]) get() T {
	s := w.state.Load()
	if w.now().Sub(s.looked) < lookEvery || !w.mu.TryLock() {
		return s.value
	}
	defer w.mu.Unlock()
	if s = w.state.Load(); w.now().Sub(s.looked) < lookEvery {
		return s.value
	}
	files := w.stat()
	if slices.EqualFunc(files, s.files, func(a, b os.FileInfo) bool { return unchanged(a, b, s.read) }) {
		same := *s
		same.looked = w.now()
		w.state.Store(&same)
		return same.value
	}
	was, said := s.err, s.sum
	s = w.readLocked(s, files)
	switch {
	case s.err != nil && (was == nil || was.Error() != s.err.Error()):
		w.log.Warn().Err(s.err).Msg("a file of the API's access control cannot be used")
	case s.err == nil && was != nil:
		w.log.Info().Strs("files", w.paths).Msg("the files of the API's access control can be used again")
	}
	if w.changed != nil && s.sum != said {
		w.changed()
	}
	return s.value
}

// readLocked reads the files, as they were seen before.
func (w *watched[T]) readLocked(old *fileState[T], files []os.FileInfo) *fileState[T] {
	now := w.now()
	s := &fileState[T]{files: files, read: now, looked: now}
	texts := make([][]byte, len(w.paths))
	var wrong []error
	for i, path := range w.paths {
		var err error
		texts[i], err = readFile(path)
		wrong = append(wrong, err)
	}
	s.sum = sha256.Sum256(bytes.Join(texts, []byte{0}))
	if s.err = errors.Join(wrong...); s.err == nil {
		if s.value, s.err = w.parse(texts); s.err != nil {
			s.err = fmt.Errorf("%s: %w", w.paths[0], s.err)
		}
	}
	if s.err != nil && w.keep {
		s.value = old.value
	}
	w.state.Store(s)
	return s
}

func (w *watched[T]) stat() []os.FileInfo {
	files := make([]os.FileInfo, len(w.paths))
	for i, path := range w.paths {
		if info, err := os.Stat(path); err == nil {
			files[i] = info
		}
	}
	return files
}

// unchanged says whether a file is what it was when it was read.
func unchanged(now, then os.FileInfo, read time.Time) bool {
	if now == nil || then == nil {
		return now == nil && then == nil
	}
	return os.SameFile(now, then) && now.Size() == then.Size() && now.ModTime().Equal(then.ModTime()) && now.Mode() == then.Mode() &&
		read.Sub(then.ModTime()) > settleTime
}

// readFile reads a small file. What is none, such as a pipe, is not waited for.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s: it is over %d MiB", path, maxFile>>20)
	}
	return text, nil
}
