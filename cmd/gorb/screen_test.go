package main

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// TestScreen holds the screen of a busy table to its form: it is aligned, and fits 100 columns.
func TestScreen(t *testing.T) {
	until := time.Date(2026, 1, 2, 10, 22, 58, 0, time.Local)
	a, b, c := backend("10.1.0.1:8080"), backend("10.1.0.2:8080"), backend("10.1.0.3:8080")
	a.Weight, a.Conns = 100, kernel.Conns{Active: 1234, Inactive: 99999, Persistent: 7}
	b.Dest = kernel.Dest{Weight: 65535, Forward: kernel.Tunnel, Encap: kernel.Encap{Type: kernel.GUE, Port: 6080}, Upper: 10}
	b.Conns, b.Unknown = kernel.Conns{Active: 9, Inactive: 1}, "it has the attribute 99, which gorb does not know"
	c.Weight = 0
	marks := kernel.ServiceKey{Family: kernel.IPv6, Mark: 7}
	s := &status{
		socket: "/run/gorb/gorb.sock", unasked: httpapi.ErrNoDaemon,
		info: kernel.Info{Version: "1.2.1", ConnTableSize: 4096}, timeouts: kernel.Timeouts{TCP: 900, TCPFin: 120, UDP: 90},
		sync: []kernel.SyncDaemon{{Role: kernel.Master, Interface: "eth0", ID: 1}},
		table: kernel.Table{
			webKey: {
				Service: kernel.Service{Scheduler: "sh", Flags: kernel.Sched1 | kernel.Persistent, Timeout: 300, Netmask: 0xffffff00},
				Dests:   []kernel.RealServer{b, c, a},
			},
			marks: {
				Service: kernel.Service{Scheduler: "wrr", Flags: kernel.OnePacket | 0x80, Netmask: 128, Engine: "sip"},
				Unknown: "it has the flag 0x80",
			},
		},
		stats: kernel.Statistics{webKey: {
			Stats: kernel.Stats{ConnRate: 1250, InPacketRate: 10_000, OutPacketRate: 15_400, InByteRate: 1_300_000, OutByteRate: 12_340_000},
			Dests: map[kernel.DestKey]kernel.Stats{a.DestKey: {
				Conns: math.MaxUint64, ConnRate: 1249, InPacketRate: 10_000, OutPacketRate: 15_400, InByteRate: 999_499, OutByteRate: 999_500,
			}},
		}},
		memory: reconcile.Memory{Services: map[kernel.ServiceKey]reconcile.Owned{
			webKey: {Name: "web", Draining: map[kernel.DestKey]reconcile.Drain{c.DestKey: {Until: until}}},
		}},
	}
	const want = `no gorb runs that can be asked at /run/gorb/gorb.sock (--socket names another place)

IPVS 1.2.1, connection table of 4096 buckets, timeouts: tcp 15m, tcpfin 2m, udp 1m30s
2 services; 3 backends; sync master on eth0, syncid 1

                 METHOD    WEIGHT  ACTIVE  INACT  PERSIST  CONN/S  PKT/S  IN B/S  OUT B/S
tcp 10.0.0.1:80 (web): sh, sh-fallback, persistent 5m by 255.255.255.0
  10.1.0.1:8080  nat          100    1.2k   100k        7    1.2k    25k    999k     1.0M
  10.1.0.2:8080  gue:6080   65535       9      1        0       0      0       0        0  full: 10
  10.1.0.3:8080  nat            0       0      0        0       0      0       0        0  draining until 10:22:58
  total                     65635    1.2k   100k        7    1.2k    25k    1.3M      12M
  gorb cannot edit 10.1.0.2:8080: it has the attribute 99, which gorb does not know
  order: 1 of 3 backends is not in canonical order (gorb reorder web)
fwmark 7 ipv6: wrr, ops, 0x80, engine sip; not gorb's
  no backends                   0       0      0        0       0      0       0        0
  gorb leaves it alone: it has the flag 0x80
`
	var got bytes.Buffer
	if err := printStatus(&got, s); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var js bytes.Buffer
	if err := printJSON(&js, s.json()); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"connections": 18446744073709551615`, `"draining_until": "2026-01-02T10:22:58`, `"tunnel_port": 6080`,
		`"tunnel_checksum": "nocsum"`, `"pe": "sip"`, `"owned": false`, `"netmask": "255.255.255.0"`,
	} {
		if !strings.Contains(js.String(), part) {
			t.Errorf("the JSON lacks %s:\n%s", part, &js)
		}
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 999: "999", 1000: "1.0k", 1249: "1.2k", 9949: "9.9k", 9950: "10k", 999_499: "999k", 999_500: "1.0M", 123_456_789: "123M",
		math.MaxUint64: "18E",
	} {
		if got := human(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestChoose reads what people call services.
func TestChoose(t *testing.T) {
	mail := kernel.ServiceKey{Family: kernel.IPv6, Protocol: kernel.TCP, Addr: netip.MustParseAddrPort("[2001:db8::1]:25")}
	memory := reconcile.Memory{Services: map[kernel.ServiceKey]reconcile.Owned{webKey: {Name: "web"}, mail: {Name: "mail"}}}
	for word, want := range map[string]string{
		"web":                  "tcp 10.0.0.1:80",
		"tcp 10.0.0.1:80":      "tcp 10.0.0.1:80",
		"TCP 10.0.0.1:80":      "tcp 10.0.0.1:80",
		"10.0.0.1:80":          "tcp 10.0.0.1:80, udp 10.0.0.1:80, sctp 10.0.0.1:80",
		"[2001:DB8:0:0::1]:25": "tcp [2001:db8::1]:25, udp [2001:db8::1]:25, sctp [2001:db8::1]:25",
		"fwmark 7":             "fwmark 7 ipv4, fwmark 7 ipv6",
		"fwmark 7 ipv6":        "fwmark 7 ipv6",
		"fwmark 0":             "",
		"fwmark 7 ipx":         "",
		"icmp 10.0.0.1:80":     "",
		"10.0.0.1":             "",
		"[::ffff:10.0.0.1]:80": "",
		"":                     "",
	} {
		c, err := choose(word, memory, nil)
		if got := strings.Join(keyList(c.keys), ", "); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, error %v; want %q", word, got, err, want)
		}
	}
	for _, c := range []struct{ name, want string }{{"web", "web"}, {"", "'tcp 10.0.0.1:80'"}, {"it's", "'tcp 10.0.0.1:80'"}} {
		if got := called(webKey, c.name); got != c.want {
			t.Errorf("called %q: %s, want %s", c.name, got, c.want)
		}
	}
}
