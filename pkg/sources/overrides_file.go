package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	lockPause       = 20 * time.Millisecond // between two tries to get the lock
	maxFileSize     = 256 << 20             // four times what it may hold, as every change copies
	minCompactSize  = 1 << 20
	compactFraction = 3 // a file is compacted when less than one part in so many is used
	allocSize       = 1 << 20
)

// errFault says that bbolt panicked or faulted: its file was damaged, or cut off, under it.
var errFault = errors.New("it was damaged while it was open")

// A boltFile is an open bbolt database.
type boltFile struct {
	db   *bolt.DB
	file *os.File // the same that db has
}

// openBolt opens a database with a file that is open and locked, and is closed with it.
func openBolt(f *os.File) (b *boltFile, err error) {
	defer recoverFault(&err)()
	defer func() {
		if b == nil {
			f.Close() // bbolt closes it itself, but not when it panics
		}
	}()
	db, err := bolt.Open(f.Name(), 0o600, &bolt.Options{
		Timeout:      time.Millisecond,
		MaxSize:      maxFileSize,
		NoStatistics: true,
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return f, nil },
	})
	if err != nil {
		return nil, err
	}
	db.AllocSize = allocSize
	return &boltFile{db, f}, nil
}

// recoverFault makes errors of the panics of bbolt, and of the faults of reading a mapped file that was cut off: call
// what it returns with defer. What has panicked may hold its locks and must not be used again, not even be closed.
func recoverFault(err *error) func() {
	was := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(was)
		if r := recover(); r != nil {
			*err = fmt.Errorf("%w: %v", errFault, r)
		}
	}
}

// update makes a change durable.
func (b *boltFile) update(c change) (err error) {
	defer recoverFault(&err)()
	return b.db.Update(c.apply)
}

// close closes the database after an update that gave this error. One that has faulted is only let go of.
func (b *boltFile) close(after error) error {
	if errors.Is(after, errFault) {
		return b.file.Close()
	}
	var err error
	func() {
		defer recoverFault(&err)()
		err = b.db.Close()
	}()
	return err
}

// overrideFile keeps an overrideState on disk. What is in memory is the truth: where the file was removed, replaced or
// damaged, the next write writes it anew.
type overrideFile struct {
	path string
	wait time.Duration // for the lock
	open *boltFile     // nil: it is opened by the next write
}

// aside is what a damaged file is called.
func (f *overrideFile) aside() string { return f.path + ".damaged" }

// save makes a change durable that leads from one state to another.
func (f *overrideFile) save(was, next *overrideState, c change) error {
	if f.open != nil && !isAt(f.open.file, f.path) {
		f.drop(nil)
	}
	if f.open == nil {
		if err := f.resume(was); err != nil {
			return err
		}
	}
	if f.open == nil {
		return f.rewrite(next)
	}
	err := f.open.update(c)
	if err == nil {
		return nil
	}
	// What bbolt thinks after a write that failed need not be what is on disk.
	f.drop(err)
	if errors.Is(err, bolterrors.ErrMaxSizeReached) || errors.Is(err, errFault) {
		return f.rewrite(next)
	}
	return f.unwritten(err)
}

// drop lets go of the database after an update that gave this error.
func (f *overrideFile) drop(after error) {
	_ = f.open.close(after) // all that was acknowledged is on disk
	f.open = nil
}

// resume opens the file again if it holds what it should, which is the cheapest way on after a write that failed; else
// it is to be written anew.
func (f *overrideFile) resume(was *overrideState) error {
	found, err := f.load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if found.readOnly {
		return errors.Join(f.unwritten(syscall.EROFS), found.file.Close())
	}
	if len(found.damage) == 0 && !found.old && found.state.same(was) {
		f.open, _ = openBolt(found.file)
		return nil
	}
	defer found.file.Close()
	if len(found.damage) > 0 {
		return f.setAside()
	}
	return nil
}

// rewrite writes the file anew, and opens it: at any moment, the old or the new one is whole and in its place.
func (f *overrideFile) rewrite(s *overrideState) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	name := f.path + ".new"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was killed
		return f.unwritten(err)
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return f.unwritten(err)
	}
	fresh, err := openBolt(file)
	if err != nil {
		return f.unwritten(errors.Join(err, os.Remove(name)))
	}
	if err = fresh.update(change{put: s.list, revision: s.revision, entries: s.audit}); err == nil {
		err = os.Rename(name, f.path)
	}
	if err != nil {
		_ = fresh.close(err)
		return f.unwritten(errors.Join(err, os.Remove(name)))
	}
	if f.open != nil {
		f.drop(nil)
	}
	f.open = fresh
	if err := syncDirectory(filepath.Dir(f.path)); err != nil {
		f.drop(nil) // what is on disk after a crash is not known
		return f.unwritten(err)
	}
	return nil
}

// setAside keeps the file under another name, beside its own where that can be done.
func (f *overrideFile) setAside() error {
	if err := os.Remove(f.aside()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put the damaged %s aside: %w", f.path, err)
	}
	if os.Link(f.path, f.aside()) == nil {
		return nil
	}
	if err := os.Rename(f.path, f.aside()); err != nil { // not every file system has links, and it may be a directory
		return fmt.Errorf("put the damaged %s aside: %w", f.path, err)
	}
	return nil
}

// unwritten puts the reason why the file could not be written into words that are the same each time.
func (f *overrideFile) unwritten(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return fmt.Errorf("write %s: %w", f.path, errno)
	}
	// bbolt has some as text alone, "file resize error: truncate overrides.db.new: no space left on device".
	text := err.Error()
	return fmt.Errorf("write %s: %s", f.path, strings.TrimSpace(text[strings.LastIndex(text, ": ")+1:]))
}

// isAt says whether an open file is what a path leads to.
func isAt(f *os.File, path string) bool {
	is, err := f.Stat()
	if err != nil {
		return false
	}
	at, err := os.Lstat(path)
	return err == nil && os.SameFile(is, at)
}

// syncDirectory makes a rename in a directory durable.
func syncDirectory(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
