package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

const (
	consulSource = "consul://127.0.0.1:8500/gorb/prod/"
	consulKeys   = "gorb/prod/services/web/backends/"

	// round is how many requests wrr needs to come by a, whose weight is 20, and by the five others, whose is 100.
	round = 26

	// consulConfig is a server of one on this machine. It offers nothing but HTTP, and does not wait for other servers.
	consulConfig = `server = true
bootstrap_expect = 1
data_dir = "consul.data"
bind_addr = "127.0.0.1"
performance { raft_multiplier = 1 }
ports {
  dns = -1
  grpc = -1
  grpc_tls = -1
  serf_wan = -1
}
disable_update_check = true
log_level = "warn"
`
)

// playConsul is the demo with Consul. It runs inside.
func playConsul(gorb string) error {
	consul, err := lab.ConsulPath()
	if err != nil {
		return err
	}
	if err := os.Setenv("PATH", filepath.Dir(consul)+":"+os.Getenv("PATH")); err != nil {
		return err
	}
	return on(gorb, 6, prepareConsul, func(s *stage) []func() error {
		return []func() error{s.consulOpening, s.consulStart, s.consulPut, s.overrideOne, s.consulAway, s.consulDelete}
	})
}

// prepareConsul puts the files into a directory, and makes that the one to work in.
func prepareConsul(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	base := fmt.Sprintf("[gorb]\nstate_dir = %q\n\n[services.web]\nhost = \"10.0.0.1\"\nport = 80\n", filepath.Join(dir, "state"))
	errs := []error{os.WriteFile("base.toml", []byte(base), 0o644), os.WriteFile("consul.hcl", []byte(consulConfig), 0o644)}
	for i := range 5 {
		text := fmt.Sprintf("host = \"10.1.0.%d\"\nport = 8080\n", i+1)
		errs = append(errs, os.WriteFile(string(rune('a'+i)), []byte(text), 0o644))
	}
	return errors.Join(errs...)
}

// backends is what ipvsadm -Sn is to print of the table with these weights of a, b and so on; -1: it is not there.
func backends(weights ...int) string {
	table := "-A -t 10.0.0.1:80 -s wrr\n"
	for i, weight := range weights {
		if weight >= 0 {
			table += fmt.Sprintf("-a -t 10.0.0.1:80 -r 10.1.0.%d:8080 -m -w %d\n", i+1, weight)
		}
	}
	return table
}

func (s *stage) consulOpening() error {
	s.say("A director has a file of its own, which says what is the same everywhere or is only here:")
	if err := s.showFile("base.toml"); err != nil {
		return err
	}
	s.say("What changes comes from Consul, and is the same for a whole fleet. This is a Consul server:")
	if err := s.startConsul(); err != nil {
		return err
	}
	s.say("A backend of the service web is a key, and its value is that of the backend's table in a file. Five of them:")
	if err := s.showFile("a"); err != nil {
		return err
	}
	return s.show(s.net.Director, "curl -sS -T '{a,b,c,d,e}' http://127.0.0.1:8500/v1/kv/"+consulKeys+"; echo; consul kv get -keys -recurse gorb/")
}

func (s *stage) consulStart() error {
	s.act("1. gorb lays what Consul has over what the file says")
	if err := s.run("base.toml", consulSource); err != nil {
		return err
	}
	if err := s.await("the table is what both declare together", backends(100, 100, 100, 100, 100)); err != nil {
		return err
	}
	if err := s.show(s.net.Director, "ipvsadm -Ln"); err != nil {
		return err
	}
	return s.requests(10, "a b c d e")
}

func (s *stage) consulPut() error {
	s.act("2. Somebody puts a sixth backend into Consul")
	line := `consul kv put ` + consulKeys + `f '{"host": "10.1.0.6", "port": 8080}'`
	if err := s.show(s.net.Director, line); err != nil {
		return err
	}
	s.since = time.Now() // the command takes longer to start than gorb to follow
	if err := s.await("it is in the kernel", backends(100, 100, 100, 100, 100, 100)); err != nil {
		return err
	}
	return s.requests(12, "a b c d e f")
}

func (s *stage) overrideOne() error {
	s.act("3. One director needs something else for an hour")
	if err := s.show(s.net.Director, s.gorb+" override patch web/a weight=20 --ttl 1h --reason 'slow disk' --by ann"); err != nil {
		return err
	}
	if err := s.await("a has less weight", backends(20, 100, 100, 100, 100, 100)); err != nil {
		return err
	}
	s.say("Each value knows where it comes from, and what it hides:")
	return s.show(s.net.Director, s.gorb+" explain web/a")
}

func (s *stage) consulAway() error {
	s.act("4. Consul crashes, gorb is stopped, and the table is lost")
	s.typed(s.net.Director, "kill -9 %1")
	s.killConsul()
	if err := s.awaitSaid("source failed, its last good document stays in force"); err != nil {
		return err
	}
	if err := s.requests(round, "a b c d e f"); err != nil {
		return err
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.show(s.net.Director, "ipvsadm -C"); err != nil {
		return err
	}
	s.say("gorb starts without Consul, from the last good copy that it has on disk. The override is there, too.")
	if err := s.run("base.toml", consulSource); err != nil {
		return err
	}
	if err := s.await("the table is back", backends(20, 100, 100, 100, 100, 100)); err != nil {
		return err
	}
	return s.requests(round, "a b c d e f")
}

func (s *stage) consulDelete() error {
	s.act("5. Consul is back, and somebody deletes most of what is there")
	if err := s.startConsul(); err != nil {
		return err
	}
	if err := s.awaitSaid("source is good again"); err != nil {
		return err
	}
	line := "curl -sS -X DELETE 'http://127.0.0.1:8500/v1/kv/" + consulKeys + "{b,c,d,e,f}'; echo"
	if err := s.show(s.net.Director, line); err != nil {
		return err
	}
	if err := s.awaitSaid("that stays until it is confirmed"); err != nil {
		return err
	}
	s.say("So much at once may be a mistake. Nothing leaves yet:")
	if err := s.show(s.net.Director, "ipvsadm -Ln"); err != nil {
		return err
	}
	if err := s.requests(round, "a b c d e f"); err != nil {
		return err
	}
	s.say("It was none. Had nobody said so, gorb would have asked Consul once more after a minute.")
	if err := s.show(s.net.Director, s.gorb+" accept "+consulSource); err != nil {
		return err
	}
	if err := s.await("only a is left", backends(20)); err != nil {
		return err
	}
	if err := s.requests(5, "a"); err != nil {
		return err
	}
	return s.stop(syscall.SIGTERM)
}

// startConsul starts the server in the director's namespace and waits until it has elected itself.
func (s *stage) startConsul() error {
	log, err := os.OpenFile("consul.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.consul = exec.Command("consul", "agent", "-config-file=consul.hcl")
	s.consul.Stdout, s.consul.Stderr = log, log
	s.consul.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.typed(s.net.Director, "consul agent -config-file=consul.hcl >consul.log &")
	if err := lab.Do(s.net.Director, s.consul.Start); err != nil {
		s.consul = nil
		return err
	}
	err = s.poll(func() (bool, error) {
		out, err := lab.Try(s.net.Director, "curl", "-sS", "http://127.0.0.1:8500/v1/status/leader")
		return err == nil && strings.Contains(out, ":"), nil
	})
	if err != nil {
		said, _ := os.ReadFile("consul.log")
		return fmt.Errorf("a Consul with a leader: %w\n%s", err, said)
	}
	return nil
}

// killConsul kills the server, if it runs.
func (s *stage) killConsul() {
	if s.consul != nil {
		_ = s.consul.Process.Kill() // who is dead already has ended, too
		_ = s.consul.Wait()
		s.consul = nil
	}
}
