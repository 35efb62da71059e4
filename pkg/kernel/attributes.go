package kernel

import "encoding/binary"

// The numbers of IPVS's generic netlink interface: include/uapi/linux/ip_vs.h. Commands are IPVS_CMD_*.
const (
	familyName  = "IPVS" // IPVS_GENL_NAME
	genlVersion = 1      // IPVS_GENL_VERSION, and that of the family of families

	cmdNewService = 1
	cmdSetService = 2
	cmdDelService = 3
	cmdGetService = 4
	cmdNewDest    = 5
	cmdSetDest    = 6
	cmdDelDest    = 7
	cmdGetDest    = 8
	cmdNewDaemon  = 9
	cmdDelDaemon  = 10
	cmdGetDaemon  = 11
	cmdSetConfig  = 12
	cmdGetConfig  = 13
	cmdGetInfo    = 15

	// IPVS_CMD_ATTR_*: what a message carries.
	attrService       = 1
	attrDest          = 2
	attrDaemon        = 3
	attrTimeoutTCP    = 4
	attrTimeoutTCPFin = 5
	attrTimeoutUDP    = 6
)

// serviceAttrs is a service as it travels.
type serviceAttrs struct {
	family, protocol uint16
	addr             [16]byte // an IPv4 address is the first four bytes
	port             uint16
	mark             uint32
	scheduler        string
	flags            [8]byte // struct ip_vs_flags: the flags, and the mask of those to set
	timeout          uint32
	netmask          [4]byte // for IPv4 in network order, for IPv6 a number in the machine's
	engine           string
	stats, stats64   Stats
}

// IPVS_SVC_ATTR_*
const (
	svcFamily    = 1
	svcProtocol  = 2
	svcAddr      = 3
	svcPort      = 4
	svcMark      = 5
	svcScheduler = 6
	svcFlags     = 7
	svcTimeout   = 8
	svcNetmask   = 9
	svcStats     = 10
	svcEngine    = 11
	svcStats64   = 12
)

var serviceFields = fields[serviceAttrs]{
	svcFamily:    field16(binary.NativeEndian, func(s *serviceAttrs) *uint16 { return &s.family }),
	svcProtocol:  field16(binary.NativeEndian, func(s *serviceAttrs) *uint16 { return &s.protocol }),
	svcAddr:      fieldBytes(func(s *serviceAttrs) []byte { return s.addr[:] }),
	svcPort:      field16(binary.BigEndian, func(s *serviceAttrs) *uint16 { return &s.port }),
	svcMark:      field32(func(s *serviceAttrs) *uint32 { return &s.mark }),
	svcScheduler: fieldName(func(s *serviceAttrs) *string { return &s.scheduler }),
	svcFlags:     fieldBytes(func(s *serviceAttrs) []byte { return s.flags[:] }),
	svcTimeout:   field32(func(s *serviceAttrs) *uint32 { return &s.timeout }),
	svcNetmask:   fieldBytes(func(s *serviceAttrs) []byte { return s.netmask[:] }),
	svcStats:     fieldStats(func(s *serviceAttrs) *Stats { return &s.stats }),
	svcEngine:    fieldName(func(s *serviceAttrs) *string { return &s.engine }),
	svcStats64:   fieldStats(func(s *serviceAttrs) *Stats { return &s.stats64 }),
}

// destAttrs is a destination as it travels.
type destAttrs struct {
	family                       uint16
	addr                         [16]byte
	port                         uint16
	forward                      uint32
	weight, upper, lower         uint32
	active, inactive, persistent uint32
	tunnelType                   uint8
	tunnelPort, tunnelFlags      uint16
	stats, stats64               Stats
}

// IPVS_DEST_ATTR_*
const (
	dstAddr        = 1
	dstPort        = 2
	dstForward     = 3
	dstWeight      = 4
	dstUpper       = 5
	dstLower       = 6
	dstActive      = 7
	dstInactive    = 8
	dstPersistent  = 9
	dstStats       = 10
	dstFamily      = 11
	dstStats64     = 12
	dstTunnelType  = 13
	dstTunnelPort  = 14
	dstTunnelFlags = 15
)

var destFields = fields[destAttrs]{
	dstAddr:        fieldBytes(func(d *destAttrs) []byte { return d.addr[:] }),
	dstPort:        field16(binary.BigEndian, func(d *destAttrs) *uint16 { return &d.port }),
	dstForward:     field32(func(d *destAttrs) *uint32 { return &d.forward }),
	dstWeight:      field32(func(d *destAttrs) *uint32 { return &d.weight }),
	dstUpper:       field32(func(d *destAttrs) *uint32 { return &d.upper }),
	dstLower:       field32(func(d *destAttrs) *uint32 { return &d.lower }),
	dstActive:      field32(func(d *destAttrs) *uint32 { return &d.active }),
	dstInactive:    field32(func(d *destAttrs) *uint32 { return &d.inactive }),
	dstPersistent:  field32(func(d *destAttrs) *uint32 { return &d.persistent }),
	dstStats:       fieldStats(func(d *destAttrs) *Stats { return &d.stats }),
	dstFamily:      field16(binary.NativeEndian, func(d *destAttrs) *uint16 { return &d.family }),
	dstStats64:     fieldStats(func(d *destAttrs) *Stats { return &d.stats64 }),
	dstTunnelType:  field8(func(d *destAttrs) *uint8 { return &d.tunnelType }),
	dstTunnelPort:  field16(binary.BigEndian, func(d *destAttrs) *uint16 { return &d.tunnelPort }),
	dstTunnelFlags: field16(binary.NativeEndian, func(d *destAttrs) *uint16 { return &d.tunnelFlags }),
}

// IPVS_STATS_ATTR_*, from 1 to 10; 11 is padding.
var statsFields = fields[Stats]{
	1:  fieldCounter(func(s *Stats) *uint64 { return &s.Conns }),
	2:  fieldCounter(func(s *Stats) *uint64 { return &s.InPackets }),
	3:  fieldCounter(func(s *Stats) *uint64 { return &s.OutPackets }),
	4:  fieldCounter(func(s *Stats) *uint64 { return &s.InBytes }),
	5:  fieldCounter(func(s *Stats) *uint64 { return &s.OutBytes }),
	6:  fieldCounter(func(s *Stats) *uint64 { return &s.ConnRate }),
	7:  fieldCounter(func(s *Stats) *uint64 { return &s.InPacketRate }),
	8:  fieldCounter(func(s *Stats) *uint64 { return &s.OutPacketRate }),
	9:  fieldCounter(func(s *Stats) *uint64 { return &s.InByteRate }),
	10: fieldCounter(func(s *Stats) *uint64 { return &s.OutByteRate }),
}

const allStats attrSet = 1<<11 - 2

// daemonAttrs is a synchronisation daemon as it travels. Its port is in the machine's order, as no other is.
type daemonAttrs struct {
	state        uint32
	iface        string
	id           uint32
	maxLen, port uint16
	group        [4]byte
	group6       [16]byte
	ttl          uint8
}

// IPVS_DAEMON_ATTR_*
const (
	dmnState  = 1
	dmnIface  = 2
	dmnID     = 3
	dmnMaxLen = 4
	dmnGroup  = 5
	dmnGroup6 = 6
	dmnPort   = 7
	dmnTTL    = 8
)

var daemonFields = fields[daemonAttrs]{
	dmnState:  field32(func(d *daemonAttrs) *uint32 { return &d.state }),
	dmnIface:  fieldName(func(d *daemonAttrs) *string { return &d.iface }),
	dmnID:     field32(func(d *daemonAttrs) *uint32 { return &d.id }),
	dmnMaxLen: field16(binary.NativeEndian, func(d *daemonAttrs) *uint16 { return &d.maxLen }),
	dmnGroup:  fieldBytes(func(d *daemonAttrs) []byte { return d.group[:] }),
	dmnGroup6: fieldBytes(func(d *daemonAttrs) []byte { return d.group6[:] }),
	dmnPort:   field16(binary.NativeEndian, func(d *daemonAttrs) *uint16 { return &d.port }),
	dmnTTL:    field8(func(d *daemonAttrs) *uint8 { return &d.ttl }),
}

// timeoutFields are those of IPVS_CMD_SET_CONFIG.
var timeoutFields = fields[Timeouts]{
	attrTimeoutTCP:    field32(func(t *Timeouts) *uint32 { return &t.TCP }),
	attrTimeoutTCPFin: field32(func(t *Timeouts) *uint32 { return &t.TCPFin }),
	attrTimeoutUDP:    field32(func(t *Timeouts) *uint32 { return &t.UDP }),
}

// infoAttrs is the answer to IPVS_CMD_GET_INFO.
type infoAttrs struct{ version, connTableSize uint32 }

// IPVS_INFO_ATTR_*
var infoFields = fields[infoAttrs]{
	1: field32(func(i *infoAttrs) *uint32 { return &i.version }),
	2: field32(func(i *infoAttrs) *uint32 { return &i.connTableSize }),
}

// family is a generic netlink family as the kernel describes it.
type family struct {
	id   uint16
	name string
}

var familyFields = fields[family]{
	ctrlID:   field16(binary.NativeEndian, func(f *family) *uint16 { return &f.id }),
	ctrlName: fieldName(func(f *family) *string { return &f.name }),
}
