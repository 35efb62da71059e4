package lab

import (
	"regexp"
	"strings"
)

// runPattern returns the -test.run pattern that selects the test called name and of its subtests those
// that the pattern given selects. The given pattern selects the test itself: it is running.
func runPattern(name, given string) string {
	levels := strings.Split(name, "/")
	quoted := make([]string, len(levels))
	for i, level := range levels {
		quoted[i] = "^" + regexp.QuoteMeta(level) + "$"
	}
	self := strings.Join(quoted, "/")

	var patterns []string
	for _, alternative := range splitOutside(given, '|') {
		parts := splitOutside(alternative, '/')
		if !matches(parts, levels) {
			continue
		}
		if len(parts) <= len(levels) {
			return self // this alternative selects every subtest
		}
		patterns = append(patterns, self+"/"+strings.Join(parts[len(levels):], "/"))
	}
	if len(patterns) == 0 {
		return self
	}
	return strings.Join(patterns, "|")
}

// matches reports whether the elements of a pattern select the test, or a subtest of it, at these levels.
func matches(parts, levels []string) bool {
	for i, level := range levels {
		if i == len(parts) {
			break
		}
		if ok, err := regexp.MatchString(parts[i], level); err != nil || !ok {
			return false
		}
	}
	return true
}

// splitOutside splits a pattern at each sep that is in no brackets or parentheses and not escaped, as
// package testing does.
func splitOutside(pattern string, sep byte) []string {
	var parts []string
	start, class, group := 0, 0, 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '[':
			class++
		case c == ']':
			class = max(class-1, 0)
		case c == '(' && class == 0:
			group++
		case c == ')' && class == 0:
			group = max(group-1, 0)
		case c == sep && class == 0 && group == 0:
			parts = append(parts, pattern[start:i])
			start = i + 1
		}
	}
	return append(parts, pattern[start:])
}
