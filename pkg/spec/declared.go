package spec

import (
	"maps"
	"net/netip"
	"time"
)

// opt is a value that may have been left out. Zero has a meaning almost everywhere here: weight 0 drains.
type opt[T any] struct {
	value T
	set   bool
}

func some[T any](v T) opt[T] { return opt[T]{v, true} }

// or returns the value, or what stands for it where it was left out.
func (o opt[T]) or(fallback T) T {
	if o.set {
		return o.value
	}
	return fallback
}

// over returns the value that holds where o lies over under.
func (o opt[T]) over(under opt[T]) opt[T] {
	if o.set {
		return o
	}
	return under
}

// declared is what documents say, each value checked and none filled in. Values are shared between documents and
// what they merge to, so nothing here is changed once made.
type declared struct {
	gorb     declaredGorb
	ipvs     declaredIPVS
	consul   declaredConsul
	probe    declaredProbe
	api      declaredAPI
	defaults declaredDefaults
	services map[string]*declaredService
}

type declaredGorb struct {
	listen   opt[string]
	iface    opt[string]
	resync   opt[time.Duration]
	stateDir opt[string]
	vip      declaredVIP

	socket       opt[string]
	startTimeout opt[time.Duration]
	debugListen  opt[string]
}

type declaredVIP struct {
	name   opt[string]
	create opt[bool]
}

type declaredIPVS struct {
	tcp, tcpFin, udp opt[time.Duration]
	sysctls          map[string]string
	master, backup   *declaredSync
}

type declaredSync struct {
	iface  opt[string]
	id     opt[uint8]
	maxLen opt[uint16]
	group  opt[netip.Addr]
	port   opt[uint16]
	ttl    opt[uint8]
}

type declaredDefaults struct {
	service declaredService
	backend declaredBackend
	pulse   *declaredPulse // below those of services and backends
}

type declaredService struct {
	host       opt[netip.Addr]
	hostName   opt[string] // of host, and of that alone
	port       opt[uint16]
	protocol   opt[Protocol]
	fwmark     opt[uint32]
	family     opt[Family]
	method     opt[string]
	flags      opt[string] // every name in it is known
	persistent opt[time.Duration]
	netmask    opt[netmask]
	engine     opt[string]
	drain      opt[time.Duration]
	pulse      *declaredPulse
	onDown     opt[string]
	disabled   opt[bool]
	backends   map[string]*declaredBackend
}

type declaredBackend struct {
	host     opt[netip.Addr]
	hostName opt[string] // of host, and of that alone
	port     opt[uint16]
	weight   opt[uint32]
	method   opt[Method]
	upper    opt[uint32]
	lower    opt[uint32]
	tunnel   declaredEncap
	pulse    *declaredPulse

	disabled opt[bool]
}

type declaredEncap struct {
	port     opt[uint16]
	checksum opt[Checksum]
}

// over returns what holds where d lies over under.
func (d declared) over(under declared) declared {
	return declared{
		gorb:     d.gorb.over(under.gorb),
		ipvs:     d.ipvs.over(under.ipvs),
		consul:   d.consul.over(under.consul),
		probe:    d.probe.over(under.probe),
		api:      d.api.over(under.api),
		defaults: d.defaults.over(under.defaults),
		services: overlay(d.services, under.services, (*declaredService).over),
	}
}

func (g declaredGorb) over(under declaredGorb) declaredGorb {
	return declaredGorb{
		listen:   g.listen.over(under.listen),
		iface:    g.iface.over(under.iface),
		resync:   g.resync.over(under.resync),
		stateDir: g.stateDir.over(under.stateDir),
		vip:      declaredVIP{name: g.vip.name.over(under.vip.name), create: g.vip.create.over(under.vip.create)},

		socket:       g.socket.over(under.socket),
		startTimeout: g.startTimeout.over(under.startTimeout),
		debugListen:  g.debugListen.over(under.debugListen),
	}
}

func (i declaredIPVS) over(under declaredIPVS) declaredIPVS {
	return declaredIPVS{
		tcp:     i.tcp.over(under.tcp),
		tcpFin:  i.tcpFin.over(under.tcpFin),
		udp:     i.udp.over(under.udp),
		sysctls: overlay(i.sysctls, under.sysctls, func(top, _ string) string { return top }),
		master:  i.master.over(under.master),
		backup:  i.backup.over(under.backup),
	}
}

// over is like the others; no daemon at all is nil.
func (s *declaredSync) over(under *declaredSync) *declaredSync {
	if s == nil || under == nil {
		if s == nil {
			return under
		}
		return s
	}
	return &declaredSync{
		iface:  s.iface.over(under.iface),
		id:     s.id.over(under.id),
		maxLen: s.maxLen.over(under.maxLen),
		group:  s.group.over(under.group),
		port:   s.port.over(under.port),
		ttl:    s.ttl.over(under.ttl),
	}
}

func (d declaredDefaults) over(under declaredDefaults) declaredDefaults {
	return declaredDefaults{
		service: *d.service.over(&under.service),
		backend: *d.backend.over(&under.backend),
		pulse:   d.pulse.over(under.pulse),
	}
}

func (s *declaredService) over(under *declaredService) *declaredService {
	return &declaredService{
		host:       s.host.over(under.host),
		hostName:   nameOver(s.host, s.hostName, under.hostName),
		port:       s.port.over(under.port),
		protocol:   s.protocol.over(under.protocol),
		fwmark:     s.fwmark.over(under.fwmark),
		family:     s.family.over(under.family),
		method:     s.method.over(under.method),
		flags:      s.flags.over(under.flags),
		persistent: s.persistent.over(under.persistent),
		netmask:    s.netmask.over(under.netmask),
		engine:     s.engine.over(under.engine),
		drain:      s.drain.over(under.drain),
		pulse:      s.pulse.over(under.pulse),
		onDown:     s.onDown.over(under.onDown),
		disabled:   s.disabled.over(under.disabled),
		backends:   overlay(s.backends, under.backends, (*declaredBackend).over),
	}
}

func (b *declaredBackend) over(under *declaredBackend) *declaredBackend {
	return &declaredBackend{
		host:     b.host.over(under.host),
		hostName: nameOver(b.host, b.hostName, under.hostName),
		port:     b.port.over(under.port),
		weight:   b.weight.over(under.weight),
		method:   b.method.over(under.method),
		upper:    b.upper.over(under.upper),
		lower:    b.lower.over(under.lower),
		tunnel:   b.tunnel.over(under.tunnel),
		pulse:    b.pulse.over(under.pulse),

		disabled: b.disabled.over(under.disabled),
	}
}

// nameOver returns the name that holds for a host: what is below was not resolved to the host on top.
func nameOver(host opt[netip.Addr], name, under opt[string]) opt[string] {
	if host.set {
		return name
	}
	return name.over(under)
}

func (e declaredEncap) over(under declaredEncap) declaredEncap {
	return declaredEncap{port: e.port.over(under.port), checksum: e.checksum.over(under.checksum)}
}

// overlay merges two tables; both decides where a key is in both.
func overlay[T any](top, under map[string]T, both func(top, under T) T) map[string]T {
	if len(top) == 0 || len(under) == 0 {
		if len(top) == 0 {
			return under
		}
		return top
	}
	merged := maps.Clone(under)
	for name, t := range top {
		if u, ok := under[name]; ok {
			t = both(t, u)
		}
		merged[name] = t
	}
	return merged
}
