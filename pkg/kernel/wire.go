package kernel

import (
	"encoding/binary"
	"errors"
	"syscall"
)

// The numbers of netlink: include/uapi/linux/netlink.h and genetlink.h.
const (
	msgError   = 2  // NLMSG_ERROR: an errno, or 0 for an acknowledgement
	msgDone    = 3  // NLMSG_DONE: the end of a dump
	firstType  = 16 // NLMSG_MIN_TYPE: families begin here
	typeCtrl   = 16 // GENL_ID_CTRL
	cmdFamily  = 3  // CTRL_CMD_GETFAMILY
	ctrlID     = 1  // CTRL_ATTR_FAMILY_ID
	ctrlName   = 2  // CTRL_ATTR_FAMILY_NAME
	headerSize = 16 // struct nlmsghdr
	genlSize   = 4  // struct genlmsghdr
	attrSize   = 4  // struct nlattr

	flagRequest  = 0x001 // NLM_F_REQUEST
	flagAck      = 0x004 // NLM_F_ACK
	flagTorn     = 0x010 // NLM_F_DUMP_INTR: what was dumped changed meanwhile
	flagDump     = 0x300 // NLM_F_DUMP
	attrTypeMask = 0x3fff
)

// errGarbled indicates an answer that is no netlink message, or an IPVS one that lacks what it must have.
var errGarbled = errors.New("the kernel's answer is garbled")

// message is one netlink message of a datagram.
type message struct {
	kind  uint16 // a msg constant or the number of a generic netlink family
	flags uint16
	seq   uint32
	port  uint32
	body  []byte // what follows the header
}

// nextMessage takes the first message off a datagram that is not empty.
func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < headerSize {
		return message{}, nil, errGarbled
	}
	size := uint64(binary.NativeEndian.Uint32(b))
	if size < headerSize || size > uint64(len(b)) {
		return message{}, nil, errGarbled
	}
	m = message{
		kind:  binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		port:  binary.NativeEndian.Uint32(b[12:]),
		body:  b[headerSize:size],
	}
	return m, b[min(align(int(size)), len(b)):], nil
}

// errno returns what a msgError or msgDone says: an errno of the kernel, nil for 0, or errGarbled.
func (m message) errno() error {
	if len(m.body) < 4 {
		if m.kind == msgDone {
			return nil // some dumps say no more than this
		}
		return errGarbled
	}
	if n := int32(binary.NativeEndian.Uint32(m.body)); n != 0 {
		return syscall.Errno(-n)
	}
	return nil
}

// attributes returns the attributes of a generic netlink message.
func (m message) attributes() ([]byte, error) {
	if len(m.body) < genlSize {
		return nil, errGarbled
	}
	return m.body[genlSize:], nil
}

// beginMessage appends the headers of a message of a generic netlink family, whose length endMessage fills in.
func beginMessage(b []byte, family, flags uint16, seq uint32, cmd uint8) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, family)
	b = binary.NativeEndian.AppendUint16(b, flags|flagRequest)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0) // the kernel knows the sender
	return append(b, cmd, genlVersion, 0, 0)
}

// endMessage ends the message that begins at start.
func endMessage(b []byte, start int) {
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
}

// addFlags sets more flags of the message that begins at start.
func addFlags(b []byte, start int, flags uint16) {
	at := b[start+6:]
	binary.NativeEndian.PutUint16(at, binary.NativeEndian.Uint16(at)|flags)
}

// beginAttr appends the header of an attribute, which endAttr fills in.
func beginAttr(b []byte) []byte { return append(b, 0, 0, 0, 0) }

// endAttr ends the attribute that begins at start.
func endAttr(b []byte, start int, number uint16) []byte {
	binary.NativeEndian.PutUint16(b[start:], uint16(len(b)-start))
	binary.NativeEndian.PutUint16(b[start+2:], number)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// nextAttr takes the first attribute off a list that is not empty. What is too short for one ends a list, as it does in
// the kernel (nla_ok of include/net/netlink.h).
func nextAttr(b []byte) (number uint16, value, rest []byte, err error) {
	size := int(binary.NativeEndian.Uint16(b))
	if size < attrSize || size > len(b) {
		return 0, nil, nil, errGarbled
	}
	number = binary.NativeEndian.Uint16(b[2:]) & attrTypeMask
	return number, b[attrSize:size], b[min(align(size), len(b)):], nil
}

// align rounds a length up to where the next message or attribute begins.
func align(n int) int { return (n + 3) &^ 3 }
