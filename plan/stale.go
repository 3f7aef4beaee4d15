package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// defaultSizeBand is by how many percent a size may differ from a saved plan
// where the configuration says nothing.
const defaultSizeBand = 20

// Stale compares a saved plan with one that was computed just now from the
// saved one's configuration and goal, and says in sentences what differs. An
// empty result means that the saved plan may be applied: what is left to do is
// a part of it, nothing is worse, and what it rests on is still so. What the
// saved plan itself has done since does not count.
func Stale(saved, fresh *Plan) []string {
	c := comparison{saved: saved, fresh: fresh, steps: make(map[ID]*Step, len(saved.Steps))}
	for i := range saved.Steps {
		c.steps[saved.Steps[i].ID] = &saved.Steps[i]
	}
	c.accounts()
	c.left()
	c.findings()
	c.material()
	return c.out
}

// Within restricts a fresh plan to what a saved one allowed to run: a step that
// the saved plan only projected stays projected, even if its gate has been
// closed since. Both must have been compared by Stale.
func Within(saved, fresh *Plan) *Plan {
	held := make(map[ID]bool, len(saved.Steps))
	for i := range saved.Steps {
		held[saved.Steps[i].ID] = saved.Steps[i].Projected
	}
	p := *fresh
	p.Steps = slices.Clone(fresh.Steps)
	for i := range p.Steps {
		s := &p.Steps[i]
		if h, ok := held[s.ID]; h || !ok {
			s.Projected = true
		}
	}
	return &p
}

type comparison struct {
	saved, fresh *Plan
	steps        map[ID]*Step
	advanced     map[string]bool // escaped names of accounts that the saved plan has moved since
	reinstalled  bool            // by the saved plan
	out          []string
}

func (c *comparison) say(format string, args ...any) {
	c.out = append(c.out, fmt.Sprintf(format, args...))
}

// accounts compares where each account is. One whose epoch went on must have
// gone where the saved plan was to bring it.
func (c *comparison) accounts() {
	c.advanced = map[string]bool{}
	moves := map[accountEpoch]string{}
	for i := range c.saved.Steps {
		s := &c.saved.Steps[i]
		if s.Op == OpSwitch && !s.Projected {
			moves[accountEpoch{s.Account, s.Epoch + 1}] = s.To
		}
		if s.Op == OpReinstall && !s.Projected {
			c.reinstalled = true
		}
	}
	was := make(map[string]*AccountPlan, len(c.saved.Accounts))
	for i := range c.saved.Accounts {
		was[c.saved.Accounts[i].Name] = &c.saved.Accounts[i]
	}
	for i := range c.fresh.Accounts {
		now := &c.fresh.Accounts[i]
		old := was[now.Name]
		delete(was, now.Name)
		switch {
		case old == nil:
			c.say("account %s is new", now.Name)
		case now.Epoch == old.Epoch && now.Where == old.Where:
		case now.Where == "": // nobody can tell; a finding says so
		case now.Epoch > old.Epoch && moves[accountEpoch{now.Name, now.Epoch}] == now.Where:
			c.advanced[escape(now.Name)] = true
		default:
			c.say("account %s was on %s at epoch %d and is on %s at epoch %d", now.Name, old.Where, old.Epoch, now.Where, now.Epoch)
		}
	}
	for i := range c.saved.Accounts { // in their order, not the map's
		if name := c.saved.Accounts[i].Name; was[name] != nil && c.saved.Accounts[i].Stage != StageStays {
			c.say("account %s is gone", name)
		}
	}
}

// left checks that what is left is a part of the saved plan.
func (c *comparison) left() {
	for i := range c.fresh.Steps {
		s := &c.fresh.Steps[i]
		old := c.steps[s.ID]
		switch {
		case old == nil && s.Op == OpGate:
			c.say("gate %s is new: %s", s.ID, s.Why)
		case old == nil:
			c.say("step %s is new: %s", s.ID, s.Why)
		case old.Op != s.Op:
			c.say("step %s was to %s and is to %s", s.ID, old.Op, s.Op)
		case old.Method != s.Method && !(s.Op == OpSwitch && s.Method == MethodFinish):
			c.say("step %s was to be done by %s and would be done by %s", s.ID, old.Method, s.Method)
		case !slices.Equal(old.Windows, s.Windows):
			c.say("step %s was to begin %s and would begin %s", s.ID, openIn(old.Windows), openIn(s.Windows))
		}
	}
}

// openIn says when a step may begin.
func openIn(windows []string) string {
	if len(windows) == 0 {
		return "at any time"
	}
	return "in " + strings.Join(windows, " or ")
}

// findings checks that none is worse: not one that is new, not one that became
// more severe. News that only inform do not count.
func (c *comparison) findings() {
	type key struct{ code, account, server, object string }
	of := func(f *schema.Finding) key { return key{f.Code, f.Account, f.Server, f.Object} }
	was := make(map[key]int, len(c.saved.Findings))
	for i := range c.saved.Findings {
		f := &c.saved.Findings[i]
		was[of(f)] = max(was[of(f)], weight(f))
	}
	for i := range c.fresh.Findings {
		f := &c.fresh.Findings[i]
		old := was[of(f)]
		now := weight(f)
		if k := kindIndex[f.Code]; k != nil && k.Drifts && now < rank(schema.Blocker) {
			continue // ordinary growth, a resolver's mood, or what the plan itself has done
		}
		if now <= old || now <= rank(schema.Info) {
			continue
		}
		who := strings.TrimSpace(f.Account)
		if who == "" {
			who = f.Server
		}
		if who != "" {
			who += ": "
		}
		switch {
		case old == 0:
			c.say("%s%s is new: %s", who, f.Code, f.Summary)
		case old == rank(schema.Info) && f.Severity == schema.Blocker && c.wasWaived(f):
			c.say("%s%s is not waived any more: %s", who, f.Code, f.Summary)
		default:
			c.say("%s%s became a %s: %s", who, f.Code, f.Severity, f.Summary)
		}
	}
}

// wasWaived says whether the saved plan had the finding with a waiver.
func (c *comparison) wasWaived(f *schema.Finding) bool {
	return slices.ContainsFunc(c.saved.Findings, func(o schema.Finding) bool {
		return o.Waived != nil && o.Code == f.Code && o.Account == f.Account && o.Server == f.Server && o.Object == f.Object
	})
}

// material compares what the saved plan rests on. An account that the saved
// plan has moved since is compared no more: what it was to be is done.
func (c *comparison) material() {
	was := make(map[string]*Material, len(c.saved.Material))
	for i := range c.saved.Material {
		was[c.saved.Material[i].Key] = &c.saved.Material[i]
	}
	for i := range c.fresh.Material {
		m := &c.fresh.Material[i]
		kind, object, what := keyParts(m.Key)
		old := was[m.Key]
		delete(was, m.Key)
		switch {
		case kind == "account" && c.advanced[object]:
		case kind == "server" && c.rebuilt(object):
		case old == nil && kind == "server": // it came up since
		case old == nil:
			c.compare(kind, object, what, &Material{}, m)
		default:
			c.compare(kind, object, what, old, m)
		}
	}
	for i := range c.saved.Material {
		m := &c.saved.Material[i]
		kind, object, what := keyParts(m.Key)
		if was[m.Key] == nil || kind != "account" || c.advanced[object] || !c.stays(object) {
			continue
		}
		c.compare(kind, object, what, m, &Material{})
	}
}

// rebuilt says whether the saved plan itself has reinstalled a server.
func (c *comparison) rebuilt(escaped string) bool {
	return c.reinstalled && escaped == escape(c.saved.Config.Migration.Source)
}

// stays says whether an account is still one that the fresh plan knows.
func (c *comparison) stays(escaped string) bool {
	for i := range c.fresh.Accounts {
		if escape(c.fresh.Accounts[i].Name) == escaped {
			return true
		}
	}
	return false
}

// keyParts takes a material's key apart: kind/object/what.
func keyParts(key string) (kind, object, what string) {
	kind, rest, _ := strings.Cut(key, "/")
	object, what, _ = strings.Cut(rest, "/")
	return kind, object, what
}

func (c *comparison) compare(kind, object, what string, old, now *Material) {
	name := object
	if n, err := schema.UnescapeName(object); err == nil {
		name = n
	}
	if kind == "server" {
		if old.Value != now.Value {
			c.say("%s of server %s was %q and is %q", what, name, old.Value, now.Value)
		}
		return
	}
	gone, added := diffLines(old.Value, now.Value)
	for _, x := range added {
		c.say("%s of account %s: %s is new", what, name, x)
	}
	for _, x := range gone {
		c.say("%s of account %s: %s is gone", what, name, x)
	}
	if len(added)+len(gone) == 0 && !c.inBand(old.Size, now.Size) {
		c.say("%s of account %s had %s and has %s, more than %d %% apart", what, name, size(old.Size), size(now.Size), c.band())
	}
}

func (c *comparison) band() int {
	if b := c.saved.Config.Migration.SizeBand; b > 0 {
		return b
	}
	return defaultSizeBand
}

// inBand compares sizes. What is small may double: a megabyte is always within.
func (c *comparison) inBand(old, now int64) bool {
	const small = 1 << 20
	d := old - now
	if d < 0 {
		d = -d
	}
	return d <= small || d <= old/100*int64(c.band())
}

// diffLines compares two sorted lists of lines.
func diffLines(old, now string) (gone, added []string) {
	if old == now {
		return nil, nil
	}
	a, b := splitLines(old), splitLines(now)
	for _, x := range a {
		if _, ok := slices.BinarySearch(b, x); !ok {
			gone = append(gone, x)
		}
	}
	for _, x := range b {
		if _, ok := slices.BinarySearch(a, x); !ok {
			added = append(added, x)
		}
	}
	return gone, added
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
