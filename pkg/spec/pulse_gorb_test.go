package spec

import (
	"fmt"
	"testing"
)

// TestB6ArgsOfAnyType has the args of a check in every type of JSON. A number where GORB had read a string before, as in the
// example of its README, ended the handler that took it, and, read from its store, the daemon at each start; "" and "abc"
// as a status were taken for 0 and for 200.
func TestB6ArgsOfAnyType(t *testing.T) {
	const status = `wanted a status such as 200, "200-299,404" or [200, 404], or a string`
	for args, want := range map[string]string{
		`{"expect": 404, "port": 8080}`:     `{ type = "http", args = { expect = 404, port = 8080 } }`,
		`{"expect": "404", "port": "8080"}`: `{ type = "http", args = { expect = 404, port = 8080 } }`,
		`{"expect": [200, "300-399"]}`:      `{ type = "http", args = { expect = "200,300-399" } }`,
		`{"port": null}`:                    `port: null is no value, wanted a whole number; leave the key out for its default`,
		`{"path": null}`:                    `path: null is no value, wanted a path such as "/health"; leave the key out for its default`,
		`{"expect": true}`:                  `expect: true is a boolean, ` + status,
		`{"expect": {}}`:                    `expect: a table, ` + status,
		`{"expect": ""}`:                    `expect: 0 bytes are not 1 to 4096`,
		`{"expect": "abc"}`:                 `expect: "abc" is not a status such as 200, or several: "200-299,404"`,
		`{"expect": 1e300}`:                 `expect: 1e300 is a number with an exponent, wanted a whole number`,
		`{"port": false}`:                   `port: false is a boolean, wanted a whole number`,
		`{"port": 8080.5}`:                  `port: 8080.5 is a number with a fraction, wanted a whole number`,
		`{"port": 70000}`:                   `port: 70000 is over 65535`,
		`{"host": 10}`:                      `host: 10 is a number, wanted an IP address`,
		`{"path": 1}`:                       `path: a number, wanted a path such as "/health"`,
		`{"path": []}`:                      `path: an array, wanted a path such as "/health"`,
		`{"method": true}`:                  `method: true is a boolean, wanted an HTTP method such as "GET"`,
	} {
		got := pulseOfJSON(fmt.Sprintf(`{"type": "http", "args": %s}`, args))
		if want[0] != '{' {
			want = "x:1: services.web.pulse.args." + want
		}
		if got != want {
			t.Errorf("args %s:\ngot  %s\nwant %s", args, got, want)
		}
	}
}

// TestPulsesThatGORBTook has what its validation and its URLs put right.
func TestPulsesThatGORBTook(t *testing.T) {
	for pulse, want := range map[string]string{
		`{"type": "TCP"}`:  `{ type = "tcp" }`,
		`{"type": "None"}`: `{ type = "none" }`,
		`{"type": "HTTP", "args": {"path": "health"}}`:          `{ type = "http", args = { path = "/health" } }`,
		`{"type": "http", "args": {"path": ""}}`:                `{ type = "http", args = { path = "/" } }`,
		`{"type": "http", "interval": "1s"}`:                    `{ type = "http", interval = "1s" }`,
		`{"type": "HTTPX"}`:                                     `x:1: services.web.pulse.type: "HTTPX" is not known, did you mean "http"?`,
		`{"type": "http", "args": {"path": "http://a/health"}}`: `x:1: services.web.pulse.args.path: "http://a/health" is a URL, wanted a path such as "/health"; args.host and args.port say where it is`,
	} {
		if got := pulseOfJSON(pulse); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", pulse, got, want)
		}
	}
}

// pulseOfJSON is what a pulse in a document comes to, or why it is refused.
func pulseOfJSON(text string) string {
	doc, err := Decode("x", JSON, fmt.Appendf(nil, `{"services": {"web": {"host": "10.0.0.1", "port": 80, "pulse": %s,
		"backends": {"a": {"host": "10.1.0.1"}}}}}`, text))
	if err != nil {
		return err.Error()
	}
	d, err := Merge(doc)
	if err != nil {
		return err.Error()
	}
	s := &d.Services[0]
	return tomlValue(s.PulseOf(&s.Backends[0]).appendTo(nil)[0].value)
}
