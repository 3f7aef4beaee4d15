// Package providers says how to speak to servers: what a provider can do, what
// a survey finds, and what passes between an origin and a receiver. Providers
// never decide; package plan never sees them.
//
// Whatever writes here is idempotent: a call whose work is already done
// succeeds. Every write carries the term of the run's claim, and a server
// refuses a term that is not its newest.
package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// Kind is one entry of the registry: what the program knows of a kind of
// server before it opens one.
type Kind struct {
	Name    string
	Doc     string
	Options []Option
	// Address says what a server's address is, beside its options.
	Address Option
	// Can is what its servers can do when they are there, in the order in which
	// it is told; what one of them cannot is found by opening it.
	Can []schema.Capability
	// Cannot says what none of its servers can do, with the reason.
	Cannot map[schema.Capability]string
	// Findings are the codes of what surveys of its servers may find; the
	// registry of findings explains each of them.
	Findings []string
	Open     func(ctx context.Context, s schema.Server, env Env) (Server, error)
}

// Option is one setting of a server of a kind. The configuration is checked
// against it; reference and Terraform schema are made from it.
type Option struct {
	Name     string
	Type     string // string | number | bool | duration | bytes | layout: the name of one
	Doc      string
	Default  string
	Required bool
	Example  string
	// Secret: the configuration holds a reference (env:NAME) and never the value;
	// Env.Secret resolves it when the server opens.
	Secret bool
}

// Env is what a provider may use of its surroundings.
type Env struct {
	Dir        string // of the configuration; relative addresses start here
	Executable string // the program that pocket servers are started from
	// Layouts are those that servers may name, built-in ones included.
	Layouts []schema.Layout
	// Secret resolves a reference to a secret. Nil: there are none.
	Secret func(ctx context.Context, reference string) (string, error)
	// Cache is a directory of this project's own for what may be remembered, such
	// as surveys. Empty: nothing is remembered.
	Cache string
}

// Server is an opened server. Survey is the one method all have; the other
// capabilities are fields of Abilities, each nil where the provider cannot,
// with its reason in Cannot.
type Server interface {
	Survey(ctx context.Context, opts SurveyOptions) (*schema.FoundServer, error)
	Abilities() Abilities
	Close() error
}

// SurveyOptions narrow a survey.
type SurveyOptions struct {
	Progress func(done, total int) // may be nil
	// Refresh asks the server, however young a remembered survey is.
	Refresh bool
}

// Abilities are what an opened server can do beyond being surveyed.
type Abilities struct {
	Owner    Owner
	Copier   Copier
	Machine  Machine
	Runtimes Runtimes
	Keeper   FactKeeper
	Disposer Disposer
	Trier    Trier
	// Dumper and Loader try databases where server and trial server do not reach
	// each other: what the one writes goes to the other through the run.
	Dumper   Dumper
	Loader   Loader
	Operator Operator
	Dialer   Dialer
	Cannot   map[schema.Capability]string
}

// Dialer connects from the server's own point of view, so that what listens on
// its localhost only can be asked: over SSH as a forwarded connection. Nothing
// is opened or left behind on the server. It is for questions of probes, a few
// at a time, and not for copies.
type Dialer interface {
	// Dial connects to a host:port as a program on the server would. The network
	// is tcp. The connection ends when either side closes it or the server is
	// closed; ctx bounds the connecting only. That nothing listens there is an
	// error like any other; that the server cannot be reached wraps
	// ErrUnreachable.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// ErrUnreachable is wrapped by errors of a server that should be there and does
// not answer; ErrAbsent by those of a server that is not there at all.
var (
	ErrUnreachable = errors.New("server does not answer")
	ErrAbsent      = errors.New("server is not there")
	// ErrTemporary is wrapped by errors that say that the same call may go
	// through later. Nothing else is ever repeated.
	ErrTemporary = errors.New("temporary")
	// ErrSuperseded: a newer run has claimed the server. The run must stop.
	ErrSuperseded = errors.New("another run has claimed the server")
	// ErrRefused is wrapped by refusals of the ownership protocol.
	ErrRefused = errors.New("refused")
)

// Token names one attempt at a switch.
type Token struct {
	Term uint64
	N    uint64
}

// String is "term.n", as ownership records show it.
func (t Token) String() string { return fmt.Sprintf("%d.%d", t.Term, t.N) }

// ParseToken reads what String wrote.
func ParseToken(s string) (Token, error) {
	term, n, ok := strings.Cut(s, ".")
	t := Token{}
	var err, errN error
	t.Term, err = strconv.ParseUint(term, 10, 64)
	t.N, errN = strconv.ParseUint(n, 10, 64)
	if !ok || err != nil || errN != nil {
		return Token{}, fmt.Errorf("token %q is not of the form term.n", s)
	}
	return t, nil
}

// Peer is how one server's agent finds the other's.
type Peer struct {
	Machine    string // machine identity
	Agent      string // address of its agent
	Front      string // address its users' front answers on directly, whoever holds the service addresses
	Credential string // shared by the two agents for one account; secret
}

// ClaimRequest asks to steer a server. A repeated nonce makes no new term.
type ClaimRequest struct {
	Migration string // id; empty asks the server to say which it knows of this Name
	Name      string // of the migration in its config
	Nonce     string
	Holder    string // who, for messages: user@host (pid)
	// AtLeast is the lowest term that will do. A run goes round its servers with
	// one nonce until all have given it the same term, so that tokens can be
	// compared on both.
	AtLeast uint64
}

// Claimed answers a claim.
type Claimed struct {
	Term      uint64
	Migration string // id
	Machine   string
}

// Owner changes records: who owns an account. Freeze answers only when closing
// is complete. All of it is idempotent by token.
type Owner interface {
	Claim(ctx context.Context, r ClaimRequest) (Claimed, error)
	Identity(ctx context.Context) (Identity, error)
	Pair(ctx context.Context, term uint64, account string, epoch uint64, peer Peer) error
	Stage(ctx context.Context, term uint64, account string, epoch uint64, peer Peer) error
	Freeze(ctx context.Context, r FreezeRequest) (Frozen, error)
	Renew(ctx context.Context, term uint64, account string, t Token) error
	Thaw(ctx context.Context, account string, t Token, reason string) error
	PrepareCopy(ctx context.Context, term uint64, account string, t Token, digest string) (Receipt, error)
	Commit(ctx context.Context, term uint64, account string, t Token, r Receipt) error
	Activate(ctx context.Context, account string, t Token) (Activation, error)
	Confirm(ctx context.Context, account string, epoch uint64) error
	Status(ctx context.Context, account string) (schema.Ownership, error)
	Seal(ctx context.Context, term uint64, machine string, epochs map[string]uint64) (number uint64, err error)
	Unseal(ctx context.Context, term uint64, number uint64) error
	// Stub writes moved(peer) on a reinstalled machine. The domains are the names
	// that its front redirects: nothing else of the account is there yet.
	Stub(ctx context.Context, term uint64, account string, epoch uint64, peer Peer, domains []string) error
	// DeclareLost opens an account whose peer is gone for good. It is refused
	// while the peer answers.
	DeclareLost(ctx context.Context, term uint64, account string, peerMachine string) error
}

// Operator carries out what only a person can decide: for an account whose
// record the agent found to be an old one or lost, and keeps closed until then.
// Every order takes the word of the account's peer, which is asked at that
// moment, and is refused where that says something else. After each of them all
// tokens of the claim are void: a further cutover begins with a new claim.
type Operator interface {
	// Surrender lets an account that was fenced pass traffic on to its peer, the
	// newer owner. What was written here after the peer took over is lost.
	Surrender(ctx context.Context, term uint64, account string) error
	// Accept opens an account here from an old record or copy, where the peer
	// passed it on to this server. What was written here since is lost.
	Accept(ctx context.Context, term uint64, account string) error
	// Reintroduce gives the account's peer, which stays the same machine, another
	// credential and address. Before a Rebuild it is done on the server whose
	// record is not lost.
	Reintroduce(ctx context.Context, term uint64, account string, peer Peer) error
	// Rebuild makes a record whose both slots are lost anew from what the peer
	// says. The peer's credential is the one that it was just given.
	Rebuild(ctx context.Context, term uint64, account string, peer Peer) error
	// Unpair lets an owner forget a peer that holds nothing which could be
	// activated. The account opens after a reboot without asking anybody then,
	// and another migration may pair it.
	Unpair(ctx context.Context, term uint64, account string) error
}

// Identity is what two agents need to know of each other.
type Identity struct {
	Machine string
	Agent   string
	Front   string // opaque to the tool; the peer's redirect uses it
	HTTP    string // host:port on which the server's own front answers HTTP, for probes
}

// FreezeRequest holds an account still for a cutover.
type FreezeRequest struct {
	Term    uint64
	Account string
	Token   Token
	Machine string // expected identity of the origin
	Epoch   uint64 // expected epoch
	Lease   time.Duration
}

// Frozen answers a freeze. The account's objects as they are now.
type Frozen struct {
	Databases []schema.Database
	Held      time.Duration // how long closing took
}

// Receipt is the receiver's word that the copy is complete, synced and compared.
type Receipt struct {
	Account string
	Token   Token
	Machine string
	Epoch   uint64 // e+1
	Digest  string
	MAC     []byte // signed with the credential that the two agents share
}

// Activation answers an activation.
type Activation struct {
	State string // active | staged (the token was void) | prepared (the origin did not answer)
	Epoch uint64
	Why   string
}

// Origin is serialisable data with a one-time credential: whoever holds it may
// pull one account's data of one term. The bytes go from server to server.
type Origin struct {
	Agent      string
	Machine    string
	Account    string
	Term       uint64
	Credential string
}

// Pass is how far a copy goes.
type Pass string

// Passes. Bulk and warm run while the account is in use; a warm pass leaves
// sessions open at the origin that make what follows cheap. Catch-up sends what
// came since the warm pass, right before the cut. Final is after the freeze.
const (
	PassBulk    Pass = "bulk"
	PassWarm    Pass = "warm"
	PassCatchUp Pass = "catch_up"
	PassFinal   Pass = "final"
)

// PullRequest asks a receiver to bring one part of its staged copy up to date.
type PullRequest struct {
	Origin Origin
	Term   uint64
	Part   string // files | mail | databases
	Pass   Pass
	Token  Token    // final only
	Force  []string // paths to send again in whole, after a comparison found them different
}

// Progress of a long call. A total is what this call brings, holes of sparse
// files included; 0: not known.
type Progress struct {
	Bytes, BytesTotal int64
	Items, ItemsTotal int64
	Note              string
}

// Pulled says what a pull did.
type Pulled struct {
	Bytes    int64 // sent
	Items    int64
	Total    int64 // bytes the part has
	Duration time.Duration
	Notes    []string // what people must know, e.g. a database without WAL
	Altered  []schema.Finding
}

// Compared is the result of comparing the two sides of one account.
type Compared struct {
	Equal       bool
	Digest      string
	Hashed      int64    // bytes hashed now; the rest was hashed before and is proved unchanged
	Differences []string // part and path, bounded
	Paths       map[string][]string
}

// Copier is what origin and receiver do for a copy.
type Copier interface {
	// Origin opens one account for pulling.
	Origin(ctx context.Context, term uint64, account string) (Origin, error)
	// Pull runs on the receiver; it dials the origin itself.
	Pull(ctx context.Context, r PullRequest, progress func(Progress)) (Pulled, error)
	// Compare runs on the receiver, which asks the origin for its side. Without
	// a token it hashes both sides in full while the account is in use, says
	// nothing of equality, and makes the comparison in the cut cheap.
	Compare(ctx context.Context, o Origin, term uint64, t Token) (Compared, error)
	// CloseOrigin ends the sessions that warm passes keep open.
	CloseOrigin(ctx context.Context, account string) error
}

// Machine is what can be done to a whole server.
type Machine interface {
	Provision(ctx context.Context, like *schema.FoundServer, architecture schema.Architecture) error
	// Reinstall does nothing unless the order names the current seal and machine.
	Reinstall(ctx context.Context, term uint64, seal uint64, machine string, architecture schema.Architecture) error
	// TakeOver listens on another server's service addresses; refused while somebody else does.
	TakeOver(ctx context.Context, term uint64, seal uint64, machine string, addresses []string) error
	// GiveBack stops listening on addresses that were taken over.
	GiveBack(ctx context.Context, term uint64, addresses []string) error
	// Serve makes the server listen on its own service addresses; Silence stops it.
	Serve(ctx context.Context, term uint64, addresses []string) error
	Silence(ctx context.Context, term uint64, seal uint64, addresses []string) error
	// Inherit records on the transit server whose accounts it took over.
	Inherit(ctx context.Context, term uint64, machine string, epochs map[string]uint64) error
	// Release drops the inactive copies of this migration.
	Release(ctx context.Context, term uint64, accounts []string) error
}

// Runtimes removes and restores runtimes.
type Runtimes interface {
	RemoveRuntime(ctx context.Context, term uint64, r schema.Runtime) error
	RestoreRuntime(ctx context.Context, term uint64, r schema.Runtime) error
}

// Disposer carries out dispositions.
type Disposer interface {
	// ArchiveAccount writes a verified archive of a retired account outside what
	// the wipe destroys and returns its digest. An account that is not retired is
	// refused: it could still be written to.
	ArchiveAccount(ctx context.Context, term uint64, account string) (digest string, err error)
	RetireAccount(ctx context.Context, term uint64, account string, epoch uint64) error
	// DisposeResidue: action is carry, archive or discard. carry and archive return a blob reference.
	DisposeResidue(ctx context.Context, term uint64, path, action string) (ref string, err error)
	// PlaceResidue puts a carried thing back on the (new) machine.
	PlaceResidue(ctx context.Context, term uint64, path, ref string) error
}

// Dumper writes databases of a server so that a Loader of the same kind of
// server can try them. It changes nothing.
type Dumper interface {
	// Dump writes one database as it was at one moment.
	Dump(ctx context.Context, account string, d schema.Database, w io.Writer) (Dumped, error)
}

// Dumped says what a dump was.
type Dumped struct {
	Bytes    int64
	Warnings []string
	// Tables are the rows that the dump has of each table; one that is not in it
	// was not counted.
	Tables map[string]int64
}

// Loader tries what a Dumper wrote.
type Loader interface {
	// TryDump loads a dump under a scratch name, looks at what came, and drops it.
	// What is wrong with the database is in the answer; the error is for a trial
	// that could not be done. It repeats safely: what an earlier trial left behind
	// is dropped first.
	TryDump(ctx context.Context, account string, d schema.Database, r io.Reader) (schema.TriedDatabase, error)
}

// Trier tries databases on a trial server.
type Trier interface {
	// Try pulls every database of the origin's account under a scratch name,
	// opens it with this server's engine, checks and counts it, and drops it
	// again. What is wrong with a database is in the answer; the error is for a
	// trial that could not be done. It repeats safely: what an earlier trial left
	// behind is dropped first.
	Try(ctx context.Context, term uint64, o Origin, progress func(Progress)) (schema.TrialFact, error)
}

// FactKeeper mirrors facts on a server.
type FactKeeper interface {
	AddFacts(ctx context.Context, facts []schema.Fact) error
	Facts(ctx context.Context) ([]schema.Fact, error)
}
