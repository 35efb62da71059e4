package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// TestSecretsAreHidden looks for the secrets of checks in everything that the API says.
func TestSecretsAreHidden(t *testing.T) {
	const secret = "s3cr3t"
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	w := newAPIWorld(t, `[services.web]
host = "10.0.0.1"
port = 80
[services.web.backends.file]
host = "10.1.0.1"
pulse = { type = "http", args = { host = "127.0.0.1", port = `+port+`, body = "`+secret+`", path = "/h?%74oken=`+secret+`&x=1", headers = { Authorization = "Bearer `+secret+`", X-Key = "`+secret+`", Accept = "text/plain" } } }
[services.web.backends.lines]
host = "10.1.0.4"
pulse = { type = "tcp", args = { host = "127.0.0.1", port = `+port+`, send = '`+secret+`\r\n\r\n', expect = "HTTP/1.1 400" } }
[services.web.backends.program]
host = "10.1.0.5"
pulse = { type = "exec", args = { command = ["true", "`+secret+`"] } }
`)
	events := w.follow("", "", nil)
	body := `{"host": "10.1.0.2", "pulse": {"type": "http", "args": {"path": "/h?password=` + secret + `", "headers": {"Cookie": "` + secret + `"}}}}`
	w.want(200, "PUT", "/service/web/rest", body, nil)
	w.want(200, "POST", "/overrides", `{"kind": "set", "service": "web", "backend": "posted", "ttl": "1h", "body": `+strings.Replace(body, "0.2", "0.3", 1)+`}`, nil)
	w.want(200, "PUT", "/service/args", `{"host": "10.0.0.2", "port": 80, "backends": {"args": `+strings.Replace(body, "0.2", "0.6", 1)+`}}`, nil)
	late := time.AfterFunc(patience, func() { _ = events.answer.Body.Close() })
	defer late.Stop()
	for told := ""; !strings.Contains(told, "posted"); {
		var kind string
		if kind, told = events.next(); kind == "" || strings.Contains(told, secret) {
			t.Fatalf("event %q: %s", kind, told)
		}
	}
	for _, path := range []string{
		"/service", "/metrics", "/sources", "/service/web/posted", "/overrides/web/posted", "/service/web", "/service/web/file", "/service/web/rest", "/overrides", "/overrides/web/rest", "/explain/web",
		"/explain/web/file", "/explain/web/rest", "/audit", "/status", "/health", "/plan",
		"/service/args", "/service/args/args", "/overrides/args", "/explain/args", "/explain/args/args",
	} {
		code, text := w.ask("GET", path, "")
		if code != 200 || strings.Contains(text, secret) {
			t.Errorf("GET %s: %d\n%s", path, code, text)
		}
	}
	if _, text := w.ask("GET", "/service/web/file", ""); strings.Count(text, "[hidden]") != 5 || !strings.Contains(text, "text/plain") {
		t.Errorf("what is shown of the checks:\n%s", text)
	}
	for backend, want := range map[string]string{
		"file":    `path="/h?%74oken=[hidden]&x=1" headers="Accept","text/plain","Authorization","[hidden]","X-Key","[hidden]" body="[hidden]"`,
		"lines":   `send="[hidden]" expect="HTTP/1.1 400"`,
		"program": `command="true","[hidden]"`,
	} {
		var probed httpapi.Probed
		w.want(200, "POST", "/probe/web/"+backend, "", &probed)
		if all := fmt.Sprint(probed); strings.Contains(all, secret) || !strings.Contains(probed.Check, want) || len(probed.Steps) == 0 {
			t.Errorf("the check of %s:\n%s", backend, all)
		}
	}
	// Nor in what is said of a secret that cannot be used.
	for _, pulse := range []string{
		`{"type": "http", "args": {"headers": {"Authorization": "Bearer ` + secret + `\n"}}}`,
		`{"type": "http", "args": {"headers": {"X-Api-Key": 5345345}}}`,
		`{"type": "http", "args": {"path": "/h?token=` + secret + `\n"}}`,
		`{"type": "http", "args": {"path": "/h?token=` + secret + `#x"}}`,
		`{"type": "http", "args": {"body": 5345345}}`,
		`{"type": "exec", "args": {"command": "` + secret + `"}}`,
	} {
		code, text := w.ask("PATCH", "/service/web/rest", `{"pulse": `+pulse+`}`)
		if code < 400 || code > 422 || strings.Contains(text, secret) || strings.Contains(text, "5345345") {
			t.Errorf("%s: %d\n%s", pulse, code, text)
		}
	}
	if _, text := w.ask("GET", "/audit", ""); strings.Contains(text, secret) || strings.Contains(text, "5345345") {
		t.Errorf("the audit:\n%s", text)
	}
	if strings.Contains(w.log.String(), secret) {
		t.Errorf("the log:\n%s", w.log)
	}

	// What is shown is not taken for what was meant, and another secret is another object.
	shown := strings.ReplaceAll(body, secret, "[hidden]")
	if code, text := w.ask("PUT", "/service/web/other", shown); code != 422 || !strings.Contains(text, "in place of a secret") {
		t.Errorf("PUT of what is shown: %d\n%s", code, text)
	}
	w.want(409, "PUT", "/service/web/rest", strings.Replace(body, `"`+secret, `"another`, 1), nil)
	w.want(200, "PUT", "/service/web/rest", body, nil)
}
