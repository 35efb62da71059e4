package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
)

// differing is what of a check is another each time: its times and where it left from.
var differing = regexp.MustCompile(`(?m)^ *\d+\.\d{3} ms +| after \d+\.\d{3} ms| from 127\.0\.0\.1:\d+$`)

// TestProbeNginx checks a server that is not gorb's own.
func TestProbeNginx(t *testing.T) {
	s := lab.Nginx(t)
	s.Configure(fmt.Sprintf(`access_log off;
	server {
		listen 127.0.0.1:%d;
		location = /ok { return 200 "all well"; }
		location = /ill { return 503; }
		location = /moved { return 302 /ok; }
		location = /whom { return 200 "$host $http_x_key $request_method $request_uri"; }
	}`, s.Ports[0]))
	s.Start()
	const dialled = "dialling ADDR\nconnected to ADDR\n"
	for _, tt := range []struct {
		pulse, check, want string
		code               int
	}{
		{`type = "tcp"`, "tcp ADDR", "ok\n", 0},
		{
			`type = "tcp", args = { send = 'GET / HTTP/1.0\r\n\r\n', expect = "HTTP/1.1 404" }`,
			`tcp ADDR send="[hidden]" expect="HTTP/1.1 404"`,
			"sent 18 bytes\nthe answer begins with \"HTTP/1.1 404\"\nok\n", 0,
		},
		{
			`type = "tcp", args = { send = 'GET / HTTP/1.0\r\n\r\n', expect = "SSH-2.0" }`,
			`tcp ADDR send="[hidden]" expect="SSH-2.0"`,
			"sent 18 bytes\nfailed: the answer begins with \"HTTP/1.\", wanted \"SSH-2.0\"\n", 1,
		},
		{
			`type = "http", args = { path = "/ill" }`, `http ADDR path="/ill"`,
			"GET /ill, host ADDR\nHTTP/1.1 503 Service Temporarily Unavailable\nfailed: HTTP 503, wanted 200\n", 1,
		},
		{
			`type = "http", args = { path = "/moved", follow = true }`, `http ADDR path="/moved" follow=true`,
			"GET /moved, host ADDR\nHTTP/1.1 302 Moved Temporarily\nredirected to http://ADDR/ok\n" + dialled +
				"GET /ok, host ADDR\nHTTP/1.1 200 OK\nok\n", 0,
		},
		{
			`type = "http", args = { path = "/whom", method = "PUT", host_header = "www.example", headers = { X-Key = "k" }, expect_body_regexp = "^www.example k PUT /whom$" }`,
			`http ADDR method="PUT" path="/whom" headers="X-Key","[hidden]" host_header="www.example" expect_body_regexp="^www.example k PUT /whom$"`,
			"PUT /whom, host www.example\nHTTP/1.1 200 OK\nthe body matches ^www.example k PUT /whom$\nok\n", 0,
		},
	} {
		file := filepath.Join(t.TempDir(), "gorb.toml")
		text := fmt.Sprintf("[services.web]\nhost = \"10.0.0.1\"\nport = 80\npulse = { %s }\n"+
			"backends.a = { host = \"127.0.0.1\", port = %d }\n", tt.pulse, s.Ports[0])
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		code := run(context.Background(), []string{"probe", "web/a", file}, strings.NewReader(""), &out, &out)
		got := strings.ReplaceAll(differing.ReplaceAllString(out.String(), ""), fmt.Sprintf("127.0.0.1:%d", s.Ports[0]), "ADDR")
		if d := cmp.Diff("web/a: "+tt.check+"\n"+dialled+tt.want, got); d != "" || code != tt.code {
			t.Errorf("%s: code %d (-want +got):\n%s", tt.pulse, code, d)
		}
	}
}
