package examples_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
)

var update = flag.Bool("update", false, "write what gorb and the kernel say into testdata")

// examples returns the names of all examples.
func examples(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.toml", "*.json", "conf.d/gorb.toml", "gitops/conf/gorb.toml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) < 7 {
		t.Fatalf("there are only %d examples: %q", len(names), names)
	}
	return names
}

// golden compares text with a file of testdata. Examples that are one thing in two formats share theirs.
func golden(t *testing.T, example, kind, got string) {
	t.Helper()
	file := filepath.Join("testdata", strings.TrimSuffix(example, filepath.Ext(example))+"."+kind)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// empty returns the name of a file that holds an empty table, as ipvsadm -Sn prints it.
func empty(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExamplesAreRight(t *testing.T) {
	gorb := lab.Binary(t)
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(gorb, "check", name).CombinedOutput()
			if err != nil || strings.Count(string(out), "\n") != 1 || !strings.HasPrefix(string(out), "ok: ") {
				t.Errorf("gorb check says (%v):\n%s", err, out)
			}
		})
	}
}

func TestExamplesPlan(t *testing.T) {
	gorb, table := lab.Binary(t), empty(t)
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(gorb, "plan", "--against", table, name).CombinedOutput()
			if err != nil {
				t.Fatalf("gorb plan says (%v):\n%s", err, out)
			}
			golden(t, name, "plan", string(out))
		})
	}
}
