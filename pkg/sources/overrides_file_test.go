package sources

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/gorb-io/gorb/pkg/spec"
)

// filled is a directory with a store of n overrides, closed, and the path of its file.
func filled(t *testing.T, n int) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	s, err := OpenOverrides(dir)
	must(t, err)
	var list []*StoredOverride
	for i := range n {
		o := &StoredOverride{Override: override(spec.Patch, fmt.Sprintf("s%05d", i), fmt.Sprintf(`{"port":%d}`, i)), Revision: uint64(i + 1)}
		o.At = time.Now().UTC()
		list = append(list, o)
	}
	state := stateOf(list, 0, nil)
	must(t, s.file.save(&overrideState{}, state, change{put: state.list, revision: state.revision}))
	must(t, s.Close())
	return dir, filepath.Join(dir, overridesName)
}

// inFile edits a database that is closed.
func inFile(t *testing.T, path string, edit func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(edit))
	must(t, db.Close())
}

func TestOverridesDropWhatIsDamaged(t *testing.T) {
	dir, path := filled(t, 3)
	inFile(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketOverrides)
		sound := bytes.Clone(b.Get([]byte("s00000")))
		return errors.Join(
			b.Put([]byte("s00001"), append(bytes.Clone(sound), ' ')),
			b.Put([]byte("other"), sound),
			b.Put([]byte("odd"), seal("odd", []byte(`{"kind":"hide","body":{}}`))),
			b.Put([]byte("short"), nil),
			b.Put([]byte("new"), seal("new", []byte(`{"kind":"hide","color":1}`))),
		)
	})
	s, err := OpenOverrides(dir)
	if !errors.Is(err, ErrSetAside) {
		t.Fatal(err)
	}
	equal(t, "note", "overrides: "+path+` is damaged: `+
		`the override of "new" is lost: json: unknown field "color", `+
		`the override of "odd" is lost: hide takes no body, `+
		`the override of "other" is lost: its checksum is wrong, `+
		`the override of "s00001" is lost: its checksum is wrong, `+
		`the override of "short" is lost: it is cut off: `+
		`what was there is kept as `+path+`.damaged`, err.Error())
	equal(t, "list", "1 patch s00000 {\"port\":0}\n3 patch s00002 {\"port\":2}\n", told(s))
	putOverride(t, s, override(spec.Hide, "more", ""))
	s = reopened(t, s, dir) // without a note
	equal(t, "list", 3, len(s.List()))
	wantFilesIn(t, dir, overridesName, overridesName+".damaged")
}

func wantFilesIn(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	equal(t, "files", want, got)
}

func TestOverridesInAFileThatIsNone(t *testing.T) {
	tests := map[string]func(path string) error{
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"short":     func(path string) error { return os.Truncate(path, 100) },
		"cut":       func(path string) error { return os.Truncate(path, 3*4096) },
		"text":      func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("hello\n", 9999)), 0o600) },
		"huge":      func(path string) error { return os.Truncate(path, 1<<40) },
		"directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"foreign": func(path string) error {
			err := os.Remove(path)
			db, err2 := bolt.Open(path, 0o600, nil)
			if err := errors.Join(err, err2); err != nil {
				return err
			}
			return db.Close()
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			dir, path := filled(t, 60)
			must(t, spoil(path))
			s, err := OpenOverrides(dir)
			if !errors.Is(err, ErrSetAside) {
				t.Fatal(err)
			}
			putOverride(t, s, override(spec.Hide, "more", ""))
			before := told(s)
			s = reopened(t, s, dir)
			equal(t, "list", before, told(s))
			wantFilesIn(t, dir, overridesName, overridesName+".damaged")
		})
	}
}

func TestOverridesOfANewerGorb(t *testing.T) {
	dir, path := filled(t, 1)
	inFile(t, path, func(tx *bolt.Tx) error { return putNumber(tx.Bucket(bucketGorb), keyLayout, overrideLayout+1) })
	_, err := OpenOverrides(dir)
	equal(t, "error", "overrides: "+path+": it was written by a newer gorb", fmt.Sprint(err))
	wantFilesIn(t, dir, overridesName)
}

func TestOverridesAreOpenedOnce(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	second := &overrideFile{path: filepath.Join(dir, overridesName), wait: time.Millisecond}
	_, err := second.begin()
	equal(t, "error", second.path+" is in use by another gorb", fmt.Sprint(err))
	must(t, s.Close())
	_, err = second.begin()
	must(t, err)
	must(t, second.open.close(nil))
}

func TestOverridesWhoseFileIsTouched(t *testing.T) {
	tests := map[string]func(path string) error{
		"removed":   os.Remove,
		"cut off":   func(path string) error { return os.Truncate(path, 0) }, // reading it is a fault from then on
		"moved":     func(path string) error { return os.Rename(path, path+".moved") },
		"directory": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".moved"), os.WriteFile(path, []byte("hello"), 0o600))
		},
	}
	for name, touch := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			s := openOverrides(t, dir)
			for i := range 50 { // over several pages
				putOverride(t, s, override(spec.Set, fmt.Sprintf("s%d", i), `{"a":"`+strings.Repeat("x", 1000)+`"}`))
			}
			must(t, touch(filepath.Join(dir, overridesName)))
			putOverride(t, s, override(spec.Hide, "s7", ""))
			clearOverride(t, s, "s8")
			before := told(s)
			s = reopened(t, s, dir)
			equal(t, "list", before, told(s))
			equal(t, "number", 49, len(s.List()))
		})
	}
}

func TestOverridesAreCompacted(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	for i := range 8 {
		putOverride(t, s, override(spec.Set, fmt.Sprintf("s%d", i), `{"a":"`+strings.Repeat("x", maxOverrideBody/2)+`"}`))
	}
	for i := range 7 {
		clearOverride(t, s, fmt.Sprintf("s%d", i))
	}
	path := filepath.Join(dir, overridesName)
	before := told(s)
	must(t, os.WriteFile(path+".new", []byte("half of a"), 0o600)) // of one that was killed at this
	was, err := os.Stat(path)
	must(t, err)
	s = reopened(t, s, dir)
	is, err := os.Stat(path)
	must(t, err)
	if was.Size() < 4<<20 || is.Size() > 2<<20 {
		t.Errorf("%d bytes before, %d after", was.Size(), is.Size())
	}
	equal(t, "list", before, told(s))
	wantFilesIn(t, dir, overridesName)
	s = reopened(t, s, dir)
	again, err := os.Stat(path)
	must(t, err)
	equal(t, "compacted again", true, os.SameFile(is, again))
	equal(t, "list", before, told(s))
}

// TestOverridesSpoilt spoils a file at random: what comes out is what went in, or is missing and said to be.
func TestOverridesSpoilt(t *testing.T) {
	dir, path := filled(t, 100)
	sound, err := os.ReadFile(path)
	must(t, err)
	s, err := OpenOverrides(dir)
	must(t, err)
	all := make(map[string]string)
	for _, o := range s.List() {
		all[o.Object()] = fmt.Sprintf("%+v", o)
	}
	must(t, s.Close())
	r := rand.New(rand.NewPCG(4, 2))
	lost := 0
	for i := range 40 {
		data := bytes.Clone(sound)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(data))
			switch r.IntN(4) {
			case 0: // a bit
				data[at] ^= 1 << r.IntN(8)
			case 1: // a sector
				copy(data[at&^511:], make([]byte, 512))
			case 2: // a page in the place of another
				copy(data[at&^4095:], data[r.IntN(len(data))&^4095:][:4096])
			case 3: // a number in a page's head or list of entries
				data[at&^4095+r.IntN(64)] = byte(r.IntN(256))
			}
		}
		write(t, path, string(data))
		s, err := OpenOverrides(dir)
		if s == nil {
			t.Fatal(i, err)
		}
		for _, o := range s.List() {
			if all[o.Object()] != fmt.Sprintf("%+v", o) {
				t.Fatalf("%d: %+v was not there", i, o)
			}
		}
		if missing := len(all) - len(s.List()); missing > 0 {
			lost += missing
			if !errors.Is(err, ErrSetAside) {
				t.Fatal(i, "nothing said of", missing, "that are missing:", err)
			}
		}
		putOverride(t, s, override(spec.Hide, "more", ""))
		clearOverride(t, s, "more")
		must(t, s.Close())
	}
	t.Logf("%d of %d were lost", lost, 40*len(all))
}
