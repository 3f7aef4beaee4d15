package local_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/providertest"
	"github.com/stopover/stopover/schema"
)

// copied takes a copy of a server's directory while it runs, as a backup would.
func (w *world) copied(side providertest.Side) {
	w.t.Helper()
	if out, err := exec.Command("cp", "-a", w.dirs[side], w.old(side)).CombinedOutput(); err != nil {
		w.t.Fatalf("copy: %v: %s", err, out)
	}
}

func (w *world) old(side providertest.Side) string { return filepath.Join(w.base, "old "+string(side)) }

// restored puts the old copy in the place of the server's directory.
func (w *world) restored(side providertest.Side) {
	w.t.Helper()
	w.Kill(side)
	killPrograms(w.dirs[side])
	w.must(os.RemoveAll(w.dirs[side]))
	w.must(os.Rename(w.old(side), w.dirs[side]))
}

// notServed: the front of a side does not show the account from here.
func notServed(t *testing.T, d *providertest.Driver, side providertest.Side, domain string) {
	t.Helper()
	if status, body, err := d.Get(side, domain); err == nil && status == http.StatusOK {
		t.Errorf("%s answers for %s: %q", side, domain, body)
	}
}

// TestOldSource: a source restored from a copy that was taken while it owned
// the account never becomes a second owner.
func TestOldSource(t *testing.T) {
	t.Parallel()
	d, w := drive(t, self(t), shop(), providertest.Account{Name: "calm", Domain: "calm.example"})
	d.Join("shop", source, 0)
	w.copied(source)
	d.Cut("shop", source, 0)
	w.must(w.Insert(transit, "shop", "main", "written since"))
	w.restored(source)

	// While the other server is away nobody knows, and nobody opens.
	w.Kill(transit)
	d.Restarted(source)
	if o := d.State(source, "shop", schema.StateActive, 0); o.Serves || o.Blocker == "" {
		t.Errorf("without an answer of its peer: %+v", o)
	}
	d.Answers(source, "calm.example")
	notServed(t, d, source, "shop.example")
	d.Restarted(transit)
	fenced(t, d, w)

	// Nor does a restart or a new run change its mind.
	w.Reboot(source)
	d.Restarted(source)
	d.Claim("after the restoration")
	fenced(t, d, w)
}

func fenced(t *testing.T, d *providertest.Driver, w *world) {
	t.Helper()
	d.Await(source, "shop", "fenced", func(o schema.Ownership) bool { return strings.Contains(o.Blocker, "old one") })
	f, err := d.Servers[source].Survey(d.Ctx, providers.SurveyOptions{})
	d.OK("survey", err)
	if o := f.Account("shop").Owner; o.Serves || o.Blocker == "" {
		t.Errorf("the survey says %+v", o)
	}
	notServed(t, d, source, "shop.example")
	_, err = d.Owner(source).Freeze(d.Ctx, d.FreezeRequest("shop", source, 0, d.Token()))
	d.Refused("freeze of a fenced account", err, providers.ErrRefused)
	d.Refused("pair of a fenced account", d.Owner(source).Pair(d.Ctx, d.Term, "shop", 0, d.Peer(transit, "secret")), providers.ErrRefused)
	if o := d.State(transit, "shop", schema.StateActive, 1); !o.Serves {
		t.Errorf("the owner does not serve any more: %+v", o)
	}
	d.Answers(transit, "shop.example")
	rows, err := w.Rows(transit, "shop", "main")
	d.OK("rows", err)
	if len(rows) != 1 {
		t.Errorf("the owner has rows %q", rows)
	}
}

// TestOldTransit: a transit server restored from a copy that was taken while it
// waited for the origin's word does not open that old copy.
func TestOldTransit(t *testing.T) {
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
	for range 3 {
		a, err := d.Owner(transit).Activate(d.Ctx, "shop", token)
		d.OK("activate", err)
		if a.State == schema.StateActive {
			t.Fatalf("an old copy was opened: %+v", a)
		}
	}
	for _, side := range []providertest.Side{source, transit} {
		if o, err := d.Owner(side).Status(d.Ctx, "shop"); err != nil || o.Serves {
			t.Errorf("%s: %+v, %v", side, o, err)
		}
		notServed(t, d, side, "shop.example")
	}
}
