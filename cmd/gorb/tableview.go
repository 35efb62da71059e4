package main

import (
	"context"
	"sync"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

const (
	// serviceAge is how old at most is what is said of a service, where gorb has not written to it since.
	serviceAge = time.Second
	// tableAge is how long the whole table counts when it has been read, gorb's writes or not.
	tableAge = 5 * time.Second
	// viewReadings is how many services are read at a time: each reading has a socket.
	viewReadings = 4
	// maxViewed is how many services and backends are kept at most, some 20 MB.
	maxViewed = 1 << 16
)

// tableReader reads the kernel's table: kernel.Client and kernel.Fake have it.
type tableReader interface {
	Observe(ctx context.Context, keys ...kernel.ServiceKey) (kernel.Table, error)
	ObserveStats(ctx context.Context, keys ...kernel.ServiceKey) (kernel.Table, kernel.Statistics, error)
	Close() error
}

// ServiceView is a service as the kernel has it. It is shared, and not to be changed.
type ServiceView struct {
	There bool // in the kernel; the rest is zero where it is not
	kernel.VirtualService
	Stats kernel.ServiceStats
	At    time.Time // it is not older than that
}

// WholeView is the whole table as the kernel has it. It is shared, and not to be changed.
type WholeView struct {
	Table kernel.Table
	At    time.Time // it is not older than that
}

// tableView says what the kernel has to whoever asks, however many they are: what one has read is said to others as well.
// It may be used from anywhere.
type tableView struct {
	table   tableReader
	written func(kernel.ServiceKey) uint64 // another number when the service was written to
	slots   chan struct{}
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	reads   sync.WaitGroup

	mu       sync.Mutex // guards everything below
	closed   bool
	services map[kernel.ServiceKey]*serviceReading // the newest of each
	kept     []*serviceReading                     // those that have ended well, in that order
	size     int                                   // services and backends in them
	sweeping bool                                  // there is a timer for that
	whole    *wholeReading                         // nil: none that is of use
}

// serviceReading is one reading of a service. What it read is there when done is closed, and is not changed after that.
type serviceReading struct {
	key     kernel.ServiceKey
	done    chan struct{}
	written uint64 // before it began
	view    ServiceView
	err     error
}

// wholeReading is one of the whole table.
type wholeReading struct {
	done chan struct{}
	view WholeView
	err  error
}

// openReader opens a reader of the table of the process's own network namespace, with sockets of its own.
func openReader(ctx context.Context) (tableReader, error) {
	client, err := kernel.Open(ctx, kernel.Options{})
	if err != nil {
		return nil, err
	}
	return client, nil
}

// newTableView returns a view of a table, which it closes in the end.
func newTableView(table tableReader, written func(kernel.ServiceKey) uint64) *tableView {
	ctx, cancel := context.WithCancel(context.Background())
	return &tableView{
		table: table, written: written, slots: make(chan struct{}, viewReadings), ctx: ctx, cancel: cancel,
		services: map[kernel.ServiceKey]*serviceReading{},
	}
}

// Close ends what is read, and waits for it.
func (v *tableView) Close() error {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.cancel()
	v.reads.Wait()
	return v.table.Close()
}

// Service returns a service as the kernel has it, with what it carries. That may be as old as serviceAge, and is newer than
// every write to the service that anybody had been told of when this was called. Of one service there is one reading at a time.
func (v *tableView) Service(ctx context.Context, key kernel.ServiceKey) (ServiceView, error) {
	written := v.written(key)
	for {
		r, err := v.reading(key, written)
		if err != nil {
			return ServiceView{}, err
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return ServiceView{}, ctx.Err()
		}
		if r.err != nil || r.written >= written {
			return r.view, r.err
		}
		// It had begun before the write.
	}
}

// reading returns the reading of a service that is under way, or the last if that still counts, or begins another.
func (v *tableView) reading(key kernel.ServiceKey, written uint64) (*serviceReading, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, reconcile.ErrEnded
	}
	if r := v.services[key]; r != nil {
		select {
		case <-r.done:
			if r.written >= written && time.Since(r.view.At) < serviceAge {
				return r, nil
			}
		default:
			return r, nil
		}
	}
	r := &serviceReading{key: key, done: make(chan struct{})}
	v.services[key] = r
	v.reads.Go(func() { v.read(r) })
	return r, nil
}

// read reads a service. The client knows how long it may take; those who wait may be gone.
func (v *tableView) read(r *serviceReading) {
	select {
	case v.slots <- struct{}{}:
		r.written, r.view.At = v.written(r.key), time.Now()
		var table kernel.Table
		var stats kernel.Statistics
		if table, stats, r.err = v.table.ObserveStats(v.ctx, r.key); r.err == nil {
			r.view.VirtualService, r.view.There = table[r.key]
			r.view.Stats = stats[r.key]
		}
		<-v.slots
	case <-v.ctx.Done():
		r.err = reconcile.ErrEnded
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	defer close(r.done)
	if r.err != nil {
		delete(v.services, r.key) // whoever comes later tries again
		return
	}
	v.keepLocked(r)
}

// keepLocked keeps what was read for as long as it counts and there is room.
func (v *tableView) keepLocked(r *serviceReading) {
	v.kept = append(v.kept, r)
	v.size += r.size()
	v.trimLocked()
	if len(v.kept) > 0 && !v.sweeping {
		v.sweeping = true
		time.AfterFunc(serviceAge, v.sweep)
	}
}

func (r *serviceReading) size() int { return 1 + len(r.view.Dests) }

// trimLocked forgets what is too old, and the oldest where there is no room.
func (v *tableView) trimLocked() {
	n := 0
	for ; n < len(v.kept); n++ {
		r := v.kept[n]
		if v.size <= maxViewed && time.Since(r.view.At) < serviceAge {
			break
		}
		v.size -= r.size()
		if v.services[r.key] == r {
			delete(v.services, r.key)
		}
		v.kept[n] = nil
	}
	if v.kept = v.kept[n:]; len(v.kept) == 0 {
		v.kept = nil
	}
}

// sweep forgets what nobody has asked for again.
func (v *tableView) sweep() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.trimLocked()
	if v.sweeping = len(v.kept) > 0; v.sweeping {
		time.AfterFunc(time.Until(v.kept[0].view.At.Add(serviceAge)), v.sweep)
	}
}

// All returns the whole table as the kernel has it, without statistics. It may be as old as tableAge and the
// time that the reading took.
func (v *tableView) All(ctx context.Context) (WholeView, error) {
	v.mu.Lock()
	r := v.whole
	if v.closed {
		v.mu.Unlock()
		return WholeView{}, reconcile.ErrEnded
	}
	if r == nil {
		r = &wholeReading{done: make(chan struct{})}
		v.whole = r
		v.reads.Go(func() { v.readAll(r) })
	}
	v.mu.Unlock()
	select {
	case <-r.done:
		return r.view, r.err
	case <-ctx.Done():
		return WholeView{}, ctx.Err()
	}
}

// readAll reads the whole table. What came of it counts for a while, an error too: another reading is not cheap either.
func (v *tableView) readAll(r *wholeReading) {
	r.view.At = time.Now()
	r.view.Table, r.err = v.table.Observe(v.ctx)
	close(r.done)
	time.AfterFunc(tableAge, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.whole = nil
	})
}
