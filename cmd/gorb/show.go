package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// printPlan prints a plan for people: what they should know on lines that begin with #, the operations as arguments of
// ipvsadm(8), and a summary.
func printPlan(w io.Writer, plan *httpapi.Plan) error {
	out := bufio.NewWriter(w)
	printAsked(out, plan.Daemon)
	for _, h := range plan.Held {
		printHeld(out, "# ", h, plan.Daemon != nil && plan.Daemon.Sources)
	}
	for _, d := range plan.Order {
		fmt.Fprintf(out, "# order: %s\n", d.Remark)
	}
	for _, a := range plan.Adopted {
		fmt.Fprintf(out, "# %s is in the table already, and becomes gorb's\n", spoken(a.Service, a.Name))
		for _, b := range a.Removes {
			fmt.Fprintf(out, "#   its backend %s is not declared and leaves (weight %d, %d active connections)\n",
				b.Backend, b.Weight, b.Active)
		}
	}
	leaving := map[[2]string]httpapi.Draining{}
	for _, d := range plan.Draining {
		if d.Begun {
			fmt.Fprintf(out, "# draining: %s of %s, %d active and %d inactive connections, until %s\n",
				d.Backend, spoken(d.Service, d.Name), d.Active, d.Inactive, d.Until.Local().Format(time.TimeOnly))
			continue
		}
		leaving[[2]string{d.Service, d.Backend}] = d
	}
	for _, l := range plan.Leaving {
		fmt.Fprintf(out, "# %s is no longer declared, and goes when its backends have gone:\n# %s\n",
			spoken(l.Service, l.Name), l.Then)
	}
	for _, l := range plan.LeftAlone {
		fmt.Fprintf(out, "# leaves %s alone: %s\n", aloneObject(l), l.Reason)
	}
	for _, z := range plan.LeftAtZero {
		fmt.Fprintf(out, "# left at 0: %s of %s: not checked\n", z.Backend, spoken(z.Service, z.Name))
	}
	for _, w := range plan.Waiting {
		fmt.Fprintf(out, "# %s gives up nothing for now: %s\n", spoken(w.Service, w.Name), w.Reason.Why)
	}
	for _, a := range plan.Elsewhere {
		fmt.Fprintf(out, "# %s is not put on the vip_interface: it is on %s, put there by somebody else\n", a.Address, a.Interface)
	}
	for _, problem := range plan.Problems {
		fmt.Fprintf(out, "# cannot be: %s\n", problem)
	}
	for _, o := range plan.Operations {
		printOperation(out, o, leaving)
	}
	fmt.Fprintln(out, plan.Summary)
	return out.Flush()
}

// printOperation prints an operation, and what ends the drain that it begins.
func printOperation(out io.Writer, o httpapi.Operation, leaving map[[2]string]httpapi.Draining) {
	if o.Note != "" {
		fmt.Fprintf(out, "# %s\n", o.Note)
	}
	fmt.Fprintln(out, o.Args+o.Command)
	if d, ok := leaving[[2]string{o.Service, o.Backend}]; ok {
		fmt.Fprintf(out, "# and once it has no connections, after %s at the latest:\n# %s\n", duration(d.Until.Sub(d.Since)), d.Then)
	}
}

// printAsked says whose plan it is, where it is that of a gorb that runs.
func printAsked(out io.Writer, a *httpapi.Asked) {
	if a == nil {
		return
	}
	own := ""
	if a.Sources {
		own = "its own sources, "
	}
	who := fmt.Sprintf("that runs (pid %d, %s)", a.PID, a.Socket)
	if a.Server != "" {
		who = "at " + a.Server
	}
	fmt.Fprintf(out, "# asked the gorb %s: %s%s in force\n", who, own, plural(a.Overrides, "override"))
	if kept := keptSettings(a.Settings); len(kept) > 0 {
		fmt.Fprintf(out, "# not in what was sent, so they stay as they are there: %s\n", strings.Join(kept, ", "))
	}
}

// keptSettings are those of a gorb that was asked which would change something around the table if they went.
func keptSettings(keys []string) []string {
	var kept []string
	for _, key := range keys {
		for _, what := range []string{"gorb.vip_interface", "ipvs.sync.backup", "ipvs.sync.master"} {
			if (key == what || strings.HasPrefix(key, what+".")) && !slices.Contains(kept, what) {
				kept = append(kept, what)
			}
		}
	}
	return kept
}

// printHeld says what of a source is held, why, and what can be done, also where it is a gorb that runs which holds it.
// Each line begins with the prefix.
func printHeld(out io.Writer, prefix string, h httpapi.HeldOf, running bool) {
	names := strings.Join(h.Names, ", ")
	if len(h.Names) < h.Count {
		names += ", ..."
	}
	why := fmt.Sprintf("over max_removal, %d %%", h.MaxRemoval)
	switch {
	case h.Count >= h.Of:
		why = "which is all of them"
	case h.Count*100 <= h.MaxRemoval*h.Of:
		why = fmt.Sprintf("what has not returned since more than max_removal, %d %%, left", h.MaxRemoval)
	}
	meant := ", --accept-removals removes them"
	if running {
		meant = ": gorb accept " + shellWord(h.Source)
	}
	fmt.Fprintf(out, "%sheld: %s leaves out %d of %d services and backends that it alone declares, %s: %s\n",
		prefix, h.Source, h.Count, h.Of, why, names)
	fmt.Fprintf(out, "%s  they stay as they are; where that is meant%s\n", prefix, meant)
}

// spoken returns a service as it is spoken of.
func spoken(service, name string) string {
	if name == "" {
		return service
	}
	return fmt.Sprintf("%s (%s)", service, name)
}

// aloneObject returns what is left alone as it is spoken of.
func aloneObject(l httpapi.LeftAlone) string {
	if l.Backend == "" {
		return spoken(l.Service, l.Name)
	}
	return l.Backend + " of " + spoken(l.Service, l.Name)
}

// deletion is the operation that ends a drain.
func deletion(r reconcile.Ref) kernel.Op {
	return kernel.Op{Kind: kernel.DeleteDest, Key: r.Service, DestKey: r.Dest}
}

// title returns a service of a plan as it is spoken of.
func title(plan *reconcile.Plan, key kernel.ServiceKey) string { return titled(key, plan.Names[key]) }

// object returns what is left alone as it is spoken of.
func object(plan *reconcile.Plan, l reconcile.LeftAlone) string {
	if l.Dest == (kernel.DestKey{}) {
		return title(plan, l.Key)
	}
	return fmt.Sprintf("%s of %s", l.Dest, title(plan, l.Key))
}

// summary returns a plan in one line.
func summary(plan *reconcile.Plan) string {
	var parts []string
	if len(plan.Ops) > 0 {
		parts = append(parts, tally(plan.Ops))
	}
	if n := len(plan.HostOps()); n > 0 {
		parts = append(parts, plural(n, "change")+" around the table")
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing to do")
	}
	if len(plan.Draining) > 0 {
		leaving := plural(len(plan.Draining), "backend")
		if n := len(plan.Leaving); n > 0 {
			leaving = plural(n, "service") + " and " + leaving
		}
		parts = append(parts, leaving+" leaving")
	}
	if len(plan.LeftAlone) > 0 {
		parts = append(parts, leftAlone(plan.LeftAlone)+" left alone")
	}
	if n := len(plan.LeftAtZero); n > 0 {
		parts = append(parts, plural(n, "backend")+" left at 0")
	}
	if n := len(plan.Waiting); n > 0 {
		parts = append(parts, plural(n, "service")+" waiting")
	}
	if n := len(plan.Problems); n > 0 {
		parts = append(parts, plural(n, "declaration")+" that cannot be")
	}
	if n := len(plan.Foreign); n > 0 {
		parts = append(parts, plural(n, "other service")+" not gorb's and left alone")
	}
	return strings.Join(parts, "; ")
}

// leftAlone counts what is left alone in words: "1 service and 2 backends".
func leftAlone(list []reconcile.LeftAlone) string {
	services, backends := 0, 0
	for _, l := range list {
		if l.Dest == (kernel.DestKey{}) {
			services++
		} else {
			backends++
		}
	}
	var parts []string
	if services > 0 {
		parts = append(parts, plural(services, "service"))
	}
	if backends > 0 {
		parts = append(parts, plural(backends, "backend"))
	}
	return strings.Join(parts, " and ")
}

// duration writes a duration without the zeros that Go adds: "5m", not "5m0s".
func duration(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// tally counts operations in words: "2 services and 5 backends to add, 1 backend to change".
func tally(ops []kernel.Op) string {
	counts := map[kernel.OpKind]int{}
	for _, op := range ops {
		counts[op.Kind]++
	}
	var parts []string
	for _, verb := range []struct {
		text               string
		services, backends kernel.OpKind
	}{
		{"to add", kernel.AddService, kernel.AddDest},
		{"to change", kernel.EditService, kernel.EditDest},
		{"to delete", kernel.DeleteService, kernel.DeleteDest},
	} {
		var things []string
		if n := counts[verb.services]; n > 0 {
			things = append(things, plural(n, "service"))
		}
		if n := counts[verb.backends]; n > 0 {
			things = append(things, plural(n, "backend"))
		}
		if len(things) > 0 {
			parts = append(parts, strings.Join(things, " and ")+" "+verb.text)
		}
	}
	return strings.Join(parts, ", ")
}
