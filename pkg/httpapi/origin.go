package httpapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// hostNames are the names of this host: what the system calls it, whole and short, and those that were configured.
func hostNames(configured []string) map[string]bool {
	names := map[string]bool{"localhost": true}
	if own, err := os.Hostname(); err == nil {
		short, _, _ := strings.Cut(own, ".")
		configured = append([]string{own, short}, configured...)
	}
	for _, name := range configured {
		if name = hostOf(name); name != "" {
			names[name] = true
		}
	}
	return names
}

// isHost says whether a request that is addressed so was meant for the host of these names, and not for a name of somebody
// else's that was made to lead here, with which his page would read in a browser of this host what is for this host alone
// (DNS rebinding). An address is meant so: nobody can have a name lead here by it.
func isHost(names map[string]bool, host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || names[host]
}

// origins are those whose pages may use the API.
func origins(list []string) (map[string]bool, *http.CrossOriginProtection, []error) {
	may, cross := map[string]bool{}, http.NewCrossOriginProtection()
	var wrong []error
	for _, o := range list {
		if err := cross.AddTrustedOrigin(o); err != nil {
			wrong = append(wrong, fmt.Errorf("[api] cors: %w", err))
			continue
		}
		may[o] = true
	}
	return may, cross, wrong
}

// CORS adds to an answer what a browser wants to know before a page of another origin may see it: of origins that are
// configured, and only those. It answers itself what a browser asks beforehand, which comes without credentials, and is
// then done. A page brings its token itself; what the browser remembers of users and certificates it may not use.
func (a *Access) CORS(w http.ResponseWriter, r *http.Request) (done bool) {
	p := a.policy.Load()
	if p == nil || len(p.origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !p.origins[origin] || len(r.Header["Origin"]) != 1 {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "ETag, Location, Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, PUT, PATCH, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
