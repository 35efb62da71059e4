package httpapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// policy is who may do what by one configuration. It is never changed once made, but that it looks again at the files it
// names, and remembers which passwords it has seen.
type policy struct {
	api       spec.API // what it is made of
	err       error    // what of that cannot be used
	trust     []netip.Prefix
	hosts     map[string]bool // what this host is called, in lower case
	anonymous bool
	origins   map[string]bool
	cross     *http.CrossOriginProtection
	tokens    []*token
	users     []*account
	tls       *certificates // nil: no TLS
}

// guarded says whether credentials are configured, whatever they are good for now.
func (p *policy) guarded() bool {
	return len(p.api.Tokens) > 0 || len(p.api.Users) > 0 || p.api.TLS != nil && len(p.api.TLS.Clients) > 0
}

func (p *policy) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p.trust, func(n netip.Prefix) bool { return n.Contains(a) })
}

// asking is what is known of a request when it is judged.
type asking struct {
	need        Need
	socket      bool       // it came over the unix socket
	peer, local netip.Addr // over TCP; without zones, and those of IPv4 as such
	proxied     bool       // somebody passed it on for another
	host        string     // what it is addressed to, without port, in lower case; "": it does not say
	origin      string     // the origin of the page that sends it; "": no page, or it does not say
	reads       bool       // by its method, with which browsers need not say an origin
	cross       bool       // it is to change something, and a page of another site has it sent
	who, from   string     // of the peer, for the audit
	given       given
}

// given is what became of the credentials of a request.
type given struct {
	state    givenState
	name     string // of who they are, where that is known; of a configured one alone, as others may be secrets
	role     spec.Role
	stranger string        // the name in a certificate that is in no [[api.tls.clients]]
	retry    time.Duration // tooMany, busy: when to come again
}

type givenState int

const (
	nothing givenState = iota // none came
	right
	wrong
	tooMany // so many wrong ones came from there that none is looked at
	busy    // so many passwords are waiting to be looked at
)

// verdict is what becomes of a request.
type verdict struct {
	who        Who
	code       int    // of the refusal; 0: it is allowed
	text       string // of the refusal
	log        string // why, for the log: without what the request brought
	challenges []string
	retry      time.Duration
}

// decide judges a request. Whoever gives a credential is judged by that alone, wherever it comes from.
func decide(p *policy, q asking) verdict {
	switch {
	case q.need.Open:
		return q.allow(q.who, spec.RoleRead)
	case q.cross:
		return refuse(http.StatusForbidden, "a page of another site wants this; [api] cors names the origins that may", "cross-site")
	case q.socket:
		return q.allow(q.who, spec.RoleAdmin)
	case p == nil:
		v := refuse(http.StatusServiceUnavailable, "gorb is starting and has no configuration yet", "starting")
		v.retry = time.Second
		return v
	}
	switch q.given.state {
	case right:
		if reaches(q.given.role, q.need.Role) {
			return q.allow(q.given.name, q.given.role)
		}
		return refuse(http.StatusForbidden,
			fmt.Sprintf("%s has the role %s, and this needs %s", q.given.name, q.given.role, roleOf(q.need)), "role too small")
	case wrong:
		v := refuse(http.StatusUnauthorized, "the credential is wrong, or has been revoked", "wrong credential")
		v.challenges = p.challenges(`, error="invalid_token"`)
		return v
	case tooMany:
		v := refuse(http.StatusTooManyRequests, "too many wrong credentials came from this address", "too many wrong credentials")
		v.retry = q.given.retry
		return v
	case busy:
		v := refuse(http.StatusServiceUnavailable, "too many passwords are being looked at", "too many passwords at once")
		v.retry = q.given.retry
		return v
	}
	return decideByAddress(p, q)
}

// decideByAddress judges a request without a credential.
func decideByAddress(p *policy, q asking) verdict {
	role := spec.RoleAdmin
	if p.guarded() {
		role = spec.RoleRead // no longer to change anything
	}
	near := q.peer.IsLoopback() && q.local.IsLoopback() && !q.proxied
	loopback := near && reaches(role, q.need.Role) && (!p.guarded() || !q.need.Changes)
	trusted := p.trusts(q.peer)
	ours := q.host == "" || isHost(p.hosts, q.host)
	switch {
	case q.need.Public && p.anonymous && !q.need.Changes:
		v := q.allow(q.who, spec.RoleRead)
		v.who.Stranger = !near && !trusted || !ours
		return v
	// A name that a page's owner has lead here (DNS rebinding) makes that page one of ours to the browser, and the address
	// that is trusted is the browser's. A change that says no origin is a script's, which may call gorb by any name from a
	// trusted network. A read may be the page's: with a GET to its own origin a browser says none (Fetch, section 3.2), and
	// over plain HTTP no Sec-Fetch-Site either (Fetch Metadata, section 2).
	case trusted && (ours || q.origin == "" && !q.reads || p.origins[q.origin]):
		return q.allow(q.who, spec.RoleAdmin)
	case loopback && ours:
		return q.allow(q.who, role)
	case trusted, loopback:
		return refuse(http.StatusMisdirectedRequest,
			strconv.Quote(cut(q.host))+" is no name of this host; [api] hosts may have it", "not a name of this host")
	case p.guarded():
		return p.refuseUnknown(q)
	case near || !q.proxied:
		return refuse(http.StatusForbidden, "only from this host itself, by loopback (127.0.0.1, ::1) or over its socket: for others there are "+
			"[api] trust, and tokens ('gorb token new')", "no credentials are configured")
	}
	return refuse(http.StatusForbidden, "this came by a proxy, and who is behind it is not known: for that there are "+
		"tokens ('gorb token new'), and [api] trust", "proxied, and no credentials are configured")
}

// refuseUnknown is the answer to a request that needs a credential and has none.
func (p *policy) refuseUnknown(q asking) verdict {
	text := "this needs a credential"
	if q.given.stranger != "" {
		text += ": " + strconv.Quote(cut(q.given.stranger)) + " is in no [[api.tls.clients]]"
	}
	v := refuse(http.StatusUnauthorized, text, "no credential")
	if v.challenges = p.challenges(""); len(v.challenges) == 0 {
		// A certificate comes with the connection: with the request there is nothing to ask for, as 401 has to.
		v.code, v.text = http.StatusForbidden, v.text+", a client certificate"
	}
	return v
}

// challenges are the schemes that are configured.
func (p *policy) challenges(more string) (list []string) {
	if len(p.api.Tokens) > 0 {
		list = append(list, `Bearer realm="gorb"`+more)
	}
	if len(p.api.Users) > 0 {
		list = append(list, `Basic realm="gorb", charset="UTF-8"`)
	}
	return list
}

func (q asking) allow(name string, role spec.Role) verdict {
	return verdict{who: Who{Name: name, From: q.from, Role: role}}
}

func refuse(code int, text, log string) verdict { return verdict{code: code, text: text, log: log} }

// roles are in the order in which each may do more.
var roles = []spec.Role{spec.RoleRead, spec.RoleWrite, spec.RoleAdmin}

// reaches says whether a role suffices. One that is not known never does, and nothing less than admin for a need that is
// not known.
func reaches(has, needs spec.Role) bool {
	h, n := slices.Index(roles, has), slices.Index(roles, needs)
	if n < 0 {
		n = len(roles) - 1
	}
	return h >= n
}

func roleOf(n Need) spec.Role {
	if n.Role == "" {
		return spec.RoleAdmin
	}
	return n.Role
}
