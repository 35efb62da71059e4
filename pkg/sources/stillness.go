package sources

import (
	"io/fs"
	"os"
	"slices"
	"time"
)

const (
	// racy is how long after a file's modification time a further change may leave no trace in it: some file systems
	// keep whole or even seconds only.
	racy = 2 * time.Second

	// patience is how long a reading that was asked for waits for a file that keeps changing.
	patience = time.Second
)

// stamp is what a file looks like from outside. The zero stamp is that of a file that was never looked at.
type stamp struct {
	info  fs.FileInfo // nil: it cannot be seen
	err   string      // why not
	dir   bool        // it is a directory: only which one counts, and what is read in it
	files []fileStamp // what is read beside it or in it, in order
}

// fileStamp is what a file with a name looks like.
type fileStamp struct {
	name string
	stamp
}

// stampOf looks at the file that a path leads to.
func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{err: err.Error()}
	}
	return stamp{info: info}
}

// same says whether nothing happened between two looks: the same inode, mode, size and modification time, or the same
// reason why there is nothing to see, and so for all that is read with it. The size and time of a directory change with
// every temporary file of an editor, and count for nothing.
func (s stamp) same(t stamp) bool {
	if s.info == nil || t.info == nil {
		return s.info == t.info && s.err == t.err
	}
	return os.SameFile(s.info, t.info) &&
		s.info.Mode() == t.info.Mode() &&
		s.dir == t.dir &&
		(s.dir || s.info.Size() == t.info.Size() && s.info.ModTime().Equal(t.info.ModTime())) &&
		slices.EqualFunc(s.files, t.files, func(a, b fileStamp) bool { return a.name == b.name && a.stamp.same(b.stamp) })
}

// young says whether a file was modified so short a time ago that a further change may not show. One from the future has
// no such time; it is read at changes only.
func (s stamp) young(now time.Time) bool {
	if s.info != nil && !s.dir {
		if age := now.Sub(s.info.ModTime()); age >= 0 && age < racy {
			return true
		}
	}
	return slices.ContainsFunc(s.files, func(f fileStamp) bool { return f.young(now) })
}

// stillness decides when a file is read: once it looks other than when it was last read, and has looked so for a while.
// It is a value and knows no clock.
type stillness struct {
	still time.Duration // how long it must look alike before it is read

	seen   stamp     // how it looked last
	since  time.Time // since when it has looked so
	read   stamp     // how it looked when it was last read
	again  time.Time // when to read it once more, however it looks; zero: not
	due    bool      // it is to be read, however it looks
	limit  time.Time // until when to wait for it to become still; zero: for ever
	hasted bool      // the limit was reached: what is read counts even if the file changes meanwhile
}

// demand makes the file due. With limit, it is read after that time even if it has not become still.
func (s *stillness) demand(limit time.Time) {
	s.due = true
	if s.limit.IsZero() {
		s.limit = limit
	}
}

// look takes in how the file looks now and says whether to read it, or else how long to wait before the next look;
// 0 is until something happens.
func (s *stillness) look(now time.Time, st stamp) (read bool, wait time.Duration) {
	if !st.same(s.seen) {
		s.seen, s.since = st, now
	}
	if !s.due && st.same(s.read) {
		if s.again.IsZero() {
			return false, 0
		}
		if wait := s.again.Sub(now); wait > 0 {
			return false, wait
		}
	}
	wait = s.still - now.Sub(s.since)
	if !s.limit.IsZero() {
		if left := s.limit.Sub(now); left <= 0 {
			s.hasted = true
		} else {
			wait = min(wait, left)
		}
	}
	if wait <= 0 || s.hasted {
		return true, 0
	}
	return false, wait
}

// after takes in how the file looks now that it has been read, and says whether what was read counts. It does not when
// the file changed meanwhile; then it is looked at again.
func (s *stillness) after(now time.Time, st stamp) bool {
	if !st.same(s.seen) && !s.hasted {
		s.seen, s.since = st, now
		return false
	}
	s.read, s.again = s.seen, time.Time{}
	if s.read.young(now) {
		s.again = now.Add(racy)
	}
	s.due, s.limit, s.hasted = false, time.Time{}, false
	return true
}
