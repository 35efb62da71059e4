package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// clientsEnv has the test binary be many readers: "ADDRESS NUMBER". In a process of their own they need no descriptors of
// the server's, and none of its memory is theirs.
const clientsEnv = "GORB_TEST_EVENT_READERS"

// TestEventReaders has 1,000 idle readers, and the soak 10,000, over connections of TCP.
func TestEventReaders(t *testing.T) { eventReaders(t, 1000, time.Second) }

func TestSoakEventReaders(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("long: GORB_SOAK=1 runs it")
	}
	eventReaders(t, 10_000, time.Minute)
}

func eventReaders(t *testing.T, n int, idle time.Duration) {
	if asked := os.Getenv(clientsEnv); asked != "" {
		if err := beReaders(asked); err != nil {
			t.Fatal(err)
		}
		return
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if most := int(files.Cur) - 100; most < n {
		t.Logf("ONLY %d READERS INSTEAD OF %d: the limit of descriptors is %d", most, n, files.Cur)
		n = most
	}
	h, end := hubOf(t, EventLimits{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	before := memory()

	clients := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEventReaders$", "-test.v")
	clients.Env = append(os.Environ(), clientsEnv+"="+l.Addr().String()+" "+strconv.Itoa(n))
	clients.Stderr = os.Stderr
	out, err := clients.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := clients.Start(); err != nil {
		t.Fatal(err)
	}
	say := bufio.NewScanner(out)
	hear := func(want string) {
		t.Helper()
		for say.Scan() {
			if say.Text() == want {
				return
			}
			if strings.HasPrefix(say.Text(), "--- FAIL") {
				break
			}
		}
		rest, _ := io.ReadAll(out)
		t.Fatalf("the readers do not say %q; %s %s", want, say.Text(), rest)
	}
	hear("all are there")
	if got := h.Readers(); got != n {
		t.Fatalf("there are %d of %d", got, n)
	}
	const most = 12 << 10
	each := (memory() - before) / int64(n)
	for tries := 0; each > most && tries < 100; tries++ {
		time.Sleep(100 * time.Millisecond) // what served the requests has not ended yet
		each = (memory() - before) / int64(n)
	}
	cpu := usage()
	time.Sleep(idle)
	t.Logf("%d idle readers: %d bytes each, %s of CPU in %s", n, each, usage()-cpu, idle)
	if each > most {
		t.Errorf("an idle reader has %d bytes", each)
	}

	cpu = usage()
	begun := time.Now()
	h.Publish(&ReadyEvent{Ready: true})
	published := time.Since(begun)
	hear("all got it")
	t.Logf("published in %s, all got it in %s and %s of CPU", published, time.Since(begun), usage()-cpu)
	begun = time.Now()
	end()
	hear("all are gone")
	t.Logf("all were gone after %s", time.Since(begun))
	if err := clients.Wait(); err != nil {
		t.Error(err)
	}
}

// memory is what the heap and the stacks have.
func memory() int64 {
	runtime.GC()
	runtime.GC() // what was in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func usage() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// beReaders opens many connections, and says when each has begun, has had an event, and has ended.
func beReaders(asked string) error {
	address, number, _ := strings.Cut(asked, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	var there, got, gone sync.WaitGroup
	for _, all := range []*sync.WaitGroup{&there, &got, &gone} {
		all.Add(n)
	}
	opening := make(chan struct{}, 64)
	for range n {
		opening <- struct{}{}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		go func() {
			in := bufio.NewReaderSize(conn, 512)
			until(in, "id: ")
			<-opening
			there.Done()
			until(in, "event: ready")
			got.Done()
			_, _ = io.Copy(io.Discard, in)
			conn.Close()
			gone.Done()
		}()
	}
	for _, what := range []struct {
		all  *sync.WaitGroup
		says string
	}{{&there, "all are there"}, {&got, "all got it"}, {&gone, "all are gone"}} {
		what.all.Wait()
		fmt.Println("\n" + what.says)
	}
	return nil
}

// until reads to a line that begins in some way; at the end nobody is told, and the test hangs up.
func until(in *bufio.Reader, begins string) {
	for {
		line, err := in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, begins) {
			return
		}
	}
}

// BenchmarkEventsPublish publishes without a pause; what all readers are sent meanwhile is in its time.
func BenchmarkEventsPublish(b *testing.B) {
	for _, readers := range []int{0, 1000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			h := NewHub(EventLimits{})
			go func() { _ = h.Run(b.Context()) }()
			s := &http.Server{Handler: h}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			go func() { _ = s.Serve(l) }()
			defer s.Close()
			for range readers {
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					b.Fatal(err)
				}
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			}
			for h.Readers() < readers {
				time.Sleep(time.Millisecond)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				h.Publish(&BackendEvent{Service: "web", Backend: "a", Was: Up, Is: Down, Why: "HTTP 503, wanted 200"})
			}
		})
	}
}

// BenchmarkEventsCollect is what one reader costs that one event is new for.
func BenchmarkEventsCollect(b *testing.B) {
	h := NewHub(EventLimits{})
	h.Publish(&BackendEvent{Service: "web", Backend: "a", Was: Up, Is: Down, Why: "HTTP 503, wanted 200"})
	text := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := h.collect(text, 0, &eventFilter{}); !ok {
			b.Fatal("it is lost")
		}
	}
}
