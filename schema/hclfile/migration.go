package hclfile

import (
	"fmt"
	"slices"

	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/process"
)

// defaultSizeBand is percent.
const defaultSizeBand = 20

// migration decodes the migration, and adds the built-in process it names to
// the configuration.
func (d *decoder) migration(n *node, cfg *schema.Config) schema.Migration {
	d.made(n)
	out := schema.Migration{
		Name:       n.label,
		Source:     d.server(n, "source"),
		Transit:    d.server(n, "transit"),
		Trial:      d.server(n, "trial"),
		Timezone:   d.timezone(n, "timezone"),
		FinishBy:   d.date(n, "finish_by"),
		ForcedOn:   d.date(n, "forced_on"),
		HandoverOn: d.date(n, "handover_on"),
		Windows:    d.windowNames(n),
		SizeBand:   defaultSizeBand,
		Stays:      d.stays(n),
		Residue:    d.residue(n),
		Approvals:  d.approvals(n),
		Moved:      d.moved(n),
		Removed:    d.removed(n),
		Waivers:    d.waivers(n),
		Pos:        pos(n.defRange),
	}
	if band, ok := d.number(n, "size_band", 0, 1000); ok {
		out.SizeBand = band
	}
	if out.Source != "" && out.Source == out.Transit {
		d.wrong(n.at("transit"), n, "Transit is the source",
			"Source and transit are both server.%s, so nothing could move. Name another server as transit.", out.Source)
	}
	if out.Trial != "" && out.Trial == out.Source {
		d.wrong(n.at("trial"), n, "Trial on the source",
			"A trial on server.%s would try databases on the versions that they have. Name a server with the new versions.", out.Source)
	}
	out.Process = d.processName(n, cfg)
	out.Architecture = d.architectureName(n, cfg)
	out.Accounts, out.Patterns = d.accounts(n)
	none := n.first("account") == nil && n.first("accounts") == nil
	if none && !n.broken && !n.unread && !n.meant["account"] && !n.meant["accounts"] {
		d.wrong(n.defRange, n, "No accounts", "%s names no account that moves. Write account \"NAME\" { } for one, or accounts { include = [\"*\"] } for all.", n.title())
	}
	return out
}

func (d *decoder) processName(n *node, cfg *schema.Config) string {
	name := d.words(n, "process")
	if name == "" {
		return ""
	}
	own := make([]string, 0, len(cfg.Processes))
	for i := range cfg.Processes {
		if cfg.Processes[i].Name == name {
			return name
		}
		own = append(own, cfg.Processes[i].Name)
	}
	src, ok := process.Builtin(name)
	if !ok {
		names := append(process.Names(), own...)
		slices.Sort(names)
		d.wrong(n.at("process"), n, "Unknown process", "There is no process %q. There are %s.", name, quoted(names, "and"))
		return name
	}
	p, diags := ParseProcess(name+".hcl", src)
	if diags.HasErrors() {
		panic("hclfile: built-in process " + name + ": " + diags[0].Detail) // the tests parse each of them
	}
	cfg.Processes = append(cfg.Processes, *p)
	return name
}

func (d *decoder) architectureName(n *node, cfg *schema.Config) string {
	name := d.words(n, "architecture")
	if name == "" {
		return ""
	}
	var names []string
	for _, a := range cfg.Architectures {
		if a.Name == name {
			return name
		}
		names = append(names, a.Name)
	}
	all := fmt.Sprintf("Declare it: architecture %q { … }", name)
	if len(names) > 0 {
		all = "The architectures are " + quoted(names, "and") + "."
	}
	d.wrong(n.at("architecture"), n, "Unknown architecture", "There is no architecture %q. %s", name, known(name, names, all))
	return name
}

func (d *decoder) stays(n *node) []schema.Stay {
	var out []schema.Stay
	for k := range n.each("stays") {
		d.foundName(k)
		out = append(out, schema.Stay{Account: k.label, Action: d.text(k, "action"), Reason: d.words(k, "reason"), Pos: pos(k.defRange)})
	}
	return out
}

func (d *decoder) residue(n *node) []schema.ResidueRule {
	var out []schema.ResidueRule
	for k := range n.each("residue") {
		out = append(out, schema.ResidueRule{Path: k.label, Action: d.text(k, "action"), Reason: d.words(k, "reason"), Pos: pos(k.defRange)})
	}
	return out
}
