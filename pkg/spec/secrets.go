package spec

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Hidden is what is shown in place of a secret. It is no value: who sends back what he was shown does not mean to set it.
const Hidden = "[hidden]"

const shownForSecret = `"` + Hidden + `" is what is shown in place of a secret; send the secret, or leave the pulse out`

// secretWords are words in the name of a header by which its value is a secret.
var secretWords = []string{"auth", "cookie", "token", "secret", "password", "passwd", "api-key", "apikey", "credential", "signature"}

// isSecretHeader reports whether a header of a check carries a secret, as far as its name tells.
func isSecretHeader(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// HidePath returns the path of a check as it may be shown: without the secrets in its query.
func HidePath(path string) string {
	at, query, found := strings.Cut(path, "?")
	if !found {
		return path
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if key, _, _ := strings.Cut(pair, "="); slices.Contains(secretKeys, strings.ToLower(key)) {
			pairs[i] = key + "=" + Hidden
		}
	}
	return at + "?" + strings.Join(pairs, "&")
}

// secretArgs are the args of checks whose values carry secrets as often as not, and those that may have one within.
var secretArgs = []string{"body", "send", "command", "headers", "path"}

// atSecret reports whether a value may be a secret by where it stands, so that no message repeats it.
func (c *checker) atSecret() bool {
	i := slices.Index(c.at, "args")
	return i >= 0 && i+1 < len(c.at) && slices.Contains(secretArgs, c.at[i+1])
}

// HideSecrets returns a service or a backend in JSON, or a patch of one, as it may be shown: of the args of checks the
// headers that carry a secret, such keys in the query of a path, what is sent, and what a program is called with are Hidden.
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

// hideIn hides the secrets in a value, and reports whether there were any.
func hideIn(v any) (found bool) {
	table, _ := v.(map[string]any)
	for key, v := range table {
		args, isTable := v.(map[string]any)
		switch {
		case key == "args" && isTable:
			found = hideArgs(args) || found
		case isTable:
			found = hideIn(args) || found
		}
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
		switch {
		case s.key == "args" && isTable:
			out[i].value = argsWithoutSecrets(table)
		case isTable:
			out[i].value = withoutSecrets(table)
		}
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
