package apply

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// has says whether a plan made now has a step.
func (j *trip) has(id plan.ID) bool {
	j.t.Helper()
	s := j.store()
	defer s.Close()
	p, _ := j.compute(s)
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.ID == id })
}

// dies runs until the tool dies just before a call to a server.
func (j *trip) dies(call, server string) {
	j.t.Helper()
	var died atomic.Bool // parts of a copy are pulled side by side
	j.w.setHook(func(when, s, c, _ string) error {
		if when == "before" && c == call && s == server {
			died.Store(true)
		}
		if died.Load() {
			return errDead
		}
		return nil
	})
	defer j.w.setHook(nil)
	for range 8 {
		if _, err := j.once(context.Background()); died.Load() {
			if ExitCode(err) != ExitError {
				j.t.Fatalf("a dead tool: %v", err)
			}
			return
		}
		j.accept()
	}
	j.t.Fatalf("%s on %s never came", call, server)
}

// The receiver is staged before the owner is paired with it, out, back and
// home. A tool that dies between leaves an owner that asks nobody after a
// reboot, or one that names a machine that is gone; the two are paired again.
func TestPairBetween(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.dies("Pair", "client")
	if s, r := j.w.source.rec("shop"), j.w.transit.rec("shop"); s.paired || s.state != schema.StateUnmanaged || r.state != schema.StateStaged || r.peer != "m01" {
		t.Errorf("the owner is %+v, the receiver %+v", s, r)
	}
	if !j.has("install.pair[shop]@0") {
		t.Error("not paired again on the way out")
	}
	j.dies("Pair", "transit")
	if o, r := j.w.transit.rec("shop"), j.w.source.rec("shop"); o.peer != "m01" || r.state != schema.StateStaged || j.w.source.id == "m01" {
		t.Errorf("on the new machine %s: the owner is %+v, the receiver %+v", j.w.source.id, o, r)
	}
	if !j.has("reinstall.pair[shop]@1") {
		t.Error("not paired again on the way home")
	}
	j.home()
}

func TestPairBetweenOfARollback(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	j.goal.Rollback = []string{"shop"}
	j.dies("Pair", "transit")
	// Both knew each other from the way out: the former credential still counts.
	if o, r := j.w.transit.rec("shop"), j.w.source.rec("shop"); !o.paired || o.peer != j.w.source.id || r.state != schema.StateStaged || r.peer != j.w.transit.id {
		t.Errorf("the owner is %+v, the receiver %+v", o, r)
	}
	if _, err := j.once(context.Background()); err != nil && ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	if r := j.w.source.rec("shop"); r.state != schema.StateActive || r.epoch != 2 {
		t.Errorf("shop is %s(%d) on the source", r.state, r.epoch)
	}
	j.goal.Rollback = nil
	j.home()
}

// stayTrip is a trip with one account that moves, one that is to be archived
// and one that is only stopped.
func stayTrip(t *testing.T) *trip {
	j, _ := memoryTrip(t, "shop", "old", "test")
	j.config.Migration.Stays = []schema.Stay{{Account: "old", Action: "archive", Reason: "closed in March"}, {Account: "test", Action: "retire", Reason: "a test"}}
	return j
}

// Retired first, so that nobody writes any more, then archived. Only the archive
// says that the disposition was carried out; nothing is sealed before.
func TestArchiveAfterRetire(t *testing.T) {
	j := stayTrip(t)
	j.dies("ArchiveAccount", "client")
	if r := j.w.source.rec("old"); r.state != schema.StateRetired {
		t.Errorf("old is %s when it is archived", r.state)
	}
	for _, id := range []string{plan.DisposedAccountID("old"), plan.RetiredAccountID("old")} {
		if _, ok := j.fact(id); ok {
			t.Errorf("%s without an archive", id)
		}
	}
	if j.w.source.seal != nil {
		t.Error("sealed without the archive")
	}
	if !j.has("reinstall.archive_account[old]@0") || j.has("reinstall.retire_account[old]@0") {
		t.Error("what is left is not the archive alone")
	}
	j.home()
	if f, ok := j.fact(plan.DisposedAccountID("old")); !ok || !strings.Contains(string(f.Value), "sha256:archive") {
		t.Errorf("disposed fact: %v %s", ok, f.Value)
	}
	if f, ok := j.fact(plan.RetiredAccountID("test")); !ok || !strings.Contains(string(f.Value), `"retire"`) {
		t.Errorf("disposed fact: %v %s", ok, f.Value)
	}
}

// Transit inherits what it took over, not what stays; also when the run that
// sealed died before it could say so.
func TestInheritsWhatMoved(t *testing.T) {
	for _, call := range []string{"Inherit", "Silence"} {
		j := stayTrip(t)
		server := "client"
		if call == "Inherit" {
			server = "transit"
		}
		j.dies(call, server)
		if s := j.w.source.seal; s == nil || len(s.Epochs) != 3 {
			t.Fatalf("%s: the seal is %+v", call, s)
		}
		if call == "Inherit" && j.w.transit.inherited != nil {
			t.Fatalf("inherited %v already", j.w.transit.inherited)
		}
		j.upTo("Silence", func() {
			j.w.mu.Lock()
			defer j.w.mu.Unlock()
			if want := map[string]uint64{"shop": 1}; !maps.Equal(j.w.transit.inherited, want) {
				t.Errorf("died before %s: inherited %v, want %v", call, j.w.transit.inherited, want)
			}
		})
		j.home()
	}
}
