package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// paged is a web server with one page, which may be away, a file that declares it, and a state directory.
type paged struct {
	page atomic.Pointer[string] // nil: it is away
	main string
	dir  string
}

func newPaged(t *testing.T, local string) *paged {
	t.Helper()
	p := &paged{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text := p.page.Load()
		if text == nil {
			http.Error(w, "closed", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/toml")
		_, _ = w.Write([]byte(*text))
	}))
	t.Cleanup(web.Close)
	p.dir = writeFiles(t, map[string]string{
		"gorb.toml": "[[sources]]\nurl = '" + web.URL + "/a'\nname = 'the page'\n" + local,
	})
	p.main = filepath.Join(p.dir, "gorb.toml")
	return p
}

func (p *paged) says(text string) { p.page.Store(&text) }

// try reads everything and tries it by the copies of the state directory, into which it saves if it is told to.
func (p *paged) try(t *testing.T, accept, save bool) (*Trial, error) {
	t.Helper()
	all, err := Once{Spare: true}.Read(t.Context(), []string{p.main})
	if err != nil {
		return nil, err
	}
	trial, err := all.Trial(Trying{Now: time.Now(), Copies: Copies{LookAtLastGood(p.dir)}, Accept: accept})
	if err == nil && save {
		must(t, trial.Save(Copies{NewLastGood(p.dir)}))
	}
	return trial, err
}

// many is n services with a backend each.
func many(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "[services.s%d]\nhost = \"10.0.0.%d\"\nport = 80\n[services.s%[1]d.backends.a]\nhost = \"10.1.0.%[1]d\"\n", i, i)
	}
	return b.String()
}

// summary is a trial in a line.
func summary(t *Trial) string {
	text := fmt.Sprintf("%d services", len(t.Desired.Services))
	for _, h := range t.Held {
		text += fmt.Sprintf("; %s holds %d of %d: %s", h.Source, h.Count, h.Of, strings.Join(h.Names, " "))
	}
	for _, a := range t.Away {
		text += "; without " + a.Source
	}
	return text
}

// What a page leaves out is held by what was saved, until it is accepted.
func TestTrialHolds(t *testing.T) {
	p := newPaged(t, "[services.local]\nhost = \"10.0.1.1\"\nport = 80\n")
	step := func(accept, save bool, want string) {
		t.Helper()
		trial, err := p.try(t, accept, save)
		must(t, err)
		equal(t, "trial", want, summary(trial))
	}
	p.says(many(4))
	step(false, true, "5 services")
	p.says(many(1))
	for range 2 { // what it is measured by is saved, too, and so it is held again
		step(false, true, "5 services; the page holds 6 of 8: s2 s2/a s3 s3/a s4 s4/a")
	}
	p.says(many(3))
	step(false, false, "5 services; the page holds 2 of 8: s4 s4/a") // what has not returned
	p.says("[services]\n")
	step(false, false, "5 services; the page holds 8 of 8: s1 s1/a s2 s2/a s3 s3/a s4 s4/a")
	p.page.Store(nil)
	step(false, true, "5 services; the page holds 6 of 8: s2 s2/a s3 s3/a s4 s4/a; without the page")
	p.says(many(1))
	step(true, true, "2 services")
	step(false, false, "2 services")
}

// A local file is not measured.
func TestTrialOfFiles(t *testing.T) {
	p := newPaged(t, many(4))
	p.says("[services]\n")
	_, err := p.try(t, false, true)
	must(t, err)
	text, err := os.ReadFile(p.main)
	must(t, err)
	must(t, os.WriteFile(p.main, []byte(strings.TrimSuffix(string(text), many(4))+"[services]\n"), 0o600))
	trial, err := p.try(t, false, false)
	must(t, err)
	equal(t, "trial", "0 services", summary(trial))
}

func TestTrialRefuses(t *testing.T) {
	p := newPaged(t, "[services]\n")
	if _, err := p.try(t, false, false); err == nil || !strings.HasPrefix(err.Error(), "the page: ") {
		t.Errorf("a page that is away and has no copy: %v", err)
	}
	p.says("[services.web]\nport = 80\n")
	if _, err := p.try(t, false, false); err != nil {
		t.Error(err) // hosts may come later
	}
	p.says(many(2) + "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n")
	if _, err := p.try(t, false, false); err == nil || !strings.Contains(err.Error(), "is service s1 already") {
		t.Errorf("what is wrong with the whole: %v", err)
	}
	p.says(many(2))
	_, err := p.try(t, false, true)
	must(t, err)
	copies := NewLastGood(p.dir)
	must(t, os.WriteFile(copies.path("the page"), []byte("rubbish"), 0o600))
	trial, err := p.try(t, false, false)
	must(t, err)
	equal(t, "unread", 1, len(trial.Unread))
	if _, err := copies.Load("the page"); errors.Is(err, fs.ErrNotExist) || err == nil {
		t.Errorf("who only looked has changed it: %v", err)
	}
	all, err := Once{Spare: true}.Read(t.Context(), []string{p.main})
	must(t, err)
	no := errors.New("there is no eth0")
	_, err = all.Trial(Trying{Finish: func(*spec.Desired) (*spec.Desired, error) { return nil, no }})
	if !errors.Is(err, no) {
		t.Errorf("it cannot be finished: %v", err)
	}
}

// What is proposed to layers that run goes by what counts there, and changes nothing.
func TestTry(t *testing.T) {
	p := newPaged(t, "[gorb]\ninterface = 'eth7'\nresync = '1m'\n[probe]\nmax_exec = 7\n[services.local]\nhost = \"10.0.1.1\"\nport = 80\n")
	p.says(many(4))
	all, err := Once{Away: true}.Read(t.Context(), []string{p.main})
	must(t, err)
	top, err := all.Args[0].Top(0, "", zerolog.Nop())
	must(t, err)
	l := NewLayers(zerolog.Nop(), []Top{top}, nil)
	l.Open = func(d spec.SourceDecl, layer int) (Source, error) { return Open(d, layer, zerolog.Nop()) }
	store, err := OpenOverrides("")
	must(t, err)
	_, err = stored(t.Context(), store, spec.Override{Service: "local", Kind: spec.Patch, Body: []byte(`{"port": 81}`), By: "test"})
	must(t, err)
	l.Overrides = store
	if _, err := l.Try(nil, false); !errors.Is(err, ErrNothingYet) {
		t.Errorf("before there is anything: %v", err)
	}
	out := make(chan *spec.Desired)
	go func() { _ = l.Run(t.Context(), out) }()
	before := <-out

	try := func(accept bool, proposals ...Proposal) string {
		t.Helper()
		trial, err := l.Try(proposals, accept)
		if err != nil {
			return err.Error()
		}
		for _, s := range trial.Desired.Services {
			if s.Name == "local" && s.Port != 81 {
				t.Errorf("without the override: %+v", s)
			}
		}
		return fmt.Sprint(summary(trial), "; overrides ", trial.Overrides)
	}
	doc := func(text string) *spec.Document {
		d, err := spec.Decode("it", spec.TOML, []byte(text))
		must(t, err)
		return d
	}
	local, none := doc("[services.local]\nhost = \"10.0.1.2\"\nport = 80\n"), doc("[services]\n")
	for _, tt := range []struct {
		name      string
		accept    bool
		proposals []Proposal
		want      string
	}{
		{"as it is", false, nil, "5 services; overrides 1"},
		{"another file", false, []Proposal{{p.main, local}, {"the page", nil}}, "5 services; overrides 1"},
		{"no page", false, []Proposal{{p.main, local}}, "1 services; overrides 1"},
		{
			"an empty page", false,
			[]Proposal{{p.main, local}, {"the page", none}},
			"5 services; the page holds 8 of 8: s1 s1/a s2 s2/a s3 s3/a s4 s4/a; overrides 1",
		},
		{"that is accepted", true, []Proposal{{p.main, local}, {"the page", none}}, "1 services; overrides 1"},
		{"an empty file", false, []Proposal{{p.main, none}, {"the page", nil}}, "4 services; overrides 0"},
		{"another name", false, []Proposal{{"my page", none}}, "0 services; overrides 0"},
		{"nothing of it", false, []Proposal{{"my page", nil}}, "my page: there is nothing of this source yet"},
		{"twice", false, []Proposal{{"it", none}, {"it", none}}, "it: another source has the name"},
		{"without a name", false, []Proposal{{"", none}}, "the plan: there are 1 to 256 sources, and each has a name"},
		{"not valid", false, []Proposal{{"it", doc("[services.web]\nhost = \"10.0.0.1\"\n")}}, "it:1: services.web.port: missing; a service needs a port or a fwmark"},
	} {
		t.Run(tt.name, func(t *testing.T) { equal(t, "trial", tt.want, try(tt.accept, tt.proposals...)) })
	}
	// What is not about services is as it is, unless it is said.
	for text, want := range map[string]string{
		"[services]\n": "eth7 1m0s [gorb.interface gorb.resync probe.max_exec] 7",
		"[gorb]\nresync = '2m'\nenv = false\n[defaults.service]\nmethod = 'rr'\n": "eth7 2m0s [gorb.interface probe.max_exec] 7",
	} {
		trial, err := l.Try([]Proposal{{"it", doc(text)}}, false)
		must(t, err)
		d := trial.Desired
		equal(t, text, want, fmt.Sprint(d.Gorb.Interface, " ", d.Gorb.Resync, " ", trial.Own, " ", d.Probe.MaxExec))
	}
	// What one of the sources itself does not say any more is gone.
	trial, err := l.Try([]Proposal{{p.main, none}}, false)
	must(t, err)
	equal(t, "of the file itself", "eth0 30s []", fmt.Sprint(trial.Desired.Gorb.Interface, " ", trial.Desired.Gorb.Resync, " ", trial.Own))
	if !sameDesired(l.Desired(), before) { // which a reading meanwhile may have made anew
		t.Error("what counts has changed")
	}
}
