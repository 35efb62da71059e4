package sources

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// saveRetry is the time between two tries to write a copy, when the disk is full.
const saveRetry = 30 * time.Second

// saver writes last good copies beside the loop, because a disk may be slow. Of documents in a row only the newest waits.
type saver struct {
	log    zerolog.Logger
	copies copies
	wake   chan struct{} // of capacity one

	failed map[string][]order // what could not be done, as was said; belongs to run

	mu      sync.Mutex // guards waiting
	waiting map[string][]order
}

func newSaver(log zerolog.Logger, c copies) *saver {
	return &saver{log: log, copies: c, wake: make(chan struct{}, 1), failed: make(map[string][]order), waiting: make(map[string][]order)}
}

// put has an order about a copy done. It never blocks.
func (s *saver) put(o order) {
	s.mu.Lock()
	s.waiting[o.name] = append(replaced(s.waiting[o.name], o), o)
	s.mu.Unlock()
	trigger(s.wake)
}

// replaced is the orders of a source without those that another, which follows them, makes needless.
func replaced(list []order, next order) []order {
	isSave := func(o order) bool { return o.save != nil }
	n := len(list)
	switch {
	case n > 0 && isSave(next) && isSave(list[n-1]):
		return list[:n-1]
	case next.hold != nil && !*next.hold:
		for ; n > 0; n-- {
			if isSave(list[n-1]) {
				return list[n-1 : n]
			}
		}
		return nil
	}
	return list
}

// run writes until ctx ends, and then what is still waiting. What could not be written is tried again.
func (s *saver) run(ctx context.Context) {
	retry := time.NewTicker(saveRetry)
	defer retry.Stop()
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-s.wake:
		case <-retry.C:
		}
		for name, list := range s.take() {
			err := obey(s.copies, list)
			if err == nil {
				delete(s.failed, name)
				continue
			}
			if s.failed[name] == nil {
				s.log.Error().Str("source", name).Err(err).Msg("the last good copy cannot be written; a restart may find an older one")
			}
			s.failed[name] = list
		}
	}
}

// take takes what is to be done, of each source after what could not be done before.
func (s *saver) take() map[string][]order {
	s.mu.Lock()
	batch := s.waiting
	s.waiting = make(map[string][]order)
	s.mu.Unlock()
	for name, list := range s.failed {
		for _, o := range batch[name] {
			list = append(replaced(list, o), o)
		}
		batch[name] = list
	}
	return batch
}

// obey does what was ordered about copies.
func obey(c copies, list []order) error {
	var errs []error
	for _, o := range list {
		if o.save != nil {
			errs = append(errs, c.Save(o.name, *o.save))
		} else {
			errs = append(errs, c.Hold(o.name, *o.hold))
		}
	}
	return errors.Join(errs...)
}
