package examples_test

import (
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
				own := filepath.Join(dir, "own.toml")
				if err := os.WriteFile(own, []byte("[gorb]\nstate_dir = \""+dir+"\"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				lab.Exec(t, ns, gorb, "apply", name, own)
				golden(t, name, "rules", lab.Exec(t, ns, "ipvsadm", "-Sn"))
				lab.Exec(t, ns, gorb, "plan", "--exit-code", name, own)

				exported := filepath.Join(dir, "exported.toml")
				lab.Exec(t, ns, "sh", "-c", gorb+" export --state-dir "+dir+" >"+exported)
				lab.Exec(t, ns, gorb, "check", exported)
				lab.Exec(t, ns, gorb, "plan", "--exit-code", exported, own)
			})
		}
	})
}
