package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/httpapi"
)

// TestGitOps deploys to a director that runs, finds the table that the example has on file, and asks the director. What
// is bad does not get as far as the director's link.
func TestGitOps(t *testing.T) {
	gorb := lab.Binary(t)
	lab.Run(t, func(t *testing.T) {
		d := newDeployment(t, gorb)
		start(t, lab.Command(t, d.ns, gorb, "run", filepath.Join(d.etc, "current", "gorb.toml")))
		waitFor(t, "gorb's socket", func() error { _, err := os.Stat(d.socket()); return err })

		if out, err := d.script("deploy.sh", "director1"); err != nil {
			t.Fatalf("deploy.sh (%v):\n%s", err, out)
		}
		want, got := read(t, "gitops/tables/director1.json"), read(t, filepath.Join(d.repository, "tables", "director1.json"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the table that was written down (-want +got):\n%s", diff)
		}
		if out, err := d.script("plan.sh", "director1"); err != nil || !strings.HasSuffix(out, "\nnothing to do\n") {
			t.Errorf("plan.sh director1 (%v):\n%s", err, out)
		}

		d.planByToken()

		before := d.current()
		write(t, filepath.Join(d.repository, "conf", "services", "bad.toml"), "[services.bad]\n")
		for _, name := range []string{"plan.sh", "deploy.sh"} {
			if out, err := d.script(name, "director1"); err == nil {
				t.Errorf("%s has nothing against what is bad:\n%s", name, out)
			}
		}
		if after := d.current(); after != before {
			t.Errorf("the link leads to %s, and led to %s", after, before)
		}
	})
}

// planByToken has the director take tokens, and asks it at its URL: with one that may read, and without.
func (d deployment) planByToken() {
	d.t.Helper()
	token, hash := httpapi.NewToken()
	main := filepath.Join(d.etc, "current", "gorb.toml")
	write(d.t, main, read(d.t, main)+fmt.Sprintf("\n[[api.tokens]]\nname = \"plan\"\nrole = \"read\"\nhash = %q\n", hash))
	const url = "http://127.0.0.1:4672"
	d.t.Setenv("GORB_TOKEN", "gorb_another")
	waitFor(d.t, "gorb to want tokens", func() error {
		out, err := d.script("plan.sh", url)
		if err == nil || !strings.Contains(out, "; the token was that of GORB_TOKEN\n") {
			return fmt.Errorf("plan.sh with a wrong token (%v):\n%s", err, out)
		}
		return nil
	})
	d.t.Setenv("GORB_TOKEN", token)
	out, err := d.script("plan.sh", url)
	if want := "# " + url + "\n# asked the gorb at " + url + ": 0 overrides in force\nnothing to do\n"; err != nil || out != want {
		d.t.Errorf("plan.sh with a token (%v):\n%s", err, out)
	}
}

// deployment is a copy of examples/gitops, and a director that is this machine.
type deployment struct {
	t          *testing.T
	ns         string
	repository string
	etc        string // the director's /etc/gorb, and its state and socket
	bin        string // what stands for ssh and gorb
}

func newDeployment(t *testing.T, gorb string) deployment {
	t.Helper()
	d := deployment{t: t, ns: lab.Namespace(t), repository: t.TempDir(), etc: t.TempDir(), bin: t.TempDir()}
	if err := os.CopyFS(d.repository, os.DirFS("gitops")); err != nil {
		t.Fatal(err)
	}
	places := fmt.Sprintf("[gorb]\nstate_dir = %q\nsocket = %q\n[defaults.pulse]\ntype = \"none\"\n", d.state(), d.socket())
	main := filepath.Join(d.repository, "conf", "gorb.toml")
	write(t, main, read(t, main)+places)
	write(t, filepath.Join(d.repository, "tables", "director1.json"), "")
	write(t, filepath.Join(d.etc, "releases", "none", "gorb.toml"), places+"[services]\n")
	if err := os.Symlink("releases/none", filepath.Join(d.etc, "current")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(d.bin, "ssh"), "#!/bin/sh\nshift\nexec sh -c \"$*\"\n")
	write(t, filepath.Join(d.bin, "gorb"), fmt.Sprintf(`#!/bin/sh
case $1 in
reload) exec '%[1]s' "$@" --socket '%[2]s' ;;
export) exec '%[1]s' "$@" --state-dir '%[3]s' ;;
*) exec '%[1]s' "$@" ;;
esac
`, gorb, d.socket(), d.state()))
	return d
}

func (d deployment) state() string  { return filepath.Join(d.etc, "state") }
func (d deployment) socket() string { return filepath.Join(d.etc, "gorb.sock") }

// current is where the director's link leads.
func (d deployment) current() string {
	d.t.Helper()
	to, err := os.Readlink(filepath.Join(d.etc, "current"))
	if err != nil {
		d.t.Fatal(err)
	}
	return to
}

// script runs a script of the repository.
func (d deployment) script(args ...string) (string, error) {
	d.t.Helper()
	c := lab.Command(d.t, d.ns, "sh", args...)
	c.Dir = d.repository
	c.Env = append(os.Environ(), "PATH="+d.bin+":"+os.Getenv("PATH"), "GORB_ETC="+d.etc)
	out, err := c.CombinedOutput()
	return string(out), err
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// write writes a file that can be executed, as some are, and makes its directory.
func write(t *testing.T, name, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(text), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
