package httpapi

import (
	"strings"
	"testing"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestIfMatchOfService has a backend changed between the look at its service and the writing: the tag is of backends too.
func TestIfMatchOfService(t *testing.T) {
	f := over(t, "")
	h := routes(f)
	const b = `"backends":{"b":{"host":"10.3.0.1","port":80,"pulse":{"type":"none"}}}`
	exchange(h, "PUT", "/service/new", `{"host":"10.0.0.3","port":80,`+b+`}`)
	tag := exchange(h, "GET", "/service/new", "").Header().Get("ETag")
	other := 0
	f.writes = func(w []sources.Write) error {
		if other == 0 && w[0].Kind == spec.Set {
			other = 1
			other = exchange(h, "PATCH", "/service/new/b", `{"weight":7}`).Code
		}
		return nil
	}
	w := exchange(h, "PUT", "/service/new?replace=true", `{"host":"10.0.0.3","port":80,"method":"rr",`+b+`}`, "If-Match: "+tag)
	if w.Code != 412 || other != 200 || f.Desired().Service("new").Backend("b").Weight != 7 {
		t.Errorf("%d, after another who got %d: %s", w.Code, other, stored(f))
	}
}

// TestIfMatchAmongOverrides: the tags that GET gives are those that changes take, however many overrides there are and in
// whatever order they were written.
func TestIfMatchAmongOverrides(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	exchange(h, "PATCH", "/service/web/a", `{"weight":7}`)
	exchange(h, "PATCH", "/service/web/a?ttl=1h", `{"weight":0}`)
	exchange(h, "PATCH", "/service/web", `{"method":"rr"}`)
	for _, tt := range [][3]string{
		{"/service/web", "PATCH /service/web", `{"method":"wlc"}`},
		{"/overrides/web/a", "DELETE /overrides/web/a?ending=true", ""},
		{"/overrides", "DELETE /overrides", ""},
	} {
		tag := exchange(h, "GET", tt[0], "").Header().Get("ETag")
		method, target, _ := strings.Cut(tt[1], " ")
		if w := exchange(h, method, target, tt[2], `If-Match: "other"`); w.Code != 412 {
			t.Errorf("%s with another tag: %d: %s", tt[1], w.Code, w.Body)
		}
		if w := exchange(h, method, target, tt[2], "If-Match: "+tag); w.Code != 200 {
			t.Errorf("%s with %s: %d: %s", tt[1], tag, w.Code, w.Body)
		}
	}
}

// TestIfMatchOfAllOverrides has somebody write an override between the look at all of them and their being taken back.
func TestIfMatchOfAllOverrides(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	exchange(h, "PATCH", "/service/web/a", `{"weight":7}`)
	tag := exchange(h, "GET", "/overrides", "").Header().Get("ETag")
	other := 0
	f.writes = func(w []sources.Write) error {
		if other == 0 && w[0].Kind == "" {
			other = 1
			other = exchange(h, "PATCH", "/service/web", `{"method":"rr"}`).Code
		}
		return nil
	}
	w := exchange(h, "DELETE", "/overrides", "", "If-Match: "+tag)
	if w.Code != 412 || other != 200 || len(f.List()) != 2 {
		t.Errorf("%d, after another who got %d; there is %s", w.Code, other, stored(f))
	}
	if w := exchange(h, "DELETE", "/overrides", ""); w.Code != 200 || len(f.List()) != 0 {
		t.Errorf("without a condition: %d: %s", w.Code, w.Body)
	}
}

// TestIfNoneMatch: who wants to make something takes nothing for his own that is there.
func TestIfNoneMatch(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	tag := exchange(h, "GET", "/service/web/a", "").Header().Get("ETag")
	for _, tt := range []struct {
		target, host, given string
		want                int
	}{
		{"/service/web/a?replace=true", "10.3.0.1", "*", 412},
		{"/service/web/a?replace=true", "10.3.0.1", tag, 412},
		{"/service/web/a?replace=true", "10.3.0.1", `"x"`, 200},
		{"/service/web/new", "10.3.0.2", "*", 200},
		{"/service/web/new", "10.3.0.2", "*", 412},
	} {
		if w := exchange(h, "PUT", tt.target, `{"host":"`+tt.host+`","port":80}`, "If-None-Match: "+tt.given); w.Code != tt.want {
			t.Errorf("%s, %s: %d %s, want %d", tt.target, tt.given, w.Code, w.Body, tt.want)
		}
	}
}
