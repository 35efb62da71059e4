package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// farWorld is a gorb whose API takes tokens, as somebody on another host sees it.
type farWorld struct {
	*apiWorld
	token map[string]string // by role
}

const farServices = `[services.web]
host = "10.0.0.1"
port = 80
pulse = { type = "none" }

[services.web.backends.a]
host = "10.1.0.1"

[services.web.backends.b]
host = "10.1.0.2"
`

func newFarWorld(t *testing.T) *farWorld {
	t.Helper()
	w := &farWorld{token: map[string]string{}}
	text := ""
	for _, role := range []string{"read", "write", "admin"} {
		token, hash := httpapi.NewToken()
		w.token[role] = token
		text += fmt.Sprintf("[[api.tokens]]\nname = %q\nrole = %q\nhash = %q\n", role, role, hash)
	}
	t.Setenv(tokenEnv, "")
	w.apiWorld = newAPIWorld(t, text+farServices)
	return w
}

// gorb runs a command that asks the world with the token of a role, "": none, and returns what it prints and its code.
func (w *farWorld) gorb(role string, args ...string) string {
	w.t.Helper()
	if role != "" {
		file := filepath.Join(w.dir, role+".token")
		if err := os.WriteFile(file, []byte(w.token[role]+"\n"), 0o600); err != nil {
			w.t.Fatal(err)
		}
		args = append(args, "--token-file", file)
	}
	text := gorbSays(append(args, "--server", w.url)...)
	text = strings.NewReplacer(w.url, "URL", w.dir+"/", "").Replace(text)
	return clock.ReplaceAllString(text, "TIME")
}

// gorbSays runs a command, and returns what it prints, and its code if that is not 0.
func gorbSays(args ...string) string {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)
	text := stdout.String() + stderr.String()
	if code != 0 {
		text += fmt.Sprintf("code %d\n", code)
	}
	return text
}

func (w *farWorld) want(want, role string, args ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.gorb(role, args...)); diff != "" {
		w.t.Errorf("gorb %s (-want +got):\n%s", strings.Join(args, " "), diff)
	}
}

// TestPlanFar has a gorb at a URL plan: with its overrides, and for a role that may change nothing.
func TestPlanFar(t *testing.T) {
	w := newFarWorld(t)
	var patched string
	w.eventually(func() bool { // it does not wait for long
		patched = w.gorb("write", "override", "patch", "web/a", "weight=50", "--by", "ann")
		return !strings.Contains(patched, "\nnote: ")
	})
	if patched != "patch web/a {\"weight\":50}\n" {
		t.Errorf("the override: %s", patched)
	}
	w.want("# asked the gorb at URL: its own sources, 1 override in force\nnothing to do\n", "read", "plan", "--exit-code")

	file := filepath.Join(w.dir, "new.toml")
	// A file for several directors says nothing of what is one's own.
	if err := os.WriteFile(file, []byte(farServices), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want("# asked the gorb at URL: 1 override in force\nnothing to do\n", "read", "plan", "--exit-code", file)
	if err := os.WriteFile(file, []byte("[gorb]\nstate_dir = \"/elsewhere\"\n"+farServices), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.gorb("read", "plan", file); !strings.Contains(got, "gorb.state_dir: it was ") {
		t.Errorf("with another state_dir: %s", got)
	}
	text := fmt.Sprintf("[gorb]\nstate_dir = %q\nsocket = \"/nowhere\"\n", filepath.Join(w.dir, "state")) + strings.ReplaceAll(farServices, "10.1.0.2", "10.1.0.3")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := w.gorb("read", "plan", "--exit-code", file)
	if !strings.HasPrefix(got, "# asked the gorb at URL: 1 override in force\n-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 100\n") ||
		!strings.HasSuffix(got, "code 3\n") || strings.Contains(got, "10.1.0.1") {
		t.Errorf("plan of a file: %s", got)
	}
	if err := os.WriteFile(file, []byte(text+"metod = \"rr\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.gorb("read", "plan", file); !strings.HasPrefix(got, "new.toml:") || !strings.Contains(got, "metod") {
		t.Errorf("a file that is wrong: %s", got)
	}
}

// TestAskFar runs each command that asks a gorb with a URL.
func TestAskFar(t *testing.T) {
	w := newFarWorld(t)
	for _, tt := range []struct {
		role string
		args []string
		want string // part of what is printed
	}{
		{"read", []string{"status"}, "the kernel's table is not shown: it is another host's; 'gorb status' there shows it\n"},
		{"read", []string{"status", "web/b"}, "10.1.0.2:80 (b)  -         100\n"},
		{"read", []string{"status", "--json", "web/b"}, `"name": "b"`},
		{"read", []string{"status", "wob"}, `there is no service "wob"; did you mean "web"?`},
		{"read", []string{"explain", "web/a"}, `"10.1.0.1"  gorb.toml:`},
		{"read", []string{"override", "list"}, "there are no overrides\n"},
		{"read", []string{"override", "clear", "web/a"}, "code 1\n"},
		{"write", []string{"override", "hide", "web/b"}, "hide web/b\n"},
		{"write", []string{"override", "clear", "web/b"}, "cleared: hide web/b\n"},
		{"write", []string{"probe", "web/a"}, "gorb: URL: web/a is not checked: its pulse is of type none\ncode 1\n"},
		{"write", []string{"reload"}, "reading everything again\n"},
		{"admin", []string{"accept", "fleet"}, "gorb: URL: no source is called \"fleet\"\ncode 1\n"},
	} {
		if got := w.gorb(tt.role, tt.args...); !strings.Contains(got, tt.want) {
			t.Errorf("gorb %s: %s\nwant %s", strings.Join(tt.args, " "), got, tt.want)
		}
	}
	for _, args := range [][]string{{"reload", "--reason", "new & old"}, {"accept", "fleet", "--reason", "it moved"}} {
		w.gorb("admin", args...)
		var audit httpapi.AuditList
		answer := w.request("GET", "/audit?limit=1", "", http.Header{"Authorization": {"Bearer " + w.token["admin"]}})
		err := json.NewDecoder(answer.Body).Decode(&audit)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if why := args[len(args)-1]; len(audit.Entries) != 1 || audit.Entries[0].Reason != why {
			t.Errorf("gorb %s: the audit has %+v", strings.Join(args, " "), audit.Entries)
		}
	}
	if got := w.gorb("read", "status", "web/b"); strings.Contains(got, "10.1.0.1") {
		t.Errorf("of one backend: %s", got)
	}
	const none = "; no token was sent: put one into GORB_TOKEN or a file that --token-file names ('gorb token new' on the director makes one)\ncode 1\n"
	if got := w.gorb("", "reload"); !strings.HasPrefix(got, "gorb: URL: ") || !strings.HasSuffix(got, none) {
		t.Errorf("without a token: %s", got)
	}
	if got := w.gorb("read", "reload"); !strings.HasSuffix(got, "; the token was that of read.token\ncode 1\n") {
		t.Errorf("with a role that may not: %s", got)
	}
	t.Setenv(tokenEnv, "gorb_nonsense")
	got := w.gorb("", "status")
	if !strings.HasSuffix(got, "; the token was that of GORB_TOKEN\ncode 1\n") || strings.Contains(got, "nonsense") {
		t.Errorf("with a wrong one: %s", got)
	}
	t.Setenv(tokenEnv, w.token["read"])
	w.want("there are no overrides\n", "", "override", "list")
}

// TestFarServers asks what is no gorb, or not as it is asked.
func TestFarServers(t *testing.T) {
	var asked []string
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/moved/overrides":
			http.Redirect(rw, r, "/overrides", http.StatusFound)
		case "/page/overrides":
			http.Error(rw, "<html>", http.StatusBadGateway)
		case "/text/overrides":
			fmt.Fprint(rw, "hello")
		default:
			fmt.Fprint(rw, `{"overrides": []}`)
		}
	})
	tls, plain := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	defer tls.Close()
	defer plain.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(tokenEnv, "gorb_secret")
	for _, tt := range []struct {
		server, ca string
		want       string
	}{
		{tls.URL, ca, "there are no overrides\n"},
		{plain.URL + "/", "", "there are no overrides\n"},
		{tls.URL, "", ": its certificate is signed by nobody whom this machine trusts: "},
		{strings.Replace(tls.URL, "127.0.0.1", "localhost", 1), ca, "x509: certificate is valid for "},
		{strings.Replace(tls.URL, "https", "http", 1), "", "it speaks TLS alone; https:// asks so\ncode 1\n"},
		{strings.Replace(plain.URL, "http", "https", 1), "", ": it speaks HTTP without TLS; http:// asks so\ncode 1\n"},
		{"http://127.0.0.1:1", "", ": nobody listens there (connection refused)\ncode 1\n"},
		{plain.URL + "/moved", "", "it says 302 Found to /overrides, which is not followed\ncode 1\n"},
		{plain.URL + "/page", "", "it says 502 Bad Gateway, and not in gorb's words\ncode 1\n"},
		{plain.URL + "/text", "", "the answer is not what this gorb understands: "},
	} {
		args := []string{"override", "list", "--server", tt.server}
		if tt.ca != "" {
			args = append(args, "--ca-file", tt.ca)
		}
		if got := gorbSays(args...); !strings.Contains(got, tt.want) || strings.Contains(got, "gorb_secret") {
			t.Errorf("%s: %s\nwant %s", tt.server, got, tt.want)
		}
	}
	for _, a := range asked {
		if a != "Bearer gorb_secret" {
			t.Errorf("it was shown %q", a)
		}
	}
}

// TestOverrideTells has overrides that are likely a mistake, or that the kernel does not have at once.
func TestOverrideTells(t *testing.T) {
	w := newAPIWorld(t, farServices+"[services.mail]\nhost = \"10.0.0.1\"\nport = 25\n"+
		"[services.mail.backends.a]\nhost = \"127.0.0.1\"\nport = 1\npulse = { type = \"none\" }\n"+
		"[services.mail.backends.b]\nhost = \"127.0.0.1\"\nport = 2\npulse = { type = \"tcp\", interval = \"1h\" }\n")
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"patch web persistence_netmask=255.255.255.0", []string{"\nwarning: services.web.persistence_netmask: "}},
		{"hide mail/a", []string{"hide mail/a\nnote: the kernel does not have all of it yet: ", "; it waits until "}},
	} {
		var got string
		w.eventually(func() bool { // it does not wait for long
			got = gorbSays(append([]string{"override", "--socket", w.socket()}, strings.Fields(tt.args)...)...)
			return !strings.Contains(got, "it is stored, and ")
		})
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("override %s: %s\nwant %s", tt.args, got, want)
			}
		}
	}
}
