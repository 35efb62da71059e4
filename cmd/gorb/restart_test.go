package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestSettingsOfTheStart: what has no effect until a restart is said, once.
func TestSettingsOfTheStart(t *testing.T) {
	var out bytes.Buffer
	d := &daemon{log: zerolog.New(&out)}
	say := d.atStart(spec.Gorb{Socket: "/a", Listen: ":1"})
	for _, tt := range []struct {
		socket, listen string
		flag           string
		want           string // the settings that are said
	}{
		{"/a", ":1", "", ""},
		{"/b", ":1", "", "gorb.socket"},
		{"/b", ":1", "", ""},
		{"/c", ":2", "", "gorb.socket gorb.listen"},
		{"/a", ":1", "", ""}, // as it is
		{"/b", ":1", "", "gorb.socket"},
		{"/b", ":3", ":9", ""},
	} {
		out.Reset()
		d.listen = tt.flag
		say(&spec.Desired{Gorb: spec.Gorb{Socket: tt.socket, Listen: tt.listen}})
		var got []string
		for _, setting := range []string{"gorb.socket", "gorb.listen"} {
			if strings.Contains(out.String(), setting) {
				got = append(got, setting)
			}
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("socket %s, listen %s, -l %q: said of %q, want %q", tt.socket, tt.listen, tt.flag, got, tt.want)
		}
	}
}
