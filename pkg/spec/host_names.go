package spec

import (
	"net/netip"
	"slices"
)

// HostName is a name that a body has for a host, where the schema wants an address.
type HostName struct {
	Path string // of the host: "services.web.backends.a.host"
	Name string
}

// HostNames are the names that the body of a Set or a Patch has for hosts, for the caller to resolve: that of the object,
// and of a service those of its backends, in order. As it is such a body is refused; Resolved takes the addresses. What
// cannot be read has none.
func (o Override) HostNames() []HostName {
	_, list := o.named()
	names := make([]HostName, len(list))
	for i, n := range list {
		names[i] = n.HostName
	}
	return names
}

// Resolved returns the override with the addresses of its names in their place, and the names beside them. A name that has
// no address stays.
func (o Override) Resolved(addresses map[string]netip.Addr) Override {
	root, list := o.named()
	if len(list) == 0 {
		return o
	}
	for _, n := range list {
		if a, known := addresses[n.Name]; known {
			n.table["host"], n.table["host_name"] = a.Unmap().String(), n.Name
		}
	}
	o.Body = compactJSON(root)
	return o
}

// namedHost is a name, and the table of the body that has it for a host.
type namedHost struct {
	HostName
	table map[string]any
}

// named reads the body, and finds its names.
func (o Override) named() (root map[string]any, list []namedHost) {
	if _, bad := unreadable(o.Body, MaxRemoteSize); bad || o.Kind != Set && o.Kind != Patch {
		return nil, nil
	}
	r := new(report)
	root, err := parseJSON(string(o.Body), nil, r)
	if err != nil || !r.empty() {
		return nil, nil
	}
	look := func(table any, at ...string) {
		object, _ := table.(map[string]any)
		if name, ok := object["host"].(string); ok && IsHostName(name) {
			host := append(slices.Concat(o.path(), at), "host")
			list = append(list, namedHost{HostName{host.String(), name}, object})
		}
	}
	look(root)
	if backends, ok := root["backends"].(map[string]any); ok && o.Backend == "" {
		for _, name := range sortedKeys(backends) {
			look(backends[name], "backends", name)
		}
	}
	return root, list
}
