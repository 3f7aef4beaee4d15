package agent

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Client speaks to one agent. It has every method of the capability interfaces
// of package providers; which of them a server offers is its provider's word.
type Client struct{ c *connection }

// NewClient makes a client of the agent at address. It connects at the first
// call; d may carry faults around a real dialer.
func NewClient(address string, d Dialer) (*Client, error) {
	c, err := dial(address, d, "")
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

// Close ends the connection; calls under way fail.
func (c *Client) Close() error { return c.c.close() }

// Identity says who the agent is and how its peer and probes reach it.
func (c *Client) Identity(ctx context.Context) (providers.Identity, error) {
	a, err := call[nothing, providers.Identity](ctx, c.c, "Identity", &nothing{})
	if err != nil {
		return providers.Identity{}, err
	}
	return *a, nil
}

// Survey reads what is on the server.
func (c *Client) Survey(ctx context.Context, _ providers.SurveyOptions) (*schema.FoundServer, error) {
	return call[nothing, schema.FoundServer](ctx, c.c, "Survey", &nothing{})
}

// Claim asks to steer the server; older runs' work is ended before it returns.
func (c *Client) Claim(ctx context.Context, r providers.ClaimRequest) (providers.Claimed, error) {
	a, err := call[providers.ClaimRequest, providers.Claimed](ctx, c.c, "Claim", &r)
	if err != nil {
		return providers.Claimed{}, err
	}
	return *a, nil
}

func (c *Client) account(ctx context.Context, method string, r accountRequest) error {
	_, err := call[accountRequest, nothing](ctx, c.c, method, &r)
	return err
}

// Pair makes the peer known to the owner of an account.
func (c *Client) Pair(ctx context.Context, term uint64, account string, epoch uint64, peer providers.Peer) error {
	return c.account(ctx, "Pair", accountRequest{Term: term, Account: account, Epoch: epoch, Peer: peer})
}

// Stage makes an inactive place for a copy of an account.
func (c *Client) Stage(ctx context.Context, term uint64, account string, epoch uint64, peer providers.Peer) error {
	return c.account(ctx, "Stage", accountRequest{Term: term, Account: account, Epoch: epoch, Peer: peer})
}

// Stub writes moved(peer) on a reinstalled machine, for the named domains.
func (c *Client) Stub(ctx context.Context, term uint64, account string, epoch uint64, peer providers.Peer, domains []string) error {
	return c.account(ctx, "Stub", accountRequest{Term: term, Account: account, Epoch: epoch, Peer: peer, Domains: domains})
}

// Confirm asks the origin to ask its peer whether the account is active there.
func (c *Client) Confirm(ctx context.Context, account string, epoch uint64) error {
	return c.account(ctx, "Confirm", accountRequest{Account: account, Epoch: epoch})
}

// DeclareLost says that the peer is gone for good.
func (c *Client) DeclareLost(ctx context.Context, term uint64, account, peerMachine string) error {
	return c.account(ctx, "DeclareLost", accountRequest{Term: term, Account: account, Machine: peerMachine})
}

// RetireAccount stops an account that does not move.
func (c *Client) RetireAccount(ctx context.Context, term uint64, account string, epoch uint64) error {
	return c.account(ctx, "Retire", accountRequest{Term: term, Account: account, Epoch: epoch})
}

// CloseOrigin ends the sessions that warm passes keep open.
func (c *Client) CloseOrigin(ctx context.Context, account string) error {
	return c.account(ctx, "CloseOrigin", accountRequest{Account: account})
}

// ArchiveAccount writes a verified archive that a wipe does not destroy.
func (c *Client) ArchiveAccount(ctx context.Context, term uint64, account string) (string, error) {
	a, err := call[accountRequest, archiveAnswer](ctx, c.c, "Archive", &accountRequest{Term: term, Account: account})
	if err != nil {
		return "", err
	}
	return a.Digest, nil
}

// Freeze holds an account still; it returns when closing is complete.
func (c *Client) Freeze(ctx context.Context, r providers.FreezeRequest) (providers.Frozen, error) {
	a, err := call[providers.FreezeRequest, providers.Frozen](ctx, c.c, "Freeze", &r)
	if err != nil {
		return providers.Frozen{}, err
	}
	return *a, nil
}

func (c *Client) token(ctx context.Context, method string, r tokenRequest) error {
	_, err := call[tokenRequest, nothing](ctx, c.c, method, &r)
	return err
}

// Renew prolongs the lease of a frozen account.
func (c *Client) Renew(ctx context.Context, term uint64, account string, t providers.Token) error {
	return c.token(ctx, "Renew", tokenRequest{Term: term, Account: account, Token: t})
}

// Thaw gives a cutover up before its commit.
func (c *Client) Thaw(ctx context.Context, account string, t providers.Token, reason string) error {
	return c.token(ctx, "Thaw", tokenRequest{Account: account, Token: t, Text: reason})
}

// PrepareCopy makes the receiver's copy wait for the origin's word.
func (c *Client) PrepareCopy(ctx context.Context, term uint64, account string, t providers.Token, digest string) (providers.Receipt, error) {
	a, err := call[tokenRequest, providers.Receipt](ctx, c.c, "PrepareCopy", &tokenRequest{Term: term, Account: account, Token: t, Text: digest})
	if err != nil {
		return providers.Receipt{}, err
	}
	return *a, nil
}

// Commit switches the owner. It may be repeated; the answer is the same.
func (c *Client) Commit(ctx context.Context, term uint64, account string, t providers.Token, r providers.Receipt) error {
	return c.token(ctx, "Commit", tokenRequest{Term: term, Account: account, Token: t, Receipt: r})
}

// Activate tells the receiver to ask the origin now.
func (c *Client) Activate(ctx context.Context, account string, t providers.Token) (providers.Activation, error) {
	a, err := call[tokenRequest, providers.Activation](ctx, c.c, "Activate", &tokenRequest{Account: account, Token: t})
	if err != nil {
		return providers.Activation{}, err
	}
	return *a, nil
}

// Status says what the record of an account says.
func (c *Client) Status(ctx context.Context, account string) (schema.Ownership, error) {
	a, err := call[accountRequest, schema.Ownership](ctx, c.c, "Status", &accountRequest{Account: account})
	if err != nil {
		return schema.Ownership{}, err
	}
	return *a, nil
}

// Seal closes the server before a wipe.
func (c *Client) Seal(ctx context.Context, term uint64, machine string, epochs map[string]uint64) (uint64, error) {
	a, err := call[sealRequest, sealAnswer](ctx, c.c, "Seal", &sealRequest{Term: term, Machine: machine, Epochs: epochs})
	if err != nil {
		return 0, err
	}
	return a.Number, nil
}

func (c *Client) order(ctx context.Context, method string, r sealRequest) error {
	_, err := call[sealRequest, nothing](ctx, c.c, method, &r)
	return err
}

// Unseal opens a sealed server again.
func (c *Client) Unseal(ctx context.Context, term, number uint64) error {
	return c.order(ctx, "Unseal", sealRequest{Term: term, Seal: number})
}

// Inherit records on the transit server whose accounts it took over.
func (c *Client) Inherit(ctx context.Context, term uint64, machine string, epochs map[string]uint64) error {
	return c.order(ctx, "Inherit", sealRequest{Term: term, Machine: machine, Epochs: epochs})
}

// Reinstall orders the wipe of a sealed server.
func (c *Client) Reinstall(ctx context.Context, term, seal uint64, machine string, architecture schema.Architecture) error {
	return c.order(ctx, "Reinstall", sealRequest{Term: term, Seal: seal, Machine: machine, Architecture: architecture})
}

// TakeOver listens on the service addresses of a sealed server.
func (c *Client) TakeOver(ctx context.Context, term, seal uint64, machine string, addresses []string) error {
	return c.order(ctx, "TakeOver", sealRequest{Term: term, Seal: seal, Machine: machine, Addresses: addresses})
}

// GiveBack stops listening on addresses that were taken over.
func (c *Client) GiveBack(ctx context.Context, term uint64, addresses []string) error {
	return c.order(ctx, "GiveBack", sealRequest{Term: term, Addresses: addresses})
}

// Serve listens on the server's own service addresses.
func (c *Client) Serve(ctx context.Context, term uint64, addresses []string) error {
	return c.order(ctx, "Serve", sealRequest{Term: term, Addresses: addresses})
}

// Silence stops listening on them; only a sealed server does.
func (c *Client) Silence(ctx context.Context, term, seal uint64, addresses []string) error {
	return c.order(ctx, "Silence", sealRequest{Term: term, Seal: seal, Addresses: addresses})
}

// Release drops the inactive copies of the named accounts.
func (c *Client) Release(ctx context.Context, term uint64, accounts []string) error {
	return c.order(ctx, "Release", sealRequest{Term: term, Accounts: accounts})
}

// RemoveRuntime takes a runtime away; RestoreRuntime puts it back.
func (c *Client) RemoveRuntime(ctx context.Context, term uint64, r schema.Runtime) error {
	_, err := call[runtimeRequest, nothing](ctx, c.c, "Runtime", &runtimeRequest{Term: term, Runtime: r})
	return err
}

// RestoreRuntime puts a removed runtime back.
func (c *Client) RestoreRuntime(ctx context.Context, term uint64, r schema.Runtime) error {
	_, err := call[runtimeRequest, nothing](ctx, c.c, "Runtime", &runtimeRequest{Term: term, Runtime: r, Restore: true})
	return err
}

// DisposeResidue carries out the disposition of one unowned thing.
func (c *Client) DisposeResidue(ctx context.Context, term uint64, path, action string) (string, error) {
	a, err := call[residueRequest, residueAnswer](ctx, c.c, "DisposeResidue", &residueRequest{Term: term, Path: path, Action: action})
	if err != nil {
		return "", err
	}
	return a.Ref, nil
}

// PlaceResidue puts a carried thing on the new machine.
func (c *Client) PlaceResidue(ctx context.Context, term uint64, path, ref string) error {
	_, err := call[residueRequest, nothing](ctx, c.c, "PlaceResidue", &residueRequest{Term: term, Path: path, Ref: ref})
	return err
}

// AddFacts mirrors facts on the server.
func (c *Client) AddFacts(ctx context.Context, facts []schema.Fact) error {
	_, err := call[factsMessage, nothing](ctx, c.c, "AddFacts", &factsMessage{facts})
	return err
}

// Facts reads the facts mirrored on the server.
func (c *Client) Facts(ctx context.Context) ([]schema.Fact, error) {
	a, err := call[nothing, factsMessage](ctx, c.c, "Facts", &nothing{})
	if err != nil {
		return nil, err
	}
	return a.Facts, nil
}

// Stop ends the agent's process.
func (c *Client) Stop(ctx context.Context) error {
	_, err := call[nothing, nothing](ctx, c.c, "Stop", &nothing{})
	return err
}

// Origin opens one account for pulling.
func (c *Client) Origin(ctx context.Context, term uint64, account string) (providers.Origin, error) {
	a, err := call[accountRequest, providers.Origin](ctx, c.c, "Origin", &accountRequest{Term: term, Account: account})
	if err != nil {
		return providers.Origin{}, err
	}
	return *a, nil
}

type compareRequest struct {
	Origin providers.Origin
	Term   uint64
	Token  providers.Token
}

// Compare runs on the receiver, which asks the origin for its side.
func (c *Client) Compare(ctx context.Context, o providers.Origin, term uint64, t providers.Token) (providers.Compared, error) {
	a, err := call[compareRequest, providers.Compared](ctx, c.c, "Compare", &compareRequest{o, term, t})
	if err != nil {
		return providers.Compared{}, err
	}
	return *a, nil
}

// Pull brings one part of a staged copy up to date; it runs on the receiver.
func (c *Client) Pull(ctx context.Context, r providers.PullRequest, progress func(providers.Progress)) (providers.Pulled, error) {
	e, err := c.long(ctx, "Pull", &r, progress, func(e *pullEvent) bool { return e.Done != nil })
	if err != nil {
		return providers.Pulled{}, err
	}
	return *e.Done, nil
}

// Try tries the databases of an origin's account here; see providers.Trier.
func (c *Client) Try(ctx context.Context, term uint64, o providers.Origin, progress func(providers.Progress)) (schema.TrialFact, error) {
	e, err := c.long(ctx, "Try", &tryRequest{term, o}, progress, func(e *pullEvent) bool { return e.Tried != nil })
	if err != nil {
		return schema.TrialFact{}, err
	}
	return *e.Tried, nil
}

// long does a call that tells its progress; last knows its answer.
func (c *Client) long(ctx context.Context, method string, q any, progress func(providers.Progress), last func(*pullEvent) bool) (*pullEvent, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := c.c.open(ctx, method)
	if err != nil {
		return nil, err
	}
	if err := st.SendMsg(q); err != nil && !errors.Is(err, io.EOF) {
		return nil, fromWire(err, nil)
	}
	_ = st.CloseSend()
	for {
		var e pullEvent
		if err := st.RecvMsg(&e); err != nil {
			return nil, streamError(st, err)
		}
		if e.Progress != nil && progress != nil {
			progress(*e.Progress)
		}
		if last(&e) {
			return &e, nil
		}
	}
}

// streamError gives a stream's end its meaning; the trailer is there once
// RecvMsg has failed.
func streamError(st grpc.ClientStream, err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	var md metadata.MD
	if st != nil {
		md = st.Trailer()
	}
	return fromWire(err, md)
}
