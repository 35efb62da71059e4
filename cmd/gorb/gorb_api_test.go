package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// gorbWorld has a service web with a backend a, as REST made them, and a service file that a file declares.
func gorbWorld(t *testing.T) *apiWorld {
	t.Helper()
	w := newAPIWorld(t, "[services.file]\nhost = \"10.0.9.1\"\nport = 80\n[services.file.backends.f]\nhost = \"10.9.0.1\"\npulse.type = \"none\"\n")
	w.want(200, "PUT", "/service/web", `{"host":"10.0.0.1","port":80}`, nil)
	w.want(200, "PUT", "/service/web/a", `{"host":"10.1.0.1","port":8080,"pulse":{"type":"none"}}`, nil)
	return w
}

// failed makes a request that must fail, and returns what "error" says.
func (w *apiWorld) failed(code int, method, path, body string) string {
	w.t.Helper()
	var answer struct{ Error string }
	w.want(code, method, path, body, &answer)
	return answer.Error
}

// TestGORBErrors has every request that GORB refused be refused with its status and its words, and with 422 what GORB took,
// or left to the kernel, and gorb does not.
func TestGORBErrors(t *testing.T) {
	w := gorbWorld(t)
	const (
		missing  = "endpoint information is missing"
		interval = "invalid interval format"
		positive = "pulse interval must be positive"
		exists   = "specified object already exists"
		notThere = "unable to locate specified object"
		own      = "" // words that the decoder of each has for itself
		unusable = "what was sent cannot be used"
	)
	for _, tt := range []struct {
		method, path, body string
		code               int
		text               string
	}{
		{"PUT", "/service/x", `{"host":"10.0.0.2"}`, 400, missing},
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":0}`, 400, missing},
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":80,"protocol":"icmp"}`, 400, "specified protocol is unknown"},
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":80,"flags":"sh-port|does-not-match"}`, 400, "specified flag is unknown"},
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":80,"method":"sh","flags":"sh-port|"}`, 400, "specified flag is unknown"},
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":80,"method":"sh","flags":"SH-PORT"}`, 400, "specified flag is unknown"},
		{"PUT", "/service/x", `{"host":"no-such.invalid","port":80}`, 400, own},
		{"PUT", "/service/x", `{"host":"10.0.0.300","port":80}`, 400, own},
		{"PUT", "/service/web/x", `{"port":80}`, 400, missing},
		{"PUT", "/service/web/x", `{}`, 400, missing},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":0}`, 400, missing},
		{"PUT", "/service/web/x", `{"host":"fd00::2","port":80}`, 400, "incompatible address families"},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"method":"masq"}`, 400, "specified forwarding method is unknown"},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"type":"invalid"}}`, 400, "specified pulse type is unknown"},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"interval":"60"}}`, 400, interval},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"interval":"foos"}}`, 400, interval},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"interval":"24z"}}`, 400, interval},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"interval":"-5s"}}`, 400, positive},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"interval":"0s"}}`, 400, positive},

		// What is no JSON, or has a value of another type.
		{"PUT", "/service/web/x", ``, 400, "EOF"},
		{"PUT", "/service/web/x", "\n", 400, "EOF"},
		{"PATCH", "/service/web/a", ``, 400, "EOF"},
		{"PUT", "/service/web/x", `null`, 400, own},
		{"PATCH", "/service/web/a", `null`, 400, own},
		{"PUT", "/service/web/x", `[]`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,}`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80} {}`, 400, own}, // GORB read the first
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":"80"}`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":70000}`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":-1}`, 400, own},
		{"PUT", "/service/web/x", `{"host":10,"port":80}`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"weight":2147483648}`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"weight":"7"}`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"weight":1.5}`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"type":"http","args":{"path":5}}}`, 400, own},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"type":"http","args":{"expect":true}}}`, 400, own},

		// Another that is there.
		{"PUT", "/service/web", `{"host":"10.0.0.1","port":81}`, 409, exists},
		{"PUT", "/service/file", `{"host":"10.0.9.1","port":81}`, 409, exists},
		{"PUT", "/service/web/a", `{"host":"10.1.0.1","port":8081,"pulse":{"type":"none"}}`, 409, exists},
		{"PUT", "/service/other", `{"host":"10.0.0.1","port":80}`, 409, exists}, // the address of web
		{"PUT", "/service/web/other", `{"host":"10.1.0.1","port":8080}`, 409, exists},

		// Nothing there.
		{"GET", "/service/none", ``, 404, notThere},
		{"DELETE", "/service/none", ``, 404, notThere},
		{"PATCH", "/service/none", `{"method":"rr"}`, 404, notThere},
		{"GET", "/service/web/none", ``, 404, notThere},
		{"GET", "/service/none/a", ``, 404, notThere},
		{"DELETE", "/service/web/none", ``, 404, notThere},
		{"DELETE", "/service/none/a", ``, 404, notThere},
		{"PATCH", "/service/web/none", `{"weight":1}`, 404, notThere},
		{"PUT", "/service/none/a", `{"host":"10.1.0.2","port":80}`, 404, notThere},

		// 400 before 409 before 404.
		{"PUT", "/service/web", `{"host":"10.0.0.1"}`, 400, missing},
		{"PUT", "/service/web", `{"host":"10.0.0.1","port":81,"protocol":"x"}`, 400, "specified protocol is unknown"},
		{"PUT", "/service/web/a", `{"port":1}`, 400, missing},
		{"PUT", "/service/none/a", `{"port":1}`, 400, missing},
		{"PUT", "/service/none/a", `{"host":"10.1.0.2","port":80,"pulse":{"interval":"x"}}`, 400, interval},

		// What GORB took, or left to the kernel.
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":80,"method":"nonesuch"}`, 422, unusable},
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":80,"flags":"sh-port"}`, 422, unusable},
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":80,"method":"dr","flags":"sh-port|sh-fallback"}`, 422, unusable},
		{"PUT", "/service/x", `{"host":"10.0.0.2","port":80,"bogus":1}`, 422, unusable},
		{"PUT", "/service/a%20b", `{"host":"10.0.0.2","port":80}`, 422, unusable},
		{"PUT", "/service/a%2Fb", `{"host":"10.0.0.2","port":80}`, 422, unusable},
		{"PUT", "/service/%C3%A4", `{"host":"10.0.0.2","port":80}`, 422, unusable},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"vsid":"mail"}`, 422, unusable},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"type":"http","args":{"expect":""}}}`, 422, unusable},
		{"PUT", "/service/web/x", `{"host":"10.1.0.2","port":80,"pulse":{"type":"http","args":{"expect":"abc"}}}`, 422, unusable},
		{"GET", "/service?pretty=1", ``, 422, unusable},

		// Other routes.
		{"GET", "/service/", ``, 404, "there is no such route"},
		{"GET", "/services", ``, 404, "there is no such route"},
		{"POST", "/service/web", `{}`, 405, "POST is no method of this route; there are DELETE, GET, HEAD, PATCH, PUT"},
	} {
		if got := w.failed(tt.code, tt.method, tt.path, tt.body); tt.text != own && got != tt.text || got == "" {
			t.Errorf("%s %s %s: %q, want %q", tt.method, tt.path, tt.body, got, tt.text)
		}
	}
	w.wantTable("-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 100\n-A -t 10.0.9.1:80 -s wrr\n-a -t 10.0.9.1:80 -r 10.9.0.1:80 -m -w 100\n")
}

// TestGORBErrorForm has the body of an error be what GORB wrote, and problems after it.
func TestGORBErrorForm(t *testing.T) {
	w := gorbWorld(t)
	answer := w.request("GET", "/service/none", "", nil)
	defer answer.Body.Close()
	if got := answer.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type: %s", got)
	}
	_, text := w.ask("GET", "/service/none", "")
	if before, after := "{\n\t\"error\": \"unable to locate specified object\",\n\t\"problems\": [\n\t\t{\n", "\n\t]\n}"; !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) {
		t.Errorf("it is %q", text)
	}
	if _, text := w.ask("PUT", "/service/web/x", ""); text != "{\n\t\"error\": \"EOF\"\n}" {
		t.Errorf("it is %q", text)
	}
}

// TestGORBContentTypes has bodies be read whatever GORB's clients said that they are: curl -d, and nothing at all.
func TestGORBContentTypes(t *testing.T) {
	w := gorbWorld(t)
	for kind, want := range map[string]int{
		"": 200, "application/json": 200, "application/json; charset=utf-8": 200, "application/merge-patch+json": 200,
		"application/x-www-form-urlencoded": 200, "text/plain": 415, "multipart/form-data; boundary=x": 415, "application/xml": 415, "/": 415,
	} {
		for _, method := range []string{"PUT", "PATCH"} {
			header := http.Header{"Content-Type": {kind}}
			if kind == "" {
				header = http.Header{"Content-Type": nil}
			}
			answer := w.request(method, "/service/web/a", `{"host":"10.1.0.1","port":8080,"pulse":{"type":"none"}}`, header)
			answer.Body.Close()
			if answer.StatusCode != want {
				t.Errorf("%s of %q: %d, want %d", method, kind, answer.StatusCode, want)
			}
		}
	}
	if got := w.failed(404, "DELETE", "/service/web/none", `{"whatever": 1}`); got != "unable to locate specified object" {
		t.Error(got)
	}
	w.want(200, "DELETE", "/service/web/a", `{"whatever": 1}`, nil) // GORB read no body either
}

// TestGORBShapes has GETs answer with GORB's keys, of GORB's types.
func TestGORBShapes(t *testing.T) {
	w := gorbWorld(t)
	const down = `{"Host":"127.0.0.1","PORT":1,"weight":50,"method":"NAT","vsid":"web","pulse":{"type":"TCP","interval":" 5S "}}`
	w.want(200, "PUT", "/service/web/down", down, nil)
	w.wantTable("-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 100\n-a -t 10.0.0.1:80 -r 127.0.0.1:1 -m -w 0\n" +
		"-A -t 10.0.9.1:80 -s wrr\n-a -t 10.0.9.1:80 -r 10.9.0.1:80 -m -w 100\n")
	w.eventually(func() bool {
		_, text := w.ask("GET", "/service/web/down", "")
		return strings.Contains(text, `"state": "down"`)
	})
	for path, want := range map[string]string{
		"/service":          `["file","web"]`,
		"/service/web":      `{"backends":["a","down"],"health":0.5,"options":{"flags":"","host":"10.0.0.1","method":"wrr","persistent":false,"port":80,"protocol":"tcp"}}`,
		"/service/web/down": `{"metrics":{"health":0,"status":1,"uptime":0},"options":{"host":"127.0.0.1","method":"nat","port":1,"pulse":{"args":{},"interval":"5s","type":"tcp"},"weight":50}}`,
		"/service/web/a":    `{"metrics":{"health":1,"status":0,"uptime":0},"options":{"host":"10.1.0.1","method":"nat","port":8080,"pulse":{"args":{},"interval":"1m","type":"none"},"weight":100}}`,
	} {
		var all any
		w.want(200, "GET", path, "", &all)
		if object, ok := all.(map[string]any); ok {
			for key := range object {
				if key != "options" && key != "metrics" && key != "backends" && (key != "health" || strings.Count(path, "/") == 3) {
					delete(object, key)
				}
			}
		}
		got, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	w.want(200, "PUT", "/service/empty", `{"host":"10.0.0.5","port":80,"protocol":"UDP"}`, nil)
	var empty struct {
		Health   float64
		Backends []string
		Options  struct{ Protocol string }
	}
	w.want(200, "GET", "/service/empty", "", &empty)
	if empty.Health != 1 || empty.Backends == nil || len(empty.Backends) != 0 || empty.Options.Protocol != "udp" {
		t.Errorf("a service without backends: %+v", empty)
	}
}

// TestGORBWithoutAddress: a service without host is refused as GORB refused it where the interface has no address (its
// issue 24).
func TestGORBWithoutAddress(t *testing.T) {
	w := newAPIWorld(t, "interface = \"lo\"\n")
	if got := w.failed(400, "PUT", "/service/web", `{"port": 80}`); got != "endpoint information is missing" {
		t.Error(got)
	}
	w.want(200, "PUT", "/service/web", `{"host": "10.0.0.1", "port": 80}`, nil)
	if got := w.failed(400, "PATCH", "/service/web", `{"host": null}`); got != "endpoint information is missing" {
		t.Error(got)
	}
}
