package view

import (
	"slices"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Concluded says how things are when apply can do no more. For programs it is
// the last message of the stream, but for the error if there is one.
func (v *View) Concluded(p *plan.Plan) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.end()
	all := allFindings(p)
	open := p.Waiting()
	stops := blocking(all) > 0
	left := len(p.Steps)
	for i := range open {
		v.send(v.gateMessage(&open[i]))
	}
	x := judge(p, all)
	m := v.newMessage("conclusion", x.word)
	m.Gates, m.Blocked, m.StepsLeft = open, &stops, &left
	v.send(m)
	if v.json {
		return
	}
	v.gap()
	v.findings(v.news(all))
	if x.word == wordNothing {
		v.verdict(x)
		return
	}
	if v.acted || !v.told { // else they are right above
		v.gates(p, false)
	}
}

// news are findings that are worth reading after a run: what stops, and what
// the plan at its begin did not say.
func (v *View) news(all []schema.Finding) []schema.Finding {
	type place struct{ code, severity, account, server, object string }
	at := func(f schema.Finding) place { return place{f.Code, f.Severity, f.Account, f.Server, f.Object} }
	said := map[place]bool{}
	for _, f := range v.planned {
		said[at(f)] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(f schema.Finding) bool { return said[at(f)] && !(f.Blocks() && v.acted) })
}

// ApprovedDocument is what approve gives to programs.
type ApprovedDocument struct {
	FormatVersion string            `json:"format_version"`
	Approved      []plan.Gate       `json:"approved,omitempty"`
	Revoked       []schema.Approval `json:"revoked,omitempty"`
	Left          []apply.LeftOut   `json:"left,omitempty"` // that match too, and were left as they are
}

// Approved names the gates that were closed, and why others that match were not.
func (v *View) Approved(out apply.Outcome) {
	if v.give(ApprovedDocument{FormatVersion: FormatVersion, Approved: out.Approved, Left: out.Left}) {
		return
	}
	for _, g := range out.Approved {
		v.item("", "approved", v.style.green, clean(string(g.ID)), nil)
	}
	for _, l := range out.Left {
		v.item("", "left", v.style.yellow, clean(l.Why), nil)
	}
	if len(out.Approved) > 0 {
		v.item("", "", nil, "Run stopover apply to go on.", nil)
	}
}

// Revoked names the approvals that were taken away.
func (v *View) Revoked(list []schema.Approval) {
	if v.give(ApprovedDocument{FormatVersion: FormatVersion, Revoked: list}) {
		return
	}
	for _, a := range list {
		v.item("", "revoked", v.style.yellow, clean(a.Gate), nil)
	}
}

// LostDocument is what declare-lost gives to programs.
type LostDocument struct {
	FormatVersion string   `json:"format_version"`
	Server        string   `json:"server"`
	Opened        []string `json:"opened"`
	Forgot        []string `json:"forgot,omitempty"` // in use all along; they wait for the lost server no more
}

// Lost names the accounts that were opened because their peer is gone, and those
// in use that do not ask it any more.
func (v *View) Lost(server string, opened, forgot []string) {
	if v.give(LostDocument{FormatVersion, server, opened, forgot}) {
		return
	}
	v.item("", "", nil, named(server)+" is declared lost; "+plural(len(opened), "account")+" opened on the other server.", nil)
	for _, a := range opened {
		v.item("  ", "", nil, whole(a), nil)
	}
	if len(forgot) == 0 {
		return
	}
	v.item("", "", nil, plural(len(forgot), "account")+" in use there will not wait for it after a reboot.", nil)
	for _, a := range forgot {
		v.item("  ", "", nil, whole(a), nil)
	}
}
