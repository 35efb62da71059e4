package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// asked is a daemon without a kernel: its sources, its overrides and its socket.
type asked struct {
	dir    string
	socket string
	wakes  chan struct{} // what the reconciler would be asked
	taken  chan *spec.Desired
}

const askedFile = `[services.web]
host = "10.0.0.1"
port = 80

[services.web.backends.a]
host = "10.1.0.1"
weight = 100

[defaults.pulse]
type = "none"
`

func startAsked(t *testing.T) *asked {
	t.Helper()
	return startAskedWith(t, askedFile, func(*daemonAPI) {})
}

// startAskedWith has a file, and has what is asked completed before it is served.
func startAskedWith(t *testing.T, content string, complete func(*daemonAPI)) *asked {
	t.Helper()
	dir := t.TempDir()
	d := &asked{dir: dir, socket: filepath.Join(dir, "gorb.sock"), wakes: make(chan struct{}, 1), taken: make(chan *spec.Desired)}
	file := filepath.Join(dir, "gorb.toml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := sources.OpenOverrides("")
	if err != nil {
		t.Fatal(err)
	}
	layers := sources.NewLayers(zerolog.Nop(), sources.Tops(sources.NewFile(file, 0, "", zerolog.Nop(), nil)), nil)
	layers.Overrides = store
	ctx, cancel := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return layers.Run(ctx, d.taken) })
	reconciler := reconcile.New(reconcile.NewKeeper(kernel.NewFake(), nil, reconcile.NewStore("", reconcile.Place{}), reconcile.Memory{}), false, zerolog.Nop())
	g.Go(func() error { return reconciler.Run(ctx, reconcile.Wakes{}) })
	engine := probe.New(nil, zerolog.Nop())
	g.Go(func() error { return engine.Run(ctx) })
	api := daemonAPI{
		Layers: layers, OverrideStore: store, reconciler: reconciler,
		registrar: sources.NewRegistrar("", zerolog.Nop()), asked: d.wakes, live: &liveness{}, engine: engine,
	}
	complete(&api)
	g.Go(func() error {
		s := serving{
			daemon: &daemon{log: zerolog.New(zerolog.NewTestWriter(t))}, socket: d.socket,
			handler: httpapi.New(api, httpapi.Options{Access: httpapi.NewAccess(zerolog.Nop(), time.Now)}),
		}
		s.onSocket(ctx)
		return nil
	})
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
	d.take(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(d.socket); err == nil {
			return d
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// take waits for the next configuration.
func (d *asked) take(t *testing.T) *spec.Desired {
	t.Helper()
	select {
	case desired := <-d.taken:
		return desired
	case <-time.After(time.Minute):
		t.Fatal("there is no new configuration")
		return nil
	}
}

var clock = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)

// gorb runs a command, and returns its output, then what it says of errors, and its code if that is not 0. What differs
// between two runs is put in words.
func (d *asked) gorb(input string, args ...string) string {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), append(args, "--socket", d.socket), strings.NewReader(input), &stdout, &stderr)
	text := clock.ReplaceAllString(stdout.String()+stderr.String(), "TIME")
	text = strings.ReplaceAll(text, d.dir+"/", "")
	text = strings.ReplaceAll(text, "note: the kernel does not have all of it yet: it is stored, and no pass has come to it yet\n", "") // there are none
	if code != 0 {
		text += "code " + string(rune('0'+code)) + "\n"
	}
	return text
}

func (d *asked) want(t *testing.T, want string, args ...string) {
	t.Helper()
	if diff := cmp.Diff(want, d.gorb("", args...)); diff != "" {
		t.Errorf("gorb %s (-want +got):\n%s", strings.Join(args, " "), diff)
	}
}

func TestOverrideCommand(t *testing.T) {
	d := startAsked(t)
	d.want(t, "there are no overrides\n", "override", "list")
	d.want(t, "patch web/a {\"weight\":50} until TIME\n",
		"override", "patch", "web/a", "weight=50", "--ttl", "1h", "--reason", "slow disk", "--by", "ann")
	if w := d.take(t).Services[0].Backends[0].Weight; w != 50 {
		t.Errorf("the weight is %d", w)
	}
	d.want(t, `web/a
  host            "10.1.0.1"  gorb.toml:6
  port            80          gorb.toml:3 (services.web)
  weight          50          ending override web/a, TIME by ann, until TIME: slow disk
    over          100         gorb.toml:7
  method          "nat"       default
  pulse.interval  "1m"        default
  pulse.type      "none"      gorb.toml:10 (defaults.pulse)
`, "explain", "web/a")
	d.want(t, "hide mail\nwarning: idle: what it hides is not there\n", "override", "hide", "mail", "--by", "bob")
	d.want(t, "patch dns {\"port\":53}\nwarning: dangling: its object is gone; it counts again when that returns\n",
		"override", "patch", "dns", "port=53", "--by", "bob")
	d.want(t, `OBJECT  KIND   UNTIL                 BY   REASON     WHAT
dns     patch  -                     bob  -          {"port":53}
  dangling: its object is gone; it counts again when that returns
mail    hide   -                     bob  -          -
  idle: what it hides is not there
web/a   patch  TIME  ann  slow disk  {"weight":50}
`, "override", "list")
	d.want(t, `OBJECT  KIND   UNTIL                 BY   REASON     WHAT
web/a   patch  TIME  ann  slow disk  {"weight":50}
`, "override", "list", "web")
	d.want(t, "cleared: ending patch web/a\ncleared: patch dns\ngorb: override of \"web\": there is none\ncode 1\n",
		"override", "clear", "web/a", "web", "dns")
	if w := d.take(t).Services[0].Backends[0].Weight; w != 100 {
		t.Errorf("the weight is %d again", w)
	}
	body := `{"host": "10.0.0.1", "port": 81}`
	if got := d.gorb(body, "override", "set", "web", "--file", "-", "--by", "ann"); got != "set web {\"host\":\"10.0.0.1\",\"port\":81}\n" {
		t.Errorf("from a file: %s", got)
	}
	if s := d.take(t).Services[0]; s.Port != 81 || len(s.Backends) != 1 {
		t.Errorf("the service is %+v", s)
	}
}

// TestOverrideAside writes what is right alone, and does not go with the file.
func TestOverrideAside(t *testing.T) {
	d := startAsked(t)
	const why = "does not count: override mail: services.mail: tcp 10.0.0.1:80 is service web already\n"
	d.want(t, "set mail {\"host\":\"10.0.0.1\",\"port\":80}\ngorb: it is stored, and "+why+"code 1\n",
		"override", "set", "mail", "host=10.0.0.1", "port=80", "--by", "ann")
	d.want(t, `OBJECT  KIND  UNTIL  BY   REASON  WHAT
mail    set   -      ann  -       {"host":"10.0.0.1","port":80}
  `+why, "override", "list")
}

func TestAskedRefuses(t *testing.T) {
	d := startAsked(t)
	for _, tt := range []struct{ args, want string }{
		{"override patch web/a weight=-1", "override web/a: services.web.backends.a.weight: -1 is under 0\ncode 1\n"},
		{"override patch web prot=1", "override web: services.web.prot: there is no such key, did you mean \"port\"?\ncode 1\n"},
		{"explain wab", "gorb: there is no service \"wab\", did you mean \"web\"?\ncode 1\n"},
		{"accept here", "gorb: no source is called \"here\"\ncode 1\n"},
		{"accept " + d.dir + "/gorb.toml", "gorb: nothing of source \"gorb.toml\" is held\ncode 1\n"},
		{"reload here", "gorb: no source is called \"here\"\ncode 1\n"},
		{"override", "gorb: override takes one of list, set, patch, hide, clear\n"},
		{"override ste web", "gorb: there is no override \"ste\"; did you mean \"set\"?\n"},
		{"override set", "gorb: override set takes a service, or a backend of one: web, web/a\n"},
		{"override set web", "gorb: there is nothing to write: KEY=VALUE, such as weight=50, or --file\n"},
		{"override set web/ port=1", "gorb: \"web/\" is no object: SERVICE, or SERVICE/BACKEND\n"},
		{"override set web port", "gorb: \"port\" is not KEY=VALUE, such as weight=50\n"},
		{"override set web port=80 --file x", "gorb: --file and KEY=VALUE are two ways to say one thing; one is enough\n"},
		{"override hide web port=80", "gorb: override hide takes one object, and got \"port=80\"\n"},
		{"override clear web --ttl 1h", "gorb: override clear takes no --ttl\n"},
		{"override hide web --ttl -1h", "gorb: --ttl -1h0m0s: an override lasts for longer than nothing\n"},
		{"explain", "gorb: explain takes a service, or a backend of one: web, web/a\n"},
		{"accept", "gorb: accept takes the name of a source\n"},
	} {
		args := strings.Fields(tt.args)
		if !strings.HasSuffix(tt.want, "code 1\n") {
			tt.want += "Try 'gorb help " + args[0] + "'.\ncode 2\n"
		}
		d.want(t, tt.want, args...)
	}
	d.socket = filepath.Join(d.dir, "none")
	d.want(t, "gorb: none: no gorb runs that can be asked; 'gorb run' starts one, and --socket names the socket of another\ncode 1\n", "reload")
}

func TestReloadCommand(t *testing.T) {
	d := startAsked(t)
	file := filepath.Join(d.dir, "gorb.toml")
	d.want(t, "reading gorb.toml again\n", "reload", file)
	if len(d.wakes) != 0 {
		t.Error("for one source the kernel is read again")
	}
	d.want(t, "reading everything again\n", "reload")
	d.want(t, "{\n  \"reloading\": []\n}\n", "reload", "--json")
	if len(d.wakes) != 1 {
		t.Error("the kernel is not read again")
	}
}

func TestPairs(t *testing.T) {
	for pairs, want := range map[string]string{
		"weight=50":           `{"weight":50}`,
		"host=10.0.0.1":       `{"host":"10.0.0.1"}`,
		"host=2001:db8::1":    `{"host":"2001:db8::1"}`,
		`method="dr"`:         `{"method":"dr"}`,
		"disabled=true":       `{"disabled":true}`,
		"weight=null":         `{"weight":null}`,
		"flags=['a','b']":     `{"flags":["a","b"]}`,
		"pulse={interval=1}":  `{"pulse":{"interval":1}}`,
		`backends."a.b".x=1`:  `{"backends":{"a.b":{"x":1}}}`,
		"p.a=1 p.b.c=5s":      `{"p":{"a":1,"b":{"c":"5s"}}}`,
		"weight":              `"weight" is not KEY=VALUE, such as weight=50`,
		"=1":                  `"=1" is not KEY=VALUE, such as weight=50`,
		"a..b=1":              `"a..b=1" is not KEY=VALUE, such as weight=50`,
		"p=1 p.a=1":           "p.a=1: p has a value already",
		"p.a=1 p.a=2":         "p.a=2: p.a has a value already",
		"p=":                  `p=: the value is neither TOML nor a word; a text is written '"like this"'`,
		"p=inf":               "p=inf: it is no value that a field has",
		"p=1\nq=2":            "",
		"p={":                 `p={: the value is neither TOML nor a word; a text is written '"like this"'`,
		"weight=1\n[x]\nv=22": "",
	} {
		words := strings.Split(pairs, " ")
		body, err := new(overriding).body(t.Context(), words)
		got := string(body)
		if err != nil {
			got = err.Error()
		}
		if want == "" { // whatever it is, it is refused
			if err == nil {
				t.Errorf("%q is taken as %s", pairs, got)
			}
			continue
		}
		if got != want {
			t.Errorf("%q: got  %s\nwant %s", pairs, got, want)
		}
	}
}
