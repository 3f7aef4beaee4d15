package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// PlanDocument is a plan for programs: all that the plan holds, and the version
// of the format.
type PlanDocument struct {
	FormatVersion string `json:"format_version"`
	*plan.Plan
	Notes []string `json:"notes,omitempty"` // about the state store
}

// Planned shows the plan that a run begins with. For programs it is the first
// messages of the run's stream.
func (v *View) Planned(p *plan.Plan, notes []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.planMessages(p, notes)
	if !v.json {
		v.planText(p, notes, "")
		v.planned, v.told, v.acted = allFindings(p), true, false
	}
}

// Plan shows a plan: the verdict, findings, what moves, phase by phase what is
// left, when, and who must do what. saved is the file that it was written to.
func (v *View) Plan(p *plan.Plan, notes []string, saved string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.give(PlanDocument{FormatVersion, p, notes}) {
		v.planText(p, notes, saved)
	}
}

func (v *View) planText(p *plan.Plan, notes []string, saved string) {
	all := allFindings(p)
	x := judge(p, all)
	for _, n := range notes {
		v.item("", "Note:", v.style.yellow, clean(n), nil)
	}
	if x.word == wordNothing { // what is left to say may still be worth it
		v.findings(all)
		v.verdict(x)
		return
	}
	v.verdict(x)
	v.gap()
	v.findings(unfolded(p))
	v.moves(x.moves)
	if len(p.Steps) > 0 {
		v.heading("Phase by phase:")
		all, reach := rows(p), reachOf(p)
		for _, ph := range p.Phases {
			v.phase(ph, all[ph.Name], reach.left(p, ph))
		}
		v.legend(p)
	}
	if v.verbose {
		v.steps(p)
	}
	v.altered(p)
	v.timetable(p)
	v.deadlines(p)
	v.cost(p)
	v.noReturn(p)
	v.gates(p, v.verbose)
	v.last(p, x, saved)
}

// Words that a plan's verdict begins with.
const (
	wordNothing = "Nothing to do."
	wordBlocked = "Blocked."
	wordWaiting = "Waiting for somebody."
	wordPart    = "Can be applied in part:"
	wordNow     = "Can be applied now:"
)

// verdict is what a plan comes to.
type verdict struct {
	word     string
	sentence string   // after the word
	outlook  []string // when, how long down, what it costs; one sentence each
	run      int      // steps that can run now
	ahead    int      // steps behind gates
	moves    []*move
}

func judge(p *plan.Plan, all []schema.Finding) verdict {
	x := verdict{moves: movesOf(p)}
	s := summary(p, len(x.moves))
	x.run, x.ahead = s.Steps, s.Projected
	stops, open := blocking(all), len(p.Waiting())
	switch {
	case len(p.Steps) == 0 && open == 0 && stops == 0:
		x.word, x.sentence = wordNothing, nothing(p, all)
		return x
	case len(p.Refusals()) > 0:
		x.word, x.sentence = wordBlocked, "Nothing is done as long as a policy of the configuration forbids it."
	case x.run == 0 && stops > 0 && open > 0:
		x.word, x.sentence = wordBlocked, "No step can run before somebody has acted, or has mended what the blockers say."
	case x.run == 0 && stops > 0:
		x.word, x.sentence = wordBlocked, "Nothing can be done until what the blockers say is mended."
	case x.run == 0:
		x.word, x.sentence = wordWaiting, "No step can run before somebody has acted; the end of this text says who."
	case stops > 0:
		x.word, x.sentence = wordPart, what(p, x.moves)+". "+stopped(p, stops)
	default:
		x.word, x.sentence = wordNow, what(p, x.moves)+"."
	}
	x.outlook = outlook(p, all)
	return x
}

// what says how many accounts a plan is about.
func what(p *plan.Plan, moves []*move) string {
	m := p.Config.Migration
	n := len(moves)
	if n == 0 {
		n = acted(p)
	}
	s := plural(n, "account")
	if len(p.Goal.Rollback) > 0 {
		s += " back to " + named(m.Source)
	}
	return s + ", migration " + named(p.Migration) + " by process " + named(m.Process)
}

// acted counts the accounts that a plan has steps for, or all if it has none.
func acted(p *plan.Plan) int {
	seen := map[string]bool{}
	for i := range p.Steps {
		if a := p.Steps[i].Account; a != "" {
			seen[a] = true
		}
	}
	if len(seen) == 0 {
		return len(p.Accounts)
	}
	return len(seen)
}

// nothing says why there is nothing to do: at the end of the journey, or before
// it, because what was asked for is done or has to wait for accounts that were
// left out.
func nothing(p *plan.Plan, all []schema.Finding) string {
	r := reachOf(p)
	switch {
	case slices.ContainsFunc(all, func(f schema.Finding) bool { return f.Code == "downtime-postponed" }):
		return "What is left waits until a cutover is predicted to fit its budget."
	case r.whole:
		return "Every account is where it belongs."
	case r.asked && slices.ContainsFunc(p.Accounts, func(a plan.AccountPlan) bool { return held(p.Goal, a) }):
		return "The accounts that were asked for go no further before the others are as far as they are. Plan without --account."
	case r.asked:
		if u := p.Goal.Until; u != "" {
			return "What was asked for, until " + clean(u) + ", is done."
		}
		return "What was asked for is done; the journey is not over."
	case len(p.Goal.Accounts) > 0:
		return "The accounts that were asked for are as far as they can be: " + r.why(p, all) + ". Plan without --account."
	}
	return "The journey is not over: " + r.why(p, all) + "."
}

// held says whether an account that was asked for has not come as far as that:
// a barrier of the process waits for accounts that were left out.
func held(g plan.Goal, a plan.AccountPlan) bool {
	esc, err := schema.EscapeName(a.Name)
	if err != nil || len(g.Accounts) == 0 || !schema.MatchAny(g.Accounts, esc) {
		return false
	}
	switch a.Stage {
	case plan.StageAtSource:
		return g.Until != schema.PhasePrepare
	case plan.StagePrepared:
		return g.Until != schema.PhasePrepare && g.Until != schema.PhaseRequest && g.Until != schema.PhaseInstall
	}
	return false
}

// stopped says how much of a plan its blockers stop.
func stopped(p *plan.Plan, blockers int) string {
	n := 0
	for i := range p.Accounts {
		if p.Accounts[i].Blocked != "" {
			n++
		}
	}
	s := plural(blockers, "blocker")
	switch n {
	case 0:
		return s + " further on."
	case 1:
		return s + "; 1 account is stopped."
	}
	return s + "; " + number(int64(n)) + " accounts are stopped."
}

// outlook says when a plan ends, how long accounts are down, and what it costs.
func outlook(p *plan.Plan, all []schema.Finding) []string {
	var out []string
	if s := reachOf(p).short(p, all); s != "" {
		out = append(out, s)
	}
	d, c := &p.Dates, clockOf(p.Config)
	switch {
	case !d.Ends.IsZero():
		s := "Ends " + c.moment(d.Ends) + " (" + c.name
		if d.Ends.After(d.Computed) && !d.Computed.IsZero() {
			s += ", in " + took(d.Ends.Sub(d.Computed).Round(time.Minute))
		}
		out = append(out, s+")"+earliest(d)+".")
	case d.FromHand != "":
		out = append(out, "Ends "+strings.TrimPrefix(clean(d.FromHand), "+")+" after the hand-over of the transit server, whose date is not known"+earliest(d)+".")
	}
	if p.Downtime.Max > 0 {
		out = append(out, downtimes(p)+".")
	}
	for i := range d.Deadlines {
		if x := &d.Deadlines[i]; x.Missed {
			out = append(out, missed(c, x))
		}
	}
	if s := costBrief(d.Cost); s != "" {
		out = append(out, s)
	}
	return out
}

func earliest(d *plan.Dates) string {
	if d.Earliest {
		return ", at the earliest"
	}
	return ""
}

// missed is a deadline in the verdict; below it stands why.
func missed(c clock, d *plan.Deadline) string {
	day := c.day(d.At.Add(-time.Second))
	if d.What == "forced_on" {
		day = c.day(d.At)
	}
	if d.Slack == 0 {
		return "Cannot keep " + day + "."
	}
	return "Will miss " + day + " by " + days(d.Slack) + "."
}

func downtimes(p *plan.Plan) string {
	s := "Predicted downtime: at most " + took(p.Downtime.Max) + " for one account"
	if p.Downtime.Of != "" {
		s += " (" + named(p.Downtime.Of) + ")"
	}
	s += ", " + took(p.Downtime.Total) + " in all"
	if d := rerouted(p); d != "" {
		s += "; besides, up to " + d + " for all of them each time the addresses change hands"
	}
	return s
}

func (v *View) verdict(x verdict) {
	paint := v.style.green
	switch x.word {
	case wordBlocked:
		paint = v.style.red
	case wordPart, wordWaiting:
		paint = v.style.yellow
	}
	v.lead(x.word, paint, x.sentence)
	for _, s := range x.outlook {
		v.item("", "", nil, s, nil)
	}
}

// lead prints a sentence whose first words are painted.
func (v *View) lead(word string, paint ink, sentence string) {
	for i, l := range fold(word+" "+sentence, v.width) {
		if n := len(word); i == 0 && len(l) >= n {
			l = paint(l[:n]) + l[n:]
		}
		v.line("%s", l)
	}
}

// last is what stays before the eyes of somebody who scrolled down.
func (v *View) last(p *plan.Plan, x verdict, saved string) {
	v.gap()
	s := fmt.Sprintf("%s now, %s behind gates.", plural(x.run, "step"), number(int64(x.ahead)))
	if p.Downtime.Max > 0 {
		s += " At most " + took(p.Downtime.Max) + " down."
	}
	if x.word == wordBlocked {
		s += " Blocked."
	}
	v.lead("Plan:", v.style.bold, s)
	if saved == "" {
		return
	}
	v.gap()
	if p.Blocked() {
		v.item("", "", nil, "Saved the plan to "+whole(saved)+". It has blockers: apply refuses this file.", nil)
		return
	}
	v.item("", "", nil, "Saved the plan to "+whole(saved)+". To do exactly this, run:", nil)
	start := "stopover apply "
	if name := ConfirmedWipe(p); name != "" {
		start += "--confirm-reinstall " + shellWord(name) + " "
	}
	v.command("    ", start, saved)
}

// row is one line of a phase: the same op on several accounts is one row.
type row struct {
	text     string
	accounts []string
	last     string // account that was counted last
	first    *plan.Step
	group    string        // the cutover that is being added up
	down     time.Duration // of it, so far
	longest  plan.Estimate
}

func (v *View) phase(ph plan.PhaseState, list []*row, left string) {
	switch ph.State {
	case plan.PhaseAbsent:
		return
	case plan.PhaseDone:
		v.line("  %s %s", v.style.green("✓"), ph.Name)
		if ph.Left == 0 {
			return
		}
	default:
		mark := " "
		if ph.State == plan.PhaseCurrent {
			mark = v.style.blue("▶")
		}
		v.line("  %s %s %s", mark, v.style.bold(padded(ph.Name, 10)), v.style.faint(left))
	}
	for _, r := range list {
		v.row(r)
	}
}

// legend says what the marks before steps mean, where both occur.
func (v *View) legend(p *plan.Plan) {
	run, wait := false, false
	for i := range p.Steps {
		if s := &p.Steps[i]; !s.Undo {
			run, wait = run || !s.Projected, wait || s.Projected
		}
	}
	if run && wait {
		v.item("  ", "", nil, "+ can be done now   · only after somebody has acted", v.style.faint)
	}
}

type rowKey struct {
	phase        string
	op           plan.Op
	part, object string
	from, to     string
}

// rows folds steps of a phase that differ only in their account.
func rows(p *plan.Plan) map[string][]*row {
	out := map[string][]*row{}
	at := map[rowKey]*row{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Undo {
			continue
		}
		k := keyOf(s)
		k.phase = s.Phase
		r := at[k]
		if r == nil {
			r = &row{first: s, text: rowText(s)}
			at[k] = r
			out[s.Phase] = append(out[s.Phase], r)
		}
		// What a cutover is predicted to take is spread over its steps.
		if s.Group == "" || s.Group != r.group {
			r.group, r.down = s.Group, 0
		}
		if r.down += s.Estimate.Downtime; r.down > r.longest.Downtime {
			r.longest = plan.Estimate{Downtime: r.down, Confidence: s.Estimate.Confidence}
		}
		if s.Account != "" && s.Account != r.last {
			r.last = s.Account
			r.accounts = append(r.accounts, s.Account)
		}
	}
	for _, r := range at {
		r.accounts = once(r.accounts)
	}
	return out
}

// once is a list with each name once, in its order.
func once(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(s string) bool {
		twice := seen[s]
		seen[s] = true
		return twice
	})
}

// keyOf is what steps of one row have in common. A cutover is one row.
func keyOf(s *plan.Step) rowKey {
	switch {
	case s.Account == "":
		return rowKey{op: s.Op, object: string(s.ID)}
	case s.Group != "":
		return rowKey{op: "cutover", to: s.To}
	case s.Op == plan.OpGate:
		return rowKey{op: s.Op, part: s.Actor, object: s.Why}
	case s.Op == plan.OpRemoveRuntime, s.Op == plan.OpRestoreRuntime:
		return rowKey{op: s.Op, object: quoted(s.Objects), to: s.Server}
	}
	return rowKey{op: s.Op, part: s.Part, from: s.From, to: s.To, object: s.Server}
}

func rowText(s *plan.Step) string {
	if s.Account != "" && s.Group != "" {
		return "move to " + named(s.To) + ": freeze, copy what changed, compare, switch"
	}
	return describe(s)
}

func (v *View) row(r *row) {
	mark, markInk, paint := "+", ink(nil), ink(nil)
	if r.first.Projected {
		mark, markInk = "·", v.style.faint
	}
	text := r.text
	if len(r.accounts) > 0 {
		text += ": " + few(r.accounts, v.most(4))
	}
	if r.longest.Downtime > 0 {
		text += fmt.Sprintf(" (down for up to %s, %s)", took(r.longest.Downtime), confidence(r.longest.Confidence))
	}
	if r.first.Op == plan.OpReinstall {
		text += ": point of no return"
		paint = v.style.red
	}
	v.item("      ", mark, markInk, text, paint)
}

// altered lists what does not arrive as it was: the same change of several
// accounts is one line.
func (v *View) altered(p *plan.Plan) {
	if len(p.Altered) == 0 {
		return
	}
	v.heading("Will not arrive as it was:")
	list := alteredOf(p.Altered)
	for i, a := range list {
		if i == mostRows && !v.verbose && len(list) > mostRows+1 {
			v.item("  ", "", nil, "… and "+number(int64(len(list)-i))+" more; --verbose shows all", v.style.faint)
			return
		}
		text := a.text
		switch n := len(a.accounts); {
		case n == 1:
			text = about(a.accounts[0]) + text
		case n > 1:
			text += ": " + plural(n, "account") + ": " + names(a.accounts, v.most(6))
		}
		v.item("  ", "~", v.style.yellow, text, nil)
	}
}

// change is one thing that several accounts do not keep.
type change struct {
	text     string
	accounts []string
}

func alteredOf(list []plan.Altered) []*change {
	var out []*change
	at := map[string]*change{}
	for i := range list {
		a := &list[i]
		text := clean(a.Object) + ": " + clean(a.From) + " → " + clean(a.To)
		if a.Why != "" {
			text += " (" + clean(a.Why) + ")"
		}
		c := at[text]
		if c == nil {
			c = &change{text: text}
			at[text] = c
			out = append(out, c)
		}
		if a.Account != "" {
			c.accounts = append(c.accounts, a.Account)
		}
	}
	return out
}

// noReturn says where the way back ends.
func (v *View) noReturn(p *plan.Plan) {
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Op == plan.OpReinstall })
	if i < 0 {
		return
	}
	name := p.Steps[i].Server
	v.heading("Point of no return:")
	v.item("  ", "", nil, "The reinstallation of "+named(name)+". What is on it then is gone, and no account can go back to how it was there. It begins only when its name was typed:", nil)
	v.command("    ", "stopover apply --confirm-reinstall ", name)
}

// steps lists every step with its id, for whoever wants to know exactly.
func (v *View) steps(p *plan.Plan) {
	v.heading("Every step:")
	for i := range p.Steps {
		s := &p.Steps[i]
		mark := "+"
		switch {
		case s.Undo:
			mark = "↶"
		case s.Projected:
			mark = "·"
		}
		text := clean(string(s.ID))
		if s.Estimate.Duration > 0 {
			text += "  " + took(s.Estimate.Duration)
		}
		v.item("  ", mark, nil, text, nil)
	}
}
