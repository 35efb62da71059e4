package httpapi

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAbsent is of objects that are not there, of which something is written all the same.
func TestAbsent(t *testing.T) {
	const gone = "404 unable to locate specified object "
	const hidden = " [web/a: an override hides it; a PUT of it, or DELETE /overrides/web/a, brings it back]"
	for name, writes := range map[string][][3]string{
		"a service that is set aside": {
			{`POST /overrides {"kind":"set","service":"x","body":{"host":"10.0.0.1","port":80}}`, "200", `set x {"host":"10.0.0.1","port":80}`},
			{"GET /service/x", gone + "[there is no service x] [x: what is written over it has no effect; GET /overrides/x says why]", `set x {"host":"10.0.0.1","port":80}`},
			{"DELETE /service/x?ttl=1h", gone + "[there is no x] [x: what is written over it has no effect; GET /overrides/x says why]", `set x {"host":"10.0.0.1","port":80}`},
			{"DELETE /service/x", "200 removed", ""},
			{"DELETE /service/x", gone + "[there is no x]", ""},
		},
		"its backends go with it": {
			{`POST /overrides {"kind":"set","service":"x","body":{"host":"10.0.0.1","port":80}}`, "200", `set x {"host":"10.0.0.1","port":80}`},
			{`POST /overrides {"kind":"set","service":"x","backend":"b","body":{"host":"10.1.0.9","port":80}}`, "200", `set x {"host":"10.0.0.1","port":80}; set x/b {"host":"10.1.0.9","port":80}`},
			{"DELETE /service/x", "200 removed", ""},
		},
		"a backend whose service is gone": {
			{`POST /overrides {"kind":"patch","service":"x","backend":"b","body":{"weight":1}}`, "200", `patch x/b {"weight":1}`},
			{"DELETE /service/x/b", "200 removed", ""},
		},
		"hidden for a while, then for good": {
			{`PUT /service/new {"host":"10.0.0.3","port":80}`, "200 created", `set new {"host":"10.0.0.3","port":80}`},
			{"DELETE /service/new?ttl=1h", "200 hidden", `set new {"host":"10.0.0.3","port":80}; hide new for 1h0m0s`},
			{"DELETE /service/new", "200 removed", ""},
		},
		"a service that the sources declare, for a while, then for good": {
			{"DELETE /service/web?ttl=1h", "200 hidden", "hide web for 1h0m0s"},
			{"DELETE /service/web?ttl=2h&reason=longer", "200 hidden", "hide web for 2h0m0s (longer)"},
			{"DELETE /service/web/a?ttl=1h", "200 hidden", "hide web for 2h0m0s (longer); hide web/a for 1h0m0s"},
			{"DELETE /service/web/x?ttl=1h", gone + "[there is no web/x] [web: an override hides it for a while; a PUT of it, or DELETE /overrides/web?ending=true, brings it back]", "hide web for 2h0m0s (longer); hide web/a for 1h0m0s"},
			{"DELETE /service/web", "200 hidden", "hide web"},
			{"DELETE /service/web", gone + "[there is no web] [web: an override hides it; a PUT of it, or DELETE /overrides/web, brings it back]", "hide web"},
		},
		"a backend that the sources declare, the same": {
			{`PATCH /service/web/a {"weight":7}`, "200 changed", `patch web/a {"weight":7}`},
			{"DELETE /service/web/a?ttl=1h", "200 hidden", `patch web/a {"weight":7}; hide web/a for 1h0m0s`},
			{"DELETE /service/web/a", "200 hidden", "hide web/a"},
			{"DELETE /service/web/a", gone + "[there is no web/a]" + hidden, "hide web/a"},
			{"GET /service/web/a", gone + "[service web has no backend a]" + hidden, "hide web/a"},
		},
		"what is written to last, hidden for a while": {
			{`PUT /service/web/n {"host":"10.1.0.9","port":80}`, "200 created", `set web/n {"host":"10.1.0.9","port":80}`},
			{"DELETE /service/web/n?ttl=1h", "200 hidden", `set web/n {"host":"10.1.0.9","port":80}; hide web/n for 1h0m0s`},
			{
				"GET /service/web/n", gone + "[service web has no backend n] [web/n: an override hides it for a while; a PUT of it, or DELETE /overrides/web/n?ending=true, brings it back]",
				`set web/n {"host":"10.1.0.9","port":80}; hide web/n for 1h0m0s`,
			},
			{"DELETE /overrides/web/n?ending=true", "200", `set web/n {"host":"10.1.0.9","port":80}`},
			{"GET /service/web/n", "200", `set web/n {"host":"10.1.0.9","port":80}`},
		},
		"what nobody declares, there for a while": {
			{`PUT /service/web/n?ttl=1h {"host":"10.1.0.9","port":80}`, "200 created", `set web/n {"host":"10.1.0.9","port":80} for 1h0m0s`},
			{"DELETE /service/web/n?ttl=2h", "200 removed", ""},
			{`PUT /service/new?ttl=1h {"host":"10.0.0.3","port":80}`, "200 created", `set new {"host":"10.0.0.3","port":80} for 1h0m0s`},
			{`PUT /service/new/b {"host":"10.1.0.9","port":80}`, "200 created", `set new {"host":"10.0.0.3","port":80} for 1h0m0s; set new/b {"host":"10.1.0.9","port":80} for 1h0m0s`},
			{"DELETE /service/new?ttl=2h", "200 removed", ""},
		},
		"a hide of what nobody declares": {
			{`POST /overrides {"kind":"hide","service":"web","backend":"n"}`, "200", "hide web/n"},
			{"DELETE /service/web/n", gone + "[there is no web/n] [web/n: an override hides it, and nothing declares it]", "hide web/n"},
		},
		"a hide of a service that nobody declares": {
			{`POST /overrides {"kind":"hide","service":"x"}`, "200", "hide x"},
			{"GET /service/x", gone + "[there is no service x] [x: an override hides it, and nothing declares it]", "hide x"},
		},
		"disabled": {
			{`PATCH /service/web/a {"disabled":true}`, "200 changed", `patch web/a {"disabled":true}`},
			{`PATCH /service/web/a {"weight":7}`, gone + "[there is no web/a]" + hidden, `patch web/a {"disabled":true}`},
			{`PATCH /service/web/a {"disabled":true}`, gone + "[there is no web/a]" + hidden, `patch web/a {"disabled":true}`},
			{`PATCH /service/web/a {"disabled":false,"weight":7}`, "200 changed", `patch web/a {"disabled":false,"weight":7}`},
			{`PATCH /service/web/z {"disabled":false}`, gone + "[there is no web/z]", `patch web/a {"disabled":false,"weight":7}`},
			{`PATCH /service/z/z {"disabled":null}`, gone + "[there is no z/z]", `patch web/a {"disabled":false,"weight":7}`},
		},
		"a service that is disabled": {
			{`PATCH /service/web {"disabled":true}`, "200 changed", `patch web {"disabled":true}`},
			{
				`PUT /service/web/b {"host":"10.1.0.2"}`,
				gone + "[there is no service web] [web: an override hides it; a PUT of it, or DELETE /overrides/web, brings it back]", `patch web {"disabled":true}`,
			},
			{`PATCH /service/web {"disabled":null,"method":"rr"}`, "200 changed", `patch web {"disabled":null,"method":"rr"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := over(t, web)
			h := routes(f)
			for _, tt := range writes {
				method, rest, _ := strings.Cut(tt[0], " ")
				target, body, _ := strings.Cut(rest, " ")
				w := exchange(h, method, target, body)
				if d := cmp.Diff([2]string{tt[1], tt[2]}, [2]string{told(t, w.Body.Bytes(), w.Code), storedWithEnds(f)}); d != "" {
					t.Errorf("%s (-want +got):\n%s", tt[0], d)
				}
			}
		})
	}
}

// TestAbsentToStrangers: what somebody has hidden is no matter of those who may look at services alone.
func TestAbsentToStrangers(t *testing.T) {
	f := over(t, web)
	exchange(routes(f), "DELETE", "/service/web/a", "")
	r := httptest.NewRequest("GET", "/service/web/a", nil)
	w := httptest.NewRecorder()
	routes(f).ServeHTTP(w, places["elsewhere"](r))
	if got := told(t, w.Body.Bytes(), w.Code); got != "404 unable to locate specified object [service web has no backend a]" {
		t.Error(got)
	}
}

// TestObjectComesFirst: of what GORB did not know it said nothing, so that whether the object is there is said before it.
func TestObjectComesFirst(t *testing.T) {
	const bogus = "bogus: there is no such key; "
	f := over(t, web)
	h := routes(f)
	for _, tt := range [][2]string{
		{`PUT /service/web {"host":"10.0.0.1","port":80,"method":"zzz"}`, "409 specified object already exists [web: it is there and is another; PATCH changes it, ?replace=true takes its place] [services.web.method: "},
		{`PUT /service/web?replace=true {"host":"10.0.0.1","port":80,"method":"zzz"}`, "422 what was sent cannot be used [services.web.method: "},
		{`PUT /service/web/a {"host":"10.1.0.1","bogus":1}`, "409 specified object already exists [web/a: it is there and is another; PATCH changes it, ?replace=true takes its place] [services.web.backends.a." + bogus},
		{`PUT /service/web/a {"host":"10.1.0.1","port":81,"method":"dr"}`, "409 specified object already exists [web/a: it is there and is another; PATCH changes it, ?replace=true takes its place] "},
		{`PUT /service/web/b {"host":"10.1.0.2","bogus":1}`, "422 what was sent cannot be used [services.web.backends.b." + bogus},
		{`PUT /service/gone/b {"host":"10.1.0.2","bogus":1}`, "404 unable to locate specified object [there is no service gone]"},
		{`PUT /service/gone/b {"host":"10.1.0.2","weight":"x"}`, "400 "},
		{`PATCH /service/gone {"bogus":1}`, "404 unable to locate specified object [there is no gone]"},
		{`PATCH /service/web {"bogus":1}`, "422 what was sent cannot be used [services.web." + bogus},
	} {
		method, rest, _ := strings.Cut(tt[0], " ")
		target, body, _ := strings.Cut(rest, " ")
		w := exchange(h, method, target, body)
		if got := told(t, w.Body.Bytes(), w.Code); !strings.HasPrefix(got, tt[1]) {
			t.Errorf("%s: got %s\nwant %s", tt[0], got, tt[1])
		}
	}
	if stored(f) != "" {
		t.Errorf("stored is %s", stored(f))
	}
}
