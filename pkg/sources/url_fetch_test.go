package sources

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// raw answers with what a well-behaved server would not.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = buf.WriteString(answer)
		_ = buf.Flush()
	}
}

// drip answers with the head and then a byte now and then, as a slow loris does, until the client has gone.
func drip(head string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, err = io.WriteString(conn, head)
		for err == nil {
			_, err = io.WriteString(conn, "a")
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// spaces is n spaces, packed.
func spaces(n int) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.CopyN(w, repeat(' '), int64(n))
	_ = w.Close()
	return b.String()
}

type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestURLFailures(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/toml\r\n"
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := map[string]struct {
		answer http.HandlerFunc
		want   []string
	}{
		"not found":              {status(404, ""), []string{"/gorb.toml: 404 Not Found"}},
		"no content":             {status(204, ""), []string{"204 No Content"}},
		"a status of its own":    {raw("HTTP/1.1 799 \x1b[31mred\r\nContent-Length: 0\r\n\r\n"), []string{": 799"}},
		"control characters":     {status(503, "\n \x1b[2J\x00bad\u202e\xff\r\nsecond"), []string{`503 Service Unavailable: \x1b[2J\x00bad\u202e` + "\ufffd"}},
		"a long line":            {status(503, strings.Repeat("é", 5000)), []string{"éé…"}},
		"unasked 304":            {status(304, ""), []string{"304 Not Modified, though nothing was named"}},
		"a login page":           {raw("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\n\r\n"), []string{"Content-Type text/html is none of"}},
		"what is the operator's": {raw(ok + "Content-Length: 36\r\n\r\n[gorb]\nstate_dir = \"/tmp\"\n[services]"), []string{"/gorb.toml:1: gorb"}},
		"nothing":                {raw(ok + "Content-Length: 0\r\n\r\n"), []string{"there is no key in it"}},
		"not HTTP":               {raw("220 smtp.example ESMTP\r\n"), []string{"malformed HTTP"}},
		"closed at once":         {raw(""), []string{"EOF"}},
		"closed half way":        {raw(ok + "Content-Length: 500\r\n\r\n" + config(1)), []string{"unexpected EOF"}},
		"chunks half way":        {raw(ok + "Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n"), []string{"unexpected EOF"}},
		"no length":              {raw("HTTP/1.0 200 OK\r\nContent-Type: application/toml\r\n\r\n" + config(1)), []string{"does not say how long"}},
		"gzip half way":          {raw(ok + "Content-Encoding: gzip\r\n\r\n" + spaces(1000)[:20]), []string{"unexpected EOF"}},
		"gzip that is none":      {raw(ok + "Content-Encoding: gzip\r\n\r\nthis is no gzip"), []string{"gzip: invalid header"}},
		"brotli":                 {raw(ok + "Content-Encoding: br\r\n\r\n"), []string{"Content-Encoding br was not asked for"}},
		"gzip bomb":              {raw(ok + "Content-Encoding: gzip\r\n\r\n" + spaces(spec.MaxRemoteSize+1)), []string{"is over 16 MiB"}},
		"gzip of nothing, for ever": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/toml")
			w.Header().Set("Content-Encoding", "gzip")
			_, err := io.WriteString(w, spaces(0)[:10]) // the header, and then empty blocks (RFC 1951, 3.2.4)
			for blocks := strings.Repeat("\x00\x00\x00\xff\xff", 1<<12); err == nil; {
				_, err = io.WriteString(w, blocks)
			}
		}, []string{"is over 16 MiB"}},
		"says it is big": {raw(ok + "Content-Length: 99999999999\r\n\r\n"), []string{"is over 16 MiB"}},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/toml")
			_, _ = io.Copy(w, repeat('a'))
		}, []string{"is over 16 MiB"}},
		"endless headers": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.Copy(conn, io.MultiReader(strings.NewReader(ok+"X: "), repeat('a')))
		}, []string{"exceeded"}},
		"hangs":               {hang, []string{"no whole answer within 300ms"}},
		"a slow loris":        {drip("HTTP/1.1 200 OK\r\nX: "), []string{"no whole answer within"}},
		"a slow body":         {drip(ok + "Content-Length: 5000\r\n\r\n"), []string{"no whole answer within"}},
		"another host":        {http.RedirectHandler("http://other.example:1/gorb.toml?token=secret", http.StatusFound).ServeHTTP, []string{"redirects to another host, other.example:1"}},
		"another port":        {http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound).ServeHTTP, []string{"redirects to another host, 127.0.0.1:1"}},
		"another scheme":      {http.RedirectHandler("file:///etc/passwd", http.StatusFound).ServeHTTP, []string{"redirects from http to file"}},
		"with a password":     {http.RedirectHandler("http://a:b@127.0.0.1/", http.StatusFound).ServeHTTP, []string{"redirects to an address with a user"}},
		"round and round":     {http.RedirectHandler("/gorb.toml", http.StatusFound).ServeHTTP, []string{"more than 5 redirects"}},
		"redirect to nowhere": {status(302, ""), []string{"302"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, tt.answer)
			timeout := patient
			if strings.Contains(tt.want[0], "no whole answer") {
				timeout = 300 * time.Millisecond
			}
			p := pollURL(t, spec.SourceDecl{URL: s.URL + "/gorb.toml?token=secret", Timeout: timeout})
			r := p.wantErr(t, tt.want...)
			clean(t, r.Err)
			if strings.Contains(r.Err.Error(), "secret") {
				t.Errorf("the query is said: %v", r.Err)
			}
			p.Confirm()
			equal(t, "same", true, p.wantErr(t, tt.want...).Same)
		})
	}
}

// clean fails the test if an error is long, or holds what a terminal would obey.
func clean(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); len(text) > 1500 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("not fit for a log: %q", err.Error())
	}
}

func TestURLGzip(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		equal(t, "asked for", "gzip", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Type", "application/toml")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, config(1, 2))
		_ = z.Close()
	})
	pollURL(t, spec.SourceDecl{URL: s.URL}).want(t, "s1 s2")
}

func TestURLRedirectOnTheSameHost(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gorb" {
			http.Redirect(w, r, "/v2/gorb", http.StatusMovedPermanently)
			return
		}
		text(`"1"`, config(1))(w, r)
	})
	pollURL(t, spec.SourceDecl{URL: s.URL + "/gorb"}).want(t, "s1")
}

func TestFormatFor(t *testing.T) {
	tests := map[string]struct {
		declared    spec.Format
		contentType string
		path        string
		want        spec.Format
		err         string
	}{
		"declared wins":       {declared: spec.TOML, contentType: "application/json", path: "/a.yaml", want: spec.TOML},
		"type before ending":  {contentType: "application/json; charset=utf-8", path: "/a.toml", want: spec.JSON},
		"capitals":            {contentType: "Application/YAML", want: spec.YAML},
		"odd parameters":      {contentType: "text/x-toml; charset", want: spec.TOML},
		"a suffix":            {contentType: "application/vnd.gorb+json", want: spec.JSON},
		"plain text":          {contentType: "text/plain; charset=utf-8", path: "/a.json", want: spec.JSON},
		"no type":             {path: "/a.TOML", want: spec.TOML},
		"nothing to go by":    {contentType: "text/plain", path: "/gorb", err: "neither its Content-Type (text/plain) nor"},
		"nothing at all":      {path: "/", err: "neither its Content-Type (none) nor"},
		"what is no document": {contentType: "text/html", path: "/a.toml", err: "Content-Type text/html is none of"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := formatFor(tt.declared, tt.contentType, tt.path)
			equal(t, "format", tt.want, got)
			if tt.err == "" {
				must(t, err)
			} else if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

func TestSteady(t *testing.T) {
	same := [][2]string{
		{"read tcp 10.0.0.1:41234->10.0.0.2:80: connection reset by peer", "read tcp 10.0.0.1:51235->10.0.0.2:80: connection reset by peer"},
		{"x509: certificate has expired: current time 2026-11-21T17:00:00Z is after", "x509: certificate has expired: current time 2026-11-22T18:01:01Z is after"},
	}
	for _, pair := range same {
		equal(t, "steady", steady(errors.New(pair[0])), steady(errors.New(pair[1])))
	}
	if steady(&statusError{status: "404 Not Found"}) == steady(&statusError{status: "503 Service Unavailable"}) {
		t.Error("statuses count")
	}
	u := &URL{name: "u"}
	equal(t, "said", "u: read tcp 10.0.0.2:80: connection reset by peer", u.failed(errors.New(same[0][0])).Error())
}

// FuzzURL: whatever a server sends, there is a document or a clean error, within bounds.
func FuzzURL(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Type: application/toml\r\nContent-Length: 10\r\n\r\n[services]")
	f.Add("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
	f.Add("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: \"\x7f\"\r\n\r\n" + spaces(100))
	f.Add("HTTP/1.1 503 \x1b\r\nContent-Length: 9\r\n\r\n\x1b[2Joops\xff")
	f.Add("HTTP/1.1 302 Found\r\nLocation: http://[::1]:x/\r\n\r\n")
	f.Add("HTTP/1.1 302 Found\r\nLocation: //\x1b@h\r\n\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		u, err := NewURL(spec.SourceDecl{URL: "http://h/gorb.toml"}, 0, zerolog.Nop())
		must(t, err)
		u.open = func() (http.RoundTripper, error) {
			return tripper(func(r *http.Request) (*http.Response, error) {
				return http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), r)
			}), nil
		}
		for range 2 {
			got, err := u.fetch(t.Context())
			u.take(got, err)
			var r Reading
			u.news(&r)
			if (r.Document == nil) == (r.Err == nil) {
				t.Fatalf("document %v, error %v", r.Document, r.Err)
			}
			if err != nil {
				clean(t, err)
			}
			if said(r.Version) != r.Version {
				t.Errorf("version %q", r.Version)
			}
		}
	})
}
