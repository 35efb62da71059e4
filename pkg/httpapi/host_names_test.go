package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// book is a Resolver that knows some names, and never answers for others.
type book map[string][]string

func (b book) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if network != "ip" {
		return nil, errors.New("asked for " + network)
	}
	list, known := b[host]
	if !known {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if len(list) == 1 && list[0] == "" {
		return nil, errors.New("lookup " + host + ": no such host")
	}
	var all []netip.Addr
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, nil
}

var someNames = book{
	"both.example": {"2001:db8::1", "192.0.2.7", "192.0.2.8"}, "mapped.example": {"::ffff:192.0.2.9"},
	"six.example": {"2001:db8::2", "2001:db8::3"}, "local": {"fe80::1%eth0"}, "gone.example": {""}, "none.example": {},
}

// TestHostIsResolved has names in host: they are resolved once, when they are written.
func TestHostIsResolved(t *testing.T) {
	for _, tt := range []struct{ do, body, want, stored string }{
		{"PUT /service/web/b", `{"host": "10.1.0.7"}`, "200 created", `set web/b {"host":"10.1.0.7"}`},
		{"PUT /service/web/b", `{"host": "both.example"}`, "200 created", `set web/b {"host":"192.0.2.7","host_name":"both.example"}`},
		{"PUT /service/web/b", `{"address": "mapped.example"}`, "200 created", `set web/b {"host":"192.0.2.9","host_name":"mapped.example"}`},
		{"PATCH /service/web", `{"host": "both.example"}`, "200 changed", `patch web {"host":"192.0.2.7","host_name":"both.example"}`},
		{"PUT /service/six", `{"host": "six.example", "port": 80}`, "200 created", `set six {"host":"2001:db8::2","host_name":"six.example","port":80}`},
		{"PUT /service/web/b", `{"host": "six.example"}`, "400 incompatible address families " +
			"[services.web.backends.b.host: 2001:db8::2 is ipv6 and the service ipv4; only tunnels (tunnel, gue, gre) cross families, and this is nat]", ""},
		{"PUT /service/web/b", `{"host": "gone.example"}`, `400 lookup gone.example: no such host [services.web.backends.b.host: "gone.example" cannot be resolved]`, ""},
		{"PUT /service/web/b", `{"host": "none.example"}`, `400 lookup none.example: no such host [services.web.backends.b.host: "none.example" cannot be resolved]`, ""},
		{"PUT /service/web/b", `{"host": "slow.example"}`, `400 context deadline exceeded [services.web.backends.b.host: "slow.example" cannot be resolved]`, ""},
		{"PUT /service/web/b", `{"host": "no host"}`, `400 services.web.backends.b.host: "no host" is no address [x]`, ""},
		{"PUT /service/web/b", `{"host": 7}`, `400 [x]`, ""},
		// Of the backends in a service.
		{
			"PUT /service/six", `{"host":"six.example","port":80,"backends":{"a":{"host":"six.example"},"b":{"host":"2001:db8::9"}}}`, "200 created",
			`set six {"backends":{"a":{"host":"2001:db8::2","host_name":"six.example"},"b":{"host":"2001:db8::9"}},"host":"2001:db8::2","host_name":"six.example","port":80}`,
		},
		{
			"PATCH /service/web", `{"backends":{"a":{"host":"both.example"},"b":{"host":"mapped.example"}}}`, "200 changed",
			`patch web/a {"host":"192.0.2.7","host_name":"both.example"}; set web/b {"host":"192.0.2.9","host_name":"mapped.example"}`,
		},
		{
			"PUT /service/new", `{"host":"gone.example","port":1,"backends":{"a":{"host":"both.example"},"b":{"host":"slow.example"},"c":{"host":"gone.example"}}}`,
			`400 lookup gone.example: no such host [services.new.host: "gone.example" cannot be resolved]` +
				` [services.new.backends.b.host: "slow.example" cannot be resolved] [services.new.backends.c.host: "gone.example" cannot be resolved]`, "",
		},
		{
			"PATCH /service/web", `{"backends":{"a":{"host":"slow.example"},"b":{"host":"slower.example"}}}`,
			`400 context deadline exceeded [services.web.backends.a.host: "slow.example" cannot be resolved]` +
				` [services.web.backends.b.host: "slower.example" cannot be resolved]`, "",
		},
		{"PUT /service/web/b?dry_run=true", `{"host": "both.example"}`, "200 created", ""},
		{"PATCH /service/web?dry_run=true", `{"backends":{"b":{"host":"gone.example"}}}`, `400 lookup gone.example: no such host [services.web.backends.b.host: "gone.example" cannot be resolved]`, ""},
		// In what is written as it is.
		{"POST /overrides", `{"kind":"set","service":"web","backend":"b","body":{"host":"both.example"}}`, "200", `set web/b {"host":"192.0.2.7","host_name":"both.example"}`},
		{"POST /overrides", `{"kind":"patch","service":"web","body":{"host":"both.example"}}`, "200", `patch web {"host":"192.0.2.7","host_name":"both.example"}`},
		{
			"POST /overrides", `{"kind":"set","service":"new","body":{"host":"both.example","port":1,"backends":{"a":{"host":"mapped.example"}}}}`, "200",
			`set new {"backends":{"a":{"host":"192.0.2.9","host_name":"mapped.example"}},"host":"192.0.2.7","host_name":"both.example","port":1}`,
		},
		{
			"POST /overrides", `{"kind":"patch","service":"web","body":{"backends":{"a":{"host":"mapped.example"}}}}`, "200",
			`patch web {"backends":{"a":{"host":"192.0.2.9","host_name":"mapped.example"}}}`,
		},
		{"POST /overrides?dry_run=true", `{"kind":"set","service":"web","backend":"b","body":{"host":"both.example"}}`, "200", ""},
		{
			"POST /overrides", `{"kind":"patch","service":"web","body":{"backends":{"a":{"host":"gone.example"}}}}`,
			`400 lookup gone.example: no such host [services.web.backends.a.host: "gone.example" cannot be resolved]`, "",
		},
		{"POST /overrides", `{"kind":"set","service":"web","backend":"b","body":{"host":"slow.example"}}`, `400 context deadline exceeded [services.web.backends.b.host: "slow.example" cannot be resolved]`, ""},
		{"POST /overrides", `{"kind":"set","service":"web","backend":"b","body":{"host":"no host"}}`, "422 [x]", ""},
		{"POST /overrides", `{"kind":"hide","service":"web","backend":"a","body":{"host":"slow.example"}}`, "422 [x]", ""},
	} {
		t.Run(tt.do+tt.body, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := over(t, web)
				h := New(f, Options{Access: open(), Log: zerolog.Nop(), Resolver: someNames})
				before := time.Now()
				method, target, _ := strings.Cut(tt.do, " ")
				w := exchange(h, method, target, tt.body)
				got := told(t, w.Body.Bytes(), w.Code)
				if strings.HasSuffix(tt.want, "[x]") { // the words are spec's
					got, tt.want = got[:3], tt.want[:3]
				}
				if got != tt.want || stored(f) != tt.stored || time.Since(before) > resolveTime {
					t.Errorf("after %v\ngot  %s; %s\nwant %s; %s", time.Since(before), got, stored(f), tt.want, tt.stored)
				}
			})
		})
	}
}

// TestHostIsThereAlready: what is asked for again by the same names is so already, as with one name.
func TestHostIsThereAlready(t *testing.T) {
	const exists = "409 specified object already exists [new: it is there and is another; PATCH changes it, ?replace=true takes its place]"
	f := over(t, web)
	h := New(f, Options{Access: open(), Log: zerolog.Nop(), Resolver: someNames})
	for _, tt := range [][3]string{
		{"PUT /service/new", `{"host":"10.0.0.3","port":1,"backends":{"a":{"host":"both.example"}}}`, "200 created"},
		{"PUT /service/new", `{"host":"10.0.0.3","port":1,"backends":{"a":{"host":"both.example"}}}`, "200 unchanged"},
		{"PUT /service/new", `{"host":"10.0.0.3","port":1,"backends":{"a":{"host":"192.0.2.7","host_name":"both.example"}}}`, "200 unchanged"},
		{"PUT /service/new/a", `{"host":"both.example"}`, "200 unchanged"},
		{"PATCH /service/new", `{"backends":{"a":{"host":"both.example"}}}`, "200 unchanged"},
		{"PUT /service/new", `{"host":"10.0.0.3","port":1,"backends":{"a":{"host":"mapped.example"}}}`, exists},
		{"PUT /service/new", `{"host":"10.0.0.3","port":1,"backends":{"a":{"host":"192.0.2.7"}}}`, exists}, // the name would go
	} {
		method, target, _ := strings.Cut(tt[0], " ")
		w := exchange(h, method, target, tt[1])
		if got := told(t, w.Body.Bytes(), w.Code); got != tt[2] {
			t.Errorf("%s %s: %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}

// TestNameGoesWithItsHost has the hosts of a backend change: the name that is shown is that of the address, where there is one.
func TestNameGoesWithItsHost(t *testing.T) {
	const whole = `set web {"backends":{"a":{"host":"192.0.2.1","host_name":"moves.example"}},"host":"10.0.0.1","port":80}`
	const named = `{"host":"192.0.2.2","host_name":"moves.example"}`
	for _, tt := range []struct {
		name    string
		do      []string // the names have other addresses for the last
		stored  string
		is      string // the host, and its name
		outcome string
	}{
		{"a name that has another address", []string{
			`PUT /service/web?replace=true {"host":"10.0.0.1","port":80,"backends":{"a":{"host":"moves.example"}}}`,
			`PATCH /service/web/a {"host":"moves.example"}`,
		}, whole + `; patch web/a ` + named, "192.0.2.2 moves.example", "200 changed"},
		{"it is patched in its service", []string{
			`PUT /service/web?replace=true {"host":"10.0.0.1","port":80,"backends":{"a":{"host":"moves.example"}}}`,
			`PATCH /service/web {"backends":{"a":{"host":"moves.example"}}}`,
		}, whole + `; patch web/a ` + named, "192.0.2.2 moves.example", "200 changed"},
		{"an address in its service", []string{
			`PATCH /service/web/a {"host":"moves.example"}`, `PATCH /service/web {"backends":{"a":{"host":"192.0.2.9"}}}`,
		}, `patch web/a {"host":"192.0.2.9","host_name":null}`, "192.0.2.9 ", "200 changed"},
		{"the same address in its service", []string{
			`PATCH /service/web/a {"host":"moves.example"}`, `PATCH /service/web {"backends":{"a":{"host":"192.0.2.1"}}}`,
		}, `patch web/a {"host":"192.0.2.1","host_name":null}`, "192.0.2.1 ", "200 changed"},
		{"a name of the address that it has", []string{
			`PATCH /service/web/a {"host":"same.example"}`,
		}, `patch web/a {"host":"10.1.0.1","host_name":"same.example"}`, "10.1.0.1 same.example", "200 changed"},
		{"another that is new in its service", []string{`PATCH /service/web {"backends":{"b":{"host":"192.0.2.9"}}}`}, `set web/b {"host":"192.0.2.9"}`, "10.1.0.1 ", "200 changed"},
		{"an address as it is", []string{
			`PATCH /service/web/a {"host":"moves.example"}`, `POST /overrides {"kind":"patch","service":"web","backend":"a","body":{"host":"192.0.2.9"}}`,
		}, `patch web/a {"host":"192.0.2.9"}`, "192.0.2.9 ", "200"},
		{"under an address for a while", []string{
			`PUT /service/web/a?replace=true {"host":"192.0.2.1","port":1}`, `PATCH /service/web/a?ttl=1h {"host":"192.0.2.9"}`,
			`PATCH /service/web/a {"host":"moves.example"}`,
		}, `set web/a {"host":"192.0.2.2","host_name":"moves.example","port":1}; patch web/a ` + named, "192.0.2.2 moves.example", "200 changed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := over(t, web)
			names := book{"moves.example": {"192.0.2.1"}, "same.example": {"10.1.0.1"}}
			h := New(f, Options{Access: open(), Log: zerolog.Nop(), Resolver: names})
			var got string
			for i, do := range tt.do {
				if i == len(tt.do)-1 {
					names["moves.example"] = []string{"192.0.2.2"}
				}
				part := strings.SplitN(do, " ", 3)
				w := exchange(h, part[0], part[1], part[2])
				got = told(t, w.Body.Bytes(), w.Code)
			}
			var is struct {
				Options struct {
					Host     string
					HostName string `json:"host_name"`
				}
			}
			if err := json.Unmarshal(exchange(h, "GET", "/service/web/a", "").Body.Bytes(), &is); err != nil {
				t.Fatal(err)
			}
			if shown := is.Options.Host + " " + is.Options.HostName; got != tt.outcome || stored(f) != tt.stored || shown != tt.is {
				t.Errorf("got  %s; %s; %s\nwant %s; %s; %s", got, stored(f), shown, tt.outcome, tt.stored, tt.is)
			}
		})
	}
}

// lookupTime is how long a counted one takes.
const lookupTime = 900 * time.Millisecond

// counted is a Resolver that counts what it is asked for, and how many at a time.
type counted struct {
	mu              sync.Mutex
	asked, now, top int
}

func (c *counted) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	c.count(1)
	defer c.count(-1)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(lookupTime):
		return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil
	}
}

func (c *counted) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.asked, c.top = c.asked+max(n, 0), max(c.top, c.now)
}

// TestNamesAreBounded: the names of a body have their time together, some are looked up at once, and each only once.
func TestNamesAreBounded(t *testing.T) {
	for _, tt := range []struct {
		name             string
		backends, differ int
		gone             bool // the client, after half a second
		asked, code      int
		took             time.Duration
	}{
		{"one of all", 50, 1, false, 1, 200, lookupTime},
		{"as many as at once", mostLookups, mostLookups, false, mostLookups, 200, lookupTime},
		{"one more", mostLookups + 1, mostLookups + 1, false, mostLookups + 1, 200, 2 * lookupTime},
		{"more than there is time for", mostNames, mostNames, false, 6 * mostLookups, 400, resolveTime},
		{"too many", mostNames + 1, mostNames + 1, false, 0, 422, 0},
		{"nobody waits", mostNames, mostNames, true, mostLookups, 400, time.Second / 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backends := make(map[string]any)
				for i := range tt.backends {
					backends[fmt.Sprint("b", i)] = map[string]any{"host": fmt.Sprintf("n%d.example", i%tt.differ), "port": i + 1}
				}
				body, _ := json.Marshal(map[string]any{"host": "10.0.0.3", "port": 1, "backends": backends})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.gone {
					time.AfterFunc(time.Second/2, cancel)
				}
				names := new(counted)
				a := &api{resolver: names}
				before := time.Now()
				_, err := a.resolved(ctx, spec.Override{Kind: spec.Set, Service: "new", Body: body})
				code := 200
				if f, ok := errors.AsType[*Failure](err); ok {
					code = f.Code
				}
				if took := time.Since(before); code != tt.code || took != tt.took || names.asked != tt.asked || names.top > mostLookups || names.now > 0 {
					t.Errorf("%d after %v, %d asked for, %d at a time, %d go on", code, took, names.asked, names.top, names.now)
				}
			})
		})
	}
}

// TestANameThatManyHave: of one name that cannot be looked up many hosts may be, of which the answer names some.
func TestANameThatManyHave(t *testing.T) {
	const many = 20_000
	backends := make(map[string]any)
	for i := range many {
		backends[fmt.Sprint("b", i)] = map[string]any{"host": "gone.example"}
	}
	body, _ := json.Marshal(map[string]any{"backends": backends})
	a := &api{resolver: someNames}
	_, err := a.resolved(t.Context(), spec.Override{Kind: spec.Set, Service: "new", Body: body})
	f, ok := errors.AsType[*Failure](err)
	if !ok || len(f.Problems) != maxProblems+1 || f.Problems[maxProblems].Message != fmt.Sprintf("and %d more", many-maxProblems) {
		t.Errorf("%d problems, %v", len(f.Problems), f.Problems[max(0, len(f.Problems)-1):])
	}
}

// TestHostThatIsLocal has a name whose address needs an interface: it is stored without.
func TestHostThatIsLocal(t *testing.T) {
	a := &api{resolver: someNames}
	if got, err := a.resolve(t.Context(), "local"); err != nil || got != netip.MustParseAddr("fe80::1") {
		t.Error(got, err)
	}
}
