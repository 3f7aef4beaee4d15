package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/stopover/stopover/apply/ask"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Answer is what a probe got.
type Answer = ask.Answer

// ProbeResult is one probe beside its baseline.
type ProbeResult = ask.ProbeResult

// Probes are an account's probes: its own, or one of its first domain, called
// home. An account without either has none.
func Probes(c *schema.Config, inv *schema.Inventory, account string) []schema.Probe {
	if own := settingsOf(c, account, formerNames(c, inv, account)...).Probes; len(own) > 0 {
		return own
	}
	return homeProbe(c, inv, account)
}

// homeProbe asks for the front page of an account's first domain.
func homeProbe(c *schema.Config, inv *schema.Inventory, account string) []schema.Probe {
	if inv == nil {
		return nil
	}
	for _, name := range []string{c.Migration.Source, c.Migration.Transit} {
		if f := inv.Servers[name].Account(account); f != nil && len(f.Domains) > 0 {
			return []schema.Probe{{Name: "home", HTTP: (&url.URL{Scheme: "http", Host: f.Domains[0].Name, Path: "/"}).String()}}
		}
	}
	return nil
}

// recordBaseline writes down what the probes of an account answer before
// anything is moved.
func (x *run) recordBaseline(ctx context.Context, s *plan.Step) (done, error) {
	on, err := x.server(s.Server)
	if err != nil {
		return done{}, err
	}
	var d done
	var facts []schema.Fact
	for _, p := range Probes(x.plan.Config, x.Inventory, s.Account) {
		a, err := x.ask(ctx, on, s.Account, p)
		if err != nil {
			return done{}, err
		}
		if why := ask.Fit(p, a); why != "" {
			return done{}, fmt.Errorf("probe %s of %s: %s: %s", schema.QuoteName(p.Name), schema.QuoteName(s.Account), why, ask.Remedy(p))
		}
		id := plan.BaselineID(s.Account, p.Name)
		if s.Method == plan.MethodRecord { // an intended change: it replaces the one before
			id = x.again(id)
		}
		d.asked = append(d.asked, ProbeResult{Probe: p.Name, Answer: a, OK: true})
		f := x.fact(schema.FactBaseline, id, ask.Baseline(p.Name, a))
		f.Account, f.Server = s.Account, on.name
		facts = append(facts, f)
	}
	if len(facts) == 0 {
		return done{notes: []string{schema.QuoteName(s.Account) + " has no domain and no probe: nothing to record"}}, nil
	}
	d.items = int64(len(facts))
	return d, x.remember(facts...)
}

// probeReady probes an account again now that runtimes are gone from its
// server. An answer that differs fails the step: the account is not ready.
func (x *run) probeReady(ctx context.Context, s *plan.Step) (done, error) {
	results, err := x.askAll(ctx, s)
	if err != nil {
		return done{}, err
	}
	for _, r := range results {
		if !r.OK {
			return done{}, fmt.Errorf("%s is not ready, probe %s: %s; mend the account, or put the runtime back", schema.QuoteName(s.Account), schema.QuoteName(r.Probe), r.Why)
		}
	}
	f := x.fact(schema.FactPrepared, plan.PreparedID(s.Account), probed(s, results))
	f.Account, f.Server = s.Account, s.Server
	return done{items: int64(len(results)), asked: results}, x.remember(f)
}

// probe asks an account at its new place and writes down what it answered. An
// answer that differs is evidence as well: whoever accepts the account sees it.
func (x *run) probe(ctx context.Context, s *plan.Step) (done, error) {
	results, err := x.askAll(ctx, s)
	if err != nil {
		return done{}, err
	}
	d := done{items: int64(len(results)), asked: results}
	for _, r := range results {
		if !r.OK {
			d.notes = append(d.notes, fmt.Sprintf("probe %s of %s differs from its baseline: %s", schema.QuoteName(r.Probe), schema.QuoteName(s.Account), r.Why))
		}
	}
	if len(results) == 0 {
		d.notes = append(d.notes, schema.QuoteName(s.Account)+" has no domain and no probe: nobody asked whether it answers")
	}
	id := plan.ProbedID(s.Account, s.Epoch)
	switch s.Method {
	case plan.MethodLook:
		return d, nil
	case plan.MethodRecord: // of several answers the newest count
		id = x.again(id)
	}
	f := x.fact(schema.FactProbed, id, probed(s, results))
	f.Account, f.Server = s.Account, s.Server
	return d, x.remember(f)
}

func probed(s *plan.Step, results []ProbeResult) plan.ProbedFact {
	p := plan.ProbedFact{Epoch: s.Epoch, OK: true}
	for _, r := range results {
		p.OK = p.OK && r.OK
	}
	p.Probes, _ = json.Marshal(results) // strings and numbers always encode
	return p
}

// mostLogins is how often a login that was refused is tried: servers shut out
// whoever tries a wrong password again and again.
const mostLogins = 3

// askAll puts all probes of an account to its server. A site may need a moment
// after a switch, so that an answer that differs is asked for again.
func (x *run) askAll(ctx context.Context, s *plan.Step) ([]ProbeResult, error) {
	on, err := x.server(s.Server)
	if err != nil {
		return nil, err
	}
	began := x.clock.Now()
	pauses := x.settings.pauses()
	var results []ProbeResult
	for round := 1; ; round++ {
		again := func(r *ProbeResult) bool { return !r.OK && (r.Answer.Refused == "" || round <= mostLogins) }
		results, err = x.askOnce(ctx, s, on, results, again)
		left := slices.ContainsFunc(results, func(r ProbeResult) bool { return !r.OK && (r.Answer.Refused == "" || round < mostLogins) })
		if err == nil && !left || x.since(began) >= x.settings.Settle || ctx.Err() != nil {
			return results, err
		}
		if x.sleep(ctx, pauses.NextBackOff()) != nil {
			return results, errors.Join(err, ctx.Err())
		}
	}
}

func (x *run) ask(ctx context.Context, on *server, account string, p schema.Probe) (Answer, error) {
	at, err := x.place(ctx, on, account, p)
	if err != nil {
		return Answer{}, err
	}
	return ask.Probe(ctx, p, at)
}

// askOnce puts each probe once, but for those whose answer is known and is not
// asked for again.
func (x *run) askOnce(ctx context.Context, s *plan.Step, on *server, known []ProbeResult, again func(*ProbeResult) bool) ([]ProbeResult, error) {
	results := make([]ProbeResult, 0, len(known))
	for i, p := range Probes(x.plan.Config, x.Inventory, s.Account) {
		if i < len(known) && !again(&known[i]) {
			results = append(results, known[i])
			continue
		}
		a, err := x.ask(ctx, on, s.Account, p)
		if err != nil {
			return nil, err
		}
		results = append(results, ask.Compare(p, x.baseline(s.Account, p.Name), a))
	}
	return results, nil
}

// baseline is what a probe has to answer: what was recorded last, under the
// account's name or else one that it had before; nil: nothing.
func (x *run) baseline(account, probe string) *schema.BaselineFact {
	for _, name := range append([]string{account}, formerNames(x.plan.Config, x.Inventory, account)...) {
		first := plan.BaselineID(name, probe)
		var base *schema.BaselineFact
		for n, id := 1, first; x.had(id); {
			b := &schema.BaselineFact{}
			if x.read(id, b) {
				base = b
			}
			n++
			id = first + "/" + strconv.Itoa(n)
		}
		if base != nil {
			return base
		}
	}
	return nil
}

// again is the id of the next fact of a row whose first one has no number:
// first, first/2, first/3.
func (x *run) again(first string) string {
	id := first
	for n := 2; x.had(id); n++ {
		id = first + "/" + strconv.Itoa(n)
	}
	return id
}

// had says whether there is or was a fact of that id.
func (x *run) had(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, ok := x.facts[id]
	return ok
}
