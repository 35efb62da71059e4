package sources

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/sources/consultest"
	"github.com/gorb-io/gorb/pkg/spec"
)

// writeFiles writes files and returns where.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// One reading takes what is declared, where it is declared.
func TestOnce(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/toml")
		_, _ = w.Write([]byte("[services.url]\nhost = \"10.0.0.1\"\nport = 1"))
	}))
	t.Cleanup(web.Close)
	kv := consultest.New(t)
	kv.Put("gorb/services/kv", service(2))
	dir := writeFiles(t, map[string]string{
		"etc/gorb.toml": "[[sources]]\nurl = '" + web.URL + "/a'\n[[sources]]\nurl = 'conf.d/'\nbelow = true\n" +
			"[[sources]]\nurl = '" + kv.URL("gorb/") + "'\n[[sources]]\nurl = 'env.toml'\nenv = true\n[services]\n",
		"etc/conf.d/a.toml": config(3),
		"etc/conf.d/b.yaml": "services:\n  b:\n    host: 10.0.0.4\n    port: 80\n",
		"etc/env.toml":      "[services.env]\nhost = '${ONCE_HOST}'\nport = 80",
	})
	t.Setenv("ONCE_HOST", "10.0.0.9")
	main := filepath.Join(dir, "etc/gorb.toml")
	base := func(docs []*spec.Document) string {
		var all []string
		for _, d := range docs {
			all = append(all, filepath.Base(d.Name()))
		}
		return strings.Join(all, " ")
	}

	all, err := Once{}.Read(t.Context(), []string{main})
	must(t, err)
	equal(t, "layers", "conf.d gorb.toml a gorb env.toml", base(all.Docs))
	whole, err := spec.Merge(all.Docs...)
	must(t, err)
	equal(t, "services", 5, len(whole.Services))

	here, err := Once{Away: true}.Read(t.Context(), []string{main, web.URL})
	must(t, err)
	equal(t, "layers here", "conf.d gorb.toml env.toml", base(here.Docs))
	equal(t, "skipped", true, here.Skipped)
	equal(t, "remote argument", true, here.Args[1].Remote() && here.Args[1].Doc == nil)

	alone, err := Once{Alone: true}.Read(t.Context(), []string{main})
	must(t, err)
	equal(t, "layers alone", "gorb.toml", base(alone.Docs))

	kv.Stop()
	must(t, os.WriteFile(filepath.Join(dir, "etc/env.toml"), []byte("[services.env]\nport = 'x'"), 0o600))
	if _, err = (Once{}).Read(t.Context(), []string{main}); err == nil ||
		!strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "env.toml:2: ") {
		t.Errorf("what is wrong with both is not said: %v", err)
	}
}

// That two declarations have one name is said once, whether one document has both or two.
func TestOnceSaysANameOnce(t *testing.T) {
	decl := "[[sources]]\nurl = 'c.toml'\n"
	dir := writeFiles(t, map[string]string{
		"one.toml": decl + decl + "[services]\n", "include.toml": "include = ['two.toml']\n" + decl,
		"two.toml": decl + "[services]\n", "c.toml": "[services]\n",
	})
	for name, want := range map[string]string{
		"one.toml":     `DIR/one.toml:3: sources[1]: source "c.toml" is sources[0] already; a name of its own tells them apart`,
		"include.toml": `DIR/two.toml:1: sources[0]: source "c.toml" is declared in DIR/include.toml:2 already`,
	} {
		t.Chdir(dir)
		_, err := (Once{}).Read(t.Context(), []string{filepath.Join(dir, name)})
		if err == nil {
			t.Fatal("no error")
		}
		equal(t, name, want, strings.ReplaceAll(err.Error(), dir, "DIR"))
	}
}

// What declares itself ends.
func TestOnceInACircle(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.toml": "[[sources]]\nurl = 'a.toml'\n[services]\n"})
	if _, err := (Once{}).Read(t.Context(), []string{filepath.Join(dir, "a.toml")}); err == nil || !strings.Contains(err.Error(), "another source has the name") {
		t.Errorf("got %v", err)
	}
	if _, err := (Once{}).Read(t.Context(), []string{"https://u:secret@h/a"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// A declared file that is missing is a failure, and counts when it comes.
func TestOpenFileThatIsMissing(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(spec.SourceDecl{URL: filepath.Join(dir, "a.toml")}, 3, zerolog.Nop())
	must(t, err)
	r := runSource(t, s)
	r.wantErr(t, "no such file")
	must(t, os.WriteFile(filepath.Join(dir, "a.toml"), []byte(config(1)), 0o600))
	r.settle(t, "s1")
}
