package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Need is what a route asks of who uses it.
type Need struct {
	Role    spec.Role // the least that suffices; "" is admin
	Changes bool      // it changes something, be it for an hour
	Public  bool      // one of GORB's GETs, or /metrics: for anybody, unless [api] anonymous = false
	Open    bool      // /livez or /readyz: for anybody, always
}

// Who is who a request is from, as the audit names it.
type Who struct {
	Name string // "token ci", "user bob", "certificate dir1", "uid 0 (root)", "anybody at 127.0.0.1"
	From string // "10.0.0.7:5123", "socket, pid 4321"
	Role spec.Role
	// Stranger says that nobody knows who it is, or that it may be a page under a name that was made to lead here: what
	// anybody may ask for is answered without names and texts of others.
	Stranger bool
}

// Access says who may do what. Every method may be called at any time, from anywhere.
type Access struct {
	// Changed is told that others may be let in than before, so that who was let in for long can be asked again. It comes from
	// any goroutine, and must not block; nil: nobody is told.
	Changed func()

	log      zerolog.Logger
	now      func() time.Time
	policy   atomic.Pointer[policy] // nil: no configuration has been read yet
	attempts attempts
	crypt    crypt
	refusals *voice // says what is refused
}

// NewAccess returns an Access without a configuration: over the socket everything may be done, over TCP one may ask for
// /livez and /readyz.
func NewAccess(log zerolog.Logger, now func() time.Time) *Access {
	a := &Access{log: log.With().Str("component", "api").Logger(), now: now, refusals: newVoice()}
	_, _ = rand.Read(a.crypt.key[:]) // it never fails
	a.crypt.turn = make(chan struct{}, 1)
	return a
}

// Use has what is said of [api] count from now on, for connections that are there already too. The error is of what cannot
// be used, such as a file of tokens that cannot be read: that has no effect until it can, and all else counts.
func (a *Access) Use(api spec.API) error {
	old := a.policy.Load()
	if old != nil && reflect.DeepEqual(old.api, api) {
		return old.err
	}
	p := newPolicy(api, a.log, a.now, a.changed)
	if len(p.trust) > 0 && (old == nil || !reflect.DeepEqual(old.trust, p.trust)) {
		a.log.Warn().Any("trust", p.trust).Msg("from these networks everything may be done without credentials: [api] trust")
	}
	if a.policy.Store(p); old != nil {
		a.changed()
	}
	return p.err
}

func (a *Access) changed() {
	if a.Changed != nil {
		a.Changed()
	}
}

// filesEvery is the time between two looks at the files of the configuration. They are looked at by requests as well, but
// who reads events makes none.
const filesEvery = 5 * time.Second

// Run looks at the files that the configuration names, until ctx ends, so that Changed is told of them.
func (a *Access) Run(ctx context.Context) error {
	clock := time.NewTicker(filesEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-clock.C:
			a.policy.Load().refresh()
		}
	}
}

// refresh looks at the files.
func (p *policy) refresh() {
	if p == nil {
		return
	}
	for _, t := range p.tokens {
		t.hashes()
	}
	if p.tls != nil && p.tls.ca != nil {
		p.tls.ca.get()
	}
}

// Allow says who a request is from, or why it is refused; the answer then has the failure's Header too.
func (a *Access) Allow(r *http.Request, n Need) (Who, *Failure) {
	p := a.policy.Load()
	q := look(p, r, n)
	if p != nil && p.guarded() && !q.socket && !n.Open {
		q.given = a.credential(r, p, q)
	}
	v := decide(p, q)
	if v.code == 0 {
		return v.who, nil
	}
	a.tell(r, q, v)
	return Who{}, v.failure()
}

// tell logs a refusal: who and what, and nothing that the request brought but where it leads.
func (a *Access) tell(r *http.Request, q asking, v verdict) {
	if !a.refusals.may(a.now()) {
		return
	}
	e := a.log.Warn().Str("from", q.from).Str("method", cut(r.Method)).Str("path", cut(r.URL.Path)).Int("status", v.code).Str("why", v.log)
	if q.given.name != "" {
		e = e.Str("who", q.given.name)
	}
	a.refusals.say(e, "a request is refused")
}

// cut makes text that a stranger sent short enough to be shown.
func cut(s string) string { return cutAt(s, 100) }

// cutAt is the beginning of a text that is longer than so many bytes.
func cutAt(s string, most int) string {
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// failure is a verdict as an answer.
func (v verdict) failure() *Failure {
	f := Fail(v.code, v.text)
	f.Header = http.Header{}
	for _, c := range v.challenges {
		f.Header.Add("WWW-Authenticate", c)
	}
	if v.retry > 0 {
		f.Header.Set("Retry-After", strconv.Itoa(int((v.retry+time.Second-1)/time.Second)))
	}
	return f
}

// newPolicy makes a policy of a configuration. Changed is called when a file says otherwise who may be let in.
func newPolicy(api spec.API, log zerolog.Logger, now func() time.Time, changed func()) *policy {
	p := &policy{api: api, anonymous: api.Anonymous, trust: unmapped(api.Trust), hosts: hostNames(api.Hosts)}
	var wrong []error
	p.origins, p.cross, wrong = origins(api.Origins)
	for _, t := range api.Tokens {
		token, err := newToken(t, log, now, changed)
		p.tokens, wrong = append(p.tokens, token), append(wrong, err)
	}
	for _, u := range api.Users {
		account, err := newAccount(u)
		wrong = append(wrong, err)
		if err == nil {
			p.users = append(p.users, account)
		}
	}
	if api.TLS != nil {
		var err error
		p.tls, err = newCertificates(*api.TLS, log, now, changed)
		wrong = append(wrong, err)
	}
	p.err = errors.Join(wrong...)
	return p
}
