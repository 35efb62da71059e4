package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// overrideContents is what was found in a file.
type overrideContents struct {
	file   *os.File // open and locked; nil: what is there is no file
	state  *overrideState
	damage []error // what is wrong with it; nil: nothing
	sparse bool    // it is worth compacting
	old    bool    // it has an earlier layout

	readOnly bool // the file system is: file is not open for writing
}

// load opens and locks the file, and reads what can be read in it. The error is of a file that must be left alone:
// somebody has it, or a newer gorb wrote it, or it may not be read; or there is none.
func (f *overrideFile) load() (overrideContents, error) {
	file, err := openLocked(f.path, os.O_RDWR, f.wait)
	readOnly := errors.Is(err, syscall.EROFS)
	if readOnly {
		file, err = openLocked(f.path, os.O_RDONLY, f.wait)
	}
	if errors.Is(err, errNoFile) {
		return overrideContents{state: &overrideState{}, damage: []error{err}}, nil
	}
	if err != nil {
		return overrideContents{}, err
	}
	found, err := readOverrides(file)
	if err != nil {
		file.Close()
		return overrideContents{}, fmt.Errorf("%s: %w", f.path, err)
	}
	found.file, found.readOnly = file, readOnly
	return found, nil
}

// errNoFile says that what is at a path is a directory or the like.
var errNoFile = errors.New("it is not a file")

// openLocked opens a file and takes its lock, for which it waits a while.
func openLocked(path string, mode int, wait time.Duration) (*os.File, error) {
	deadline := time.Now().Add(wait)
	for {
		// Not to block is for a FIFO; regular files do not care.
		f, err := os.OpenFile(path, mode|syscall.O_NONBLOCK, 0)
		if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENXIO) {
			return nil, errNoFile
		}
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			f.Close()
			return nil, errNoFile
		}
		locked, err := tryLock(f)
		if err == nil && locked && isAt(f, path) { // else whoever had it has written it anew meanwhile
			return f, nil
		}
		f.Close()
		switch {
		case err != nil:
			return nil, fmt.Errorf("lock %s: %w", path, err)
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%s is in use by another gorb", path)
		}
		time.Sleep(lockPause)
	}
}

// tryLock takes the lock that bbolt takes, flock(2), without waiting. It belongs to the open file, so that bbolt, which is
// given the same one, has it too.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// readOverrides reads what a file holds. The error is that a newer gorb wrote it.
func readOverrides(f *os.File) (overrideContents, error) {
	info, err := f.Stat()
	if err != nil {
		return overrideContents{}, err
	}
	if info.Size() > 2*maxFileSize {
		return overrideContents{state: &overrideState{}, damage: []error{fmt.Errorf("it has %d bytes", info.Size())}}, nil
	}
	pages, err := readPages(f, info.Size())
	if err != nil {
		return overrideContents{}, err
	}
	found, err := contentsOf(pages)
	found.sparse = info.Size() >= minCompactSize && pages.used*compactFraction < info.Size()
	return found, err
}

// contentsOf makes overrides of what the pages hold. What makes no sense is left out and named.
func contentsOf(pages *boltPages) (overrideContents, error) {
	found := overrideContents{state: &overrideState{}, damage: pages.damage}
	about := make(map[string]uint64)
	for _, r := range pages.buckets[string(bucketGorb)] {
		if text, err := unseal(string(r.key), r.value); err == nil {
			about[string(r.key)], _ = strconv.ParseUint(string(text), 10, 64)
		}
	}
	layout := about[string(keyLayout)]
	found.old = layout != 0 && layout < overrideLayout
	switch {
	case layout > overrideLayout:
		return found, errBoltNewer
	case layout == 0 && len(found.damage) == 0:
		found.damage = append(found.damage, errors.New("it does not say what it is"))
	}
	var list []*StoredOverride
	for _, r := range pages.buckets[string(bucketOverrides)] {
		o, err := decodeStored(string(r.key), r.value, found.old)
		if err != nil {
			found.damage = append(found.damage, fmt.Errorf("the override of %s is lost: %w", quoteShort(string(r.key)), bare(err)))
			continue
		}
		list = append(list, o)
	}
	var audit []*Entry
	for _, r := range pages.buckets[string(bucketAudit)] { // a file of an earlier gorb has none
		e, err := decodeEntry(r.key, r.value)
		if err != nil {
			found.damage = append(found.damage, fmt.Errorf("the entry %x of the audit is lost: %w", r.key, err))
			continue
		}
		audit = append(audit, e)
	}
	found.state = stateOf(list, about[string(keyRevision)], audit)
	return found, nil
}

// bare returns an OverrideError without its object.
func bare(err error) error {
	if e, ok := errors.AsType[*OverrideError](err); ok {
		return errors.New(e.Message)
	}
	return err
}

// ErrSetAside says that something in the state directory was damaged, is kept under another name, and is done without.
var ErrSetAside = errors.New("what was there is kept")

// begin reads the file at the start, and writes it where it is missing, damaged, mostly empty or of an earlier layout. With
// a state, the error says what is wrong while everything goes on.
func (f *overrideFile) begin() (*overrideState, error) {
	found, err := f.load()
	if errors.Is(err, fs.ErrNotExist) {
		state := &overrideState{}
		return state, f.rewrite(state)
	}
	if err != nil {
		return nil, err
	}
	if found.readOnly {
		found.file.Close()
		err := f.unwritten(syscall.EROFS)
		if len(found.damage) > 0 {
			err = fmt.Errorf("%s is damaged: %s; %w", f.path, sentence(found.damage), err)
		}
		return found.state, err
	}
	_ = os.Remove(f.path + ".new") // of one that was killed; it counts for nothing
	if len(found.damage) == 0 && !found.sparse && !found.old {
		if f.open, err = openBolt(found.file); err != nil {
			err = fmt.Errorf("open %s: %w", f.path, err)
		}
		return found.state, err
	}
	if found.file != nil {
		defer found.file.Close() // and with it its lock, when the new file has its own
	}
	if len(found.damage) == 0 {
		return found.state, f.rewrite(found.state)
	}
	note := fmt.Errorf("%s is damaged: %s: %w as %s", f.path, sentence(found.damage), ErrSetAside, f.aside())
	if err := f.setAside(); err != nil {
		return found.state, fmt.Errorf("%s is damaged: %s; %w", f.path, sentence(found.damage), err)
	}
	if err := f.rewrite(found.state); err != nil {
		return found.state, fmt.Errorf("%w; %w", note, err)
	}
	return found.state, note
}

// sentence joins what is wrong in one line, with the number of what it leaves out.
func sentence(list []error) string {
	const most = 10
	var parts []string
	for _, err := range list[:min(len(list), most)] {
		parts = append(parts, err.Error())
	}
	if more := len(list) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
