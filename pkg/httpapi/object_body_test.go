package httpapi

import "testing"

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
