package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
)

func TestFromPublished(t *testing.T) {
	for _, tt := range []struct{ from, want string }{
		// GORB's README, both generations.
		{
			`set web {"host": "10.0.0.1", "port": 80, "protocol": "tcp", "method": "rr", "persistent": true}`,
			`{"host":"10.0.0.1","method":"rr","persistent":true,"port":80,"protocol":"tcp"}`,
		},
		{
			`set web/a {"host": "10.1.0.1", "port": 8080, "method": "nat", "weight": 100, "pulse": {"type": "http", "interval": "5s", "args": {"method": "GET", "path": "/health", "expect": 404}}}`,
			`{"host":"10.1.0.1","method":"nat","port":8080,"pulse":{"args":{"expect":404,"method":"GET","path":"/health"},"interval":"5s","type":"http"},"weight":100}`,
		},
		{
			`set web/a {"address": "10.1.0.1", "port": 8080, "pulse": {"type": "http", "path": "/health", "expect": "200", "port": "81"}}`,
			`{"host":"10.1.0.1","port":8080,"pulse":{"args":{"expect":"200","path":"/health","port":"81"},"type":"http"}}`,
		},
		// What GORB itself wrote, to its store and to clients.
		{
			`set web {"host":"","port":80,"protocol":"TCP","method":"wrr","flags":"","persistent":false}`,
			`{"flags":"","method":"wrr","persistent":false,"port":80,"protocol":"tcp"}`,
		},
		{
			`set web/a {"host":"10.1.0.1","port":8080,"weight":100,"method":"NAT","pulse":{"type":"tcp","interval":" +5S\n","args":null},"vsid":"web"}`,
			`{"host":"10.1.0.1","method":"nat","port":8080,"pulse":{"interval":"+5S","type":"tcp"},"weight":100}`,
		},
		{`set web/a {"Host":"10.1.0.1","PORT":80,"vsid":"","weight":null,"pulse":null,"method":""}`, `{"host":"10.1.0.1","port":80}`},
		{`set web/a {"host":"10.1.0.1","pulse":{"Type":"","interval":"","args":null,"path":"/"}}`, `{"host":"10.1.0.1","pulse":{"args":{"path":"/"}}}`},
		{`set web/a {"host":"","port":80}`, `{"port":80}`},
		// Of a patch null takes away.
		{`patch web {"host": ""}`, `{"host":null,"host_name":null}`},
		{`patch web {"address": "10.0.0.2"}`, `{"host":"10.0.0.2","host_name":null}`},
		{`patch web {"host": "10.0.0.2", "host_name": "b.example"}`, `{"host":"10.0.0.2","host_name":"b.example"}`},
		{`patch web/a {"host": "", "weight": 0, "method": "", "vsid": null}`, `{"weight":0}`},
		{`patch web/a {"host":"","port":0,"weight":50,"method":"","pulse":{"type":"","interval":"","args":null}}`, `{"weight":50}`},
		{`patch web/a {"Pulse": {"Type": "", "Args": null}, "weight": 1}`, `{"weight":1}`},
		{`patch web/a {"weight": 1, "pulse": {"type": "", "interval": null, "args": {"path": "", "port": null}}}`, `{"weight":1}`},
		{`patch web/a {"weight": 1, "pulse": {"type": "", "path": null, "args": {}}}`, `{"weight":1}`},
		{`patch web/a {"pulse": {}}`, `{}`},
		{`patch web {"pulse": {"type": ""}}`, `{}`},
		{`patch web/a {"pulse": {"type": "", "path": "/"}}`, `{"pulse":{"args":{"path":"/"}}}`},
		{`patch web/a {"port": "0"}`, `{}`},
		{`patch web {"port": 0}`, `{"port":0}`},
		{`set web/a {"port": 0}`, `{"port":0}`},
		{`patch web/a {"weight": null, "pulse": null}`, `{"pulse":null,"weight":null}`},
		{`patch web/a {"pulse": {"path": null, "interval": null, "args": {"expect": null}}}`, `{"pulse":{"args":{"expect":null,"path":null},"interval":null}}`},
		{`patch web/a {"pulse": {"args": null}}`, `{"pulse":{"args":null}}`},
		// What is not GORB's stays, for the schema to judge.
		{`set web {"Drain": "1m", "drain": null, "vsid": "x", "backends": {"a": {"Host": "b"}}}`, `{"Drain":"1m","backends":{"a":{"Host":"b"}},"drain":null,"vsid":"x"}`},
		{`set web/a {"pulse": 5, "port": "80", "weight": 1.50}`, `{"port":"80","pulse":5,"weight":1.50}`},
		{`set web/a {"pulse": {"args": 5, "path": "/<&>"}}`, `{"pulse":{"args":5,"path":"/<&>"}}`},
		// What is wrong with it.
		{`set web {"port": 80,}`, "syntax: "},
		{`set web`, "syntax: "},
		{`set web null`, "type: "},
		{`set web {"port": 80, "port": 81}`, "twice: services.web.port"},
		{`set web {"port": 80, "Port": 81}`, "twice: services.web.Port"},
		{`set web {"host": "10.0.0.1", "address": "10.0.0.1"}`, "combination: services.web.address"},
		{`set web/a {"pulse": {"path": "/", "args": {"path": "/"}}}`, "combination: services.web.backends.a.pulse.path"},
		{`set web/a {"vsid": "mail"}`, "combination: services.web.backends.a.vsid"},
		{`set web/a {"vsid": 5}`, "type: services.web.backends.a.vsid"},
	} {
		p, err := FromPublished(over(tt.from)[0])
		got := string(p.Body)
		if problems, ok := errors.AsType[Problems](err); ok {
			got = string(problems[0].Kind) + ": " + problems[0].Path
		}
		if got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.from, got, tt.want)
		}
	}
}

// FuzzFromPublished: whatever a body is, what comes of it is JSON that stays as it is, or Problems. A body that the
// schema takes already means the same.
func FuzzFromPublished(f *testing.F) {
	f.Add(false, false, []byte(`{"address":"a.example","port":80,"FLAGS":"","persistent":null,"host_name":"b"}`))
	f.Add(true, false, []byte(`{"Host":"","vsid":"web","pulse":{"Path":"/","Args":null,"interval":" 5S\t","type":""}}`))
	f.Add(false, true, []byte(`{"backends":{"a":{"host":"a.example","port":1},"b":null,"c":{"host":"10.0.0.1"},"d":"x"}}`))
	f.Add(true, true, []byte(`{"host":null,"weight":1e400,"pulse":{"args":{"expect":"\ud800"},"hoſt":[{}]}}`))
	f.Fuzz(func(t *testing.T, backend, patch bool, body []byte) {
		o := Override{Kind: Set, Service: "web", Body: body}
		if backend {
			o.Backend = "a"
		}
		if patch {
			o.Kind = Patch
		}
		p, err := FromPublished(o)
		if err != nil {
			if problems, ok := err.(Problems); !ok || len(problems) == 0 || problems[0].Kind == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		again := o
		again.Body = p.Body
		twice, err := FromPublished(again)
		if err != nil || !json.Valid(p.Body) || !bytes.Equal(twice.Body, p.Body) {
			t.Errorf("%s is %s, and that %s: %v", body, p.Body, twice.Body, err)
		}
		if o.Check() == nil {
			if err := again.Check(); err != nil {
				t.Errorf("%s is right, and %s is not: %v", body, p.Body, err)
			}
		}
		addresses := make(map[string]netip.Addr)
		for _, n := range p.HostNames() {
			addresses[n.Name] = netip.MustParseAddr("10.0.0.1")
		}
		again = p.Resolved(addresses)
		if last, err := FromPublished(again); err != nil || len(last.HostNames()) > 0 {
			t.Errorf("%s resolved is %s: %v", p.Body, again.Body, err)
		}
	})
}
