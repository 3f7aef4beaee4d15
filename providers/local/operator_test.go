package local_test

import (
	"strings"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/providertest"
	"github.com/stopover/stopover/schema"
)

func operator(d *providertest.Driver, side providertest.Side) providers.Operator {
	return d.Servers[side].Abilities().Operator
}

// TestSurrender: a source that came back from an old copy passes traffic on to
// the owner once somebody has said so, and can take the account home again.
func TestSurrender(t *testing.T) {
	t.Parallel()
	d, w := drive(t, self(t), shop())
	d.Join("shop", source, 0)
	w.copied(source)
	d.Cut("shop", source, 0)
	w.must(w.Insert(transit, "shop", "main", "written since"))
	d.Refused("surrender of an owner", operator(d, transit).Surrender(d.Ctx, d.Term, "shop"), providers.ErrRefused)
	w.restored(source)
	d.Restarted(source)
	d.Await(source, "shop", "fenced", func(o schema.Ownership) bool { return strings.Contains(o.Blocker, "old one") })
	d.Claim("operator")
	d.Refused("accept where the peer owns it", operator(d, source).Accept(d.Ctx, d.Term, "shop"), providers.ErrRefused)
	d.OK("surrender", operator(d, source).Surrender(d.Ctx, d.Term, "shop"))
	o := d.State(source, "shop", schema.StateMoved, 1)
	if o.Serves || o.Blocker != "" || !o.Confirmed {
		t.Errorf("after the surrender: %+v", o)
	}
	d.Answers(source, "shop.example")
	d.Claim("home")
	d.Move("shop", transit, 1)
	d.Answers(source, "shop.example")
	rows, err := w.Rows(source, "shop", "main")
	if d.OK("rows", err); len(rows) != 1 {
		t.Errorf("rows %q", rows)
	}
}

// TestAccept: a transit server that came back from an old copy opens it when
// somebody accepts what is lost.
func TestAccept(t *testing.T) {
	t.Parallel()
	d, w := drive(t, self(t), shop())
	d.Join("shop", source, 0)
	token, receipt := d.Prepare("shop", source, 0)
	w.copied(transit)
	d.OK("commit", d.Owner(source).Commit(d.Ctx, d.Term, "shop", token, receipt))
	d.Settle("shop", source, 1, token)
	w.must(w.Insert(transit, "shop", "main", "lost with the disk"))
	w.restored(transit)
	d.Restarted(transit)
	d.Refused("accept of the other side", operator(d, source).Accept(d.Ctx, d.Term, "shop"), providers.ErrRefused)
	d.OK("accept", operator(d, transit).Accept(d.Ctx, d.Term, "shop"))
	if o := d.State(transit, "shop", schema.StateActive, 1); !o.Serves {
		t.Errorf("after that: %+v", o)
	}
	d.Answers(transit, "shop.example")
	d.Answers(source, "shop.example")
	rows, err := w.Rows(transit, "shop", "main")
	if d.OK("rows", err); len(rows) != 0 {
		t.Errorf("rows %q", rows)
	}
	d.Claim("home")
	d.Move("shop", transit, 1)
	d.Answers(source, "shop.example")
}

// TestRebuild: a record whose both slots are lost comes back from the peer, on
// the owner's side as on the copy's, and a cutover follows.
func TestRebuild(t *testing.T) {
	t.Parallel()
	for _, lost := range []providertest.Side{source, transit} {
		t.Run(string(lost), func(t *testing.T) {
			t.Parallel()
			d, w := drive(t, self(t), shop())
			d.Join("shop", source, 0)
			d.Freeze("shop", source, 0, d.Token())
			record := w.recordFiles(lost, "account%2fshop")[0]
			w.Kill(lost)
			w.hurt(record, 0)
			w.hurt(record, 1)
			d.Restarted(lost)
			notServed(t, d, lost, "shop.example")
			d.Claim("operator")
			whole := lost.Other()
			d.Refused("rebuild of a record that is there", operator(d, whole).Rebuild(d.Ctx, d.Term, "shop", d.Peer(lost, "new secret")), providers.ErrRefused)
			if err := operator(d, lost).Rebuild(d.Ctx, d.Term, "shop", d.Peer(whole, "guessed")); err == nil {
				t.Error("rebuilt with a credential that the peer was not given")
			}
			d.OK("reintroduce", operator(d, whole).Reintroduce(d.Ctx, d.Term, "shop", d.Peer(lost, "new secret")))
			d.OK("rebuild", operator(d, lost).Rebuild(d.Ctx, d.Term, "shop", d.Peer(whole, "new secret")))
			d.State(source, "shop", schema.StateActive, 0)
			d.State(transit, "shop", schema.StateStaged, 0)
			d.Answers(source, "shop.example")
			d.Claim("after it")
			d.Move("shop", source, 0)
			d.Answers(transit, "shop.example")
		})
	}
}

// TestUnpair: an account that is home and was unpaired may be paired by another
// migration, opens after a reboot although its peer is gone, and is not touched
// by another migration before.
func TestUnpair(t *testing.T) {
	t.Parallel()
	d, w := drive(t, self(t), shop())
	d.Move("shop", source, 0)
	d.Refused("unpair of what moved", operator(d, source).Unpair(d.Ctx, d.Term, "shop"), providers.ErrRefused)
	d.Join("shop", transit, 1)
	d.Refused("unpair of an owner with a copy elsewhere", operator(d, transit).Unpair(d.Ctx, d.Term, "shop"), providers.ErrRefused)
	d.Cut("shop", transit, 1)
	other := providers.ClaimRequest{Migration: "another", Name: "another", Nonce: "another", Holder: "another run", AtLeast: d.Term + 1}
	claim := func() uint64 {
		c, err := d.Owner(source).Claim(d.Ctx, other)
		d.OK("claim", err)
		return c.Term
	}
	d.Refused("pair by another migration", d.Owner(source).Pair(d.Ctx, claim(), "shop", 2, d.Peer(transit, "secret")), providers.ErrRefused)
	d.Claim("again")
	for range 2 {
		d.OK("unpair", operator(d, source).Unpair(d.Ctx, d.Term, "shop"))
	}
	if o := d.State(source, "shop", schema.StateActive, 2); !o.Serves || o.Peer != "" {
		t.Errorf("unpaired: %+v", o)
	}
	w.Kill(transit)
	w.Reboot(source)
	d.Restarted(source)
	d.Answers(source, "shop.example")
	other.Nonce, other.AtLeast = "once more", d.Term+10
	d.OK("pair by another migration", d.Owner(source).Pair(d.Ctx, claim(), "shop", 2, providers.Peer{Machine: "new", Agent: "/nowhere", Credential: "secret"}))
}
