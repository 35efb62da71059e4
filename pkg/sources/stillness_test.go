package sources

import (
	"io/fs"
	"testing"
	"time"
)

// fakeInfo is a file that looks as the test says. os.SameFile knows it for another one than any.
type fakeInfo struct {
	fs.FileInfo
	modified time.Time
}

func (f fakeInfo) ModTime() time.Time { return f.modified }

// gone is a look at a file that is not there for a reason, which stands for the state of the file.
func gone(reason string) stamp { return stamp{err: reason} }

func TestStillness(t *testing.T) {
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }

	t.Run("reads what has been alike for long enough", func(t *testing.T) {
		s := stillness{still: ms(50)}
		expect(t, &s, at(0), "a", false, ms(50))
		expect(t, &s, at(40), "b", false, ms(50))
		expect(t, &s, at(80), "b", false, ms(10))
		expect(t, &s, at(90), "b", true, 0)
		equal(t, "counts", true, s.after(at(90), gone("b")))
		expect(t, &s, at(200), "b", false, 0)
		expect(t, &s, at(300), "c", false, ms(50))
	})
	t.Run("what changes under the reading does not count", func(t *testing.T) {
		s := stillness{still: ms(50)}
		expect(t, &s, at(0), "a", false, ms(50))
		expect(t, &s, at(50), "a", true, 0)
		equal(t, "counts", false, s.after(at(60), gone("b")))
		expect(t, &s, at(100), "b", false, ms(10))
		expect(t, &s, at(110), "b", true, 0)
	})
	t.Run("what never is still is never read", func(t *testing.T) {
		s := stillness{still: ms(50)}
		for n := range 1000 {
			expect(t, &s, at(40*n), time.Duration(n).String(), false, ms(50))
		}
	})
	t.Run("unless it was asked for, after a second", func(t *testing.T) {
		s := stillness{still: ms(50)}
		expect(t, &s, at(0), "a", false, ms(50))
		s.demand(at(1000))
		expect(t, &s, at(960), "b", false, ms(40))
		s.demand(at(1500)) // asking twice does not make it later
		expect(t, &s, at(1000), "c", true, 0)
		equal(t, "counts", true, s.after(at(1001), gone("d")))
		expect(t, &s, at(1040), "d", false, ms(50)) // and once more when it is still
	})
	t.Run("what is demanded is read though nothing changed", func(t *testing.T) {
		s := stillness{still: ms(50)}
		expect(t, &s, at(0), "a", false, ms(50))
		expect(t, &s, at(50), "a", true, 0)
		s.after(at(50), gone("a"))
		s.demand(time.Time{})
		expect(t, &s, at(60), "a", true, 0)
		s.after(at(60), gone("a"))
		expect(t, &s, at(70), "a", false, 0)
	})
	t.Run("what was changed a moment ago is read once more", func(t *testing.T) {
		// Its modification time may not show a second change.
		s := stillness{seen: stamp{info: fakeInfo{modified: at(0)}}, due: true}
		equal(t, "counts", false, s.after(at(500), s.seen)) // another file: os.SameFile does not know fakes
		s.hasted = true
		equal(t, "counts", true, s.after(at(500), s.seen))
		equal(t, "once more", at(2500), s.again)
		s.hasted = true
		s.after(at(2500), s.seen)
		equal(t, "no more", time.Time{}, s.again)
	})
}

// expect has s look at a file in a state and compares what it says.
func expect(t *testing.T, s *stillness, now time.Time, state string, read bool, wait time.Duration) {
	t.Helper()
	gotRead, gotWait := s.look(now, gone(state))
	equal(t, "read", read, gotRead)
	equal(t, "wait", wait, gotWait)
}

func TestStamp(t *testing.T) {
	path := t.TempDir() + "/gorb.toml"
	missing := stampOf(path)
	equal(t, "still missing", true, missing.same(stampOf(path)))
	write(t, path, config(1))
	one := stampOf(path)
	replace(t, path, config(1))
	two := stampOf(path)
	equal(t, "never looked at", false, missing.same(stamp{}))
	equal(t, "came", false, missing.same(one))
	equal(t, "itself", true, two.same(stampOf(path)))
	equal(t, "another inode", false, one.same(two))
}
