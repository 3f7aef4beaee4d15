package apply

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// try has the trial server import an account's databases under other names,
// look at them, and drop them. What is wrong with a database is remembered for
// the next plan to show, and fails the step: nothing that comes after it in this
// plan may move an account whose databases would not arrive.
func (x *run) try(ctx context.Context, s *plan.Step) (done, error) {
	from, err := x.server(s.From)
	if err != nil {
		return done{}, err
	}
	on, err := x.server(s.To)
	switch {
	case err != nil:
		return done{}, err
	case from.can.Dumper != nil && on.can.Loader != nil:
		return x.relay(ctx, s, from, on)
	case from.can.Copier == nil:
		return done{}, from.cannot(schema.CanCopy)
	case on.can.Trier == nil:
		return done{}, on.cannot(schema.CanTry)
	}
	origin, err := from.can.Copier.Origin(ctx, from.term, s.Account)
	if err != nil {
		return done{}, fmt.Errorf("open %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(from.name), err)
	}
	began := x.clock.Now()
	result, err := on.can.Trier.Try(ctx, on.term, origin, x.progress(s, plan.PartDatabases))
	if err != nil {
		return done{}, fmt.Errorf("try the databases of %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(on.name), err)
	}
	result.Server = on.name
	if result.Took == 0 {
		result.Took = x.since(began)
	}
	d := tried(s, on, result)
	if err := x.rememberTrial(s, on, result); err != nil {
		return d, err
	}
	return d, wouldNotArrive(s, on, result)
}

// rememberTrial keeps a result for the next plan.
func (x *run) rememberTrial(s *plan.Step, on *server, result schema.TrialFact) error {
	f := x.fact(schema.FactTrial, x.nextID(schema.FactTrial+"/"+escape(s.Account)+"/"+escape(on.name)), result)
	f.Account, f.Server = s.Account, on.name
	return x.remember(f)
}

// tried counts what a trial did.
func tried(s *plan.Step, on *server, result schema.TrialFact) done {
	d := done{items: int64(len(result.Databases))}
	for _, db := range result.Databases {
		d.bytes += db.Bytes
		d.notes = append(d.notes, triedNotes(s, on, db)...)
	}
	d.sent = d.bytes
	return d
}

// wouldNotArrive is the error of a database that would not.
func wouldNotArrive(s *plan.Step, on *server, result schema.TrialFact) error {
	for _, db := range result.Databases {
		if len(db.Errors) > 0 {
			return fmt.Errorf("%s database %s of %s would not arrive on server %s: %s",
				db.Engine, schema.QuoteName(db.Name), schema.QuoteName(s.Account), schema.QuoteName(on.name), shortened(db.Errors))
		}
	}
	return nil
}

// triedNotes says at once what the next plan will say in full.
func triedNotes(s *plan.Step, on *server, db schema.TriedDatabase) []string {
	name := fmt.Sprintf("%s database %s of %s", db.Engine, schema.QuoteName(db.Name), schema.QuoteName(s.Account))
	switch {
	case len(db.Errors) > 0:
		return []string{fmt.Sprintf("%s would not arrive on server %s: %s", name, schema.QuoteName(on.name), shortened(db.Errors))}
	case len(db.Warnings) > 0:
		return []string{fmt.Sprintf("%s arrives on server %s, with warnings: %s", name, schema.QuoteName(on.name), shortened(db.Warnings))}
	}
	return nil
}

// nextID is the id of the next fact of a row that counts up: prefix/N, N from 1.
// Facts only ever add up, so that a newer result needs an id of its own.
func (x *run) nextID(prefix string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	most := 0
	for id := range x.facts {
		if tail, ok := strings.CutPrefix(id, prefix+"/"); ok {
			if n, err := strconv.Atoi(tail); err == nil {
				most = max(most, n)
			}
		}
	}
	return prefix + "/" + strconv.Itoa(most+1)
}
