package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestAttemptsAreLimited tries passwords, and goes on after that.
func TestAttemptsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, sent := people(t)
		weak := sha256.Sum256([]byte("weak")) // somebody chose that token himself
		api.Tokens = append(api.Tokens, spec.APIToken{Name: "weak", Role: "admin", Hash: hashPrefix + hex.EncodeToString(weak[:])})
		a := access(t, api)
		try := func(peer, header string) *Failure {
			r := request("PUT", "http://x/")
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			_, f := a.Allow(at(r, peer, "[2001:db8::9]:4672"), change)
			return f
		}
		expect := func(what string, f *Failure, want int) {
			t.Helper()
			if got := codeOf(f); got != want {
				t.Errorf("%s: got %d, want %d", what, got, want)
			}
		}
		token, user := sent["one with role admin"][0], sent["one with role admin"][2]
		bad, peer := basic("user-admin", "wrong"), "[2001:db8::1]:5"
		expect("a weak token", try(peer, "Bearer weak"), 200)
		for range mostWrong {
			expect("the first", try(peer, bad), 401)
		}
		f := try(peer, bad)
		expect("one more", f, 429)
		if got := f.Header.Get("Retry-After"); got != "6" {
			t.Errorf("Retry-After: %s", got)
		}
		expect("the right password", try(peer, user), 429)
		expect("from the next address", try("[2001:db8::2]:5", user), 429)
		expect("from another network", try("[2001:db8:0:1::1]:5", user), 200)
		expect("a right token", try(peer, token), 200)
		expect("a weak token, then", try(peer, "Bearer weak"), 429)
		expect("no credential", try(peer, ""), 401)

		time.Sleep(wrongEvery)
		expect("after a while", try(peer, bad), 401)
		expect("after that", try(peer, user), 429)
		time.Sleep(wrongEvery)
		expect("the right password in time", try(peer, user), 200)
	})
}

func codeOf(f *Failure) int {
	if f == nil {
		return http.StatusOK
	}
	return f.Code
}

// TestAttemptsAreForgotten has an outsider with many addresses: gorb does not grow.
func TestAttemptsAreForgotten(t *testing.T) {
	var a attempts
	now := time.Now()
	from := netip.MustParseAddr("10.0.0.0")
	for range 3 * mostWatched {
		for range mostWrong {
			a.fail(from, now)
		}
		from = from.Next()
	}
	if got := a.order.Len(); got != mostWatched || len(a.watched) != mostWatched {
		t.Errorf("it knows %d, %d", got, len(a.watched))
	}
	if got := a.wait(from.Prev(), now); got != wrongEvery {
		t.Errorf("the last has to wait for %v", got)
	}
	a.fail(from, now.Add(2*time.Minute))
	if got := a.order.Len(); got != 1 {
		t.Errorf("when all is past, it knows %d", got)
	}
	a.fail(netip.Addr{}, now) // of nowhere
}

// TestAttemptsAtOnceAreLimited sends as many wrong passwords at once as may wait for their turn: no more of them are looked at
// than one after the other.
func TestAttemptsAtOnceAreLimited(t *testing.T) {
	api, _ := people(t)
	synctest.Test(t, func(t *testing.T) {
		a := access(t, api)
		a.crypt.turn <- struct{}{} // somebody else's, until all wait
		codes := make(chan int, mostHashing)
		for range mostHashing {
			go func() {
				r := request("PUT", "http://x/")
				r.SetBasicAuth("user-admin", "wrong")
				codes <- allowed(a, places["elsewhere"](r), change)
			}()
		}
		synctest.Wait()
		<-a.crypt.turn
		count := map[int]int{}
		for range mostHashing {
			count[<-codes]++
		}
		if count[401] != mostWrong || count[429] != mostHashing-mostWrong {
			t.Errorf("of %d: %v", mostHashing, count)
		}
	})
}

// TestPasswordsTakeTurns asks with a password from many sides at once: it is looked at once, and is then known.
func TestPasswordsTakeTurns(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost+2)
	if err != nil {
		t.Fatal(err)
	}
	a := access(t, spec.API{Users: []spec.APIUser{{Name: "ann", Role: "admin", PasswordHash: string(hash)}}})
	var ok, other atomic.Int64
	synctest.Test(t, func(*testing.T) { // where nobody waits too long for his turn, however slow the machine is
		var all sync.WaitGroup
		for range mostHashing {
			all.Go(func() {
				r := request("PUT", "http://x/")
				r.SetBasicAuth("ann", password)
				if allowed(a, places["elsewhere"](r), change) == http.StatusOK {
					ok.Add(1)
				} else {
					other.Add(1)
				}
			})
		}
		all.Wait()
	})
	if ok.Load() != mostHashing {
		t.Errorf("%d had it, %d not", ok.Load(), other.Load())
	}
	// With every place taken, what is known goes on, and others are to come again.
	a.crypt.turn <- struct{}{}
	a.crypt.waiting.Store(mostHashing)
	for p, want := range map[string]int{password: 200, "other": 503} {
		r := request("PUT", "http://x/")
		r.SetBasicAuth("ann", p)
		_, f := a.Allow(places["elsewhere"](r), change)
		if codeOf(f) != want || f != nil && f.Header.Get("Retry-After") != "1" {
			t.Errorf("%q: %d, want %d: %v", p, codeOf(f), want, f)
		}
	}
}
