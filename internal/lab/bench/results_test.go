package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What gorb is compared with is its time, and that of its writes, at the same task.
func TestReport(t *testing.T) {
	r := newResults(table{services: 10, backends: 9})
	for _, run := range []time.Duration{3, 1, 2} {
		r.times[gorbCreate] = append(r.times[gorbCreate], run*time.Millisecond)
		r.times[gorbCreateWrites] = append(r.times[gorbCreateWrites], run*time.Millisecond/2)
		r.times[ipvsadmCreate] = append(r.times[ipvsadmCreate], 9*run*time.Millisecond)
		r.walls[ipvsadmCreate] = append(r.walls[ipvsadmCreate], 9*run*time.Millisecond)
		r.decode = append(r.decode, 7*run*time.Millisecond)
	}
	r.times[ipvsadmChange] = append(r.times[ipvsadmChange], 25*time.Microsecond)
	r.calls[gorbCreate] = 50
	got := r.report("Linux 6.1")
	if len(got.Rows) != len(methods) || got.System != "Linux 6.1" || got.DecodeMS != 7 {
		t.Errorf("%d rows, %s, decoded in %v ms", len(got.Rows), got.System, got.DecodeMS)
	}
	rows := map[string]row{}
	for _, row := range got.Rows {
		rows[string(row.Task)+": "+row.Method] = row
	}
	for _, want := range []row{
		{Task: create, Method: "gorb apply", MS: 1, Micros: 10, Calls: 0.5},
		{Task: create, Method: "gorb apply, writes alone", MS: 0.5, Micros: 5},
		{Task: create, Method: "ipvsadm -R", MS: 9, Micros: 90, WallMS: 9, Ratio: 9, WritesRatio: 18},
		{Task: change, Method: "ipvsadm -e", MS: 0.025, Micros: 25}, // one object, not a hundred; and not create's ratios
	} {
		if diff := cmp.Diff(want, rows[string(want.Task)+": "+want.Method]); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestExtrapolate(t *testing.T) {
	// 100 calls once, and 5 for each object.
	if got := extrapolate(10, 150, 30, 250, 1000); got != 5100 {
		t.Errorf("%v calls, want 5100", got)
	}
	if got := extrapolate(10, 150, 10, 150, 10); got != 150 {
		t.Errorf("%v calls, want 150", got)
	}
}
