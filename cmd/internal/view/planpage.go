package view

import (
	"encoding/json"
	"io"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// PlanAs shows a plan in one of Formats, on the view's output: Markdown for a
// merge request, HTML to send to somebody. With --json it is JSON whatever the
// format is.
func (v *View) PlanAs(p *plan.Plan, notes []string, saved, format string) error {
	if v.json || format == Text || format == "" {
		v.Plan(p, notes, saved)
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	doc := PlanDocument{FormatVersion, p, notes}
	v.give(doc)
	if format == JSON {
		return encode(v.out, doc)
	}
	return v.print(planPage(p, notes, saved, v.verbose), format)
}

func encode(w io.Writer, x any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(x)
}

// planPage is a plan as it is reviewed: the verdict, what stops it, what cannot
// be undone, what moves, then the rest.
func planPage(p *plan.Plan, notes []string, saved string, all bool) *page {
	found := allFindings(p)
	x := judge(p, found)
	out := &page{Title: "Plan for migration " + named(p.Migration), Tone: "good"}
	switch x.word {
	case wordBlocked:
		out.Tone = "bad"
	case wordPart, wordWaiting:
		out.Tone = "wait"
	}
	out.Lead = append(out.Lead, x.word+" "+x.sentence)
	out.Lead = append(out.Lead, x.outlook...)
	for _, n := range notes {
		out.text("warn", "Note: "+clean(n))
	}
	if x.word == wordNothing {
		out.findingList(found, all)
		return out
	}
	if rest := unfolded(p); len(rest) > 0 {
		out.heading("Findings")
		out.findingList(rest, all)
	}
	out.noReturn(p)
	out.moves(x.moves, all)
	out.phases(p)
	if len(p.Altered) > 0 {
		out.heading("Does not arrive as it was")
		out.alteredList(p.Altered, all)
	}
	out.times(p, all)
	if open := p.Waiting(); len(open) > 0 {
		out.heading("Who must do what")
		out.gateList(open, all)
	}
	out.identity(p, x, saved)
	return out
}

func (p *page) noReturn(x *plan.Plan) {
	for i := range x.Steps {
		if s := &x.Steps[i]; s.Op == plan.OpReinstall {
			p.heading("Point of no return")
			p.text("bad", "The reinstallation of "+named(s.Server)+". What is on it then is gone, and no account can go back to how it was there.")
			return
		}
	}
}

func (p *page) moves(list []*move, all bool) {
	if len(list) == 0 {
		return
	}
	p.heading("What moves")
	fill := func(p *page) {
		var rows [][]string
		for i, m := range list {
			if i == mostReported && !all && len(list) > mostReported+1 {
				break
			}
			rows = append(rows, []string{named(m.account), m.way(), sized(m.bytes), orUnknown(m.downtime)})
		}
		p.table([]string{"account", "way", "size", "predicted downtime"}, rows, loose, loose, numeric, numeric)
		if n := len(list) - len(rows); n > 0 {
			p.text("faint", "… and "+plural(n, "more account")+".")
		}
	}
	if len(list) <= mostRows {
		fill(p)
		return
	}
	p.text("", plural(len(list), "account")+".")
	p.more("Every account", fill)
}

func (p *page) phases(x *plan.Plan) {
	if len(x.Steps) == 0 {
		return
	}
	p.heading("Phase by phase")
	var table [][]string
	all := rows(x)
	for _, ph := range x.Phases {
		if ph.State == plan.PhaseAbsent || ph.State == plan.PhaseDone && ph.Left == 0 {
			continue
		}
		name := clean(ph.Name)
		for _, r := range all[ph.Name] {
			table = append(table, []string{name, r.sentence(), few(r.accounts, 4)})
			name = ""
		}
	}
	p.table([]string{"phase", "what", "accounts"}, table)
}

// sentence says what a row does, without its accounts.
func (r *row) sentence() string {
	text := r.text
	if r.longest.Downtime > 0 {
		text += " (down for up to " + took(r.longest.Downtime) + ", " + confidence(r.longest.Confidence) + ")"
	}
	if r.first.Projected {
		text += " – behind a gate"
	}
	return text
}

// times are the timetable, the deadlines and the cost.
func (p *page) times(x *plan.Plan, all bool) {
	c := clockOf(x.Config)
	if list := x.Dates.Timetable; len(list) > 0 {
		p.heading("Timetable (" + c.name + ")")
		if h := handoverLine(c, &x.Dates); h != "" {
			p.text("", h)
		}
		sure, early := splitEarly(list)
		if len(sure) > 0 {
			p.table([]string{"when", "what", ""}, timetableRows(c, sure, all), keep)
		}
		if len(early) > 0 {
			p.text("faint", earlySentence)
			p.table([]string{"when", "what", ""}, timetableRows(c, early, all), keep)
		}
	}
	if list := x.Dates.Deadlines; len(list) > 0 {
		p.heading("Deadlines")
		for i := range list {
			tone := ""
			if list[i].Missed {
				tone = "bad"
			}
			p.text(tone, sentence(deadline(c, &list[i], x.Dates.Computed)))
			if m := mends(x, &list[i]); m != "" {
				p.text("", m)
			}
		}
	}
	if x.Dates.Cost != nil {
		p.heading("Cost")
		p.text("", costSentence(c, x.Dates.Cost))
	}
}

// identity says which plan this is, and how to do exactly this.
func (p *page) identity(x *plan.Plan, v verdict, saved string) {
	p.heading("This plan")
	p.text("", plural(v.run, "step")+" now, "+number(int64(v.ahead))+" behind gates.")
	if x.Digest != "" {
		p.text("faint", clean(x.Digest))
	}
	if saved != "" && !x.Blocked() {
		p.command("stopover apply ", saved)
	}
}

// findingList lists findings by group.
func (p *page) findingList(list []schema.Finding, all bool) {
	for _, g := range foundOf(list) {
		tone := map[string]string{schema.Blocker: "bad", schema.Warning: "warn"}[g.severity]
		if g.waived != nil {
			p.text("faint", "waived: "+g.lead()+": "+g.pass())
			continue
		}
		p.text(tone, clean(g.severity)+": "+g.lead())
		p.list(g.items(all))
	}
}

// items are what belongs to a group of findings.
func (g *found) items(all bool) []string {
	var out []string
	most := mostAlike
	if all {
		most = len(g.list)
	}
	switch {
	case len(g.list) == 1:
	case g.same():
		if a := g.accounts(); len(a) > 0 {
			out = append(out, plural(len(a), "account")+": "+names(a, max(most, 8)))
		}
	default:
		for i, f := range g.list {
			if i == most {
				out = append(out, "… and "+number(int64(len(g.list)-i))+" more")
				break
			}
			out = append(out, about(f.Account)+clean(f.Summary))
		}
	}
	seen := g.evidence()
	for i, e := range seen {
		if i == mostSeen && !all && len(seen) > mostSeen+1 {
			out = append(out, "… and "+number(int64(len(seen)-i))+" more places")
			break
		}
		out = append(out, "seen: "+e)
	}
	if g.remedy != "" {
		out = append(out, "What to do: "+clean(g.remedy))
	}
	return out
}

func (p *page) alteredList(list []plan.Altered, all bool) {
	var items []string
	for _, a := range alteredOf(list) {
		text := a.text
		switch n := len(a.accounts); {
		case n == 1:
			text = about(a.accounts[0]) + text
		case n > 1 && all:
			text += ": " + names(a.accounts, n)
		case n > 1:
			text += ": " + plural(n, "account") + ": " + names(a.accounts, 6)
		}
		items = append(items, text)
	}
	p.list(items)
}

// gateList says who must do what, and what to type then.
func (p *page) gateList(open []plan.Gate, all bool) {
	for _, a := range askedOf(open) {
		if len(a.list) > mostGates && !all {
			p.text("", clean(a.kind)+" for "+plural(len(a.list), "account")+" ("+clean(a.who)+"): "+clean(a.what))
			p.command("stopover approve ", a.kind+"[*]")
			continue
		}
		for _, g := range a.list {
			p.text("", clean(string(g.ID))+" ("+clean(g.Who)+"): "+clean(g.What))
			if g.Evidence != "" {
				p.text("faint", "evidence "+clean(g.Evidence))
				p.command("stopover approve ", string(g.ID))
			}
		}
	}
}
