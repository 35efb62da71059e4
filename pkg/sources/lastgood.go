package sources

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Part is one text of a source: a document, or a piece of one.
type Part struct {
	Name   string // as it is called in problems: the URL, the key
	Format spec.Format
	At     []string // where in the configuration it belongs, as spec.Options has it
	Data   []byte
}

// GoodCopy is the last that a source delivered which could be used.
type GoodCopy struct {
	Source  string    // its name
	Version string    // as the source calls it: an ETag, an index; ""
	At      time.Time // when its parts were first delivered
	Parts   []Part
}

// LastGood keeps the last good copy of every source in files of the state directory, so that a restart with a source
// away starts from it. Its methods may be called from anywhere.
type LastGood struct {
	dir    string // "" keeps nothing
	looked bool   // nothing is written, renamed or removed

	mu    sync.Mutex // guards everything below, and the files
	saved map[string][sha256.Size]byte
}

const (
	goodSuffix    = ".good"
	beforeSuffix  = ".before" // after goodSuffix
	damagedSuffix = ".damaged"
)

// NewLastGood returns the copies in a state directory; an empty dir keeps nothing. Nothing is read or written yet.
func NewLastGood(dir string) *LastGood {
	if dir != "" {
		dir = filepath.Join(dir, "sources")
	}
	return &LastGood{dir: dir, saved: make(map[string][sha256.Size]byte)}
}

// LookAtLastGood returns the copies in a state directory for one who only looks: nothing in it is changed.
func LookAtLastGood(dir string) *LastGood {
	l := NewLastGood(dir)
	l.looked = true
	return l
}

// path is where a source has its copy. A name may be anything, an address with slashes above all, so it is hashed.
func (l *LastGood) path(source string) string {
	sum := sha256.Sum256([]byte(source))
	return filepath.Join(l.dir, hex.EncodeToString(sum[:16])+goodSuffix)
}

// Load returns a source's copy. The error wraps fs.ErrNotExist where there is none, and ErrSetAside where it was
// damaged, or not this source's, and was given another name.
func (l *LastGood) Load(source string) (GoodCopy, error) {
	if l.dir == "" {
		return GoodCopy{}, fmt.Errorf("last good copy of %s: without state_dir: %w", source, fs.ErrNotExist)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c, err := l.load(source, l.path(source))
	if err == nil {
		l.saved[source] = sumOfParts(c.Parts)
	}
	return c, err
}

// Before is Load for the copy that Hold kept.
func (l *LastGood) Before(source string) (GoodCopy, error) {
	if l.dir == "" {
		return GoodCopy{}, fs.ErrNotExist
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.load(source, l.path(source)+beforeSuffix)
}

// load reads a copy, and gives it another name where it cannot be used.
func (l *LastGood) load(source, path string) (GoodCopy, error) {
	c, err := readGood(source, path)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, fs.ErrNotExist):
		return GoodCopy{}, fmt.Errorf("last good copy of %s: %w", source, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return GoodCopy{}, fmt.Errorf("last good copy of %s: %w", source, err)
	}
	if l.looked {
		return GoodCopy{}, fmt.Errorf("last good copy of %s: %s cannot be used: %w", source, path, err)
	}
	if moved := os.Rename(path, path+damagedSuffix); moved != nil {
		return GoodCopy{}, fmt.Errorf("last good copy of %s: %s cannot be used: %w; %w", source, path, err, moved)
	}
	return GoodCopy{}, fmt.Errorf("last good copy of %s: %s cannot be used: %w: %w as %s", source, path, err,
		ErrSetAside, path+damagedSuffix)
}

func readGood(source, path string) (GoodCopy, error) {
	// Not to block is for a FIFO; regular files do not care.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return GoodCopy{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return GoodCopy{}, err
	}
	if !info.Mode().IsRegular() {
		return GoodCopy{}, errNoFile
	}
	if info.Size() > maxGoodFile {
		return GoodCopy{}, fmt.Errorf("it has %d bytes", info.Size())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxGoodFile))
	if err != nil {
		return GoodCopy{}, err
	}
	c, err := decodeGood(data)
	if err == nil && c.Source != source {
		err = fmt.Errorf("it is of %s", quoteShort(c.Source))
	}
	return c, err
}

// Save makes a source's copy durable. It writes nothing where the parts are those that are there already, whatever the
// version and time, so that a source that is asked every second costs nothing; after a restart its version is then an
// older one, which the source answers in full.
func (l *LastGood) Save(c GoodCopy) error {
	if l.dir == "" || l.looked {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	path, sum := l.path(c.Source), sumOfParts(c.Parts)
	if was, ok := l.saved[c.Source]; ok && was == sum && isThere(path) {
		return nil
	}
	if err := l.write(path, c); err != nil {
		return fmt.Errorf("last good copy of %s: %w", c.Source, err)
	}
	l.saved[c.Source] = sum
	return nil
}

// Hold keeps the copy that a source has now for Before, also when another is saved; what is kept already stays. Without
// held nothing is kept any more.
func (l *LastGood) Hold(source string, held bool) error {
	if l.dir == "" || l.looked {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	path := l.path(source)
	kept := path + beforeSuffix
	err := error(nil)
	switch {
	case !held:
		err = os.Remove(kept)
	case isThere(kept):
	default:
		if err = os.Link(path, kept); err != nil {
			err = os.Rename(path, kept) // not every file system has links
		}
	}
	if err == nil {
		err = syncDirectory(l.dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("last good copy of %s: %w", source, err)
	}
	return nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// write writes a file that is whole or not there at any moment.
func (l *LastGood) write(path string, c GoodCopy) error {
	data, err := encodeGood(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		if err := os.Rename(path, path+damagedSuffix); err != nil {
			return err
		}
	}
	err = renameio.WriteFile(path, data, 0o600, renameio.WithTempDir(l.dir))
	if err == nil {
		err = syncDirectory(l.dir)
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		err = errno // else it has the path of a file with a random name, and no two are alike
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Prune removes the copies of all sources but these, damaged ones too, and what a gorb that was killed left half
// written. Other files are left alone.
func (l *LastGood) Prune(keep []string) error {
	if l.dir == "" || l.looked {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := make(map[string]bool)
	for _, source := range keep {
		name := filepath.Base(l.path(source))
		for _, ending := range []string{"", beforeSuffix} {
			kept[name+ending], kept[name+ending+damagedSuffix] = true, true
		}
	}
	entries, err := os.ReadDir(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("last good copies: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if name := e.Name(); isGoodName(name) && !kept[name] {
			errs = append(errs, os.Remove(filepath.Join(l.dir, name)))
		}
	}
	maps.DeleteFunc(l.saved, func(source string, _ [sha256.Size]byte) bool { return !kept[filepath.Base(l.path(source))] })
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("last good copies: %w", err)
	}
	return nil
}

// isGoodName says whether a file is one of LastGood's: 32 hexadecimal digits and an ending, or the same half written, as
// renameio calls it.
func isGoodName(name string) bool {
	name, half := strings.CutPrefix(name, ".")
	digits, ending, found := strings.Cut(name, goodSuffix)
	if sum, err := hex.DecodeString(digits); !found || err != nil || len(sum) != 16 {
		return false
	}
	if half {
		return strings.Trim(ending, "0123456789") == "" && ending != ""
	}
	ending = strings.TrimSuffix(ending, damagedSuffix)
	return ending == "" || ending == beforeSuffix
}
