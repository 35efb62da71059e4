package spec

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestOptionsJSON(t *testing.T) {
	d := merge(t, decodedWith(t, `{"services": {
		"web": {"host": "10.0.0.1", "port": 80, "backends": {"a": {"host": "10.1.0.1"},
			"b": {"host": "10.1.0.2", "weight": 0, "method": "dr", "pulse": {"type": "http", "args": {"path": "/h", "expect": 204}}}}},
		"marked": {"fwmark": 3, "method": "sh", "flags": "sh-port", "persistent": "2m", "drain": "1m"},
		"dns": {"host": "2001:db8::1", "port": 53, "protocol": "udp", "backends": {"a": {"host": "2001:db8::2"}}}
	}}`, JSON, Options{}))
	web, marked, dns := d.service("web"), d.service("marked"), d.service("dns")
	for what, got := range map[string][2]string{
		"web": {
			string(web.OptionsJSON()),
			`{"host": "10.0.0.1", "port": 80, "protocol": "tcp", "method": "wrr", "flags": "", "persistent": false}`,
		},
		"marked": {
			string(marked.OptionsJSON()),
			`{"fwmark": 3, "family": "ipv4", "method": "sh", "flags": "sh-port", "persistent": "2m", "drain": "1m"}`,
		},
		"web/a": {
			string(web.BackendOptionsJSON(web.backend("a"))),
			`{"host": "10.1.0.1", "port": 80, "weight": 100, "method": "nat", "pulse": {"type": "tcp", "interval": "1m", "args": {}}}`,
		},
		"web/b": {
			string(web.BackendOptionsJSON(web.backend("b"))),
			`{"host": "10.1.0.2", "port": 80, "weight": 0, "method": "dr", "pulse": {"type": "http", "interval": "1m", "args": {"expect": 204, "path": "/h"}}}`,
		},
		"dns/a": {
			string(dns.BackendOptionsJSON(dns.backend("a"))),
			`{"host": "2001:db8::2", "port": 53, "weight": 100, "method": "nat", "pulse": {"type": "none", "interval": "1m", "args": {}}}`,
		},
	} {
		if got[0] != got[1] || !json.Valid([]byte(got[0])) {
			t.Errorf("%s:\n%s, want\n%s", what, got[0], got[1])
		}
	}
}

// TestHideSecretsEscaped has JSON that says the same in other letters.
func TestHideSecretsEscaped(t *testing.T) {
	for _, body := range []string{
		`{"pulse":{"args":{"he\u0061ders":{"Authorization":"hunter2"}}}}`, `{"pulse":{"args":{"path":"/x\u003ftoken=hunter2"}}}`,
	} {
		if got := string(HideSecrets([]byte(body))); strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// TestProblemsTellNoSecrets has secrets in what is wrong: it is told without them, as it goes to the log and the audit.
func TestProblemsTellNoSecrets(t *testing.T) {
	for _, args := range []string{
		`{"headers":{"Authorization":"Bearer 777777\n"}}`, `{"headers":{"X-Token":777777}}`, `{"headers":{"Cookie":["777777"]}}`,
		`{"headers":"Authorization: 777777"}`, `{"path":"/x?token=777777#a"}`, `{"path":"/x?a=b c&token=777777"}`, `{"path":"http://h/x?token=777777"}`,
		`{"path":"http://ops:777777@h/x"}`,
	} {
		o := Override{Kind: Patch, Service: "web", Backend: "a", Body: []byte(`{"pulse":{"type":"http","args":` + args + `}}`)}
		if err := o.Check(); err == nil || strings.Contains(err.Error(), "777777") {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestProblemsTellNoSecretsElsewhere has what a table is meant to have where the table itself is to be, and a body that is none.
func TestProblemsTellNoSecretsElsewhere(t *testing.T) {
	for _, body := range []string{
		`{"pulse":"http token=777777"}`, `{"pulse":777777}`, `{"pulse":["777777"]}`, `{"pulse":{"args":"token=777777"}}`,
		`{"pulse":{"type":"http","args":{"headers":"Authorization: 777777"}}}`, `{"pulse":{"type":"exec","args":{"command":"x 777777"}}}`,
		`"pulse token=777777"`, `777777`, `"777777 is 777777"`,
	} {
		for _, o := range []Override{{Kind: Set, Service: "web"}, {Kind: Patch, Service: "web", Backend: "a"}} {
			o.Body = []byte(body)
			_, published := FromPublished(o)
			for _, err := range []error{o.Check(), published} {
				if err != nil && strings.Contains(err.Error(), "777777") {
					t.Errorf("%s: %v", body, err)
				}
			}
			if o.Check() == nil {
				t.Errorf("%s is taken", body)
			}
		}
	}
	for _, file := range []string{
		"services.web.pulse = 'http token=777777'", "defaults.backend.pulse.args = '777777'", "defaults.backend = '777777'", "services = '777777'",
		"services.web.backends.a = 'token=777777'", "api.tokens = '777777'", "api.users = ['ops:777777']", "sources = 'https://ops:777777@h/'",
	} {
		if _, err := Decode("gorb.toml", TOML, []byte(file)); err == nil || strings.Contains(err.Error(), "777777") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
