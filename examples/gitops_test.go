package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// pipelines are the files of examples/gitops that say what runs when.
var pipelines = []string{".github/workflows/gorb.yml", ".gitlab-ci.yml"}

// commandsOf returns what a pipeline runs: the texts at run, in GitHub's, and in script, in GitLab's.
func commandsOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("gitops", file))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var found []string
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				walk(k, inner)
			}
		case []any:
			for _, inner := range v {
				walk(key, inner)
			}
		case string:
			if key == "run" || key == "script" {
				found = append(found, v)
			}
		}
	}
	walk("", tree)
	return found
}

// TestPipelines: what the pipelines run is the scripts, with what gets gorb there and keeps the tables; and each script
// is run. What the scripts do, README.md shows.
func TestPipelines(t *testing.T) {
	for _, file := range pipelines {
		used := map[string]bool{}
		for _, command := range commandsOf(t, file) {
			word, _, _ := strings.Cut(command, " ")
			switch word {
			case "./check.sh", "./plan.sh", "./deploy.sh":
				used[word] = true
			case "git", "echo", "CGO_ENABLED=0":
			default:
				t.Errorf("%s runs %q, which no test runs", file, command)
			}
			if out, err := exec.Command("sh", "-n", "-c", command).CombinedOutput(); err != nil {
				t.Errorf("%s: %q: %s", file, command, out)
			}
		}
		if len(used) != 3 {
			t.Errorf("%s runs only %v", file, used)
		}
	}
}
