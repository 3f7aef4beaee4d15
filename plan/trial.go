package plan

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// trial is one remembered try of an account's databases.
type trial struct {
	server string // escaped
	n      int
	fact   schema.TrialFact
}

// addTrial remembers one try; its place and its number are in the fact's id.
func (m *memory) addTrial(account string, f *schema.Fact) {
	parts := strings.Split(f.ID, "/")
	var v schema.TrialFact
	if len(parts) != 4 || json.Unmarshal(f.Value, &v) != nil {
		return
	}
	n, err := strconv.Atoi(parts[3])
	if err != nil {
		return
	}
	m.trials[account] = append(m.trials[account], trial{parts[2], n, v})
}

// Tries is how often the databases of an account were tried on a server, as
// facts remember it: the next one has the number after it.
func Tries(facts []schema.Fact, account, server string) int {
	prefix := strings.TrimSuffix(TrialID(account, server, 0), "0")
	most := 0
	for i := range facts {
		if rest, ok := strings.CutPrefix(facts[i].ID, prefix); ok {
			if n, err := strconv.Atoi(rest); err == nil {
				most = max(most, n)
			}
		}
	}
	return most
}

// surveyTrial finds the trial server, and says why there is none where the
// migration names one.
func (b *builder) surveyTrial() {
	name := b.mig.Trial
	if name == "" || b.back || b.reinstalled || b.past.has(schema.FactReleased) {
		return
	}
	if b.in.Config.Server(name) == nil {
		b.report(codeTrialUnknown, "", name, "", "")
		return
	}
	p := b.place(name)
	b.tries = p
	switch {
	case !p.present:
		b.report(codeTrialAway, "", name, "", name+" does not answer"+because(p.found.Error)+": databases are not tried, and nothing waits for it")
	case !p.can(schema.CanTry):
		b.report(codeTrialUnable, "", name, "", name+" cannot try databases: "+p.why(schema.CanTry))
	default:
		b.trial = p
	}
}

// triedDatabase is the newest result of one database; nil: it was not tried, or
// on another major version of the engine than the trial server has now.
func (b *builder) triedDatabase(a *account, d *schema.Database) *schema.TriedDatabase {
	var newest *schema.TriedDatabase
	most := -1
	for i := range b.past.trials[a.name] {
		t := &b.past.trials[a.name][i]
		if t.server != escape(b.tries.name) || t.n <= most {
			continue
		}
		if v := b.tries.engine(d.Engine); t.fact.Engine == d.Engine && v != "" && majorOf(d.Engine, t.fact.Version) != majorOf(d.Engine, v) {
			continue
		}
		for k := range t.fact.Databases {
			if x := &t.fact.Databases[k]; x.Engine == d.Engine && x.Name == d.Name {
				newest, most = x, t.n
			}
		}
	}
	return newest
}

// engine is the version that a server has of an engine; empty: it does not say.
func (p *place) engine(name string) string {
	for _, e := range p.found.Engines {
		if e.Name == name {
			return e.Version
		}
	}
	return ""
}

// untried are the databases of an account that are still to be tried: those
// that never were, and those that failed, which may have been mended since.
func (b *builder) untried(a *account) []string {
	if b.trial == nil || a.found != sideSource || a.s == nil {
		return nil
	}
	var out []string
	for i := range a.s.Databases {
		d := &a.s.Databases[i]
		if r := b.triedDatabase(a, d); r == nil || len(r.Errors) > 0 {
			out = append(out, d.Engine+"/"+d.Name)
		}
	}
	slices.Sort(out)
	return out
}

// tried says whether nothing is left to try, apart from what a waiver lets pass.
func (b *builder) tried(a *account) bool {
	return len(b.untried(a)) == 0 || a.trialWaived
}

// checkTrial says what the newest tries have shown. A database that failed
// stops its account from the request on: until then it is tried again. That the
// trial server does not answer now mends no database.
func (b *builder) checkTrial(a *account) {
	if b.tries == nil || a.found != sideSource || a.s == nil {
		return
	}
	failed, waived := 0, 0
	for i := range a.s.Databases {
		d := &a.s.Databases[i]
		r := b.triedDatabase(a, d)
		object := d.Engine + "/" + d.Name
		switch {
		case r == nil && b.trial == nil:
		case r == nil:
			failed++
		case len(r.Errors) > 0:
			failed++
			if !b.reportSeen(codeTrialFailed, a.name, b.tries.name, object, object+" could not be imported on "+b.tries.name+": "+r.Errors[0], r.Errors) {
				waived++
				continue
			}
			a.halt(codeTrialFailed, iRequest)
		case len(r.Warnings) > 0:
			b.reportSeen(codeTrialWarned, a.name, b.tries.name, object, object+" was imported on "+b.tries.name+" with "+count(len(r.Warnings), "warning"), r.Warnings)
		}
	}
	a.trialWaived = failed > 0 && failed == waived
}

// try lays out the trial of an account's databases, before anything of it moves.
func (b *builder) try(a *account) {
	objects := b.untried(a)
	if len(objects) == 0 || a.trialWaived {
		return
	}
	a.last = b.add(&Step{
		ID: stepID(schema.PhasePrepare, OpTrial, a.esc, "", 0), Phase: schema.PhasePrepare, Op: OpTrial,
		Account: a.name, Part: PartDatabases, Server: b.trial.name, From: b.s.name, To: b.trial.name, Epoch: a.epoch,
		Reversible: true, Objects: objects,
		Why: "imported under another name on " + b.trial.name + ", looked at, and dropped", Estimate: b.est.of(OpTrial, a.s.DatabaseBytes()),
	}, a.last)
	a.joins = true
}
