package httpapi

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

const (
	// scrapeTime is how long a scrape may take that does not say, and longestScrape whatever it says.
	scrapeTime    = 10 * time.Second
	longestScrape = time.Minute
	// scrapePatience is how long a client may take to take a part of an answer.
	scrapePatience = 10 * time.Second
	// mostScrapes is how many are answered at once.
	mostScrapes = 4
)

// metrics answers GET /metrics.
type metrics struct {
	source    MetricsSource
	process   prometheus.Gatherer // Go's and the process's own
	places    chan struct{}       // full where as many as may be are answered
	gathering chan struct{}       // full while one asks the source
	last      weak.Pointer[snapshot]
	ended     time.Time // when the gathering of last did
}

// NewMetrics returns the handler of GET /metrics: the six gauges of GORB by its names and labels, and Go's and the
// process's own, in the text format of Prometheus or in that of OpenMetrics. What is not declared any more is not there.
//
// One asks the source at a time, and who came meanwhile gets the same. Who cannot be answered in time, which is what
// X-Prometheus-Scrape-Timeout-Seconds says, gets 503; a client that reads too slowly is cut off.
func NewMetrics(source MetricsSource) http.Handler {
	own := prometheus.NewRegistry()
	own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &metrics{
		source: source, process: own, places: make(chan struct{}, mostScrapes), gathering: make(chan struct{}, 1),
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
	if err := take(ctx, m.places); err != nil {
		unscraped(w, "others are being answered")
		return
	}
	defer func() { <-m.places }()
	s, err := m.snapshot(ctx, asked)
	if err != nil {
		unscraped(w, err.Error())
		return
	}
	if err := m.write(newHurry(ctx, w), r, s, format); err != nil {
		panic(http.ErrAbortHandler) // the connection is cut off, so that nobody takes a part for the whole
	}
}

// hurry is an answer that a client has to take as it comes, or it is cut off: it holds a place.
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

// snapshot asks the source, or returns what somebody got from it after this was asked for.
func (m *metrics) snapshot(ctx context.Context, asked time.Time) (*snapshot, error) {
	if take(ctx, m.gathering) != nil {
		return nil, errSlowSource
	}
	defer func() { <-m.gathering }()
	if s := m.last.Value(); s != nil && m.ended.After(asked) {
		return s, nil
	}
	s, err := gather(ctx, m.source)
	if err != nil && ctx.Err() != nil {
		return nil, errSlowSource
	}
	if err != nil {
		return nil, err
	}
	m.last, m.ended = weak.Make(s), time.Now() // it stays while somebody writes it, and no longer
	return s, nil
}

var errSlowSource = errors.New("it takes too long to find out how the backends are")

// write writes everything, as small as the client understands.
func (m *metrics) write(w http.ResponseWriter, r *http.Request, s *snapshot, format expfmt.Format) error {
	process, err := m.process.Gather()
	if err != nil {
		return err
	}
	if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
		return writeMetrics(w, s, process, format)
	}
	w.Header().Set("Content-Encoding", "gzip")
	small, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // which is a level
	if err := writeMetrics(small, s, process, format); err != nil {
		return err
	}
	return small.Close()
}

func writeMetrics(to io.Writer, s *snapshot, process []*dto.MetricFamily, format expfmt.Format) error {
	out := bufio.NewWriterSize(to, 64<<10)
	s.families(out)
	encoder := expfmt.NewEncoder(out, format)
	for _, family := range process {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	if end, ok := encoder.(expfmt.Closer); ok { // OpenMetrics has a last line
		if err := end.Close(); err != nil {
			return err
		}
	}
	return out.Flush()
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
