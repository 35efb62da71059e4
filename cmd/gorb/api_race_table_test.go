package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// wantSettled waits until the table is what is declared, of what is well.
func (r *apiRace) wantSettled() {
	r.t.Helper()
	var want, got []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var plan httpapi.Plan
		r.want(http.StatusOK, "GET", "/plan", "", &plan)
		if want, got = r.declaredTable(), r.lines(); len(plan.Operations) == 0 && slices.Equal(want, got) {
			return
		}
	}
	r.t.Errorf("the table in the end (-want +got):\n%s", cmp.Diff(want, got))
}

// declaredTable is the table as what is declared, and how it is, have it.
func (r *apiRace) declaredTable() []string {
	var names []string
	r.want(http.StatusOK, "GET", "/service", "", &names)
	var lines []string
	for _, name := range names {
		var s httpapi.ServiceInfo
		r.want(http.StatusOK, "GET", "/service/"+name, "", &s)
		at := addrOf(r.t, s.Options)
		lines = append(lines, at.String())
		for _, backend := range s.Backends {
			var b httpapi.BackendInfo
			r.want(http.StatusOK, "GET", "/service/"+name+"/"+backend, "", &b)
			weight := weightOf(r.t, b.Options)
			for i, server := range r.servers {
				if name == "checked" && addrOf(r.t, b.Options) == server.addr && i == 1 {
					weight = 0
				}
			}
			lines = append(lines, fmt.Sprintf("%s %s %d", at, addrOf(r.t, b.Options), weight))
		}
	}
	slices.Sort(lines)
	return lines
}

// lines is the kernel's table.
func (r *apiRace) lines() []string {
	var lines []string
	for key, s := range r.table() {
		lines = append(lines, key.Addr.String())
		for _, d := range s.Dests {
			lines = append(lines, fmt.Sprintf("%s %s %d", key.Addr, d.Addr, d.Weight))
		}
	}
	slices.Sort(lines)
	return lines
}

func addrOf(t testing.TB, options json.RawMessage) netip.AddrPort {
	var o struct {
		Host netip.Addr
		Port uint16
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Errorf("%s: %v", options, err)
	}
	return netip.AddrPortFrom(o.Host, o.Port)
}

func weightOf(t testing.TB, options json.RawMessage) uint32 {
	var o struct{ Weight uint32 }
	if err := json.Unmarshal(options, &o); err != nil {
		t.Errorf("%s: %v", options, err)
	}
	return o.Weight
}
