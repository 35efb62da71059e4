package httpapi

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// slowly is a body before whose end something else happens.
type slowly struct {
	io.Reader
	then func()
}

func (s *slowly) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if then := s.then; n == 0 && then != nil {
		s.then = nil
		then()
	}
	return n, err
}

// TestWhoSendsAPlanSlowlyStopsNobody has others ask for plans while somebody sends what his is to be of.
func TestWhoSendsAPlanSlowlyStopsNobody(t *testing.T) {
	const layers = `{"layers": [{"name": "a"}]}`
	large := strings.Repeat(" ", maxBody) + layers
	for _, tt := range []struct {
		name, sent string
		other      int // what becomes of another large one meanwhile
	}{{"a small one", layers, 200}, {"a large one", large, 503}} {
		h := routes(over(t, web))
		post := func(patience time.Duration, method, target string, body io.Reader) int {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, places["the socket"](httptest.NewRequestWithContext(ctx, method, target, body)))
			return w.Code
		}
		const long, short = time.Minute, 10 * time.Millisecond
		began := false
		code := post(10*time.Minute, http.MethodPost, "/plan", &slowly{strings.NewReader(tt.sent), func() {
			began = true
			for _, do := range [][3]string{
				{"GET", "/plan"}, {"POST", "/plan", layers}, {"PATCH", "/service/web/a?dry_run=true", `{"weight": 7}`},
			} {
				if code := post(long, do[0], do[1], strings.NewReader(do[2])); code != http.StatusOK {
					t.Errorf("during %s, %s %s: %d", tt.name, do[0], do[1], code)
				}
			}
			patience := long
			if tt.other != http.StatusOK {
				patience = short
			}
			if code := post(patience, "POST", "/plan", strings.NewReader(large)); code != tt.other {
				t.Errorf("during %s, a large one: %d", tt.name, code)
			}
		}})
		if code != http.StatusOK || !began {
			t.Errorf("%s: %d, %t", tt.name, code, began)
		}
		if code := post(long, "POST", "/plan", strings.NewReader(large)); code != http.StatusOK {
			t.Errorf("after %s, a large one: %d", tt.name, code)
		}
	}
}
