package spec

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// shownWhole takes from a pulse what Explain does not tell, as it may be a secret.
func shownWhole(p *Pulse) {
	if p == nil {
		return
	}
	p.Args.Send, p.Args.Body = "", ""
	delete(p.Args.Headers, "X-Key")
	if HidePath(p.Args.Path) != p.Args.Path {
		p.Args.Path = ""
	}
	p.Args.Command = p.Args.Command[:min(len(p.Args.Command), 1)]
}

// TestExplainIsTrue: a document made of what Explain says of an object declares that object.
func TestExplainIsTrue(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var docs []*Document
		for range rapid.IntRange(1, 3).Draw(r, "layers") {
			services := []Service{anyService(r, "web", 0)}
			shownWhole(services[0].Pulse)
			for i := range services[0].Backends {
				services[0].Backends[i].Name = fmt.Sprint(i) // so that layers meet
				shownWhole(services[0].Backends[i].Pulse)
			}
			text, err := Encode(services, JSON, "")
			if err != nil {
				r.Fatal(err)
			}
			docs = append(docs, mustDecode(r, JSON, text))
		}
		d, err := MergeWith(docs, nil)
		if err != nil {
			return // layers that do not go together
		}
		fields, err := d.Explain("web", "")
		if err != nil {
			r.Fatal(err)
		}
		var b strings.Builder
		b.WriteString("[services.web]\n")
		for _, f := range fields {
			if f.Value != "" && !isBackend(f.Path) {
				fmt.Fprintf(&b, "%s = %s\n", f.Path, f.Value)
			}
		}
		for _, backend := range d.Services[0].Backends {
			fields, err := d.Explain("web", backend.Name)
			if err != nil {
				r.Fatal(err)
			}
			fmt.Fprintf(&b, "[services.web.backends.%s]\n", backend.Name)
			for _, f := range fields {
				if f.Value != "" && !strings.HasPrefix(f.From.In, "services.") && (backend.Pulse != nil || !strings.HasPrefix(f.Path, "pulse.")) {
					fmt.Fprintf(&b, "%s = %s\n", f.Path, f.Value)
				}
			}
		}
		back := mustMerge(r, mustDecode(r, TOML, []byte(b.String())))
		if diff := cmp.Diff(d.Services, back.Services, sameValues); diff != "" {
			r.Fatalf("(-declared +explained):\n%s\n%s", diff, b.String())
		}
	})
}

// TestExplainIsTrueOfOverrides: so it is with [defaults] and overrides; what a backend has of its service is its own there.
func TestExplainIsTrueOfOverrides(t *testing.T) {
	layers := []Layer{{Document: mustParse(underneath)}, {Document: mustParse(`
[defaults.service]
method = "lc"
pulse.interval = "7s"
[defaults.backend]
upper_threshold = 7
weight = 9
[services.web.backends.a]
pulse.type = "none"
port = 8080
[services.mail.backends.a]
host = "10.1.0.1"
`)}}
	rapid.Check(t, func(r *rapid.T) {
		d := Lay(layers, anyOverrides(r), nil).Desired
		var b strings.Builder
		write := func(table, service, backend string) {
			fields, err := d.Explain(service, backend)
			if err != nil {
				r.Fatal(err)
			}
			fmt.Fprintf(&b, "[%s]\n", table)
			for _, f := range fields {
				if f.Value != "" && !isBackend(f.Path) {
					fmt.Fprintf(&b, "%s = %s\n", f.Path, f.Value)
				}
			}
		}
		var want []Service
		for _, s := range d.Services {
			write("services."+s.Name, s.Name, "")
			s.Backends = slices.Clone(s.Backends)
			for i := range s.Backends {
				backend := &s.Backends[i]
				write("services."+s.Name+".backends."+backend.Name, s.Name, backend.Name)
				if backend.Pulse == nil {
					backend.Pulse = s.Pulse
				}
			}
			want = append(want, s)
		}
		back := mustMerge(r, mustDecode(r, TOML, []byte(b.String())))
		if diff := cmp.Diff(want, back.Services, sameValues); diff != "" {
			r.Fatalf("(-declared +explained):\n%s\n%s", diff, b.String())
		}
	})
}
