package probe

import "math"

const (
	// perCheck is how many descriptors a check has open at most: its connection.
	perCheck = 1
	// perExec is the same of one that starts a program: both ends of three pipes and the process, while it is started.
	perExec = 7
	// otherDescriptors is what the rest of gorb is given: files that are watched, netlink, clients of the API.
	otherDescriptors = 1024
	// fewDescriptors is what checks have where the limit leaves less than that; but never more than half of it.
	fewDescriptors = 32
)

// needs is how many descriptors checks may need, and what was said of it.
type needs struct {
	plain, exec int // probes
	keep        int // how many of them keep a connection between checks
	kept        int // how many may have one now
	most        allotment
	raise       func(need uint64) (limit uint64, err error)
	warned      uint64 // of this need; 0: there are enough
}

// count counts a probe, or no longer.
func (n *needs) count(p *probe, by int) {
	if p.key.Kind == kindExec {
		n.exec += by
	} else {
		n.plain += by
	}
	if p.keeps {
		n.keep += by
	}
}

// need returns how many descriptors may be open at once, where there may be so many checks. No more are made than there
// are probes; a slot may have a check that is stuck beside its own.
func (n *needs) need(checks, exec int) uint64 {
	return otherDescriptors + uint64(n.keep) +
		perCheck*uint64(min(n.plain, 2*checks)) +
		perExec*uint64(min(n.exec, 2*exec))
}

// allotment is how many descriptors there are for what.
type allotment struct {
	checks, exec int // that are made at once, or stuck; at least 1
	keep         int // connections between checks
}

// allot shares out what a limit below the need leaves. Half of it at most is for programs, and half of the rest for
// connections that are kept: a check does without one.
func (n *needs) allot(limit uint64, checks, exec int) allotment {
	room := int(min(limit/2, fewDescriptors))
	if limit > otherDescriptors {
		room = max(room, int(limit-otherDescriptors))
	}
	var a allotment
	a.exec = max(1, min(n.exec, 2*exec, room/2/perExec))
	room -= perExec * min(n.exec, a.exec)
	a.checks = max(1, min(n.plain, 2*checks, (room-min(n.keep, room/2))/perCheck))
	a.keep = max(0, min(n.keep, room-perCheck*a.checks))
	return a
}

// keepOrClose has a probe whose check has ended keep its connection, if there is a descriptor for that.
func (n *needs) keepOrClose(p *probe) {
	switch {
	case !p.keeps:
	case n.kept > n.most.keep, n.kept == n.most.keep && !p.kept:
		n.close(p)
	case !p.kept:
		p.kept = true
		n.kept++
	}
}

// close lets go what a probe keeps.
func (n *needs) close(p *probe) {
	if p.close(); p.kept {
		p.kept = false
		n.kept--
	}
}

// provide raises the limit of open files to what the checks may need now. Where that is more than there can be it has
// fewer of them made at once, so that the rest of gorb has its share, and says so, once of each need.
func (e *Engine) provide() {
	n := &e.needs
	need := n.need(e.plain.wanted, e.exec.wanted)
	limit, err := n.raise(need)
	if limit >= need {
		n.warned = 0
		n.most = allotment{math.MaxInt, math.MaxInt, math.MaxInt}
	} else {
		n.most = n.allot(limit, e.plain.wanted, e.exec.wanted)
	}
	e.plain.limit(n.most.checks)
	e.exec.limit(n.most.exec)
	if limit >= need || n.warned == need || e.taking != nil {
		return
	}
	n.warned = need
	line := e.log.Warn().Uint64("need", need).Uint64("limit", limit).Int("checks", e.plain.max)
	if n.exec > 0 {
		line.Int("exec", e.exec.max)
	}
	line.Err(err).Msg("checks may need more open files at once than are allowed, and no more are made at once than there are" +
		" some for: raise the limit (LimitNOFILE= of systemd, ulimit -n) or lower max_checks")
}
