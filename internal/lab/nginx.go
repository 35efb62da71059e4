package lab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const envRequireNginx = "GORB_REQUIRE_NGINX" // "1": fail rather than skip

// NginxServer is an nginx on this machine, of one process, with a directory of its own for all it reads and writes.
type NginxServer struct {
	t    testing.TB
	path string
	args []string

	// Dir is the server's prefix: what is named without a leading slash in its configuration is there.
	Dir string
	// Ports are free ones of 127.0.0.1, for the configuration to listen on. Start waits for the first.
	Ports [3]int

	cmd *exec.Cmd // nil: stopped
	log *os.File
}

// Nginx prepares an nginx, which Start starts and the end of the test stops.
//
// Where there is none the test is skipped, see [Need].
func Nginx(t testing.TB) *NginxServer {
	t.Helper()
	s := &NginxServer{t: t, path: Need(t, "nginx"), Dir: t.TempDir(), Ports: [3]int(FreePorts(t, 3))}
	t.Cleanup(s.Stop)
	return s
}

// nginxConfig is what every server has. It has all files in its prefix, and none where the package means them to be.
const nginxConfig = `daemon off;
master_process off;
pid pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
	client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; scgi_temp_path tmp; uwsgi_temp_path tmp;
	%s
}
`

// Configure writes the configuration of the block http, for the next Start.
func (s *NginxServer) Configure(block string) {
	s.t.Helper()
	file := filepath.Join(s.Dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, block), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.args = []string{"-p", s.Dir, "-c", file}
}

// Start starts the server and waits until it listens.
func (s *NginxServer) Start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.Dir, "error.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = log
	s.cmd = exec.Command(s.path, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.Ports[0]))
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			s.t.Fatalf("nginx does not listen:\n%s", said)
		}
	}
}

// Stop kills the server, as a crash does.
func (s *NginxServer) Stop() {
	if s.cmd == nil {
		return
	}
	killServer(s.cmd, s.log)
	s.cmd = nil
}
