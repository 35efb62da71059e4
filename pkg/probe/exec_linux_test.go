package probe

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func script(text string) Exec {
	return Exec{
		Program: "/bin/sh", Args: []string{"-c", text}, Addr: netip.MustParseAddrPort("[::ffff:10.0.0.1]:80"),
		Service: "web", Backend: "a",
	}
}

func TestExec(t *testing.T) {
	for name, tt := range map[string]struct {
		exec    Exec
		outcome Outcome
		text    string
	}{
		"well":              {script("echo fine"), OK, ""},
		"status":            {script("exit 3"), Failed, "exit status 3"},
		"last line":         {script("echo one; printf 'two \\033[2J\\n\\n' >&2; exit 1"), Failed, `exit status 1: two \x1b[2J`},
		"environment":       {script("echo $GORB_SERVICE $GORB_BACKEND $GORB_HOST $GORB_PORT $HOME $USER $(pwd); exit 1"), Failed, "exit status 1: web a 10.0.0.1 80 /"},
		"time that is left": {script("case $GORB_TIMEOUT in 10 | [0-9] | [0-9].*) exit 0; esac; exit 1"), OK, ""},
		"signal":            {script("kill -SEGV $$"), Failed, "killed by SIGSEGV"},
		"hangs":             {script("echo waiting; sleep 60"), Failed, "did not end within 500ms: waiting"},
		"deaf":              {script("trap '' TERM; while :; do sleep 1; done"), Failed, "did not end within 500ms"},
		"child in its pipe": {script("sleep 60 & exit 0"), OK, ""},
		"runaway":           {script("setsid sleep 1 & sleep 0.1; exit 0"), OK, ""},
		"says much":         {script("yes | head -c 10000000; echo end; exit 1"), Failed, "exit status 1: end"},
		"says without end":  {script("exec yes"), Failed, "did not end within 500ms: y"},
		"says zeros":        {script("head -c 50000000 /dev/zero; exit 1"), Failed, `exit status 1: \x00…`},
		"is not in PATH":    {Exec{Program: "no-such-program"}, Unmade, "no-such-program: not found in PATH"},
		"reads":             {script("cat; exit 2"), Failed, "exit status 2"},
		"is not there":      {Exec{Program: "/nowhere/at all"}, Unmade, "/nowhere/at all: no such file or directory"},
		"is no program":     {Exec{Program: "/etc/passwd"}, Unmade, "/etc/passwd: permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := NewExec(tt.exec)
			r := check(t, c, err, tt.text)
			// What a program said is lost if it cannot be read in the moment after its end, as may be on a busy machine.
			_, last, _ := strings.Cut(tt.text, ": ")
			for tries := 1; tries < 10 && last != "" && r.Outcome == Failed && !strings.HasSuffix(r.Text, last); tries++ {
				r = check(t, c, err, tt.text)
			}
			want(t, r, tt.outcome, tt.text)
		})
	}
}

// TestExecTellsNoArguments: they may be secrets.
func TestExecTellsNoArguments(t *testing.T) {
	c, err := NewExec(Exec{Program: "true", Args: []string{"hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	var trace Trace
	c.Check(t.Context(), &trace)
	if said := fmt.Sprint(trace.Steps); strings.Contains(said, "hunter2") || !strings.Contains(said, "/true}") {
		t.Error(said)
	}
}

// A program that cannot be ended is not waited for, and no second one is started beside it.
func TestExecStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, ok := within(ctx, make(chan ending)); ok {
			t.Error("it has ended")
		}
	})
	c, err := NewExec(script("exit 0"))
	done := make(chan ending, 1)
	c.(*execCheck).stuck = done
	checked(t, c, err, Unmade, "the program of an earlier check was killed and has not ended yet")
	done <- ending{}
	checked(t, c, err, OK, "")
}

// Nothing of the group is left, when the program hangs and when it ends.
func TestExecGroup(t *testing.T) {
	for name, last := range map[string]string{"hangs": "wait", "ends": "exit 0"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pids")
			c, err := NewExec(script(fmt.Sprintf("for i in 1 2; do (sleep 60 & echo $! >> %s; wait) & done; until [ $(wc -l < %[1]s) = 2 ]; do :; done; %s", file, last)))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var ending sync.WaitGroup
			if name == "hangs" {
				ending.Go(func() { // its time is over when all of the group is there
					for bytes.Count(contents(file), []byte("\n")) < 2 {
						time.Sleep(time.Millisecond)
					}
					cancel()
				})
			}
			c.Check(ctx, nil)
			ending.Wait()
			pids, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range strings.Fields(string(pids)) {
				pid, _ := strconv.Atoi(field)
				for alive(pid) { // it has been killed, and its new parent is to notice
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
}

// contents is what a file has, which need not be there yet.
func contents(file string) []byte {
	text, _ := os.ReadFile(file)
	return text
}

// alive reports whether a process goes on.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// Checks of every end leave no descriptor.
func TestDescriptors(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	run, err := NewExec(script("exit 0"))
	if err != nil {
		t.Fatal(err)
	}
	checks := []Checker{run}
	l := serve(t, hang)
	for _, addr := range []netip.AddrPort{l, closed(t)} {
		tcp, err := NewTCP(TCP{Addr: addr, Expect: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		http, err := NewHTTP(HTTP{Addr: addr})
		if err != nil {
			t.Fatal(err)
		}
		h2, err := NewHTTP(HTTP{Addr: addr, HTTP2: true})
		if err != nil {
			t.Fatal(err)
		}
		checks = append(checks, tcp, http, h2)
	}
	all := func() {
		for _, c := range checks {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			c.Check(ctx, nil)
			cancel()
		}
	}
	all()
	before := count()
	for range 3 {
		all()
	}
	// The server's side closes when it notices.
	for count() > before {
		time.Sleep(time.Millisecond)
	}
}

// Without a free descriptor nothing is said of the backend.
func TestNoDescriptors(t *testing.T) {
	addr := closed(t)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := old
	none.Cur = 3
	c, err := NewTCP(TCP{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	r := check(t, c, nil, "")
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	want(t, r, Unmade, "connect: socket: too many open files")
}
