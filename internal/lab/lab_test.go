package lab

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The scenes are what TestScene does inside. TestVerdict runs it in a process of its own.
const envScene = "GORB_LAB_TEST_SCENE"

var word = flag.String("word", "", "what the scene `flags` logs")

func TestScene(t *testing.T) {
	scene := os.Getenv(envScene)
	if scene == "" {
		t.Skip("TestVerdict runs this")
	}
	if scene == "elsewhere" && Inside() {
		return
	}
	Run(t, func(t *testing.T) {
		switch scene {
		case "pass":
			t.Log("all is well")
		case "fail":
			t.Error("as asked")
		case "cleanup":
			t.Cleanup(func() { t.Error("too late") })
		case "subtests":
			for _, name := range []string{"one", "two words", "three"} {
				t.Run(name, func(t *testing.T) { t.Log("this is " + name) })
			}
		case "flags":
			t.Logf("word %q, short %v", *word, testing.Short())
		case "skip":
			t.Skip("not today")
		case "exit":
			os.Exit(0)
		case "hang":
			select {}
		}
	})
}

// A process outside shows the verdict and the output of what happened inside.
func TestVerdict(t *testing.T) {
	if _, err := findMachine(); err != nil {
		t.Skip(err)
	}
	tests := []struct {
		scene string
		args  []string
		fails bool
		want  []string
		never []string
	}{
		{scene: "pass", want: []string{"all is well", "\n--- PASS: TestScene"}},
		{scene: "fail", fails: true, want: []string{"lab_test.go:", "as asked", "\n--- FAIL: TestScene"}},
		{scene: "cleanup", fails: true, want: []string{"too late", "\n--- FAIL: TestScene"}},
		{scene: "skip", want: []string{"not today", "\n--- SKIP: TestScene"}},
		{scene: "exit", fails: true},
		{scene: "elsewhere", fails: true, want: []string{"without coming to lab.Run"}},
		{scene: "subtests", want: []string{"this is one", "this is two words", "this is three"}},
		{
			scene: "subtests",
			args:  []string{"-test.run=TestScene/t"},
			want:  []string{"this is two words", "this is three"}, never: []string{"this is one"},
		},
		{
			scene: "subtests",
			args:  []string{"-test.skip=TestScene/t"},
			want:  []string{"this is one"}, never: []string{"this is two words", "this is three"},
		},
		{scene: "flags", args: []string{"-word=it's me", "-test.short"}, want: []string{`word "it's me", short true`}},
		{scene: "hang", args: []string{"-test.timeout=40s"}, fails: true, want: []string{"test timed out", "lab.TestScene"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(append([]string{tt.scene}, tt.args...), " "), func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-test.v", "-test.run=^TestScene$", "-test.timeout=1m"}, tt.args...)
			cmd := exec.Command(os.Args[0], args...)
			cmd.Env = append(os.Environ(), envScene+"="+tt.scene)
			start := time.Now()
			out, err := cmd.CombinedOutput()
			if took := time.Since(start); tt.scene == "hang" && took > 40*time.Second {
				t.Errorf("it took %v", took)
			}
			if failed := err != nil; failed != tt.fails {
				t.Errorf("ended with %v", err)
			}
			for _, s := range tt.want {
				if !strings.Contains(string(out), s) {
					t.Errorf("does not say %q", s)
				}
			}
			for _, s := range tt.never {
				if strings.Contains(string(out), s) {
					t.Errorf("says %q", s)
				}
			}
			if t.Failed() {
				t.Logf("it printed:\n%s", out)
			}
		})
	}
}

func TestRunPattern(t *testing.T) {
	tests := []struct{ name, given, want string }{
		{"TestA", "", "^TestA$"},
		{"TestA", "A", "^TestA$"},
		{"TestA", "A/b/c", "^TestA$/b/c"},
		{"TestA", "B/x|A/y|A/[/|]z", "^TestA$/y|^TestA$/[/|]z"},
		{"TestA", "B/x|A", "^TestA$"},
		{"TestA", "(A/y|B)/c", "^TestA$"},
		{"TestA", `A/x\|y`, `^TestA$/x\|y`},
		{"TestA/real", "A", "^TestA$/^real$"},
		{"TestA/real", "A/r/b", "^TestA$/^real$/b"},
		{"TestA/a.b#01", "", `^TestA$/^a\.b#01$`},
	}
	for _, tt := range tests {
		if got := runPattern(tt.name, tt.given); got != tt.want {
			t.Errorf("runPattern(%q, %q) = %q, want %q", tt.name, tt.given, got, tt.want)
		}
	}
}
