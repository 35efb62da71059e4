package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/spec"
)

var (
	loadTime     = flag.Duration("load.time", 5*time.Second, "how long each load of BenchmarkAPILoad is")
	loadBackends = flag.Int("load.backends", 20, "how many backends each of the services has")
	loadPulse    = flag.String("load.pulse", "none", "how the backends are checked, each minute")
)

// BenchmarkAPILoad has wrk ask a daemon with the largest configuration, over the Fake, and nginx in the same way: its
// static answer is the ruler. The daemon is in this process, nginx is one of its own, and so is wrk.
func BenchmarkAPILoad(b *testing.B) {
	wrk := lab.Need(b, "wrk")
	ruler := staticNginx(b)
	w := loadWorld(b)
	loads := []struct {
		name, script string
		connections  []int
	}{
		{"get-one", `path = "/service/web-05000"`, []int{64}},
		{"get-any", `request = function() return wrk.format("GET", string.format("/service/web-%05d", math.random(0, 9999))) end`, []int{64}},
		{"patch-any", patchScript + `request = function()
	return wrk.format("PATCH", string.format("/service/web-%05d/b00", math.random(0, 4999)), nil, string.format('{"weight": %d}', math.random(1, 1000)))
end`, []int{64, 256}},
	}
	for _, connections := range []int{64} {
		b.Run(fmt.Sprintf("nginx/c=%d", connections), func(b *testing.B) {
			wrkLoad(b, wrk, ruler.url, connections, `path = "/x"`, func() time.Duration { return cpuOf(b, ruler.pid) })
		})
	}
	for _, load := range loads {
		for _, connections := range load.connections {
			b.Run(fmt.Sprintf("%s/c=%d", load.name, connections), func(b *testing.B) {
				wrkLoad(b, wrk, w.url, connections, load.script, func() time.Duration { return cpuOf(b, os.Getpid()) })
			})
		}
	}
}

// patchScript seeds each of wrk's threads, and sets what every change has.
const patchScript = `
wrk.headers["Content-Type"] = "application/merge-patch+json"
seen = {}
response = function(status, headers, body)
	if status ~= 200 and not seen[status] then seen[status] = true; print("STATUS " .. status .. " " .. body) end
end
`

// wrkLoad runs wrk, and reports what it and the server's processor time say.
func wrkLoad(b *testing.B, wrk, url string, connections int, script string, cpu func() time.Duration) {
	file := filepath.Join(b.TempDir(), "load.lua")
	text := "math.randomseed(os.time())\n" + regexp.MustCompile(`^path = `).ReplaceAllString(script, "wrk.path = ")
	// What is not a success is counted by wrk alone.
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		before, began := cpu(), time.Now()
		out, err := exec.Command(wrk, "-t1", "-c", strconv.Itoa(connections), "-d", fmt.Sprintf("%ds", int(loadTime.Seconds())),
			"--latency", "-s", file, url).CombinedOutput()
		took, used := time.Since(began), cpu()-before
		if err != nil {
			b.Fatalf("wrk: %v\n%s", err, out)
		}
		rate := wrkFigure(b, out, `Requests/sec:\s+([\d.]+)`)
		b.ReportMetric(rate, "requests/s")
		b.ReportMetric(rate*took.Seconds()/used.Seconds(), "requests/cpu-s")
		b.ReportMetric(used.Seconds()/took.Seconds(), "cpus")
		for _, percent := range []string{"50", "99"} {
			b.ReportMetric(wrkTime(b, out, percent+`%\s+([\d.]+)(us|ms|s)`), "ms-p"+percent)
		}
		for _, line := range regexp.MustCompile(`(?s)STATUS .{0,300}`).FindAll(out, 3) {
			b.Logf("%s", line)
		}
		if m := regexp.MustCompile(`Non-2xx.*|Socket errors.*`).Find(out); m != nil {
			b.Errorf("%s", m)
		}
	}
	b.ReportMetric(0, "ns/op")
}

func wrkFigure(b *testing.B, out []byte, pattern string) float64 {
	m := regexp.MustCompile(pattern).FindSubmatch(out)
	if m == nil {
		b.Fatalf("wrk says no %s:\n%s", pattern, out)
	}
	f, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// wrkTime is a time in ms.
func wrkTime(b *testing.B, out []byte, pattern string) float64 {
	f := wrkFigure(b, out, pattern)
	unit := regexp.MustCompile(pattern).FindSubmatch(out)[2]
	return f * map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[string(unit)]
}

// cpuOf is the processor time that a process had.
func cpuOf(b *testing.B, pid int) time.Duration {
	if pid == os.Getpid() {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	var user, system int64
	after := regexp.MustCompile(`^.*\) . `).ReplaceAll(text, nil)
	var skip int64
	if _, err := fmt.Sscan(string(after), &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// ruler is what a daemon is measured against.
type ruler struct {
	url string
	pid int
}

// staticNginx starts an nginx that answers with some text of the length of a service's.
func staticNginx(b *testing.B) ruler {
	s := lab.Nginx(b)
	s.Configure(fmt.Sprintf(`access_log off;
	server { listen 127.0.0.1:%d backlog=1024; keepalive_requests 100000000; location = /x { return 200 "%01000d"; } }`, s.Ports[0], 0))
	s.Start()
	text, err := os.ReadFile(filepath.Join(s.Dir, "pid"))
	if err != nil {
		b.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		b.Fatal(err)
	}
	return ruler{fmt.Sprintf("http://127.0.0.1:%d", s.Ports[0]), pid}
}

// loadWorld is a daemon with the largest configuration.
func loadWorld(b *testing.B) *apiWorld {
	services := largest(90)
	for i := range services {
		services[i].Backends = services[i].Backends[:*loadBackends]
	}
	text := textOf(b, services, spec.TOML)
	w := newAPIWorld(b, "")
	w.declare("\n[defaults.pulse]\ntype = \"" + *loadPulse + "\"\ninterval = \"1m\"\n" + string(text))
	w.want(http.StatusOK, "POST", "/reload", "", nil)
	for deadline := time.Now().Add(time.Minute); len(w.table()) < len(services); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("the table is not complete:\n%s", w.log)
		}
	}
	// The first write waits for the pass, and is laid over the whole.
	w.want(http.StatusOK, "PATCH", "/service/web-00000/b00", `{"weight": 1}`, nil)
	runtime.GC()
	return w
}
