package view

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// box is one server as it is drawn: a title, and lines of clean text.
type box struct {
	title string
	lines []boxLine
}

type boxLine struct {
	text  string
	paint ink // nil: as it is
}

// boxFrame is what the frame of a box takes of its width: "│ " and " │".
const boxFrame = 4

// stageOrder is the order of the journey; what is stuck comes first.
func stageOrder() []string {
	return []string{plan.StageBlocked, plan.StageUnknown, plan.StageInCutover, plan.StageAtSource, plan.StagePrepared,
		plan.StageOnTransit, plan.StageAccepted, plan.StageHome, plan.StageStays}
}

// boxOf describes a server with its accounts, in lines of at most so many
// columns.
func (v *View) boxOf(p *plan.Plan, s *schema.FoundServer, name, role string, most int) box {
	b := box{title: role + ": " + named(name)}
	add := func(paint ink, label, text string) {
		for _, l := range fold(text, most-cells(label)) {
			b.lines = append(b.lines, boxLine{label + l, paint})
			label = strings.Repeat(" ", cells(label))
		}
	}
	switch {
	case s == nil || s.Presence == schema.Absent:
		add(v.style.faint, "", "not there yet")
	case s.Presence == schema.Unreachable:
		add(v.style.red, "", "does not answer: "+clean(s.Error))
	default:
		add(nil, "", architecture(p.Config, s.Architecture))
		if len(s.Listening) > 0 {
			add(nil, "", "answers on "+clean(strings.Join(s.Listening, ", ")))
		} else {
			add(v.style.yellow, "", "answers on no service address")
		}
		if s.TotalBytes > 0 {
			add(nil, "", size(s.FreeBytes)+" of "+size(s.TotalBytes)+" free")
		}
		if s.Seal != nil {
			add(v.style.yellow, "", "sealed: nothing starts here")
		}
	}
	b.lines = append(b.lines, boxLine{})
	v.stages(p, name, add)
	return b
}

// architecture says which one a server has, and whether it is the new one.
func architecture(cfg *schema.Config, found string) string {
	s := "architecture " + named(found)
	switch want := cfg.Migration.Architecture; {
	case found == "":
		return "architecture not known"
	case want == "":
		return s
	case want == found:
		return s + " (new)"
	}
	return s + " (old)"
}

// mostNames is how many accounts of one stage are named in a box.
const mostNames = 6

// stages lists the accounts on a server: names where they are few, else their
// number.
func (v *View) stages(p *plan.Plan, server string, add func(paint ink, label, text string)) {
	by := map[string][]string{}
	bytes := map[string]int64{}
	for i := range p.Accounts {
		if a := &p.Accounts[i]; a.Where == server {
			by[a.Stage] = append(by[a.Stage], a.Name)
			bytes[a.Stage] += a.Bytes
		}
	}
	if len(by) == 0 {
		add(v.style.faint, "", "no account")
		return
	}
	order := stageOrder()
	for stage := range by {
		if !slices.Contains(order, stage) {
			order = append(order, stage)
		}
	}
	slices.Sort(order[len(stageOrder()):])
	for _, stage := range order {
		list := by[stage]
		if len(list) == 0 {
			continue
		}
		text := names(list, mostNames)
		if len(list) > mostNames && !v.verbose {
			text = plural(len(list), "account")
			if bytes[stage] > 0 {
				text += ", " + size(bytes[stage])
			}
		} else if v.verbose {
			text = names(list, len(list))
		}
		var paint ink
		if stage == plan.StageBlocked || stage == plan.StageUnknown {
			paint = v.style.red
		}
		add(paint, padded(clean(strings.ReplaceAll(stage, "_", " ")), 12)+" ", text)
	}
}

// draw prints boxes side by side, or below each other where there is no room.
func (v *View) draw(p *plan.Plan, source, transit *schema.FoundServer) {
	m := p.Config.Migration
	const between = 4
	wide := (v.width - between) / 2
	if v.width < columns {
		wide = v.width
	}
	a := v.boxOf(p, source, m.Source, "source", wide-boxFrame)
	b := v.boxOf(p, transit, m.Transit, "transit", wide-boxFrame)
	if v.width < columns {
		for _, x := range []box{a, b} {
			v.line("%s", strings.Join(v.framed(x, wide, len(x.lines)), "\n"))
		}
		return
	}
	high := max(len(a.lines), len(b.lines))
	left, right := v.framed(a, wide, high), v.framed(b, wide, high)
	for i := range left {
		gap := strings.Repeat(" ", between)
		if i == 1 {
			gap = " " + arrow(p) + " "
		}
		v.line("%s%s%s", left[i], gap, right[i])
	}
}

// arrow shows which way accounts go next.
func arrow(p *plan.Plan) string {
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Op == plan.OpSwitch && !s.Undo {
			if s.To == p.Config.Migration.Transit {
				return "─▶"
			}
			return "◀─"
		}
	}
	return "  "
}

// framed draws a box of so many columns and so many lines inside.
func (v *View) framed(b box, wide, high int) []string {
	title := shorten(b.title, wide-6)
	out := []string{"┌─ " + v.style.bold(title) + " " + strings.Repeat("─", max(0, wide-5-cells(title))) + "┐"}
	for i := range high {
		var l boxLine
		if i < len(b.lines) {
			l = b.lines[i]
		}
		text := padded(l.text, wide-boxFrame)
		if l.paint != nil {
			text = l.paint(text)
		}
		out = append(out, "│ "+text+" │")
	}
	return append(out, "└"+strings.Repeat("─", wide-2)+"┘")
}

// phaseCell is the width of one phase in the bar of phases.
const phaseCell = 10

// phaseBar draws the phases of the process: done, the one that it is in, ahead.
func (v *View) phaseBar(p *plan.Plan) {
	var top, bar []string
	for _, ph := range p.Phases {
		name := padded(clean(ph.Name), phaseCell-1)
		switch ph.State {
		case plan.PhaseAbsent:
			continue
		case plan.PhaseDone:
			top, bar = append(top, v.style.green(name)), append(bar, v.style.green("✓━━━━━━━━"))
		case plan.PhaseCurrent:
			top, bar = append(top, v.style.blue(name)), append(bar, v.style.blue("▶━━━┄┄┄┄┄"))
		default:
			top, bar = append(top, v.style.faint(name)), append(bar, v.style.faint("·┄┄┄┄┄┄┄┄"))
		}
	}
	each := max(1, (v.width+1)/phaseCell)
	for len(top) > 0 {
		n := min(each, len(top))
		v.line("%s", strings.TrimRight(strings.Join(top[:n], " "), " "))
		v.line("%s", strings.TrimRight(strings.Join(bar[:n], " "), " "))
		top, bar = top[n:], bar[n:]
	}
}
