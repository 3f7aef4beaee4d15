package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// pull brings one part of a receiver's copy up to date. The bytes go from
// server to server; only their count comes here.
func (x *run) pull(ctx context.Context, s *plan.Step, from, to *server, part string, pass providers.Pass, token providers.Token, force []string) (providers.Pulled, error) {
	if from.can.Copier == nil {
		return providers.Pulled{}, from.cannot(schema.CanCopy)
	}
	if to.can.Copier == nil {
		return providers.Pulled{}, to.cannot(schema.CanCopy)
	}
	// A fresh origin for each pull, since its credential is good for one.
	origin, err := from.can.Copier.Origin(ctx, from.term, s.Account)
	if err != nil {
		return providers.Pulled{}, fmt.Errorf("open %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(from.name), err)
	}
	p, err := to.can.Copier.Pull(ctx, providers.PullRequest{Origin: origin, Term: to.term, Part: part, Pass: pass, Token: token, Force: force},
		x.progress(s, part))
	if err != nil {
		return p, fmt.Errorf("copy %s of %s to server %s: %w", part, schema.QuoteName(s.Account), schema.QuoteName(to.name), err)
	}
	return p, nil
}

func copied(p providers.Pulled) done {
	d := done{bytes: max(p.Total, p.Bytes), sent: p.Bytes, items: p.Items, notes: slices.Clone(p.Notes)}
	for _, f := range p.Altered {
		d.notes = append(d.notes, sentence(f))
	}
	return d
}

// precopy is the bulk copy of one part, while the account is in use.
func (x *run) precopy(ctx context.Context, s *plan.Step) (done, error) {
	from, to, err := x.two(s)
	if err != nil {
		return done{}, err
	}
	if err := x.unprepare(ctx, s, to); err != nil {
		return done{}, err
	}
	p, err := x.pull(ctx, s, from, to, s.Part, providers.PassBulk, providers.Token{}, nil)
	return copied(p), err
}

// warm is the last copy before a cutover: every part up to date and hashed in
// full on both sides, so that the cut copies and hashes only what moves after.
func (x *run) warm(ctx context.Context, s *plan.Step) (done, error) {
	from, to, err := x.two(s)
	if err != nil {
		return done{}, err
	}
	if err := x.unprepare(ctx, s, to); err != nil {
		return done{}, err
	}
	var all done
	for _, part := range x.partsOf(s) {
		p, err := x.pull(ctx, s, from, to, part, providers.PassWarm, providers.Token{}, nil)
		if err != nil {
			return all, err
		}
		all.add(copied(p))
	}
	if err := x.hashBoth(ctx, s, from, to); err != nil {
		return all, err
	}
	// What moved while both sides were hashed follows, so that the cut finds as
	// little as possible.
	for _, part := range x.partsOf(s) {
		p, err := x.pull(ctx, s, from, to, part, providers.PassCatchUp, providers.Token{}, nil)
		if err != nil {
			return all, err
		}
		all.sent += p.Bytes
	}
	return all, nil
}

func (d *done) add(e done) {
	d.bytes, d.sent, d.items = d.bytes+e.bytes, d.sent+e.sent, d.items+e.items
	d.notes = append(d.notes, e.notes...)
}

// hashBoth hashes both sides in full while the account is in use, so that the
// comparison in the cut hashes only what moved since.
func (x *run) hashBoth(ctx context.Context, s *plan.Step, from, to *server) error {
	origin, err := from.can.Copier.Origin(ctx, from.term, s.Account)
	if err == nil {
		_, err = to.can.Copier.Compare(ctx, origin, to.term, providers.Token{})
	}
	if err != nil {
		return fmt.Errorf("hash %s on both servers: %w", schema.QuoteName(s.Account), err)
	}
	return nil
}

// partsOf are the parts that the cutover of the same plan will sync; all of
// them if the plan has no cutover for the account.
func (x *run) partsOf(s *plan.Step) []string {
	var parts []string
	for i := range x.plan.Steps {
		o := &x.plan.Steps[i]
		if o.Op == plan.OpFinalSync && o.Account == s.Account && o.Phase == s.Phase && o.Epoch == s.Epoch {
			parts = append(parts, o.Part)
		}
	}
	if len(parts) == 0 {
		return []string{plan.PartFiles, plan.PartMail, plan.PartDatabases}
	}
	return parts
}

func (c *cutover) finalSync(ctx context.Context, s *plan.Step) (d done, err error) {
	err = c.retry(ctx, s, func(ctx context.Context) error {
		p, err := c.x.pull(ctx, s, c.from, c.to, s.Part, providers.PassFinal, c.token, nil)
		d = copied(p)
		return err
	})
	return d, err
}
