package examples_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestKeepalived has two directors with keepalived and gorb each, configured as docs/virtual-addresses.md says, and cuts
// off the one that has the address.
//
//	client, with the bridge lan ──┬── director 1   10.0.0.11
//	10.0.0.254                    ├── director 2   10.0.0.12
//	                              ├── backend a    10.0.0.21, and 10.0.0.1 on lo
//	                              └── backend b    10.0.0.22, and 10.0.0.1 on lo
func TestKeepalived(t *testing.T) {
	gorb := lab.Binary(t)
	lab.Run(t, func(t *testing.T) {
		if _, err := exec.LookPath("keepalived"); err != nil {
			if os.Getenv("GORB_REQUIRE_KERNEL") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		client := lab.Namespace(t)
		ipLines(t, client, `
			link add lan up type bridge forward_delay 0 mcast_snooping 0
			addr add 10.0.0.254/24 dev lan`)
		for i, name := range []string{"a", "b"} {
			serve(t, plug(t, client, "backend"+name, fmt.Sprintf("10.0.0.2%d", i+1)), name)
		}
		first := startDirector(t, gorb, client, "director1", "10.0.0.11", "priority 150")
		second := startDirector(t, gorb, client, "director2", "10.0.0.12", "priority 100")

		waitFor(t, "director 1 to have the address alone", func() error {
			return wantHolder(first, second)
		})
		wantBalanced(t, client)

		lab.Exec(t, client, "ip", "link", "set", "director1", "down")
		waitFor(t, "director 2 to have the address", func() error { return wantHolder(second, first) })
		wantBalanced(t, client)

		lab.Exec(t, client, "ip", "link", "set", "director1", "up")
		waitFor(t, "director 1 to have the address again", func() error { return wantHolder(first, second) })
		wantBalanced(t, client)

		for _, ns := range []string{first, second} {
			got := lab.Exec(t, ns, "ipvsadm", "-Sn")
			const want = "-A -t 10.0.0.1:80 -s rr\n" +
				"-a -t 10.0.0.1:80 -r 10.0.0.21:80 -g -w 100\n-a -t 10.0.0.1:80 -r 10.0.0.22:80 -g -w 100\n"
			if got != want {
				t.Errorf("the table of %s:\n%s\nwant:\n%s", ns, got, want)
			}
		}
	})
}

// plug makes a namespace whose eth0 is at the client's bridge, as the port of that name.
func plug(t *testing.T, client, port, addr string) string {
	t.Helper()
	ns := lab.Namespace(t)
	ipLines(t, client, fmt.Sprintf(`
		link add %[1]s type veth peer name eth0 netns %[2]s
		link set %[1]s master lan up`, port, ns))
	ipLines(t, ns, fmt.Sprintf("link set eth0 up\naddr add %s/24 dev eth0", addr))
	return ns
}

// serve has a backend tell its name to whoever connects to the service.
func serve(t *testing.T, ns, name string) {
	t.Helper()
	lab.Exec(t, ns, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
	ipLines(t, ns, "addr add 10.0.0.1/32 dev lo")
	answer(t, ns, "10.0.0.1:80", name)
}

// answer tells a text to whoever connects to an address in a namespace.
func answer(t *testing.T, ns, addr, text string) {
	t.Helper()
	err := lab.Do(ns, func() error {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, text)
				c.Close()
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// startDirector runs both daemons in a namespace of their own, with the files of the document.
func startDirector(t *testing.T, gorb, client, port, addr, priority string) string {
	t.Helper()
	ns, dir := plug(t, client, port, addr), t.TempDir()
	for _, name := range []string{"keepalived.conf", "gorb.toml"} {
		text := strings.Replace(fenced(t, "../docs/virtual-addresses.md", name), "priority 150", priority, 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(dir, "own.toml")
	// A check that is made while the director is cut off would take the backends from it for a minute.
	text := "[gorb]\nstate_dir = \"" + dir + "/state\"\n[defaults.pulse]\ntype = \"none\"\n"
	if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, lab.Command(t, ns, gorb, "run", filepath.Join(dir, "gorb.toml"), own))
	start(t, lab.Command(t, ns, "keepalived", "--vrrp", "--dont-fork", "--log-console",
		"--use-file", filepath.Join(dir, "keepalived.conf"),
		"--pid", filepath.Join(dir, "keepalived.pid"), "--vrrp_pid", filepath.Join(dir, "vrrp.pid")))
	return ns
}

// start starts a daemon, and shows what it said if the test fails.
func start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", c, &said)
		}
	})
}

// fenced returns the block of a document that is the file of that name.
func fenced(t *testing.T, document, name string) string {
	t.Helper()
	all := fences(t, document)
	i := slices.IndexFunc(all, func(f fence) bool { return f.word == name })
	if i < 0 {
		t.Fatalf("%s: there is no %s", document, name)
	}
	return all[i].text
}

// wantHolder reports who has the address if it is not the one alone. A director that is cut off gives it up by itself,
// as its interface is down.
func wantHolder(holder, other string) error {
	for ns, want := range map[string]bool{holder: true, other: false} {
		out, err := lab.Try(ns, "ip", "-4", "addr", "show", "dev", "eth0")
		if err != nil {
			return err
		}
		if got := strings.Contains(out, "inet 10.0.0.1/32"); got != want {
			return fmt.Errorf("%s has the address: %v, want %v", ns, got, want)
		}
	}
	return nil
}

// wantBalanced connects to the service until both backends have answered in turn.
func wantBalanced(t *testing.T, client string) {
	t.Helper()
	waitFor(t, "both backends in turn", func() error {
		var got []byte
		for range 4 {
			name, err := ask(client)
			if err != nil {
				return err
			}
			got = append(got, name...)
		}
		if s := string(got); s != "abab" && s != "baba" {
			return fmt.Errorf("got answers from %s", s)
		}
		return nil
	})
}

// ask returns what the service answers to the client.
func ask(client string) (answer []byte, err error) {
	err = lab.Do(client, func() error {
		c, err := net.DialTimeout("tcp", "10.0.0.1:80", 500*time.Millisecond)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		answer, err = io.ReadAll(c)
		return err
	})
	return answer, err
}

// waitFor tries f until it succeeds.
func waitFor(t *testing.T, what string, f func() error) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s: %v", what, err)
		}
	}
}

// ipLines gives lines to ip(8) in a namespace.
func ipLines(t *testing.T, ns, lines string) {
	t.Helper()
	err := lab.Do(ns, func() error {
		c := exec.Command("ip", "-batch", "-")
		c.Stdin = strings.NewReader(strings.TrimSpace(lines) + "\n")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
