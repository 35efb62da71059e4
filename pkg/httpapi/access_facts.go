package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// passedOn are the headers that a proxy adds. One of them suffices, also an empty one.
var passedOn = []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// look takes from a request what it is judged by, without its credentials.
func look(p *policy, r *http.Request, n Need) asking {
	q := asking{need: n, from: r.RemoteAddr, host: hostOf(r.Host), origin: r.Header.Get("Origin")}
	q.reads = r.Method == http.MethodGet || r.Method == http.MethodHead
	for _, h := range passedOn {
		if _, ok := r.Header[h]; ok {
			q.proxied = true
		}
	}
	if p != nil {
		q.cross = p.cross.Check(r) != nil
	} else {
		q.cross = new(http.CrossOriginProtection).Check(r) != nil
	}
	if bySocket(r) {
		q.socket = true
		q.who, q.from = splitPeer(r.RemoteAddr)
		return q
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		q.local = addressOf(local.String())
	}
	q.peer = addressOf(r.RemoteAddr)
	q.who = "anybody at " + q.peer.String()
	return q
}

// bySocket reports whether a request came over the unix socket.
func bySocket(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && local.Network() == "unix"
}

// addressOf is the address of "10.0.0.7:5123" or "[fe80::1%eth0]:5123", without its zone, and as one of IPv4 where it is that.
// What is no address is none, which is nowhere.
func addressOf(s string) netip.Addr {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().WithZone("").Unmap()
}

// unmapped are networks as addresses of addressOf are in them.
func unmapped(list []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	const mapped = 96 // bits before the IPv4 address in an IPv6 one
	for _, n := range list {
		if n.Addr().Is4In6() && n.Bits() >= mapped {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-mapped)
		}
		out = append(out, n)
	}
	return out
}

// hostOf is what a Host header names, without port and in lower case.
func hostOf(header string) string {
	host := header
	if name, port, err := net.SplitHostPort(host); err == nil && strings.Trim(port, "0123456789") == "" {
		host = name
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
