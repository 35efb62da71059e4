package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/internal/lab/rows"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestRoundTrip fills a table with rows of every kind that ipvsadm can make, exports it, and applies the export where
// nothing is: that table is the same, and so is its export.
func TestRoundTrip(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for round := range uint64(4) {
			format := []string{"toml", "json"}[round%2]
			t.Run(fmt.Sprintf("%d %s", round, format), func(t *testing.T) { roundTrip(t, round, format) })
		}
	})
}

func roundTrip(t *testing.T, seed uint64, format string) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path(name)
	}
	commands, _ := rows.Random(rand.New(rand.NewPCG(seed, 0)), 150)
	made, again := lab.Namespace(t), lab.Namespace(t)
	lab.Exec(t, made, "sh", "-c", "ipvsadm -R <"+write("rules", strings.Join(commands, "\n")+"\n"))

	export := func(ns string, state string) string {
		return lab.Exec(t, ns, "gorb", "export", "--format", format, "--state-dir", path(state))
	}
	exported := export(made, "none")
	if strings.Contains(strings.ToLower(exported), "left out") {
		t.Errorf("something is left out:\n%s", exported)
	}
	file := write("exported."+format, exported)
	for ns, state := range map[string]string{made: "none", again: "state"} {
		write(ns+".toml", fmt.Sprintf("[gorb]\nstate_dir = %q\n", path(state)))
	}
	lab.Exec(t, again, "gorb", "check", file)
	lab.Exec(t, made, "gorb", "plan", "--exit-code", path(made+".toml"), file)
	lab.Exec(t, again, "gorb", "apply", path(again+".toml"), file)
	lab.Exec(t, again, "gorb", "plan", "--exit-code", path(again+".toml"), file)

	for _, args := range []string{"-Sn", "-Ln --thresholds"} {
		want, got := sortedLines(t, made, args), sortedLines(t, again, args)
		if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
			t.Errorf("ipvsadm %s (-as made +applied again):\n%s", args, d)
		}
	}
	// What ipvsadm does not say: the netmask of a service without persistence, and flag-3 beside another flag.
	if d := cmp.Diff(tableIn(t, made), tableIn(t, again)); d != "" {
		t.Errorf("the tables (-as made +applied again):\n%s", d)
	}
	if d := cmp.Diff(exported, export(again, "state")); d != "" {
		t.Errorf("the exports (-as made +applied again):\n%s", d)
	}
}

// sortedLines are the lines that ipvsadm prints, in order: its own is not a whole one.
func sortedLines(t *testing.T, ns, args string) []string {
	t.Helper()
	return slices.Sorted(strings.Lines(lab.Exec(t, ns, "ipvsadm", strings.Fields(args)...)))
}

// tableIn is the whole table of a namespace, line by line.
func tableIn(t *testing.T, ns string) []string {
	t.Helper()
	c, err := kernel.Open(t.Context(), kernel.Options{Namespace: lab.NamespacePath(ns)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	table, err := c.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(strings.Lines(table.String()))
}
