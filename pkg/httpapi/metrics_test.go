package httpapi

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/gorb-io/gorb/pkg/spec"
)

// fakeMetrics is a source that says what the test has it say.
type fakeMetrics struct {
	mu       sync.Mutex // guards what follows
	services []ServiceHealth
	weights  WeightOf
	fails    error
	asked    int
	wait     chan struct{} // nil: nobody waits
}

func (f *fakeMetrics) set(services ...ServiceHealth) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.services = services
}

func (f *fakeMetrics) Health(ctx context.Context, _ []string, each func(ServiceHealth) error) error {
	f.mu.Lock()
	services, wait, err := f.services, f.wait, f.fails
	f.asked++
	f.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, s := range services {
		if err := each(s); err != nil {
			return err
		}
	}
	return err
}

func (f *fakeMetrics) Weights(context.Context) (WeightOf, error) {
	if f.weights == nil {
		return nil, errors.New("operation not permitted")
	}
	return f.weights, nil
}

// scrape returns GORB's part of the metrics, and whether Go's and the process's own are there.
func scrape(t *testing.T, url string, header ...string) (gorb string, own bool) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	in := io.Reader(answer.Body)
	if answer.Header.Get("Content-Encoding") == "gzip" {
		if in, err = gzip.NewReader(in); err != nil {
			t.Fatal(err)
		}
	}
	body, err := io.ReadAll(in)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s, %s, %v", answer.Status, body, err)
	}
	text := string(body)
	if ask := answer.Request.Header.Get("Accept"); strings.Contains(ask, "openmetrics") {
		if !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/openmetrics-text; version=1.0.0") || !strings.HasSuffix(text, "# EOF\n") {
			t.Errorf("%s, %s", answer.Header, text)
		}
		text = strings.TrimSuffix(text, "# EOF\n")
	} else if parser := expfmt.NewTextParser(model.LegacyValidation); !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("%s", answer.Header)
	} else if families, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		t.Errorf("%v in %s", err, text)
	} else if len(families) < 30 {
		t.Errorf("%d metrics", len(families))
	}
	end := strings.Index(text, "# HELP go_")
	if end < 0 {
		t.Fatal(text)
	}
	return text[:end], strings.Contains(text, "\nprocess_start_time_seconds ")
}

func metricsOf(t *testing.T, f *fakeMetrics) string {
	t.Helper()
	s := httptest.NewServer(NewMetrics(f))
	t.Cleanup(func() {
		s.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return s.URL
}

func TestMetrics(t *testing.T) {
	web := serviceHealth("web", 4)
	web.Backends[0].State, web.Backends[0].Since = Up, time.Now().Add(-time.Minute)
	web.Backends[1].Effective, web.Backends[1].Good, web.Backends[1].Of = nil, 0, 100
	web.Backends[2].State, web.Backends[2].Of, web.Backends[2].Good = Unanswered, 0, 0
	web.Backends[3] = BackendHealth{
		Name: "d\\\"\n\xff", Address: netip.MustParseAddrPort("[fd00::1]:80"), State: Unchecked, Effective: &[]uint32{7}[0],
	}
	mark := ServiceHealth{ServiceState: ServiceState{Name: "mark", Fwmark: 5, Family: spec.IPv6}}
	f := &fakeMetrics{services: []ServiceHealth{mark, web}}
	url := metricsOf(t, f)
	const head = "# HELP %[1]s %[2]s\n# TYPE %[1]s gauge\n"
	backend := func(name, help string, values ...string) string {
		text := fmt.Sprintf(head, "gorb_service_backend_"+name, help)
		for i, labels := range []string{
			`name="b0",host="10.1.0.1",port="8080"`, `name="b1",host="10.1.0.1",port="8080"`,
			`name="b2",host="10.1.0.1",port="8080"`, `name="d\\\"\n�",host="fd00::1",port="80"`,
		} {
			if values[i] != "" {
				text += "gorb_service_backend_" + name + `{service_name="web",` + labels + "} " + values[i] + "\n"
			}
		}
		return text
	}
	of := func(uptime string, weights ...string) string {
		return fmt.Sprintf(head, "gorb_service_health", "Mean health of the backends of the service, from 0 to 1; 1 if it has none.") +
			`gorb_service_health{name="mark",host="fwmark 5",port="0",protocol="fwmark"} 1` + "\n" +
			`gorb_service_health{name="web",host="10.0.0.1",port="80",protocol="tcp"} 0.7424999999999999` + "\n" +
			fmt.Sprintf(head, "gorb_service_backends", "Number of backends of the service.") +
			`gorb_service_backends{name="mark",host="fwmark 5",port="0",protocol="fwmark"} 0` + "\n" +
			`gorb_service_backends{name="web",host="10.0.0.1",port="80",protocol="tcp"} 4` + "\n" +
			backend("uptime_seconds", "Time since the backend came up; 0 while it is not up, or is not checked.", uptime, "0", "0", "0") +
			backend("health", "Share of the last checks that were good, from 0 to 1; 1 if there were none.", "0.97", "0", "1", "1") +
			backend("status", "1 if the checks say that the backend is down, 0 otherwise.", "0", "1", "0", "0") +
			backend("weight", "Weight that the backend has in the kernel.", weights...)
	}
	// round makes what passes while the test runs no difference.
	round := func(text string) string {
		const before = `uptime_seconds{service_name="web",name="b0",host="10.1.0.1",port="8080"} 6`
		if i := strings.Index(text, before); i >= 0 {
			rest := text[i+len(before):]
			return text[:i+len(before)] + "0" + rest[strings.Index(rest, "\n"):]
		}
		return text
	}
	without := of("60", "0", "", "0", "7")
	for name, header := range map[string][]string{
		"plain":       {"Accept-Encoding", "identity"},
		"gzip":        {"Accept-Encoding", "br, gzip;q=1.0"},
		"not gzip":    {"Accept-Encoding", "gzip;q=0"},
		"OpenMetrics": {"Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"},
		"a browser":   {"Accept", "text/html,*/*;q=0.8"},
	} {
		got, own := scrape(t, url, header...)
		if d := cmp.Diff(without, round(got)); d != "" || !own {
			t.Errorf("%s: %t (-want +got):\n%s", name, own, d)
		}
	}
	f.weights = func(s ServiceState, backend netip.AddrPort) (uint32, bool) {
		return uint32(s.Port) + uint32(backend.Port()), s.Name == "web" && backend.Addr().Is4()
	}
	got, _ := scrape(t, url)
	if d := cmp.Diff(of("60", "8160", "8160", "8160", "160"), round(got)); d != "" {
		t.Errorf("with the kernel's weights (-want +got):\n%s", d)
	}

	// What is gone is gone: in GORB it stayed for ever.
	f.set(mark)
	if got, _ := scrape(t, url); strings.Contains(got, "web") || !strings.Contains(got, "mark") {
		t.Errorf("after it is gone: %s", got)
	}
	f.fails = errors.New("checks are not made any more")
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 503 || string(body) != "the metrics cannot be had now: checks are not made any more\n" {
		t.Errorf("%s, %s, %v", answer.Status, body, err)
	}
}

// TestMetricsWhileAllChanges scrapes while backends change, which had GORB hang for ever.
func TestMetricsWhileAllChanges(t *testing.T) {
	f := &fakeMetrics{}
	url := metricsOf(t, f)
	var done atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; !done.Load(); i++ {
			f.set(slices.Repeat([]ServiceHealth{serviceHealth(fmt.Sprint("s", i), i%5)}, i%3)...)
		}
	})
	var scrapes sync.WaitGroup
	for range 4 {
		scrapes.Go(func() {
			for range 10 {
				if _, own := scrape(t, url, "Accept-Encoding", "gzip"); !own {
					t.Error("the process's own are missing")
				}
			}
		})
	}
	scrapes.Wait()
	done.Store(true)
	all.Wait()
}

// TestMetricsAreAskedForOnce has many ask at once, of a source that is slow, and then one that never answers.
func TestMetricsAreAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeMetrics{wait: make(chan struct{}), services: []ServiceHealth{serviceHealth("web", 1)}}
		m := NewMetrics(f)
		codes := make(chan int)
		ask := func(patience string) {
			r := httptest.NewRequest("GET", "/metrics", nil)
			r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", patience)
			w := httptest.NewRecorder()
			m.ServeHTTP(w, r)
			codes <- w.Code
		}
		for range 10 {
			go ask("5")
		}
		synctest.Wait()
		go ask("0.01")
		if code := <-codes; code != 503 {
			t.Errorf("who gives up sooner gets %d", code)
		}
		close(f.wait)
		for range 10 {
			if code := <-codes; code != 200 {
				t.Errorf("one gets %d", code)
			}
		}
		if f.asked > 5 { // garbage may be collected after one has it, and before the next
			t.Errorf("it was asked %d times for 10", f.asked)
		}
		f.wait = make(chan struct{})
		go ask("0.01")
		if code := <-codes; code != 503 {
			t.Errorf("of a source that hangs: %d", code)
		}
	})
}

func TestScrapeTime(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": scrapeTime, "x": scrapeTime, "-1": scrapeTime, "NaN": scrapeTime, "0": scrapeTime,
		"2.5": 2500 * time.Millisecond, "+Inf": longestScrape, "1e300": longestScrape,
	} {
		if got := timeOf(http.Header{"X-Prometheus-Scrape-Timeout-Seconds": {header}}); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
