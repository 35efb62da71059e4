package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gorb-io/gorb/internal/lab"
)

// What stands in a fence of the documents is held to the truth:
//
//	```toml            gorb check finds it right; so with json
//	```toml NAME       it is the file NAME in the sessions of this document, from there on
//	```console run     each line after "$ " is a command, and prints what follows it; "..." stands for any text
//	```console kernel  the same, in a kernel with IPVS
//
// The commands of a document are one session of a shell, one of each kind, in a directory of its own.

// fence is a block of a document that is between fences.
type fence struct {
	line     int // of the first in it
	language string
	word     string // what follows the language
	text     string
}

// fences returns the blocks of a document.
func fences(t *testing.T, document string) []fence {
	t.Helper()
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var all []fence
	open := false
	for i, line := range strings.Split(string(data), "\n") {
		info, is := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case is && !open:
			language, word, _ := strings.Cut(info, " ")
			all = append(all, fence{line: i + 2, language: language, word: word})
			open = true
		case is:
			open = false
		case open:
			all[len(all)-1].text += line + "\n"
		}
	}
	if open {
		t.Fatalf("%s: the last fence is not closed", document)
	}
	return all
}

// documents returns the names of all documents.
func documents(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(names, "../README.md", "../CONTRIBUTING.md")
}

func TestDocumentsConfigure(t *testing.T) {
	gorb := lab.Binary(t)
	for _, document := range documents(t) {
		for _, f := range fences(t, document) {
			if f.language != "toml" && f.language != "json" || f.word != "" {
				continue
			}
			cmd := exec.Command(gorb, "check", "--format", f.language, "-")
			cmd.Stdin = strings.NewReader(f.text)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s:%d: gorb check says (%v):\n%s", document, f.line, err, out)
			}
		}
	}
}

func TestDocumentsRun(t *testing.T) {
	gorb := lab.Binary(t)
	for _, document := range documents(t) {
		t.Run(filepath.Base(document), func(t *testing.T) { play(t, gorb, document, "run", "") })
	}
}

func TestDocumentsRunInKernel(t *testing.T) {
	gorb := lab.Binary(t)
	lab.Run(t, func(t *testing.T) {
		// gorb's memory is to be in its own place, which is this machine's.
		if err := unix.Mount("none", "/var/lib", "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		for _, document := range documents(t) {
			t.Run(filepath.Base(document), func(t *testing.T) {
				play(t, gorb, document, "kernel", lab.Namespace(t))
			})
		}
	})
}

// step is a command of a session and what it is to print.
type step struct {
	line    int
	command string
	want    []string
}

// play runs the commands of a kind in a document, in a namespace, and compares what they print.
func play(t *testing.T, gorb, document, kind, ns string) {
	dir := t.TempDir()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("cd '%s'\nln -s '%s' examples\nPATH='%s':$PATH\n", dir, here, filepath.Dir(gorb))
	script += "sleep() { command sleep $(($1 * 3)); }\n" // readers have machines that do nothing else
	var steps []step
	for _, f := range fences(t, document) {
		switch {
		case f.word != "" && (f.language == "toml" || f.language == "json"):
			script += fmt.Sprintf("cat >'%s' <<'=====END'\n%s=====END\n", f.word, f.text)
		case f.language == "console" && f.word == kind:
			for _, s := range commands(t, document, f) {
				script += fmt.Sprintf("echo '%s'\n%s\n", mark, s.command)
				steps = append(steps, s)
			}
		}
	}
	if len(steps) == 0 {
		return
	}
	out, err := lab.Try(ns, "sh", "-c", "exec 2>&1\n"+script+"\ntrue")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := strings.Split(out, mark+"\n")
	if len(printed) != len(steps)+1 || printed[0] != "" {
		t.Fatalf("the session of %s broke off:\n%s", document, out)
	}
	for i, s := range steps {
		got := strings.TrimRight(printed[i+1], "\n")
		if !pattern(s.want).MatchString(got) {
			t.Errorf("%s:%d: %s\nprints:\n%s\nand not:\n%s", document, s.line, s.command, got, strings.Join(s.want, "\n"))
		}
	}
}

// mark stands before what each command prints.
const mark = "=====COMMAND"

// commands returns the steps of a console.
func commands(t *testing.T, document string, f fence) []step {
	t.Helper()
	var steps []step
	for i, line := range strings.Split(strings.TrimRight(f.text, "\n"), "\n") {
		command, is := strings.CutPrefix(line, "$ ")
		switch {
		case is:
			steps = append(steps, step{line: f.line + i, command: command})
		case len(steps) == 0:
			t.Fatalf("%s:%d: a console begins with a command", document, f.line)
		default:
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		}
	}
	return steps
}

// pattern returns what matches the lines that are wanted.
func pattern(want []string) *regexp.Regexp {
	lines := slices.Clone(want)
	for i := range lines {
		lines[i] = strings.ReplaceAll(regexp.QuoteMeta(lines[i]), `\.\.\.`, `(?s:.*)`)
	}
	return regexp.MustCompile(`\A` + strings.Join(lines, "\n") + `\z`)
}
