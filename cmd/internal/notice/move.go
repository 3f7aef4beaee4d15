package notice

import (
	"slices"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// movesOf are the moves that are left, by account. What a plan's steps hold is
// what takes place; the timetable says when.
func movesOf(p *plan.Plan) map[string][]Move {
	type key struct{ account, phase string }
	out := map[string][]Move{}
	at := map[key]int{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Account == "" || s.Group == "" || s.Undo {
			continue
		}
		k := key{s.Account, s.Phase}
		j, ok := at[k]
		if !ok {
			j = len(out[s.Account])
			at[k] = j
			home := s.To == p.Config.Migration.Source
			out[s.Account] = append(out[s.Account], Move{Phase: s.Phase, Home: home})
		}
		out[s.Account][j].Outage += s.Estimate.Downtime
	}
	for _, a := range p.Dates.Timetable {
		j, ok := at[key{a.Account, a.Phase}]
		if !ok || a.Account == "" {
			continue
		}
		out[a.Account][j].schedule(a)
	}
	for _, moves := range out {
		slices.SortStableFunc(moves, func(a, b Move) int { return phaseOrder(a.Phase) - phaseOrder(b.Phase) })
	}
	return out
}

// schedule adds when a move takes place. The timetable may have several lines
// for it: the longest outage counts, and all of the time.
func (m *Move) schedule(a plan.Appointment) {
	m.Outage = max(m.Outage, a.Downtime)
	if a.Window != "" {
		m.Window = a.Window
	}
	if a.Relative || a.Earliest || a.Begins.IsZero() { // a date that is only a lower bound is nothing to tell a customer
		m.Relative, m.After = a.Relative, a.After
		return
	}
	if !m.Known || a.Begins.Before(m.Begin) {
		m.Begin = a.Begins
	}
	end := a.Ends
	if end.IsZero() {
		end = a.Begins.Add(a.Takes)
	}
	if end.After(m.End) {
		m.End = end
	}
	m.Known = true
}

func phaseOrder(phase string) int { return slices.Index(schema.Phases(), phase) }

// rounded rounds an outage up to what one would tell somebody: nobody plans with
// 7.3 seconds, and an outage that ends early is no disappointment.
func rounded(d time.Duration) time.Duration {
	step := time.Minute
	switch {
	case d <= 0:
		return 0
	case d <= 5*time.Second:
		return 5 * time.Second
	case d <= time.Minute:
		step = 10 * time.Second
	case d <= 10*time.Minute:
	case d <= time.Hour:
		step = 5 * time.Minute
	case d <= 12*time.Hour:
		step = 15 * time.Minute
	default:
		step = time.Hour
	}
	return (d + step - 1) / step * step
}
