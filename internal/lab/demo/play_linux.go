package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gorb-io/gorb/internal/lab"
)

// What ipvsadm -Sn says of the table when it is as each act wants it.
const (
	asDeclared = `-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 100
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 100
-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -m -w 100
`
	draining = `-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 300
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 100
-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -m -w 0
`
	asEdited = `-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 300
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 100
`
)

// play is the demo itself. It runs inside.
func play(gorb string) error {
	return on(gorb, 3, prepare, func(s *stage) []func() error {
		return []func() error{s.opening, s.start, s.edit, s.clear, s.end}
	})
}

// on makes a network with so many web servers, called a, b and so on, and plays acts there, in a directory of their own
// that is prepared before.
func on(gorb string, servers int, prepare func(dir string) error, acts func(s *stage) []func() error) error {
	dir, err := os.MkdirTemp("", "demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := prepare(dir); err != nil {
		return err
	}
	network, err := lab.OpenNet("", servers)
	if err != nil {
		return err
	}
	defer network.Close()
	for i, ns := range network.Backends {
		if err := serve(ns, string(rune('a'+i))); err != nil {
			return err
		}
	}
	s := &stage{net: network, gorb: gorb}
	defer s.drop()
	for _, act := range acts(s) {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// prepare puts the files into a directory, and makes that the one to work in.
func prepare(dir string) error {
	text, err := os.ReadFile(filepath.Join(lab.Root(), "examples", "quickstart.toml"))
	if err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := os.WriteFile("quickstart.toml", text, 0o644); err != nil {
		return err
	}
	own := fmt.Sprintf("[gorb]\nresync = \"3s\"\nstate_dir = %q\n", filepath.Join(dir, "state"))
	return os.WriteFile("demo.toml", []byte(own), 0o644)
}

func (s *stage) opening() error {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	s.say("This is Linux %s with a network of five namespaces: a client, a director, and three web",
		strings.TrimSpace(string(release)))
	s.say("servers, a, b and c. The client knows the address 10.0.0.1, which is the director's. The")
	s.say("director's kernel can share such an address among servers; that is IPVS. Nobody has told it how.")
	if err := s.show(s.net.Director, "ipvsadm -Ln"); err != nil {
		return err
	}
	if err := s.showFile("quickstart.toml"); err != nil {
		return err
	}
	s.say("A second file, laid over the first, has what only this demo needs: gorb looks whether somebody")
	s.say("else has changed the table every 3 s here, not every 30 s, and remembers elsewhere what is its own.")
	return s.showFile("demo.toml")
}

func (s *stage) start() error {
	s.act("1. gorb makes the kernel's table what the files declare")
	if err := s.show("", s.gorb+" check quickstart.toml demo.toml"); err != nil {
		return err
	}
	if err := s.show(s.net.Director, s.gorb+" plan quickstart.toml demo.toml"); err != nil {
		return err
	}
	if err := s.run("quickstart.toml", "demo.toml"); err != nil {
		return err
	}
	if err := s.await("the table is as declared", asDeclared); err != nil {
		return err
	}
	if err := s.show(s.net.Director, "ipvsadm -Ln"); err != nil {
		return err
	}
	return s.requests(10, "a b c")
}

func (s *stage) edit() error {
	s.act("2. Somebody edits the file and saves it, while three downloads are under way")
	downloads := s.download(3)
	if err := s.awaitConnections(3); err != nil {
		return err
	}
	if err := s.editFile("quickstart.toml", edited); err != nil {
		return err
	}
	if err := s.await("a has more weight, and c gets no new connections", draining); err != nil {
		return err
	}
	if err := s.show(s.net.Director, "ipvsadm -Ln"); err != nil {
		return err
	}
	s.say("c is not declared any more. It keeps the connection that it has (ActiveConn), and nobody new comes.")
	for range 3 {
		if err := s.downloaded(<-downloads); err != nil {
			return err
		}
	}
	if err := s.await("c has no connection left, and is deleted", asEdited); err != nil {
		return err
	}
	if err := s.show(s.net.Director, "ipvsadm -Ln"); err != nil {
		return err
	}
	return s.requests(10, "a b")
}

// edited is the edit: a gets three times the weight, and c, which is last, goes.
func edited(text string) string {
	const a, c = `host = "10.1.0.1"` + "\nport = 8080\n", "[services.web.backends.c]\n"
	text = strings.Replace(text, a, a+"weight = 300\n", 1)
	text, _, _ = strings.Cut(text, c)
	return text
}

func (s *stage) clear() error {
	s.act("3. Somebody clears the table behind gorb's back")
	if err := s.show(s.net.Director, "ipvsadm -C; ipvsadm -Ln"); err != nil {
		return err
	}
	if err := s.await("the table is back", asEdited); err != nil {
		return err
	}
	if err := s.show(s.net.Director, "ipvsadm -Ln"); err != nil {
		return err
	}
	return s.requests(10, "a b")
}

func (s *stage) end() error {
	s.act("4. gorb ends, and the kernel goes on without it")
	if err := s.stop(syscall.SIGTERM); err != nil {
		return err
	}
	return s.requests(10, "a b")
}
