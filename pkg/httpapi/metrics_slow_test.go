package httpapi

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// dripping is an answer of which a part is taken as late as it may be.
type dripping struct {
	*httptest.ResponseRecorder
	by time.Time
}

func (d *dripping) SetWriteDeadline(by time.Time) error {
	d.by = by
	return nil
}

func (d *dripping) Write(text []byte) (int, error) {
	if time.Sleep(min(time.Until(d.by), scrapePatience-time.Second)); !time.Now().Before(d.by) {
		return 0, os.ErrDeadlineExceeded
	}
	return len(text), nil
}

// TestSlowScrapersStopNobody has many ask for the metrics again and again, and take them slowly: who scrapes gets them at once,
// as of the last seconds, and gorb does not grow.
func TestSlowScrapersStopNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const backends = 2000 // more than can be dripped in longestScrape
		f := &fakeMetrics{services: []ServiceHealth{serviceHealth("web", backends)}}
		m := NewMetrics(f).(*metrics)
		scrape := func(encoding string) string {
			t.Helper()
			begun, w, r := time.Now(), httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
			r.Header.Set("Accept-Encoding", encoding)
			if m.ServeHTTP(w, r); w.Code != 200 || time.Since(begun) > 0 {
				t.Errorf("%d, after %s", w.Code, time.Since(begun))
			}
			return w.Body.String()
		}
		most := 0
		for second := range 120 {
			go func() {
				defer func() { _ = recover() }() // it is cut off
				r := httptest.NewRequest("GET", "/metrics", nil)
				r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "60")
				m.ServeHTTP(&dripping{ResponseRecorder: httptest.NewRecorder()}, r)
			}()
			synctest.Wait()
			time.Sleep(time.Second)
			f.set(serviceHealth(fmt.Sprint("web", second), backends))
			scrape("gzip")
			most = max(most, len(m.held))
		}
		if want := freshRenderings + int(longestScrape/staleAfter); most > want || most < freshRenderings {
			t.Errorf("there were %d at once", most)
		}
		time.Sleep(staleAfter)
		if text := scrape("identity"); !strings.Contains(text, `"web119"`) {
			t.Errorf("it is old: %s", text[:200])
		}
		time.Sleep(longestScrape)
		f.set()
		if text := scrape("identity"); strings.Contains(text, `"web119"`) {
			t.Error("when all have gone, it is old")
		}
	})
}
