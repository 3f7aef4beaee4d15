package agent

import (
	"context"
	"fmt"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/schema"
)

// reinstall does nothing unless the order names the current seal and machine.
func (a *Agent) reinstall(ctx context.Context, q *sealRequest) (*nothing, error) {
	if err := a.order(q); err != nil {
		return nil, err
	}
	if err := a.stillEmpty(); err != nil {
		return nil, err
	}
	if err := a.host.Reinstall(ctx, q.Architecture); err != nil {
		return nil, err
	}
	a.wiping.Store(true)
	return &nothing{}, nil
}

// stillEmpty looks once more, right before the wipe, for what came after the seal.
func (a *Agent) stillEmpty() error {
	residue, err := a.host.Residue()
	if err != nil {
		return err
	}
	if len(residue) > 0 {
		return fmt.Errorf("%w: %s came after the seal and is owned by no account: unseal, plan again", providers.ErrRefused, schema.QuoteName(residue[0].Path))
	}
	names, err := a.host.Accounts()
	if err != nil {
		return err
	}
	server, _ := a.keeper.Server()
	for _, n := range names {
		if _, sealed := server.Seal.Epochs[n]; !sealed {
			return fmt.Errorf("%w: account %s came after the seal: unseal, plan again", providers.ErrRefused, schema.QuoteName(n))
		}
	}
	return nil
}

func (a *Agent) order(q *sealRequest) error {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return refused(err)
	}
	return refused(a.keeper.CheckOrder(q.Seal, q.Machine))
}

// takeOver runs on the transit server: the machine named is the other one, and
// the kernel refuses an address that somebody else still listens on.
func (a *Agent) takeOver(_ context.Context, q *sealRequest) (*nothing, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	server, _ := a.keeper.Server()
	known := false
	for _, l := range server.Lineage {
		known = known || l.Machine == q.Machine
	}
	if !known {
		return nil, fmt.Errorf("%w: machine %q was not sealed for this server to take over", providers.ErrRefused, q.Machine)
	}
	return &nothing{}, a.host.Listen(q.Addresses)
}

func (a *Agent) giveBack(_ context.Context, q *sealRequest) (*nothing, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	return &nothing{}, a.handOver(q.Addresses)
}

func (a *Agent) serve(_ context.Context, q *sealRequest) (*nothing, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	return &nothing{}, a.host.Listen(q.Addresses)
}

// silence stops a sealed server from listening on its service addresses.
func (a *Agent) silence(_ context.Context, q *sealRequest) (*nothing, error) {
	if err := a.order(&sealRequest{Term: q.Term, Seal: q.Seal, Machine: a.host.Identity().Machine}); err != nil {
		return nil, err
	}
	return &nothing{}, a.handOver(q.Addresses)
}

// handOver stops listening on addresses so that the other server can. The tool
// may die between the two halves of a handing over, and users must not pay for
// it: until somebody answers on them, the host takes them back after a while.
func (a *Agent) handOver(addresses []string) error { return a.host.HandOver(addresses) }

// release drops copies of this migration that are not the owner's any more.
func (a *Agent) release(_ context.Context, q *sealRequest) (*nothing, error) {
	for _, account := range q.Accounts {
		if err := a.releaseOne(q.Term, account); err != nil {
			return nil, err
		}
	}
	return &nothing{}, nil
}

func (a *Agent) releaseOne(term uint64, account string) error {
	defer a.lock(account)()
	if err := a.keeper.CheckTerm(term); err != nil {
		return refused(err)
	}
	s := a.keeper.Status(account)
	gone := s.Record.State == ownership.Moved && s.Record.Confirmed || s.Record.State == ownership.Unknown
	if s.Record.State == ownership.Staged {
		if err := a.keeper.Unstage(term, account); err != nil {
			return refused(err)
		}
		gone = true
	}
	if s.Record.Migration != "" {
		if server, _ := a.keeper.Server(); server.Migration != s.Record.Migration {
			gone = false // another migration's
		}
	} else {
		gone = false // no record: nobody knows whose it is
	}
	if !gone {
		return fmt.Errorf("%w: account %s is %s here, not an inactive copy", providers.ErrRefused, schema.QuoteName(account), s.Record.State)
	}
	a.forgetCopy(account)
	return a.host.Drop(account)
}

func (a *Agent) runtime(_ context.Context, q *runtimeRequest) (*nothing, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	if err := a.host.Runtime(q.Runtime, q.Restore); err != nil {
		return nil, err
	}
	return &nothing{}, nil
}

func (a *Agent) archive(ctx context.Context, q *accountRequest) (*archiveAnswer, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	if s := a.keeper.Status(q.Account).Record.State; s != ownership.Retired {
		return nil, fmt.Errorf("%w: account %s is %s here and could still be written to: retire it first", providers.ErrRefused, schema.QuoteName(q.Account), s)
	}
	d, err := a.host.Archive(ctx, q.Account)
	if err != nil {
		return nil, err
	}
	return &archiveAnswer{d}, nil
}

func (a *Agent) disposeResidue(_ context.Context, q *residueRequest) (*residueAnswer, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	ref, err := a.host.DisposeResidue(q.Path, q.Action)
	if err != nil {
		return nil, err
	}
	return &residueAnswer{Ref: ref}, nil
}

func (a *Agent) placeResidue(_ context.Context, q *residueRequest) (*nothing, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	return &nothing{}, a.host.PlaceResidue(q.Path, q.Ref)
}

func (a *Agent) addFacts(_ context.Context, q *factsMessage) (*nothing, error) {
	return &nothing{}, a.facts_.add(q.Facts)
}

func (a *Agent) facts(context.Context, *nothing) (*factsMessage, error) {
	return &factsMessage{a.facts_.all()}, nil
}
