package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// mostRounds bounds how often a run goes round its servers until all give it
// the same term. Two rounds do unless another run claims at the same time.
const mostRounds = 8

// claimAll finds out who the servers are and claims those that are present, in
// the order of their machine identities.
func (x *run) claimAll(ctx context.Context) error {
	for name, opened := range x.Servers {
		s := &server{name: name, opened: opened, can: opened.Abilities()}
		if x.Inventory != nil {
			s.found = x.Inventory.Servers[name]
		}
		x.servers[name] = s
		if s.can.Owner == nil || s.found != nil && s.found.Presence == schema.Absent {
			continue
		}
		if err := x.identify(ctx, s); err != nil {
			return err
		}
	}
	if err := x.collectFacts(ctx); err != nil {
		return err
	}
	return x.claimRounds(ctx, func(s *server) bool { return s.identity.Machine != "" && s.err == nil })
}

// identify asks a server who it is. One that does not answer is remembered as
// such: only the steps that need it fail.
func (x *run) identify(ctx context.Context, s *server) error {
	call, cancel := x.short(ctx)
	defer cancel()
	id, err := s.can.Owner.Identity(call)
	switch {
	case err == nil:
		x.mu.Lock()
		s.identity, s.err = id, nil
		x.mu.Unlock()
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, providers.ErrAbsent) && (s.found == nil || s.found.Presence != schema.Present):
		return nil
	}
	x.mu.Lock()
	s.err = err
	x.mu.Unlock()
	x.note(nil, fmt.Sprintf("server %s cannot be used: %v", schema.QuoteName(s.name), err))
	return nil
}

// inOrder is the servers in the fixed order of claims.
func (x *run) inOrder() []*server {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []*server
	for _, s := range x.servers {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *server) int {
		if c := strings.Compare(a.identity.Machine, b.identity.Machine); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return all
}

// claimRounds claims the servers that it is asked to, and goes round until all
// that are claimed have given the same term and know the migration. Losing one
// means giving up all.
func (x *run) claimRounds(ctx context.Context, wanted func(*server) bool) error {
	var term uint64
	for range mostRounds {
		same, err := x.claimRound(ctx, wanted, &term)
		if err != nil {
			return err
		}
		if same {
			return nil
		}
		if err := x.nameMigration(); err != nil {
			return err
		}
	}
	return x.superseded(fmt.Errorf("claim: the servers did not agree on a term in %d rounds: %w", mostRounds, providers.ErrSuperseded))
}

func (x *run) claimRound(ctx context.Context, wanted func(*server) bool, term *uint64) (same bool, err error) {
	same = true
	for _, s := range x.inOrder() {
		if !s.claimed && !wanted(s) || s.err != nil {
			continue
		}
		c, err := x.claim(ctx, s, *term)
		if err != nil && x.onlyTries(s) && !errors.Is(err, providers.ErrSuperseded) {
			x.leaveOut(s, err)
			continue
		}
		if err != nil {
			return false, err
		}
		if x.migration == "" {
			x.migration = c.Migration
		}
		if c.Migration != "" && c.Migration != x.migration && x.onlyTries(s) {
			x.leaveOut(s, fmt.Errorf("it belongs to another migration (%s)", c.Migration))
			continue
		}
		if c.Migration != "" && c.Migration != x.migration {
			return false, &RefusedError{Reason: fmt.Sprintf("server %s belongs to another migration (%s, this is %s)", schema.QuoteName(s.name), c.Migration, x.migration),
				Details: []string{"finish that one first, or name its servers apart"}}
		}
		same = same && c.Migration != "" && (*term == 0 || c.Term == *term)
		*term = max(*term, c.Term)
		x.mu.Lock()
		s.claimed, s.term = true, c.Term
		x.mu.Unlock()
	}
	return same, nil
}

// onlyTries says whether nothing but trials of databases needs a server. The
// journey does not end because that one cannot be had.
func (x *run) onlyTries(s *server) bool {
	m := &x.plan.Config.Migration
	return s.name == m.Trial && s.name != m.Source && s.name != m.Transit
}

func (x *run) leaveOut(s *server, err error) {
	x.mu.Lock()
	s.claimed, s.err = false, err
	x.mu.Unlock()
	x.note(nil, fmt.Sprintf("server %s cannot be used for trials: %v", schema.QuoteName(s.name), err))
}

func (x *run) claim(ctx context.Context, s *server, atLeast uint64) (c providers.Claimed, err error) {
	err = x.retry(ctx, nil, func(ctx context.Context) error {
		var err error
		c, err = s.can.Owner.Claim(ctx, providers.ClaimRequest{
			Migration: x.migration, Name: x.plan.Config.Migration.Name, Nonce: x.nonce, Holder: x.Holder, AtLeast: atLeast})
		return err
	})
	switch {
	case err == nil:
		return c, x.journal(state.Event{What: state.Claimed, Server: s.name, Term: c.Term})
	case errors.Is(err, providers.ErrSuperseded):
		return c, x.superseded(err)
	case errors.Is(err, providers.ErrRefused):
		return c, &RefusedError{Reason: fmt.Sprintf("claim server %s: %v", schema.QuoteName(s.name), err)}
	}
	return c, fmt.Errorf("claim server %s: %w", schema.QuoteName(s.name), err)
}

// nameMigration gives the migration its id, when no server and no store knew
// one, and has it on disk before any server hears of it.
func (x *run) nameMigration() error {
	if x.migration != "" {
		return nil
	}
	x.migration = random(16)
	return x.remember(x.migrationFact())
}

func (x *run) migrationFact() schema.Fact {
	value, _ := json.Marshal(schema.MigrationFact{ID: x.migration, Name: x.plan.Config.Migration.Name}) // two strings always encode
	return schema.Fact{ID: schema.FactMigration, Migration: x.migration, Kind: schema.FactMigration, Value: value, By: x.Holder, At: x.clock.Now().UTC()}
}

// arrive claims a server that has only now come up, or has become another
// machine. What of the run had the old one in mind does not matter any more.
func (x *run) arrive(ctx context.Context, name string) error {
	x.mu.Lock()
	s := x.servers[name]
	if s == nil {
		x.mu.Unlock()
		return fmt.Errorf("server %s: %w", schema.QuoteName(name), providers.ErrAbsent)
	}
	s.claimed, s.term, s.found, s.identity, s.err = false, 0, nil, providers.Identity{}, nil
	s.can = s.opened.Abilities()
	owner := s.can.Owner
	x.mu.Unlock()
	if owner == nil {
		return nil
	}
	if err := x.identify(ctx, s); err != nil {
		return err
	}
	if s.err != nil || s.identity.Machine == "" {
		return fmt.Errorf("server %s: %w", schema.QuoteName(name), errors.Join(providers.ErrUnreachable, s.err))
	}
	if err := x.claimRounds(ctx, func(o *server) bool { return o == s }); err != nil {
		return err
	}
	return x.spreadFacts(ctx)
}
