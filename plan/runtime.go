package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// offer says whether the target offers a runtime version: exactly, or as a
// line of which it is a part (8.3.1 arrives as 8.3), and as which.
func (b *builder) offer(name, version string) (as string, ok bool) {
	as, forced := b.arrives(name, version)
	return as, as != "" && !forced
}

// arrives is the version that a runtime version becomes on the target; empty
// where nothing takes its place. forced says that it is not the same line.
func (b *builder) arrives(name, version string) (as string, forced bool) {
	versions, known := b.offered(name)
	if !known || slices.Contains(versions, version) {
		return version, false
	}
	return replacement(name, version, versions)
}

// offered are the versions that the target has of a runtime, by its declared
// architecture, or by what the transit server says of itself. Known is false
// when neither says anything.
func (b *builder) offered(name string) (versions []string, known bool) {
	if b.arch != nil && len(b.arch.Runtimes) > 0 {
		for _, r := range b.arch.Runtimes {
			if r.Name == name {
				versions = append(versions, r.Versions...)
			}
		}
		return versions, true
	}
	if b.t.present && len(b.t.found.Runtimes) > 0 {
		for _, r := range b.t.found.Runtimes {
			if r.Name == name {
				versions = append(versions, r.Version)
			}
		}
		return versions, true
	}
	return nil, false
}

// inUse says whether an account that is still on the source uses a runtime.
func (b *builder) inUse(r schema.Runtime) bool {
	return slices.ContainsFunc(b.accounts, func(a *account) bool {
		return a.side == sideSource && a.s != nil && slices.ContainsFunc(a.s.Runtimes, func(u schema.RuntimeUse) bool {
			return u.Name == r.Name && u.Version == r.Version
		})
	})
}

// stillUsed says whether an account that was found on the source uses a runtime,
// wherever this plan brings it.
func (b *builder) stillUsed(r schema.Runtime) bool {
	return slices.ContainsFunc(b.accounts, func(a *account) bool {
		return a.found == sideSource && a.s != nil && slices.ContainsFunc(a.s.Runtimes, func(u schema.RuntimeUse) bool {
			return u.Name == r.Name && u.Version == r.Version
		})
	})
}

// vanishing are the runtimes on the source that the target does not offer. One
// that is in use nevertheless, because it is replaced on the way or because a
// waiver says so, stays until its account has left.
func (b *builder) vanishing() []schema.Runtime {
	var out []schema.Runtime
	for _, r := range b.s.found.Runtimes {
		if _, ok := b.offer(r.Name, r.Version); !ok && !b.stillUsed(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, compareRuntime)
	return out
}

func compareRuntime(x, y schema.Runtime) int {
	if c := strings.Compare(x.Name, y.Name); c != 0 {
		return c
	}
	return strings.Compare(x.Version, y.Version)
}

// removeRuntimes takes away what vanishes, then probes each account again. It
// touches the source, and can be put back.
func (b *builder) removeRuntimes() {
	gone := b.vanishing()
	if len(gone) == 0 && len(b.s.found.Removed) == 0 {
		return
	}
	last := node{}
	if len(gone) > 0 && (!b.s.can(schema.CanRemoveRuntimes) || b.byHand(schema.PhaseRequest)) {
		b.cannot(b.s, schema.CanRemoveRuntimes, "request.remove_runtimes")
		last = b.gate(Gate{ID: gateID(schema.PhaseRequest, "remove_runtimes", escape(b.s.name)), Phase: schema.PhaseRequest,
			Who: b.who(schema.PhaseRequest), What: "remove from " + b.s.name + ": " + runtimeNames(gone),
			Closes: closesObservation}, b.s.name, b.joined...)
	} else {
		for i, r := range gone {
			after := []node{last}
			if i == 0 {
				after = b.joined
			}
			last = b.add(b.runtimeStep(OpRemoveRuntime, r, "the target does not have it: the source shows whether an account still needs it"), after...)
		}
	}
	var joined []node
	for _, a := range b.accounts {
		if a.side != sideSource || b.past.has(PreparedID(a.name)) || !b.takes(a, iRequest) {
			continue
		}
		after := last
		if after.id == "" {
			after = a.last
		}
		a.last = b.add(&Step{ID: stepID(schema.PhaseRequest, OpProbeReady, a.esc, "", a.epoch), Phase: schema.PhaseRequest,
			Op: OpProbeReady, Account: a.name, Server: b.s.name, Epoch: a.epoch, Reversible: true,
			Why: "the account works without the runtimes that vanish", Estimate: b.est.of(OpProbeReady, 0)}, after)
		a.joins = true
		joined = append(joined, a.last)
	}
	if len(joined) == 0 && last.id != "" {
		joined = []node{last}
	}
	if len(joined) > 0 {
		b.joined = joined
	}
}

// restoreRuntimes puts back what an account on the source uses again.
func (b *builder) restoreRuntimes() {
	if b.back || b.reinstalled || !b.s.ready || b.until < iRequest {
		return
	}
	removed := slices.Clone(b.s.found.Removed)
	slices.SortFunc(removed, compareRuntime)
	for _, r := range removed {
		if !b.inUse(r) {
			continue
		}
		b.report(codeRuntimeBack, "", b.s.name, r.Name+" "+r.Version, r.Name+" "+r.Version+" was removed and is in use again")
		if b.s.can(schema.CanRemoveRuntimes) {
			b.add(b.runtimeStep(OpRestoreRuntime, r, "an account on the source uses it again"))
		}
	}
}

func (b *builder) runtimeStep(op Op, r schema.Runtime, why string) *Step {
	object := escape(b.s.name) + "/" + escape(r.Name) + "/" + escape(r.Version)
	return &Step{ID: serverID(schema.PhaseRequest, op, object), Phase: schema.PhaseRequest, Op: op, Server: b.s.name,
		Reversible: true, Source: true, Objects: []string{r.Name + " " + r.Version}, Why: why, Estimate: b.est.of(op, 0)}
}

func runtimeNames(list []schema.Runtime) string {
	var names []string
	for _, r := range list {
		names = append(names, r.Name+" "+r.Version)
	}
	return strings.Join(names, ", ")
}

// checkRuntimes looks at what an account on the source runs on.
func (b *builder) checkRuntimes(a *account) {
	if !b.goesOut(a) {
		return
	}
	for _, u := range a.s.Runtimes {
		if b.s.found.System != nil && (strings.HasPrefix(u.By, "venv ") || strings.HasPrefix(u.By, "file ")) {
			continue // what is built or written for a version are findings of their own
		}
		if as := b.checkRuntime(a, &u); as != "" && b.t.present && len(b.t.found.Runtimes) > 0 && !slices.Contains(b.t.found.Runtimes, schema.Runtime{Name: u.Name, Version: as}) {
			what := u.Name + " " + u.Version
			b.block(a, codeRuntimeGone, iMigrate, what, b.t.name+" does not have "+u.Name+" "+as)
		}
	}
}

// checkRuntime looks at one use of a runtime, and returns the version that it
// arrives as; empty if it does not arrive.
func (b *builder) checkRuntime(a *account, u *schema.RuntimeUse) string {
	as, forced := b.arrives(u.Name, u.Version)
	what := u.Name + " " + u.Version
	if as == u.Version {
		return as
	}
	summary := what + " of " + u.By + " is not offered by the target"
	if v, _ := b.offered(u.Name); len(v) > 0 {
		summary += ", which has " + strings.Join(v, ", ")
	}
	if as == "" {
		b.block(a, codeRuntime, iPrepare, what, summary)
		return ""
	}
	if forced && !b.t.can(schema.CanReplaceRuntimes) {
		b.block(a, codeRuntime, iPrepare, what, summary+"; "+b.t.name+" does not replace versions by itself: switch to "+as)
		return ""
	}
	why := "the target offers the line, not the single version"
	if forced {
		why = "the target does not have the version, and replaces it"
		b.report(codeRuntimeChanged, a.name, "", what, what+" of "+u.By+" arrives as "+as)
	}
	b.altered = append(b.altered, Altered{Account: a.name, Object: u.Name + " of " + u.By, From: u.Version, To: as, Why: why})
	return as
}
