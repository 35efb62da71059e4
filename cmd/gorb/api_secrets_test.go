package main

import (
	"strings"
	"testing"
	"time"
)

// TestSecretsAreHidden looks for the secrets of checks in everything that the API says.
func TestSecretsAreHidden(t *testing.T) {
	const secret = "s3cr3t"
	w := newAPIWorld(t, `[services.web]
host = "10.0.0.1"
port = 80
[services.web.backends.file]
host = "10.1.0.1"
pulse = { type = "http", args = { body = "`+secret+`", path = "/h?token=`+secret+`&x=1", headers = { Authorization = "Bearer `+secret+`", X-Api-Key = "`+secret+`", Accept = "text/plain" } } }
`)
	events := w.follow("", "", nil)
	body := `{"host": "10.1.0.2", "pulse": {"type": "http", "args": {"path": "/h?password=` + secret + `", "headers": {"Cookie": "` + secret + `"}}}}`
	w.want(200, "PUT", "/service/web/rest", body, nil)
	w.want(200, "POST", "/overrides", `{"kind": "set", "service": "web", "backend": "posted", "ttl": "1h", "body": `+strings.Replace(body, "0.2", "0.3", 1)+`}`, nil)
	late := time.AfterFunc(10*time.Second, func() { _ = events.answer.Body.Close() })
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
	} {
		code, text := w.ask("GET", path, "")
		if code != 200 || strings.Contains(text, secret) {
			t.Errorf("GET %s: %d\n%s", path, code, text)
		}
	}
	if _, text := w.ask("GET", "/service/web/file", ""); strings.Count(text, "[hidden]") != 5 || !strings.Contains(text, "text/plain") {
		t.Errorf("what is shown of the checks:\n%s", text)
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
