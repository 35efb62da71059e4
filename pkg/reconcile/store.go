package reconcile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// Place is the table that a memory is about: a network namespace of one boot of one kernel. The memory of another place
// says nothing about this one.
type Place struct {
	BootID    string `json:"boot_id"`
	Namespace string `json:"netns"`
}

// ErrForgotten says that a memory was there and could not be used: gorb owns nothing.
var ErrForgotten = errors.New("nothing in the kernel is taken for gorb's")

// ErrUnreadable says that a memory is there and cannot be read, because it is damaged or not for this user.
var ErrUnreadable = errors.New("it cannot be read")

// ErrDropped says that some entries of a memory make no sense, and that what they are about is not taken for gorb's.
var ErrDropped = errors.New("these entries are not taken for gorb's")

// Store keeps a Memory in a file of the state directory.
type Store struct {
	path    string // "" keeps nothing
	place   Place
	form    encoder
	saved   []byte // what is at path; nil: not known
	damaged bool   // what is at path cannot be read, and is put aside before it is written over
}

// NewStore returns the store of a state directory; an empty dir keeps the memory in the process alone. Nothing is read
// or written yet.
func NewStore(dir string, place Place) *Store {
	s := &Store{place: place}
	if dir != "" {
		s.path = filepath.Join(dir, "ownership.json")
	}
	return s
}

// Prepare makes the state directory where it is missing, and sees whether it can be written.
func (s *Store) Prepare() error {
	if s.path == "" {
		return nil
	}
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	_, err = probe.WriteString("gorb\n")
	err = errors.Join(err, probe.Close())
	if gone := os.Remove(probe.Name()); !errors.Is(gone, fs.ErrNotExist) { // another gorb's Sweep may be quicker
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// Sweep removes what a gorb that was killed left half written. It is for who has the lock of the directory.
func (s *Store) Sweep() error {
	if s.path == "" {
		return nil
	}
	dir, name := filepath.Split(s.path)
	var errs []error
	for _, pattern := range []string{"." + name + "*", ".writable-*"} {
		left, err := filepath.Glob(filepath.Join(globEscape(dir), pattern))
		errs = append(errs, err)
		for _, file := range left {
			errs = append(errs, os.Remove(file))
		}
	}
	return errors.Join(errs...)
}

// globEscape makes a pattern of a path that matches that path alone.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// Load returns what the store remembers. The error wraps ErrForgotten where the memory is missing, of another place or,
// wrapping ErrUnreadable too, cannot be read: then nothing is remembered, and the store can be used all the same. It
// wraps ErrDropped where only some entries made no sense: the others are remembered.
func (s *Store) Load() (Memory, error) {
	if s.path == "" {
		return Memory{}, nil
	}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Memory{}, fmt.Errorf("there is no %s yet: %w", s.path, ErrForgotten)
	}
	if err != nil {
		return Memory{}, fmt.Errorf("%w: %w: %w", err, ErrUnreadable, ErrForgotten)
	}
	was, memory, dropped, err := decodeMemory(data)
	switch {
	case err != nil:
		s.damaged = true
		return Memory{}, fmt.Errorf("%s is damaged: %w (%w): %w", s.path, ErrUnreadable, err, ErrForgotten)
	case was.BootID != s.place.BootID:
		return Memory{}, fmt.Errorf("%s is of another boot: %w", s.path, ErrForgotten)
	case was.Namespace != s.place.Namespace:
		return Memory{}, fmt.Errorf("%s is of another network namespace: %w", s.path, ErrForgotten)
	case len(dropped) > 0:
		return memory, fmt.Errorf("%s: %w: %w", s.path, Join(dropped), ErrDropped)
	}
	s.saved = data
	return memory, nil
}

// Mend writes the memory again where somebody has removed its file since it was written.
func (s *Store) Mend(m Memory) error {
	if s.saved == nil || !s.lost() {
		return nil
	}
	if err := s.Save(m); err != nil {
		return fmt.Errorf("%s was removed: %w", s.path, err)
	}
	return nil
}

// lost reports whether the file is missing.
func (s *Store) lost() bool {
	_, err := os.Lstat(s.path)
	return errors.Is(err, fs.ErrNotExist)
}

// Save makes a memory durable: when it returns nil, a crash at any moment finds it whole. It writes nothing that is
// there already, makes a state directory that was removed, and keeps a damaged memory under another name, for whoever
// wants to know what was in it.
func (s *Store) Save(m Memory) error {
	if s.path == "" {
		return nil
	}
	data, err := s.form.encode(s.place, m)
	if err != nil || bytes.Equal(data, s.saved) && !s.lost() {
		return err
	}
	if s.damaged {
		if err := os.Rename(s.path, s.path+".damaged"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put the damaged memory aside: %w", err)
		}
		s.damaged = false
	}
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if err := renameio.WriteFile(s.path, data, 0o644, renameio.WithTempDir(dir)); err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err // the path is that of a file with a random name, so no two messages would be alike
		}
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	s.saved = data
	return nil
}

// syncDir makes a rename in a directory durable.
func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
