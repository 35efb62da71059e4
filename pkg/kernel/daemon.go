package kernel

import "net/netip"

// startDaemon are the attributes that a start always carries.
var startDaemon = attrsOf(dmnState, dmnIface, dmnID)

// appendDaemon appends a daemon. What is zero is left to the kernel, but for the id.
func appendDaemon(b []byte, d SyncDaemon) []byte {
	a := daemonAttrs{
		state: uint32(d.Role), iface: d.Interface, id: uint32(d.ID), maxLen: d.MaxLen, port: d.Port, ttl: d.TTL,
	}
	which := startDaemon
	if d.MaxLen != 0 {
		which |= attrsOf(dmnMaxLen)
	}
	switch {
	case d.Group.Is4():
		a.group = d.Group.As4()
		which |= attrsOf(dmnGroup)
	case d.Group.IsValid():
		a.group6 = d.Group.As16()
		which |= attrsOf(dmnGroup6)
	}
	if d.Port != 0 {
		which |= attrsOf(dmnPort)
	}
	if d.TTL != 0 {
		which |= attrsOf(dmnTTL)
	}
	return appendDaemonAttrs(b, a, which)
}

// appendRole appends a daemon that is to stop.
func appendRole(b []byte, r Role) []byte {
	return appendDaemonAttrs(b, daemonAttrs{state: uint32(r)}, attrsOf(dmnState))
}

func appendDaemonAttrs(b []byte, a daemonAttrs, which attrSet) []byte {
	start := len(b)
	return endAttr(daemonFields.append(beginAttr(b), &a, which), start, attrDaemon)
}

// daemon reads a daemon from a message. An attribute that is not known is passed over: a daemon is not edited, and a
// stop resets nothing.
func (c *codec) daemon(m message) (SyncDaemon, error) {
	b, _, err := object(m, attrDaemon)
	if err != nil {
		return SyncDaemon{}, err
	}
	var a daemonAttrs
	had, _, err := daemonFields.decode(b, &a, c)
	if err != nil {
		return SyncDaemon{}, err
	}
	s := SyncDaemon{
		Role: Role(min(a.state, 255)), Interface: a.iface, ID: uint8(min(a.id, 255)),
		MaxLen: a.maxLen, Port: a.port, TTL: a.ttl,
	}
	switch {
	case had.has(dmnGroup6):
		s.Group = netip.AddrFrom16(a.group6)
	case had.has(dmnGroup):
		s.Group = netip.AddrFrom4(a.group)
	}
	return s, nil
}
