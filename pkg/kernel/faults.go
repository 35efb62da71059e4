package kernel

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"syscall"
)

// Request is what Options.Fault is asked about.
type Request struct {
	Number int  // of this client's requests to IPVS, from 0; each operation of an Apply is one
	Write  bool // it changes something
}

// Fault is what befalls a request, in tests. The zero value is nothing.
type Fault struct {
	Kind  FaultKind
	Errno syscall.Errno // the answer of a Refused
}

// FaultKind says what befalls a request.
type FaultKind uint8

// The faults.
const (
	Refused     FaultKind = iota + 1 // it is not carried out, but answered with Errno
	Unanswered                       // it is carried out, and its answer never comes
	Overflowed                       // it is carried out, and the socket has lost answers (ENOBUFS)
	Interrupted                      // EINTR and EAGAIN come before its answer
	Truncated                        // half of the datagram with its answer comes
	Strange                          // answers to others, and to another time, come before its own
	Torn                             // its dump changed meanwhile (NLM_F_DUMP_INTR)
	Newer                            // its answer has an attribute that nobody knows
)

// newerAttr is the attribute of Newer.
const newerAttr = 99

// faulty is a transport with faults.
type faulty struct {
	transport
	ask    func(write bool) Fault
	faults map[uint32]Fault // of the requests of the last datagram, by sequence number
	before []any            // what receive returns before the rest: a datagram or an error
}

// withFaults puts faults between a client and its transports.
func withFaults(open func() (transport, error), hook func(Request) Fault) func() (transport, error) {
	var mu sync.Mutex
	number := 0
	ask := func(write bool) Fault {
		mu.Lock()
		defer mu.Unlock()
		number++
		return hook(Request{number - 1, write})
	}
	return func() (transport, error) {
		t, err := open()
		if err != nil {
			return nil, err
		}
		return &faulty{transport: t, ask: ask}, nil
	}
}

func (f *faulty) send(b []byte, long bool) error {
	f.faults, f.before = make(map[uint32]Fault), nil
	b = slices.Clone(b)
	for rest := b; len(rest) > 0; {
		at := rest
		m, next, err := nextMessage(rest)
		if err != nil {
			return err
		}
		rest = next
		if m.kind == typeCtrl {
			continue
		}
		fault := f.ask(writes(m.body[0]))
		f.faults[m.seq] = fault
		if fault.Kind == Refused {
			// Of a family that does not exist: the kernel answers in its turn, though with ENOENT.
			binary.NativeEndian.PutUint16(at[4:], 0xffff)
		}
	}
	return f.transport.send(b, long)
}

// writes reports whether a command changes something.
func writes(cmd uint8) bool {
	switch cmd {
	case cmdGetService, cmdGetDest, cmdGetDaemon, cmdGetConfig, cmdGetInfo:
		return false
	}
	return true
}

func (f *faulty) receive(ctx context.Context) ([]byte, error) {
	for {
		if len(f.before) == 0 {
			b, err := f.transport.receive(ctx)
			if err != nil {
				return nil, err
			}
			if err := f.befall(b); err != nil {
				return nil, err
			}
			continue
		}
		first := f.before[0]
		f.before = f.before[1:]
		switch first := first.(type) {
		case error:
			return nil, first
		case []byte:
			if len(first) > 0 {
				return first, nil
			}
		}
	}
}

// befall puts what becomes of a datagram into before.
func (f *faulty) befall(b []byte) error {
	var out []byte
	truncated := false
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return err
		}
		b = rest
		fault := f.faults[m.seq]
		switch fault.Kind {
		case Unanswered:
			continue
		case Refused:
			binary.NativeEndian.PutUint32(m.body, errnoBits(fault.Errno))
		case Overflowed:
			return syscall.ENOBUFS
		case Interrupted:
			f.before = append(f.before, syscall.EINTR, syscall.EAGAIN)
		case Strange:
			failure := binary.NativeEndian.AppendUint32(nil, errnoBits(syscall.EPERM))
			f.before = append(f.before,
				appendMessage(nil, message{msgError, 0, m.seq, m.port + 1, failure}),
				appendMessage(nil, message{msgError, 0, m.seq - 1000, m.port, failure}))
		case Torn:
			m.flags |= flagTorn
		case Newer:
			m.body = newer(m)
		}
		truncated = truncated || fault.Kind == Truncated
		delete(f.faults, m.seq)
		if fault.Kind == Newer || fault.Kind == Torn {
			f.faults[m.seq] = fault // for all of a dump
		}
		out = appendMessage(out, m)
	}
	if truncated {
		out = out[:len(out)/2&^3+2] // never where a message ends
	}
	f.before = append(f.before, out)
	return nil
}

// newer adds an attribute to the object of a message.
func newer(m message) []byte {
	if m.kind < firstType || len(m.body) < genlSize+attrSize {
		return m.body
	}
	b := slices.Clone(m.body)
	b = endAttr(append(beginAttr(b), 1), len(m.body), newerAttr)
	binary.NativeEndian.PutUint16(b[genlSize:], uint16(len(b)-genlSize)) // the object is all there is
	return b
}

// appendMessage is the reverse of nextMessage.
func appendMessage(b []byte, m message) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(headerSize+len(m.body)))
	b = binary.NativeEndian.AppendUint16(b, m.kind)
	b = binary.NativeEndian.AppendUint16(b, m.flags)
	b = binary.NativeEndian.AppendUint32(b, m.seq)
	b = binary.NativeEndian.AppendUint32(b, m.port)
	b = append(b, m.body...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// errnoBits gives an errno as the kernel answers it.
func errnoBits(e syscall.Errno) uint32 { return uint32(-int32(e)) }
