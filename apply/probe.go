package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// ProbeResult is one probe beside its baseline.
type ProbeResult struct {
	Probe  string `json:"probe"`
	Answer Answer `json:"answer"`
	OK     bool   `json:"ok"`
	Why    string `json:"why,omitempty"` // what differs
}

// CompareProbe puts an answer beside its baseline. Without a baseline only what
// the probe itself demands counts.
func CompareProbe(p schema.Probe, base *schema.BaselineFact, a Answer) ProbeResult {
	if p.SMTP != "" {
		return compareMail(p, a)
	}
	var why []string
	status := p.Status
	if status == 0 && base != nil {
		status = base.Status
	}
	switch {
	case status != 0 && a.Status != status:
		why = append(why, fmt.Sprintf("status %d instead of %d", a.Status, status))
	case status == 0 && a.Status >= 500:
		why = append(why, fmt.Sprintf("status %d", a.Status))
	}
	if p.Contains != "" && !a.Contains && (base == nil || base.Contains) {
		why = append(why, fmt.Sprintf("%q is not on the page", p.Contains))
	}
	if base != nil && a.Title != base.Title {
		why = append(why, fmt.Sprintf("title %q instead of %q", a.Title, base.Title))
	}
	return ProbeResult{Probe: p.Name, Answer: a, OK: len(why) == 0, Why: strings.Join(why, ", ")}
}

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

// front is the address at which a server is probed: its own front, whoever
// holds the service addresses.
func (x *run) front(ctx context.Context, s *server) (string, error) {
	if s.can.Owner != nil {
		call, cancel := x.short(ctx)
		defer cancel()
		id, err := s.can.Owner.Identity(call)
		if err != nil {
			return "", fmt.Errorf("identity of server %s: %w", schema.QuoteName(s.name), err)
		}
		if id.HTTP != "" {
			return id.HTTP, nil
		}
	}
	if addresses := x.addressesOf(s); len(addresses) > 0 {
		return addresses[0], nil
	}
	return "", fmt.Errorf("nothing says at which address the sites of server %s answer", schema.QuoteName(s.name))
}

// place is where a probe is asked on a server.
func (x *run) place(ctx context.Context, s *server, p schema.Probe) (string, error) {
	if p.SMTP != "" {
		return x.mailFront(ctx, s)
	}
	return x.front(ctx, s)
}

// mailFront is the address on which a server takes mail itself, as its survey
// says. One that came up after the plan was made is surveyed for it.
func (x *run) mailFront(ctx context.Context, s *server) (string, error) {
	found := s.found
	if found == nil || found.SMTP == "" {
		var err error
		if found, err = s.look(ctx); err != nil {
			return "", fmt.Errorf("look where server %s takes mail: %w", schema.QuoteName(s.name), err)
		}
	}
	if found.SMTP == "" {
		return "", fmt.Errorf("nothing says at which address server %s takes mail: its provider cannot be probed for mail; remove the probe", schema.QuoteName(s.name))
	}
	return found.SMTP, nil
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
		a, err := x.ask(ctx, on, p)
		if err != nil {
			return done{}, err
		}
		if r := compareMail(p, a); p.SMTP != "" && !r.OK {
			return done{}, fmt.Errorf("probe %s of %s: %s: mend the mailbox or the probe before anything moves", schema.QuoteName(p.Name), schema.QuoteName(s.Account), r.Why)
		}
		if p.Status != 0 && a.Status != p.Status {
			return done{}, fmt.Errorf("probe %s of %s: status %d, and the configuration says %d: mend the site or the probe before anything moves",
				schema.QuoteName(p.Name), schema.QuoteName(s.Account), a.Status, p.Status)
		}
		if p.Contains != "" && !a.Contains {
			return done{}, fmt.Errorf("probe %s of %s: %q is not on the page: mend the site or the probe before anything moves",
				schema.QuoteName(p.Name), schema.QuoteName(s.Account), p.Contains)
		}
		id := plan.BaselineID(s.Account, p.Name)
		if s.Method == plan.MethodRecord { // an intended change: it replaces the one before
			id = x.again(id)
		}
		d.asked = append(d.asked, ProbeResult{Probe: p.Name, Answer: a, OK: true})
		f := x.fact(schema.FactBaseline, id,
			schema.BaselineFact{Probe: p.Name, Status: a.Status, Title: a.Title, Contains: a.Contains})
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

// askAll puts all probes of an account to its server. A site may need a moment
// after a switch, so that an answer that differs is asked for again.
func (x *run) askAll(ctx context.Context, s *plan.Step) ([]ProbeResult, error) {
	on, err := x.server(s.Server)
	if err != nil {
		return nil, err
	}
	began := x.clock.Now()
	pauses := x.settings.pauses()
	for {
		results, err := x.askOnce(ctx, s, on)
		if err == nil && allOK(results) || x.since(began) >= x.settings.Settle || ctx.Err() != nil {
			return results, err
		}
		if x.sleep(ctx, pauses.NextBackOff()) != nil {
			return results, errors.Join(err, ctx.Err())
		}
	}
}

func allOK(results []ProbeResult) bool {
	for _, r := range results {
		if !r.OK {
			return false
		}
	}
	return true
}

func (x *run) ask(ctx context.Context, on *server, p schema.Probe) (Answer, error) {
	address, err := x.place(ctx, on, p)
	if err != nil {
		return Answer{}, err
	}
	return Ask(ctx, p, address)
}

func (x *run) askOnce(ctx context.Context, s *plan.Step, on *server) ([]ProbeResult, error) {
	var results []ProbeResult
	for _, p := range Probes(x.plan.Config, x.Inventory, s.Account) {
		a, err := x.ask(ctx, on, p)
		if err != nil {
			return nil, err
		}
		results = append(results, CompareProbe(p, x.baseline(s.Account, p.Name), a))
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
