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
//	```toml            gorb check finds it right; so with json and yaml; of one with [[sources]] alone
//	```toml NAME       it is the file NAME in the sessions of this document, from there on
//	```console run     each line after "$ " is a command, and prints what follows it; "..." stands for any text, a time
//	                   for any time, and the number of a change in Consul for any; so does a number of
//	                   seconds or checks, and a part of a weight of 100; two blanks stand for two or more
//	```console kernel  the same, in a kernel with IPVS, where 10.1.0.1 and 10.1.0.2 answer at port 8080
//	```console consul  the same as run, beside a Consul agent
//	```console kernel beside consul  both
//
// The commands of a document are one session of a shell, one of each kind, in a directory of its own.

// fence is a block of a document that is between fences.
type fence struct {
	line     int // of the first in it
	language string
	word     string // what follows the language
	text     string
}

// configures says whether a block is a configuration.
func configures(f fence) bool { return slices.Contains([]string{"toml", "json", "yaml"}, f.language) }

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
	names := []string{"../README.md", "../CONTRIBUTING.md"}
	for _, pattern := range []string{"../docs/*.md", "*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	return names
}

// titleOf names the test of a document.
func titleOf(document string) string {
	return strings.ReplaceAll(strings.TrimPrefix(document, "../"), "/", "-")
}

func TestDocumentsConfigure(t *testing.T) {
	gorb := lab.Binary(t)
	for _, document := range documents(t) {
		for _, f := range fences(t, document) {
			if !configures(f) || f.word != "" {
				continue
			}
			args := []string{"check", "--format", f.language, "-"}
			if strings.Contains(f.text, "[[sources]]") { // which are nowhere
				args = append(args, "--partial")
			}
			cmd := exec.Command(gorb, args...)
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
		t.Run(titleOf(document), func(t *testing.T) { (session{gorb: gorb, kind: "run"}).play(t, document) })
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
			t.Run(titleOf(document), func(t *testing.T) {
				s := session{gorb: gorb, kind: "kernel", ns: lab.Namespace(t)}
				if slices.ContainsFunc(fences(t, document), s.has) {
					makeBackends(t, s.ns)
				}
				s.play(t, document)
			})
		}
	})
}

func TestDocumentsRunBesideConsul(t *testing.T) {
	playBesideConsul(t, session{gorb: lab.Binary(t), kind: "consul"})
}

func TestDocumentsRunInKernelBesideConsul(t *testing.T) {
	gorb := lab.Binary(t)
	lab.Run(t, func(t *testing.T) {
		if err := unix.Mount("none", "/var/lib", "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		makeBackends(t, "")
		playBesideConsul(t, session{gorb: gorb, kind: "kernel beside consul"})
	})
}

// makeBackends gives a namespace the backends that are checked in documents.
func makeBackends(t *testing.T, ns string) {
	t.Helper()
	there := lab.Namespace(t)
	ipLines(t, ns, "link add backends type veth peer name eth0 netns "+there+`
		link set backends up
		addr add 10.1.0.254/24 dev backends`)
	ipLines(t, there, `
		link set eth0 up
		addr add 10.1.0.1/24 dev eth0
		addr add 10.1.0.2/24 dev eth0`)
	answer(t, there, ":8080", "")
}

// playBesideConsul plays the documents that have such a session, each beside a Consul agent that is empty.
func playBesideConsul(t *testing.T, s session) {
	for _, document := range documents(t) {
		if !slices.ContainsFunc(fences(t, document), s.has) {
			continue
		}
		t.Run(titleOf(document), func(t *testing.T) {
			s.consul = lab.Consul(t)
			s.play(t, document)
		})
	}
}

// session is how the commands of a kind are run.
type session struct {
	gorb   string
	kind   string
	ns     string           // a network namespace; "": this process's
	consul *lab.ConsulAgent // the one that documents call 127.0.0.1:8500; nil: none
}

// step is a command of a session and what it is to print.
type step struct {
	line    int
	command string
	want    []string
}

// has says whether a block is commands of the session.
func (s session) has(f fence) bool { return f.language == "console" && f.word == s.kind }

// play runs the commands of a document and compares what they print.
func (s session) play(t *testing.T, document string) {
	dir := t.TempDir()
	script, steps := s.script(t, document, dir)
	if len(steps) == 0 {
		return
	}
	shell := []string{"-c", "exec 2>&1\n" + script + "\ntrue"}
	if s.consul != nil {
		shell[1] = strings.ReplaceAll(shell[1], documentedConsul, s.consul.Address())
	}
	out, err := lab.Try(s.ns, "sh", shell...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if s.consul != nil {
		out = strings.ReplaceAll(out, s.consul.Address(), documentedConsul)
	}
	printed := strings.Split(out, mark+"\n")
	if len(printed) != len(steps)+1 || printed[0] != "" {
		t.Fatalf("the session of %s broke off:\n%s", document, out)
	}
	for i, step := range steps {
		got := strings.TrimRight(printed[i+1], "\n")
		if !pattern(step.want).MatchString(got) {
			t.Errorf("%s:%d: %s\nprints:\n%s\nand not:\n%s", document, step.line, step.command, got, strings.Join(step.want, "\n"))
		}
	}
}

// documentedConsul is where the documents have their agent.
const documentedConsul = "127.0.0.1:8500"

// script returns what a shell is to do in a directory, and the steps of that.
func (s session) script(t *testing.T, document, dir string) (script string, steps []step) {
	t.Helper()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	script = fmt.Sprintf("cd '%s'\nPATH='%s':$PATH\n", dir, filepath.Dir(s.gorb))
	if s.consul == nil {
		script += fmt.Sprintf("ln -s '%s' examples\n", here)
	} else {
		script += fmt.Sprintf("cp -r '%s' examples\nsed -i 's/127[.]0.0.1:8500/%s/' examples/consul/gorb.toml\n", here, s.consul.Address())
		script += fmt.Sprintf("PATH='%s/.cache/consul':$PATH\nexport CONSUL_HTTP_ADDR=%s\n", lab.Root(), s.consul.Address())
	}
	script += "sleep() { command sleep $(($1 * 3)); }\n" // readers have machines that do nothing else
	for _, f := range fences(t, document) {
		switch {
		case f.word != "" && configures(f):
			script += fmt.Sprintf("mkdir -p \"$(dirname '%[1]s')\"\ncat >'%[1]s' <<'=====END'\n%[2]s=====END\n", f.word, f.text)
		case s.has(f):
			for _, step := range commands(t, document, f) {
				script += fmt.Sprintf("echo '%s'\n%s\n", mark, step.command)
				steps = append(steps, step)
			}
		}
	}
	return script, steps
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

// varying match what is never the same in what is wanted, and each itself. They are in the form that QuoteMeta gives it.
var varying = []string{
	`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, `#\d+`,
	`\b\d\d:\d\d:\d\d\b`, `\b[1-9]\d*/100\b`, `\b\d+ of the last \d+ checks\b`,
}

// seconds match how long something took, or is ago, and columns what is between them.
var (
	seconds = regexp.MustCompile(`\b\d+(\\\.\d+)?( ?m?s)\b`)
	columns = regexp.MustCompile(` {2,}`)
)

// pattern returns what matches the lines that are wanted.
func pattern(want []string) *regexp.Regexp {
	lines := slices.Clone(want)
	for i := range lines {
		lines[i] = strings.ReplaceAll(regexp.QuoteMeta(lines[i]), `\.\.\.`, `(?s:.*)`)
		for _, varies := range varying {
			lines[i] = regexp.MustCompile(varies).ReplaceAllLiteralString(lines[i], varies)
		}
		lines[i] = seconds.ReplaceAllString(lines[i], `[\d.]+$2`)
		lines[i] = columns.ReplaceAllLiteralString(lines[i], ` {2,}`)
	}
	return regexp.MustCompile(`\A` + strings.Join(lines, "\n") + `\z`)
}
