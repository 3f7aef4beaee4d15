package local_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/providertest"
	"github.com/stopover/stopover/schema"
)

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// TestCorruptRecord: one of the two slots of a record may be lost; without both
// the account is not served, and a blocker names it.
func TestCorruptRecord(t *testing.T) {
	t.Parallel()
	d, w := drive(t, self(t), shop(), providertest.Account{Name: "other", Domain: "other.example"}, providertest.Account{Name: "calm", Domain: "calm.example"})
	d.Join("shop", source, 0)
	d.Join("other", source, 0)
	record := w.recordFiles(source, "account%2fshop")[0]
	for slot := range 2 {
		w.Kill(source)
		w.hurt(record, slot)
		d.Restarted(source)
		if o := d.State(source, "shop", schema.StateActive, 0); !o.Serves {
			t.Errorf("with slot %d lost: %+v", slot, o)
		}
		d.Answers(source, "shop.example")
	}
	whole, err := os.ReadFile(record)
	w.must(err)
	foreign, err := os.ReadFile(w.recordFiles(source, "account%2fother")[0])
	w.must(err)
	for name, content := range map[string][]byte{"truncated": whole[:100], "empty": nil, "of another account": foreign, "noise": make([]byte, len(whole))} {
		w.Kill(source)
		w.must(os.WriteFile(record, content, 0o600))
		d.Restarted(source)
		f, err := d.Servers[source].Survey(d.Ctx, providers.SurveyOptions{})
		d.OK("survey", err)
		o := f.Account("shop").Owner
		if o.State != schema.StateUnknown || o.Serves || !strings.Contains(o.Blocker, "unreadable") {
			t.Errorf("%s: the survey says %+v", name, o)
		}
		notServed(t, d, source, "shop.example")
		_, err = d.Owner(source).Freeze(d.Ctx, d.FreezeRequest("shop", source, 0, d.Token()))
		d.Refused("freeze without a record", err, providers.ErrRefused)
		d.Refused("pair without a record", d.Owner(source).Pair(d.Ctx, d.Term, "shop", 0, d.Peer(transit, "secret")), providers.ErrRefused)
		d.Answers(source, "other.example")
		d.Answers(source, "calm.example")
	}
	w.Kill(source)
	w.must(os.WriteFile(record, whole, 0o600))
	d.Restarted(source)
	d.Answers(source, "shop.example")
	d.Cut("shop", source, 0)
}

// TestCorruptServerRecord: without the server's own record nothing is steered;
// what has a record of its own goes on.
func TestCorruptServerRecord(t *testing.T) {
	t.Parallel()
	d, w := drive(t, self(t), shop())
	d.Join("shop", source, 0)
	record := w.recordFiles(source, "server")[0]
	w.Kill(source)
	w.hurt(record, 0)
	d.Restarted(source)
	f, err := d.Servers[source].Survey(d.Ctx, providers.SurveyOptions{})
	d.OK("survey", err)
	if f.Error != "" || !f.Known {
		t.Errorf("with one slot lost: error %q, known %v", f.Error, f.Known)
	}
	w.Kill(source)
	w.hurt(record, 0)
	w.hurt(record, 1)
	d.Restarted(source)
	if f, err = d.Servers[source].Survey(d.Ctx, providers.SurveyOptions{}); err != nil || !strings.Contains(f.Error, "unreadable") {
		t.Errorf("the survey says %q, %v", f.Error, err)
	}
	d.Answers(source, "shop.example")
	_, err = d.Owner(source).Claim(d.Ctx, providers.ClaimRequest{Migration: "m", Name: "m", Nonce: "n", Holder: "h"})
	d.Refused("claim without the server's record", err, providers.ErrRefused)
	if _, err = d.Owner(source).Seal(d.Ctx, d.Term, d.ID[source].Machine, nil); err == nil {
		t.Error("a server without its record was sealed")
	}
}

// TestCorruptFacts: a server whose mirror of the facts is not readable says
// which file it is.
func TestCorruptFacts(t *testing.T) {
	t.Parallel()
	w := self(t).world(t, shop())
	w.write(w.dirs[source]+"/facts.json", `[{"id":`, 0o600)
	if f := surveyed(t, w, source); f.Presence != schema.Unreachable || !strings.Contains(f.Error, "facts.json") {
		t.Errorf("presence %q, error %q", f.Presence, f.Error)
	}
}
