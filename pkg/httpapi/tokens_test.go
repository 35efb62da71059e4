package httpapi

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestTokenFiles takes a token back, and gives it again.
func TestTokenFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	put := func(text string) {
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	token, hash := NewToken()
	next, nextHash := NewToken()
	put("# of the fleet\n" + hash + " # old\n")
	now := time.Now()
	var log bytes.Buffer
	a := NewAccess(zerolog.New(&log), func() time.Time { return now })
	if err := a.Use(spec.API{Tokens: []spec.APIToken{{Name: "fleet", Role: "write", File: file}}}); err != nil {
		t.Fatal(err)
	}
	expect := func(what string, first, second int) {
		t.Helper()
		now = now.Add(lookEvery)
		for secret, want := range map[string]int{token: first, next: second} {
			r := request("PUT", "http://x/")
			r.Header.Set("Authorization", "Bearer "+secret)
			if got := allowed(a, places["elsewhere"](r), change); got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
	}
	expect("the first", 200, 401)
	put(hash + "\n" + strings.ToUpper(nextHash[len(hashPrefix):]) + "\n" + hashPrefix + strings.ToUpper(nextHash[len(hashPrefix):]))
	expect("both", 200, 200)
	put(nextHash)
	expect("the second", 401, 200)
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	expect("empty", 401, 401)
	put(token + "\n" + nextHash)
	expect("with a token itself", 401, 200)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	expect("gone", 401, 401)
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	expect("a directory", 401, 401)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	put(hash)
	now = now.Add(10 * time.Minute)
	expect("there again", 200, 401)
	for _, secret := range []string{token, next, hash[len(hashPrefix):], nextHash[len(hashPrefix):]} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has a secret: %s", log.String())
		}
	}
	for _, want := range []string{"line 2: this is no hash", "line 1: this is a token itself", "no such file", "no regular file", "can be used again"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not have %q: %s", want, log.String())
		}
	}
}
