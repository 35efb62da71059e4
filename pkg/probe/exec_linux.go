package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// groups reports whether what a program started can be ended with it.
const groups = true

// linger is how long is waited for the outputs of a program that has ended: something that left its process group may
// hold them.
const linger = 50 * time.Millisecond

// grace is how long a killed program has to be gone. One that the kernel does not let go of, as it may be when a network
// file system is away, is not waited for.
const grace = time.Second

// Check makes a check.
func (c *execCheck) Check(ctx context.Context, t *Trace) Result {
	a := begin(ctx, t)
	return a.end(c.run(&a))
}

func (c *execCheck) run(a *attempt) error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	if c.stuck != nil {
		select {
		case <-c.stuck:
			c.stuck = nil
		default:
			return &localError{errors.New("the program of an earlier check was killed and has not ended yet")}
		}
	}
	out := new(tail)
	cmd := exec.Command(c.decl.Program, c.decl.Args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.env...)
	if deadline, ok := a.ctx.Deadline(); ok {
		left := deadline.Sub(a.start).Round(time.Millisecond).Seconds()
		cmd.Env = append(cmd.Env, "GORB_TIMEOUT="+strconv.FormatFloat(left, 'f', -1, 64))
	}
	cmd.Stdout, cmd.Stderr = out, out // one pipe, so that the last line is the last
	cmd.WaitDelay = linger
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	a.step("running %s", said(cmd.Path)) // its arguments may be secrets
	if err := cmd.Start(); err != nil {
		return &localError{c.unstarted(err)}
	}
	a.step("it is process %d", cmd.Process.Pid)
	done := make(chan ending, 1)
	go func() {
		inTime := await(a.ctx, cmd.Process.Pid)
		done <- ending{inTime, cmd.Wait()}
	}()
	end, ok := within(a.ctx, done)
	switch {
	case !ok:
		c.stuck = done
		return failed("did not end within %s, nor when it was killed", a.patience())
	case !end.inTime && errors.Is(a.ctx.Err(), context.Canceled):
		return a.ctx.Err()
	case !end.inTime:
		return failed("did not end within %s%s", a.patience(), out.line())
	}
	return c.judge(a, cmd.ProcessState, end.err, out)
}

// unstarted says why the program did not start.
func (c *execCheck) unstarted(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s: not found in PATH", c.decl.Program)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(c.decl.Program); err == nil {
			return fmt.Errorf("%s: what is to run it, by its first line or as its loader, is not there", c.decl.Program)
		}
	}
	return err
}

// within waits for a program that has until ctx is done, and its grace.
func within(ctx context.Context, done <-chan ending) (ending, bool) {
	select {
	case end := <-done:
		return end, true
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case end := <-done:
		return end, true
	case <-timer.C:
		return ending{}, false
	}
}

// await waits for the end of a program, which it brings about when ctx is done, and ends what is left of its group. It
// reports whether the program ended by itself. It does so before anybody has waited for the program in earnest: until
// then the number of the group is not given to another.
func await(ctx context.Context, pid int) bool {
	end := func() { _ = unix.Kill(-pid, unix.SIGKILL) }
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		end()
	})
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	inTime := stop()
	if !inTime {
		<-over
	}
	end()
	return inTime
}

// judge says what the end of a program means.
func (c *execCheck) judge(a *attempt, state *os.ProcessState, err error, out *tail) error {
	if state == nil {
		return &localError{err}
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	switch {
	case ok && ws.Signaled():
		return failed("killed by %s%s", unix.SignalName(ws.Signal()), out.line())
	case !state.Success():
		return failed("exit status %d%s", state.ExitCode(), out.line())
	}
	a.step("exit status 0%s", out.line())
	return nil
}
