package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Approval is somebody's word about gates.
type Approval struct {
	Gate     string    // glob over ids of gates, as in 'verify.accept[*]'
	By       string    // who approves
	Evidence string    // digest that was looked at; empty: the one that the plan shows now
	At       time.Time // when it was given; zero: now
	Note     string
}

// Approver writes approvals and takes them away. It needs neither claim nor
// lock: facts only ever add up.
type Approver struct {
	State   state.Store
	Servers map[string]providers.Server // present ones; each that keeps facts gets them
	Clock   state.Clock
}

// Approve closes the open gates that match, with the evidence that a fresh plan
// shows for them, and returns them. It refuses all of them when one has no
// evidence yet, or other evidence than was looked at.
func (a *Approver) Approve(ctx context.Context, p *plan.Plan, want Approval) ([]plan.Gate, error) {
	gates, err := a.matching(p, want.Gate)
	if err != nil {
		return nil, err
	}
	for _, g := range gates {
		switch {
		case g.Evidence == "":
			return nil, &RefusedError{Reason: fmt.Sprintf("gate %s has no evidence yet: there is nothing to approve until what comes before it is done", g.ID)}
		case want.Evidence != "" && want.Evidence != g.Evidence:
			return nil, &RefusedError{Reason: fmt.Sprintf("gate %s shows other evidence now (%s) than what was looked at (%s): look again", g.ID, g.Evidence, want.Evidence)}
		}
	}
	known, err := a.facts(ctx)
	if err != nil {
		return nil, err
	}
	var facts []schema.Fact
	for _, g := range gates {
		f, err := a.approval(g, want, known)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return gates, a.write(ctx, facts)
}

// matching are the gates of a plan that can be approved now and match a glob.
func (a *Approver) matching(p *plan.Plan, glob string) ([]plan.Gate, error) {
	var gates, closed []plan.Gate
	for _, g := range p.Gates {
		switch {
		case !matches(glob, g.ID):
		case g.Closed == "":
			gates = append(gates, g)
		default:
			closed = append(closed, g)
		}
	}
	open := slices.DeleteFunc(slices.Clone(gates), func(g plan.Gate) bool { return !g.Open })
	switch {
	case len(gates) == 0 && len(closed) > 0:
		return nil, &RefusedError{Reason: fmt.Sprintf("gate %s is closed already: %s", closed[0].ID, closed[0].Closed)}
	case len(gates) == 0:
		return nil, &RefusedError{Reason: fmt.Sprintf("no gate that waits matches %q: see the gates with status", glob)}
	case len(open) == 0 && !strings.ContainsAny(glob, "*?"):
		return nil, &RefusedError{Reason: fmt.Sprintf("gate %s is not open yet: there is nothing to approve until what comes before it is done", gates[0].ID)}
	case len(open) == 0:
		return nil, &RefusedError{Reason: fmt.Sprintf("none of the %s that match %q is open yet", count(len(gates), "gate"), glob)}
	}
	return open, nil
}

func matches(glob string, id plan.ID) bool { return glob == string(id) || plan.Glob(glob, string(id)) }

// approval makes the fact. An approval that was taken away stays taken away, so
// that giving it again needs an id of its own.
func (a *Approver) approval(g plan.Gate, want Approval, known []schema.Fact) (schema.Fact, error) {
	now := a.now()
	at := want.At
	if at.IsZero() {
		at = now
	}
	if at.After(now) {
		return schema.Fact{}, &RefusedError{Reason: fmt.Sprintf("an approval cannot be given in the future (%s)", at.UTC().Format(time.RFC3339))}
	}
	value, err := json.Marshal(schema.Approval{Gate: string(g.ID), By: want.By, Evidence: g.Evidence, When: at.UTC(), Note: want.Note})
	if err != nil {
		return schema.Fact{}, fmt.Errorf("approve %s: %w", g.ID, err)
	}
	id := plan.ApprovalID(g.ID, g.Evidence)
	for n := 2; revoked(known, id); n++ {
		id = plan.ApprovalID(g.ID, g.Evidence) + "/" + strconv.Itoa(n)
	}
	return schema.Fact{ID: id, Kind: schema.FactApproval, Account: g.Account, Value: value, By: want.By, At: at.UTC()}, nil
}

func revoked(facts []schema.Fact, id string) bool {
	return slices.ContainsFunc(facts, func(f schema.Fact) bool { return f.ID == id && f.Revoked })
}

// Revoke takes away the approvals of the gates that match, and returns them. A
// gate that a fresh plan does not have any more was passed: what its approval
// allowed is done, and rolling that back is a plan of its own.
func (a *Approver) Revoke(ctx context.Context, p *plan.Plan, glob, by string) ([]schema.Approval, error) {
	known, err := a.facts(ctx)
	if err != nil {
		return nil, err
	}
	var gone []schema.Fact
	var taken []schema.Approval
	for _, f := range known {
		var v schema.Approval
		if f.Kind != schema.FactApproval || f.Revoked || json.Unmarshal(f.Value, &v) != nil || !matches(glob, plan.ID(v.Gate)) {
			continue
		}
		if !slices.ContainsFunc(p.Gates, func(g plan.Gate) bool { return string(g.ID) == v.Gate }) {
			return nil, &RefusedError{Reason: fmt.Sprintf("the approval of %s was used already; going back is a rollback, not a revocation", v.Gate)}
		}
		f.Revoked, f.By, f.At = true, by, a.now()
		gone, taken = append(gone, f), append(taken, v)
	}
	if len(gone) == 0 {
		return nil, &RefusedError{Reason: fmt.Sprintf("no approval matches %q", glob)}
	}
	return taken, a.write(ctx, gone)
}

// facts is what the store and the servers remember.
func (a *Approver) facts(ctx context.Context) ([]schema.Fact, error) {
	log, err := a.State.Load(ctx)
	if err != nil {
		return nil, err
	}
	all := [][]schema.Fact{log.Past().Facts}
	for name, s := range a.Servers {
		k := s.Abilities().Keeper
		if k == nil {
			continue
		}
		facts, err := k.Facts(ctx)
		if errors.Is(err, providers.ErrAbsent) || errors.Is(err, providers.ErrUnreachable) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the facts on server %s: %w", schema.QuoteName(name), err)
		}
		all = append(all, facts)
	}
	return schema.UnionFacts(all...), nil
}

// write puts facts in the store first; the servers that cannot be reached get
// them with the next run.
func (a *Approver) write(ctx context.Context, facts []schema.Fact) error {
	events := make([]state.Event, len(facts))
	for i := range facts {
		events[i] = state.Event{What: state.FactLearned, At: a.now(), Fact: &facts[i]}
	}
	if err := a.State.Append(ctx, events...); err != nil {
		return err
	}
	if err := a.State.Flush(ctx); err != nil {
		return err
	}
	for name, s := range a.Servers {
		k := s.Abilities().Keeper
		if k == nil {
			continue
		}
		err := k.AddFacts(ctx, facts)
		if err != nil && !errors.Is(err, providers.ErrAbsent) && !errors.Is(err, providers.ErrUnreachable) {
			return fmt.Errorf("the approval is in the state store, but not on server %s: %w", schema.QuoteName(name), err)
		}
	}
	return nil
}

func (a *Approver) now() time.Time {
	if a.Clock == nil {
		return time.Now().UTC()
	}
	return a.Clock.Now().UTC()
}
