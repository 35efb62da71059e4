package reconcile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/gorb-io/gorb/pkg/kernel"
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

// Store keeps a Memory in a file of the state directory.
type Store struct {
	path    string // "" keeps nothing
	place   Place
	saved   []byte
	damaged bool // what is at path cannot be read, and is put aside before it is written over
}

// NewStore returns the store of a state directory; an empty dir keeps the memory in the process alone. Nothing is read or
// written yet.
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
// wrapping ErrUnreadable too, cannot be read: then nothing is remembered, and the store can be used all the same.
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
	was, memory, err := decodeMemory(data)
	switch {
	case err != nil:
		s.damaged = true
		return Memory{}, fmt.Errorf("%s is damaged: %w (%w): %w", s.path, ErrUnreadable, err, ErrForgotten)
	case was.BootID != s.place.BootID:
		return Memory{}, fmt.Errorf("%s is of another boot: %w", s.path, ErrForgotten)
	case was.Namespace != s.place.Namespace:
		return Memory{}, fmt.Errorf("%s is of another network namespace: %w", s.path, ErrForgotten)
	}
	s.saved = data
	return memory, nil
}

// Save makes a memory durable: when it returns nil, a crash at any moment finds it whole. It writes nothing that is
// there already, and keeps a damaged memory under another name, for whoever wants to know what was in it.
func (s *Store) Save(m Memory) error {
	if s.path == "" {
		return nil
	}
	data, err := encodeMemory(s.place, m)
	if err != nil || bytes.Equal(data, s.saved) {
		return err
	}
	if s.damaged {
		if err := os.Rename(s.path, s.path+".damaged"); err != nil {
			return fmt.Errorf("put the damaged memory aside: %w", err)
		}
		s.damaged = false
	}
	if err := renameio.WriteFile(s.path, data, 0o644, renameio.WithTempDir(filepath.Dir(s.path))); err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err // the path is that of a file with a random name, so no two messages would be alike
		}
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	if err := syncDir(filepath.Dir(s.path)); err != nil {
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

// memoryFile is the form of ownership.json.
type memoryFile struct {
	Version int `json:"version"`
	Place
	Services []memoryService `json:"services"`
}

type memoryService struct {
	Name     string           `json:"name"`
	Family   kernel.Family    `json:"family"`
	Protocol kernel.Protocol  `json:"protocol,omitempty"`
	Address  netip.AddrPort   `json:"address,omitzero"`
	Fwmark   uint32           `json:"fwmark,omitempty"`
	Drain    time.Duration    `json:"drain_ns"`
	Tunnels  []netip.AddrPort `json:"tunnels,omitempty"`
	Draining []memoryDrain    `json:"draining,omitempty"`
}

type memoryDrain struct {
	Backend netip.AddrPort `json:"backend"`
	Since   time.Time      `json:"since"`
	Until   time.Time      `json:"until"`
}

// memoryVersion is the version of the file's form; another one is not understood.
const memoryVersion = 1

func encodeMemory(place Place, m Memory) ([]byte, error) {
	f := memoryFile{Version: memoryVersion, Place: place, Services: make([]memoryService, 0, len(m))}
	for _, k := range sortKeys(slices.Collect(maps.Keys(m))) {
		o := m[k]
		s := memoryService{
			Name: o.Name, Family: k.Family, Protocol: k.Protocol, Address: k.Addr, Fwmark: k.Mark, Drain: o.Drain,
		}
		for _, t := range o.Tunnels {
			s.Tunnels = append(s.Tunnels, t.Addr)
		}
		for _, d := range slices.SortedFunc(maps.Keys(o.Draining), kernel.DestKey.Compare) {
			s.Draining = append(s.Draining, memoryDrain{d.Addr, o.Draining[d].Since, o.Draining[d].Until})
		}
		f.Services = append(f.Services, s)
	}
	data, err := json.MarshalIndent(f, "", " ")
	return append(data, '\n'), err
}

func decodeMemory(data []byte) (Place, Memory, error) {
	var f memoryFile
	if err := json.Unmarshal(data, &f); err != nil {
		return Place{}, nil, err
	}
	if f.Version != memoryVersion {
		return Place{}, nil, fmt.Errorf("version %d, wanted %d", f.Version, memoryVersion)
	}
	m := make(Memory, len(f.Services))
	for _, s := range f.Services {
		o := Owned{Name: s.Name, Drain: s.Drain}
		for _, t := range s.Tunnels {
			o.Tunnels = append(o.Tunnels, kernel.DestKey{Addr: t})
		}
		for _, d := range s.Draining {
			if o.Draining == nil {
				o.Draining = make(map[kernel.DestKey]Drain, len(s.Draining))
			}
			o.Draining[kernel.DestKey{Addr: d.Backend}] = Drain{Since: d.Since, Until: d.Until}
		}
		m[kernel.ServiceKey{Family: s.Family, Protocol: s.Protocol, Addr: s.Address, Mark: s.Fwmark}] = o
	}
	return f.Place, m, nil
}
