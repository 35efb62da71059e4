package spec

import (
	"strings"
	"testing"
)

func TestEncodeGolden(t *testing.T) {
	desired, err := load(t, "full.toml")
	if err != nil {
		t.Fatal(err)
	}
	services := append([]Service(nil), desired.Services...)
	services[0].Pulse = &Pulse{Type: "none", Interval: DefaultInterval}
	for _, format := range []Format{TOML, JSON} {
		got, err := Encode(services, format, "The table of director-1,\nread today.\x00\n\n[services]\n")
		if err != nil {
			t.Fatal(err)
		}
		checkGolden(t, "encoded."+string(format), got)
		checkRoundTrip(t, services, format)
	}
}

// checkRoundTrip encodes services and checks that they come back as they are.
func checkRoundTrip(t testing.TB, services []Service, format Format) {
	t.Helper()
	text, err := Encode(services, format, "")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Decode("encoded", format, text)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	desired, err := Merge(doc)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if len(desired.Services) != len(services) {
		t.Fatalf("%d services came back as %d:\n%s", len(services), len(desired.Services), text)
	}
	for i := range services {
		if back := &desired.Services[i]; !back.Equal(&services[i]) {
			t.Errorf("%+v came back as %+v in:\n%s", services[i], *back, text)
		}
	}
}

func TestEncodeNothing(t *testing.T) {
	for format, want := range map[Format]string{TOML: "[services]\n", JSON: "{\n  \"services\": {}\n}\n"} {
		got, err := Encode(nil, format, "")
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", format, got, err)
		}
		checkRoundTrip(t, nil, format)
	}
}

func TestEncodeInOrder(t *testing.T) {
	services := []Service{
		{Name: "b", Port: 2, Protocol: TCP, Method: "wrr"},
		{Name: "a", Port: 1, Protocol: TCP, Method: "wrr"},
	}
	got, err := Encode(services, TOML, "")
	if err != nil || strings.Index(string(got), "services.a") > strings.Index(string(got), "services.b") {
		t.Errorf("%s, %v", got, err)
	}
	if services[0].Name != "b" {
		t.Error("Encode sorts what it was given")
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, tt := range []struct {
		services []Service
		format   Format
		want     string
	}{
		{nil, "yaml", `encode: "yaml" is not a format that gorb writes (toml, json)`},
		{[]Service{{Name: "a b"}}, TOML, `encode service "a b": it needs a name of its own`},
		{[]Service{{Name: "a"}, {Name: "a"}}, JSON, `encode service "a": it needs a name of its own`},
		{[]Service{{Name: "a", Backends: []Backend{{}}}}, JSON, `encode service a: "" cannot name a backend`},
	} {
		if _, err := Encode(tt.services, tt.format, ""); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
