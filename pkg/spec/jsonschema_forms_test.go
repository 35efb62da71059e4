package spec

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSchemaForms has strings of which form matters: what Decode takes at its edges, and what neither takes.
func TestSchemaForms(t *testing.T) {
	schema := compiled(t, JSONSchema())
	for _, tt := range []struct {
		document  string // with QQQ for each value
		good, bad []any
	}{
		{
			`{"services": {"a": {"drain": QQQ}}}`,
			[]any{"0", "-0s", "+5s", ".5h", "1.s", "1h2m3.5s", "1ns", "5us", "5µs", "5μs", "9ms", " 5S ", "\u00a010min\u2003", "3Seconds", "2HOURS", "31h"},
			[]any{"", "5", "5 sec", "1second", "1d", "1h 2m", "s", "1e3s", "five", 5, 5.5, true},
		},
		{
			`{"gorb": {"resync": QQQ}}`, []any{"1s", "1000ms", "1h", "60MIN", "3600sec"}, []any{"0", "0s", "0.0h", "00min"},
		},
		{
			`{"services": {"a": {"persistent": QQQ}}}`, []any{true, false, "1s", "744h", "5min"}, []any{"0s", "yes", 360, 1.5, nil},
		},
		{
			`{"services": {"a": {"persistence_netmask": QQQ}}}`,
			[]any{0, 128, "0", "/24", "128", "255.255.0.255", "0032"},
			[]any{-1, 129, "129", "//24", "24/", "255.255.255", "256.0.0.0", "::", true},
		},
		{
			`{"consul": {"warn_below": QQQ}}`, []any{"0%", "100%", "007%"}, []any{"101%", "50", "-1%", " 5%", "5 %", "1.5%", "%", 50},
		},
		{
			`{"services": {"a": {"host": QQQ}}}`,
			[]any{"10.0.0.1", "0.0.0.0", "255.255.255.255", "::", "2001:DB8::1", "64:ff9b::192.0.2.1", "fe80::1"},
			[]any{"", "10.0.0", "10.0.0.256", "10.0.0.01", "web1", "web.example", "10.0.0.1/32", "10.0.0.1:80", "[::1]", "fe80::1%eth0", 1},
		},
		{
			`{"probe": {"allow": [QQQ]}}`, []any{"10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "::1", "0.0.0.0/0"}, []any{"10/8", "web1", "10.0.0.0/129", 10},
		},
		{
			`{"services": {"a": {"flags": QQQ}}}`,
			[]any{"", "ops", "sh-fallback|sh-port", "ops|ops"},
			[]any{"|", "ops|", "ops,sh-port", "OPS", " ops", "flag-4", []any{"ops"}},
		},
		{`{"services": {"a": {"pe": QQQ}}}`, []any{"", "sip"}, []any{"SIP", "none", 0}},
		{`{"services": {"a": {"pulse": {"type": QQQ}}}}`, []any{"tcp", "TCP", "HttpS", "none"}, []any{"", "icmp", " tcp", "tcps", 1}},
		{`{"services": {"a": {"method": QQQ}}}`, []any{"none", "twos"}, []any{"", "RR", "wrr ", "random"}},
		{
			`{"services": {"a": {"pulse": {"args": {"port": QQQ}}}}}`, []any{1, 65535, "80", "0080"}, []any{0, 65536, "", "http", "+80", "8 0", 8.5, true},
		},
		{
			`{"services": {"a": {"pulse": {"args": {"expect": QQQ}}}}}`,
			[]any{100, 599, "200", "x", []any{200, "300-399", " 404 ", "500,502-503"}},
			[]any{99, 600, "", []any{}, []any{99}, []any{600}, []any{true}, true, 200.5},
		},
		{
			`{"services": {"a": {"pulse": {"args": {"body": QQQ}}}}}`,
			[]any{"a\r\nb", strings.Repeat("a", maxBody)},
			[]any{"", strings.Repeat("a", maxBody+1), 1},
		},
		{
			`{"services": {"a": {"pulse": {"args": {"method": QQQ}}}}}`, []any{"GET", "x-y.z"}, []any{"", "G T", "GET/", strings.Repeat("a", 33)},
		},
		{`{"services": {"a": {"pulse": {"args": {"path": QQQ}}}}}`, []any{"", "health", "/a b?c=d"}, []any{"/#a", strings.Repeat("a", maxArg+1)}},
		{
			`{"services": {"a": {"pulse": {"args": {"host_header": QQQ}}}}}`, []any{"www.example:80", "[::1]", "a_b-c"}, []any{"", "a b", "a/b", "é"},
		},
		{`{"services": {"a": {"pulse": {"args": {"headers": {QQQ: "x"}}}}}}`, []any{"X-Key", "a!#$%&'*+.^_|~"}, []any{"", "a b", "a:"}},
		{`{"services": {"a": {"pulse": {"args": {"command": QQQ}}}}}`, []any{[]any{"a"}, []any{"a", ""}}, []any{"a", []any{}, []any{1}}},
		{`{"gorb": {"listen": QQQ}}`, []any{"", ":0", ":04672", "[::1]:80", "localhost:65535", "10.0.0.1:1"}, []any{"4672", "a:", "a:http", 4672}},
		{`{"gorb": {"interface": QQQ}}`, []any{"eth0", "a%d", "..."}, []any{"", "a/b", "a b", "a:1", strings.Repeat("a", 16)}},
		{`{"gorb": {"vip_interface": QQQ}}`, []any{"eth0", map[string]any{"name": "a"}}, []any{"", true, map[string]any{"create": "a"}}},
		{`{"gorb": {"state_dir": QQQ}}`, []any{"", "/", "/a\u2028b"}, []any{"a", "./a", " /a"}},
		{`{"gorb": {"socket": QQQ}}`, []any{"", "/a"}, []any{"a", "/" + strings.Repeat("a", maxSocket)}},
		{`{"consul": {"address": QQQ}}`, []any{"http://a", "HTTPS://a:1/"}, []any{"", "a:8500", "consul://a", "http:a"}},
		{`{"consul": {"meta": {QQQ: ""}}}`, []any{"a-B_1", strings.Repeat("a", maxConsulKey)}, []any{"", "a.b", "é", strings.Repeat("a", maxConsulKey+1)}},
		{`{"sources": [{"url": QQQ}]}`, []any{"a", "https://a/", "consul://a/b"}, []any{"", "-", 1, strings.Repeat("a", maxPath+1)}},
		{`{"sources": [{"url": "consul://a/b", "datacenter": QQQ}]}`, []any{"a", "a.b"}, []any{"", "a b", "a/b"}},
		{`{"sources": QQQ}`, []any{[]any{}}, []any{[]any{map[string]any{"name": "a"}}, []any{"a.toml"}, map[string]any{"url": "a"}}},
		{`{"include": QQQ}`, []any{[]any{}, []any{"a*"}}, []any{"a", []any{""}, []any{1}}},
		{`{"ipvs": {"sysctl": {"drop_entry": QQQ}}}`, []any{0, 3, true, "3", " 1 "}, []any{-1, 4, 1.5, nil, []any{}}},
		{`{"ipvs": {"sysctl": {QQQ: 1}}}`, []any{"conntrack", "something_else"}, []any{"", "net.ipv4.vs.conntrack", "Conntrack", "a-b"}},
		{`{"ipvs": {"timeouts": {"tcp": QQQ}}}`, []any{"1s", "15min"}, []any{"0s", 900, ""}},
		{`{"gorb": {"debug_listen": QQQ}}`, []any{"", "localhost:6060"}, []any{"localhost", 6060}},
		{`{"api": {"hosts": [QQQ]}}`, []any{"a", "gorb.example."}, []any{"", "a:1", "a b", 1}},
		{`{"api": {"cors": [QQQ]}}`, []any{"https://a", "http://[2001:db8::1]:8080"}, []any{"*", "a", "https://a/", "null"}},
		{
			`{"api": {"tokens": QQQ}}`,
			[]any{[]any{}},
			[]any{[]any{map[string]any{"name": "a"}}, []any{map[string]any{"name": "a", "role": "root", "hash": "x"}}, map[string]any{}},
		},
		{`{"services": {QQQ: {}}}`, []any{"a", "...", "a@b:c_d-e.f"}, []any{"", ".", "..", "a b", "a/b", "é", strings.Repeat("a", 129)}},
	} {
		for want, values := range map[bool][]any{true: tt.good, false: tt.bad} {
			for _, v := range values {
				value, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				text := strings.ReplaceAll(tt.document, "QQQ", string(value))
				_, err = Decode("x", JSON, []byte(text))
				against := schema.Validate(generic(t, json.RawMessage(text)))
				if (err == nil) != want || (against == nil) != want {
					t.Errorf("%.200s: want it accepted: %t; Decode: %v; the schema: %v", text, want, err, against)
				}
			}
		}
	}
}
