package spec

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Hidden is what is shown in place of a secret. It is no value: who sends back what he was shown does not mean to set it.
const Hidden = "[hidden]"

const shownForSecret = `"` + Hidden + `" is what is shown in place of a secret; send the secret, or leave the pulse out`

// harmlessHeaders are the headers whose values are shown. A secret may be in any other: who has one of his own calls it as
// he likes.
var harmlessHeaders = []string{
	"accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "content-encoding", "content-language",
	"content-type", "origin", "pragma", "range", "user-agent", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
	"x-forwarded-proto",
}

// isSecretHeader reports whether a header of a check may carry a secret, as far as its name tells.
func isSecretHeader(name string) bool {
	return !slices.Contains(harmlessHeaders, strings.ToLower(name))
}

// secretWords are parts of a key of a query by which its value is a secret, and secretNames are such keys as a whole: in
// other keys they mean something else, such as standbycode, which Vault has.
var (
	secretWords = []string{
		"auth", "bearer", "cookie", "cred", "hmac", "jwt", "key", "pass", "pwd", "secret", "sess", "sig", "ticket", "token",
	}
	secretNames = []string{"code", "otp", "pin", "pw", "sid"}
)

// isSecretKey reports whether the value of a key in a query is a secret, as far as the key tells. Keys are the server's,
// and most say what is asked for: to hide all values would hide what is checked. In doubt it is one.
func isSecretKey(key string) bool {
	name, err := url.QueryUnescape(key)
	name = strings.ToLower(name)
	switch {
	case err != nil:
		return true
	case name == "passing": // Consul's: only what is well
		return false
	}
	return slices.Contains(secretNames, name) ||
		slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// HidePath returns the path of a check as it may be shown, or a URL: without the secrets in its query, and in the
// parameters that a path may have after a semicolon.
func HidePath(path string) string {
	at := strings.IndexAny(path, pairEnds)
	if at < 0 {
		return path
	}
	pairs := strings.Split(path[at+1:], "&")
	for i, pair := range pairs {
		pairs[i] = hidePair(pair)
	}
	return path[:at+1] + strings.Join(pairs, "&")
}

// pairEnds may end a key and its value, as & does, or be a part of the value: that depends on the server.
const pairEnds = "?;#"

// hidePair hides from the first secret to the end, as that may be all its value.
func hidePair(pair string) string {
	for start := 0; ; {
		end := strings.IndexAny(pair[start:], pairEnds)
		one := pair[start:]
		if end >= 0 {
			one = one[:end]
		}
		if key, _, valued := strings.Cut(one, "="); valued && isSecretKey(key) {
			return pair[:start+len(key)] + "=" + Hidden
		}
		if end < 0 {
			return pair
		}
		start += end + 1
	}
}

// secretArgs are the args of checks whose values carry secrets as often as not, and those that may have one within.
var secretArgs = []string{"body", "send", "command", "headers", "path"}

// atSecret reports whether a value may be a secret by where it stands, so that no message repeats it. A service or a
// backend may be called args, too.
func (c *checker) atSecret() bool {
	for i, key := range c.at[:max(len(c.at)-1, 0)] {
		if key == "args" && slices.Contains(secretArgs, c.at[i+1]) {
			return true
		}
	}
	return false
}

// HideSecrets returns a service or a backend in JSON, or a patch of one, as it may be shown: of the args of checks all
// headers but the harmless, secret keys in the query of a path, what is sent, and what a program is called with are Hidden.
func HideSecrets(body []byte) []byte {
	if !bytes.Contains(body, []byte(`"args"`)) && !bytes.ContainsRune(body, '\\') {
		return body // nearly always: it has none, nor one with escapes in its name
	}
	var root any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&root) != nil || !hideIn(root) {
		return body
	}
	return compactJSON(root.(map[string]any)) // there was something in it
}

// hideIn hides the secrets in a value, and reports whether there were any. What is called args may be a backend, so that
// is gone into as well: it has no key that args have.
func hideIn(v any) (found bool) {
	table, _ := v.(map[string]any)
	for key, v := range table {
		below, isTable := v.(map[string]any)
		if !isTable {
			continue
		}
		if key == "args" {
			found = hideArgs(below) || found
		}
		found = hideIn(below) || found
	}
	return found
}

func hideArgs(args map[string]any) (found bool) {
	for key, v := range args {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if value != nil && key == "headers" && isSecretHeader(name) {
					v[name], found = Hidden, true
				}
			}
		case string:
			if shown := hiddenText(key, v); shown != v {
				args[key], found = shown, true
			}
		case []any:
			if key == "command" && len(v) > 1 {
				args[key], found = []any{v[0], Hidden}, true
			}
		}
	}
	return found
}

// hiddenText is an arg that is text, as it may be shown.
func hiddenText(key, text string) string {
	switch key {
	case "path":
		return HidePath(text)
	case "body", "send":
		return Hidden
	}
	return text
}

// withoutSecrets are settings as they may be shown.
func withoutSecrets(list []setting) []setting {
	out := slices.Clone(list)
	for i, s := range out {
		table, isTable := s.value.([]setting)
		if !isTable {
			continue
		}
		if s.key == "args" { // of a pulse, or a backend is called that
			table = argsWithoutSecrets(table)
		}
		out[i].value = withoutSecrets(table)
	}
	return out
}

func argsWithoutSecrets(args []setting) []setting {
	out := slices.Clone(args)
	for i, s := range out {
		switch v := s.value.(type) {
		case []setting:
			table := slices.Clone(v)
			for j, header := range table {
				if isSecretHeader(header.key) {
					table[j].value = Hidden
				}
			}
			out[i].value = table
		case string:
			out[i].value = hiddenText(s.key, v)
		case []string:
			if s.key == "command" && len(v) > 1 {
				out[i].value = []string{v[0], Hidden}
			}
		}
	}
	return out
}

// WithoutSecrets is the pulse as it may be shown. It is no pulse to check by.
func (p *Pulse) WithoutSecrets() *Pulse {
	shown := *p
	a := &shown.Args
	a.Path = HidePath(a.Path)
	for _, text := range []*string{&a.Body, &a.Send} {
		if *text != "" {
			*text = Hidden
		}
	}
	a.Headers = maps.Clone(a.Headers)
	for name := range a.Headers {
		if isSecretHeader(name) {
			a.Headers[name] = Hidden
		}
	}
	if len(a.Command) > 1 {
		a.Command = []string{a.Command[0], Hidden}
	}
	return &shown
}
