package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestExamplesApply makes each example the table of a kernel, and has it back as a configuration.
func TestExamplesApply(t *testing.T) {
	gorb := lab.Binary(t)
	lab.Run(t, func(t *testing.T) {
		for _, name := range examples(t) {
			t.Run(name, func(t *testing.T) {
				ns, dir := lab.Namespace(t), t.TempDir()
				own, fresh := memory(t, dir), memory(t, filepath.Join(dir, "fresh"))
				for i, device := range []string{"eth0", "eth1"} { // those that the examples name
					lab.Exec(t, ns, "ip", "link", "add", device, "up", "type", "dummy")
					lab.Exec(t, ns, "ip", "addr", "add", fmt.Sprintf("10.9.%d.1/24", i), "dev", device)
				}
				lab.Exec(t, ns, gorb, "apply", name, own)
				golden(t, name, "rules", lab.Exec(t, ns, "ipvsadm", "-Sn"))
				lab.Exec(t, ns, gorb, "plan", "--exit-code", name, own)

				exported := filepath.Join(dir, "exported.toml")
				lab.Exec(t, ns, "sh", "-c", gorb+" export --state-dir "+dir+" >"+exported)
				lab.Exec(t, ns, gorb, "check", exported)
				// An export is of the table alone. What gorb made around it, and remembers, would have to go.
				lab.Exec(t, ns, gorb, "plan", "--exit-code", exported, fresh)
			})
		}
	})
}

// memory returns the name of a file that declares where gorb remembers what is its own.
func memory(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "own.toml")
	if err := os.WriteFile(file, []byte("[gorb]\nstate_dir = \""+dir+"\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
