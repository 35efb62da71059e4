package probe

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// maxRedirects is how many redirects are followed where they are: as many as package net/http does.
const maxRedirects = 10

// httpKind is an HTTP without TLS.
func httpKind(_ *Kinds, a *spec.Args, w *writing) recipe { return webKind(a, w, nil, nil) }

// httpsKind is an HTTP over TLS.
func httpsKind(k *Kinds, a *spec.Args, w *writing) recipe {
	w.text("server_name", a.ServerName)
	w.text("ca_file", a.CAFile)
	w.text("cert_file", a.CertFile)
	w.text("key_file", a.KeyFile)
	w.flag("insecure", a.Insecure)
	files := TLSFiles{CAFile: a.CAFile, CertFile: a.CertFile, KeyFile: a.KeyFile, Insecure: a.Insecure}
	if a.Insecure {
		files.CAFile = "" // who believes everybody asks no authority
	}
	trust, err := k.tlsOf(files)
	return webKind(a, w, trust, err)
}

// webKind is an HTTP. The error is why it cannot be one.
func webKind(a *spec.Args, w *writing, trust *TLS, err error) recipe {
	// What says the default is the same check as what says nothing.
	if a.Method == http.MethodGet {
		a.Method = ""
	}
	if a.Path == "/" {
		a.Path = ""
	}
	codes := codesOf(a.Statuses)
	if slices.Equal(codes, just200) {
		codes = nil
	}
	w.text("method", a.Method)
	w.text("path", a.Path)
	w.table("headers", a.Headers)
	w.text("host_header", a.HostHeader)
	w.text("body", a.Body)
	h := HTTP{
		Source: a.Source, Mark: a.Mark, TLS: trust, ServerName: a.ServerName, HTTP2: a.HTTP2,
		Method: a.Method, Path: strings.ReplaceAll(a.Path, " ", "%20"), Host: a.HostHeader, Header: headersOf(a.Headers),
		Expect: codes, Substring: a.ExpectBody, Reuse: a.Reuse,
	}
	if a.Body != "" {
		h.Body = []byte(a.Body)
	}
	if a.Follow {
		h.Redirects = maxRedirects
	}
	if len(codes) > 0 {
		w.text("expect", h.wanted())
	}
	w.text("expect_body", a.ExpectBody)
	w.text("expect_body_regexp", a.ExpectBodyRegexp)
	w.flag("http2", a.HTTP2)
	w.flag("follow", a.Follow)
	w.flag("reuse", a.Reuse)
	compiled := compiling(a.ExpectBodyRegexp)
	return recipe{keeps: a.Reuse, make: func(s spot) (Checker, error) {
		if err != nil {
			return nil, err
		}
		re, err := compiled()
		if err != nil {
			return nil, err
		}
		h := h
		h.Addr, h.Regexp = s.addr, re
		return NewHTTP(h)
	}}
}

func headersOf(table map[string]string) http.Header {
	if len(table) == 0 {
		return nil
	}
	all := make(http.Header, len(table))
	for name, value := range table {
		all.Set(name, value)
	}
	return all
}

func codesOf(statuses []spec.StatusRange) []Codes {
	var all []Codes
	for _, s := range statuses {
		all = append(all, Codes{int(s.From), int(s.To)})
	}
	return all
}
