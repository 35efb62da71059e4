package spec

import (
	"net/netip"
	"slices"
	"strings"
)

// declaredAPI is what documents say of [api]. An array replaces the one below, as all arrays do: who lists tokens says
// whom there are.
type declaredAPI struct {
	trust     opt[[]netip.Prefix]
	hosts     opt[[]string]
	cors      opt[[]string]
	anonymous opt[bool]
	tokens    opt[[]APIToken]
	users     opt[[]APIUser]
	tls       declaredTLS
}

type declaredTLS struct {
	certFile, keyFile, clientCAFile opt[string]
	clients                         opt[[]APIClient]
}

// How many there may be: each is looked at for every request.
const (
	maxTrust  = 1000
	maxHosts  = 100
	maxPeople = 1000
)

var apiFields = fields[declaredAPI]{
	"trust": func(c *checker, v any, a *declaredAPI) { a.trust = c.prefixes(v) },
	"hosts": func(c *checker, v any, a *declaredAPI) {
		a.hosts = c.texts(v, `an array of names such as ["gorb.example"]`, maxHosts, c.apiHost)
	},
	"cors": func(c *checker, v any, a *declaredAPI) {
		a.cors = c.texts(v, `an array of origins such as ["https://ops.example"]`, maxHosts, c.origin)
	},
	"anonymous": func(c *checker, v any, a *declaredAPI) { a.anonymous = c.boolean(v) },
	"tokens": func(c *checker, v any, a *declaredAPI) {
		a.tokens = people(c, v, tokenFields, (*checker).token)
	},
	"users": func(c *checker, v any, a *declaredAPI) {
		a.users = people(c, v, userFields, (*checker).user)
	},
	"tls": func(c *checker, v any, a *declaredAPI) { walkTable(c, v, tlsFields, &a.tls) },
}

var tlsFields = fields[declaredTLS]{
	"cert_file":      func(c *checker, v any, t *declaredTLS) { t.certFile = c.file(v) },
	"key_file":       func(c *checker, v any, t *declaredTLS) { t.keyFile = c.file(v) },
	"client_ca_file": func(c *checker, v any, t *declaredTLS) { t.clientCAFile = c.file(v) },
	"clients": func(c *checker, v any, t *declaredTLS) {
		t.clients = people(c, v, clientFields, (*checker).client)
	},
}

func (a declaredAPI) over(under declaredAPI) declaredAPI {
	return declaredAPI{
		trust:     a.trust.over(under.trust),
		hosts:     a.hosts.over(under.hosts),
		cors:      a.cors.over(under.cors),
		anonymous: a.anonymous.over(under.anonymous),
		tokens:    a.tokens.over(under.tokens),
		users:     a.users.over(under.users),
		tls: declaredTLS{
			certFile:     a.tls.certFile.over(under.tls.certFile),
			keyFile:      a.tls.keyFile.over(under.tls.keyFile),
			clientCAFile: a.tls.clientCAFile.over(under.tls.clientCAFile),
			clients:      a.tls.clients.over(under.tls.clients),
		},
	}
}

// beside is that of documents.
func (a *declaredAPI) beside(join func(*string)) {
	for i := range a.tokens.value {
		join(&a.tokens.value[i].File)
	}
	for _, name := range []*opt[string]{&a.tls.certFile, &a.tls.keyFile, &a.tls.clientCAFile} {
		join(&name.value)
	}
}

// complete makes an API of what was declared of it, and reports what is missing and what does not go together.
func (a declaredAPI) complete(r *report, f faulty) API {
	return API{
		Trust:     copied(a.trust.value),
		Hosts:     copied(a.hosts.value),
		Origins:   copied(a.cors.value),
		Anonymous: a.anonymous.or(true),
		Tokens:    sorted(a.tokens.value, func(t APIToken) string { return t.Name }),
		Users:     sorted(a.users.value, func(u APIUser) string { return u.Name }),
		TLS:       a.tls.complete(r, f),
	}
}

// complete is like that of [api]; nil where nothing is said.
func (t declaredTLS) complete(r *report, f faulty) *APITLS {
	done := &APITLS{
		CertFile:     t.certFile.value,
		KeyFile:      t.keyFile.value,
		ClientCAFile: t.clientCAFile.value,
		Clients:      sorted(t.clients.value, func(c APIClient) string { return c.Name }),
	}
	at := path{"api", "tls"}
	if !f.clean(at, []string{"cert_file", "key_file", "client_ca_file", "clients", ""}) {
		return done
	}
	missing := func(key, why string) { r.kindf(KindMissing, append(at, key), "missing; %s", why) }
	switch {
	case done.CertFile == "" && done.KeyFile != "":
		missing("cert_file", "the key_file goes with one")
	case done.CertFile != "" && done.KeyFile == "":
		missing("key_file", "the cert_file goes with one")
	case done.CertFile == "" && (done.ClientCAFile != "" || done.Clients != nil):
		missing("cert_file", "only over TLS is there a client's certificate")
	}
	if done.ClientCAFile == "" && done.Clients != nil {
		missing("client_ca_file", "it says who signs the certificates of clients")
	}
	if done.CertFile == "" {
		return nil
	}
	return done
}

// copied returns a copy of a list; nil where there is nothing in it.
func copied[T any](list []T) []T { return append([]T(nil), list...) }

// sorted is copied, in the order of names.
func sorted[T any](list []T, name func(T) string) []T {
	list = copied(list)
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	return list
}

// doubt warns of those whom nobody asks who they are.
func (a API) doubt(r *report) {
	for i, p := range a.Trust {
		at := path{"api", "trust", indexKey(i)}
		switch {
		case p.Bits() == 0:
			r.addf(at, "everybody may change the table without credentials, from wherever an address of %s can reach this host",
				familyName(familyOf(p.Addr())))
		case p.IsSingleIP():
			r.addf(at, "everybody at %s may change the table without credentials", p.Addr())
		default:
			r.addf(at, "everybody in %s may change the table without credentials", p)
		}
	}
}

func familyName(f Family) string { return map[Family]string{IPv4: "IPv4", IPv6: "IPv6"}[f] }
