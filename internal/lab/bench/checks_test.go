package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPrintChecks(t *testing.T) {
	all := []checking{
		{Kind: "tcp", Method: "gorb run", Micros: 500, Calls: 20, MemoryMB: 25, MemoryKB: 2},
		{Kind: "tcp", Method: "keepalived -C", Micros: 1000, Calls: 15, MemoryMB: 11, MemoryKB: 1},
		{Kind: "http", Method: "gorb run", Micros: 2000, Calls: 30, MemoryMB: 25, MemoryKB: 2},
	}
	compare(all)
	var out strings.Builder
	report{Checked: 2000, Interval: "20s", Checks: all}.printChecks(&out)
	want := `
| 2000 backends, each checked every 20s | | processor µs a check | calls a check | memory MB | kB a backend | times gorb's processor | times its memory a backend |
|---|---|--:|--:|--:|--:|--:|--:|
| tcp | gorb run | 500 | 20.0 | 25.0 | 2.00 |  |  |
|  | keepalived -C | 1000 | 15.0 | 11.0 | 1.00 | 2.00× | 0.50× |
| http | gorb run | 2000 | 30.0 | 25.0 | 2.00 |  |  |
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestUsage(t *testing.T) {
	spent, err := parseStat("7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 30 5 5 20 0 9 0 100 1000 10\n")
	if err != nil || spent != 1800*time.Millisecond {
		t.Errorf("parseStat: %v, %v", spent, err)
	}
	snmp := "Icmp: InMsgs ActiveOpens\nIcmp: 1 2\nTcp: RtoAlgorithm ActiveOpens PassiveOpens\nTcp: 1 4711 3\n"
	if n, err := parseSNMP(snmp, "Tcp:", "ActiveOpens"); err != nil || n != 4711 {
		t.Errorf("parseSNMP: %d, %v", n, err)
	}
	if n, err := parseSize("Rss:   9 kB\nPss:   7 kB\n", "Pss:"); err != nil || n != 7 {
		t.Errorf("parseSize: %d, %v", n, err)
	}
	for _, text := range []string{"", "7 (x) S 1", "Tcp: a b\n", "Pss: 7 pages\n"} {
		if _, err := parseStat(text); err == nil {
			t.Errorf("parseStat of %q", text)
		}
		if _, err := parseSNMP(text, "Tcp:", "b"); err == nil {
			t.Errorf("parseSNMP of %q", text)
		}
		if _, err := parseSize(text, "Pss:"); err == nil {
			t.Errorf("parseSize of %q", text)
		}
	}
}
