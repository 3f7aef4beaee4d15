package view

import (
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/plan"
)

// move is one account that changes its server in a plan.
type move struct {
	account  string
	route    []string // servers, the one where it is first
	bytes    int64
	downtime time.Duration // of all its cutovers
	cutovers []Planned
}

// movesOf are the accounts that a plan moves, in its order. What is projected
// is among them.
func movesOf(p *plan.Plan) []*move {
	at := map[string]*move{}
	var out []*move
	down := map[string]time.Duration{} // by group: a prediction lies on all of a cutover's steps
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Group != "" && !s.Undo {
			down[s.Group] += s.Estimate.Downtime
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Op != plan.OpSwitch || s.Undo {
			continue
		}
		m := at[s.Account]
		if m == nil {
			m = &move{account: s.Account, route: []string{s.From}}
			at[s.Account] = m
			out = append(out, m)
		}
		m.route = append(m.route, s.To)
		m.downtime += down[s.Group]
		m.cutovers = append(m.cutovers, Planned{Group: s.Group, To: s.To, Downtime: down[s.Group], Confidence: s.Estimate.Confidence, Projected: s.Projected})
	}
	for i := range p.Accounts {
		if m := at[p.Accounts[i].Name]; m != nil {
			m.bytes = p.Accounts[i].Bytes
			if p.Accounts[i].Downtime > 0 {
				m.downtime = p.Accounts[i].Downtime
			}
		}
	}
	return out
}

func (m *move) way() string {
	var out []string
	for _, s := range m.route {
		out = append(out, named(s))
	}
	return strings.Join(out, " → ")
}

func sentenceOf(m *move) string { return named(m.account) + " moves " + m.way() }

// mostRows is how many rows a table has without --verbose.
const mostRows = 12

// moves lists the accounts that move, or sums them up.
func (v *View) moves(list []*move) {
	if len(list) == 0 {
		return
	}
	v.heading("What moves:")
	if len(list) > mostRows && !v.verbose {
		v.routes(list)
		return
	}
	var rows [][]string
	for _, m := range list {
		rows = append(rows, []string{named(m.account), m.way(), sized(m.bytes), down(m.downtime)})
	}
	v.table("  ", rows, nil)
}

func sized(n int64) string {
	if n == 0 {
		return ""
	}
	return size(n)
}

func down(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return "down " + took(d)
}

// mostLongest is how many of the longest downtimes are named in a summary.
const mostLongest = 5

// routes sums moves up: one row for each way, and who is down for longest.
func (v *View) routes(list []*move) {
	type sum struct {
		n     int
		bytes int64
		down  time.Duration
	}
	var ways []string
	sums := map[string]*sum{}
	for _, m := range list {
		w := m.way()
		s := sums[w]
		if s == nil {
			s = &sum{}
			sums[w] = s
			ways = append(ways, w)
		}
		s.n++
		s.bytes += m.bytes
		s.down += m.downtime
	}
	var rows [][]string
	for _, w := range ways {
		s := sums[w]
		d := ""
		if s.down > 0 {
			d = down(s.down) + " in all"
		}
		rows = append(rows, []string{plural(s.n, "account"), w, sized(s.bytes), d})
	}
	v.table("  ", rows, nil)
	longest := slices.Clone(list)
	slices.SortStableFunc(longest, func(a, b *move) int { return int(b.downtime/time.Microsecond - a.downtime/time.Microsecond) })
	if longest[0].downtime == longest[len(longest)-1].downtime {
		return
	}
	var out []string
	for _, m := range longest[:mostLongest] {
		out = append(out, named(m.account)+" "+took(m.downtime))
	}
	v.item("  ", "", nil, "Down for longest: "+strings.Join(out, ", ")+". --verbose shows every account.", nil)
}
