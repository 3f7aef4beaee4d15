package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Inventory shows what was found on the servers.
func (v *View) Inventory(cfg *schema.Config, inv *schema.Inventory) {
	if v.json {
		v.document(inv)
		return
	}
	for _, name := range []string{cfg.Migration.Source, cfg.Migration.Transit} {
		s := inv.Servers[name]
		if s == nil {
			continue
		}
		v.line("%s  %s", v.style.bold(schema.QuoteName(name)), wrap(v.serverLine(s), 80, "  "))
		for _, a := range s.Accounts {
			v.line("  %s %s %s", padded(schema.QuoteName(a.Name), 24), padded(state(a), 20), v.style.faint(contents(a)))
			if a.Owner.Blocker != "" {
				v.line("      %s %s", v.style.red("blocker"), wrap(clean(a.Owner.Blocker), 72, "      "))
			}
		}
		for _, r := range s.Residue {
			v.line("  %s %s", v.style.yellow("owned by no account:"), schema.QuoteName(r.Path))
		}
		v.line("")
	}
}

func (v *View) serverLine(s *schema.FoundServer) string {
	switch s.Presence {
	case schema.Absent:
		return v.style.faint("not there yet")
	case schema.Unreachable:
		return v.style.red("does not answer: ") + clean(s.Error)
	}
	parts := []string{"architecture " + clean(s.Architecture)}
	if len(s.Listening) > 0 {
		parts = append(parts, "answers on "+clean(strings.Join(s.Listening, ", ")))
	} else {
		parts = append(parts, "answers on no service address")
	}
	var rt []string
	for _, r := range s.Runtimes {
		rt = append(rt, clean(r.Name+" "+r.Version))
	}
	if len(rt) > 0 {
		parts = append(parts, strings.Join(rt, ", "))
	}
	if s.Seal != nil {
		parts = append(parts, fmt.Sprintf("sealed (%d)", s.Seal.Number))
	}
	return strings.Join(parts, "; ")
}

func state(a *schema.FoundAccount) string {
	s := clean(a.Owner.State)
	if a.Owner.Epoch > 0 {
		s += fmt.Sprintf(" (epoch %d)", a.Owner.Epoch)
	}
	return s
}

func contents(a *schema.FoundAccount) string {
	var out []string
	if a.Files.Entries > 0 {
		out = append(out, fmt.Sprintf("%s files %s", number(a.Files.Entries), size(a.Files.Bytes)))
	}
	if a.Mail.Messages > 0 {
		out = append(out, fmt.Sprintf("%s messages %s", number(a.Mail.Messages), size(a.Mail.Bytes)))
	}
	if len(a.Databases) > 0 {
		out = append(out, fmt.Sprintf("%s %s", plural(len(a.Databases), "database"), size(a.DatabaseBytes())))
	}
	return strings.Join(out, ", ")
}

// Status draws the servers with the accounts on them, what is next and what it
// waits for.
func (v *View) Status(p *plan.Plan, inv *schema.Inventory, past plan.Past) {
	if v.json {
		v.document(map[string]any{"migration": p.Migration, "phases": p.Phases, "accounts": p.Accounts, "gates": p.Gates,
			"findings": p.Findings, "downtime": p.Downtime, "facts": past.Facts})
		return
	}
	m := p.Config.Migration
	var phases []string
	for _, ph := range p.Phases {
		switch ph.State {
		case plan.PhaseAbsent:
		case plan.PhaseDone:
			phases = append(phases, v.style.green("✓ "+ph.Name))
		case plan.PhaseCurrent:
			phases = append(phases, v.style.blue("▶ "+ph.Name))
		default:
			phases = append(phases, v.style.faint("· "+ph.Name))
		}
	}
	v.line("%s\n", v.style.bold(schema.QuoteName(p.Migration)))
	v.line("%s\n", strings.Join(phases, " "))
	for _, name := range []string{m.Source, m.Transit} {
		v.box(p, inv.Servers[name], name)
	}
	v.gap()
	v.findings(p)
	v.gates(p)
	v.next(p)
}

// box draws one server with its accounts.
func (v *View) box(p *plan.Plan, s *schema.FoundServer, name string) {
	title := schema.QuoteName(name)
	if s != nil && s.Presence == schema.Present {
		title += " · architecture " + clean(s.Architecture)
	} else if s != nil {
		title += " · " + map[string]string{schema.Absent: "not there yet", schema.Unreachable: "does not answer"}[s.Presence]
	}
	const width = 72
	v.line("  ┌─ %s %s┐", title, strings.Repeat("─", max(0, width-3-len([]rune(title)))))
	byStage := map[string][]string{}
	for _, a := range p.Accounts {
		if a.Where == name {
			byStage[a.Stage] = append(byStage[a.Stage], a.Name)
		}
	}
	stages := make([]string, 0, len(byStage))
	for st := range byStage {
		stages = append(stages, st)
	}
	slices.Sort(stages)
	for _, st := range stages {
		text := padded(strings.ReplaceAll(st, "_", " "), 12) + " " + names(byStage[st], v.most(5))
		for _, l := range strings.Split(wrap(text, width-2, "             "), "\n") {
			v.line("  │ %s │", padded(l, width-2))
		}
	}
	if len(stages) == 0 {
		v.line("  │ %s │", v.style.faint(padded("no account", width-2)))
	}
	v.line("  └%s┘", strings.Repeat("─", width))
}

// next says what an apply would do.
func (v *View) next(p *plan.Plan) {
	run := p.Runnable()
	if len(run) == 0 {
		if len(p.Waiting()) == 0 && !p.Blocked() {
			v.line("%s", v.verdict(p))
		}
		return
	}
	v.line("%s", wrap("Next: "+about(run[0].Account)+describe(&run[0])+". Run stopover apply.", 80, ""))
}

// Concluded says how things are when apply can do no more.
func (v *View) Concluded(p *plan.Plan) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		v.message(map[string]any{"type": "concluded", "gates": p.Waiting(), "blocked": p.Blocked(), "steps_left": len(p.Steps)})
		return
	}
	if len(p.Steps) == 0 && len(p.Waiting()) == 0 {
		v.gap()
		v.line("%s", wrap(v.verdict(p), 80, ""))
		return
	}
	v.findings(p)
	v.gates(p)
}

// Approved names the gates that were closed.
func (v *View) Approved(gates []plan.Gate) {
	if v.json {
		v.document(map[string]any{"approved": gates})
		return
	}
	for _, g := range gates {
		v.line("%s %s", v.style.green("approved"), clean(string(g.ID)))
	}
}

// Revoked names the approvals that were taken away.
func (v *View) Revoked(list []schema.Approval) {
	if v.json {
		v.document(map[string]any{"revoked": list})
		return
	}
	for _, a := range list {
		v.line("%s %s", v.style.yellow("revoked"), clean(a.Gate))
	}
}

// Lost names the accounts that were opened because their peer is gone.
func (v *View) Lost(server string, accounts []string) {
	if v.json {
		v.document(map[string]any{"server": server, "opened": accounts})
		return
	}
	v.line("%s is declared lost; %s opened on the other server.", schema.QuoteName(server), plural(len(accounts), "account"))
	for _, a := range accounts {
		v.line("  %s", schema.QuoteName(a))
	}
}
