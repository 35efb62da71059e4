package spec

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMergeSaysTheRest has documents that are wrong alone and together: everything is said at once, and nothing that
// only follows from a field that could not be read.
func TestMergeSaysTheRest(t *testing.T) {
	docs := []string{
		`[services.alone]
host = "10.0.0.1"
port = 70000
[services.alone.backends.a]
hots = "10.1.0.1"
[services.alone.backends.b]
host = "10.1.0.2"
port = 80
method = "dr"

[services.one]
host = "10.0.0.1"
port = 80
method = "sh"
flags = "mh-port"
protocol = "TCP"
[services.one.backends.a]
host = "10.1.0.1"
[services.one.backends.b]
host = "10.1.0.1"
[services.one.backends.c]
weight = -1
`,
		`[services.two]
host = "10.0.0.2"
port = 0
[services.two.backends.a]
host = "fd00::1"
method = "direct"
[services.three]
host = "10.0.0.2"
port = 0
persistent = "half an hour"
[services]
five = 5
four.host = "10.0.0.4"
`,
	}
	want := `0.toml:3: services.alone.port: 70000 is over 65535
0.toml:5: services.alone.backends.a.hots: there is no such key, did you mean "host"?
0.toml:15: services.one.flags: "mh-port" needs method mh, and the method is sh
0.toml:16: services.one.protocol: "TCP" is not known, did you mean "tcp"?
0.toml:19: services.one.backends.b: 10.1.0.1:80 is backend a already
0.toml:21: services.one.backends.c.host: missing; a backend needs one
0.toml:22: services.one.backends.c.weight: -1 is under 0
1.toml:3: services.two.port: 0, every port, needs persistent
1.toml:6: services.two.backends.a.method: "direct" is not known; known are nat, dr, tunnel, ipip, gue, gre
1.toml:10: services.three.persistent: "half an hour" is not a duration such as "5m" or "1m30s"
1.toml:12: services.five: a number, wanted a table
1.toml:13: services.four.port: missing; a service needs a port or a fwmark
`
	var decoded []*Document
	for i, text := range docs {
		d, err := Decode(string(rune('0'+i))+".toml", TOML, []byte(text))
		if d == nil || err == nil {
			t.Fatalf("document %v, error %v", d, err)
		}
		decoded = append(decoded, d)
	}
	_, err := Merge(decoded...)
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error %v", err)
	}
	if d := cmp.Diff(strings.TrimSpace(want), problems.Error()); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
}
