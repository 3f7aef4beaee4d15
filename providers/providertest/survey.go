package providertest

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// testAbilities: what a provider says that it can do is what it has.
func testAbilities(t *testing.T, h Harness) {
	w := h.World(t)
	s, err := h.Kind().Open(t.Context(), w.Config(Source), w.Env())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, err := s.Survey(t.Context(), providers.SurveyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range h.Kind().Can {
		if !found.Can[c] {
			t.Errorf("servers of this kind can %s, the survey says that this one cannot", c)
		}
	}
	if h.Kind().Address.Doc == "" || h.Kind().Doc == "" {
		t.Error("the kind does not say what it is, or what an address is")
	}
	a := s.Abilities()
	for _, can := range []schema.Capability{schema.CanReplaceRuntimes, schema.CanMapUsers} { // what is done on arrival has no ability of its own
		if reason := found.Cannot[can]; found.Can[can] == (reason != "") || reason != a.Cannot[can] {
			t.Errorf("%s: the survey says %v and the reason why not is %q, %q", can, found.Can[can], reason, a.Cannot[can])
		}
	}
	var try any = a.Trier
	if a.Loader != nil { // the other way to do it
		try = a.Loader
	}
	for _, c := range []struct {
		can []schema.Capability
		has any
	}{
		{[]schema.Capability{schema.CanOwn}, a.Owner},
		{[]schema.Capability{schema.CanCopy}, a.Copier},
		{[]schema.Capability{schema.CanProvision, schema.CanReinstall, schema.CanReroute, schema.CanRelease}, a.Machine},
		{[]schema.Capability{schema.CanRemoveRuntimes}, a.Runtimes},
		{[]schema.Capability{schema.CanKeepFacts}, a.Keeper},
		{[]schema.Capability{schema.CanTry}, try},
		{[]schema.Capability{schema.CanDial}, a.Dialer},
		{[]schema.Capability{schema.CanListResidue, schema.CanRetire}, a.Disposer},
	} {
		some := false
		for _, can := range c.can {
			some = some || found.Can[can]
			if reason := a.Cannot[can]; found.Can[can] == (reason != "") {
				t.Errorf("%s: the survey says %v and the reason why not is %q", can, found.Can[can], reason)
			}
		}
		if is := c.has != nil && !reflect.ValueOf(c.has).IsNil(); is != some {
			t.Errorf("%v: the survey says %v, the ability is there: %v", c.can, some, is)
		}
	}
}

// atRest is a snapshot of a server that has not changed for a second.
func atRest(w World) string {
	last, since := w.Snapshot(Source), time.Now()
	for began := since; time.Since(since) < time.Second && time.Since(began) < patience; {
		time.Sleep(100 * time.Millisecond)
		if now := w.Snapshot(Source); now != last {
			last, since = now, time.Now()
		}
	}
	return last
}

// testSurvey: a survey finds exactly what was put there, and only reads.
func testSurvey(t *testing.T, h Harness) {
	full := Account{Name: "full", Domain: "full.example", Mailboxes: []string{"info", "sales"}, Databases: []string{"main", "other"}, Fill: FillHard}
	bare, works := Account{Name: "bare"}, Account{Name: "works", Program: true, Task: true}
	w := h.World(t, full, bare, works)
	litter := w.Litter(Source, "left behind", "by nobody")
	s, err := h.Kind().Open(t.Context(), w.Config(Source), w.Env())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	home, mail := w.Place(Source, "full")
	before := [2]map[string]string{tree(t, home), tree(t, mail)}
	first, err := s.Survey(t.Context(), providers.SurveyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if first.Presence != schema.Present || !first.Known || first.Machine == "" || first.Boot == "" {
		t.Errorf("survey: presence %q, known %v, machine %q, boot %q", first.Presence, first.Known, first.Machine, first.Boot)
	}
	if got := names(first); !slices.Equal(got, []string{"bare", "full", "works"}) {
		t.Fatalf("accounts %q", got)
	}
	found(t, w, first, full)
	found(t, w, first, bare)
	found(t, w, first, works)
	if len(first.Residue) != 1 || first.Residue[0].Path != litter || first.Residue[0].Bytes != int64(len("by nobody")) {
		t.Errorf("residue %+v, want %q", first.Residue, litter)
	}
	if !slices.Contains(first.Runtimes, Runtime()) {
		t.Errorf("runtimes %v lack %v", first.Runtimes, Runtime())
	}
	second, err := s.Survey(t.Context(), providers.SurveyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(names(first), names(second)) || first.Machine != second.Machine {
		t.Error("a second survey found something else")
	}
	// The agent makes its own records when it runs for the first time, and
	// accounts' programs their logs when they start, so the second look is at
	// everything only once the server has come to rest.
	between := atRest(w)
	if _, err := s.Survey(t.Context(), providers.SurveyOptions{}); err != nil {
		t.Fatal(err)
	}
	if after := w.Snapshot(Source); between != after {
		t.Errorf("a survey changed the server: %s, then %s", between, after)
	}
	if after := [2]map[string]string{tree(t, home), tree(t, mail)}; !reflect.DeepEqual(before, after) {
		t.Errorf("a survey changed an account: %q", append(TreeDiff(before[0], after[0]), TreeDiff(before[1], after[1])...))
	}
	absent(t, h, w)
}

// absent: a server that is not there is said to be absent, and looking for it
// does not make it.
func absent(t *testing.T, h Harness, w World) {
	s, err := h.Kind().Open(t.Context(), w.Config(Transit), w.Env())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		f, err := s.Survey(t.Context(), providers.SurveyOptions{})
		if err != nil || f.Presence != schema.Absent || len(f.Accounts) != 0 || f.Machine != "" {
			t.Errorf("survey of an absent server: %+v, %v", f, err)
		}
	}
	if w.Running(Transit) {
		t.Error("a survey made the absent server")
	}
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out, err := Tree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names(s *schema.FoundServer) []string {
	var out []string
	for _, a := range s.Accounts {
		out = append(out, a.Name)
	}
	return out
}

// found compares one account of a survey with what the harness put there.
func found(t *testing.T, w World, s *schema.FoundServer, want Account) {
	t.Helper()
	a := s.Account(want.Name)
	if a == nil {
		t.Fatalf("account %q was not found", want.Name)
	}
	if a.Owner.State != schema.StateUnmanaged || a.Owner.Epoch != 0 || !a.Owner.Serves {
		t.Errorf("owner of %q: %+v", want.Name, a.Owner)
	}
	for _, x := range a.Findings {
		if x.Severity == schema.Blocker {
			t.Errorf("finding on %q: %+v", want.Name, x)
		}
	}
	home, _ := w.Place(Source, want.Name)
	tree, err := Tree(home)
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(tree) - 1); !want.Program && a.Files.Entries != n { // a program writes a log
		t.Errorf("files of %q: %d entries, want %d", want.Name, a.Files.Entries, n)
	}
	equal(t, "domains", one(want.Domain), each(a.Domains, func(d schema.Domain) string { return d.Name }))
	equal(t, "mailboxes", each(want.Mailboxes, func(u string) string { return u + "@" + want.Domain }), a.Mail.Mailboxes)
	equal(t, "databases", want.Databases, each(a.Databases, func(d schema.Database) string { return d.Name }))
	equal(t, "programs", when(want.Program, "sleeper"), each(a.Programs, func(p schema.Program) string { return p.Name }))
	equal(t, "tasks", when(want.Task, "yearly"), each(a.Tasks, func(x schema.Task) string { return x.Name }))
	for _, d := range a.Databases {
		if d.Bytes <= 0 || d.Engine == "" {
			t.Errorf("database %+v", d)
		}
	}
}

func equal(t *testing.T, what string, want, have []string) {
	t.Helper()
	if !slices.Equal(want, have) {
		t.Errorf("%s are %q, want %q", what, have, want)
	}
}

func each[T any](list []T, f func(T) string) []string {
	var out []string
	for _, x := range list {
		out = append(out, f(x))
	}
	return out
}

func one(s string) []string { return when(s != "", s) }

func when(is bool, s string) []string {
	if is {
		return []string{s}
	}
	return nil
}
