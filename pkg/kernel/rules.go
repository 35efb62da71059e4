package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseRules reads a table from text as `ipvsadm -Sn` and `ipvsadm-save` write it, in every form of ipvsadm 1.31, and
// as Table.String does. name is the file's, for errors, which carry name:line and end the reading.
//
// Destinations come in the order of the text. ipvsadm sorts them by address, so it is not the kernel's. Nor does
// ipvsadm save thresholds, the netmask of a service without persistence, or flag-3 of sh and mh beside another flag.
//
// What no Op can carry, an IPv4-mapped address, makes the service or the destination Unknown. Ports may be names, looked
// up in this machine's list of services as ipvsadm does; hosts may not. Blank lines and lines that start with # are
// passed over. A line that is repeated word for word is passed over too, as dumps may repeat entries.
func ParseRules(name string, text []byte) (Table, error) {
	in := ruleReader{table: Table{}, dests: make(map[ServiceKey]map[DestKey]bool)}
	seen := make(map[string]bool)
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' || seen[string(line)] {
			continue
		}
		seen[string(line)] = true
		if err := in.add(string(line)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	return in.table, nil
}

// ruleReader is the table as far as it is read, with the destinations of each service as a set: a service may have tens
// of thousands.
type ruleReader struct {
	table Table
	dests map[ServiceKey]map[DestKey]bool
}

// add adds what one line says.
func (in ruleReader) add(line string) error {
	if !utf8.ValidString(line) {
		return errors.New("it is not text in UTF-8")
	}
	r, err := parseRule(strings.Fields(line))
	if err != nil {
		return err
	}
	if r.command != "-A" && r.command != "-a" {
		return fmt.Errorf("%q: a rule begins with -A or -a, as ipvsadm -Sn writes it", r.command)
	}
	k, err := r.key()
	if err != nil {
		return err
	}
	if r.command == "-A" {
		return in.addService(k, r)
	}
	return in.addDest(k, r)
}

func (in ruleReader) addService(k ServiceKey, r rule) error {
	v := VirtualService{Service: r.service, Unknown: unwritableKey(k)}
	v.Netmask = FullNetmask(k.Family)
	if r.netmask != "" {
		mask, err := parseNetmask(k.Family, r.netmask)
		if err != nil {
			return fmt.Errorf("-M %s: %w", r.netmask, err)
		}
		v.Netmask = mask
	}
	if r.schedFlags != nil {
		flags, err := parseSchedFlags(v.Scheduler, *r.schedFlags)
		if err != nil {
			return fmt.Errorf("-b %s: %w", *r.schedFlags, err)
		}
		v.Flags |= flags
	}
	if _, ok := in.table[k]; ok {
		return fmt.Errorf("%s is already there, with other attributes", k)
	}
	in.table[k], in.dests[k] = v, make(map[DestKey]bool)
	return nil
}

func (in ruleReader) addDest(k ServiceKey, r rule) error {
	v, ok := in.table[k]
	if !ok {
		return fmt.Errorf("%s has no line of its own before this one", k)
	}
	if r.real == "" {
		return fmt.Errorf("a real server of %s lacks its -r", k)
	}
	addr, err := parseAddrPort(k.Protocol, r.real)
	if err != nil {
		return fmt.Errorf("-r %s: %w", r.real, err)
	}
	d := RealServer{DestKey: DestKey{addr}, Dest: r.dest}
	if in.dests[k][d.DestKey] {
		return fmt.Errorf("%s is already there in %s, with other attributes", d.DestKey, k)
	}
	if r.tunnel != "" && d.Forward != Tunnel {
		return fmt.Errorf("%s: it is for tunnels, -i", r.tunnel)
	}
	if fault := forwardFault(k.Family, d.DestKey, d.Dest); fault != "" {
		return fmt.Errorf("%s: %s", d.DestKey, fault)
	}
	d.Unknown = unwritableDest(k.Family, d)
	v.Dests = append(v.Dests, d)
	in.table[k], in.dests[k][d.DestKey] = v, true
	return nil
}

// parseNetmask is the reverse of formatNetmask.
func parseNetmask(f Family, s string) (uint32, error) {
	if f == IPv6 {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil || n < 1 || n > 128 {
			return 0, errors.New("it is not a prefix length from 1 to 128")
		}
		return uint32(n), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return 0, errors.New("it is not a mask like 255.255.255.0")
	}
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), nil
}

// parseSchedFlags reads the list of -b. It is empty where sh or mh has flag-3 alone: ipvsadm then writes the option,
// but has no word for it.
func parseSchedFlags(scheduler, list string) (Flags, error) {
	if list == "" {
		return Sched3, nil
	}
	names, plain := schedFlagNames(scheduler), schedFlagNames("")
	var flags Flags
	for word := range strings.SplitSeq(list, ",") {
		i := max(slices.Index(names[:], word), slices.Index(plain[:], word))
		if i < 0 {
			return 0, fmt.Errorf("%q is no flag of the scheduler %s", word, scheduler)
		}
		flags |= schedFlags[i]
	}
	return flags, nil
}
