package kernel

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/internal/lab/rows"
)

// TestIPVSadm gives the kernel what the commands say that this package prints, and reads what they print.
func TestIPVSadm(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		t.Run("round trip", testIPVSadmRoundTrip)
		t.Run("host commands", testHostCommands)
	})
}

// testIPVSadmRoundTrip takes random rows, of every kind that ipvsadm can make, through ipvsadm and the kernel and back.
func testIPVSadmRoundTrip(t *testing.T) {
	commands, services := rows.Random(rand.New(rand.NewPCG(1, 0)), 400)
	want := madeOf(services)
	ns := lab.Namespace(t)
	restore(t, ns, strings.Join(commands, "\n"))
	saved := lines(lab.Exec(t, ns, "ipvsadm", "-Sn"))
	parsed := parse(t, strings.Join(saved, "\n"))
	if diff := cmp.Diff(sorted(asSaved(want)), sorted(parsed), sameTable); diff != "" {
		t.Errorf("as made and as parsed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(mended(saved), lines(parsed.String())); diff != "" {
		t.Errorf("as saved and as parsed and printed (-want +got):\n%s", diff)
	}

	client := open(t, ns)
	observed, err := client.Observe(t.Context())
	if diff := cmp.Diff(sorted(want), sorted(observed), sameTable); err != nil || diff != "" {
		t.Errorf("%v; as made and as observed (-want +got):\n%s", err, diff)
	}

	thresholds := lines(lab.Exec(t, ns, "ipvsadm", "-Ln", "--thresholds"))
	again := func(how string) {
		t.Helper()
		if diff := cmp.Diff(saved, lines(lab.Exec(t, ns, "ipvsadm", "-Sn"))); diff != "" {
			t.Errorf("%s (-before +after):\n%s", how, diff)
		}
		if diff := cmp.Diff(thresholds, lines(lab.Exec(t, ns, "ipvsadm", "-Ln", "--thresholds"))); diff != "" {
			t.Errorf("%s (-before +after):\n%s", how, diff)
		}
	}
	lab.Exec(t, ns, "ipvsadm", "-C")
	restore(t, ns, want.String())
	again("made again by its String")

	lab.Exec(t, ns, "ipvsadm", "-C")
	for _, k := range want.Keys() {
		apply(t, client, addService(k, want[k].Service))
		for _, d := range want[k].Dests {
			apply(t, client, Op{Kind: AddDest, Key: k, DestKey: d.DestKey, Dest: d.Dest})
		}
	}
	again("made again by a client")
}

// restore lets ipvsadm -R read commands.
func restore(t *testing.T, ns, commands string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(file, []byte(commands+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := lab.Exec(t, ns, "sh", "-c", "ipvsadm -R <"+file); said != "" {
		t.Fatalf("ipvsadm -R: %s", said)
	}
}

// lines are those of a text, in order of their own, as ipvsadm's order is not a whole one: it subtracts addresses in 32
// bits (ipvs_cmp_services of libipvs.c).
func lines(text string) []string { return slices.Sorted(strings.Lines(text)) }

// asSaved is a table as ipvsadm -Sn can say it.
func asSaved(t Table) Table {
	t = maps.Clone(t)
	for k, v := range t {
		if v.Flags&Persistent == 0 {
			v.Netmask = FullNetmask(k.Family)
		}
		if (v.Scheduler == "sh" || v.Scheduler == "mh") && v.Flags&(Sched1|Sched2) != 0 {
			v.Flags &^= Sched3
		}
		v.Dests = slices.Clone(v.Dests)
		for i := range v.Dests {
			v.Dests[i].Upper, v.Dests[i].Lower = 0, 0
		}
		t[k] = v
	}
	return t
}

var negativeMark = regexp.MustCompile(`-f -\d+`)

// mended are lines of ipvsadm -Sn where this package has words that ipvsadm has not.
func mended(saved []string) []string {
	saved = slices.Clone(saved)
	for i, line := range saved {
		if strings.HasSuffix(line, "-b \n") {
			line = strings.TrimSuffix(line, "\n") + "flag-3\n"
		}
		saved[i] = negativeMark.ReplaceAllStringFunc(line, func(s string) string {
			n, _ := strconv.ParseInt(strings.TrimPrefix(s, "-f "), 10, 32)
			return fmt.Sprintf("-f %d", uint32(n))
		})
	}
	slices.Sort(saved)
	return saved
}

// madeOf returns the table that rows make.
func madeOf(services []rows.Service) Table {
	t := make(Table, len(services))
	for _, s := range services {
		k := ServiceKey{Family: IPv4, Mark: s.Mark, Protocol: Protocol(s.Protocol), Addr: s.Addr}
		if s.IPv6 {
			k.Family = IPv6
		}
		v := VirtualService{Service: Service{s.Scheduler, Flags(s.Flags), s.Timeout, s.Netmask, s.Engine}}
		for _, d := range s.Servers {
			v.Dests = append(v.Dests, RealServer{DestKey: DestKey{d.Addr}, Dest: Dest{
				Forward: Forward(d.Forward), Weight: d.Weight, Upper: d.Upper, Lower: d.Lower,
				Encap: Encap{EncapType(d.TunnelType), EncapFlags(d.TunnelFlags), d.TunnelPort},
			}})
		}
		t[k] = v
	}
	return t
}
