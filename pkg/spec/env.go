package spec

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// expander puts the environment's values into strings.
type expander struct {
	*checker
	env  func(string) (string, bool)
	size int // of what has been put in, in bytes
}

// expand replaces ${NAME} in the strings of a tree, where the document or its source asks for that, and says whether it
// did. What cannot be replaced is reported.
func (c *checker) expand(root map[string]any, o Options) bool {
	gorb, _ := root["gorb"].(map[string]any)
	asks := gorb["env"] == true && !c.remote // of a remote one all of [gorb] is refused
	switch {
	case !asks && !o.Expand:
	case c.remote:
		c.kindf(KindPlace, "the environment is not for documents from elsewhere: env goes with files only")
	case o.Env == nil:
		c.at = append(c.at, "gorb", "env")
		c.addf("the environment is not looked at here")
		c.at = c.at[:0]
	default:
		(&expander{checker: c, env: o.Env}).table(root)
		return true
	}
	return false
}

func (e *expander) table(table map[string]any) {
	for _, key := range sortedKeys(table) {
		e.at = append(e.at, key)
		table[key] = e.value(table[key])
		e.at = e.at[:len(e.at)-1]
	}
}

// value returns what a value is with the environment's values in it.
func (e *expander) value(v any) any {
	switch v := v.(type) {
	case string:
		return e.text(v)
	case map[string]any:
		e.table(v)
	case []map[string]any:
		for i, table := range v {
			e.at = append(e.at, indexKey(i))
			e.table(table)
			e.at = e.at[:len(e.at)-1]
		}
	case []any:
		for i := range v {
			e.at = append(e.at, indexKey(i))
			v[i] = e.value(v[i])
			e.at = e.at[:len(e.at)-1]
		}
	}
	return v
}

// text replaces the variables of a string.
func (e *expander) text(s string) any {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			break
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok { // $${ is a literal ${
			b.WriteString(escaped + "${")
			s = rest
			continue
		}
		b.WriteString(before)
		inside, after, closed := strings.Cut(rest, "}")
		value, why := e.variable(inside)
		if !closed {
			why = fmt.Sprintf("%s has no closing brace; $${ is a literal ${", quote("${"+rest))
		}
		if why != "" {
			e.addf("%s", why)
			return reported{}
		}
		b.WriteString(value)
		s = after
	}
	if b.Len() == 0 {
		return s
	}
	b.WriteString(s)
	return b.String()
}

// variable returns what stands for NAME or NAME:-default, or why nothing does. As in a shell, the default is also for a
// variable that is empty.
func (e *expander) variable(inside string) (value, why string) {
	name, fallback, hasDefault := strings.Cut(inside, ":-")
	if !isVariable(name) {
		return "", fmt.Sprintf("%s is not ${NAME} or ${NAME:-default}; $${ is a literal ${", quote("${"+inside+"}"))
	}
	value, set := e.env(name)
	switch {
	case strings.Contains(fallback, "${"): // its brace would end what is around it
		return "", fmt.Sprintf("%s has a variable within its default, which gorb does not look at", quote("${"+inside+"}"))
	case !utf8.ValidString(value):
		return "", fmt.Sprintf("${%s}: what the environment has for it is not valid UTF-8", shorten(name))
	case hasDefault && value == "":
		value = fallback
	case !set:
		return "", fmt.Sprintf("${%s}: there is no such variable in the environment, and no default: ${%[1]s:-default}",
			shorten(name))
	}
	if e.size += len(value); e.size > MaxRemoteSize {
		return "", fmt.Sprintf("what stands for variables comes to over %d bytes (16 MiB)", MaxRemoteSize)
	}
	return value, ""
}

// isVariable reports whether s may name a variable: letters, digits and _, and no digit first.
func isVariable(s string) bool {
	for i := range len(s) {
		if !isBareKey(s[i]) || s[i] == '-' || i == 0 && s[i] >= '0' && s[i] <= '9' {
			return false
		}
	}
	return s != ""
}
