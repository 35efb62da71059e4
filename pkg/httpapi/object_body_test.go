package httpapi

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
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
		{"PUT /service/web/b", `{"host": "gone.example"}`, `400 lookup gone.example: no such host [host: "gone.example" cannot be resolved]`, ""},
		{"PUT /service/web/b", `{"host": "none.example"}`, `400 lookup none.example: no such host [host: "none.example" cannot be resolved]`, ""},
		{"PUT /service/web/b", `{"host": "slow.example"}`, `400 context deadline exceeded [host: "slow.example" cannot be resolved]`, ""},
		{"PUT /service/web/b", `{"host": "no host"}`, `400 services.web.backends.b.host: "no host" is no address [x]`, ""},
		{"PUT /service/web/b", `{"host": 7}`, `400 [x]`, ""},
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

// TestHostThatIsLocal has a name whose address needs an interface: it is stored without.
func TestHostThatIsLocal(t *testing.T) {
	a := &api{resolver: someNames}
	if got, err := a.resolve(t.Context(), "local"); err != nil || got != netip.MustParseAddr("fe80::1") {
		t.Error(got, err)
	}
}

// TestBodies has what is no body of an object: GORB's words where it had some.
func TestBodies(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	const form, merge = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/merge-patch+json"
	for _, tt := range []struct {
		body, kind string
		want       string
	}{
		{"", "", "400 EOF"},
		{"{", "", "400"},
		{"null", "", "400"},
		{"[]", "", "400"},
		{`{"host": "10.1.0.1"} {}`, "", "400"},
		{"host=10.1.0.1", form, "400"},
		{`{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, form, "200 unchanged"}, // curl -d
		{`{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, merge, "200 unchanged"},
		{`{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, "Content-Type: application/json; charset=utf-8", "200 unchanged"},
		{`{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, "Content-Type: Application/JSON", "200 unchanged"},
		{`{"host": "10.1.0.1"}`, "Content-Type: text/plain", "415 the body must be application/json"},
		{`{"host": "10.1.0.1"}`, "Content-Type: json", "415 the body must be application/json"},
		{`{"host": "10.1.0.1"}`, "Content-Type: ;", "415 the body must be application/json"},
		{`{"host": "10.1.0.1"}`, "Content-Encoding: gzip", `415 the body must be as it is, not in Content-Encoding "gzip"`},
		{`{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, "Content-Encoding: identity", "200 unchanged"},
	} {
		var headers []string
		if tt.kind != "" {
			headers = append(headers, tt.kind)
		}
		w := exchange(h, "PUT", "/service/web/a", tt.body, headers...)
		if got := told(t, w.Body.Bytes(), w.Code); got != tt.want && !(len(tt.want) == 3 && got[:3] == tt.want) {
			t.Errorf("%s %s: %s, want %s", tt.kind, tt.body, got, tt.want)
		}
	}
}
