package hclfile

import (
	"slices"

	"github.com/stopover/stopover/schema"
)

func (d *decoder) process(n *node) schema.Process {
	d.made(n)
	out := schema.Process{
		Name:      n.label,
		Title:     d.words(n, "title"),
		Source:    d.words(n, "source"),
		Certainty: d.text(n, "certainty"),
		Pos:       pos(n.defRange),
	}
	for k := range n.each("phase") {
		out.Phases = append(out.Phases, d.phase(k))
	}
	phases := d.phases(n, &out)
	for k := range n.each("barrier") {
		b := schema.Barrier{Before: d.text(k, "before"), Needs: d.text(k, "needs")}
		d.barrier(k, b, &out, phases)
		out.Barriers = append(out.Barriers, b)
	}
	d.safeBarriers(n, &out, phases)
	if k := n.first("rollback"); k != nil {
		out.Rollback = d.rollback(k, &out, phases)
	}
	if k := n.first("free"); k != nil {
		out.Free = d.free(k)
	}
	if k := n.first("relocation"); k != nil {
		out.Relocation.By = d.text(k, "by")
		out.Relocation.FreeDays, _ = d.number(k, "free_days", 1, 3650)
		if phases && out.OneWay() && (out.Relocation.By != "" || out.Relocation.FreeDays != 0) {
			d.wrong(k.defRange, k, "Relocation without its phase", "This process has no phase \"relocate\", so nothing moves back. Add the phase, or leave this block empty.")
		}
	}
	if k := n.first("downtime"); k != nil {
		out.Downtime = schema.DowntimeRule{PerGB: d.duration(k, "per_gb"), Base: d.duration(k, "base"), Reroute: d.duration(k, "reroute")}
	}
	if k := n.first("working"); k != nil {
		out.Working = d.working(k)
	}
	for k := range n.each("dns") {
		d.made(k)
		out.DNS = append(out.DNS, schema.DNSRule{Name: k.label, Action: d.text(k, "action"), Record: d.text(k, "record"), Doc: d.text(k, "doc")})
	}
	return out
}

func (d *decoder) phase(n *node) schema.ProcessPhase {
	out := schema.ProcessPhase{
		Name:            n.label,
		By:              d.text(n, "by"),
		Gate:            d.text(n, "gate"),
		Lasts:           d.span(n, "lasts"),
		Hours:           d.text(n, "hours"),
		RemovesRuntimes: d.flag(n, "removes_runtimes"),
		Precopy:         d.texts(n, "precopy"),
		Doc:             d.text(n, "doc"),
	}
	out.Parallel, _ = d.number(n, "parallel", 1, 1000)
	d.belongs(n, "removes_runtimes", schema.PhaseRequest)
	d.belongs(n, "precopy", schema.PhaseInstall, schema.PhaseReinstall)
	d.belongs(n, "parallel", schema.PhaseMigrate, schema.PhaseRelocate)
	return out
}

// belongs refuses an argument in a phase where it would have no effect.
func (d *decoder) belongs(n *node, name string, phases ...string) {
	if n.attrs[name] == nil || slices.Contains(phases, n.label) {
		return
	}
	d.wrong(n.attrs[name].NameRange, n, "Argument in the wrong phase", "%q has no effect in the phase %q. It belongs in %s.", name, n.label, quoted(phases, "and"))
}

// phases checks which phases there are and in which order. It is false if what
// refers to phases cannot be judged.
func (d *decoder) phases(n *node, p *schema.Process) bool {
	if n.broken || n.meant["phase"] {
		return false
	}
	all := schema.Phases()
	last := -1
	for k := range n.each("phase") {
		at := slices.Index(all, k.label)
		if at < last {
			d.wrong(k.labelRange, k, "Phases in the wrong order", "The phase %q comes before %q. Write phases in the order of the journey: %s.", k.label, all[last], quoted(all, "and"))
			return false
		}
		last = at
	}
	for _, name := range []string{schema.PhasePrepare, schema.PhaseInstall, schema.PhaseMigrate, schema.PhaseVerify, schema.PhaseFinish} {
		if p.Phase(name) == nil {
			d.wrong(n.defRange, n, "Missing phase", "%s has no phase %q. Every journey has it; add phase %q { by = \"operator\" }.", n.title(), name, name)
			return false
		}
	}
	if (p.Phase(schema.PhaseReinstall) == nil) != (p.Phase(schema.PhaseRelocate) == nil) {
		d.wrong(n.defRange, n, "Missing phase", "%s has only one of \"reinstall\" and \"relocate\". A round trip has both, a one-way process has none.", n.title())
		return false
	}
	return true
}

// barrier checks that what a barrier needs can hold by then.
func (d *decoder) barrier(n *node, b schema.Barrier, p *schema.Process, phases bool) {
	if b.Before == "" || b.Needs == "" || !phases {
		return
	}
	for _, other := range p.Barriers {
		if other == b {
			d.wrong(n.defRange, n, "Duplicate barrier block", "There is a barrier before %q that needs %q already. Take one out.", b.Before, b.Needs)
			return
		}
	}
	if p.Phase(b.Before) == nil {
		d.wrong(n.at("before"), n, "Unknown phase", "This process has no phase %q.", b.Before)
		return
	}
	soonest := map[string]string{
		"prepared":            schema.PhasePrepare,
		"accepted_or_retired": schema.PhaseVerify,
		"transit_empty":       schema.PhaseRelocate,
	}[b.Needs]
	all := schema.Phases()
	if p.Phase(soonest) == nil {
		d.wrong(n.at("needs"), n, "Barrier that never opens", "This process has no phase %q, so %q would never hold and the phase %q never begin.", soonest, b.Needs, b.Before)
		return
	}
	if slices.Index(all, b.Before) <= slices.Index(all, soonest) {
		d.wrong(n.at("needs"), n, "Barrier that never opens", "%q can hold only after the phase %q, so the phase %q would never begin. Move the barrier to a later phase.", b.Needs, soonest, b.Before)
	}
}

// safeBarriers asks for the barriers without which a process would destroy
// accounts: the reinstallation wipes what is on the source, the end gives
// transit away.
func (d *decoder) safeBarriers(n *node, p *schema.Process, phases bool) {
	if !phases || p.OneWay() {
		return
	}
	for _, b := range p.Barriers {
		if b.Before == "" || b.Needs == "" {
			return // reported, and might be the one that is missed
		}
	}
	for _, b := range []schema.Barrier{{Before: schema.PhaseReinstall, Needs: "accepted_or_retired"}, {Before: schema.PhaseFinish, Needs: "transit_empty"}} {
		if !slices.Contains(p.Barriers, b) {
			d.wrong(n.defRange, n, "Missing barrier", "%s would go into %q with accounts in the way. Write barrier { before = %q, needs = %q }, each on its own line.", n.title(), b.Before, b.Before, b.Needs)
		}
	}
}

func (d *decoder) rollback(n *node, p *schema.Process, phases bool) schema.Rollback {
	out := schema.Rollback{Until: d.text(n, "until")}
	out.Days, _ = d.number(n, "days", 1, 3650)
	all := schema.Phases()
	switch {
	case out.Days != 0 && n.attrs["until"] == nil:
		d.wrong(n.at("days"), n, "Rollback without an end", "\"days\" needs \"until\": the phase whose begin ends every rollback. For example: until = \"reinstall\"")
	case out.Until == "" || !phases:
	case p.Phase(out.Until) == nil:
		d.wrong(n.at("until"), n, "Unknown phase", "This process has no phase %q.", out.Until)
	case slices.Index(all, out.Until) <= slices.Index(all, schema.PhaseMigrate):
		d.wrong(n.at("until"), n, "Rollback before the migration", "Nothing has moved when the phase %q begins, so nothing could ever go back. For an empty promise leave the block empty.", out.Until)
	case slices.Index(all, out.Until) > slices.Index(all, schema.PhaseReinstall) && !p.OneWay():
		d.wrong(n.at("until"), n, "Rollback after the reinstallation", "The reinstallation wipes what accounts could go back to. Write until = \"reinstall\", or \"verify\".")
	}
	return out
}

func (d *decoder) free(n *node) schema.Free {
	out := schema.Free{Starts: d.text(n, "starts"), Stops: d.text(n, "stops"), Divisor: d.text(n, "divisor")}
	out.Days, _ = d.number(n, "days", 1, 3650)
	if n.attrs["days"] == nil && len(n.attrs) > 0 {
		d.wrong(n.defRange, n, "Clock without days", "Without \"days\" no clock runs. Add days = 14, or leave the block empty.")
		return out
	}
	for _, name := range []string{"starts", "stops", "divisor"} {
		if n.attrs["days"] != nil && n.attrs[name] == nil {
			d.missing(n, *n.spec.Attr(name))
		}
	}
	return out
}
