package sources

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/gorb-io/gorb/pkg/spec"
)

const tried = `
[services.dns]
host = "10.0.0.2"
port = 53
protocol = "udp"
[services.dns.backends.a]
host = "10.2.0.1"

[services.web]
host = "10.0.0.1"
port = 80
pulse = { type = "http", args = { path = "/health" } }
[services.web.backends.a]
host = "10.1.0.1"
[services.web.backends.b]
host = "10.1.0.2"
`

func TestTryWrites(t *testing.T) {
	awaiting(t, tried, func(t *testing.T, l *Layers, s *OverrideStore, out chan *spec.Desired) {
		<-out
		w, err := s.Write(t.Context(), []Write{{Override: override(spec.Hide, "web/b", "")}}, nil)
		must(t, err)
		_, err = l.Await(t.Context(), w.Revision)
		must(t, err)
		for _, tt := range []struct {
			name  string
			write spec.Override
			want  string
		}{
			{"a weight", override(spec.Patch, "web/a", `{"weight":7}`), "in force web"},
			{"a key", override(spec.Patch, "web/a", `{"weigth":7}`), `override web/a: services.web.backends.a.weigth: there is no such key, did you mean "weight"?`},
			{"a type", override(spec.Patch, "web", `{"port":"x"}`), `override web: services.web.port: "x" is a string, wanted a whole number`},
			{"what does not fit", override(spec.Patch, "web", `{"flags":"sh-port"}`), `override web: services.web.flags: "sh-port" needs method sh, and the method is wrr`},
			{"an address that is taken", override(spec.Patch, "dns", `{"host":"10.0.0.1","port":80,"protocol":"tcp"}`), "override dns: services.dns: tcp 10.0.0.1:80 is service web already"},
			{"over one that hides", override(spec.Patch, "web/b", `{"weight":7}`), "override of web/b: it is hidden (me: test); clear that first"},
			{"cleared", override("", "web/b", ""), "in force web"},
			{"no object", override(spec.Patch, "mail", `{"port":25}`), "dangling mail"},
			{"hides nothing", override(spec.Hide, "web/c", ""), "idle web"},
			{"a service", override(spec.Set, "mail", `{"port":25,"host":"10.0.0.3","backends":{"a":{"host":"10.3.0.1"}}}`), "in force mail"},
			{"one without backends", override(spec.Set, "mail", `{"port":25,"host":"10.0.0.3"}`), "in force mail; services.mail: the service has no backends, so it refuses every connection"},
			{
				"a path in a pulse that is not the service's", override(spec.Patch, "web/a", `{"pulse":{"args":{"path":"/x"}}}`),
				"in force web; services.web.backends.a.pulse.args.path: it goes with type http or https, and this is tcp; it has no effect",
			},
		} {
			tried, err := l.TryWrites(Write{Override: tt.write})
			if err != nil {
				equal(t, tt.name, tt.want, err.Error())
				continue
			}
			got := []string{fmt.Sprint(tried.Effects[0], " ", tried.Services[0].Name)}
			for _, p := range tried.Warnings {
				got = append(got, p.Path+": "+p.Message)
			}
			equal(t, tt.name, tt.want, strings.Join(got, "; "))
		}
		if !sameDesired(l.Desired(), l.snapshot.Load().desired) || len(s.List()) != 1 {
			t.Error("something has changed")
		}
	})
}

// TestTryWritesLaws: what is tried is what counts once it is written.
func TestTryWritesLaws(t *testing.T) {
	bodies := map[bool][]string{
		false: {`{}`, `{"port":81}`, `{"port":80,"host":"10.0.0.1"}`, `{"host":"10.0.0.2","port":53}`, `{"flags":"sh-port"}`, `{"method":"sh"}`, `{"disabled":true}`, `{"backends":{"a":{"host":"10.9.0.1"}}}`},
		true:  {`{}`, `{"weight":0}`, `{"host":"10.1.0.1"}`, `{"host":"10.1.0.7","port":8080}`, `{"upper_threshold":5}`, `{"host":"2001:db8::1"}`, `{"pulse":{"args":{"host":"10.7.7.7"}}}`},
	}
	rapid.Check(t, func(r *rapid.T) {
		s, err := OpenOverrides("")
		must(t, err)
		l := NewLayers(zerolog.Nop(), []Top{{Source: newPlayed("x"), First: document(t, tried)}}, nil)
		l.Overrides = s
		k := newStack(l, time.Now())
		k.start(time.Now())
		l.publish(k.view())
		for range rapid.IntRange(1, 6).Draw(r, "writes") {
			var writes []Write
			for range rapid.IntRange(1, 2).Draw(r, "objects") {
				o := spec.Override{
					Kind:    rapid.SampledFrom([]spec.OverrideKind{spec.Set, spec.Patch, spec.Patch, spec.Hide, ""}).Draw(r, "kind"),
					Service: rapid.SampledFrom([]string{"web", "dns", "mail"}).Draw(r, "service"),
					Backend: rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "backend"),
				}
				if o.Kind == spec.Set || o.Kind == spec.Patch {
					o.Body = []byte(rapid.SampledFrom(bodies[o.Backend != ""]).Draw(r, "body"))
				}
				if rapid.IntRange(0, 2).Draw(r, "ends") == 0 {
					o.Until = time.Now().Add(time.Hour)
				}
				writes = append(writes, Write{Override: o})
			}
			tried, wrong := l.TryWrites(writes...)
			w, err := s.Write(t.Context(), writes, nil)
			if err != nil {
				if wrong == nil || wrong.Error() != err.Error() {
					r.Fatalf("tried: %v; written: %v", wrong, err)
				}
				continue
			}
			list, revision := s.Snapshot()
			k.override(time.Now(), list, revision)
			l.publish(k.view())
			j, err := l.Await(t.Context(), w.Revision)
			must(t, err)
			aside := slices.ContainsFunc(writes, func(w Write) bool {
				effect, _ := j.Of(w.Key())
				return effect == SetAside
			})
			if aside != (wrong != nil) {
				r.Fatalf("%v: tried: %v; aside: %v", writes, wrong, j.aside)
			}
			if wrong != nil {
				continue
			}
			would, err := tried.Desired()
			must(t, err)
			if !sameDesired(would, j.Desired) {
				r.Fatalf("%v: tried %+v, is %+v", writes, would.Services, j.Desired.Services)
			}
		}
	})
}
