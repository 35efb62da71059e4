package httpapi

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// maxAuthorization is how long the header may be. A token has 48 bytes, a name and a password not many more.
const maxAuthorization = 1024

// login is what an Authorization header says.
type login struct {
	basic  bool   // a name and a password; else a bearer token
	name   string // basic
	secret string
}

// parseLogin reads the Authorization headers of a request. There may be one, of a scheme that gorb knows.
func parseLogin(headers []string) (l login, ok bool) {
	if len(headers) != 1 || len(headers[0]) > maxAuthorization {
		return login{}, false
	}
	scheme, rest, _ := strings.Cut(headers[0], " ")
	rest = strings.Trim(rest, " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		return login{secret: rest}, rest != ""
	case "basic":
		b, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return login{}, false
		}
		l := login{basic: true}
		l.name, l.secret, ok = strings.Cut(string(b), ":")
		return l, ok && l.secret != ""
	}
	return login{}, false
}

// credential looks at what a request has to show. A header counts before the certificate of its connection.
func (a *Access) credential(r *http.Request, p *policy, q asking) given {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return p.tls.who(r.TLS, a.now())
	}
	wait := a.attempts.wait(q.peer, a.now())
	l, ok := parseLogin(headers)
	if !ok {
		return a.failed(q, wait, "")
	}
	// A right token of 256 random bits is nobody's guess: those work whatever else came from the address, so that a
	// proxy's other clients, or a job with an old password, keep nobody out. What can be guessed is not looked at.
	if t := p.token(l.secret); t != nil && (!l.basic || l.name == t.name) && (wait == 0 || isMade(l.secret)) {
		return given{state: right, name: "token " + t.name, role: t.role}
	}
	if wait > 0 || !l.basic || len(p.users) == 0 {
		return a.failed(q, wait, "")
	}
	return a.password(r, p, q, l)
}

// failed notes a wrong credential, unless too many have been noted.
func (a *Access) failed(q asking, wait time.Duration, who string) given {
	if wait > 0 {
		return given{state: tooMany, name: who, retry: wait}
	}
	a.attempts.fail(q.peer, a.now())
	return given{state: wrong, name: who}
}

// password looks at a name and a password.
func (a *Access) password(r *http.Request, p *policy, q asking, l login) given {
	sum := a.crypt.sum(l.name, l.secret)
	u, exists := p.user(l.name, sum)
	who := ""
	if exists {
		who = "user " + u.name
	}
	if exists && u.remembers(sum) {
		return given{state: right, name: who, role: u.role}
	}
	end, err := a.crypt.begin(r.Context())
	if err != nil {
		return given{state: busy, name: who, retry: time.Second}
	}
	defer end()
	// While this one waited, others from there may have been wrong, or this password right.
	if wait := a.attempts.wait(q.peer, a.now()); wait > 0 {
		return a.failed(q, wait, who)
	}
	if exists && u.remembers(sum) || u.check(l.secret, sum) && exists {
		return given{state: right, name: who, role: u.role}
	}
	return a.failed(q, 0, who)
}
