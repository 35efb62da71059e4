package sources

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// next returns when the first override ends; the zero time is never.
func (s *OverrideStore) next() time.Time {
	var first time.Time
	for _, o := range s.state.Load().list {
		if !o.Until.IsZero() && (first.IsZero() || o.Until.Before(first)) {
			first = o.Until
		}
	}
	return first
}

// expire ends the overrides whose time is over, and returns them. They have ended even with an error, which is that the
// file still has them: a later write removes them there, or the next start, by the clock of then.
func (s *OverrideStore) expire(ctx context.Context, now time.Time) ([]StoredOverride, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	was := s.state.Load()
	d := newDraft(was, now)
	var ended []StoredOverride
	for _, o := range was.list {
		if o.ended(now) {
			ended = append(ended, *o)
			d.put(o.Key(), o, nil)
		}
	}
	if len(ended) == 0 {
		return nil, nil
	}
	next := d.state()
	if err := s.save(was, next, d.change(next)); err != nil {
		next.behind = d.late()
		s.show(next)
		return ended, fmt.Errorf("end of overrides: %w", err)
	}
	return ended, nil
}

// Run ends overrides when their time is over, and takes to the disk what was amended in the audit, until ctx is done; then
// it returns nil. It looks at the clock at least every half minute, as that can be set. As often it tries again to write
// amendments that could not be written.
func (s *OverrideStore) Run(ctx context.Context, log zerolog.Logger) error {
	log = log.With().Str("component", "overrides").Logger()
	timer := time.NewTimer(0)
	defer timer.Stop()
	later := time.NewTimer(amendTime)
	defer later.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.ending:
		case <-timer.C:
		case <-s.amended:
			later.Reset(amendTime)
			continue
		case <-later.C:
			if err := s.flush(ctx); err != nil && ctx.Err() == nil {
				log.Error().Err(err).Msg("what was amended in the audit is not on disk")
				later.Reset(clockLook)
			}
			continue
		}
		ended, err := s.expire(ctx, time.Now())
		for _, o := range ended {
			log.Info().Str("object", o.Object()).Str("kind", string(o.Kind)).Str("reason", o.Reason).Str("by", o.By).
				Msg("override has ended")
		}
		if err != nil && ctx.Err() == nil {
			log.Error().Err(err).Msg("ended overrides are still on disk")
		}
		timer.Stop()
		if next := s.next(); !next.IsZero() {
			timer.Reset(min(max(time.Until(next), 0), clockLook))
		}
	}
}
