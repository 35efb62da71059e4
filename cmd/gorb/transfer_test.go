package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// load is traffic from the client of a Net, through services that gorb makes, to servers at its backends.
//
// A transfer is a response in so many parts of equal size, and a part of it goes only when the test lets it. So a test knows
// that a transfer is in flight, and after which change it failed. A client sends the number of a transfer, from 1, and gets
// the number of the backend, one byte, and then the parts. To number 0, a short request, the answer is one part at once.
type load struct {
	t         *testing.T
	net       *lab.Net
	part      int               // the size of a part
	gates     [][]chan struct{} // by backend and part: closed when it may go
	transfers []*transfer
}

// pause is what a server makes after each half of a part. It is about the time that gorb takes from the saving of a file to its
// operations, so that there are packets in flight when it makes them.
const pause = 60 * time.Millisecond

// transfer is a transfer as its client sees it.
type transfer struct {
	number  uint64
	service netip.AddrPort
	backend int        // which serves it, from 0
	parts   chan error // a value for each part, nil if it came and was right; nothing after an error
}

// newLoad starts a server at each backend's port 80.
func newLoad(t *testing.T, n *lab.Net, part, parts int) *load {
	t.Helper()
	l := &load{t: t, net: n, part: part}
	for i, ns := range n.Backends {
		var gates []chan struct{}
		for range parts {
			gates = append(gates, make(chan struct{}))
		}
		l.gates = append(l.gates, gates)
		var server net.Listener
		err := lab.Do(ns, func() (err error) {
			server, err = net.Listen("tcp", ":80")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		go func() {
			for {
				c, err := server.Accept()
				if err != nil {
					return
				}
				go l.serve(c, i)
			}
		}()
	}
	return l
}

// content returns what a transfer consists of, without end.
func content(number uint64) *rand.ChaCha8 {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], number)
	return rand.NewChaCha8(seed)
}

// serve answers a connection at a backend. Its errors are the client's, too, and said there.
func (l *load) serve(c net.Conn, backend int) {
	defer c.Close()
	var number uint64
	if binary.Read(c, binary.BigEndian, &number) != nil {
		return
	}
	if _, err := c.Write([]byte{byte(backend)}); err != nil {
		return
	}
	source, buf := content(number), make([]byte, l.part)
	for _, gate := range l.gates[backend] {
		if number != 0 {
			select {
			case <-gate:
			case <-l.t.Context().Done():
				return
			}
		}
		_, _ = source.Read(buf)
		if number == 0 {
			_, _ = c.Write(buf)
			return
		}
		for piece := range slices.Chunk(buf, l.part/2+1) {
			if _, err := c.Write(piece); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// release lets a part go from backends; none is all of them.
func (l *load) release(part int, backends ...int) {
	for i, gates := range l.gates {
		if len(backends) == 0 || slices.Contains(backends, i) {
			close(gates[part])
		}
	}
}

// dial asks a service for a transfer, and returns which backend serves it.
func (l *load) dial(service netip.AddrPort, number uint64) (c net.Conn, backend int, err error) {
	err = lab.Do(l.net.Client, func() (err error) {
		c, err = net.DialTimeout("tcp", service.String(), patience)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	first := make([]byte, 1)
	err = errors.Join(c.SetDeadline(time.Now().Add(patience)), binary.Write(c, binary.BigEndian, number))
	if err == nil {
		_, err = io.ReadFull(c, first)
	}
	if err != nil {
		return nil, 0, errors.Join(err, c.Close())
	}
	return c, int(first[0]), nil
}

// open begins a transfer from a service.
func (l *load) open(service netip.AddrPort) {
	l.t.Helper()
	number := uint64(len(l.transfers) + 1)
	c, backend, err := l.dial(service, number)
	if err == nil {
		err = c.SetDeadline(time.Time{}) // want has one
	}
	if err != nil {
		l.t.Fatalf("begin transfer %d from %s: %v", number, service, err)
	}
	l.t.Cleanup(func() { c.Close() })
	tr := &transfer{number, service, backend, make(chan error, len(l.gates[backend]))}
	l.transfers = append(l.transfers, tr)
	go func() {
		source := content(number)
		for rest := cap(tr.parts); rest > 0 && err == nil; rest-- {
			if err = l.read(c, source); err == nil && rest == 1 {
				err = readEnd(c)
			}
			tr.parts <- err
		}
	}()
}

// read reads a part and compares it with what it should be.
func (l *load) read(c net.Conn, source *rand.ChaCha8) error {
	got, want := make([]byte, l.part), make([]byte, l.part)
	if n, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("%d of %d bytes came: %w", n, l.part, err)
	}
	_, _ = source.Read(want)
	if !bytes.Equal(got, want) {
		return errors.New("other bytes came than were sent")
	}
	return nil
}

func readEnd(c net.Conn) error {
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return fmt.Errorf("after the last part came %d bytes, %v", n, err)
	}
	return nil
}

// want waits until each transfer from these backends (none is all of them) got its next part.
func (l *load) want(after string, backends ...int) {
	l.t.Helper()
	late := time.After(patience)
	var failed []error
	for _, tr := range l.transfers {
		if len(backends) > 0 && !slices.Contains(backends, tr.backend) {
			continue
		}
		var err error
		select {
		case err = <-tr.parts:
		case <-late:
			late = time.After(0) // the others had their time as well
			err = fmt.Errorf("its next part did not come in %v", patience)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("transfer %d from %s, which backend %d serves: %w",
				tr.number, tr.service, tr.backend+1, err))
		}
	}
	if len(failed) > 0 {
		l.t.Fatalf("after %s: %d of %d transfers failed, such as:\n%v", after, len(failed), len(l.transfers),
			errors.Join(failed[:min(len(failed), 5)]...))
	}
}

// inFlight returns how many transfers each backend serves.
func (l *load) inFlight() []int {
	n := make([]int, len(l.gates))
	for _, tr := range l.transfers {
		n[tr.backend]++
	}
	return n
}

// request makes a short request.
func (l *load) request(service netip.AddrPort) error {
	c, backend, err := l.dial(service, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(l.read(c, content(0)), readEnd(c)); err != nil {
		return fmt.Errorf("backend %d: %w", backend+1, err)
	}
	return nil
}

// answers is what became of short requests.
type answers struct {
	asked  int
	failed []error
}

// ask makes short requests of services in turn, with a pause before each turn, until stop is called; one turn at least.
func (l *load) ask(services ...netip.AddrPort) (stop func() answers) {
	stopping, result := make(chan struct{}), make(chan answers)
	go func() {
		var a answers
		for stopped := false; !stopped; {
			select {
			case <-stopping:
				stopped = true
			case <-time.After(25 * time.Millisecond):
			}
			for _, s := range services {
				a.asked++
				if err := l.request(s); err != nil {
					a.failed = append(a.failed, fmt.Errorf("request %d of %s: %w", a.asked, s, err))
				}
			}
		}
		result <- a
	}()
	return func() answers { close(stopping); return <-result }
}
