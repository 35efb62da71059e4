package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
)

// kindCase is a backend that is checked, and what is to become of it.
type kindCase struct {
	name  string
	at    netip.AddrPort // what is checked
	pulse string         // its type and args
	want  string         // state, weight, and what its last check said
}

// TestKinds has each kind of check meet all sorts of servers, by a gorb that runs: what becomes of the backends is in the
// status, in words, and in the kernel.
func TestKinds(t *testing.T) {
	lab.Need(t, "nginx")
	lab.Run(t, func(t *testing.T) {
		ns := lab.Namespace(t)
		lab.Exec(t, ns, "ip", "addr", "add", serversAddr, "dev", "lo")
		// What is sent there is not answered, not even that nobody has the address.
		lab.Exec(t, ns, "ip", "link", "add", "void", "type", "dummy")
		lab.Exec(t, ns, "ip", "addr", "add", "10.9.0.1/24", "dev", "void")
		lab.Exec(t, ns, "ip", "link", "set", "void", "up")
		s := newServers(t, ns)
		cases := s.tcpCases()
		cases = append(cases, s.webCases("http", s.plain)...)
		cases = append(cases, s.webCases("https", s.secret)...)
		cases = append(cases, s.tlsCases()...)
		cases = append(cases, execCases()...)

		k := newKeeping(t, ns)
		k.settings = "[defaults.pulse]\ninterval = \"5s\"\ntimeout = \"2s\"\nrestore = \"immediate\"\n"
		var services []tcpService
		want := map[string]string{}
		for i, c := range cases {
			name := strings.NewReplacer(" ", "-", ",", "").Replace(c.name)
			services = append(services, tcpService{
				name: name, addr: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(i+1)), method: "wrr",
				pulse:    c.pulse,
				backends: []tcpBackend{{addr: c.at, weight: 100}},
			})
			want[name] = c.want
		}
		k.declare(services...)
		k.start()
		var got map[string]string
		for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
			if got = becomes(t, k, services); cmp.Equal(want, got) {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("what became of them (-want +got):\n%s", cmp.Diff(want, got))
				break
			}
		}

		peak := memoryPeak(t, k.cmd.Process.Pid)
		t.Logf("%d backends; gorb's memory was %d MB at most; of what had no end it let come %d kB at most",
			len(cases), peak>>20, s.most.Load()>>10)
		if peak > 200<<20 {
			t.Error("that is too much memory")
		}
		if s.most.Load() > 32<<20 { // what the buffers of two sockets hold, by tcp_wmem and tcp_rmem
			t.Error("that is more than it may wait for")
		}
		k.signal(syscall.SIGTERM)
		wantNoProcess(t, "sleep\x004711\x00", "yes\x00")
	})
}

var begunLate = regexp.MustCompile(`within 1\.\d+s`)

// becomes returns what became of the backend of each service: its state, its weight in the kernel, and what its last check
// said.
func becomes(t *testing.T, k *keeping, services []tcpService) map[string]string {
	t.Helper()
	weights := kernelWeights(t, k.ns)
	got := map[string]string{}
	s := k.status()
	for _, service := range s.Services {
		for _, b := range service.Backends {
			h := b.Health
			if h == nil {
				got[service.Name] = "not checked"
				continue
			}
			got[service.Name] = string(h.State)
			if h.Last != nil {
				// A check that began late has less than its timeout.
				got[service.Name] += ": " + begunLate.ReplaceAllString(h.Last.Text, "within 2s")
			}
		}
	}
	for _, service := range services {
		weight, there := weights[service.addr.String()+" "+service.backends[0].addr.String()]
		if !there {
			weight = "no weight"
		}
		got[service.name] = weight + " " + got[service.name]
	}
	return got
}

// memoryPeak is the most memory that a process has used, in bytes.
func memoryPeak(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nVmHWM:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// wantNoProcess waits until no process has one of these command lines: what is killed may take a moment to end.
func wantNoProcess(t *testing.T, lines ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("there is no process %q", lines), func() bool {
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(files, func(file string) bool {
			got, _ := os.ReadFile(file) // it may have ended
			return slices.Contains(lines, string(got))
		})
	})
}

// garbage is the beginning of what no server should say.
const garbage = "\x00\xff\x1b[2J\x07\xfe"

// tcpCases are checks of type tcp. One that expects nothing is answered by the server's kernel.
func (s *servers) tcpCases() []kindCase {
	const (
		quiet  = `type = "tcp"`
		asks   = `type = "tcp", args = { send = 'GET / HTTP/1.0\r\n\r\n', expect = "HTTP/1.1 200" }`
		greets = `type = "tcp", args = { expect = "220 " }`
		looks  = `type = "tcp", args = { regexp = "^220 .*ready" }`
		up     = "100 up: "
	)
	return []kindCase{
		{"tcp up", s.nginx, quiet, up},
		{"tcp refused", s.nobody, quiet, "0 down: connect: connection refused"},
		{"tcp unreachable", netip.MustParseAddrPort("10.9.0.2:80"), quiet, "0 down: connect: no answer within 2s"},
		{"tcp hanging", s.plain(hangs), quiet, up},
		{"tcp resetting", s.plain(resets), quiet, up},
		{"tcp garbage", s.plain(says(garbage)), quiet, up},
		{"tcp 10 GB", s.plain(s.endless("")), quiet, up},
		{"tcp half-way", s.plain(says("")), quiet, up},

		{"expect up", s.nginx, asks, up},
		{"expect another", s.nginx, greets, "0 down: no answer within 2s"}, // nginx waits for a request
		{"expect refused", s.nobody, greets, "0 down: connect: connection refused"},
		{"expect slow", s.plain(slowly("220 ready\r\n")), greets, "0 down: no answer within 2s"},
		{"expect hanging", s.plain(hangs), greets, "0 down: no answer within 2s"},
		{"expect resetting", s.plain(resets), asks, "0 down: connection reset by peer"},
		{"expect garbage", s.plain(says(garbage)), greets, `0 down: the answer begins with "\x00…[", wanted "220 "`},
		{"expect 10 GB", s.plain(s.endless("220 ")), looks, "0 down: the answer has no match of ^220 .*ready in its first 4 KiB"},
		{"expect half-way", s.plain(says("22")), greets, `0 down: closed after "22", wanted "220 "`},
	}
}

// webCases are checks of type http and https, which are much the same once somebody answers.
func (s *servers) webCases(kind string, serve func(behaviour) netip.AddrPort) []kindCase {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nwell"
	pulse := func(args string) string {
		if kind == "https" {
			args += fmt.Sprintf(", server_name = %q, ca_file = %q", serverName, s.ca)
		}
		return fmt.Sprintf("type = %q, args = { %s }", kind, args)
	}
	nginx := s.nginx
	if kind == "https" {
		nginx = s.nginxTLS
	}
	asks, reads := pulse(`path = "/"`), pulse(`path = "/", expect_body = "all is well"`)
	cases := []kindCase{
		{"up", nginx, reads, "100 up: "},
		{"busy", nginx, pulse(`path = "/busy"`), "0 down: HTTP 503, wanted 200"},
		{"refused", s.nobody, asks, "0 down: connect: connection refused"},
		{"slow", serve(slowly(ok)), asks, "0 down: no answer within 2s"},
		{"hanging", serve(hangs), asks, "0 down: no answer within 2s"},
		{"hanging in the body", serve(saysAnd(ok, hangs)), reads, "0 down: the body has not ended: no answer within 2s"},
		{"resetting", serve(resets), asks, "0 down: connection reset by peer"},
		{"garbage", serve(says(garbage)), asks, `0 down: the answer is not HTTP, it begins with "\x00…[2J\a\xfe"`},
		{"10 GB by nginx", nginx, pulse(`path = "/10GB", expect_body = "all is well"`), `0 down: the body has no "all is well" in its first 64 KiB`},
		{"10 GB unread", nginx, pulse(`path = "/10GB"`), "100 up: "},
		{"10 GB of headers", serve(s.endless("HTTP/1.1 200 OK\r\nX: ")), asks, "0 down: the headers are over 64 KiB"},
		{"half of the headers", serve(says("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n")), asks, "0 down: closed in the middle of the headers"},
		{"half of the body", serve(says(ok)), reads, "0 down: the body: the connection was closed"},
	}
	if nginx == s.nginxTLS {
		cases = append(cases, kindCase{"2 up", nginx, pulse(`http2 = true, expect_body = "all is well"`), "100 up: "})
	}
	for i := range cases {
		cases[i].name = kind + " " + cases[i].name
	}
	return cases
}

// tlsCases are what becomes of a check before anything is said under TLS.
func (s *servers) tlsCases() []kindCase {
	trusting := fmt.Sprintf(`type = "https", args = { server_name = %q, ca_file = %q }`, serverName, s.ca)
	return []kindCase{
		{"tls hanging", s.plain(hangs), trusting, "0 down: TLS: no answer within 2s"},
		{"tls resetting", s.plain(resets), trusting, "0 down: TLS: connection reset by peer"},
		{"tls garbage", s.plain(says(garbage)), trusting, "0 down: TLS: the server does not speak TLS"},
		{"tls 10 GB", s.plain(s.endless("")), trusting, "0 down: TLS: the server does not speak TLS"},
		{"tls half-way", s.plain(says("\x16\x03\x03\x10")), trusting, "0 down: TLS: the connection was closed"},
		{"tls spoken by nobody", s.nginx, trusting, "0 down: TLS: the server does not speak TLS"},
		{"tls of another name", s.nginxTLS, fmt.Sprintf(`type = "https", args = { server_name = "other.example.org", ca_file = %q }`, s.ca), "0 down: TLS: the certificate is of example.com, not of other.example.org"},
		{"tls of nobody trusted", s.nginxTLS, `type = "https", args = { server_name = "` + serverName + `" }`, "0 down: TLS: the certificate of example.com is signed by nobody who is trusted (O=Acme Co)"},
		{"tls insecure", s.nginxTLS, `type = "https", args = { insecure = true }`, "100 up: "},
	}
}

// execCases are checks of type exec.
func execCases() []kindCase {
	sh := func(script string) string {
		return fmt.Sprintf("type = \"exec\", args = { command = ['sh', '-c', '''%s'''] }", script)
	}
	at := netip.AddrPortFrom(netip.MustParseAddr(serversAddr), 1)
	return []kindCase{
		{"exec up", at, sh(`[ $GORB_HOST:$GORB_PORT = ` + at.String() + ` ]`), "100 up: "},
		{"exec down", at, sh(`echo no database; exit 3`), "0 down: exit status 3: no database"},
		{"exec slow", at, sh(`echo asking; sleep 4; echo well`), "0 down: did not end within 2s: asking"},
		{"exec hanging", at, sh(`trap "" TERM; sleep 4711 & wait`), "0 down: did not end within 2s"},
		{"exec killed", at, sh(`kill -9 $$`), "0 down: killed by SIGKILL"},
		{"exec garbage", at, sh(`printf "\033[2J\001\377"; exit 1`), `0 down: exit status 1: \x1b[2J\x01\xff`},
		{"exec 10 GB", at, sh(`exec yes`), "0 down: did not end within 2s: y"},
		{"exec half-way", at, sh(`exec >&- 2>&-; exec sleep 4711`), "0 down: did not end within 2s"},
		{"exec not there", at, `type = "exec", args = { command = ["/no/such/program"] }`, "0 unanswered: /no/such/program: no such file or directory"},
	}
}
