package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// compare has the receiver compare both sides. What differs is sent once more
// in whole; if it differs still, the cutover is given up.
func (c *cutover) compare(ctx context.Context, s *plan.Step) (done, error) {
	if err := c.comparison(ctx, s); err != nil || c.compared.Equal {
		return done{bytes: c.compared.Hashed}, err
	}
	first := c.compared
	began := c.x.clock.Now()
	for _, part := range partsToRepair(first) {
		err := c.retry(ctx, s, func(ctx context.Context) error {
			_, err := c.x.pull(ctx, s, c.from, c.to, part, providers.PassFinal, c.token, first.Paths[part])
			return err
		})
		if err != nil {
			return done{}, err
		}
	}
	c.measured(s, PartRepair, c.x.since(began))
	if err := c.comparison(ctx, s); err != nil {
		return done{}, err
	}
	if !c.compared.Equal {
		return done{}, &DifferentError{Account: s.Account, Differences: c.compared.Differences}
	}
	return done{bytes: first.Hashed + c.compared.Hashed,
		notes: []string{fmt.Sprintf("sent again because it differed: %s", shortened(first.Differences))}}, nil
}

// partsToRepair are the parts of which paths differ; each of them if the
// comparison could not say.
func partsToRepair(c providers.Compared) []string {
	var parts []string
	for _, part := range []string{plan.PartFiles, plan.PartMail, plan.PartDatabases} {
		if _, ok := c.Paths[part]; ok || len(c.Paths) == 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

func (c *cutover) comparison(ctx context.Context, s *plan.Step) error {
	if c.from.can.Copier == nil || c.to.can.Copier == nil {
		return errors.Join(c.from.cannot(schema.CanCopy), c.to.cannot(schema.CanCopy))
	}
	err := c.retry(ctx, s, func(ctx context.Context) error {
		origin, err := c.from.can.Copier.Origin(ctx, c.from.term, s.Account)
		if err != nil {
			return err
		}
		c.compared, err = c.to.can.Copier.Compare(ctx, origin, c.to.term, c.token)
		return err
	})
	if err != nil {
		return fmt.Errorf("compare %s on both servers: %w", schema.QuoteName(s.Account), err)
	}
	return nil
}

// prepareCopy has the receiver close its copy and wait for the origin's word.
func (c *cutover) prepareCopy(ctx context.Context, s *plan.Step) (done, error) {
	err := c.retry(ctx, s, func(ctx context.Context) error {
		var err error
		c.receipt, err = c.to.can.Owner.PrepareCopy(ctx, c.to.term, s.Account, c.token, c.compared.Digest)
		return err
	})
	if err != nil {
		return done{}, fmt.Errorf("prepare the copy of %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(c.to.name), err)
	}
	c.reach(&c.prepared)
	return done{}, nil
}
