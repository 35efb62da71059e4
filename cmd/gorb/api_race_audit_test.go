package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// raceAudit reads the audit before old entries leave it.
type raceAudit struct {
	r    *apiRace
	what map[uint64]string // by ID: the request, and its status
	last uint64
}

// collect reads what is new, and what was amended lately.
func (a *raceAudit) collect() {
	var before, newest uint64
	for {
		var list httpapi.AuditList
		a.r.want(http.StatusOK, "GET", fmt.Sprintf("/audit?limit=1000&before=%d", before), "", &list)
		for _, e := range list.Entries {
			newest = max(newest, e.ID)
			a.what[e.ID] = fmt.Sprintf("%s %d", e.What, storedCode(e.Status))
		}
		if before = list.Next; before == 0 || before+500 < a.last {
			a.last = newest
			return
		}
	}
}

// check compares the audit with what was answered.
func (a *raceAudit) check() {
	a.r.t.Helper()
	got := map[string]int{}
	for id := uint64(1); id <= a.last; id++ {
		what, there := a.what[id]
		if !there {
			a.r.t.Errorf("the audit has no entry %d of %d", id, a.last)
		}
		got[what]++
	}
	all := map[string]bool{}
	for _, m := range []map[string]int{got, a.r.answered} {
		for what := range m {
			all[what] = true
		}
	}
	wrong := 0
	for _, what := range slices.Sorted(maps.Keys(all)) {
		request := what[:strings.LastIndexByte(what, ' ')]
		least, most := a.r.answered[what], a.r.answered[what]+a.r.unknown[request]
		if n := got[what]; (n < least || n > most) && wrong < 20 {
			a.r.t.Errorf("the audit has %q %d times, and there were %d to %d", what, n, least, most)
			wrong++
		}
	}
}
