package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestInside(t *testing.T) {
	Run(t, func(t *testing.T) {
		if !Inside() {
			t.Error("not inside")
		}
		if uid := os.Getuid(); uid != 0 {
			t.Errorf("uid %d", uid)
		}
		if out := Exec(t, "", "ipvsadm", "-Ln"); !strings.HasPrefix(out, "IP Virtual Server") {
			t.Errorf("ipvsadm says:\n%s", out)
		}
		if dir := t.TempDir(); !strings.HasPrefix(dir, "/run/") {
			t.Errorf("temporary files go to %s", dir)
		}
		if _, err := os.Stat(Root() + "/internal/lab/init.sh"); err != nil {
			t.Error(err)
		}
	})
}

func TestBinary(t *testing.T) {
	path := Binary(t)
	Run(t, func(t *testing.T) {
		if inside := Binary(t); inside != path {
			t.Errorf("%s inside, %s outside", inside, path)
		}
		if out := Exec(t, Namespace(t), path, "version"); !strings.Contains(out, "gorb") {
			t.Errorf("gorb version says %q", out)
		}
	})
}

func TestNamespace(t *testing.T) {
	Run(t, func(t *testing.T) {
		var inode uint64
		t.Run("tables", func(t *testing.T) {
			a, b := Namespace(t), Namespace(t)
			Exec(t, a, "ipvsadm", "-A", "-t", "10.0.0.1:80", "-s", "wrr")
			for ns, want := range map[string]string{a: "-A -t 10.0.0.1:80 -s wrr\n", b: "", "": ""} {
				if got := Exec(t, ns, "ipvsadm", "-Sn"); got != want {
					t.Errorf("table of %q: %q, want %q", ns, got, want)
				}
			}
			if out := Exec(t, a, "ip", "-brief", "addr"); !strings.Contains(out, "127.0.0.1/8") || !strings.Contains(out, "::1/128") {
				t.Errorf("lo is not up:\n%s", out)
			}
		})
		t.Run("failure", func(t *testing.T) {
			ns := Namespace(t)
			out, err := Try(ns, "ipvsadm", "-d", "-t", "10.0.0.1:80", "-r", "10.1.0.1")
			exit := (*exec.ExitError)(nil)
			if !errors.As(err, &exit) || out == "" || !strings.Contains(err.Error(), out) {
				t.Errorf("prints %q, error %v", out, err)
			}
			if err := Do("nowhere", func() error { return nil }); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("entering a namespace that is not: %v", err)
			}
		})
		var long *exec.Cmd
		t.Run("processes", func(t *testing.T) {
			ns := Namespace(t)
			var st unix.Stat_t
			if err := unix.Stat(NamespacePath(ns), &st); err != nil {
				t.Fatal(err)
			}
			inode = st.Ino
			long = Command(t, ns, "sh", "-c", "sleep 1000 & exec sleep 1000")
			if err := long.Start(); err != nil {
				t.Fatal(err)
			}
			own := fmt.Sprintf("net:[%d]", inode)
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				link, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", long.Process.Pid))
				if link == own {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("it is in %s, want %s", link, own)
				}
			}
		})
		if err := long.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("the command outlived its test: %v", err)
		}
		if left, _ := os.ReadDir(namespaceDir); len(left) != 0 {
			t.Errorf("namespaces left: %v", left)
		}
	})
}

func TestBoot(t *testing.T) {
	if _, err := findMachine(); err != nil {
		t.Skip(err)
	}
	start := time.Now()
	var out bytes.Buffer
	status, err := Boot(t.Context(), &out, "sh", "-c", `echo "$0"; exit 3`, "two\n'words'")
	if status != 3 || err != nil || out.String() != "two\n'words'\n" {
		t.Errorf("status %d, error %v, output %q", status, err, &out)
	}
	t.Logf("it took %v", time.Since(start))
}

// When this process dies, so do the kernel and all its processes.
func TestOrphans(t *testing.T) {
	if m, err := findMachine(); err != nil {
		t.Skip(err)
	} else if _, ok := m.(uml); !ok {
		t.Skip("a process namespace sees to it")
	}
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			mark := fmt.Sprintf("%dK", 800_000+os.Getpid()%100_000) // of memory: so we know them
			cmd := exec.Command(os.Args[0], "-test.run=^TestScene$", "-test.v", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), envScene+"=hang", envMemory+"="+mark)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, "processes of the kernel", func() bool { return len(withArgument("mem="+mark)) > 6 })
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			await(t, "their end", func() bool { return len(withArgument("mem="+mark)) == 0 })
		})
	}
}

// await waits up to a minute for a condition.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// withArgument returns the running processes that were started with an argument.
func withArgument(arg string) (pids []string) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		args, err := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		if err == nil && bytes.Contains(args, []byte("\x00"+arg+"\x00")) {
			pids = append(pids, entry.Name())
		}
	}
	return pids
}
