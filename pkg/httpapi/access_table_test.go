package httpapi

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"

	"github.com/gorb-io/gorb/pkg/spec"
)

// needs are the columns of the tables in docs/api-access.md.
var needs = map[string]Need{
	"livez":       {Open: true},
	"GORB's GETs": {Role: spec.RoleRead, Public: true},
	"other reads": {Role: spec.RoleRead},
	"changes":     {Role: spec.RoleWrite, Changes: true},
	"admin":       {Role: spec.RoleAdmin, Changes: true},
}

// places are where requests come from there.
var places = map[string]func(*http.Request) *http.Request{
	"the socket": func(r *http.Request) *http.Request { return at(r, "uid 0 (root), pid 4321", "") },
	"loopback":   func(r *http.Request) *http.Request { return at(r, "127.0.0.1:5123", "127.0.0.1:4672") },
	"loopback, by a proxy": func(r *http.Request) *http.Request {
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
		return at(r, "127.0.0.1:5123", "127.0.0.1:4672")
	},
	"a network in `trust`": func(r *http.Request) *http.Request { return at(r, "10.0.0.7:5123", "10.0.0.1:4672") },
	"elsewhere":            func(r *http.Request) *http.Request { return at(r, "192.0.2.1:5123", "10.0.0.1:4672") },
}

// at has a request come from somewhere; without a local address by the socket.
func at(r *http.Request, peer, local string) *http.Request {
	var addr net.Addr = &net.UnixAddr{Name: "/run/gorb/gorb.sock", Net: "unix"}
	if local != "" {
		addr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))
	}
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr))
	r.RemoteAddr = peer
	return r
}

func request(method, target string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, target, nil)
	r.Host = "127.0.0.1:4672"
	return r
}

const password = "correct horse"

// people are a token and a user of each role, by what they send.
func people(t *testing.T) (spec.API, map[string][]string) {
	t.Helper()
	api := spec.API{Anonymous: true, Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}
	sent := map[string][]string{"a wrong one": {
		"Bearer gorb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", basic("user-read", "wrong"), basic("nobody", password), "Digest x", "",
	}}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range roles {
		token, sum := NewToken()
		api.Tokens = append(api.Tokens, spec.APIToken{Name: "t-" + string(role), Role: role, Hash: sum})
		api.Users = append(api.Users, spec.APIUser{Name: "user-" + string(role), Role: role, PasswordHash: string(hash)})
		sent["one with role "+string(role)] = []string{"Bearer " + token, basic("t-"+string(role), token), basic("user-"+string(role), password)}
		sent["a wrong one"] = append(sent["a wrong one"], basic("t-other", token), basic("user-"+string(role), token))
	}
	return api, sent
}

func basic(name, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return r.Header.Get("Authorization")
}

func access(t *testing.T, api spec.API) *Access {
	t.Helper()
	a := NewAccess(zerolog.Nop(), time.Now)
	if err := a.Use(api); err != nil {
		t.Fatal(err)
	}
	return a
}

// allowed is what becomes of a request: 200, or the code of the failure.
func allowed(a *Access, r *http.Request, n Need) int {
	if _, f := a.Allow(r, n); f != nil {
		return f.Code
	}
	return http.StatusOK
}

// row is one of a table in a document.
type row struct {
	name string
	want map[string]int // by column
}

// documented returns the tables of docs/api-access.md, by the head of their first column: those of places twice.
func documented(t *testing.T) (tables [][]row) {
	t.Helper()
	text, err := os.ReadFile("../../docs/api-access.md")
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			columns = nil
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		switch {
		case columns == nil:
			columns = cells
			tables = append(tables, nil)
		case !strings.HasPrefix(cells[0], "---"):
			r := row{cells[0], map[string]int{}}
			for i, cell := range cells[1:] {
				if r.want[columns[i+1]], err = strconv.Atoi(cell); err != nil {
					t.Fatal(err)
				}
			}
			tables[len(tables)-1] = append(tables[len(tables)-1], r)
		}
	}
	if len(tables) != 3 {
		t.Fatalf("%d tables, want 3", len(tables))
	}
	return tables
}

// TestAccess makes the requests of the tables in docs/api-access.md: from everywhere, with everything to show, for
// everything that is to be had.
func TestAccess(t *testing.T) {
	tables := documented(t)
	api, sent := people(t)
	try := func(t *testing.T, api spec.API, place, header string, rows row, shown bool) {
		t.Helper()
		a := access(t, api) // for each anew: nobody has too many attempts
		for column, want := range rows.want {
			if column == "GORB's GETs" && !api.Anonymous && want != http.StatusUnauthorized {
				want = rows.want["other reads"]
			}
			r := request(http.MethodGet, "http://x/")
			if shown {
				r.Header.Set("Authorization", header)
			}
			if got := allowed(a, places[place](r), needs[column]); got != want {
				t.Errorf("%s from %s with %q, anonymous %v: got %d, want %d", column, place, header, api.Anonymous, got, want)
			}
		}
	}
	for _, anonymous := range []bool{true, false} {
		guarded := api
		guarded.Anonymous = anonymous
		open := spec.API{Anonymous: anonymous, Trust: api.Trust}
		for _, row := range tables[0] {
			try(t, open, row.name, "", row, false)
			for _, headers := range sent {
				for _, h := range headers {
					try(t, open, row.name, h, row, true)
				}
			}
		}
		for _, row := range tables[1] {
			try(t, guarded, row.name, "", row, false)
		}
		for _, row := range tables[2] {
			for place := range places {
				for _, h := range sent[row.name] {
					if place == "the socket" {
						row := tables[1][0]
						try(t, guarded, row.name, h, row, true)
						continue
					}
					try(t, guarded, place, h, row, true)
				}
			}
		}
	}
}
