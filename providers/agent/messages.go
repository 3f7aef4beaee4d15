package agent

import (
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/compare"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/schema"
)

// Requests and answers of the calls. One struct each, so that a field can be
// added without breaking the other end within a version.

type nothing struct{}

type accountRequest struct {
	Term    uint64
	Account string
	Epoch   uint64
	Peer    providers.Peer
	Machine string
	Domains []string
}

type tokenRequest struct {
	Term    uint64
	Account string
	Token   providers.Token
	Text    string // reason or digest
	Receipt providers.Receipt
	Nonce   string
}

type sealRequest struct {
	Term         uint64
	Seal         uint64
	Machine      string
	Epochs       map[string]uint64
	Addresses    []string
	Accounts     []string
	Architecture schema.Architecture
}

type sealAnswer struct{ Number uint64 }

type runtimeRequest struct {
	Term    uint64
	Runtime schema.Runtime
	Restore bool
}

type residueRequest struct {
	Term         uint64
	Path, Action string
	Ref          string
}

type residueAnswer struct {
	Ref string
}

type archiveAnswer struct{ Digest string }

type factsMessage struct{ Facts []schema.Fact }

type pullEvent struct {
	Progress *providers.Progress
	Done     *providers.Pulled
	Tried    *schema.TrialFact // answers a trial
}

type tryRequest struct {
	Term   uint64
	Origin providers.Origin
}

// sendRequest asks an origin for one object of one part. It is the first
// message of a Send stream; what follows it from the receiver is its listing or
// manifest when the origin does not have it as Base.
type sendRequest struct {
	Account string
	Term    uint64
	Part    string
	Object  string // database name; empty for files and mail
	Pass    providers.Pass
	Token   providers.Token
	Base    string // id of the state the receiver is in, from an earlier pass; empty: it will tell
	Force   []string
}

// sendReady says whether the receiver has to tell what it holds.
type sendReady struct{ Tell bool }

// sendAnswer is the last message of a Send stream.
type sendAnswer struct {
	Base  string // id of the state the receiver is in now
	Bytes int64
	Items int64
	Total int64
	Notes []string
	Whole bool // trials only
}

// objectsAnswer lists what a part holds at the origin and whether the origin
// still has the base that the receiver names.
type objectsAnswer struct {
	Databases []schema.Database
	Settings  []byte
}

// digestRequest asks for the origin's side of a comparison. Warm: hash in full
// while in use and remember; otherwise the account is frozen for Token.
type digestRequest struct {
	Account string
	Term    uint64
	Token   providers.Token
	Warm    bool
}

// sideDigest is one side of a comparison: one digest per part or database.
type sideDigest struct {
	Parts  map[string]string
	Scopes map[string][]byte // of databases: what the other side has to hash again
	Hashed int64
}

// detailRequest asks for one directory of the tree that the origin walked last.
type detailRequest struct {
	Account string
	Term    uint64
	Part    string
	Root    bool
	Path    string
}

type detailAnswer struct{ Entries []compare.Entry }

// questionMessage and answerMessage pass between the two agents. The records'
// keeper signs and checks them; the wire adds nothing.
type questionMessage struct{ Question ownership.Question }

type answerMessage struct{ Answer ownership.Answer }
