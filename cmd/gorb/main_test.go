package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"

	"github.com/gorb-io/gorb/internal/lab"
)

var update = flag.Bool("update", false, "write what is printed into the scripts, where they compare it with a file")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gorb": main, "way": wayProgram, "web": web})
}

// TestScripts runs the stories that need no kernel.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/host", UpdateScripts: *update, Cmds: scriptCommands()})
}

// TestKernelScripts runs the stories that need IPVS, each in a network namespace of its own, $NS.
func TestKernelScripts(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: "testdata/kernel", UpdateScripts: *update, Cmds: scriptCommands(),
			Setup: func(env *testscript.Env) error {
				ns := lab.Namespace(env.T().(testing.TB))
				env.Setenv("NS", ns)
				if err := os.Mkdir(filepath.Join(env.WorkDir, "state"), 0o755); err != nil {
					return err
				}
				return expandWork(env.WorkDir)
			},
		})
	})
}

// expandWork puts the story's directory where its configurations say $WORK, because a state directory has a whole path.
func expandWork(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.toml"))
	for _, file := range files {
		text, rerr := os.ReadFile(file)
		err = errors.Join(err, rerr, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "$WORK", dir)), 0o644))
	}
	return err
}

// TestTables applies configurations and compares the whole table with what ipvsadm prints.
func TestTables(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		files, err := filepath.Glob("testdata/tables/*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatalf("files %v, error %v", files, err)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { checkTable(t, file) })
		}
	})
}

// checkTable applies the first file of an archive, and compares the table with its last, "want".
func checkTable(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config, want := archive.Files[0], &archive.Files[len(archive.Files)-1]
	ns, dir := lab.Namespace(t), t.TempDir()
	path := filepath.Join(dir, config.Name)
	if err := os.WriteFile(path, config.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	gorb := func(args ...string) string { return lab.Exec(t, ns, "gorb", args...) }
	gorb("apply", path)
	got := lab.Exec(t, ns, "ipvsadm", "-Sn")
	if *update && got != string(want.Data) {
		want.Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(string(want.Data), got); d != "" {
		t.Errorf("ipvsadm -Sn (-want +got):\n%s", d)
	}
	if out := gorb("plan", path); !strings.HasPrefix(out, "nothing to do") && !strings.Contains(out, "\nnothing to do") {
		t.Errorf("a second plan:\n%s", out)
	}
}

// scriptCommands are the commands that the stories have beside testscript's own.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"ns":            inNamespace,
		"wait-for":      waitFor,
		"signal":        sendSignal,
		"rewrite":       rewrite,
		"shows":         shows,
		"rest":          restRequest,
		"certificates":  makeCertificates,
		"new-namespace": newNamespace,
		"far":           farRequest,
		"until-rest":    untilRest,
	}
}

// inNamespace runs a command in the story's network namespace: ns COMMAND [ARG...].
func inNamespace(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("ip", append([]string{"netns", "exec", ts.Getenv("NS")}, args...)...)
	switch {
	case err != nil && !neg:
		ts.Fatalf("%v", err)
	case err == nil && neg:
		ts.Fatalf("it went well, and was not to")
	}
}

// waitFor waits until the table is that of a file: wait-for FILE; or until a file has a text: wait-for FILE TEXT.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: wait-for FILE [TEXT]")
	}
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if len(args) == 2 {
			if got = readIfThere(ts, args[0]); strings.Contains(got, args[1]) {
				return
			}
			continue
		}
		out, err := lab.Try(ts.Getenv("NS"), "ipvsadm", "-Sn")
		if got = out; err == nil && got == ts.ReadFile(args[0]) {
			return
		}
	}
	ts.Fatalf("after %v it is still:\n%s", patience, got)
}

// readIfThere returns the text of a file that may not be there yet.
func readIfThere(ts *testscript.TestScript, name string) string {
	text, err := os.ReadFile(ts.MkAbs(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ts.Check(err)
	}
	return string(text)
}

// shows waits until the status of the gorb at s/sock has a line that matches: shows PATTERN.
func shows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: shows PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got, err = lab.Try(ts.Getenv("NS"), "gorb", "status", "--state-dir", ts.MkAbs("state"), "--socket", ts.MkAbs("s/sock")); err == nil && pattern.MatchString(got) {
			return
		}
	}
	ts.Fatalf("after %v no line matches %s:\n%s", patience, args[0], got)
}

// sendSignal sends a signal to the gorb that has the lock of a state directory: signal HUP|KILL|TERM|STOP|CONT STATE.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL, "TERM": syscall.SIGTERM, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
	}
	if neg || len(args) != 2 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal HUP|KILL|TERM|STOP|CONT STATE")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[1] + "/lock")))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, signals[args[0]]))
}

// rewrite writes a file anew the way an editor does: rewrite rename|truncate FROM TO.
func rewrite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: rewrite rename|truncate FROM TO")
	}
	text, to := []byte(ts.ReadFile(args[1])), ts.MkAbs(args[2])
	switch args[0] {
	case "rename":
		ts.Check(os.WriteFile(to+".swp", text, 0o644))
		ts.Check(os.Rename(to+".swp", to))
	case "truncate":
		ts.Check(os.WriteFile(to, text, 0o644))
	default:
		ts.Fatalf("rewrite %s: it is rename or truncate", fmt.Sprint(args[0]))
	}
}
