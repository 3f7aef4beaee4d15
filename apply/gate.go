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

// Outcome is what became of each gate that an approval, or its revocation,
// could have been about.
type Outcome struct {
	Approved []plan.Gate       `json:"approved,omitempty"`
	Revoked  []schema.Approval `json:"revoked,omitempty"`
	Left     []LeftOut         `json:"left,omitempty"` // that match, and were left as they are
}

// LeftOut is a gate that matches and was left as it is.
type LeftOut struct {
	Gate plan.ID `json:"gate"`
	Why  string  `json:"why"` // for people
}

// isGlob says whether a name of gates may stand for several. Of an id's own
// characters none is one of these.
func isGlob(gate string) bool { return strings.ContainsAny(gate, "*?") }

// Approve is ApproveAll for callers that only want to know what was approved.
func (a *Approver) Approve(ctx context.Context, p *plan.Plan, want Approval) ([]plan.Gate, error) {
	out, err := a.ApproveAll(ctx, p, want)
	return out.Approved, err
}

// ApproveAll closes the open gates that match, with the evidence that a fresh
// plan shows for them. With a glob, gates that cannot be approved now are left
// with the reason, and so are those of accounts whose probes differ: nobody has
// looked at one of them by naming all. It is an error if that is all of them. A gate that is named
// must be approved, or nothing is written.
func (a *Approver) ApproveAll(ctx context.Context, p *plan.Plan, want Approval) (Outcome, error) {
	known, err := a.facts(ctx, p.Migration)
	if err != nil {
		return Outcome{}, err
	}
	var differ map[string]bool
	if isGlob(want.Gate) {
		differ = differing(p, known)
	}
	var out Outcome
	var reasons []error
	for _, g := range p.Gates {
		if !matches(want.Gate, g.ID) {
			continue
		}
		err := approvable(g, want)
		if err == nil && differ[g.Account] {
			err = &RefusedError{Reason: fmt.Sprintf("gate %s is of an account that does not answer as before: look at it, and name it to approve it all the same", g.ID)}
		}
		if err != nil {
			reasons = append(reasons, err)
			out.Left = append(out.Left, LeftOut{Gate: g.ID, Why: err.Error()})
			continue
		}
		out.Approved = append(out.Approved, g)
	}
	switch {
	case len(out.Approved) > 0:
	case len(reasons) == 0:
		return Outcome{}, &RefusedError{Reason: fmt.Sprintf("no gate that waits matches %q: see the gates with status", want.Gate)}
	case len(reasons) == 1 || !isGlob(want.Gate):
		return Outcome{Left: out.Left}, reasons[0]
	default:
		return Outcome{Left: out.Left}, &RefusedError{Reason: fmt.Sprintf("none of the %s that match %q can be approved now", count(len(reasons), "gate"), want.Gate),
			Details: firstReasons(out.Left)}
	}
	var facts []schema.Fact
	for _, g := range out.Approved {
		f, err := a.approval(g, want, known)
		if err != nil {
			return Outcome{}, err
		}
		facts = append(facts, f)
	}
	return out, a.write(ctx, facts)
}

// firstReasons are those of the first few of many gates.
func firstReasons(left []LeftOut) []string {
	const most = 5
	var list []string
	for i, l := range left {
		if i == most {
			return append(list, fmt.Sprintf("and %d more", len(left)-most))
		}
		list = append(list, l.Why)
	}
	return list
}

// approvable says why a gate cannot be approved now, or nil.
func approvable(g plan.Gate, want Approval) error {
	switch {
	case g.Closed != "":
		return &RefusedError{Reason: fmt.Sprintf("gate %s is closed already: %s", g.ID, g.Closed)}
	case !g.Open:
		return &RefusedError{Reason: fmt.Sprintf("gate %s is not open yet: there is nothing to approve until what comes before it is done", g.ID)}
	case g.Evidence == "":
		return &RefusedError{Reason: fmt.Sprintf("gate %s has no evidence yet: there is nothing to approve until what comes before it is done", g.ID)}
	case want.Evidence != "" && want.Evidence != g.Evidence:
		return &RefusedError{Reason: fmt.Sprintf("gate %s shows other evidence now (%s) than what was looked at (%s): look again", g.ID, g.Evidence, want.Evidence)}
	}
	return nil
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
	return schema.Fact{ID: id, Migration: migrationOf(known), Kind: schema.FactApproval, Account: g.Account, Value: value, By: want.By, At: at.UTC()}, nil
}

// migrationOf is the id of the migration that facts belong to; empty: it has none
// yet.
func migrationOf(facts []schema.Fact) string {
	for _, f := range facts {
		var m schema.MigrationFact
		if f.ID == schema.FactMigration && !f.Revoked && json.Unmarshal(f.Value, &m) == nil {
			return m.ID
		}
	}
	return ""
}

func revoked(facts []schema.Fact, id string) bool {
	return slices.ContainsFunc(facts, func(f schema.Fact) bool { return f.ID == id && f.Revoked })
}

// Revoke is RevokeAll for callers that only want to know what was taken away.
func (a *Approver) Revoke(ctx context.Context, p *plan.Plan, glob, by string) ([]schema.Approval, error) {
	out, err := a.RevokeAll(ctx, p, glob, by)
	return out.Revoked, err
}

// gateNow is a gate's id with the name that its account has now: an approval
// keeps the name under which it was given, and counts for the new one.
func gateNow(p *plan.Plan, id string) string {
	what, object, ok := strings.Cut(strings.TrimSuffix(id, "]"), "[")
	name, err := schema.UnescapeName(object)
	if !ok || err != nil {
		return id
	}
	if name = nameNow(p, name); p.Account(name) == nil {
		return id
	}
	return what + "[" + escape(name) + "]"
}

// nameNow is the name that an account of a plan has now.
func nameNow(p *plan.Plan, name string) string {
	if p.Config == nil {
		return name
	}
	for range p.Config.Migration.Moved {
		i := slices.IndexFunc(p.Config.Migration.Moved, func(m schema.Moved) bool { return m.From == name })
		if i < 0 || p.Account(name) != nil {
			break
		}
		name = p.Config.Migration.Moved[i].To
	}
	return name
}

// differing are the accounts whose newest probes found other answers than their
// baseline has.
func differing(p *plan.Plan, known []schema.Fact) map[string]bool {
	type answers struct {
		epoch uint64
		n     int
	}
	newest, out := map[string]answers{}, map[string]bool{}
	for i := range known {
		f := &known[i]
		parts := strings.Split(f.ID, "/") // probed/ACCOUNT/EPOCH, and /N when it was asked again
		var v plan.ProbedFact
		if f.Kind != schema.FactProbed || f.Revoked || len(parts) < 3 || json.Unmarshal(f.Value, &v) != nil {
			continue
		}
		name, err := schema.UnescapeName(parts[1])
		if err != nil {
			continue
		}
		name = nameNow(p, name)
		a := answers{v.Epoch, 1}
		if len(parts) == 4 {
			a.n, _ = strconv.Atoi(parts[3]) // no number: the oldest
		}
		if b, ok := newest[name]; !ok || a.epoch > b.epoch || a.epoch == b.epoch && a.n > b.n {
			newest[name], out[name] = a, !v.OK
		}
	}
	return out
}

// RevokeAll takes away the approvals of the gates that match. A gate that a
// fresh plan does not have any more was passed: what its approval allowed is
// done, and rolling that back is a plan of its own. With a glob such gates are
// left with the reason; it is an error if that is all.
func (a *Approver) RevokeAll(ctx context.Context, p *plan.Plan, glob, by string) (Outcome, error) {
	known, err := a.facts(ctx, p.Migration)
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	var gone []schema.Fact
	gates := make(map[string]bool, len(p.Gates))
	for _, g := range p.Gates {
		gates[string(g.ID)] = true
	}
	for _, f := range known {
		var v schema.Approval
		if f.Kind != schema.FactApproval || f.Revoked || json.Unmarshal(f.Value, &v) != nil {
			continue
		}
		now := gateNow(p, v.Gate)
		if !matches(glob, plan.ID(v.Gate)) && !matches(glob, plan.ID(now)) {
			continue
		}
		if !gates[now] {
			out.Left = append(out.Left, LeftOut{Gate: plan.ID(v.Gate), Why: fmt.Sprintf("the approval of %s was used already; going back is a rollback, not a revocation", v.Gate)})
			continue
		}
		f.Revoked, f.By, f.At = true, by, a.now()
		gone, out.Revoked = append(gone, f), append(out.Revoked, v)
	}
	switch {
	case len(gone) > 0:
		return out, a.write(ctx, gone)
	case len(out.Left) > 0:
		return out, &RefusedError{Reason: out.Left[0].Why}
	}
	return out, &RefusedError{Reason: fmt.Sprintf("no approval matches %q", glob)}
}

// facts is what the store and the servers remember.
func (a *Approver) facts(ctx context.Context, migration string) ([]schema.Fact, error) {
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
	return schema.FactsOf(migration, all...), nil
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
