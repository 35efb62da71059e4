package main

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// printStatus prints a status for people: what is of the whole, and a block of lines for each service.
func printStatus(w io.Writer, s *status) error {
	out := bufio.NewWriter(w)
	if s.chosen == nil {
		s.printDaemon(out)
		fmt.Fprintln(out)
	}
	if s.unread != nil {
		fmt.Fprintf(out, "the kernel's table is not shown: %v\n", s.unread)
		return out.Flush()
	}
	s.head(out)
	if len(s.table) == 0 {
		fmt.Fprintln(out, "\nthe table is empty: there are no services")
		return out.Flush()
	}
	fmt.Fprintln(out)
	var blocks []block
	for _, key := range s.table.Keys() {
		blocks = append(blocks, s.block(key))
	}
	writeBlocks(out, blocks)
	return out.Flush()
}

// head writes what is of IPVS as a whole.
func (s *status) head(w io.Writer) {
	fmt.Fprintf(w, "IPVS %s, connection table of %s, timeouts: tcp %s, tcpfin %s, udp %s\n",
		s.info.Version, plural(int(s.info.ConnTableSize), "bucket"),
		seconds(s.timeouts.TCP), seconds(s.timeouts.TCPFin), seconds(s.timeouts.UDP))
	var parts []string
	if s.chosen == nil {
		services, backends := s.count()
		parts = append(parts, plural(services, "service"), plural(backends, "backend"))
	}
	for _, d := range s.sync {
		parts = append(parts, fmt.Sprintf("sync %s on %s, syncid %d", d.Role, d.Interface, d.ID))
	}
	if len(s.sync) == 0 {
		parts = append(parts, "no sync daemon")
	}
	fmt.Fprintln(w, strings.Join(parts, "; "))
}

// count returns the numbers of services and backends.
func (s *status) count() (services, backends int) {
	for _, v := range s.table {
		backends += len(v.Dests)
	}
	return len(s.table), backends
}

// A block is what is said of a service: a title, a row of cells for each backend and one for all, and remarks.
type block struct {
	title   string
	rows    [][]string // as columns, and one more: what else there is to say of the backend
	remarks []string
}

// columns are the titles of the cells of a row. The first two are words and the others numbers.
var columns = []string{"", "METHOD", "WEIGHT", "ACTIVE", "INACT", "PERSIST", "CONN/S", "PKT/S", "IN B/S", "OUT B/S"}

func (s *status) block(key kernel.ServiceKey) block {
	v, stats := s.table[key], s.stats[key]
	owned, isOwned := s.memory.Services[key]
	b := block{title: strings.Join(append([]string{titled(key, owned.Name) + ": " + v.Scheduler}, traits(key, v)...), ", ")}
	if !isOwned {
		b.title += "; not gorb's"
	}
	if source, held := s.held[reconcile.Ref{Service: key}]; held {
		b.title += "; held, " + short(source) + " leaves it out"
	}
	var total kernel.Conns
	var weight uint64
	for _, d := range reconcile.Canonical(v.Dests) {
		b.rows = append(b.rows, slices.Concat(
			[]string{"  " + d.DestKey.String(), methodOf(d.Dest), fmt.Sprint(d.Weight)},
			connCells(d.Conns), rateCells(stats.Dests[d.DestKey]), []string{s.remark(key, d, owned)}))
		weight += uint64(d.Weight)
		total.Active += d.Conns.Active
		total.Inactive += d.Conns.Inactive
		total.Persistent += d.Conns.Persistent
		if d.Unknown != "" {
			b.remarks = append(b.remarks, fmt.Sprintf("gorb cannot edit %s: %s", d.DestKey, d.Unknown))
		}
	}
	b.rows = append(b.rows, slices.Concat(
		[]string{"  total", "", fmt.Sprint(weight)}, connCells(total), rateCells(stats.Stats), []string{""}))
	if len(v.Dests) == 0 {
		b.rows[0][0] = "  no backends"
	}
	if v.Unknown != "" {
		b.remarks = append(b.remarks, "gorb leaves it alone: "+v.Unknown)
	}
	if d, ok := reconcile.DriftOf(key, v); ok {
		b.remarks = append(b.remarks, fmt.Sprintf("order: %s (gorb reorder %s)", d, called(key, owned.Name)))
	}
	return b
}

// writeBlocks writes blocks with their columns aligned.
func writeBlocks(w io.Writer, blocks []block) {
	widths := make([]int, len(columns))
	widen := func(row []string) {
		for i := range columns {
			widths[i] = max(widths[i], len(row[i]))
		}
	}
	widen(columns)
	for _, b := range blocks {
		for _, row := range b.rows {
			widen(row)
		}
	}
	write := func(row []string) {
		var line strings.Builder
		for i := range columns {
			if i < 2 {
				fmt.Fprintf(&line, "%-*s  ", widths[i], row[i])
				continue
			}
			fmt.Fprintf(&line, "%*s  ", widths[i], row[i])
		}
		line.WriteString(strings.Join(row[len(columns):], ""))
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
	write(columns)
	for _, b := range blocks {
		fmt.Fprintln(w, b.title)
		for _, row := range b.rows {
			write(row)
		}
		for _, r := range b.remarks {
			fmt.Fprintf(w, "  %s\n", r)
		}
	}
}

// traits are what a service has beside its scheduler.
func traits(key kernel.ServiceKey, v kernel.VirtualService) []string {
	traits := flagNames(v)
	if v.Flags&kernel.Persistent != 0 {
		persistent := "persistent " + seconds(v.Timeout)
		if mask := netmaskOf(key, v); mask != "" {
			persistent += " by " + mask
		}
		traits = append(traits, persistent)
	}
	if v.Engine != "" {
		traits = append(traits, "engine "+v.Engine)
	}
	return traits
}

// flagNames are the flags of a service as a configuration names them.
func flagNames(v kernel.VirtualService) []string {
	var declared spec.Flags
	rest := v.Flags &^ kernel.Persistent
	for _, f := range []struct {
		kernel   kernel.Flags
		declared spec.Flags
	}{
		{kernel.Sched1, spec.Flag1}, {kernel.Sched2, spec.Flag2}, {kernel.Sched3, spec.Flag3}, {kernel.OnePacket, spec.OnePacket},
	} {
		if v.Flags&f.kernel != 0 {
			declared |= f.declared
			rest &^= f.kernel
		}
	}
	names := strings.Split(declared.Names(v.Scheduler), "|")
	if declared == 0 {
		names = []string{}
	}
	if rest != 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(rest)))
	}
	return names
}

// netmaskOf returns a service's netmask, "255.255.255.0" or "/64", or "" where every client is alone.
func netmaskOf(key kernel.ServiceKey, v kernel.VirtualService) string {
	switch m := v.Netmask; {
	case m == kernel.FullNetmask(key.Family):
		return ""
	case key.Family == kernel.IPv4:
		return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)}).String()
	default:
		return fmt.Sprintf("/%d", m)
	}
}

// methodOf returns a backend's method as a configuration calls it, and the port of a tunnel that has one.
func methodOf(d kernel.Dest) string {
	if d.Forward == kernel.Tunnel && d.Encap.Port != 0 {
		return fmt.Sprintf("%s:%d", methodName(d), d.Encap.Port)
	}
	return methodName(d)
}

// methodName returns a backend's method as a configuration calls it, or where it cannot, as the kernel does.
func methodName(d kernel.Dest) string {
	switch d.Forward {
	case kernel.Masq:
		return string(spec.NAT)
	case kernel.Route:
		return string(spec.DR)
	case kernel.Local:
		return "local"
	case kernel.Bypass:
		return "bypass"
	case kernel.Tunnel:
		if d.Encap.Type == kernel.IPIP {
			return string(spec.Tunnel)
		}
		return d.Encap.Type.String()
	}
	return fmt.Sprintf("forward(%d)", d.Forward)
}

// remark says what matters of a backend beside its numbers.
func (s *status) remark(key kernel.ServiceKey, d kernel.RealServer, o reconcile.Owned) string {
	if source, held := s.held[reconcile.Ref{Service: key, Dest: d.DestKey}]; held {
		return "held, " + short(source) + " leaves it out"
	}
	if drain, ok := o.Draining[d.DestKey]; ok {
		return "draining until " + drain.Until.Local().Format(time.TimeOnly)
	}
	switch {
	case d.Weight == 0:
		return "no new clients"
	case d.Upper > 0 && d.Conns.Active+d.Conns.Inactive >= d.Upper:
		return fmt.Sprintf("full: %d", d.Upper)
	}
	return ""
}

func connCells(c kernel.Conns) []string {
	return []string{human(uint64(c.Active)), human(uint64(c.Inactive)), human(uint64(c.Persistent))}
}

func rateCells(s kernel.Stats) []string {
	return []string{human(s.ConnRate), human(s.InPacketRate + s.OutPacketRate), human(s.InByteRate), human(s.OutByteRate)}
}

// human writes a number in at most four characters: "999", "1.2k", "123M".
func human(n uint64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	f := float64(n)
	for _, unit := range "kMGTPE" {
		f /= 1000
		switch {
		case f < 9.95:
			return fmt.Sprintf("%.1f%c", f, unit)
		case f < 999.5:
			return fmt.Sprintf("%.0f%c", f, unit)
		}
	}
	return fmt.Sprint(n) // there are no more than 18 E
}

// seconds writes a number of seconds as a duration.
func seconds(n uint32) string { return duration(time.Duration(n) * time.Second) }
