package sources

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gorb-io/gorb/pkg/spec"
)

// patient is how long a test waits for what must come.
const patient = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is a document with a service of each number, named "sN" at 10.0.0.N.
func config(numbers ...int) string {
	var b strings.Builder
	b.WriteString("[services]\n")
	for _, n := range numbers {
		fmt.Fprintf(&b, "[services.s%d]\nhost = \"10.0.0.%d\"\nport = 80\n", n, n)
	}
	return b.String()
}

// document is what config gives, decoded.
func document(t *testing.T, text string) *spec.Document {
	t.Helper()
	doc, err := spec.Decode("test.toml", spec.TOML, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// names is the names of the services that documents make together.
func names(t *testing.T, docs ...*spec.Document) string {
	t.Helper()
	d, err := spec.Merge(docs...)
	if err != nil {
		t.Fatal(err)
	}
	return serviceNames(d)
}

func serviceNames(d *spec.Desired) string {
	var list []string
	for _, s := range d.Services {
		list = append(list, s.Name)
	}
	return strings.Join(list, " ")
}

// write writes a file as nano does: in place.
func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// replace writes a file as sed -i does: another takes its place.
func replace(t *testing.T, path, text string) {
	t.Helper()
	temporary := filepath.Join(filepath.Dir(path), ".sedXYZ")
	write(t, temporary, text)
	must(t, os.Rename(temporary, path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// receive takes the next value, which must come.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patient):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// reads is a Source that runs until the test ends.
type reads struct {
	Source
	out chan Reading
}

func runSource(t *testing.T, s Source) *reads {
	t.Helper()
	r := &reads{Source: s, out: make(chan Reading)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, r.out) }()
	t.Cleanup(func() {
		cancel()
		if err := receive(t, done); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return r
}

// want takes the next reading, which must be a good one with these services.
func (r *reads) want(t *testing.T, services string) Reading {
	t.Helper()
	reading := receive(t, r.out)
	must(t, reading.Err)
	equal(t, "services", services, names(t, reading.Document))
	return reading
}

// wantErr takes the next reading, which must be a bad one.
func (r *reads) wantErr(t *testing.T, parts ...string) Reading {
	t.Helper()
	reading := receive(t, r.out)
	for _, part := range parts {
		if reading.Err == nil || !strings.Contains(reading.Err.Error(), part) {
			t.Fatalf("got error %v, want %q", reading.Err, part)
		}
	}
	if reading.Document != nil {
		t.Fatal("a document beside an error")
	}
	return reading
}

// settle takes readings until one is good and has these services.
func (r *reads) settle(t *testing.T, services string) {
	t.Helper()
	for {
		if reading := receive(t, r.out); reading.Err == nil && names(t, reading.Document) == services {
			return
		}
	}
}

// settleErr takes readings until one is bad in this way: a busy machine may show what was between.
func (r *reads) settleErr(t *testing.T, part string) Reading {
	t.Helper()
	for {
		if reading := receive(t, r.out); reading.Err != nil && strings.Contains(reading.Err.Error(), part) {
			return reading
		}
	}
}

// wantAtOnce is want of what several changes came to that are one, if they came within a time: where the machine stood still
// for longer, what was between may be seen.
func (r *reads) wantAtOnce(t *testing.T, services string, took, within time.Duration) {
	t.Helper()
	if took < within {
		r.want(t, services)
		return
	}
	t.Logf("it took %v", took)
	r.settle(t, services)
}

// logBook is a log that a test may read while it is written.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count is the number of lines that hold all the parts.
func (l *logBook) count(parts ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
lines:
	for line := range strings.Lines(l.text.String()) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue lines
			}
		}
		n++
	}
	return n
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
