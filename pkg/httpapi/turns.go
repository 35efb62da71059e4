package httpapi

import (
	"context"
	"sync"
)

// turns has those who change one service do so one after the other once they are in each other's way, so that each of them
// comes to an end, however many they are. Those who are not share a commit to the disk. The zero value is ready.
type turns struct {
	mu sync.Mutex // guards of, and the users in it
	of map[string]*turn
}

// A turn is that of one service. It is there as long as somebody has it or waits for it.
type turn struct {
	taken chan struct{} // of capacity one: full while somebody has it
	users int
}

// take waits for the turn of a service, which is to be given back; with must also where nobody has it. The error is that of the
// context.
func (t *turns) take(ctx context.Context, service string, must bool) (back func(), err error) {
	one := t.enter(service, must)
	if one == nil {
		return func() {}, nil
	}
	select {
	case one.taken <- struct{}{}:
		return sync.OnceFunc(func() {
			<-one.taken
			t.leave(service, one)
		}), nil
	case <-ctx.Done():
		t.leave(service, one)
		return nil, ctx.Err()
	}
}

func (t *turns) enter(service string, must bool) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of[service]
	switch {
	case one == nil && !must:
		return nil
	case one == nil:
		one = &turn{taken: make(chan struct{}, 1)}
		if t.of == nil {
			t.of = map[string]*turn{}
		}
		t.of[service] = one
	}
	one.users++
	return one
}

func (t *turns) leave(service string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(t.of, service)
	}
}
