package apply

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// verified brings accounts to where their acceptance waits.
func verified(t *testing.T, accounts ...string) (*trip, *memory, *Approver) {
	j, m := memoryTrip(t, accounts...)
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	return j, m, &Approver{State: m, Servers: j.servers()}
}

func TestApprove(t *testing.T) {
	j, m, a := verified(t, "blog", "shop")
	p, _ := j.compute(m)
	gates, err := a.Approve(context.Background(), p, Approval{Gate: "verify.accept[*]", By: "ann", Note: "looks good"})
	if err != nil || len(gates) != 2 {
		t.Fatalf("%v %v", gates, err)
	}
	for name, facts := range map[string][]schema.Fact{"client": j.w.source.facts, "transit": j.w.transit.facts} {
		n := 0
		for _, f := range facts {
			if f.Kind == schema.FactApproval && f.By == "ann" {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d approvals on %s", n, name)
		}
	}
	p, _ = j.compute(m)
	for _, g := range p.Gates {
		if strings.HasPrefix(string(g.ID), "verify.accept") && g.Closed == "" {
			t.Errorf("%s is still open", g.ID)
		}
	}
	if _, err := a.Approve(context.Background(), p, Approval{Gate: "verify.accept[shop]", By: "ann"}); ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), "closed already: approved by ann") {
		t.Errorf("approve what is closed: %v", err)
	}
}

func TestApproveRefuses(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	early, _ := j.compute(m)
	a := &Approver{State: m, Servers: j.servers()}
	for _, gate := range []string{"verify.accept[shop]", "verify.*", "no.such[gate]"} {
		if _, err := a.Approve(context.Background(), early, Approval{Gate: gate, By: "ann"}); ExitCode(err) != ExitRefused {
			t.Errorf("approve %s before there is evidence: %v", gate, err)
		}
	}
	j, m, a = verified(t, "shop")
	p, _ := j.compute(m)
	_, err := a.Approve(context.Background(), p, Approval{Gate: "verify.accept[shop]", By: "ann", Evidence: "sha256:00"})
	if ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), "other evidence") {
		t.Errorf("other evidence: %v", err)
	}
	_, err = a.Approve(context.Background(), p, Approval{Gate: "verify.accept[shop]", By: "ann", At: time.Now().Add(time.Hour)})
	if ExitCode(err) != ExitRefused {
		t.Errorf("in the future: %v", err)
	}
	empty := *p
	empty.Gates = []plan.Gate{{ID: "verify.accept[shop]", Open: true}}
	if _, err := a.Approve(context.Background(), &empty, Approval{Gate: "verify.accept[shop]", By: "ann"}); ExitCode(err) != ExitRefused {
		t.Errorf("no evidence: %v", err)
	}
	for _, e := range m.events {
		if e.Fact != nil && e.Fact.Kind == schema.FactApproval {
			t.Errorf("a refused approval was written: %s", e.Fact.ID)
		}
	}
}

// Taken away and given again, as often as one likes, until it was used.
func TestRevoke(t *testing.T) {
	j, m, a := verified(t, "shop")
	ctx := context.Background()
	gate := func() plan.Gate {
		p, _ := j.compute(m)
		for _, g := range p.Gates {
			if g.ID == "verify.accept[shop]" {
				return g
			}
		}
		return plan.Gate{}
	}
	for range 3 {
		p, _ := j.compute(m)
		if _, err := a.Approve(ctx, p, Approval{Gate: "verify.accept[shop]", By: "ann"}); err != nil {
			t.Fatal(err)
		}
		if gate().Closed == "" {
			t.Fatal("approved, and still open")
		}
		p, _ = j.compute(m)
		taken, err := a.Revoke(ctx, p, "verify.accept[*]", "bob")
		if err != nil || len(taken) != 1 || taken[0].By != "ann" {
			t.Fatalf("%v %v", taken, err)
		}
		if gate().Closed != "" {
			t.Fatal("taken away, and still closed")
		}
	}
	p, _ := j.compute(m)
	if _, err := a.Revoke(ctx, p, "verify.accept[shop]", "bob"); ExitCode(err) != ExitRefused {
		t.Errorf("take away what is not there: %v", err)
	}
	j.home()
	p, _ = j.compute(m)
	_, err := a.Revoke(ctx, p, "verify.accept[shop]", "bob")
	var refused *RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "used already") {
		t.Errorf("take away what was used: %v", err)
	}
}

// In bulk, what can be approved is approved, and of the rest the reason is said.
func TestApproveInBulk(t *testing.T) {
	j, m, a := verified(t, "blog", "shop", "a*b")
	p, _ := j.compute(m)
	if _, err := a.Approve(context.Background(), p, Approval{Gate: "verify.accept[blog]", By: "ann"}); err != nil {
		t.Fatal(err)
	}
	p, _ = j.compute(m)
	for i := range p.Gates {
		if p.Gates[i].ID == "verify.accept[shop]" {
			p.Gates[i].Evidence = ""
		}
	}
	at := time.Now().Add(-time.Hour).UTC()
	out, err := a.ApproveAll(context.Background(), p, Approval{Gate: "verify.accept[*]", By: "bob", At: at})
	if err != nil || len(out.Approved) != 1 || out.Approved[0].ID != "verify.accept[a%2Ab]" {
		t.Fatalf("%+v %v", out, err)
	}
	why := map[string]string{}
	for _, l := range out.Left {
		why[string(l.Gate)] = l.Why
	}
	if len(why) != 2 || !strings.Contains(why["verify.accept[blog]"], "closed already: approved by ann") || !strings.Contains(why["verify.accept[shop]"], "no evidence yet") {
		t.Errorf("%v", why)
	}
	p, _ = j.compute(m)
	f, ok := j.fact(plan.ApprovalID("verify.accept[a%2Ab]", out.Approved[0].Evidence))
	if !ok || !f.At.Equal(at) || f.By != "bob" || f.Account != "a*b" {
		t.Errorf("%+v", f)
	}
	// Evidence that was looked at belongs to one gate.
	g := p.Gate("verify.accept[shop]")
	out, err = a.ApproveAll(context.Background(), p, Approval{Gate: "verify.accept[*]", By: "bob", Evidence: g.Evidence})
	if err != nil || len(out.Approved) != 1 || out.Approved[0].ID != g.ID {
		t.Errorf("%+v %v", out, err)
	}
	p, _ = j.compute(m)
	out, err = a.ApproveAll(context.Background(), p, Approval{Gate: "verify.accept[*]", By: "bob"})
	if ExitCode(err) != ExitRefused || len(out.Approved) != 0 || len(out.Left) != 3 || !strings.Contains(err.Error(), "none of the 3 gates") || !strings.Contains(err.Error(), "closed already: approved by bob") {
		t.Errorf("%+v %v", out, err)
	}
	// Those that were used stay; the others are taken away.
	var gates []plan.Gate
	for _, g := range p.Gates {
		if g.ID != "verify.accept[blog]" {
			gates = append(gates, g)
		}
	}
	p.Gates = gates
	out, err = a.RevokeAll(context.Background(), p, "verify.accept[*]", "eve")
	if err != nil || len(out.Revoked) != 2 || len(out.Left) != 1 || !strings.Contains(out.Left[0].Why, "verify.accept[blog] was used already") {
		t.Errorf("%+v %v", out, err)
	}
}

// An approval that was given before its account was renamed counts for the new
// name, so that it can be taken away too, by either.
func TestRevokeAfterRename(t *testing.T) {
	for _, glob := range []string{"verify.accept[store]", "verify.accept[shop]", "verify.accept[*]"} {
		j, m, a := verified(t, "shop")
		p, _ := j.compute(m)
		if _, err := a.Approve(context.Background(), p, Approval{Gate: "verify.accept[shop]", By: "ann"}); err != nil {
			t.Fatal(err)
		}
		p, _ = j.compute(m)
		renamed, config := *p, *p.Config
		config.Migration.Moved = []schema.Moved{{From: "shop", To: "kiosk"}, {From: "kiosk", To: "store"}}
		renamed.Config, renamed.Accounts = &config, []plan.AccountPlan{{Name: "store"}}
		renamed.Gates = []plan.Gate{{ID: "verify.accept[store]", Account: "store", Closed: "approved by ann"}}
		taken, err := a.Revoke(context.Background(), &renamed, glob, "bob")
		if err != nil || len(taken) != 1 {
			t.Errorf("%s: %v %v", glob, taken, err)
		}
	}
}

// A glob accepts no account that answers differently: nobody has looked at it.
// By its name it can be accepted.
func TestApproveAllLeavesWhatDiffers(t *testing.T) {
	j, m, a := verified(t, "blog", "shop")
	p, _ := j.compute(m)
	value := func(ok string) []byte { return []byte(`{"epoch":1,"ok":` + ok + `}`) }
	for i, f := range []schema.Fact{
		{ID: plan.ProbedID("blog", 1) + "/2", Kind: schema.FactProbed, Account: "blog", Value: value("false")},
		{ID: plan.ProbedID("blog", 1) + "/10", Kind: schema.FactProbed, Account: "blog", Value: value("true")},
		{ID: plan.ProbedID("shop", 1) + "/2", Kind: schema.FactProbed, Account: "shop", Value: value("false")},
	} {
		f.At = time.Now().Add(time.Duration(i) * time.Second)
		if err := m.Append(context.Background(), state.Event{What: state.FactLearned, Fact: &f}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := a.ApproveAll(context.Background(), p, Approval{Gate: "verify.accept[*]", By: "ann"})
	if err != nil || len(out.Approved) != 1 || out.Approved[0].Account != "blog" || len(out.Left) != 1 || !strings.Contains(out.Left[0].Why, "does not answer as before") {
		t.Fatalf("%+v %v", out, err)
	}
	if _, err := a.Approve(context.Background(), p, Approval{Gate: "verify.accept[shop]", By: "ann"}); err != nil {
		t.Error(err)
	}
}
