package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/sources/consultest"
	"github.com/gorb-io/gorb/pkg/spec"
)

// largest is the largest configuration that gorb is designed for: 10,000 services of 20 backends. The weight is that of one
// backend; those of the others are the default.
func largest(weight uint32) []spec.Service {
	services := make([]spec.Service, 10_000)
	for i := range services {
		s := spec.Service{
			Name: fmt.Sprintf("web-%05d", i), Host: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Port: 80,
			Protocol: spec.TCP, Family: spec.IPv4, Method: "wrr", Drain: time.Minute,
		}
		for j := range 20 {
			s.Backends = append(s.Backends, spec.Backend{
				Name: fmt.Sprintf("b%02d", j), Host: netip.AddrFrom4([4]byte{10, byte(j + 1), byte(i >> 8), byte(i)}), Port: 8080,
				Weight: 90, Method: spec.NAT,
			})
		}
		services[i] = s
	}
	services[5000].Backends[7].Weight = weight
	return services
}

// textOf is services as a document.
func textOf(tb testing.TB, services []spec.Service, f spec.Format) []byte {
	tb.Helper()
	if f == spec.YAML {
		return yamlOf(services)
	}
	text, err := spec.Encode(services, f, "")
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// yamlOf is textOf for YAML, which gorb does not write.
func yamlOf(services []spec.Service) []byte {
	var b bytes.Buffer
	b.WriteString("services:\n")
	for _, s := range services {
		fmt.Fprintf(&b, "  %s:\n    host: %s\n    port: %d\n    backends:\n", s.Name, s.Host, s.Port)
		for _, backend := range s.Backends {
			fmt.Fprintf(&b, "      %s:\n        host: %s\n        port: %d\n        weight: %d\n",
				backend.Name, backend.Host, backend.Port, backend.Weight)
		}
	}
	return b.Bytes()
}

// A supply is a source that a benchmark writes.
type supply struct {
	name string // as an argument of gorb
	put  func(services []spec.Service)
}

// supplies make the sources, each empty at first.
var supplies = []struct {
	name string
	make func(testing.TB, spec.Format) supply
}{
	{"file", fileSupply},
	{"url", urlSupply},
	{"consul", consulSupply},
	{"consul-keys", consulKeysSupply},
}

func fileSupply(tb testing.TB, f spec.Format) supply {
	path := filepath.Join(tb.TempDir(), "gorb."+string(f))
	return supply{path, func(services []spec.Service) {
		if err := os.WriteFile(path+".new", textOf(tb, services, f), 0o600); err != nil {
			tb.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			tb.Fatal(err)
		}
	}}
}

func urlSupply(tb testing.TB, f spec.Format) supply {
	var mu sync.Mutex
	var text []byte
	version := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, version))
		http.ServeContent(w, r, "gorb."+string(f), time.Time{}, bytes.NewReader(text))
	}))
	tb.Cleanup(server.Close)
	return supply{server.URL + "/gorb." + string(f), func(services []spec.Service) {
		mu.Lock()
		defer mu.Unlock()
		text = textOf(tb, services, f)
		version++
	}}
}

// consulSupply has a key for each service.
func consulSupply(tb testing.TB, f spec.Format) supply {
	return keySupply(tb, func(s spec.Service, put func(key, text string)) {
		put("gorb/services/"+s.Name, string(serviceTable(tb, s, f)))
	})
}

// consulKeysSupply has a key for each backend, too.
func consulKeysSupply(tb testing.TB, _ spec.Format) supply {
	return keySupply(tb, func(s spec.Service, put func(key, text string)) {
		key := "gorb/services/" + s.Name
		put(key, fmt.Sprintf(`{"host":"%s","port":%d}`, s.Host, s.Port))
		for _, b := range s.Backends {
			put(key+"/backends/"+b.Name, fmt.Sprintf(`{"host":"%s","port":%d,"weight":%d}`, b.Host, b.Port, b.Weight))
		}
	})
}

// keySupply puts what differs from before.
func keySupply(tb testing.TB, keys func(s spec.Service, put func(key, text string))) supply {
	server := consultest.New(tb)
	before := make(map[string]string)
	return supply{server.URL("gorb/"), func(services []spec.Service) {
		now := make(map[string]string)
		var pairs, gone []string
		for _, s := range services {
			keys(s, func(key, text string) {
				if now[key] = text; before[key] != text {
					pairs = append(pairs, key, text)
				}
			})
		}
		for key := range before {
			if now[key] == "" {
				gone = append(gone, key)
			}
		}
		before = now
		server.Put(pairs...)
		server.Delete(gone...)
	}}
}

// serviceTable is the table of a service, without its name.
func serviceTable(tb testing.TB, s spec.Service, f spec.Format) []byte {
	text := string(textOf(tb, []spec.Service{s}, f))
	if f == spec.TOML {
		head := "services." + s.Name
		text = strings.ReplaceAll(strings.ReplaceAll(text, "["+head+"]\n", ""), "["+head+".", "[")
		return []byte(text)
	}
	_, text, _ = strings.Cut(text, `"`+s.Name+`":`)
	return []byte(text[:strings.LastIndex(strings.TrimSuffix(strings.TrimSpace(text), "}"), "}")])
}

// way is the way of a source to the operations: what gorb run has, but for the kernel.
type way struct {
	layers  *sources.Layers
	desired chan *spec.Desired
	log     *needle
	table   kernel.Table // what the last ones made
	end     func()
}

func newWay(source, state string) (*way, error) {
	once := sources.Once{Away: true}
	w := &way{desired: make(chan *spec.Desired), log: &needle{found: make(chan struct{}, 1)}, table: kernel.Table{}}
	log := zerolog.New(w.log)
	all, err := once.Read(context.Background(), []string{source})
	if err != nil {
		return nil, err
	}
	top, err := all.Args[0].Top(0, "", log)
	if err != nil {
		return nil, err
	}
	w.layers = sources.NewLayers(log, []sources.Top{top}, nil)
	w.layers.Copies = sources.Copies{Files: sources.NewLastGood(state)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.layers.Run(ctx, w.desired) // nil, always
	}()
	w.end = func() {
		cancel()
		<-done
	}
	return w, nil
}

// operations waits for the next configuration, and returns how many operations it takes.
func (w *way) operations() int {
	wanted := reconcile.WantedTable(<-w.desired)
	n := len(reconcile.Diff(reconcile.Wanted{Table: wanted}, w.table))
	w.table = wanted
	return n
}

// until waits until the log has a text, which do brings about.
func (w *way) until(text string, do func()) {
	w.log.look(text)
	do()
	<-w.log.found
}

// needle is a log in which a text is looked for.
type needle struct {
	mu    sync.Mutex
	text  string
	found chan struct{}
}

func (n *needle) look(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = text
}

func (n *needle) Write(line []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.text != "" && bytes.Contains(line, []byte(n.text)) {
		n.text = ""
		n.found <- struct{}{}
	}
	return len(line), nil
}

// BenchmarkSource is the way of 200,000 backends from a source to the operations: the first time, when one backend has
// changed, and when nothing has. Stillness is waited for: 50 ms of files, 200 ms of Consul.
func BenchmarkSource(b *testing.B) {
	for _, supplier := range supplies {
		for _, format := range []spec.Format{spec.TOML, spec.JSON, spec.YAML} {
			switch {
			case supplier.name == "url" && format == spec.TOML: // is over 16 MiB
				continue
			case strings.HasPrefix(supplier.name, "consul") && format == spec.YAML, supplier.name == "consul-keys" && format == spec.TOML:
				continue
			}
			b.Run(supplier.name+"/"+string(format), func(b *testing.B) { benchmarkSource(b, supplier.make(b, format)) })
		}
	}
}

func benchmarkSource(b *testing.B, from supply) {
	one, other := largest(10), largest(20)
	from.put(one)
	begin := func(b *testing.B) *way {
		w, err := newWay(from.name, b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		return w
	}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := begin(b)
			if n := w.operations(); n != 210_000 {
				b.Fatalf("%d operations", n)
			}
			b.StopTimer()
			w.end()
			b.StartTimer()
		}
	})
	w := begin(b)
	defer w.end()
	w.operations()
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			one, other = other, one
			b.StopTimer()
			from.put(one)
			b.StartTimer()
			if err := w.layers.Reload(); err != nil {
				b.Fatal(err)
			}
			if n := w.operations(); n != 1 {
				b.Fatalf("%d operations", n)
			}
		}
	})
	b.Run("same", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.until("nothing has changed", func() { _ = w.layers.Reload() })
		}
	})
	if !strings.Contains(from.name, "://") {
		return
	}
	b.Run("held", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			from.put(one[:100])
			b.StartTimer()
			w.until("most of what it declared", func() { _ = w.layers.Reload() })
			b.StopTimer()
			from.put(one)
			w.until("nothing of the source is held", func() { _ = w.layers.Reload() })
			b.StartTimer()
		}
	})
}

// wayProgram is the program that goes the way of a source: way SOURCE STATE. It says how many operations there are, and then
// of each line of its input, which says that there is something new, the same.
func wayProgram() {
	boundMemory(0)
	w, err := newWay(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		fmt.Println(w.operations(), memory())
		if _, err := lines.ReadString('\n'); err == io.EOF {
			w.end()
			return
		}
		_ = w.layers.Reload()
	}
}

// memory is what the process has had of memory at most, and has now, in kB as the kernel says it.
func memory() string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	var parts []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "VmHWM:") || strings.HasPrefix(line, "VmRSS:") {
			parts = append(parts, strings.Fields(line)[1])
		}
	}
	return strings.Join(parts, " ")
}

// TestLargestInMemory is how much memory a process has at most that reads the largest configuration, and changes of it. Go's
// own figures would leave out what it keeps for later.
func TestLargestInMemory(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("it is about the size of a process, and that is another under the race detector")
	}
	for _, tt := range []struct {
		supply func(testing.TB, spec.Format) supply
		format spec.Format
	}{{fileSupply, spec.TOML}, {urlSupply, spec.JSON}} {
		t.Run(string(tt.format), func(t *testing.T) {
			from := tt.supply(t, tt.format)
			one, other := largest(10), largest(20)
			from.put(one)
			w := startWay(t, from.name)
			w.want(210_000)
			first := w.peak
			for range *reloads {
				one, other = other, one
				from.put(one)
				w.again()
				w.want(1)
			}
			t.Logf("the first time %d MB, and after %d changes %d MB; it has %d MB", first>>10, *reloads, w.peak>>10, w.now>>10)
			const most = 500_000
			if w.peak > most {
				t.Errorf("it takes %d kB, and %d is the most", w.peak, most)
			}
		})
	}
}

var reloads = flag.Int("reloads", 2, "how often TestLargestInMemory changes the configuration")

// wayProcess is a wayProgram that runs.
type wayProcess struct {
	t         *testing.T
	in        io.WriteCloser
	out       *bufio.Reader
	peak, now int // kB of memory, when it last said something
}

func startWay(t *testing.T, source string) *wayProcess {
	t.Helper()
	link := filepath.Join(t.TempDir(), "way")
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, link)
	}
	cmd := exec.Command(link, source, t.TempDir())
	cmd.Stderr = os.Stderr
	w := &wayProcess{t: t}
	out, perr := cmd.StdoutPipe()
	in, ierr := cmd.StdinPipe()
	if err := errors.Join(err, perr, ierr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	w.in, w.out = in, bufio.NewReader(out)
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// again has the process look at its source.
func (w *wayProcess) again() {
	w.t.Helper()
	if _, err := io.WriteString(w.in, "\n"); err != nil {
		w.t.Fatal(err)
	}
}

// want waits for the number of operations of the next configuration.
func (w *wayProcess) want(operations int) {
	w.t.Helper()
	line, err := w.out.ReadString('\n')
	if err != nil {
		w.t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscan(line, &n, &w.peak, &w.now); err != nil || n != operations {
		w.t.Fatalf("it says %q, %v; want %d operations", line, err, operations)
	}
}
