package kernel

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestOpString(t *testing.T) {
	for _, tt := range []struct {
		op   Op
		want string
	}{
		{addService(web, with("wrr", Persistent, 360, full)), "-A -t 10.0.0.1:80 -s wrr -p 360"},
		{addService(web, with("wrr", 0, 0, 0xffffff00)), "-A -t 10.0.0.1:80 -s wrr -M 255.255.255.0"},
		{addService(web6, with("rr", Persistent, 3, 64)), "-A -t [2001:db8::1]:80 -s rr -p 3 -M 64"},
		{editService(dns, with("sh", OnePacket|Sched1|Sched2, 0, full)), "-E -u 10.0.0.1:80 -s sh -o -b sh-fallback,sh-port"},
		{editService(sctp, with("mh", Sched2|Sched3, 0, full)), "-E --sctp-service 10.0.0.1:80 -s mh -b mh-port,flag-3"},
		{editService(web, with("rr", Sched1|Sched3, 0, full)), "-E -t 10.0.0.1:80 -s rr -b flag-1,flag-3"},
		{deleteService(mark6), "-D -f 7 -6"},
		{deleteService(mark4), "-D -f 7"},
		{addService(web, withEngine("rr", "sip")), "-A -t 10.0.0.1:80 -s rr -p 60 --pe sip"},
		{
			editService(web6, Service{Scheduler: "mh", Flags: Persistent | OnePacket | Sched1 | Sched2, Timeout: 5, Netmask: 64, Engine: "sip"}),
			"-E -t [2001:db8::1]:80 -s mh -p 5 -M 64 --pe sip -o -b mh-fallback,mh-port",
		},
		{addDest(web, "10.1.0.1:8080", Dest{}), "-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 0"},
		{editDest(web, "10.1.0.1:80", Dest{Forward: Route, Weight: 5, Upper: 10, Lower: 3}), "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 5 -x 10 -y 3"},
		{
			editDest(web6, "[2001:db8::9]:80", Dest{Forward: Tunnel, Weight: 1<<31 - 1, Upper: 10}),
			"-e -t [2001:db8::1]:80 -r [2001:db8::9]:80 -i -w 2147483647 --tun-type ipip -x 10",
		},
		{addDest(web, "[2001:db8::9]:80", tunnel(GRE, 0, NoChecksum)), "-a -t 10.0.0.1:80 -r [2001:db8::9]:80 -i -w 0 --tun-type gre --tun-nocsum"},
		{addDest(mark6, "10.1.0.1:0", tunnel(GRE, 0, Checksum)), "-a -f 7 -6 -r 10.1.0.1:0 -i -w 0 --tun-type gre --tun-csum"},
		{addDest(web, "10.1.0.1:80", tunnel(GUE, 6080, RemoteChecksum)), "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 0 --tun-type gue --tun-port 6080 --tun-remcsum"},
		{addDest(mark6, "[2001:db8::9]:0", Dest{Forward: Bypass}), "-a -f 7 -6 -r [2001:db8::9]:0 -g -w 0"},
		{deleteDest(mark6, "[2001:db8::9]:0"), "-d -f 7 -6 -r [2001:db8::9]:0"},
		{deleteService(service(99, "10.0.0.1:80")), "-D --protocol(99)-service 10.0.0.1:80"},
		{Op{}, "operation(0)"},
	} {
		if got := tt.op.String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestParseRules reads what ipvsadm writes and Table.String does not.
func TestParseRules(t *testing.T) {
	const text = `# a comment, and then an empty line

-A -t 10.0.0.1:http -s mh -b ` + `
-a -t 10.0.0.1:http -r 10.1.0.2:https -m -w 70000
-a -t 10.0.0.1:http -r 10.1.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-a -t 10.0.0.1:http -r [2001:db8::9]:80 -w 1 --tun-csum --tun-type gre -i
-A -f -2 -s rr
-A -f -2 -s rr
-a -f -2 -r 10.0.0.1:0 -m -w 1
-A -u 10.0.0.4:5060 -s mh -p 10 -M 255.255.255.0 --pe sip -o -b mh-port
-A -t [::ffff:10.0.0.1]:80 -s rr
-A -t [2001:db8::6]:80
-a -t [2001:db8::6]:80 -r [::ffff:10.1.0.1]:80
`
	got, err := ParseRules("rules", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	unwritable := func(address string) string {
		return "gorb cannot write it: an IPv4-mapped address must be written as " + address + " (" + syscall.EINVAL.Error() + ")"
	}
	want := Table{
		service(TCP, "10.0.0.1:80"): {
			Service: with("mh", Sched3, 0, full),
			Dests: []RealServer{
				{DestKey: dest("10.1.0.2:443"), Dest: Dest{Weight: 70000}},
				{DestKey: dest("10.1.0.1:80"), Dest: Dest{Forward: Tunnel, Weight: 1, Encap: Encap{Type: GUE, Port: 6080}}},
				{DestKey: dest("[2001:db8::9]:80"), Dest: Dest{Forward: Tunnel, Weight: 1, Encap: Encap{Type: GRE, Flags: Checksum}}},
			},
		},
		{Family: IPv4, Mark: 4294967294}: {
			Service: rr,
			Dests:   []RealServer{{DestKey: dest("10.0.0.1:0"), Dest: Dest{Weight: 1}}},
		},
		service(UDP, "10.0.0.4:5060"): {
			Service: Service{Scheduler: "mh", Flags: Persistent | OnePacket | Sched2, Timeout: 10, Netmask: 0xffffff00, Engine: "sip"},
		},
		service(TCP, "[::ffff:10.0.0.1]:80"): {Service: rr6, Unknown: unwritable("10.0.0.1")},
		service(TCP, "[2001:db8::6]:80"): {
			Service: with("wlc", 0, 0, 128),
			Dests: []RealServer{
				{DestKey: dest("[::ffff:10.1.0.1]:80"), Dest: Dest{Forward: Route, Weight: 1}, Unknown: unwritable("10.1.0.1")},
			},
		},
	}
	if diff := cmp.Diff(want, got, sameTable); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseRulesErrors(t *testing.T) {
	const web = "-A -t 10.0.0.1:80 -s rr\n"
	for _, tt := range []struct{ text, want string }{
		{"hello", `rules:1: "hello": a rule begins with -A or -a, as ipvsadm -Sn writes it`},
		{"-D -t 10.0.0.1:80", `rules:1: "-D": a rule begins with -A or -a, as ipvsadm -Sn writes it`},
		{"\xff", "rules:1: it is not text in UTF-8"},
		{"\n-A -s rr", "rules:2: it names no service: -t, -u, --sctp-service or -f"},
		{"-A -t 10.0.0.1:80 -f 7", "rules:1: one line names one service"},
		{"-A -t 10.0.0.1:80 -u 10.0.0.1:80", "rules:1: -u 10.0.0.1:80: one line names one service"},
		{"-A -t 10.0.0.1:80 -6", "rules:1: -6: it is for marks, -f"},
		{"-A -t 10.0.0.1:80 -t 10.0.0.1:80", "rules:1: -t: it is given twice"},
		{"-A -t 10.0.0.1:80 -q", "rules:1: -q: gorb knows no such option of ipvsadm"},
		{"-A -t 10.0.0.1:80 -s", "rules:1: -s: it lacks its value"},
		{"-A -t 10.0.0.1:80 -s ../rr", "rules:1: -s ../rr: it is no name of a scheduler"},
		{"-A -t 10.0.0.1:80 --pe ../sip", "rules:1: --pe ../sip: it is no name of a persistence engine"},
		{"-A -t 10.0.0.1:80 -p never", "rules:1: -p never: it is not a number from 0 to 2147483647"},
		{"-A -t 10.0.0.1", "rules:1: 10.0.0.1: it is not address:port or [address]:port"},
		{"-A -t 10.0.0.1:65536", `rules:1: 10.0.0.1:65536: "65536" is no port from 0 to 65535, nor the name of one`},
		{"-A -t 10.0.0.1:", `rules:1: 10.0.0.1:: "" is no port from 0 to 65535, nor the name of one`},
		{"-A -t 10.0.0.1:+80", `rules:1: 10.0.0.1:+80: "+80" is no port from 0 to 65535, nor the name of one`},
		{"-A -t localhost:80", "rules:1: localhost:80: the host is not an address, and gorb asks no name server: let `ipvsadm -Sn` write the rules"},
		{"-A -t [fe80::1%eth0]:80", "rules:1: [fe80::1%eth0]:80: the host is not an address, and gorb asks no name server: let `ipvsadm -Sn` write the rules"},
		{"-A -f 0", "rules:1: -f 0: it is no firewall mark, 1 to 4294967295"},
		{"-A -f 4294967296", "rules:1: -f 4294967296: it is no firewall mark, 1 to 4294967295"},
		{"-A -f -2147483649", "rules:1: -f -2147483649: it is no firewall mark, 1 to 4294967295"},
		{"-A -t 10.0.0.1:80 -M 24", "rules:1: -M 24: it is not a mask like 255.255.255.0"},
		{"-A -t [::1]:80 -M 255.255.255.0", "rules:1: -M 255.255.255.0: it is not a prefix length from 1 to 128"},
		{"-A -t [::1]:80 -M 0", "rules:1: -M 0: it is not a prefix length from 1 to 128"},
		{"-A -t 10.0.0.1:80 -s rr -b sh-port", `rules:1: -b sh-port: "sh-port" is no flag of the scheduler rr`},
		{web + "-A -t 10.0.0.1:80 -s wrr", "rules:2: tcp 10.0.0.1:80 is already there, with other attributes"},
		{"-a -t 10.0.0.1:80 -r 10.1.0.1:80", "rules:1: tcp 10.0.0.1:80 has no line of its own before this one"},
		{web + "-a -t 10.0.0.1:80 -m", "rules:2: a real server of tcp 10.0.0.1:80 lacks its -r"},
		{web + "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -w 4294967296", "rules:2: -w 4294967296: it is not a number from 0 to 2147483647"},
		{web + "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i --tun-type vxlan", "rules:2: --tun-type vxlan: it is no kind of tunnel that gorb knows: ipip, gue or gre"},
		{web + "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i --tun-type gue --tun-port 0", "rules:2: --tun-port 0: it is no port from 1 to 65535"},
		{web + "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i --tun-type gue", "rules:2: 10.1.0.1:80: a gue tunnel needs a port, 1 to 65535"},
		{web + "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i --tun-type gre --tun-port 1", "rules:2: 10.1.0.1:80: a gre tunnel has no port"},
		{web + "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m --tun-nocsum", "rules:2: --tun-nocsum: it is for tunnels, -i"},
		{web + "-a -t 10.0.0.1:80 -r [2001:db8::9]:80", "rules:2: [2001:db8::9]:80: it is not of its service's family ipv4: the kernel mixes families only by tunnel"},
		{
			web + "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -w 1\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -w 2",
			"rules:3: 10.1.0.1:80 is already there in tcp 10.0.0.1:80, with other attributes",
		},
	} {
		if table, err := ParseRules("rules", []byte(tt.text)); err == nil || err.Error() != tt.want {
			t.Errorf("%q\ngot  %v, %v\nwant %s", tt.text, table, err, tt.want)
		}
	}
}

// TestParseManyRules reads a service with more destinations than a search among them for each could bear.
func TestParseManyRules(t *testing.T) {
	const n = 1 << 18
	var text strings.Builder
	text.WriteString("-A -t 10.0.0.1:80 -s rr\n")
	for i := range n {
		fmt.Fprintf(&text, "-a -t 10.0.0.1:80 -r 10.%d.%d.%d:80 -m -w 1\n", i>>16, i>>8&255, i&255)
	}
	got, err := ParseRules("rules", []byte(text.String()))
	if err != nil || len(got[web].Dests) != n {
		t.Errorf("%d destinations, %v, want %d", len(got[web].Dests), err, n)
	}
	text.WriteString("-a -t 10.0.0.1:80 -r 10.0.0.7:80 -m -w 2\n")
	const want = "rules:262146: 10.0.0.7:80 is already there in tcp 10.0.0.1:80, with other attributes"
	if _, err := ParseRules("rules", []byte(text.String())); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestTableRoundTrip shows that ParseRules reads what Table.String writes.
func TestTableRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTable(t)
		got, err := ParseRules("table", []byte(want.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, want)
		}
		if diff := cmp.Diff(want, got, sameTable); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// drawTable returns a table that gorb could write, destinations in canonical order.
func drawTable(t *rapid.T) Table {
	table := Table{}
	for range rapid.IntRange(0, 5).Draw(t, "services") {
		f := rapid.SampledFrom([]Family{IPv4, IPv6}).Draw(t, "family")
		k := ServiceKey{Family: f}
		if rapid.Bool().Draw(t, "by mark") {
			k.Mark = rapid.Uint32Min(1).Draw(t, "mark")
		} else {
			k.Protocol = rapid.SampledFrom([]Protocol{TCP, UDP, SCTP}).Draw(t, "protocol")
			k.Addr = drawAddrPort(t, f)
		}
		v := VirtualService{Service: drawService(t, f)}
		for range rapid.IntRange(0, 5).Draw(t, "dests") {
			d := drawDest(t, f)
			if v.index(d.DestKey) < 0 {
				v.Dests = append(v.Dests, d)
			}
		}
		sortDests(v.Dests)
		table[k] = v
	}
	return table
}

// drawDest returns a destination of a service of family f.
func drawDest(t *rapid.T, f Family) RealServer {
	d := Dest{
		Forward: rapid.SampledFrom([]Forward{Masq, Tunnel, Route}).Draw(t, "forward"),
		Weight:  rapid.Uint32Max(maxWeight).Draw(t, "weight"),
		Upper:   rapid.Uint32Max(math.MaxInt32).Draw(t, "upper"),
	}
	d.Lower = rapid.Uint32Max(d.Upper).Draw(t, "lower")
	if d.Forward == Tunnel {
		f = rapid.SampledFrom([]Family{IPv4, IPv6}).Draw(t, "destination's family")
		d.Encap.Type = rapid.SampledFrom([]EncapType{IPIP, GUE, GRE}).Draw(t, "tunnel")
	}
	switch d.Encap.Type {
	case GUE:
		d.Encap.Port = rapid.Uint16Min(1).Draw(t, "tunnel's port")
		d.Encap.Flags = EncapFlags(rapid.Uint16Max(uint16(RemoteChecksum)).Draw(t, "checksum"))
	case GRE:
		d.Encap.Flags = EncapFlags(rapid.Uint16Max(uint16(Checksum)).Draw(t, "checksum"))
	}
	return RealServer{DestKey: DestKey{drawAddrPort(t, f)}, Dest: d}
}

func drawService(t *rapid.T, f Family) Service {
	s := Service{
		Scheduler: rapid.SampledFrom([]string{"rr", "sh", "mh", "none"}).Draw(t, "scheduler"),
		Flags:     Flags(rapid.Uint32().Draw(t, "flags")) & (Persistent | OnePacket | Sched1 | Sched2 | Sched3),
		Netmask:   rapid.Uint32().Draw(t, "netmask"),
		Engine:    rapid.SampledFrom([]string{"", "sip"}).Draw(t, "engine"),
	}
	if f == IPv6 {
		s.Netmask = rapid.Uint32Range(1, 128).Draw(t, "prefix")
	}
	if s.Flags&Persistent != 0 {
		s.Timeout = rapid.Uint32Range(1, maxTimeout).Draw(t, "timeout")
	}
	return s
}

func drawAddrPort(t *rapid.T, f Family) netip.AddrPort {
	n := 4
	if f == IPv6 {
		n = 16
	}
	b := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "address")
	addr, _ := netip.AddrFromSlice(b)
	if addr.Is4In6() {
		addr = netip.IPv6Unspecified()
	}
	return netip.AddrPortFrom(addr, rapid.Uint16().Draw(t, "port"))
}

// FuzzParseRules shows that no text is a crash, and that what is read is written as it was read.
func FuzzParseRules(f *testing.F) {
	for _, command := range madeByHand {
		f.Add([]byte(command))
	}
	f.Add([]byte(strings.Join(madeByHand, "\n")))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := ParseRules("fuzz", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz:") {
				t.Errorf("the error has no place: %v", err)
			}
			return
		}
		again, err := ParseRules("again", []byte(table.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, table)
		}
		for k, v := range table {
			sortDests(v.Dests)
			if diff := cmp.Diff(v, again[k], sameTable); diff != "" {
				t.Errorf("%s (-read +again):\n%s", k, diff)
			}
		}
	})
}

// madeByHand are the forms of ipvsadm's rules.
var madeByHand = []string{
	"-A -t 10.0.0.1:80 -s sh -b sh-fallback,sh-port",
	"-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 0",
	"-a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 65535 --tun-type ipip",
	"-a -t 10.0.0.1:80 -r 10.1.0.4:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
	"-a -t 10.0.0.1:80 -r [2001:db8::9]:80 -i -w 2147483647 --tun-type gue --tun-port 1 --tun-remcsum -x 5",
	"-a -t 10.0.0.1:80 -r 10.1.0.5:80 -i -w 1 --tun-type gre --tun-nocsum",
	"-A -u 10.0.0.4:sip -s mh -p 10 -M 255.255.255.0 --pe sip -o -b mh-port",
	"-A --sctp-service 10.0.0.8:80 -s rr",
	"-A -t [2001:db8::1]:80 -s wlc -p 20 -M 64",
	"-A -f -1 -s mh -b ",
	"-A -f 7 -6 -s rr -p 3 -M 100 -o -b flag-1",
	"-a -f 7 -6 -r [2001:db8::9]:0 -g -w 1 -x 5 -y 3",
}
