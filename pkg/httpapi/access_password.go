package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	// maxCost is the costliest hash that is looked at: each step doubles the time, and this one takes seconds.
	maxCost = 16
	// maxPassword is how much of a password bcrypt looks at; a longer one is none.
	maxPassword = 72
	// mostHashing is how many passwords wait for their turn, and hashingTime for how long.
	mostHashing = 16
	hashingTime = 3 * time.Second
)

// account is one of [[api.users]].
type account struct {
	name  string
	role  spec.Role
	hash  []byte
	known atomic.Pointer[[sha256.Size]byte] // a keyed hash of the password, once it was seen to be right; see crypt.key
}

func newAccount(u spec.APIUser) (*account, error) {
	cost, err := bcrypt.Cost([]byte(u.PasswordHash))
	switch {
	case err != nil: // without bcrypt's words, which can have some of the hash
		err = errors.New("the hash is none of bcrypt, as 'htpasswd -nB' makes it")
	case cost > maxCost:
		err = fmt.Errorf("the hash has cost %d, and over %d it takes too long", cost, maxCost)
	}
	if err != nil {
		return nil, named("[[api.users]]", u.Name, err)
	}
	return &account{name: u.Name, role: u.Role, hash: []byte(u.PasswordHash)}, nil
}

// crypt looks at passwords, one at a time: bcrypt is made to be slow, and gorb has other things to do.
type crypt struct {
	key     [sha256.Size]byte // of this process alone: who reads its memory learns no password from what is remembered
	turn    chan struct{}     // of capacity one: full while one is looked at
	waiting atomic.Int64
}

var errBusy = errors.New("too many passwords are waiting")

// begin waits for a turn; what it returns ends that.
func (c *crypt) begin(ctx context.Context) (end func(), err error) {
	defer c.waiting.Add(-1)
	if c.waiting.Add(1) > mostHashing {
		return nil, errBusy
	}
	t := time.NewTimer(hashingTime)
	defer t.Stop()
	select {
	case c.turn <- struct{}{}:
		return func() { <-c.turn }, nil
	case <-t.C:
	case <-ctx.Done():
	}
	return nil, errBusy
}

// sum is what is remembered of a password.
func (c *crypt) sum(name, password string) (out [sha256.Size]byte) {
	h := hmac.New(sha256.New, c.key[:])
	_ = binary.Write(h, binary.BigEndian, uint64(len(name)))
	h.Write([]byte(name))
	h.Write([]byte(password))
	h.Sum(out[:0])
	return out
}

// remembers says whether this was seen to be the user's password.
func (u *account) remembers(sum [sha256.Size]byte) bool {
	known := u.known.Load()
	return known != nil && hmac.Equal(known[:], sum[:])
}

// check compares a password with a user's hash, which takes long. Only one password is right: those that bcrypt takes for
// the same, longer ones and some with a zero byte, are not.
func (u *account) check(password string, sum [sha256.Size]byte) bool {
	if bcrypt.CompareHashAndPassword(u.hash, []byte(password)) != nil || len(password) > maxPassword || strings.Contains(password, "\x00") {
		return false
	}
	u.known.Store(&sum)
	return true
}

// user returns the user of a name. Who asks for one that is not there gets another, by the name, so that the answer takes
// as long as that of some user; it is then no good.
func (p *policy) user(name string, sum [sha256.Size]byte) (u *account, good bool) {
	for _, u := range p.users {
		if u.name == name {
			return u, true
		}
	}
	return p.users[binary.BigEndian.Uint64(sum[:])%uint64(len(p.users))], false
}
