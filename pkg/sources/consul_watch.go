package sources

import (
	"crypto/sha256"
	"math/rand/v2"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// pace is how Consul is asked.
type pace struct {
	settle  time.Duration // how long the store must have been still
	block   time.Duration // how long a blocking query waits for a change
	probe   time.Duration // the same for one that follows a pause
	timeout time.Duration // how long any other may take
	gap     time.Duration // between the beginnings of two questions at least
	noise   time.Duration // the gap at most, while answers come that say nothing new
	unrest  time.Duration // the store that is not still for so long is delivered as it is
	patient time.Duration // the same when somebody waits for the answer
}

// paceOf is the pace that a declaration wants.
func paceOf(decl spec.SourceDecl) pace {
	p := pace{
		settle:  orElse(decl.Settle, defaultSettle),
		block:   min(orElse(decl.Wait, defaultBlock), longestBlock),
		probe:   10 * time.Second,
		timeout: orElse(decl.Timeout, defaultTimeout),
		noise:   time.Second,
		unrest:  10 * time.Second,
		patient: patience,
	}
	p.gap = min(100*time.Millisecond, p.settle/2)
	p.unrest = max(p.unrest, 10*p.settle)
	p.patient = max(p.patient, p.settle)
	return p
}

func orElse(d, fallback time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return fallback
}

// demands is who waits for a reading.
type demands struct{ asked, again bool }

func (d demands) or(o demands) demands { return demands{d.asked || o.asked, d.again || o.again} }
func (d demands) any() bool            { return d.asked || d.again }

// A question is what to ask Consul.
type question struct {
	index      uint64        // answer when the store is newer than this; 0: answer at once
	wait       time.Duration // answer at the latest after this, with an index
	consistent bool          // only the leader may answer
	limit      time.Duration // how long to wait for the answer
}

// A turn is what follows from an answer.
type turn struct {
	deliver bool // it is to be delivered
	owed    demands
}

// A watch decides what to ask Consul next and when its answers count. It is a value in one goroutine that is told the
// time. It keeps to the rules of Consul's documentation for blocking queries
// (https://developer.hashicorp.com/consul/api-docs/features/blocking):
//
//   - An index that goes back is forgotten, and Consul is asked without one. A server that lags behind looks the same as
//     one whose data was restored, so the leader is asked.
//   - A blocking query that ends early with the index that it began with was cut short: its server's data is being replaced
//     (`consul snapshot restore`), what it said is of before, and the index may be one that is long to come. The leader is
//     asked without one. This is what Consul 1.14 does; the documentation does not say it.
//   - What is restored while no question is out is noticed by none that waits for a higher index. So one that follows a
//     pause waits for a short time only; one that follows a long one follows it at once.
//   - An index is at least 1, so that no answer makes the next question return at once.
//   - Answers may come without a change: contents are compared, and while they say nothing new, questions get rarer.
//
// What was found after a change is asked for once more, as a blocking query that waits as long as the store must be still.
// When that one comes back with nothing new, the store was still. After an error Consul is asked without an index:
// behind the same address there may be a server with older data, which would block until it got there.
type watch struct {
	pace pace

	index  uint64 // of the newest answer that counts; 0: none
	fresh  bool   // ask without an index
	leader bool   // ask the leader: the index went back

	content [sha256.Size]byte // of the newest answer
	known   bool              // there was one since the last error, and since the index went back
	since   time.Time         // when content came to be
	unrest  time.Time         // when it ceased to be what was delivered; zero: it is that
	sent    [sha256.Size]byte // what was delivered last
	said    bool              // something was

	want    demands // not yet part of a question
	asking  demands // part of the question that is out
	owed    demands // answered as soon as the store is still
	out     question
	stopped bool // the question that is out was given up for a demand

	began time.Time     // when the last question was asked
	took  time.Duration // how long its answer took
	hold  time.Duration // after began, before the next one
}

func newWatch(p pace) *watch { return &watch{pace: p, fresh: true} }

// demand notes that somebody wants to know what is there now.
func (w *watch) demand(d demands) {
	w.want = w.want.or(d)
	w.fresh = true
	if !w.known {
		w.hold = min(w.hold, w.pace.gap) // do not wait out the time between two attempts
	}
}

// impatient says whether the question that is out is to be given up for a demand: one that waits for changes. It is then
// taken to be.
func (w *watch) impatient() bool {
	if w.want.any() && w.out.index > 0 && !w.stopped {
		w.stopped = true
		return true
	}
	return false
}

// interrupted says whether an error is only that the question was given up.
func (w *watch) interrupted() bool { return w.stopped }

// pause is how long to wait before the next question.
func (w *watch) pause(now time.Time) time.Duration {
	return max(0, w.began.Add(w.hold).Sub(now))
}

// ask is the next question.
func (w *watch) ask(now time.Time) question {
	w.began, w.stopped = now, false
	q := question{limit: w.pace.timeout}
	switch {
	case w.fresh || w.index == 0:
		q.consistent = w.leader || w.want.any()
		w.asking, w.want = w.want, demands{}
	default:
		q.index, q.wait = w.index, w.pace.block
		if w.took < w.pace.probe {
			q.wait = min(q.wait, w.pace.probe)
		}
		if !w.unrest.IsZero() {
			q.wait = max(time.Millisecond, w.since.Add(w.pace.settle).Sub(now))
		}
		q.limit += q.wait + q.wait/16 // which Consul may add
	}
	w.out = q
	return q
}

// take takes in an answer to the question that was out.
func (w *watch) take(now time.Time, a answer) turn {
	w.took = now.Sub(w.began)
	w.owed, w.asking = w.owed.or(w.asking), demands{}
	if a.err != nil {
		owed := w.owed
		w.owed = demands{}
		return turn{owed: owed}
	}
	index := max(1, a.index)
	if index < w.index && !w.out.consistent {
		w.fresh, w.leader, w.known = true, true, false
		w.hold = w.pace.gap
		return turn{}
	}
	w.index, w.leader = index, false
	w.fresh = w.want.any()
	if w.early(now) && index == w.out.index {
		w.fresh, w.leader = true, true
	}

	news := !w.known || a.sum != w.content
	if news {
		w.content, w.known, w.since = a.sum, true, now
	}
	w.slow(now, news)
	if w.said && a.sum == w.sent {
		w.unrest = time.Time{} // as it was, or so again
		return w.deliver()
	}
	if w.unrest.IsZero() {
		w.unrest = now
	}
	limit := w.pace.unrest
	if w.owed.any() {
		limit = w.pace.patient
	}
	still := w.out.index > 0 && !now.Before(w.since.Add(w.pace.settle))
	if still || !now.Before(w.unrest.Add(limit)) {
		w.sent, w.said, w.unrest = a.sum, true, time.Time{}
		return w.deliver()
	}
	return turn{}
}

// deliver is the turn that says what the store holds, to everybody who waits for it.
func (w *watch) deliver() turn {
	owed := w.owed
	w.owed = demands{}
	return turn{deliver: true, owed: owed}
}

// slow sets how soon to ask again. An answer that came before its time and says nothing new is noise; the time has a
// random part, so that a fleet that heard of the same change does not come back as one.
func (w *watch) slow(now time.Time, news bool) {
	if w.early(now) && !news {
		w.hold = min(2*max(w.hold, w.pace.gap), w.pace.noise)
		return
	}
	w.hold = w.pace.gap + rand.N(w.pace.gap/4+1)
}

// early says whether the question that was out waited for a change and was answered before its time.
func (w *watch) early(now time.Time) bool {
	return w.out.index > 0 && now.Before(w.began.Add(w.out.wait))
}

// fail notes that Consul did not answer, and when to ask next.
func (w *watch) fail(now time.Time, again time.Duration) {
	w.known, w.fresh = false, true
	w.unrest = time.Time{} // what is found next is judged from the beginning
	w.began, w.hold = now, again
	if w.want.any() {
		w.hold = w.pace.gap
	}
}
