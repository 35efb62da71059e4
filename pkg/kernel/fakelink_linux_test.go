package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// fakeKernel answers netlink messages as the kernel does, out of a Fake. Its dumps have two objects in a datagram.
type fakeKernel struct {
	*Fake
	mu          sync.Mutex
	id          uint16 // of IPVS; 0 where it is not loaded
	repeats     int    // how many dumps of services to come repeat one and leave out another, each its own
	repeatDests int    // how many of destinations to come have the first again in place of the third
	sockets     int    // how many were opened
	sends       []int  // how many requests to IPVS each datagram had
}

func newFakeKernel() *fakeKernel { return &fakeKernel{Fake: NewFake(), id: 30} }

// open returns a client of the fake kernel.
func (k *fakeKernel) open(t *testing.T, fault func(Request) Fault) *Client {
	t.Helper()
	c, err := openOn(t.Context(), Options{Fault: fault}, k.socket)
	return opened(t, c, err)
}

func (k *fakeKernel) socket() (transport, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sockets++
	return &fakeSocket{kernel: k, number: uint32(1000 + k.sockets), closed: make(chan struct{})}, nil
}

// fakeSocket is one of its sockets.
type fakeSocket struct {
	kernel *fakeKernel
	number uint32
	codec  codec
	queue  [][]byte
	closed chan struct{}
}

func (s *fakeSocket) port() uint32 { return s.number }

func (s *fakeSocket) close() error {
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
		close(s.closed)
	}
	return nil
}

// receive does not wait: what has no answer by now has none in time.
func (s *fakeSocket) receive(ctx context.Context) ([]byte, error) {
	select {
	case <-s.closed:
		return nil, net.ErrClosed
	default:
	}
	switch {
	case len(s.queue) > 0:
		b := s.queue[0]
		s.queue = s.queue[1:]
		return b, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("no answer within a moment (%w)", os.ErrDeadlineExceeded)
}

func (s *fakeSocket) send(b []byte, _ bool) error {
	k := s.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	requests := 0
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return syscall.EINVAL
		}
		b = rest
		switch {
		case m.kind == typeCtrl:
			s.families(m)
		case m.kind == k.id && k.id != 0:
			requests++
			s.ipvs(m)
		default:
			requests++
			s.answer(m, syscall.ENOENT)
		}
	}
	if requests > 0 {
		k.sends = append(k.sends, requests)
	}
	return nil
}

// answer answers with an errno, or an acknowledgement where one is asked for.
func (s *fakeSocket) answer(m message, err error) {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		panic(err)
	}
	if errno == 0 && m.flags&flagAck == 0 {
		return
	}
	s.reply(m, msgError, binary.NativeEndian.AppendUint32(nil, errnoBits(errno)))
}

func (s *fakeSocket) reply(m message, kind uint16, bodies ...[]byte) {
	var b []byte
	for _, body := range bodies {
		b = appendMessage(b, message{kind, 0, m.seq, s.number, body})
	}
	s.queue = append(s.queue, b)
}

// objects answers a request with objects: a dump with all, two in a datagram, any other with the first.
func (s *fakeSocket) objects(m message, bodies [][]byte) {
	for i, b := range bodies {
		bodies[i] = append(make([]byte, genlSize), b...)
	}
	if m.flags&flagDump != flagDump {
		s.reply(m, m.kind, bodies[0])
		return
	}
	for two := range slices.Chunk(bodies, 2) {
		s.reply(m, m.kind, two...)
	}
	s.reply(m, msgDone, make([]byte, 4))
}

func (s *fakeSocket) families(m message) {
	asked, err := s.codec.family(m)
	if err != nil {
		panic(err)
	}
	own := family{s.kernel.id, familyName}
	there := familyFields.append(nil, &own, attrsOf(ctrlID, ctrlName))
	switch {
	case m.flags&flagDump == flagDump && own.id != 0:
		s.objects(m, [][]byte{there})
	case m.flags&flagDump == flagDump:
		s.objects(m, nil)
	case own.id != 0 && (asked.id == own.id || asked.name == own.name):
		s.objects(m, [][]byte{there})
	default:
		s.answer(m, syscall.ENOENT)
	}
}

func (s *fakeSocket) ipvs(m message) {
	f, ctx := s.kernel.Fake, context.Background()
	switch cmd := m.body[0]; cmd {
	case cmdGetInfo:
		info, _ := f.Info(ctx)
		s.objects(m, [][]byte{infoFields.append(nil, &infoAttrs{0x010201, info.ConnTableSize}, attrsOf(1, 2))})
	case cmdGetConfig:
		t, _ := f.Timeouts(ctx)
		s.objects(m, [][]byte{timeoutFields.append(nil, &t, attrsOf(attrTimeoutTCP, attrTimeoutTCPFin, attrTimeoutUDP))})
	case cmdSetConfig:
		var t Timeouts
		_, _, _ = timeoutFields.decode(m.body[genlSize:], &t, &s.codec)
		s.answer(m, f.SetTimeouts(ctx, t))
	case cmdGetDaemon:
		var all [][]byte
		daemons, _ := f.SyncDaemons(ctx)
		for _, d := range daemons {
			all = append(all, appendDaemon(nil, d))
		}
		s.objects(m, all)
	case cmdNewDaemon, cmdDelDaemon:
		d, err := s.codec.daemon(m)
		switch {
		case err != nil:
			panic(err)
		case cmd == cmdNewDaemon:
			s.answer(m, f.StartSync(ctx, d))
		default:
			s.answer(m, f.StopSync(ctx, d.Role))
		}
	case cmdGetService, cmdGetDest:
		s.read(m)
	default:
		s.answer(m, f.Apply(ctx, []Op{s.op(m)})[0])
	}
}

// op is the reverse of appendOp.
func (s *fakeSocket) op(m message) Op {
	k, v, _, err := s.codec.service(m)
	if err != nil {
		panic(err)
	}
	op := Op{Kind: OpKind(slices.Index(commands[:], m.body[0])), Key: k}
	switch op.Kind {
	case AddService, EditService:
		op.Service = v.Service
	case AddDest, EditDest, DeleteDest:
		r, _, err := s.codec.dest(destOnly(panicker{}, m), k.Family)
		if err != nil {
			panic(err)
		}
		if op.DestKey = r.DestKey; op.Kind != DeleteDest {
			op.Dest = r.Dest
		}
	}
	return op
}

func (s *fakeSocket) read(m message) {
	table, statistics, err := s.kernel.ObserveStats(context.Background())
	if err != nil {
		panic(err)
	}
	dump := m.flags&flagDump == flagDump
	if dump && m.body[0] == cmdGetService {
		var all [][]byte
		for _, k := range table.Keys() {
			all = append(all, s.service(k, table[k], statistics[k]))
		}
		if s.kernel.repeats > 0 && len(all) > 2 {
			all[1+s.kernel.repeats] = slices.Clone(all[0])
			s.kernel.repeats--
		}
		s.objects(m, all)
		return
	}
	k, _, _, err := s.codec.service(m)
	if err != nil {
		panic(err)
	}
	v, ok := table[k]
	switch {
	case dump:
		var all [][]byte
		for _, d := range v.Dests {
			all = append(all, s.dest(d, statistics[k].Dests[d.DestKey]))
		}
		if s.kernel.repeatDests > 0 && len(all) > 2 {
			all[2] = slices.Clone(all[0])
			s.kernel.repeatDests--
		}
		s.objects(m, all)
	case ok:
		s.objects(m, [][]byte{s.service(k, v, statistics[k])})
	default:
		s.answer(m, syscall.ESRCH)
	}
}

// service is a service as the kernel reports it: with its own flag, and 64-bit statistics beside the older ones.
func (s *fakeSocket) service(k ServiceKey, v VirtualService, stats ServiceStats) []byte {
	v.Flags |= hashed
	b := s.codec.appendService(nil, k, &v.Service)
	b = b[:len(b):len(b)]
	a := serviceAttrs{stats64: stats.Stats}
	return endAttr(serviceFields.append(b, &a, attrsOf(svcStats, svcStats64)), 0, attrService)
}

func (s *fakeSocket) dest(d RealServer, stats Stats) []byte {
	b := s.codec.appendDest(nil, d.DestKey, &d.Dest)
	a := destAttrs{active: d.Conns.Active, inactive: d.Conns.Inactive, persistent: d.Conns.Persistent, stats64: stats}
	return endAttr(destFields.append(b, &a, attrsOf(dstActive, dstInactive, dstPersistent, dstStats, dstStats64)), 0, attrDest)
}

// panicker is for what cannot fail.
type panicker struct{}

func (panicker) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
