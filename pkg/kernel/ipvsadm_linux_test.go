package kernel

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorb-io/gorb/internal/lab"
)

// madeByIPVSadm are commands whose effect ParseRules and Observe must read alike.
var madeByIPVSadm = []string{
	"-A -t 10.0.0.1:80 -s sh -b sh-fallback",
	"-A -t 10.0.0.2:80 -s sh -b sh-fallback,sh-port",
	"-A -t 10.0.0.3:80 -s mh -b mh-port -p",
	"-A -t 10.0.0.4:80 -s mh -b mh-fallback,mh-port -p 10",
	"-A -t 10.0.0.5:80 -s wrr -b flag-1,flag-2,flag-3 -p 10 -M 255.255.0.0",
	"-A -t 10.0.0.6:80 -s mh -b flag-3",
	"-A -t 10.0.0.7:0 -s rr -p 2678400 -M 0.0.0.0",
	"-A -t 10.0.0.8:80 -s none",
	"-A -u 10.0.0.1:53 -s rr -o",
	"-A -u 10.0.0.2:53 -s rr -o -p 7 -M 255.255.0.0 -b flag-3",
	"-A --sctp-service 10.0.0.1:80 -s lblcr",
	"-A -t [2001:db8::1]:80 -s wlc -p 20 -M 64",
	"-A -t [2001:db8::2]:80 -s wlc -p 20 -M 128",
	"-A -u [2001:db8::1]:53 -s wlc -o",
	"-A -f 7 -s rr",
	"-A -f 7 -6 -s rr -p 3 -M 100 -o -b flag-1",
	"-A -f 4294967295 -s rr",
	"-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 0",
	"-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 5",
	"-a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 65535",
	"-a -t 10.0.0.1:80 -r 10.1.0.10:80 -m",
	"-a -u 10.0.0.1:53 -r 127.0.0.1:53 -g",
	"-a --sctp-service 10.0.0.1:80 -r 10.1.0.1 -m",
	"-a -t [2001:db8::1]:80 -r [2001:db8::9]:8080 -m",
	"-a -f 7 -r 10.1.0.1:80 -m",
	"-a -f 7 -6 -r [2001:db8::9]:0 -g",
	"-a -f 4294967295 -r 10.1.0.1:0 -i",

	"-A -u 10.0.0.5:5060 -s mh -p 60 -M 255.0.0.0 --pe sip -o -b mh-port",
	"-A -t 10.0.0.9:5060 -s rr --pe sip",
	"-A -f 8 -6 -s wlc -p 60 -M 100 --pe sip",
	"-a -t 10.0.0.1:80 -r 10.1.0.4:80 -i --tun-type gue --tun-port 6080",
	"-a -t 10.0.0.1:80 -r 10.1.0.5:80 -i --tun-type gue --tun-port 1 --tun-csum -w 65536",
	"-a -t 10.0.0.1:80 -r 10.1.0.6:80 -i --tun-type gue --tun-port 65535 --tun-remcsum -w 2147483647",
	"-a -t 10.0.0.1:80 -r 10.1.0.7:80 -i --tun-type gre",
	"-a -t 10.0.0.1:80 -r 10.1.0.8:80 -i --tun-type gre --tun-csum",
	"-a -t 10.0.0.1:80 -r [2001:db8::9]:80 -i",
	"-a -t [2001:db8::1]:80 -r 10.1.0.1:80 -i --tun-type gre --tun-csum",
	"-a -f 7 -r [2001:db8::9]:0 -i --tun-type gue --tun-port 6080",
	"-a -f 7 -6 -r 10.1.0.1:0 -i",
}

func ipvsadm(t *testing.T, ns string, commands ...string) {
	t.Helper()
	for _, c := range commands {
		lab.Exec(t, ns, "ipvsadm", strings.Fields(c)...)
	}
}

func parse(t *testing.T, text string) Table {
	t.Helper()
	table, err := ParseRules("ipvsadm", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return table
}

// sorted is a table as ipvsadm prints it: its destinations in the order of their addresses.
func sorted(t Table) Table {
	t = maps.Clone(t)
	for k, v := range t {
		v.Dests = slices.Clone(v.Dests)
		sortDests(v.Dests)
		t[k] = v
	}
	return t
}

func testRulesOfIPVSadm(t *testing.T) {
	ns := lab.Namespace(t)
	restore(t, ns, strings.Join(madeByIPVSadm, "\n"))
	got, err := open(t, ns).Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for cmd, arg := range map[string]string{"ipvsadm": "-Sn", "ipvsadm-save": "-n"} {
		text := lab.Exec(t, ns, cmd, arg)
		if diff := cmp.Diff(sorted(parse(t, text)), sorted(got), sameTable); diff != "" {
			t.Errorf("%s %s and Observe (-rules +observed):\n%s\n%s", cmd, arg, diff, text)
		}
	}
}

// testStringsAreIPVSadm feeds Op.String to ipvsadm, and compares what ipvsadm then prints with Op.String, line by
// line, where ipvsadm prints the whole truth.
func testStringsAreIPVSadm(t *testing.T) {
	ns := lab.Namespace(t)
	restore(t, ns, strings.Join(madeByIPVSadm, "\n"))
	c := open(t, ns)
	before, err := c.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]bool)
	for line := range strings.Lines(lab.Exec(t, ns, "ipvsadm", "-Sn")) {
		lines[strings.TrimSpace(line)] = true
	}
	for line := range strings.Lines(before.String()) {
		line = strings.TrimSpace(line)
		if !lines[line] && !strings.Contains(line, "flag-3") && !strings.Contains(line, "4294967295") {
			t.Errorf("ipvsadm does not print %q", line)
		}
	}

	ipvsadm(t, ns, "-C")
	restore(t, ns, before.String())
	after, err := c.Observe(t.Context())
	if diff := cmp.Diff(sorted(before), sorted(after), sameTable); err != nil || diff != "" {
		t.Errorf("%v; made again by its own String (-before +after):\n%s", err, diff)
	}

	for _, op := range []Op{
		editService(web, with("wlc", Persistent, 5, 0xffffff00)),
		editDest(web, "10.1.0.1:8080", Dest{Weight: 3, Upper: 9, Lower: 4}),
		editDest(web, "10.1.0.6:80", tunnel(GRE, 0, Checksum)),
		editDest(web, "[2001:db8::9]:80", tunnel(GUE, 7, RemoteChecksum)),
		deleteDest(web, "10.1.0.2:80"),
		editService(service(TCP, "10.0.0.9:5060"), withEngine("wrr", "sip")),
		editService(service(UDP, "10.0.0.5:5060"), with("rr", 0, 0, full)),
		deleteService(mark6),
		editService(mark4, with("sh", Sched1|Sched2|Sched3, 0, full)),
	} {
		other := NewFake()
		for k, v := range after {
			other.Put(k, v)
		}
		apply(t, other, op)
		ipvsadm(t, ns, op.String())
		after, err = c.Observe(t.Context())
		if diff := cmp.Diff(other.Snapshot(), after, sameTable); err != nil || diff != "" {
			t.Errorf("%v; ipvsadm %s (-want +got):\n%s", err, op, diff)
		}
	}
}

// testForeignServices shows what this package cannot write and says so.
func testForeignServices(t *testing.T) {
	ns := lab.Namespace(t)
	ipvsadm(t, ns, "-A -t [::ffff:10.0.0.1]:80 -s rr", "-a -t [::ffff:10.0.0.1]:80 -r [2001:db8::9]:80 -m", "-A -t [a00:1::]:80 -s wlc")
	observed, err := open(t, ns).Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	foreign := service(TCP, "[::ffff:10.0.0.1]:80")
	for from, got := range map[string]Table{"rules": parse(t, lab.Exec(t, ns, "ipvsadm", "-Sn")), "observed": observed} {
		if v := got[foreign]; !strings.Contains(v.Unknown, "IPv4-mapped") {
			t.Errorf("%s: Unknown of %s is %q", from, foreign, v.Unknown)
		}
		if v, ok := got[service(TCP, "[a00:1::]:80")]; !ok || v.Unknown != "" || len(got) != 2 {
			t.Errorf("%s: the other service is lost or foreign:\n%s", from, got)
		}
	}
}
