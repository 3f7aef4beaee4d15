package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/stopover/stopover/schema"
)

// How a gate's completion is noticed.
const (
	closesApproval     = "approval"
	closesObservation  = "observation"
	closesEither       = "observation or approval"
	closesConfirmation = "confirmation" // the typed name of the server
)

// GateID is the id of a gate on an account or a server.
func GateID(phase, what, object string) ID { return gateID(phase, what, escape(object)) }

func gateID(phase, what, esc string) ID { return ID(phase + "." + what + "[" + esc + "]") }

// gate adds a gate that is not closed, and its step. It is open when nothing
// of this plan comes before it. Nothing behind it runs from this plan.
func (b *builder) gate(g Gate, server string, after ...node) node {
	b.add(&Step{ID: g.ID, Phase: g.Phase, Op: OpGate, Account: g.Account, Server: server, Method: g.Closes, Why: g.What,
		Estimate: Estimate{Confidence: confidenceUnknown}}, after...)
	s := &b.steps[len(b.steps)-1]
	s.Actor = g.Who
	g.Open = len(s.After) == 0
	if !g.Open {
		g.Evidence = "" // what is going to change cannot be approved
	}
	b.gates = append(b.gates, g)
	return node{g.ID, true}
}

// closed adds a gate that is closed, for people to see.
func (b *builder) closed(g Gate, how string) {
	g.Closed = how
	b.gates = append(b.gates, g)
}

// evidence is the digest of what somebody looks at before closing a gate. The
// gate, the migration, the epoch and what was observed are in it, so that an
// approval cannot accept anything newer.
func (b *builder) evidence(gate ID, epoch uint64, content string) string {
	migration := b.id
	if migration == "" {
		migration = b.mig.Name
	}
	h := sha256.New()
	gate = b.renamed.first(gate)
	for _, s := range []string{"stopover evidence 1", migration, string(gate), strconv.FormatUint(epoch, 10), content} {
		h.Write([]byte(strconv.Itoa(len(s))))
		h.Write([]byte{':'})
		h.Write([]byte(s))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// approval looks for one of this gate that names the evidence, in the facts and
// in the configuration, and says who gave it.
func (b *builder) approval(gate ID, evidence string) (by string, ok bool) {
	if evidence == "" {
		return "", false
	}
	for _, a := range b.past.approvals[string(gate)] {
		if a.Evidence == evidence {
			return a.By, true
		}
	}
	for _, a := range b.configApprovals[string(gate)] {
		if a.Evidence == evidence {
			return a.By, true
		}
	}
	return "", false
}

// lateApprovals reports approvals that do not count, because what they name is
// not what their gate shows. One in the configuration is a warning, from before
// its gate opens: it would not become one in the middle of a saved plan. Those
// in the facts are history: they named an earlier epoch.
func (b *builder) lateApprovals() {
	for i := range b.gates {
		g := &b.gates[i]
		switch {
		case g.Closed != "":
		case len(b.configApprovals[string(g.ID)]) > 0 && g.Evidence == "":
			b.report(codeApprovalStale, g.Account, "", string(g.ID), "an approval came before its gate shows any evidence")
		case len(b.configApprovals[string(g.ID)]) > 0:
			b.report(codeApprovalStale, g.Account, "", string(g.ID), "an approval names other evidence than its gate shows")
		case len(b.past.approvals[string(g.ID)]) > 0 && g.Evidence != "":
			b.reportAs(schema.Info, codeApprovalStale, g.Account, "", string(g.ID), "an earlier approval does not count: it names other evidence")
		}
	}
	b.strayApprovals()
}
