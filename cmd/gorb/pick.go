package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// A choice is a service as somebody called it, and the keys that this may mean.
type choice struct {
	word    string
	keys    []kernel.ServiceKey
	backend string // of which no more than this backend is meant; "": all of it
}

// found returns the keys that are in a table; the error says that none is.
func (c choice) found(t kernel.Table) ([]kernel.ServiceKey, error) {
	var found []kernel.ServiceKey
	for _, key := range c.keys {
		if _, ok := t[key]; ok {
			found = append(found, key)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(c.keys) == 1 && c.keys[0].String() != c.word:
		return nil, fmt.Errorf("%s (%s) is not in the kernel's table", c.word, c.keys[0])
	}
	return nil, fmt.Errorf("%s is not in the kernel's table", c.word)
}

// choose returns the keys that somebody may mean who names a service of the kernel: those that gorb remembers under
// that name, or those of an address or a mark. Which of them are in the table is for the reader to see.
//
//	web
//	tcp 10.0.0.1:80     10.0.0.1:80, with any protocol
//	fwmark 7 ipv4       fwmark 7, of any family
//
// The note, which may be nil, is why nothing is remembered: it is part of the error.
func choose(word string, m reconcile.Memory, note error) (choice, error) {
	var keys []kernel.ServiceKey
	for key, o := range m.Services {
		if o.Name == word {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		keys = append(keysOfMark(word), keysOfAddress(word)...)
	}
	if len(keys) == 0 {
		var names []string
		for _, o := range m.Services {
			names = append(names, o.Name)
		}
		slices.Sort(names)
		err := fmt.Errorf(`%w; a service is called by gorb's name for it, or like "tcp 10.0.0.1:80" or "fwmark 7"`,
			unknown("service", word, names))
		if note != nil {
			err = fmt.Errorf("%w\nnote: %w", err, note)
		}
		return choice{}, err
	}
	slices.SortFunc(keys, kernel.ServiceKey.Compare)
	return choice{word: word, keys: keys}, nil
}

// protocols are those of a key's text.
var protocols = map[string]kernel.Protocol{"tcp": kernel.TCP, "udp": kernel.UDP, "sctp": kernel.SCTP}

// keysOfAddress reads "tcp 10.0.0.1:80", or without the protocol.
func keysOfAddress(word string) []kernel.ServiceKey {
	among := slices.Collect(maps.Values(protocols))
	if first, rest, ok := strings.Cut(word, " "); ok {
		p, ok := protocols[strings.ToLower(first)]
		if !ok {
			return nil
		}
		among, word = []kernel.Protocol{p}, rest
	}
	addr, err := netip.ParseAddrPort(word)
	if err != nil || addr.Addr().Is4In6() || addr.Addr().Zone() != "" {
		return nil
	}
	var keys []kernel.ServiceKey
	for _, p := range among {
		keys = append(keys, kernel.ServiceKey{Family: kernel.FamilyOf(addr.Addr()), Protocol: p, Addr: addr})
	}
	return keys
}

// keysOfMark reads "fwmark 7 ipv4", or without the family.
func keysOfMark(word string) []kernel.ServiceKey {
	fields := strings.Fields(strings.ToLower(word))
	if len(fields) < 2 || len(fields) > 3 || fields[0] != "fwmark" {
		return nil
	}
	mark, err := strconv.ParseUint(fields[1], 10, 32)
	if err != nil || mark == 0 {
		return nil
	}
	var keys []kernel.ServiceKey
	for _, f := range []kernel.Family{kernel.IPv4, kernel.IPv6} {
		if len(fields) == 2 || fields[2] == f.String() {
			keys = append(keys, kernel.ServiceKey{Family: f, Mark: uint32(mark)})
		}
	}
	return keys
}

// called returns the shortest argument that names a service: gorb's name for it, or its key, in quotes for the shell.
func called(key kernel.ServiceKey, name string) string {
	if name != "" && !strings.ContainsAny(name, " \t'\"\\$`*?[]();&|<>~#!{}") {
		return name
	}
	return "'" + key.String() + "'"
}

// titled returns a service as it is spoken of: its key, and its name where it has one.
func titled(key kernel.ServiceKey, name string) string {
	if name == "" {
		return key.String()
	}
	return fmt.Sprintf("%s (%s)", key, name)
}
