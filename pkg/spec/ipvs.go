package spec

import (
	"maps"
	"net/netip"
	"time"
)

// What the kernel takes where a sync daemon says nothing else (include/net/ip_vs.h, start_sync_thread).
const (
	defaultSyncPort = 8848
	defaultSyncTTL  = 1
)

var defaultSyncGroup = netip.AddrFrom4([4]byte{224, 0, 0, 81})

// The longest message of a sync daemon is what fits into 65535 bytes beside the headers of IP and UDP, and a backup
// reads 1024 at least. The kernel puts what is beyond these on the limit and says nothing (start_sync_thread), so it
// would differ from the declaration for ever.
const (
	maxSyncLen       = 65535 - 28
	maxSyncLenIPv6   = 65535 - 48
	minSyncLenBackup = 1024
)

// Equal reports whether two declarations of [ipvs] are the same.
func (i IPVS) Equal(o IPVS) bool {
	return i.Timeouts == o.Timeouts && maps.Equal(i.Sysctls, o.Sysctls) && i.Master.equal(o.Master) &&
		i.Backup.equal(o.Backup)
}

func (s *SyncDaemon) equal(o *SyncDaemon) bool {
	if s == nil || o == nil {
		return s == o
	}
	return *s == *o
}

var ipvsFields = fields[declaredIPVS]{
	"timeouts": func(c *checker, v any, i *declaredIPVS) { walkTable(c, v, timeoutFields, i) },
	"sysctl":   func(c *checker, v any, i *declaredIPVS) { i.sysctls = c.sysctls(v) },
	"sync":     func(c *checker, v any, i *declaredIPVS) { walkTable(c, v, syncFields, i) },
}

var timeoutFields = fields[declaredIPVS]{
	"tcp":    func(c *checker, v any, i *declaredIPVS) { i.tcp = c.timeout(v) },
	"tcpfin": func(c *checker, v any, i *declaredIPVS) { i.tcpFin = c.timeout(v) },
	"udp":    func(c *checker, v any, i *declaredIPVS) { i.udp = c.timeout(v) },
}

var syncFields = fields[declaredIPVS]{
	"master": func(c *checker, v any, i *declaredIPVS) { i.master = c.syncDaemon(v) },
	"backup": func(c *checker, v any, i *declaredIPVS) { i.backup = c.syncDaemon(v) },
}

var daemonFields = fields[declaredSync]{
	"interface": func(c *checker, v any, s *declaredSync) { s.iface = c.iface(v) },
	"syncid":    func(c *checker, v any, s *declaredSync) { s.id = whole[uint8](c, v, 0, 255) },
	"maxlen":    func(c *checker, v any, s *declaredSync) { s.maxLen = whole[uint16](c, v, 1, maxSyncLen) },
	"group":     func(c *checker, v any, s *declaredSync) { s.group = c.multicast(v) },
	"port":      func(c *checker, v any, s *declaredSync) { s.port = whole[uint16](c, v, 1, 65535) },
	"ttl":       func(c *checker, v any, s *declaredSync) { s.ttl = whole[uint8](c, v, 1, 255) },
}

// syncDaemon expects the table of a sync daemon.
func (c *checker) syncDaemon(v any) *declaredSync {
	s := new(declaredSync)
	walkKind(c, v, "sync_daemon", daemonFields, s)
	return s
}

// timeout expects whole seconds.
func (c *checker) timeout(v any) opt[time.Duration] {
	if s, ok := v.(string); ok {
		if d, ok := parseDuration(s); ok && d == 0 {
			c.addf("%s is no timeout: IPVS leaves as it is what is set to 0; leave the key out for that", quote(s))
			return opt[time.Duration]{}
		}
	}
	return c.seconds(v)
}

// multicast expects the address of a multicast group.
func (c *checker) multicast(v any) opt[netip.Addr] {
	if c.draft != nil {
		c.draftAddress()
		return opt[netip.Addr]{}
	}
	s, ok := c.text(v, `a multicast address such as "224.0.0.81"`)
	if !ok {
		return opt[netip.Addr]{}
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || !a.IsMulticast() || a.Is4In6():
		c.addf("%s is not a multicast address such as \"224.0.0.81\"", quote(s))
	case a.Zone() != "":
		c.addf("%s has a zone; the interface stands in a key of its own", quote(s))
	default:
		return some(a)
	}
	return opt[netip.Addr]{}
}

// complete makes an IPVS of what was declared of it, and reports what is missing and what does not go together.
func (i declaredIPVS) complete(r *report, f faulty) IPVS {
	return IPVS{
		Timeouts: Timeouts{TCP: i.tcp.or(0), TCPFin: i.tcpFin.or(0), UDP: i.udp.or(0)},
		Sysctls:  i.sysctls,
		Master:   i.master.complete(r, f, "master"),
		Backup:   i.backup.complete(r, f, "backup"),
	}
}

func (s *declaredSync) complete(r *report, f faulty, role string) *SyncDaemon {
	if s == nil {
		return nil
	}
	at := path{"ipvs", "sync", role}
	d := &SyncDaemon{
		Interface: s.iface.value,
		ID:        s.id.or(0),
		MaxLen:    s.maxLen.or(0),
		Group:     s.group.or(defaultSyncGroup),
		Port:      s.port.or(defaultSyncPort),
		TTL:       s.ttl.or(defaultSyncTTL),
	}
	if !s.iface.set && f.clean(at, []string{"interface", ""}) {
		r.kindf(KindMissing, append(at, "interface"), "missing; a sync daemon needs one")
	}
	if !f.clean(at, []string{"maxlen", "group", ""}) {
		return d
	}
	switch {
	case role == "backup" && s.maxLen.set && d.MaxLen < minSyncLenBackup:
		r.addf(append(at, "maxlen"), "%d is under %d, the least that the kernel takes in a backup",
			d.MaxLen, minSyncLenBackup)
	case d.Group.Is6() && d.MaxLen > maxSyncLenIPv6:
		r.addf(append(at, "maxlen"), "%d is over %d, the most that goes to an IPv6 group", d.MaxLen, maxSyncLenIPv6)
	}
	return d
}
