package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// raceClient uses the API at random. One service it alone writes, and of that it knows what has to be there.
type raceClient struct {
	r       *apiRace
	rand    *rand.Rand
	http    *http.Client
	own     string
	n       int // of this client
	writes  int
	weights map[string]int // of the backends that are there, by what was acknowledged; nil: nothing is known
	doubt   string         // the backend whose last change was not answered; "": there is none
	cleared int64          // how often all had been taken back then
}

// newRaceClient returns the client of a number; half of them come over the socket.
func newRaceClient(r *apiRace, n int, random *rand.Rand) *raceClient {
	c := &raceClient{r: r, rand: random, own: fmt.Sprintf("own%d", n), n: n}
	transport := &http.Transport{}
	if n%2 == 0 {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", r.socket())
		}
	}
	c.http = &http.Client{Transport: transport, Timeout: time.Minute}
	return c
}

func (c *raceClient) run() {
	for c.r.goesOn(within(c.rand, 5*time.Millisecond)) {
		switch c.rand.IntN(3) {
		case 0:
			c.r.clearing.RLock()
			c.writeOwn()
			c.r.clearing.RUnlock()
		case 1:
			c.writeShared()
		default:
			c.read()
		}
	}
}

// do makes a request. The error is that there is no answer that says what was done, which only may be while the daemon is
// restarted.
func (c *raceClient) do(method, path, body, ifMatch string) (code int, text []byte, tag string, err error) {
	began := c.r.ups.Load()
	request, err := http.NewRequest(method, *c.r.url.Load()+path, strings.NewReader(body))
	if err != nil {
		c.r.t.Error(err)
		return 0, nil, "", err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if ifMatch != "" {
		request.Header.Set("If-Match", ifMatch)
	}
	answer, err := c.http.Do(request)
	if err == nil {
		code, tag = answer.StatusCode, answer.Header.Get("ETag")
		text, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	if known := c.r.note(method, path, code, string(text), err); !known && err == nil {
		err = fmt.Errorf("%s %s: %d %s", method, path, code, text)
	}
	if restarted := began%2 == 1 || c.r.ups.Load() != began; err != nil && !restarted || code >= 500 && code != http.StatusServiceUnavailable {
		c.r.t.Errorf("%s %s %s: %d %s, %v", method, path, body, code, text, err)
	}
	return code, text, tag, err
}

// reason is a query that no other request has, so that the audit tells them apart.
func (c *raceClient) reason() string {
	c.writes++
	return fmt.Sprintf("?reason=c%d-%d", c.n, c.writes)
}

// writeOwn changes a backend that nobody else does, and checks the answer.
func (c *raceClient) writeOwn() {
	if cleared := c.r.cleared.Load(); c.cleared != cleared {
		c.cleared, c.weights = cleared, nil
	}
	if (c.weights == nil || c.doubt != "") && !c.lookOwn() {
		return
	}
	name := fmt.Sprintf("b%d", c.rand.IntN(4))
	path, weight := "/service/"+c.own+"/"+name+c.reason(), c.rand.IntN(1000)
	was, there := c.weights[name]
	want, method, body, match := http.StatusOK, "", "", ""
	next := maps.Clone(c.weights)
	switch c.rand.IntN(5) {
	case 0, 1:
		method, path = "PUT", path+"&replace=true"
		body = fmt.Sprintf(`{"host": "10.2.%d.%s", "port": 80, "weight": %d}`, c.n, name[1:], weight)
		next[name] = weight
	case 2:
		if method = "DELETE"; !there {
			want = http.StatusNotFound
		}
		delete(next, name)
	case 3:
		method, body, want, match = "PATCH", fmt.Sprintf(`{"weight": %d}`, weight), http.StatusPreconditionFailed, `"of another"`
	default:
		if method, body = "PATCH", fmt.Sprintf(`{"weight": %d}`, weight); there {
			next[name] = weight
		} else {
			want = http.StatusNotFound
		}
	}
	code, text, _, err := c.do(method, path, body, match)
	if err != nil {
		c.doubt = name
		return
	}
	if code != want && !(want == http.StatusOK && code == http.StatusAccepted) {
		c.r.t.Errorf("%s %s %s where it was %d, %t: %d, want %d\n%s", method, path, body, was, there, code, want, text)
	}
	c.weights = next
}

// lookOwn looks at what is there of what nobody else writes, and makes its service. It says whether that is known now.
func (c *raceClient) lookOwn() bool {
	path := "/service/" + c.own
	code, _, _, err := c.do("PUT", path+c.reason(), fmt.Sprintf(`{"host": "10.0.2.%d", "port": 80, "drain": "0s"}`, c.n), "")
	if err != nil {
		return false
	}
	if code != http.StatusOK && code != http.StatusAccepted {
		c.r.t.Errorf("PUT %s: %d", path, code)
		return false
	}
	weights, known := c.ownWeights()
	if !known {
		return false
	}
	if c.weights != nil {
		c.compare(weights)
	}
	c.weights, c.doubt = weights, ""
	return true
}

// compare compares what is there with what was acknowledged.
func (c *raceClient) compare(got map[string]int) {
	want := maps.Clone(c.weights)
	if c.doubt != "" {
		delete(want, c.doubt)
		if weight, there := got[c.doubt]; there {
			want[c.doubt] = weight
		}
	}
	if !maps.Equal(got, want) {
		c.r.t.Errorf("%s has %v, and what was acknowledged is %v, but for %q", c.own, got, c.weights, c.doubt)
	}
}

// ownWeights is what the daemon says of its backends.
func (c *raceClient) ownWeights() (map[string]int, bool) {
	path := "/service/" + c.own
	code, text, _, err := c.do("GET", path, "", "")
	var s httpapi.ServiceInfo
	if err != nil || code != http.StatusOK || json.Unmarshal(text, &s) != nil {
		return nil, false
	}
	weights := map[string]int{}
	for _, name := range s.Backends {
		code, text, _, err := c.do("GET", path+"/"+name, "", "")
		var b httpapi.BackendInfo
		if err != nil || code != http.StatusOK || json.Unmarshal(text, &b) != nil {
			return nil, false
		}
		weights[name] = int(weightOf(c.r.t, b.Options))
	}
	return weights, true
}

// check looks whether all is there that was acknowledged.
func (c *raceClient) check() {
	if c.weights == nil || c.cleared != c.r.cleared.Load() {
		return // it was not heard what became of the last change
	}
	got, known := c.ownWeights()
	if !known {
		c.r.t.Errorf("it is not known what there is of %s", c.own)
	}
	c.compare(got)
}

// writeShared changes something that others change as well.
func (c *raceClient) writeShared() {
	path := c.object()
	query, body, match := c.reason(), "", ""
	switch c.rand.IntN(6) {
	case 0:
		query += "&ttl=300ms"
	case 1:
		query += "&ttl=1h&wait=10ms"
	case 2:
		query += "&dry_run=true"
	case 3:
		_, _, match, _ = c.do("GET", "/service/"+path, "", "")
	}
	method := []string{"PUT", "PUT", "PATCH", "PATCH", "DELETE", "CLEAR", "POST"}[c.rand.IntN(7)]
	service, backend, isBackend := strings.Cut(path, "/")
	if method != "DELETE" {
		body = c.body(path, isBackend, method == "PATCH")
	}
	switch method {
	case "CLEAR":
		_, _, _, _ = c.do("DELETE", "/overrides/"+path, "", "")
	case "POST":
		c.writes++
		text := fmt.Sprintf(`{"kind": "set", "service": %q, "backend": %q, "body": %s, "ttl": "500ms"}`, service, backend, body)
		if c.rand.IntN(4) == 0 {
			_, _, _, _ = c.do("POST", "/plan", `{}`, "")
			return
		}
		_, _, _, _ = c.do("POST", "/overrides", text, "")
	case "PUT":
		if c.rand.IntN(2) == 0 {
			query += "&replace=true"
		}
		fallthrough
	default:
		_, _, _, _ = c.do(method, "/service/"+path+query, body, match)
	}
}

// object is the path of one that others write, too.
func (c *raceClient) object() string {
	path := fmt.Sprintf("s%d", c.rand.IntN(6))
	if c.rand.IntN(4) > 0 {
		path += "/" + string(rune('a'+c.rand.IntN(4)))
	}
	return path
}

// body is one of an object, which need not go with all others.
func (c *raceClient) body(path string, backend, patch bool) string {
	n, weight := int(path[1]-'0'), c.rand.IntN(1000)
	switch {
	case backend && patch:
		return fmt.Sprintf(`{"weight": %d}`, weight)
	case backend && c.rand.IntN(4) == 0:
		return fmt.Sprintf(`{"host": "localhost", "port": %d, "weight": %d}`, 1000+int(path[3]), weight)
	case backend:
		return fmt.Sprintf(`{"host": "10.1.%d.%d", "port": 80, "weight": %d}`, n, path[3]-'a'+1, weight)
	case patch:
		return fmt.Sprintf(`{"method": %q}`, []string{"rr", "wrr", "wlc"}[c.rand.IntN(3)])
	}
	return fmt.Sprintf(`{"host": "10.0.0.%d", "port": 80, "method": %q, "drain": "0s"}`, n+1, []string{"rr", "wrr"}[c.rand.IntN(2)])
}

// read asks for something.
func (c *raceClient) read() {
	object := c.object()
	service, _, _ := strings.Cut(object, "/")
	paths := []string{
		"/service", "/service/" + object, "/service/" + object, "/overrides", "/overrides/" + object, "/explain/" + object, "/status", "/sources",
		"/held", "/health?service=" + service, "/plan", "/audit?limit=10", "/service/checked/h1",
	}
	path := paths[c.rand.IntN(len(paths))]
	if c.rand.IntN(200) == 0 {
		_, _, _, _ = c.do("POST", "/reload", "", "")
	}
	if code, text, _, err := c.do("GET", path, "", ""); err == nil && code != http.StatusOK && code != http.StatusNotFound {
		c.r.t.Errorf("GET %s: %d %s", path, code, text)
	}
}
