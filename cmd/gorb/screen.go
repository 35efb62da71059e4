package main

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
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
		s.printHealth(out)
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
	writeBlocks(out, s.columns(), blocks)
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
	health := s.health[key]
	switch b := health.of(d.DestKey); {
	case b == nil && health != nil && health.Waiting != nil:
		return "leaves later"
	case d.Weight == 0 && b != nil && b.Weight > 0 && b.State != httpapi.Unchecked:
		return "" // its state says so, and why
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
