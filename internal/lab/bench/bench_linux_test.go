package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// The program that is measured is this one, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "-do=") {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// TestBench measures on a small table, so that the bench lives. What it takes is no matter here.
func TestBench(t *testing.T) {
	gorb := lab.Binary(t)
	lab.Run(t, func(t *testing.T) {
		for _, program := range []string{"keepalived", "strace"} {
			if _, err := exec.LookPath(program); err != nil {
				if os.Getenv("GORB_REQUIRE_KERNEL") == "1" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
		}
		small := options{
			runs: 1, table: table{services: 20, backends: 3},
			checked: table{services: 2, backends: 3}, every: time.Second,
		}
		got, err := inside(t.Context(), gorb, small, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got.Rows {
			m := methods[i]
			if r.MS <= 0 || (r.Calls <= 0 && m.part == whole) {
				t.Errorf("%s, %s: %v ms and %v calls", m.task, m.name, r.MS, r.Calls)
			}
		}
		if len(got.Checks) != 4 {
			t.Errorf("checks were measured %d times, want 4", len(got.Checks))
		}
		for _, c := range got.Checks {
			if c.Checks <= 0 || c.Calls <= 0 || c.MemoryMB <= 0 {
				t.Errorf("%s by %s: %d checks, of %v calls, in %v MB", c.Kind, c.Method, c.Checks, c.Calls, c.MemoryMB)
			}
		}
		if got.DecodeMS <= 0 || !strings.Contains(got.System, "keepalived ") {
			t.Errorf("decoded in %v ms, on %s", got.DecodeMS, got.System)
		}
	})
}
