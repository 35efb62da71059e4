package sources

import (
	"time"

	"github.com/rs/zerolog"
)

// account is what is known of a source, for its status and for the log.
type account struct {
	since   time.Time // since when it is good, or bad
	good    time.Time // when the newest good document came; zero: never
	version string    // of that
	err     string    // why what is there now is not good
	refused string    // why its newest document does not count, though it is good alone

	refusedAt time.Time // since when that is so

	saidBad     bool   // what was logged last of the source
	saidRefused string // what was logged last of a refusal
	held        bool   // that it removes too much was logged
}

// delivered notes a good document.
func (a *account) delivered(now time.Time, version string) { a.good, a.version = now, version }

// kind is what the log calls a layer.
func (l *layer) kind() string {
	if l.remote {
		return "source"
	}
	return "file"
}

// line begins a line of the log at a level, or at debug level where a voice has said too much.
func (s *stack) line(now time.Time, v *voice, level zerolog.Level) *zerolog.Event {
	if !v.speaks(now) {
		level = zerolog.DebugLevel
	}
	return s.log.WithLevel(level)
}

// report takes in, and logs, what a reading changes about its layer being good or bad.
func (s *stack) report(now time.Time, l *layer, r Reading) {
	was := l.bad
	l.bad = r.Err != nil
	if l.bad != was || l.account.since.IsZero() {
		l.account.since = now
	}
	l.account.err = ""
	if l.bad {
		l.account.err = r.Err.Error()
	} else {
		l.account.delivered(now, r.Version)
	}
	if l.remote {
		if l.bad != l.account.saidBad && l.said.again().Compare(now) <= 0 {
			s.tell(now, l)
		}
		return
	}
	switch {
	case l.bad && (!r.Same || r.Asked):
		message := "file refused, its last good content stays in force"
		if l.newest == nil {
			message = "file refused, there is no good content of it yet"
		}
		problems(s.line(now, &l.said, zerolog.ErrorLevel).Str("file", l.name), r.Err).Msg(message)
	case !l.bad && was:
		s.line(now, &l.said, zerolog.InfoLevel).Str("file", l.name).Msg("file is good again")
	}
}

// tell logs that a remote source has become good or bad. One that flaps is told about less often than it does so, but the
// last word is told.
func (s *stack) tell(now time.Time, l *layer) {
	l.account.saidBad = l.bad
	if !l.bad {
		s.line(now, &l.said, zerolog.InfoLevel).Str("source", l.name).Msg("source is good again")
		return
	}
	message := "source failed, its last good document stays in force"
	if l.newest == nil && l.copied == nil {
		message = "source failed, there is no good document of it yet"
	}
	s.line(now, &l.said, zerolog.WarnLevel).Str("source", l.name).Str("err", l.account.err).Msg(message)
}
