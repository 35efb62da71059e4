package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Strace writes down the system calls of a process, of those that are named ("sendmsg,recvmsg"), from now on. What stop
// returns is as strace(1) says it, a call to a line, with strings in full and in hexadecimal.
//
// Where there is no strace the test is skipped, see [Need].
func Strace(t testing.TB, pid int, calls string) (stop func() []string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "strace")
	c := Command(t, "", Need(t, "strace"), "-f", "-q", "-xx", "-s", "100000", "-e", "trace="+calls, "-e", "signal=none",
		"-o", out, "-p", fmt.Sprint(pid))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !traced(t, pid, c.Process.Pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not attach", c)
		}
	}
	return func() []string {
		t.Helper()
		if err := c.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // its status is the signal
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

// traced reports whether all threads of a process are traced by another.
func traced(t testing.TB, pid, tracer int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads %v of process %d, error %v", threads, pid, err)
	}
	for _, file := range threads {
		status, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if !strings.Contains(string(status), fmt.Sprintf("\nTracerPid:\t%d\n", tracer)) {
			return false
		}
	}
	return true
}
