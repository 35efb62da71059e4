package httpapi

import (
	"context"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

const (
	// scrapeTime is how long a scrape may take that does not say, and longestScrape whatever it says.
	scrapeTime    = 10 * time.Second
	longestScrape = time.Minute
	// scrapePatience is how long a client may take to take a part of an answer.
	scrapePatience = 10 * time.Second
)

// metrics answers GET /metrics.
type metrics struct {
	source    MetricsSource
	process   prometheus.Gatherer // Go's and the process's own
	gathering chan struct{}       // full while one asks the source; who has it may use what follows
	newest    map[expfmt.FormatType]weak.Pointer[rendering]
	held      []weak.Pointer[rendering] // those that clients are sent, and some that they were
}

// NewMetrics returns the handler of GET /metrics: the six gauges of GORB by its names and labels, and Go's and the
// process's own, in the text format of Prometheus or in that of OpenMetrics. What is not declared any more is not there.
//
// One asks the source at a time, and who came meanwhile gets the same. Who cannot be answered in time, which is what
// X-Prometheus-Scrape-Timeout-Seconds says, gets 503; a client that reads too slowly is cut off, and until then keeps nobody
// else from anything.
func NewMetrics(source MetricsSource) http.Handler {
	own := prometheus.NewRegistry()
	own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &metrics{
		source: source, process: own, gathering: make(chan struct{}, 1), newest: map[expfmt.FormatType]weak.Pointer[rendering]{},
	}
}

func (m *metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := time.Now()
	format := expfmt.NegotiateAccept(r.Header, expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtText)
	w.Header().Set("Content-Type", string(format))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept, Accept-Encoding")
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeOf(r.Header))
	defer cancel()
	text, err := m.rendering(ctx, asked, format)
	if err != nil {
		unscraped(w, err.Error())
		return
	}
	defer text.readers.Add(-1)
	if err := text.write(newHurry(ctx, w), acceptsGzip(r.Header.Get("Accept-Encoding"))); err != nil {
		panic(http.ErrAbortHandler) // the connection is cut off, so that nobody takes a part for the whole
	}
}

// hurry is an answer that a client has to take as it comes, or it is cut off: it holds a rendering.
type hurry struct {
	http.ResponseWriter
	out *http.ResponseController
	by  time.Time // the end, however it takes it
}

func newHurry(ctx context.Context, w http.ResponseWriter) *hurry {
	by, _ := ctx.Deadline() // there is one
	return &hurry{w, http.NewResponseController(w), by}
}

// Write writes a part.
func (h *hurry) Write(text []byte) (int, error) {
	by := time.Now().Add(scrapePatience)
	if by.After(h.by) {
		by = h.by
	}
	_ = h.out.SetWriteDeadline(by) // where there is none, as in a test, nobody is slow
	return h.ResponseWriter.Write(text)
}

// timeOf is how long a scrape may take. Prometheus says when it gives up; what comes then is of no use.
func timeOf(h http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(h.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return scrapeTime
	}
	return time.Duration(min(seconds, longestScrape.Seconds()) * float64(time.Second))
}

// take takes a place, and waits for it until ctx ends.
func take(ctx context.Context, places chan<- struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func unscraped(w http.ResponseWriter, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Retry-After", "10")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "the metrics cannot be had now: "+why+"\n") // a client that has gone needs no answer
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3), as far as it can be about gzip.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		name, weight, _ := strings.Cut(params, "=")
		q, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
		return !strings.EqualFold(strings.TrimSpace(name), "q") || err != nil || q > 0
	}
	return false
}
