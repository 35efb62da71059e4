package spec

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxDuration bounds every duration but resync: 31 days, the longest timeout that ipvsadm(8) takes.
const maxDuration = 31 * 24 * time.Hour

// defaultPersistence is what persistent = true means, and what `ipvsadm -p` sends.
const defaultPersistence = 360 * time.Second

// gorbDuration is the grammar of GORB's intervals, which Go's lacks: "10min", "5 S" it is not.
var gorbDuration = regexp.MustCompile(`(?i)^([+-]?[0-9]+)(s|sec|seconds|m|min|minutes|h|hours)$`)

// parseDuration reads a duration as Go writes it ("1m30s") or as GORB does ("10min", "5S").
func parseDuration(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if d, err := time.ParseDuration(s); err == nil {
		return d, true
	}
	m := gorbDuration.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // one that is too large is as large as there are
	unit := map[byte]time.Duration{'S': time.Second, 'M': time.Minute, 'H': time.Hour}[strings.ToUpper(m[2])[0]]
	return time.Duration(min(max(n, math.MinInt64/int64(unit)), math.MaxInt64/int64(unit))) * unit, true
}

// formatDuration writes a duration without the zeros that Go adds: "5m", not "5m0s".
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// duration expects a duration from lo to hi.
func (c *checker) duration(v any, lo, hi time.Duration) opt[time.Duration] {
	if c.draft != nil {
		c.draftDuration(lo, hi)
		return opt[time.Duration]{}
	}
	if n, ok := v.(int64); ok {
		c.kindf(KindType, "%d is a number without a unit, wanted a duration such as \"%ds\"", n, n)
		return opt[time.Duration]{}
	}
	s, ok := c.text(v, `a duration such as "5m"`)
	if !ok {
		return opt[time.Duration]{}
	}
	d, ok := parseDuration(s)
	switch {
	case !ok:
		c.addf("%s is not a duration such as \"5m\" or \"1m30s\"", quote(s))
	case d == 0 && lo == 1 && strings.Trim(s, " +-0.") == "": // which has no unit, and was no interval to GORB
		c.addf("%s is not over 0", quote(s))
	case d < lo && lo == 1:
		c.kindf(KindUnder, "%s is not over 0", quote(s))
	case d < lo:
		c.kindf(KindUnder, "%s is under %s", quote(s), formatDuration(lo))
	case d > hi:
		c.kindf(KindOver, "%s is over %s", quote(s), formatDuration(hi))
	default:
		return some(d)
	}
	return opt[time.Duration]{}
}

// persistent expects true, false or whole seconds; it returns 0 for false.
func (c *checker) persistent(v any) opt[time.Duration] {
	if c.draft != nil {
		c.draftEither(func() { c.boolean(nil) }, func() { c.seconds(nil) })
		return opt[time.Duration]{}
	}
	switch v := v.(type) {
	case bool:
		if v {
			return some(defaultPersistence)
		}
		return some(time.Duration(0))
	case string, int64:
		return c.seconds(v)
	}
	c.wrongType(v, `true, false or a duration such as "5m"`)
	return opt[time.Duration]{}
}

// seconds expects whole seconds, as many as ipvsadm(8) takes for a timeout.
func (c *checker) seconds(v any) opt[time.Duration] {
	d := c.duration(v, time.Second, maxDuration)
	if d.set && d.value%time.Second != 0 {
		c.addf("%s is not whole seconds", quote(v.(string)))
		return opt[time.Duration]{}
	}
	return d
}
