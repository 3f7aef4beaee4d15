package state

import (
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// What an event says.
type What string

// Whats. Started is on disk before a step's first write to a server, Finished
// after its last.
const (
	RunStarted  What = "run"      // a run begins; Text says who
	RunEnded    What = "end"      // a run ends; Text says how
	Claimed     What = "claimed"  // a server was claimed; Server, Term
	Started     What = "started"  // a step begins; Attempt counts within the run
	Finished    What = "finished" // a step is done; Timing
	Failed      What = "failed"   // a step gave up; Err
	Undone      What = "undone"   // a cutover was given up before its switch; Err says why
	Unanswered  What = "pending"  // a commit whose answer is not known yet
	Measured    What = "measured" // one part of a cutover; Text names it, Timing
	FactLearned What = "fact"     // Fact
	Surveyed    What = "surveyed" // Survey: how large the accounts were when a run began
	Noted       What = "note"     // Text
)

// Event is one line of the journal.
type Event struct {
	What    What         `json:"what"`
	At      time.Time    `json:"at"`
	Run     string       `json:"run,omitempty"` // nonce of the run
	Step    plan.ID      `json:"step,omitempty"`
	Op      plan.Op      `json:"op,omitempty"`
	Server  string       `json:"server,omitempty"`
	Term    uint64       `json:"term,omitempty"`
	Attempt int          `json:"attempt,omitempty"`
	Token   string       `json:"token,omitempty"` // of a cutover: term.n
	Timing  *plan.Timing `json:"timing,omitempty"`
	Fact    *schema.Fact `json:"fact,omitempty"`
	// Survey holds escaped names: a name on a server need not be text.
	Survey *plan.Measured `json:"survey,omitempty"`
	Text   string         `json:"text,omitempty"`
	Err    string         `json:"err,omitempty"`
}
