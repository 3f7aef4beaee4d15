package ownership

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Receipt is the receiver's word that it holds the complete, synced copy that
// Digest describes and waits for the origin. It travels through the tool; the
// pairing credential signs it.
type Receipt struct {
	Account string
	Machine string // who prepared
	Token   Token
	Epoch   uint64 // the epoch that the commit will make: the origin's plus one
	Digest  string
	MAC     []byte
}

// Question is what one agent asks the other: about a token (Keeper.Poll), about
// the account (Keeper.Tell), or for the rebuilding of a lost record
// (Keeper.Assist). It is made by Ask or AskRebuild, which remember the nonce,
// so that only a fresh answer counts.
type Question struct {
	Account string
	Machine string // who asks
	To      string // who is asked
	Token   Token  // the prepared token; for Assist, the mark that the asker's new record will have
	Rebuild bool   // asked because the record is lost
	Nonce   string
	MAC     []byte
	Former  [][]byte // the same under former credentials, which the peer may still have
}

// Kind is what an answer says about the token of the question.
type Kind uint8

// The answers. The zero Kind is OtherAnswer, so that nothing is ever decided by
// an answer that was left empty.
const (
	OtherAnswer  Kind = iota // none of the others: stay closed, show a blocker
	MovedAnswer              // this very token was committed: activate
	VoidAnswer               // void, durably: the copy is staged again
	FrozenAnswer             // not decided yet: ask again
	ToldAnswer               // answer to Tell and Assist: State, Epoch and Token of the record
)

// String returns the answer's name in PROTOCOL.md.
func (k Kind) String() string {
	switch k {
	case MovedAnswer:
		return "moved"
	case VoidAnswer:
		return "void"
	case FrozenAnswer:
		return "frozen"
	case ToldAnswer:
		return "told"
	}
	return "other"
}

// Answer is what an agent replies to a Question, signed by the credential.
type Answer struct {
	Kind      Kind
	Account   string
	Machine   string // who answers
	To        string // who asked
	Nonce     string
	Question  Token // the token asked about
	State     State // what the answering record says
	Epoch     uint64
	Token     Token
	Confirmed bool
	MAC       []byte
}

// Claim is the result of BeginClaim.
type Claim struct {
	Term     uint64
	Repeated bool // the nonce held the claim already: no new term was made
	Draining int  // streams of older terms that must end before FinishClaim succeeds
}

// Committed is the answer to a commit, the same every time it is asked.
type Committed struct {
	Account string
	Token   Token
	Epoch   uint64 // the receiver's, once it has activated
	Peer    Peer
}

// Lapse is a frozen account whose lease is over: the agent thaws it.
type Lapse struct {
	Account string
	Token   Token
}

// ActionKind is what the agent has to do about an account when it starts.
type ActionKind uint8

// The actions of "On start of an agent" in PROTOCOL.md.
const (
	StayClosed   ActionKind = iota // staged, retired, unknown: nothing runs here
	Serve                          // open
	Thawed                         // was frozen by an instance that is gone, is active now: open
	AskPeer                        // ask the peer (Ask, Tell, AnswerPeer) before opening
	PollOrigin                     // prepared: closed; poll (Ask, Poll, Learn) until it is decided
	Redirect                       // moved and confirmed: pass traffic on
	RedirectPoke                   // moved, not confirmed: pass traffic on, tell the peer to poll, Confirm
	Fenced                         // closed; a blocker for the operator
	Unread                         // the record is lost: closed; a blocker; rebuild it from the peer
)

// String returns the action's name.
func (a ActionKind) String() string {
	switch a {
	case StayClosed:
		return "stay-closed"
	case Serve:
		return "serve"
	case Thawed:
		return "thawed"
	case AskPeer:
		return "ask-peer"
	case PollOrigin:
		return "poll-origin"
	case Redirect:
		return "redirect"
	case RedirectPoke:
		return "redirect-poke"
	case Fenced:
		return "fenced"
	}
	return "unreadable"
}

// Action is one account's share of the work at start.
type Action struct {
	Account string
	Kind    ActionKind
	Peer    Peer
	Token   Token
	Reason  string // for people
}

// Status is all that is known here about an account.
type Status struct {
	Record      Record // Record.State is Unmanaged, Unknown or Unreadable where there is none
	Serves      bool
	Pending     bool // after a reboot, the peer has not answered yet
	DoorsClosed bool // frozen, and closing is complete
	Remaining   time.Duration
	Preparing   Token  // a prepare is under way; no data is accepted
	Streams     int    // open data streams
	Note        string // what last kept it closed, for people
	// Pairing is the same on both servers of a pair if their newest credentials
	// are, and tells nothing else about them; empty where there is none.
	Pairing string
}

// pairing names a credential without giving it away.
func pairing(credential string) string {
	if credential == "" {
		return ""
	}
	return hex.EncodeToString(mac(credential, "pairing", nil))[:16]
}

// mac signs fields under a credential. Every field is preceded by its length,
// so that no two different lists of fields look alike.
func mac(credential, kind string, numbers []uint64, fields ...string) []byte {
	h := hmac.New(sha256.New, []byte(credential))
	var b [8]byte
	put := func(s string) {
		binary.BigEndian.PutUint64(b[:], uint64(len(s)))
		h.Write(b[:])
		h.Write([]byte(s))
	}
	put(kind)
	for _, n := range numbers {
		binary.BigEndian.PutUint64(b[:], n)
		h.Write(b[:])
	}
	for _, f := range fields {
		put(f)
	}
	return h.Sum(nil)
}

func (r Receipt) sum(credential string) []byte {
	return mac(credential, "receipt", []uint64{r.Token.Term, r.Token.N, r.Epoch}, r.Account, r.Machine, r.Digest)
}

func (q Question) sum(credential string) []byte {
	n := []uint64{q.Token.Term, q.Token.N, flag(q.Rebuild)}
	return mac(credential, "question", n, q.Account, q.Machine, q.To, q.Nonce)
}

func (a Answer) sum(credential string) []byte {
	n := []uint64{
		uint64(a.Kind), a.Question.Term, a.Question.N, uint64(a.State),
		a.Epoch, a.Token.Term, a.Token.N, flag(a.Confirmed),
	}
	return mac(credential, "answer", n, a.Account, a.Machine, a.To, a.Nonce)
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
