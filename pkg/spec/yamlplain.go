package spec

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// What a plain scalar, one without quotes, may look like (YAML 1.2.2 section 10.3, YAML 1.1 type repository).
var (
	yamlDecimal   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	yamlHex       = regexp.MustCompile(`^0x[0-9a-fA-F]+$`)
	yamlOctal     = regexp.MustCompile(`^[-+]?0[0-9_]+$`)
	yamlOther     = regexp.MustCompile(`^[-+]?(0o[0-7_]+|0b[01_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?)$`)
	yamlFraction  = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$`)
	yamlBase60    = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)
	yamlTimestamp = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t]+[0-9]{1,2}:.*)?$`)
)

// maxYAMLNumber is how many bytes are looked at as a number.
const maxYAMLNumber = 256

// yamlTrap is what a plain scalar is misread for: how readers differ about it, and what to write instead.
type yamlTrap struct{ why, instead string }

// plainYAML returns what a plain scalar stands for: nil, a bool, int64, json.Number or string. Where readers of YAML
// differ about that, it is a *yamlTrap.
func plainYAML(s string) any {
	switch s {
	case "", "~", "null":
		return nil
	case "true", "false":
		return s == "true"
	}
	switch word := strings.ToLower(s); word {
	case "y", "n", "yes", "no", "on", "off":
		return &yamlTrap{"a boolean to some readers of YAML and a string to others", "write true or false, or put it in quotes"}
	case "true", "false", "null":
		return &yamlTrap{"not how it is written here", "write " + word + ", or put it in quotes"}
	}
	if !strings.ContainsAny(s[:1], "+-.0123456789") || len(s) > maxYAMLNumber {
		return s // it looks like no number
	}
	switch {
	case yamlDecimal.MatchString(s):
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
		return json.Number(s)
	case yamlHex.MatchString(s):
		if n, err := strconv.ParseInt(s[2:], 16, 64); err == nil {
			return n
		}
		return &yamlTrap{"over 9223372036854775807", "write a smaller number"}
	case yamlOctal.MatchString(s):
		return &yamlTrap{"octal to some readers of YAML and decimal to others", "write it without the 0, or put it in quotes"}
	case yamlOther.MatchString(s):
		return &yamlTrap{"a number to some readers of YAML and a string to others", "write it in decimal, or put it in quotes"}
	case yamlFraction.MatchString(s):
		return json.Number(s)
	case yamlBase60.MatchString(s):
		return &yamlTrap{"a number in base 60 to some readers of YAML and a string to others", "put it in quotes"}
	case yamlTimestamp.MatchString(s):
		return &yamlTrap{"a date to some readers of YAML and a string to others", "put it in quotes"}
	}
	return s
}

// yamlKey returns the name that a key is, or why it is none: strings are, and whole numbers as they are written.
func yamlKey(n *yaml.Node) (name, why string) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return "", "anchors (&) and aliases (*) are refused; write the key out"
	case tagged(n):
		return "", fmt.Sprintf("%s is a tag, and tags are refused", shorten(n.Tag))
	case n.Kind != yaml.ScalarNode:
		return "", "a table or an array cannot be a key"
	case n.Style != 0:
		return n.Value, ""
	case n.Value == "<<":
		return "", "merge keys (<<) are refused; write the keys out"
	case n.Value == "":
		return "", "there is a value without a key"
	}
	switch v := plainYAML(n.Value).(type) {
	case string:
		return v, ""
	case *yamlTrap:
		return "", fmt.Sprintf("as a key, %s goes in quotes: it is %s", shorten(n.Value), v.why)
	}
	if yamlDecimal.MatchString(n.Value) {
		return n.Value, ""
	}
	return "", fmt.Sprintf("as a key, %s goes in quotes", shorten(n.Value))
}
