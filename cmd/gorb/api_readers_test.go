package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readersEnv has the test binary be so many readers of events: "ADDRESS NUMBER".
const readersEnv = "GORB_TEST_API_READERS"

// TestAPIReaders has 200 idle readers of events, and the soak 10,000. A reader costs little while nothing happens.
func TestAPIReaders(t *testing.T) { readEventsIdly(t, 200, time.Second) }

// TestSoakAPIReaders is its long form.
func TestSoakAPIReaders(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestAPIReaders; make soak runs it")
	}
	readEventsIdly(t, 10_000, 30*time.Second)
}

func readEventsIdly(t *testing.T, n int, idle time.Duration) {
	if asked := os.Getenv(readersEnv); asked != "" {
		if err := beIdleReaders(asked); err != nil {
			t.Fatal(err)
		}
		return
	}
	w := newAPIWorld(t, "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n")
	heap, rss := heapInUse(), residentMemory(t)

	clients := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAPIReaders$", "-test.v")
	clients.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", readersEnv, strings.TrimPrefix(w.url, "http://"), n))
	out, err := clients.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := clients.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	hear := func(want string) {
		t.Helper()
		var all []string
		for said.Scan() {
			if said.Text() == want {
				return
			}
			all = append(all, said.Text())
		}
		t.Fatalf("the readers do not say %q:\n%s", want, strings.Join(all, "\n"))
	}
	hear("all are there")
	time.Sleep(time.Second) // for what the requests took to be garbage
	more, resident := heapInUse()-heap, residentMemory(t)-rss
	cpu, switches := processUsage(t)
	time.Sleep(idle)
	cpuThen, switchesThen := processUsage(t)
	t.Logf("%d idle readers: %d kB of heap and stacks each, %d kB resident; %v of the processor and %d switches in %v",
		n, more/int64(n)>>10, resident/int64(n)>>10, cpuThen-cpu, switchesThen-switches, idle)
	if most := int64(n)*40<<10 + 4<<20; more > most {
		t.Errorf("they take %d bytes, which is over %d", more, most)
	}
	w.end()
	hear("all are gone")
	if err := clients.Wait(); err != nil {
		t.Error(err)
	}
}

// heapInUse is what the heap and the stacks have.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what was in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// residentMemory is what the process has of the machine's memory.
func residentMemory(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var all, resident int64
	if _, err := fmt.Sscan(string(text), &all, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

func processUsage(t *testing.T) (cpu time.Duration, switches int64) {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Nvcsw
}

// beIdleReaders reads events over many connections until they end, and says when all have begun and all have ended.
func beIdleReaders(asked string) error {
	var address string
	var n int
	if _, err := fmt.Sscan(asked, &address, &n); err != nil {
		return err
	}
	there, gone := make(chan bool, n), make(chan bool, n)
	for range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			in := bufio.NewScanner(conn)
			for in.Scan() && !strings.HasPrefix(in.Text(), "id: ") {
			}
			there <- true
			for in.Scan() {
			}
			gone <- true
		}()
	}
	for _, what := range []struct {
		of   chan bool
		says string
	}{{there, "all are there"}, {gone, "all are gone"}} {
		for range n {
			<-what.of
		}
		fmt.Println("\n" + what.says)
	}
	return nil
}
