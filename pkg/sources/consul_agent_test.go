package sources

import (
	"context"
	"encoding/pem"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/consul/api"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/sources/consultest"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestAgent has a registration come back as it was sent, from the server in memory and from Consul.
func TestAgent(t *testing.T) {
	for _, row := range []struct {
		name    string
		address func(t *testing.T) string
	}{
		{"simulated", func(t *testing.T) string { return consultest.New(t).Address() }},
		{"real", func(t *testing.T) string { return lab.Consul(t).Address() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := newAgent(spec.Consul{Address: "http://" + row.address(t) + "/"})
			defer a.close()
			web := Registration{
				ID: "gorb:lb:web@1", Name: "web-80", Address: "fd00::1", Port: 80, Tags: []string{"b", "a"},
				Meta: map[string]string{"k": "v"}, Status: "warning", Output: "1 of 3 backends up",
			}
			bare := ownRegistration("lb", "", 0)
			for _, w := range []Registration{web, bare} {
				must(t, a.do(t.Context(), registerOp{Register: &w}))
			}
			bare.Output = "" // until it is passed
			wantList(t, a, web, bare)
			web.Status, web.Output = "passing", "3 of 3 backends up"
			must(t, a.do(t.Context(), registerOp{Pass: &web}))
			wantList(t, a, web, bare)
			web.Tags, web.Meta, web.Port, web.Status = nil, nil, 0, "critical"
			must(t, a.do(t.Context(), registerOp{Register: &web}))
			wantList(t, a, web, bare)
			for range 2 { // what is gone already is no error
				must(t, a.do(t.Context(), registerOp{Deregister: web.ID}))
			}
			wantList(t, a, bare)
			err := a.do(t.Context(), registerOp{Pass: &web})
			if !isRefused(err) || !strings.Contains(err.Error(), "Consul answered 404: Unknown check ID") {
				t.Errorf("to pass what is gone: %v", err)
			}
			if err := a.do(t.Context(), registerOp{Register: &Registration{ID: "gorb:lb:x", Status: "passing"}}); row.name == "real" && !isRefused(err) {
				t.Errorf("to register what has no name: %v", err)
			}
		})
	}
}

func wantList(t *testing.T, a registry, want ...Registration) {
	t.Helper()
	got, err := a.list(t.Context())
	must(t, err)
	byIDs := cmpopts.SortSlices(func(a, b Registration) bool { return a.ID < b.ID })
	if d := cmp.Diff(want, got, byIDs, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("registered (-want +got):\n%s", d)
	}
}

// TestAgentFails says what is wrong in an operator's words, without the token, and is well again when the agent is.
func TestAgentFails(t *testing.T) {
	server := consultest.New(t)
	file := filepath.Join(t.TempDir(), "token")
	a := newAgent(spec.Consul{Address: "http://" + server.Address(), TokenFile: file})
	defer a.close()
	wantErr := func(want string, refused bool) {
		t.Helper()
		patience := patient
		if want == "no answer in time" {
			patience = 200 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := a.list(ctx)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") || isRefused(err) != refused {
			t.Errorf("got %v, not %q", err, want)
		}
	}
	wantErr("token: open "+file, false)
	write(t, file, "s3cret")
	server.Token("s4cret")
	wantErr("Consul answered 403: Permission denied", true)
	write(t, file, "s4cret")
	server.Fail(500, "No known Consul servers")
	wantErr("Consul answered 500: No known Consul servers", true)
	server.Fail(200, "<html>")
	wantErr("the answer is not Consul's", false)
	server.Hang()
	wantErr("no answer in time", false)
	server.Heal()
	wantList(t, a)
	server.Stop()
	wantErr("connection refused", false)
	server.Start()
	wantList(t, a)
}

// TestAgentTLS trusts whom ca_file names, and nobody else.
func TestAgentTLS(t *testing.T) {
	server := httptest.NewTLSServer(consultest.New(t))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	a := newAgent(spec.Consul{Address: server.URL, CAFile: file})
	wantList(t, a)
	a.close()
	a = newAgent(spec.Consul{Address: server.URL})
	defer a.close()
	if _, err := a.list(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger is trusted: %v", err)
	}
}

// realRegistrar registers with a real agent.
func realRegistrar(t *testing.T, agent *lab.ConsulAgent, d *spec.Desired) (*Registrar, *desiredBox, func()) {
	t.Helper()
	d.Consul.Address = "http://" + agent.Address()
	box := &desiredBox{d: d}
	r := NewRegistrar("lb", zerolog.New(zerolog.NewTestWriter(t)))
	r.Desired = box.get
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return r, box, func() {
		cancel()
		must(t, <-ended)
	}
}

// wantRegistered waits until the agent has these IDs, and what the catalogue has of them is passing.
func wantRegistered(t *testing.T, client *api.Client, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = nil
		names, _, err := client.Catalog().Services(nil)
		for name := range names {
			entries, _, herr := client.Health().Service(name, "", true, nil)
			if herr != nil {
				err = herr
			}
			for _, e := range entries {
				got = append(got, e.Service.ID)
			}
		}
		sort := cmpopts.SortSlices(strings.Compare)
		if err == nil && cmp.Equal(append([]string{"consul"}, want...), got, sort) {
			return
		}
	}
	t.Fatalf("passing are %q, not %q", got, want)
}

// TestRegistrarReal runs through what happens to registrations with a real Consul.
func TestRegistrarReal(t *testing.T) {
	agent := lab.Consul(t)
	client, err := api.NewClient(&api.Config{Address: agent.Address()})
	must(t, err)
	for _, id := range []string{"web", "gorb", "gorb:lb2", "gorb:lb2:web"} { // GORB's, and another gorb's
		must(t, client.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: id, Name: "theirs"}))
	}
	theirs := []string{"web", "gorb", "gorb:lb2", "gorb:lb2:web"}
	ours := func(ids ...string) []string { return append(ids, theirs...) }
	d := desiredWith("dns", "web")
	d.Consul.DeregisterAtExit = true
	r, box, stop := realRegistrar(t, agent, d)
	wantRegistered(t, client, ours("gorb:lb", "gorb:lb:dns", "gorb:lb:web")...)
	box.change(func(d *spec.Desired) { d.Services = d.Services[1:] })
	r.Wake()
	wantRegistered(t, client, ours("gorb:lb", "gorb:lb:web")...)

	// What was lost behind gorb's back is found at the next look.
	must(t, client.Agent().ServiceDeregister("gorb:lb:web"))
	r.Wake()
	wantRegistered(t, client, ours("gorb:lb", "gorb:lb:web")...)

	// An agent that crashed has everything when it is back; one that lost its data gets it anew.
	agent.Stop()
	r.Wake()
	eventually(t, func() bool { s := r.Status(); return s != nil && s.State == Failing })
	agent.Start()
	wantRegistered(t, client, ours("gorb:lb", "gorb:lb:web")...)
	agent.Stop()
	agent.Forget()
	agent.Start()
	theirs = nil
	r.Wake()
	wantRegistered(t, client, "gorb:lb", "gorb:lb:web")

	must(t, client.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: "web", Name: "theirs"}))
	stop()
	wantRegistered(t, client, "web")
}

// TestRegistrarRealToken: a token that may not do everything costs what it may not do.
func TestRegistrarRealToken(t *testing.T) {
	agent := lab.Consul(t, "-hcl=acl { enabled = true default_policy = \"deny\" tokens { initial_management = \""+rootToken+"\" } }")
	client, err := api.NewClient(&api.Config{Address: agent.Address(), Token: rootToken})
	must(t, err)
	eventually(t, func() bool { _, _, err := client.KV().Keys("", "", nil); return err == nil })
	_, _, err = client.ACL().PolicyCreate(&api.ACLPolicy{Name: "gorb", Rules: `service "gorb" { policy = "write" }`}, nil)
	must(t, err)
	token, _, err := client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{Name: "gorb"}}}, nil)
	must(t, err)

	d := desiredWith("dns", "web")
	d.Consul.TokenFile = filepath.Join(t.TempDir(), "token")
	write(t, d.Consul.TokenFile, token.SecretID)
	r, _, stop := realRegistrar(t, agent, d)
	defer stop()
	failing := func(want string) bool {
		s := r.Status()
		if s == nil || s.State != Failing {
			return false
		}
		if strings.Contains(s.Err, token.SecretID) {
			t.Errorf("the error repeats the token: %s", s.Err)
		}
		return strings.Contains(s.Err, want)
	}
	eventually(t, func() bool {
		return failing("register dns: Consul answered 403: Permission denied: ") && failing(`'service:write' on "dns" (and 1 more)`)
	})
	write(t, d.Consul.TokenFile, rootToken)
	r.Wake()
	eventually(t, func() bool { s := r.Status(); return s.State == Good && s.Services == 2 })
}

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never is")
		}
	}
}

// desiredBox holds the newest Desired.
type desiredBox struct {
	mu sync.Mutex // guards d
	d  *spec.Desired
}

func (b *desiredBox) get() *spec.Desired {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.d
}

func (b *desiredBox) change(f func(*spec.Desired)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := *b.d
	f(&d)
	b.d = &d
}
