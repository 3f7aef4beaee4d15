package report

import (
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// memory is what the facts say, by what a report asks of them.
type memory struct {
	moves    map[string][]Move // by account, in their order
	disposed map[string]*schema.Fact
	once     []Milestone
	trials   []schema.TrialFact
}

func remember(facts []schema.Fact) *memory {
	m := &memory{moves: map[string][]Move{}, disposed: map[string]*schema.Fact{}}
	probed := map[string]plan.ProbedFact{}
	for i := range facts {
		f := &facts[i]
		if f.Revoked {
			continue
		}
		switch f.Kind {
		case schema.FactMigrated, schema.FactRolledBack:
			m.move(f)
		case schema.FactProbed:
			var v plan.ProbedFact
			if decode(f, &v) {
				probed[f.ID] = v
			}
		case schema.FactDisposed:
			m.disposed[f.ID] = f
		case schema.FactHandover:
			m.once = append(m.once, Milestone{At: f.At, What: "handover", Server: f.Server, By: f.By})
		case schema.FactReinstall:
			m.once = append(m.once, Milestone{At: f.At, What: "reinstalled", Server: f.Server, By: f.By})
		case schema.FactReleased:
			m.once = append(m.once, Milestone{At: f.At, What: "released", Server: f.Server, By: f.By})
		case schema.FactTrial:
			var v schema.TrialFact
			if decode(f, &v) {
				m.trials = append(m.trials, v)
			}
		}
	}
	for name, list := range m.moves {
		slices.SortStableFunc(list, func(a, b Move) int { return compareEpochs(a, b) })
		for i := range list {
			if v, ok := probed[plan.ProbedID(name, list[i].Epoch)]; ok {
				list[i].Probed = "different"
				if v.OK {
					list[i].Probed = "as before"
				}
			}
		}
	}
	return m
}

func compareEpochs(a, b Move) int {
	switch {
	case a.Epoch < b.Epoch:
		return -1
	case a.Epoch > b.Epoch:
		return 1
	}
	return a.At.Compare(b.At)
}

func (m *memory) move(f *schema.Fact) {
	var v schema.MigratedFact
	if !decode(f, &v) {
		return
	}
	name := accountOf(f)
	m.moves[name] = append(m.moves[name], Move{At: f.At, By: f.By, Epoch: v.Epoch, To: v.To, Back: f.Kind == schema.FactRolledBack,
		Downtime: v.Downtime, Outside: v.Outside, Predicted: v.Predicted, Confidence: v.Confidence})
}

// accountOf is the account that a fact is about. Its id holds the name escaped:
// the field may have been through JSON, which keeps no byte that is not UTF-8.
func accountOf(f *schema.Fact) string {
	_, rest, _ := strings.Cut(f.ID, "/")
	escaped, _, _ := strings.Cut(rest, "/")
	if name, err := schema.UnescapeName(escaped); err == nil {
		return name
	}
	return f.Account
}

// approvals are all words about gates, those in the configuration too, by time.
func approvals(cfg *schema.Config, facts []schema.Fact) []Approval {
	out := []Approval{}
	for i := range facts {
		var v schema.Approval
		if facts[i].Kind == schema.FactApproval && decode(&facts[i], &v) {
			at := v.When
			if at.IsZero() {
				at = facts[i].At
			}
			out = append(out, Approval{Gate: v.Gate, By: v.By, At: at, Evidence: v.Evidence, Note: v.Note, Revoked: facts[i].Revoked})
		}
	}
	for _, a := range cfg.Migration.Approvals {
		out = append(out, Approval{Gate: a.Gate, By: a.By, At: a.When, Evidence: a.Evidence, Note: a.Note, Config: true})
	}
	slices.SortStableFunc(out, func(a, b Approval) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Gate, b.Gate)
	})
	return out
}

// dispositions are what was asked for of what does not move, and when it was
// done.
func dispositions(cfg *schema.Config, past *memory) []Disposition {
	out := []Disposition{}
	for _, s := range cfg.Migration.Stays {
		d := Disposition{Account: s.Account, Action: s.Action, Reason: s.Reason}
		past.done(&d, plan.RetiredAccountID(s.Account), plan.DisposedAccountID(s.Account))
		out = append(out, d)
	}
	for _, r := range cfg.Migration.Residue {
		d := Disposition{Path: r.Path, Action: r.Action, Reason: r.Reason}
		past.done(&d, plan.DisposedResidueID(r.Path))
		out = append(out, d)
	}
	return out
}

// done fills in when a disposition was carried out, by its last fact, and what
// was kept.
func (m *memory) done(d *Disposition, ids ...string) {
	for _, id := range ids {
		f := m.disposed[id]
		if f == nil {
			continue
		}
		d.At = latest(d.At, f.At)
		var v plan.DisposedFact
		if decode(f, &v) && v.Ref != "" {
			d.Ref = v.Ref
		}
	}
}

// Since is when the last thing that is remembered of an account happened, or
// of any where the name is empty: what waits for somebody has waited since then.
// Words about gates do not count.
func Since(facts []schema.Fact, account string) time.Time {
	var at time.Time
	for i := range facts {
		f := &facts[i]
		if f.Revoked || f.Kind == schema.FactApproval || account != "" && accountOf(f) != account {
			continue
		}
		at = latest(at, f.At)
	}
	return at
}
