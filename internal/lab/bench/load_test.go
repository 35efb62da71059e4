package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/spec"
)

// small has all that tables have.
var small = table{services: 2, backends: 2, weight: 200, last: 300}

// What the kernel says of a table is what the programs were asked for.
func TestParseProc(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{"table", testdata(t, "ip_vs.txt"), small.rows(), ""},
		{"empty", strings.Join(strings.SplitAfter(testdata(t, "ip_vs.txt"), "\n")[:3], ""), nil, ""},
		{"firewall mark", "FWM  00000007 wrr  \n", nil, `"FWM  00000007 wrr  "`},
		{"udp", "UDP  0A000001:0050 wrr  \n", nil, "neither a service of tcp nor a backend"},
		{"ipv6", "TCP  [2001:0db8::1]:0050 wrr\n", nil, "is no IPv4 address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseProc(strings.NewReader(tt.text))
			wantError(t, err, tt.err)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDifference(t *testing.T) {
	want := small.rows()
	wantError(t, difference(want, want), "")
	wantError(t, difference(want, want[:5]), "the table has 5 rows and should have 6")
	wantError(t, difference(want, table{services: 2, backends: 2, weight: 200, last: 200}.rows()),
		`it has "10.0.0.1:80 -> 10.1.0.3:8080 Masq 200" where "10.0.0.1:80 -> 10.1.0.3:8080 Masq 300" should be`)
}

// gorb is asked for the table that ipvsadm is asked for.
func TestTexts(t *testing.T) {
	wantAdds := `-A -t 10.0.0.0:80 -s wrr
-a -t 10.0.0.0:80 -r 10.1.0.0:8080 -m -w 200
-a -t 10.0.0.0:80 -r 10.1.0.1:8080 -m -w 200
-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 200
-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -m -w 300
`
	if diff := cmp.Diff(wantAdds, small.adds()); diff != "" {
		t.Errorf("adds (-want +got)\n%s", diff)
	}
	doc, err := spec.Decode("bench.toml", spec.TOML, []byte(small.toml("/run/state", checks{kind: "http", every: time.Second})))
	if err != nil {
		t.Fatal(err)
	}
	desired, err := spec.Merge(doc)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, s := range desired.Services {
		service := netip.AddrPortFrom(s.Host, s.Port)
		rows = append(rows, serviceRow(service, s.Method))
		for _, b := range s.Backends {
			rows = append(rows, backendRow(service, netip.AddrPortFrom(b.Host, b.Port), "Masq", fmt.Sprint(b.Weight)))
		}
	}
	slices.Sort(rows)
	if diff := cmp.Diff(small.rows(), rows); diff != "" {
		t.Errorf("TOML (-want +got)\n%s", diff)
	}
}
