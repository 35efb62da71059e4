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
}

// foreign are commands that make services which gorb must not write to, each with the service and whether Observe
// sees it.
var foreign = []struct {
	commands []string
	key      ServiceKey
	reason   string
	observed bool
}{
	{
		[]string{"-A -t 10.0.0.1:80 -s rr", "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i --tun-type gue --tun-port 6080"},
		service(TCP, "10.0.0.1:80"), "gue tunnel", false,
	},
	{
		[]string{"-A -t 10.0.0.2:80 -s rr", "-a -t 10.0.0.2:80 -r 10.1.0.1:80 -i --tun-type gue --tun-port 6080 --tun-csum"},
		service(TCP, "10.0.0.2:80"), "gue tunnel", false,
	},
	{
		[]string{"-A -t 10.0.0.3:80 -s rr", "-a -t 10.0.0.3:80 -r 10.1.0.1:80 -i --tun-type gre --tun-csum"},
		service(TCP, "10.0.0.3:80"), "gre tunnel", false,
	},
	{
		[]string{"-A -t 10.0.0.4:80 -s rr", "-a -t 10.0.0.4:80 -r 10.1.0.1:80 -i --tun-type gue --tun-port 6080 --tun-remcsum"},
		service(TCP, "10.0.0.4:80"), "gue tunnel", false,
	},
	{
		[]string{"-A -u 10.0.0.5:5060 -s mh -p 60 --pe sip -o -b mh-port"},
		service(UDP, "10.0.0.5:5060"), "persistence engine sip", false,
	},
	{
		[]string{"-A -t 10.0.0.6:80 -s rr", "-a -t 10.0.0.6:80 -r [2001:db8::9]:80 -i"},
		service(TCP, "10.0.0.6:80"), "other address family", true,
	},
	{
		[]string{"-A -t [2001:db8::7]:80 -s rr", "-a -t [2001:db8::7]:80 -r 10.1.0.1:80 -i"},
		service(TCP, "[2001:db8::7]:80"), "other address family", true,
	},
	{
		[]string{"-A -t [::ffff:10.0.0.1]:80 -s rr", "-A -t [a00:1::]:80 -s wlc"},
		service(TCP, "[::ffff:10.0.0.1]:80"), "IPv4-mapped", true,
	},
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
	ipvsadm(t, ns, madeByIPVSadm...)
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
	ipvsadm(t, ns, madeByIPVSadm...)
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
	ipvsadm(t, ns, strings.Split(strings.TrimSpace(before.String()), "\n")...)
	after, err := c.Observe(t.Context())
	if diff := cmp.Diff(sorted(before), sorted(after), sameTable); err != nil || diff != "" {
		t.Errorf("%v; made again by its own String (-before +after):\n%s", err, diff)
	}

	for _, op := range []Op{
		editService(web, with("wlc", Persistent, 5, 0xffffff00)),
		editDest(web, "10.1.0.1:8080", Dest{Weight: 3, Upper: 9, Lower: 4}),
		deleteDest(web, "10.1.0.2:80"),
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
	for _, f := range foreign {
		ipvsadm(t, ns, f.commands...)
	}
	got, err := open(t, ns).Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rules := parse(t, lab.Exec(t, ns, "ipvsadm", "-Sn"))
	for _, f := range foreign {
		if u := rules[f.key].Unknown; !strings.Contains(u, f.reason) {
			t.Errorf("rules of %s: Unknown is %q, want %q", f.key, u, f.reason)
		}
		if u := got[f.key].Unknown; f.observed != strings.Contains(u, f.reason) {
			t.Errorf("observed %s: Unknown is %q, want %q: %v", f.key, u, f.reason, f.observed)
		}
	}
	if len(got) != len(rules) || len(got) <= len(foreign) {
		t.Errorf("%d services observed, %d in the rules", len(got), len(rules))
	}
	for k, v := range got {
		if len(v.Dests) != len(rules[k].Dests) {
			t.Errorf("%s: %d destinations observed, %d in the rules", k, len(v.Dests), len(rules[k].Dests))
		}
	}
}
