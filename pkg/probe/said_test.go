package probe

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// lines takes in a log.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- strings.TrimSpace(string(line))
	return len(line), nil
}

// listen returns an engine whose log is read: what it wrote since it was called last.
func listen(t *testing.T) (*world, func() []string) {
	log := make(lines, 1000)
	w := prepare(t, still)
	w.engine.log = zerolog.New(log)
	w.run()
	return w, func() []string {
		synctest.Wait()
		var said []string
		for len(log) > 0 {
			said = append(said, <-log)
		}
		return said
	}
}

// cannot is a check that cannot be made for as long as there is a cause.
func cannot(b Watch, cause *atomic.Value) Watch {
	b.Checker = func() Checker {
		return checkFunc(func(context.Context, *Trace) Result {
			if why := cause.Load().(string); why != "" {
				return Result{Outcome: Unmade, Text: why}
			}
			return Result{Outcome: OK}
		})
	}
	return b
}

func TestDownAndUpAreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, said := listen(t)
		w.answer["10.1.0.1:80 path=\"/\""] = spelt("oxo")
		w.set(10, w.watch("a", "10.1.0.1:80 path=\"/\"", plain))
		w.sleep(21 * second)
		equal(t, "lines", said(), []string{
			`{"level":"warn","service":"web","backend":"a","check":"tcp 10.1.0.1:80","err":"as the test says","message":"backend is down"}`,
			`{"level":"info","service":"web","backend":"a","check":"tcp 10.1.0.1:80","message":"backend is up"}`,
		})
	})
}

// A backend that was said to be down is said to be up, whatever it was edited to in between, once.
func TestUpIsSaidAfterEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, said := listen(t)
		w.answer["x"], w.answer["y"] = spelt("x"), spelt("-oo")
		up := func(what string) []string {
			return []string{`{"level":"info","service":"web","backend":"a","check":"tcp ` + what + `","message":"backend is up"}`}
		}
		a, b := w.watch("a", "x", plain), w.watch("b", "z", plain)
		w.set(10, a, b)
		equal(t, "down", len(said()), 1)
		w.set(10, w.watch("a", "y", plain), b)
		said() // the first check of y is not made
		w.set(10, w.watch("a", "z", plain), b)
		equal(t, "another target that is up already", said(), up("z"))
		w.set(10, a, b)
		equal(t, "down again", len(said()), 1)
		patient := plain
		patient.Timeout = 3 * second
		w.set(10, w.watch("a", "x", patient), b)
		w.set(10, w.watch("a", "y", plain), b)
		equal(t, "a target that answers", said(), up("y"))
		w.sleep(30 * second)
		equal(t, "once", said(), nil)
		w.set(10, a, b)
		said()
		w.set(10, b)
		w.set(10, w.watch("a", "v", plain), b)
		equal(t, "of one that was away nothing is remembered", said(), nil)
	})
}

func TestUnmadeIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, said := listen(t)
		var cause atomic.Value
		cause.Store("read ca.pem: no such file")
		a, b := cannot(w.watch("a", "10.1.0.1:80", plain), &cause), w.watch("b", "b", plain)
		line := func(cause any) []string {
			return []string{`{"level":"warn","service":"web","backend":"a","check":"tcp 10.1.0.1:80","err":"` + cause.(string) +
				`","message":"a check cannot be made, and says nothing"}`}
		}
		w.set(10, a, b)
		equal(t, "at once", said(), line(cause.Load()))
		equal(t, "it is known", w.engine.Vitals().Unmade, 1)
		w.sleep(5 * time.Minute)
		equal(t, "once", said(), nil)
		cause.Store("too many open files")
		w.sleep(2 * second)
		equal(t, "another cause", said(), line(cause.Load()))
		other := a
		other.Policy.Interval = time.Hour
		w.set(10, other, b)
		equal(t, "an edit", said(), nil)
		renamed := other
		renamed.Ref.Backend = "c"
		w.set(10, renamed, b)
		equal(t, "another name", said(), []string{strings.Replace(line(cause.Load())[0], `"a"`, `"c"`, 1)})
		equal(t, "of one", w.engine.Vitals().Unmade, 1)
		cause.Store("")
		w.sleep(2 * second)
		equal(t, "it is made", said(), nil)
		equal(t, "none", w.engine.Vitals().Unmade, 0)
		cause.Store("again")
		w.set(10, b, a)
		w.sleep(time.Hour)
		equal(t, "again", said(), line(cause.Load()))
		w.set(10, b)
		w.sleep(second)
		equal(t, "it is gone", w.engine.Vitals().Unmade, 0)
	})
}

func TestMuchThatIsUnmade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, said := listen(t)
		var cause atomic.Value
		cause.Store("too many open files")
		var all []Watch
		for i := range 40 {
			all = append(all, cannot(w.watch(strconv.Itoa(i), "t"+strconv.Itoa(i), plain), &cause))
		}
		w.set(100, all...)
		equal(t, "at once", len(said()), 10)
		cause.Store("no free port")
		w.sleep(59 * second)
		equal(t, "no more", said(), nil)
		w.sleep(second)
		equal(t, "the others", said(), []string{
			`{"level":"warn","others":70,"backends":40,"message":"checks of more backends cannot be made"}`,
		})
		cause.Store("too many open files")
		w.sleep(2 * second)
		equal(t, "and anew", len(said()), 10)
	})
}
