package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/spec"
)

// small has all that tables have.
var small = table{services: 2, backends: 2, weight: 200, last: 300}

// What ipvsadm prints of a table is what the programs were asked for, in any order.
func TestRowsOf(t *testing.T) {
	printed := `-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -m -w 300
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 200
-A -t 10.0.0.0:80 -s wrr
-a -t 10.0.0.0:80 -r 10.1.0.1:8080 -m -w 200
-a -t 10.0.0.0:80 -r 10.1.0.0:8080 -m -w 200
`
	if diff := cmp.Diff(small.rows(), rowsOf(printed)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if rows := rowsOf(""); len(rows) != 0 {
		t.Errorf("an empty table has the rows %q", rows)
	}
}

func TestDifference(t *testing.T) {
	want := small.rows()
	wantError(t, difference(want, want), "")
	wantError(t, difference(want, want[:5]), "the table has 5 rows and should have 6")
	wantError(t, difference(want, table{services: 2, backends: 2, weight: 200, last: 200}.rows()),
		`it has "-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -m -w 200" where "-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -m -w 300" should be`)
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
	var operations strings.Builder
	for _, s := range desired.Services {
		service := netip.AddrPortFrom(s.Host, s.Port)
		fmt.Fprintf(&operations, "-A -t %s -s %s\n", service, s.Method)
		for _, b := range s.Backends {
			fmt.Fprintf(&operations, "-a -t %s -r %s -m -w %d\n", service, netip.AddrPortFrom(b.Host, b.Port), b.Weight)
		}
	}
	if diff := cmp.Diff(small.rows(), rowsOf(operations.String())); diff != "" {
		t.Errorf("TOML (-want +got)\n%s", diff)
	}
}
