package sources

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/sources/consultest"
	"github.com/gorb-io/gorb/pkg/spec"
)

// What is kept of a source is the document again, after a restart too.
func TestCopies(t *testing.T) {
	web := []byte("host = \"10.0.0.1\"\nport = 80")
	whole := append([]byte("[services.web]\n"), web...)
	for name, parts := range map[string][]Part{
		"a page":      {{Name: "https://h/a.toml", Format: spec.TOML, Data: whole}},
		"a key":       {{Name: "consul://h/p/services/web#1", Format: spec.TOML, At: []string{"services", "web"}, Data: web}},
		"keys":        {{Name: "k#1", Format: spec.TOML, At: []string{"services", "web"}, Data: web}, {Name: "k#2", Format: spec.JSON, At: []string{"backends", "a"}, Data: []byte(`{"vsid":"web","host":"10.1.0.1","port":80}`)}},
		"no services": {{Name: "k#1", Format: spec.JSON, At: []string{"services"}, Data: []byte("{}")}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			want, err := GoodCopy{Source: "s", Parts: parts}.document()
			must(t, err)
			must(t, Copies{NewLastGood(dir)}.Save("s", Reading{Document: want, Parts: parts}))
			got, at, err := Copies{NewLastGood(dir)}.Load("s")
			must(t, err)
			if at.IsZero() {
				t.Error("it has no time")
			}
			wantWhole, err := spec.Merge(want)
			must(t, err)
			gotWhole, err := spec.Merge(got)
			must(t, err)
			if !sameDesired(wantWhole, gotWhole) {
				t.Errorf("got %v, want %v", gotWhole.Services, wantWhole.Services)
			}
		})
	}
	doc, _, err := Copies{NewLastGood(t.TempDir())}.Load("s")
	if doc != nil || err != nil {
		t.Errorf("without a copy: %v, %v", doc, err)
	}
}

// Consul asked once says what it has, or what is wrong.
func TestConsulRead(t *testing.T) {
	s := consultest.New(t)
	s.Put("gorb/services/a", service(1))
	read := func(path string) (*spec.Document, error) {
		decl, err := spec.NewSourceDecl(s.URL(path))
		must(t, err)
		c, err := NewConsul(decl, 0, zerolog.Nop())
		must(t, err)
		r := c.Read(t.Context())
		return r.Document, r.Err
	}
	doc, err := read("gorb/")
	must(t, err)
	equal(t, "services", "a", names(t, doc))
	if doc, err = read("gorb/gone"); doc != nil || err == nil {
		t.Errorf("a key that is not there: %v, %v", doc, err)
	}
	c := watchConsul(t, s.URL("gorb/"))
	equal(t, "texts", 1, len(c.want(t, "a").Parts))
}
