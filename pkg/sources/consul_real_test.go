package sources

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/hashicorp/consul/api"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/spec"
)

// rootToken may do everything where access lists are on.
const rootToken = "11111111-2222-3333-4444-555555555555"

// realConsul is a real Consul, with a client that may do everything.
func realConsul(t *testing.T, more ...string) (*lab.ConsulAgent, *api.Client) {
	t.Helper()
	agent := lab.Consul(t, more...)
	client, err := api.NewClient(&api.Config{Address: agent.Address(), Token: rootToken})
	must(t, err)
	for deadline := time.Now().Add(patient); ; time.Sleep(20 * time.Millisecond) {
		// A new leader makes the token that may do everything a little after it leads.
		if _, _, err := client.KV().Keys("", "", nil); err == nil || time.Now().After(deadline) {
			break
		}
	}
	return agent, client
}

// watchReal watches a path at the address of a real Consul.
func watchReal(t *testing.T, address, path string, options ...func(*spec.SourceDecl)) *reads {
	t.Helper()
	return runSource(t, newReal(t, address, path, 3, options...))
}

func newReal(t *testing.T, address, path string, layer int, options ...func(*spec.SourceDecl)) *Consul {
	t.Helper()
	decl := spec.SourceDecl{URL: "consul://" + address + "/" + path, Name: "kv", Stale: true}
	for _, o := range options {
		o(&decl)
	}
	c, err := NewConsul(decl, layer, zerolog.Nop())
	must(t, err)
	c.retry = backoff.NewConstantBackOff(50 * time.Millisecond)
	return c
}

// put puts pairs of keys and values, one after the other.
func put(t *testing.T, client *api.Client, pairs ...string) {
	t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		_, err := client.KV().Put(&api.KVPair{Key: pairs[i], Value: []byte(pairs[i+1])}, nil)
		must(t, err)
	}
}

// TestConsulReal runs through what happens to a prefix in a real Consul.
func TestConsulReal(t *testing.T) {
	agent, client := realConsul(t)
	put(t, client, "gorb/prod/services/", "", "gorb/prod/services/web", service(1))
	const settle = 500 * time.Millisecond
	c := watchReal(t, agent.Address(), "gorb/prod/", func(decl *spec.SourceDecl) { decl.Settle = settle })
	c.want(t, "web")

	// Twenty puts, one after the other, are one change.
	all := "web"
	longest := putMany(20, func(n int) {
		name := fmt.Sprintf("x%02d", n)
		put(t, client, "gorb/prod/services/"+name, service(1+n))
		all = name + " " + all
	})
	all = strings.Join(sortedWords(all), " ")
	c.wantAtOnce(t, all, longest, settle)

	// A put beside the prefix is no change, and asking finds the same.
	put(t, client, "gorb/prod2/services/no", service(99), "gorb/prod/services2/no", "no")
	c.Confirm()
	r := receive(t, c.out)
	for ; !r.Again; r = receive(t, c.out) { // the second of the two is under the prefix
	}
	must(t, r.Err)
	equal(t, "services", all, names(t, r.Document))

	// One bad key is named, and is the whole source's.
	put(t, client, "gorb/prod/services/x01", "host = \"10.0.0.2\"\nport = 70000")
	bad, _, err := client.KV().Get("gorb/prod/services/x01", nil)
	must(t, err)
	c.wantErr(t, fmt.Sprintf("consul://%s/gorb/prod/services/x01#%d:2: services.x01.port: 70000 is over 65535", agent.Address(), bad.ModifyIndex))
	put(t, client, "gorb/prod/services/x01", service(2))
	c.want(t, all)
}

// TestConsulRealReturns has a Consul that crashes, and old data that comes back under the watch.
func TestConsulRealReturns(t *testing.T) {
	agent, client := realConsul(t)
	put(t, client, "gorb/prod/services/a", service(1))
	export := filepath.Join(t.TempDir(), "export.json")
	write(t, export, agent.Run("kv", "export", "gorb/prod/"))
	c := watchReal(t, agent.Address(), "gorb/prod/")
	c.want(t, "a")
	crash := func(back func()) Reading {
		t.Helper()
		agent.Stop()
		for { // the connection is cut before the next one is refused
			if r := receive(t, c.out); r.Err != nil && strings.Contains(r.Err.Error(), "connection refused") {
				break
			}
		}
		back()
		agent.Start()
		r := receive(t, c.out)
		for ; r.Err != nil; r = receive(t, c.out) { // no leader yet
		}
		return r
	}

	// A crash keeps what there is.
	old := ""
	equal(t, "services", "a", names(t, crash(func() { old = agent.Save() }).Document))
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	agent.Run("snapshot", "save", snapshot)
	put(t, client, "gorb/prod/services/b", service(2))
	c.want(t, "a b")

	// The index goes back under a blocking query, and while the agent is away.
	agent.Run("snapshot", "restore", snapshot)
	c.want(t, "a")
	put(t, client, "gorb/prod/services/b", service(2), "gorb/prod/services/c", service(3))
	c.settle(t, "a b c") // a slow disk takes its time between the two
	equal(t, "services", "a", names(t, crash(func() { agent.Restore(old) }).Document))

	// Old values come back under a new index.
	put(t, client, "gorb/prod/services/a", service(9))
	c.want(t, "a")
	agent.Run("kv", "import", "@"+export)
	equal(t, "host", "10.0.0.1", merged(t, c.want(t, "a").Document).Services[0].Host.String())
}

// merged is what a document declares.
func merged(t *testing.T, doc *spec.Document) *spec.Desired {
	t.Helper()
	d, err := spec.Merge(doc)
	must(t, err)
	return d
}

// TestConsulRealShapes reads what GORB wrote, and a key that holds a whole document.
func TestConsulRealShapes(t *testing.T) {
	agent, client := realConsul(t)
	put(t, client,
		"gorb/services/web", `{"host":"10.0.0.1","port":80,"protocol":"tcp","method":"sh","persistent":false}`,
		"gorb/backends/a", `{"host":"10.1.0.1","port":80,"weight":50,"method":"nat","pulse":{"type":"tcp","interval":"1m","args":null},"vsid":"web"}`,
		"gorb/prod.json", `{"services": {"s1": {"host": "10.0.0.1", "port": 80}}}`,
	)
	c := watchReal(t, agent.Address(), "gorb/")
	equal(t, "backends", 1, len(merged(t, c.want(t, "web").Document).Services[0].Backends))
	_, err := client.KV().Delete("gorb/backends/a", nil)
	must(t, err)
	equal(t, "backends", 0, len(merged(t, c.want(t, "web").Document).Services[0].Backends))

	key := watchReal(t, agent.Address(), "gorb/prod.json")
	key.want(t, "s1")
	put(t, client, "gorb/prod.json", config(1, 2))
	key.want(t, "s1 s2")
	_, err = client.KV().Delete("gorb/prod.json", nil)
	must(t, err)
	key.wantErr(t, `there is no key "gorb/prod.json"`)
	put(t, client, "gorb/prod.json", config(2))
	key.want(t, "s2")
}

// TestConsulRealTLS has both sides show certificates of one authority.
func TestConsulRealTLS(t *testing.T) {
	ours, stranger := t.TempDir(), t.TempDir()
	newAuthority(t, ours)
	newAuthority(t, stranger)
	in := filepath.Join
	port := lab.FreePorts(t, 1)[0]
	_, client := realConsul(t, fmt.Sprintf("-https-port=%d", port), fmt.Sprintf(
		"-hcl=tls { https { verify_incoming = true ca_file = %q cert_file = %q key_file = %q } }",
		in(ours, "ca.pem"), in(ours, "server.pem"), in(ours, "server.key")))
	put(t, client, "services/a", service(1))
	address := fmt.Sprintf("127.0.0.1:%d", port)
	watchTLS := func(ca, pair string) *reads {
		return watchReal(t, address, "", func(decl *spec.SourceDecl) {
			decl.CAFile = in(ca, "ca.pem")
			if pair != "" {
				decl.CertFile, decl.KeyFile = in(pair, "client.pem"), in(pair, "client.key")
			}
		})
	}
	watchTLS(ours, ours).want(t, "a")
	watchTLS(stranger, ours).wantErr(t, "certificate signed by unknown authority")
	watchTLS(ours, "").wantErr(t, "tls: certificate required")
	watchTLS(ours, stranger).wantErr(t, "tls: ")
}

// TestConsulRealWaits lets blocking queries come to their end, which is no news, and sees how they are asked.
func TestConsulRealWaits(t *testing.T) {
	agent, client := realConsul(t)
	put(t, client, "services/a", service(1))
	for _, stale := range []bool{true, false} {
		t.Run(fmt.Sprint("stale ", stale), func(t *testing.T) {
			put(t, client, "services/a", service(1))
			ended := make(chan string, 100) // the index of each blocking query of 100 ms that has come to its end
			behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: agent.Address()})
			behind.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // of the question that is given up at the end
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if q.Has("stale") != stale && !q.Has("consistent") {
					t.Errorf("asked with %s", r.URL.RawQuery)
				}
				behind.ServeHTTP(w, r)
				if q.Get("wait") == "100ms" && r.Context().Err() == nil {
					ended <- q.Get("index")
				}
			}))
			defer front.Close()
			defer front.CloseClientConnections() // and what waits in them
			c := watchReal(t, strings.TrimPrefix(front.URL, "http://"), "", func(decl *spec.SourceDecl) {
				decl.Wait, decl.Settle, decl.Stale = 100*time.Millisecond, 50*time.Millisecond, stale
			})
			c.want(t, "a")
			index := receive(t, ended)
			for range 3 {
				equal(t, "index", index, receive(t, ended))
			}
			put(t, client, "services/a", service(2))
			equal(t, "host", "10.0.0.2", merged(t, c.want(t, "a").Document).Services[0].Host.String())
		})
	}
}

// TestConsulRealGuard holds what was deleted as a whole.
func TestConsulRealGuard(t *testing.T) {
	agent, client := realConsul(t)
	all := []string{"services/a", service(1), "services/b", service(2), "services/c", service(3)}
	put(t, client, all...)
	c := newReal(t, agent.Address(), "", 0)
	l := runLayers(t, Top{Source: c, Decl: spec.SourceDecl{URL: "consul:///", Name: "kv", MaxRemoval: 50, MaxRemovalFloor: 5}})
	l.want("a b c")
	still := func() {
		t.Helper()
		equal(t, "services", "a b c", serviceNames(l.Desired()))
	}
	_, err := client.KV().DeleteTree("services/", nil)
	must(t, err)
	l.await(Failing, "no service under")
	still()
	put(t, client, "services", "{}") // so it is meant
	equal(t, "held", 3, l.await(Good, "").Held.Count)
	still()
	put(t, client, all...)
	l.awaitHeld(0)
	still()
	_, err = client.KV().DeleteTree("services/", nil)
	must(t, err)
	l.awaitHeld(3)
	must(t, l.Accept(t.Context(), "kv"))
	l.want("")
}

// TestConsulRealToken changes what a token may do, and the token.
func TestConsulRealToken(t *testing.T) {
	agent, client := realConsul(t, "-hcl=acl { enabled = true default_policy = \"deny\" tokens { initial_management = \""+rootToken+"\" } }")
	put(t, client, "gorb/prod/services/a", service(1), "gorb/prod/services/web", service(2))
	file := filepath.Join(t.TempDir(), "token")
	c := watchReal(t, agent.Address(), "gorb/prod/", func(decl *spec.SourceDecl) { decl.TokenFile = file })
	c.wantErr(t, "token: open "+file)

	const mayRead = `key_prefix "gorb/prod/" { policy = "read" }`
	policy, _, err := client.ACL().PolicyCreate(&api.ACLPolicy{Name: "gorb", Rules: mayRead}, nil)
	must(t, err)
	first, _, err := client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{Name: "gorb"}}}, nil)
	must(t, err)
	replace(t, file, first.SecretID+"\n")
	c.want(t, "a web")

	// What the token may not read any more is not gone, be it some of the keys or all. Consul looks at the token when a
	// question begins, and a put ends the one that is out.
	for n, rules := range []string{mayRead + ` key "gorb/prod/services/a" { policy = "deny" }`, `key_prefix "" { policy = "deny" }`} {
		policy.Rules = rules
		_, _, err = client.ACL().PolicyUpdate(policy, nil)
		must(t, err)
		put(t, client, "gorb/prod/services/web", service(10+n))
		c.settleErr(t, "kv: Consul left out keys that the token may not read") // a slow one may deliver what the put ended
		policy.Rules = mayRead
		_, _, err = client.ACL().PolicyUpdate(policy, nil)
		must(t, err)
		c.want(t, "a web")
	}

	_, err = client.ACL().TokenDelete(first.AccessorID, nil)
	must(t, err)
	put(t, client, "gorb/prod/services/b", service(3))
	r := c.settleErr(t, "Consul answered 403")
	if strings.Contains(r.Err.Error(), first.SecretID) {
		t.Errorf("the error repeats the token: %v", r.Err)
	}
	replace(t, file, rootToken)
	c.want(t, "a b web")
}

// sortedWords is the words of a text in order.
func sortedWords(s string) []string { return slices.Sorted(strings.FieldsSeq(s)) }
