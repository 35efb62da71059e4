package spec

import "strings"

// schedulers are those of the kernel. "none" is the lack of one (ip_vs_add_service): connections go on, and new ones
// are refused.
var schedulers = []string{
	"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "sed", "nq", "fo", "ovf", "twos", noScheduler,
}

const noScheduler = "none"

// flagNames are the flags as GORB and ipvsadm(8) name them. Where a bit has more than one name, that of a method
// stands before the common one.
var flagNames = []struct {
	name   string
	flag   Flags
	method string // the only scheduler that the name goes with; "" for any
}{
	{"sh-fallback", Flag1, "sh"},
	{"sh-port", Flag2, "sh"},
	{"mh-fallback", Flag1, "mh"},
	{"mh-port", Flag2, "mh"},
	{"flag-1", Flag1, ""},
	{"flag-2", Flag2, ""},
	{"flag-3", Flag3, ""},
	{"ops", OnePacket, ""},
}

// Names returns the flags as a configuration names them under a method: "sh-fallback|sh-port". No flags are "".
func (f Flags) Names(method string) string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 && (n.method == "" || n.method == method) {
			names = append(names, n.name)
			f &^= n.flag
		}
	}
	return strings.Join(names, "|")
}

// String returns the flags by the names that go with any method: "flag-1|ops".
func (f Flags) String() string { return f.Names("") }

// parseFlags reads names separated by "|". The names are known; misfit are those that do not go with the method.
func parseFlags(s, method string) (flags Flags, misfit []string) {
	for name := range strings.SplitSeq(s, "|") {
		for _, n := range flagNames {
			if n.name != name {
				continue
			}
			flags |= n.flag
			if n.method != "" && n.method != method {
				misfit = append(misfit, name)
			}
		}
	}
	return flags, misfit
}

// flags reads the flags of a service and checks that each is known. Whether they fit is for the merged whole to say:
// it looks at those of [defaults.service] once for every service, so each is kept once, however often it is written.
func (c *checker) flags(v any) opt[string] {
	s, ok := c.text(v, `flags such as "sh-fallback|sh-port"`)
	if c.draft == nil && (!ok || s == "") {
		return opt[string]{s, ok}
	}
	known := make([]string, len(flagNames))
	for i, n := range flagNames {
		known[i] = n.name
	}
	if c.describes(func(s *Schema) { s.Pattern = listOf(known) }) {
		return opt[string]{}
	}
	var names []string
	for name := range strings.SplitSeq(s, "|") {
		switch {
		case !among(name, known):
			c.notOneOf(name, known)
			ok = false
		case !among(name, names):
			names = append(names, name)
		}
	}
	return opt[string]{strings.Join(names, "|"), ok}
}
