package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrint(t *testing.T) {
	var out strings.Builder
	report{System: "Linux 6.1", Services: 10, Backends: 9, DecodeMS: 14, Rows: []row{
		{Task: create, Method: "gorb apply", MS: 2, Micros: 20, Calls: 0.5, WallMS: 10},
		{Task: create, Method: "ipvsadm -R", MS: 18, Micros: 180, WallMS: 18, Ratio: 9, WritesRatio: 180},
		{Task: read, Method: "ipvsadm -Ln", MS: 0.025, Micros: 25},
	}}.print(&out)
	want := `Linux 6.1.

| 10 services of 9 backends | | ms | µs an object | calls an object | wall ms | gorb is | its writes are |
|---|---|--:|--:|--:|--:|--:|--:|
| create all | gorb apply | 2.00 | 20.0 | 0.50 | 10.0 |  |  |
|  | ipvsadm -R | 18.0 | 180 |  | 18.0 | 9.00× | 180× |
| read all | ipvsadm -Ln | 0.03 | 25.0 |  |  |  |  |

gorb decodes and checks its configuration of the table, 100 objects of TOML, in 14.0 ms.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What a machine prints comes in pieces of any length.
func TestDivider(t *testing.T) {
	for _, size := range []int{1, 7, 1000} {
		var progress strings.Builder
		d := divider{progress: &progress}
		for piece := range slices.Chunk([]byte("run 1\n{\"system\": \"Linux\"}\nrun 2\n"), size) {
			if _, err := d.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		got, err := d.result()
		wantError(t, err, "")
		if diff := cmp.Diff(report{System: "Linux"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if progress.String() != "run 1\nrun 2\n" {
			t.Errorf("progress is %q", progress.String())
		}
	}
	_, err := (&divider{}).result()
	wantError(t, err, "without a report")
}

// docs/performance.md has the tables that this program prints: both with every method, in order.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	newResults(table{services: 1000, backends: 20}).report("").print(&printed)
	heads := func(text string) (heads []string) { // of the rows: task and method
		text, _, _ = strings.Cut(text, "\n## Health checks\n") // which has a table of its own
		for line := range strings.Lines(text) {
			cells := strings.Split(line, "|")
			if strings.HasPrefix(line, "|") && len(cells) == 10 {
				heads = append(heads, fmt.Sprintf("%s|%s", cells[1], cells[2]))
			}
		}
		return heads
	}
	want := append(heads(printed.String()), heads(printed.String())...)
	if diff := cmp.Diff(want, heads(string(text))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
