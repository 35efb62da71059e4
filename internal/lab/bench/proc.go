package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// parseProc reads /proc/net/ip_vs (ip_vs_info_seq_show in net/netfilter/ipvs/ip_vs_ctl.c), which says all of a table
// that the measurements set, at once: the scheduler of each service, the forwarding method and the weight of each
// backend. It returns the rows in an order that does not depend on the kernel's. Only tcp over IPv4 is expected.
func parseProc(r io.Reader) ([]string, error) {
	var rows []string
	var service netip.AddrPort
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			slices.Sort(rows)
			return rows, lines.Err()
		}
		words := strings.Fields(lines.Text())
		if len(words) < 3 || words[0] == "IP" || words[0] == "Prot" || words[1] == "RemoteAddress:Port" {
			continue
		}
		addr, err := parseHexAddr(words[1])
		switch {
		case err != nil:
			return nil, fmt.Errorf("/proc/net/ip_vs: %q: %w", lines.Text(), err)
		case words[0] == "TCP":
			service = addr
			rows = append(rows, serviceRow(service, words[2]))
		case words[0] == "->" && len(words) >= 4:
			rows = append(rows, backendRow(service, addr, words[2], words[3]))
		default:
			return nil, fmt.Errorf("/proc/net/ip_vs: %q: neither a service of tcp nor a backend", lines.Text())
		}
	}
}

// parseHexAddr reads an IPv4 address and a port as /proc writes them: 0A000001:0050.
func parseHexAddr(s string) (netip.AddrPort, error) {
	addr, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(addr)
	if err != nil || len(b) != 4 {
		return netip.AddrPort{}, fmt.Errorf("%s is no IPv4 address", addr)
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s is no port", port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), uint16(p)), nil
}

// difference says how a table that is differs from the one that should be, both as rows; nil if it does not.
func difference(want, got []string) error {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Errorf("the table has %d rows and should have %d; it has %q where %q should be",
				len(got), len(want), got[i], want[i])
		}
	}
	if len(want) != len(got) {
		return fmt.Errorf("the table has %d rows and should have %d", len(got), len(want))
	}
	return nil
}
