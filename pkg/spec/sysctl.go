package spec

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// sysctls are the settings of net.ipv4.vs (Documentation/networking/ipvs-sysctl.rst, vs_vars in ip_vs_ctl.c), each with
// how its value is read: into what the kernel prints of it, so that the two can be compared. Many kernels store any
// number where a range is given, which says no more than the numbers within do.
var sysctls = map[string]func(c *checker, s string) opt[string]{
	"am_droprate":               count,
	"amemthresh":                count,
	"backup_only":               boolean,
	"cache_bypass":              boolean,
	"conn_lfactor":              number(-8, 8), // since 7.1
	"conn_reuse_mode":           number(0, 3),
	"conntrack":                 boolean,
	"debug_level":               count,
	"drop_entry":                number(0, 3),
	"drop_packet":               number(0, 3),
	"est_cpulist":               (*checker).processors, // since 6.2
	"est_nice":                  number(-20, 19),       // since 6.2
	"expire_nodest_conn":        boolean,
	"expire_quiescent_template": boolean,
	"ignore_tunneled":           boolean,
	"lblc_expiration":           jiffies, // of ip_vs_lblc
	"lblcr_expiration":          jiffies, // of ip_vs_lblcr
	"nat_icmp_send":             boolean,
	"pmtu_disc":                 boolean,
	"run_estimation":            boolean,
	"schedule_icmp":             boolean,
	"secure_tcp":                number(0, 3),
	"sloppy_sctp":               boolean,
	"sloppy_tcp":                boolean,
	"snat_reroute":              boolean,
	"svc_lfactor":               number(-8, 8), // since 7.1
	"sync_persist_mode":         boolean,
	"sync_ports":                (*checker).syncPorts,
	"sync_qlen_max":             number(0, math.MaxInt64),
	"sync_refresh_period":       jiffies,
	"sync_retries":              number(0, 3),
	"sync_sock_size":            count,
	"sync_threshold":            (*checker).syncThreshold,
	"sync_version":              boolean,
}

var (
	boolean = number(0, 1)
	count   = number(0, math.MaxInt32)
	// jiffies are of settings in seconds that the kernel keeps in jiffies, in an int: with HZ=1000 these are the most.
	jiffies = number(0, math.MaxInt32/1000)
)

// sysctlName is what the kernel may call a setting.
var sysctlName = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// maxSysctls is far over what a kernel has. To look for the slip in a name takes its time, and any name may be right.
const maxSysctls = 1000

// sysctls expects the table of the settings. Kernels differ, so a name that is not known is no error unless it looks
// like a slip.
func (c *checker) sysctls(v any) map[string]string {
	if c.draft != nil {
		c.draftSysctls()
		return nil
	}
	table, ok := c.table(v)
	if !ok {
		return nil
	}
	if len(table) > maxSysctls {
		c.kindf(KindOver, "%d settings are over %d, and no kernel has as many", len(table), maxSysctls)
		return nil
	}
	known := sortedKeys(sysctls)
	values := make(map[string]string, len(table))
	for _, name := range sortedKeys(table) {
		c.at = append(c.at, name)
		if value := c.sysctl(name, table[name], known); value.set {
			values[name] = value.value
		}
		c.at = c.at[:len(c.at)-1]
	}
	return values
}

// sysctl expects the value of a setting.
func (c *checker) sysctl(name string, v any, known []string) opt[string] {
	read, ok := sysctls[name]
	if !ok {
		if strings.HasPrefix(name, "net.ipv4.vs.") {
			c.kindf(KindUnknownKey, "there is no such key; it is written without net.ipv4.vs")
			return opt[string]{}
		}
		if _, slip := nearest(name, known); slip || !sysctlName.MatchString(name) {
			c.unknownKey(name, known)
			return opt[string]{}
		}
		read = other
	}
	s, ok := c.sysctlText(v)
	if !ok {
		return opt[string]{}
	}
	return read(c, s)
}

// sysctlText expects a number, a boolean or a string, and returns it as one would write it into the setting's file,
// with one space between words.
func (c *checker) sysctlText(v any) (string, bool) {
	const wanted = "a number, a boolean or a string"
	switch v := v.(type) {
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	case int64:
		return strconv.FormatInt(v, 10), true
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") { // beyond int64
			return v.String(), true
		}
	case string:
		s, ok := c.text(v, wanted)
		return strings.Join(strings.Fields(s), " "), ok
	}
	c.wrongType(v, wanted)
	return "", false
}

// other reads the value of a setting that is not known.
func other(c *checker, s string) opt[string] {
	if len(s) > maxShown {
		c.addf("%s is too long for a setting", quote(s))
		return opt[string]{}
	}
	return some(s)
}

// number reads a whole number from lo to hi.
func number(lo, hi int64) func(c *checker, s string) opt[string] {
	return func(c *checker, s string) opt[string] {
		n := wholeText(c, s, lo, hi)
		return opt[string]{strconv.FormatInt(n.value, 10), n.set}
	}
}

var digits = regexp.MustCompile(`^-?[0-9]+$`)

// wholeText is whole for a number that is written in a string.
func wholeText(c *checker, s string, lo, hi int64) opt[int64] {
	var v any = s
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		v = n
	} else if digits.MatchString(s) {
		v = json.Number(s)
	}
	return whole[int64](c, v, lo, hi)
}

// syncPorts reads the number of threads and ports of a sync daemon.
func (c *checker) syncPorts(s string) opt[string] {
	n := wholeText(c, s, 1, 128)
	if n.set && n.value&(n.value-1) != 0 {
		c.addf("%d is not a power of two, as the kernel wants it", n.value)
		return opt[string]{}
	}
	return opt[string]{strconv.FormatInt(n.value, 10), n.set}
}

// syncThreshold reads a threshold and a period, as proc_do_sync_threshold does.
func (c *checker) syncThreshold(s string) opt[string] {
	if c.describes(func(s *Schema) { s.Type = Types{"string"} }) {
		return opt[string]{}
	}
	first, second, ok := strings.Cut(s, " ")
	if !ok || strings.Contains(second, " ") {
		c.addf("%s is not two numbers, threshold and period, such as \"3 50\"", quote(s))
		return opt[string]{}
	}
	threshold := wholeText(c, first, 0, math.MaxInt32)
	period := wholeText(c, second, 0, math.MaxInt32)
	if !threshold.set || !period.set {
		return opt[string]{}
	}
	if period.value > 0 && threshold.value >= period.value {
		c.addf("the threshold %d is not under the period %d", threshold.value, period.value)
		return opt[string]{}
	}
	return some(fmt.Sprintf("%d %d", threshold.value, period.value))
}

// maxProcessor is the highest number of a processor that a kernel can be built for (CONFIG_NR_CPUS).
const maxProcessor = 8191

// processors reads a list of processors. It is wanted in the kernel's own form, which has numbers where "all" and "N"
// stand. A list may name all of them as often as a document is long, so a range costs the same as a number.
func (c *checker) processors(s string) opt[string] {
	if s == "" { // none, which stops the estimation
		return some("")
	}
	var begin, end [maxProcessor + 1]int // how many ranges begin and end with a processor
	for part := range strings.SplitSeq(s, ",") {
		first, last, ok := processorRange(part)
		if !ok {
			c.addf("%s is not a list of processors such as \"0-3,8\"", quote(s))
			return opt[string]{}
		}
		begin[first]++
		end[last]++
	}
	var listed []int
	open := 0
	for n := range begin {
		if open += begin[n]; open > 0 {
			listed = append(listed, n)
		}
		open -= end[n]
	}
	return some(ranges(listed))
}

// processorRange reads "8" or "0-3".
func processorRange(s string) (first, last int, ok bool) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	lo, err1 := strconv.ParseUint(from, 10, 16)
	hi, err2 := strconv.ParseUint(to, 10, 16)
	return int(lo), int(hi), err1 == nil && err2 == nil && lo <= hi && hi <= maxProcessor
}

// ranges writes numbers that are in order as the kernel does (%*pbl): "0-3,8".
func ranges(numbers []int) string {
	var parts []string
	for len(numbers) > 0 {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[0]+n {
			n++
		}
		part := strconv.Itoa(numbers[0])
		if n > 1 {
			part += "-" + strconv.Itoa(numbers[n-1])
		}
		parts = append(parts, part)
		numbers = numbers[n:]
	}
	return strings.Join(parts, ",")
}
