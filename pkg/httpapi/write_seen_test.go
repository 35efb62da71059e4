package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestWhereToLook has changes that nobody has looked at when they are answered: the answer names a place where what comes of
// them is to be seen, as things will be.
func TestWhereToLook(t *testing.T) {
	const (
		hide = `POST /overrides {"kind": "hide", "service": "web", "backend": "b"}`
		mail = `PUT /service/mail {"host": "10.0.0.2", "port": 25, "backends": {"a": {"host": "10.1.0.1"}}}`
	)
	for do, tt := range map[string]struct {
		before []string
		want   string
	}{
		`PATCH /service/web {"method": "rr"}`:     {nil, "/service/web"},
		"DELETE /service/web":                     {nil, "/plan"},
		"DELETE /service/web/b":                   {nil, "/service/web"},
		`PUT /service/web/c {"host": "10.1.0.3"}`: {nil, "/service/web/c"},
		mail:                      {nil, "/service/mail"},
		hide:                      {nil, "/overrides"},
		"DELETE /overrides/web/b": {[]string{hide}, "/service/web/b"},
		"DELETE /overrides/web":   {[]string{`PATCH /service/web {"method": "rr"}`}, "/service/web"},
		"DELETE /overrides/web/c": {[]string{`PUT /service/web/c {"host": "10.1.0.3"}`}, "/service/web"},
		"DELETE /overrides/mail":  {[]string{mail}, "/plan"},
		"DELETE /overrides":       {[]string{hide}, "/status"},
		"DELETE /overrides/web/b?ending=true&reason=over": {[]string{hide, `POST /overrides {"kind": "set", "service": "web", "backend": "b", "ttl": "1h", "body": {"host": "10.1.0.9"}}`}, "/service/web"},
	} {
		f := over(t, web+"[services.web.backends.b]\nhost = \"10.1.0.2\"\nport = 8080\npulse = { type = \"none\" }\n")
		h := routes(f)
		ask := func(do string) (code int, see, location string) {
			t.Helper()
			method, rest, _ := strings.Cut(do, " ")
			target, body, _ := strings.Cut(rest, " ")
			w := exchange(h, method, target, body)
			var told struct{ See string }
			if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil {
				t.Fatal(err)
			}
			return w.Code, told.See, w.Header().Get("Location")
		}
		for _, one := range tt.before {
			if code, _, _ := ask(one); code != http.StatusOK {
				t.Fatalf("%s: %d", one, code)
			}
		}
		f.looksTo = new(f.Revision())
		if code, see, location := ask(do); code != http.StatusAccepted || see != tt.want || location != tt.want {
			t.Errorf("%s: %d, %q and %q, want 202 and %q", do, code, see, location, tt.want)
		}
	}
}
