package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// WarningsOn returns the Warnings for one kernel: they say what a combination of settings does there, in place of what
// it does on some kernels. The release is that of uname(2), such as "6.1.0-18-amd64"; "", or a strange one, is any
// kernel.
func (d *Desired) WarningsOn(release string) Problems {
	var r report
	d.doubtNone(&r)
	d.Gorb.doubt(&r)
	d.API.doubt(&r)
	d.IPVS.doubt(&r, release)
	d.doubtSync(&r)
	for i := range d.Services {
		d.Services[i].doubt(&r)
	}
	for _, p := range d.doubts {
		r.add(p)
	}
	return r.problems(d.layers)
}

// doubtNone warns where no document says anything of services, which is also what a file looks like whose second half
// is lost.
func (d *Desired) doubtNone(r *report) {
	says := func(doc *Document) bool { return doc.services }
	if len(d.layers) > 0 && !slices.ContainsFunc(d.layers, says) {
		r.addf(path{}, "there is no [services], so no service is declared, and those that are gorb's leave; "+
			"an empty [services] says that this is meant")
	}
}

// doubt warns of settings that gorb does not know and of those that do not go together.
func (i IPVS) doubt(r *report, release string) {
	for _, name := range sortedKeys(i.Sysctls) {
		if sysctls[name] == nil {
			r.addf(path{"ipvs", "sysctl", name}, "gorb knows no such setting; it is written as it is, where the kernel has it")
		}
	}
	if i.Sysctls["conntrack"] == "1" && i.Sysctls["conn_reuse_mode"] != "" {
		if why := doubtReuse(i.Sysctls["conn_reuse_mode"], release); why != "" {
			r.addf(path{"ipvs", "sysctl", "conn_reuse_mode"}, "%s", why)
		}
	}
}

// doubtReuse says what is wrong with a mode of treating clients that use a port again, beside conntrack = 1. Since 4.1
// kernels drop the packet that makes them forget such a connection; since 5.9 they do so only where they must (commit
// f0a5e4d7a594, "ipvs: allow connection reuse for unconfirmed conntrack", which some later stable releases have too).
func doubtReuse(mode, release string) string {
	const (
		delays = "drop the first packet of a client that uses a port again, which costs it a second"
		sticks = "a client that uses a port again stays with its old backend, be that at weight 0 or gone"
	)
	version, known := versionOf(release)
	fixed := !version.before(5, 9)
	switch {
	case known && version.before(4, 1): // which has no such setting
	case mode == "0" && !known:
		return "beside conntrack = 1 this is for kernels before 5.9; with later ones use 1: " + sticks
	case mode == "0" && fixed:
		return fmt.Sprintf("beside conntrack = 1 this is for kernels before 5.9; with %s use 1: %s", release, sticks)
	case mode != "0" && !known:
		return "beside conntrack = 1 kernels from 4.1 to 5.8 " + delays + "; with those use 0"
	case mode != "0" && !fixed:
		return fmt.Sprintf("beside conntrack = 1 kernels from 4.1 to 5.8, as %s is, %s; use 0", release, delays)
	}
	return ""
}

// version is that of a kernel.
type version struct{ major, minor int }

func (v version) before(major, minor int) bool {
	return v.major < major || v.major == major && v.minor < minor
}

var releaseForm = regexp.MustCompile(`^([0-9]{1,4})\.([0-9]{1,4})`)

// versionOf reads the version in a release.
func versionOf(release string) (v version, ok bool) {
	m := releaseForm.FindStringSubmatch(release)
	if m == nil {
		return version{}, false
	}
	v.major, _ = strconv.Atoi(m[1]) // cannot err: it is a few digits
	v.minor, _ = strconv.Atoi(m[2])
	return v, true
}

// doubtSync warns of a sync daemon beside a backend of another family, whose connections its messages cannot say. Of
// the two the kernel refuses whichever comes second (ip_vs_genl_new_daemon, ip_vs_genl_set_cmd).
func (d *Desired) doubtSync(r *report) {
	for i := range d.Services {
		s := &d.Services[i]
		for _, b := range s.Backends {
			if s.Family == "" || familyOf(b.Host) == s.Family {
				continue
			}
			for _, daemon := range []struct {
				role     string
				declared *SyncDaemon
			}{{"master", d.IPVS.Master}, {"backup", d.IPVS.Backup}} {
				if daemon.declared != nil {
					r.addf(path{"ipvs", "sync", daemon.role}, "the kernel runs no sync daemon beside a backend of another family "+
						"than its service's, as %s of %s is; it refuses whichever comes second", keyString(b.Name), keyString(s.Name))
				}
			}
			return
		}
	}
}
