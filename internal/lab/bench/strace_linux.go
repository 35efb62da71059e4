package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// attachTime is how long strace may take to begin or to end.
const attachTime = 10 * time.Second

// attached is a strace that counts the system calls of processes that run already.
type attached struct {
	cmd     *exec.Cmd
	summary string
}

// attach counts the system calls of a process and of its children from now on.
func attach(summary string, pid int) (*attached, error) {
	if err := os.WriteFile(summary, nil, 0o600); err != nil {
		return nil, err
	}
	pids, err := family(pid)
	if err != nil {
		return nil, err
	}
	args := []string{"-c", "-f", "-o", summary}
	for _, p := range pids {
		args = append(args, "-p", strconv.Itoa(p))
	}
	a := &attached{cmd: exec.Command("strace", args...), summary: summary}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(attachTime); len(pids) > 0; time.Sleep(poll) {
		if tracer, err := tracerOf(pids[0]); err == nil && tracer == a.cmd.Process.Pid {
			pids = pids[1:]
		}
		if len(pids) > 0 && time.Now().After(deadline) {
			_ = a.cmd.Process.Kill()
			_ = a.cmd.Wait()
			return nil, fmt.Errorf("%s does not attach to %d", a.cmd, pids[0])
		}
	}
	return a, nil
}

// detach ends the counting and returns the number of calls.
func (a *attached) detach() (int, error) {
	_ = a.cmd.Process.Signal(syscall.SIGINT) // it may have ended with what it counted
	_ = a.cmd.Wait()                         // its status is the signal
	return readCalls(a.summary)
}

// family returns a process and its children.
func family(pid int) ([]int, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	pids := []int{pid}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list, err)
			}
			pids = append(pids, child)
		}
	}
	return pids, nil
}

// tracerOf returns the process that traces another.
func tracerOf(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "\nTracerPid:")
	line, _, _ := strings.Cut(rest, "\n")
	tracer, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || tracer == 0 {
		return 0, fmt.Errorf("nothing traces process %d", pid)
	}
	return tracer, nil
}

// awaitCalls waits for the summary of a strace that is not this process's child.
func awaitCalls(summary string) (int, error) {
	for deadline := time.Now().Add(attachTime); ; time.Sleep(poll) {
		n, err := readCalls(summary)
		if err == nil || time.Now().After(deadline) {
			return n, err
		}
	}
}
