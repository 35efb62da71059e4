package spec

import (
	"maps"
	"slices"
	"time"
)

// fields says, for a kind of table, which keys it has and how each is read.
type fields[T any] map[string]func(c *checker, v any, into *T)

var documentFields = fields[Document]{
	"gorb": local(func(c *checker, v any, d *Document) { walkTable(c, v, gorbFields, &d.declared.gorb) }),
	"consul": local(func(c *checker, v any, d *Document) {
		walkTable(c, v, consulFields, &d.declared.consul)
	}),
	"sources":  local(func(c *checker, v any, d *Document) { d.sources = c.sources(v) }),
	"api":      local(func(c *checker, v any, d *Document) { walkTable(c, v, apiFields, &d.declared.api) }),
	"include":  local(func(c *checker, v any, d *Document) { d.includes = c.includes(v) }),
	"defaults": func(c *checker, v any, d *Document) { walkTable(c, v, defaultsFields, &d.declared.defaults) },
	"probe":    local(func(c *checker, v any, d *Document) { walkTable(c, v, probeFields, &d.declared.probe) }),
	"ipvs":     func(c *checker, v any, d *Document) { walkTable(c, v, ipvsFields, &d.declared.ipvs) },
	"services": func(c *checker, v any, d *Document) {
		d.declared.services = walkNamed(c, v, "service", serviceFields)
	},
}

// local is for a key that configures the daemon, or names a file or a credential: whoever can write to a web server or
// to Consul is not to tell the daemon what to read, whom to trust and where to send what it knows.
func local[T any](read func(c *checker, v any, into *T)) func(c *checker, v any, into *T) {
	return func(c *checker, v any, into *T) {
		if c.remote {
			c.kindf(KindPlace, "%s", onlyLocal)
			return
		}
		read(c, v, into)
	}
}

const onlyLocal = "only a local file may say this, and no document that comes from elsewhere"

var gorbFields = fields[declaredGorb]{
	"listen":        func(c *checker, v any, g *declaredGorb) { g.listen = c.listenOrNot(v) },
	"interface":     func(c *checker, v any, g *declaredGorb) { g.iface = c.iface(v) },
	"resync":        func(c *checker, v any, g *declaredGorb) { g.resync = c.duration(v, time.Second, time.Hour) },
	"state_dir":     func(c *checker, v any, g *declaredGorb) { g.stateDir = c.stateDir(v) },
	"vip_interface": func(c *checker, v any, g *declaredGorb) { g.vip = c.vip(v) },
	"socket":        func(c *checker, v any, g *declaredGorb) { g.socket = c.socket(v) },
	"start_timeout": func(c *checker, v any, g *declaredGorb) { g.startTimeout = c.duration(v, 0, time.Hour) },
	"debug_listen":  func(c *checker, v any, g *declaredGorb) { g.debugListen = c.listenOrNot(v) },
	"env":           func(c *checker, v any, _ *declaredGorb) { c.boolean(v) }, // see expand
}

var defaultsFields = fields[declaredDefaults]{
	"service": func(c *checker, v any, d *declaredDefaults) { walkTable(c, v, serviceDefaults, &d.service) },
	"backend": func(c *checker, v any, d *declaredDefaults) { walkTable(c, v, backendDefaults, &d.backend) },
	"pulse":   func(c *checker, v any, d *declaredDefaults) { d.pulse = c.pulse(v) },
}

// serviceDefaults are the keys that services may share: what is not their identity and goes with any, and protocol,
// which few mix.
var serviceDefaults = fields[declaredService]{
	"protocol":   func(c *checker, v any, s *declaredService) { s.protocol = oneOf(c, v, TCP, UDP, SCTP) },
	"method":     func(c *checker, v any, s *declaredService) { s.method = oneOf(c, v, schedulers...) },
	"flags":      func(c *checker, v any, s *declaredService) { s.flags = c.flags(v) },
	"persistent": func(c *checker, v any, s *declaredService) { s.persistent = c.persistent(v) },
	"drain":      func(c *checker, v any, s *declaredService) { s.drain = c.duration(v, 0, maxDuration) },
	"pulse":      func(c *checker, v any, s *declaredService) { s.pulse = c.pulse(v) },
	"on_down":    func(c *checker, v any, s *declaredService) { s.onDown = oneOf(c, v, "drain", "remove") },
}

var serviceFields = join(serviceDefaults, fields[declaredService]{
	"host":      func(c *checker, v any, s *declaredService) { s.host = c.serviceHost(v) },
	"host_name": func(c *checker, v any, s *declaredService) { s.hostName = c.hostName(v) },
	"port":      func(c *checker, v any, s *declaredService) { s.port = whole[uint16](c, v, 0, 65535) },
	"fwmark":    func(c *checker, v any, s *declaredService) { s.fwmark = whole[uint32](c, v, 1, 1<<32-1) },
	"family":    func(c *checker, v any, s *declaredService) { s.family = oneOf(c, v, IPv4, IPv6) },
	"pe":        func(c *checker, v any, s *declaredService) { s.engine = c.engine(v) },
	"persistence_netmask": func(c *checker, v any, s *declaredService) {
		s.netmask = c.netmask(v)
	},
	"disabled": func(c *checker, v any, s *declaredService) { s.disabled = c.boolean(v) },
	"backends": func(c *checker, v any, s *declaredService) {
		s.backends = walkNamed(c, v, "backend", backendFields)
	},
})

// backendDefaults are the keys of a backend that all backends may share.
var backendDefaults = fields[declaredBackend]{
	"weight": func(c *checker, v any, b *declaredBackend) { b.weight = whole[uint32](c, v, 0, maxCount) },
	"method": func(c *checker, v any, b *declaredBackend) { b.method = c.forwarding(v) },
	"upper_threshold": func(c *checker, v any, b *declaredBackend) {
		b.upper = whole[uint32](c, v, 0, maxCount)
	},
	"lower_threshold": func(c *checker, v any, b *declaredBackend) {
		b.lower = whole[uint32](c, v, 0, maxCount)
	},
	"tunnel_port": func(c *checker, v any, b *declaredBackend) {
		b.tunnel.port = whole[uint16](c, v, 1, 65535)
	},
	"tunnel_checksum": func(c *checker, v any, b *declaredBackend) {
		b.tunnel.checksum = oneOf(c, v, NoChecksum, SumChecksum, RemoteChecksum)
	},
}

var backendFields = join(backendDefaults, fields[declaredBackend]{
	"host":      func(c *checker, v any, b *declaredBackend) { b.host = c.address(v) },
	"host_name": func(c *checker, v any, b *declaredBackend) { b.hostName = c.hostName(v) },
	"port":      func(c *checker, v any, b *declaredBackend) { b.port = whole[uint16](c, v, 0, 65535) },
	"pulse":     func(c *checker, v any, b *declaredBackend) { b.pulse = c.pulse(v) },
	"disabled": func(c *checker, v any, b *declaredBackend) {
		b.disabled = c.boolean(v)
	},
})

// maxCount bounds weights and thresholds, which the kernel keeps in an int.
const maxCount = 1<<31 - 1

// engine expects a persistence engine, of which the kernel has one, or "" for none.
func (c *checker) engine(v any) opt[string] {
	if c.describes(func(s *Schema) { s.words([]string{"", "sip"}) }) {
		return opt[string]{}
	}
	s, ok := c.text(v, `a persistence engine, "sip"`)
	if ok && s != "" && s != "sip" {
		c.addf("%s is not a persistence engine; there is \"sip\"", quote(s))
		ok = false
	}
	return opt[string]{s, ok}
}

// forwarding expects a forwarding method, for one of which ipvsadm has another name.
func (c *checker) forwarding(v any) opt[Method] {
	const ipip Method = "ipip"
	m := oneOf(c, v, NAT, DR, Tunnel, ipip, GUE, GRE)
	if m.value == ipip {
		m.value = Tunnel
	}
	return m
}

func join[T any](a, b fields[T]) fields[T] {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// walkTable reads a table whose keys the schema gives, in the order of their names.
func walkTable[T any](c *checker, v any, known fields[T], into *T) {
	if c.draft != nil {
		draftTable(c, known)
		return
	}
	table, ok := c.table(v)
	if !ok {
		return
	}
	var few [8]string // most tables have no more keys, and there are many tables
	for _, key := range appendSorted(few[:0], table) {
		c.at = append(c.at, key)
		if read, ok := known[key]; ok {
			read(c, table[key], into)
		} else {
			c.unknownKey(key, sortedKeys(known))
		}
		c.at = c.at[:len(c.at)-1]
	}
}

// walkKind is walkTable for a kind of table that stands in several places.
func walkKind[T any](c *checker, v any, kind string, known fields[T], into *T) {
	if c.draft != nil {
		draftKind(c, kind, known)
		return
	}
	walkTable(c, v, known, into)
}

// walkNamed reads a table whose keys are names that the operator chose.
func walkNamed[T any](c *checker, v any, kind string, known fields[T]) map[string]*T {
	if c.draft != nil {
		draftNamed(c, kind, known)
		return nil
	}
	table, ok := c.table(v)
	if !ok {
		return nil
	}
	named := make(map[string]*T, len(table))
	for _, name := range sortedKeys(table) {
		c.at = append(c.at, name)
		if !isName(name) {
			c.addf("a %s is named by 1 to 128 of letters, digits and ._:@-, and not . or ..", kind)
		}
		into := new(T)
		walkTable(c, table[name], known, into)
		named[name] = into
		c.at = c.at[:len(c.at)-1]
	}
	return named
}

func sortedKeys[V any](m map[string]V) []string {
	return appendSorted(make([]string, 0, len(m)), m)
}

// appendSorted appends the keys of a map in order to an empty slice.
func appendSorted[V any](keys []string, m map[string]V) []string {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
