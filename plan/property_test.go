package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
	"github.com/stopover/stopover/schema/process"
)

// builtin are the built-in processes.
func builtin(t testing.TB) []schema.Process {
	t.Helper()
	var out []schema.Process
	for _, name := range process.Names() {
		src, _ := process.Builtin(name)
		p, diags := hclfile.ParseProcess(name, src)
		if diags.HasErrors() {
			t.Fatalf("%+v", diags)
		}
		out = append(out, *p)
	}
	return out
}

var awkward = []string{"*", "a/b", "x]", "..", "-rf", "caf\u00e9", "two words", "new\nline", "\xff\xfe", "%41", "[a", "home", "0"}

// drawAccount is an account that is ready to go.
func drawAccount(t *rapid.T, name string) *schema.FoundAccount {
	a := &schema.FoundAccount{Name: name, Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true},
		Files: schema.Files{Bytes: rapid.Int64Range(0, 1<<32).Draw(t, "bytes"), Entries: rapid.Int64Range(0, 1e6).Draw(t, "entries")}}
	if rapid.Bool().Draw(t, "domain") {
		a.Domains = []schema.Domain{{Name: "www.example.org"}}
	}
	if rapid.Bool().Draw(t, "mail") {
		a.Mail = schema.Mail{Mailboxes: []string{"ann@example.org"}, Messages: 3, Bytes: 4096}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "databases") {
		mode := rapid.SampledFrom([]string{"wal", "delete"}).Draw(t, "mode")
		a.Databases = append(a.Databases, schema.Database{Engine: "sqlite", Name: fmt.Sprintf("d%d", i), Mode: mode, Bytes: rapid.Int64Range(0, 1<<31).Draw(t, "db")})
	}
	if rapid.Bool().Draw(t, "runtime") {
		a.Runtimes = []schema.RuntimeUse{{Name: "php", Version: rapid.SampledFrom([]string{"8.2", "8.3", "8.3.1"}).Draw(t, "php"), By: "site"}}
	}
	drawContent(t, a)
	return a
}

// drawContent adds what checks look at and what stops nothing.
func drawContent(t *rapid.T, a *schema.FoundAccount) {
	if rapid.Bool().Draw(t, "plain") {
		return
	}
	hostile := rapid.SampledFrom([]string{"/srv/x", "../..", "new\nline", "\xff\xfe", "\x1b[31m", "\u2028", strings.Repeat("long", 300)})
	a.ID = "id-of-" + a.Name
	a.Quota = rapid.SampledFrom([]int64{0, 1, 1 << 30, 1<<63 - 1}).Draw(t, "quota")
	a.Links = []schema.Link{{Path: "l", Target: hostile.Draw(t, "link")}}
	a.Truncated = rapid.SampledFrom([][]string{nil, {"links"}, {"mentions"}}).Draw(t, "truncated")
	for i := range rapid.IntRange(0, 30).Draw(t, "mentions") {
		a.Mentions = append(a.Mentions, schema.Mention{Path: hostile.Draw(t, "path"), Line: i, What: rapid.SampledFrom([]string{"client", "192.0.2.10"}).Draw(t, "what")})
	}
	a.Tasks = []schema.Task{{Name: "t", Schedule: rapid.SampledFrom([]string{"* * * * *", "@every 1s", "@reboot", "0 0 31 2 *", "nonsense", "\xff", "@every 1000000h"}).Draw(t, "schedule")}}
	a.Sites = []schema.Site{{Domain: hostile.Draw(t, "domain"), Owner: rapid.SampledFrom([]string{"", "home", "0", "nobody"}).Draw(t, "owner")}}
	a.Certificates = []schema.Certificate{{Names: []string{"www.example.org", hostile.Draw(t, "name")}, Expires: simStart.Add(time.Duration(rapid.IntRange(-100, 1000).Draw(t, "expires")) * time.Hour),
		Renewed: rapid.SampledFrom([]string{"", "provider", "account", "nobody"}).Draw(t, "renewed")}}
	a.Backups = rapid.Bool().Draw(t, "backups")
	if a.Domains != nil {
		a.Domains[0].DNS = rapid.SampledFrom([]string{"", dnsExternal, dnsProvider}).Draw(t, "dns")
	}
}

// drawDNS says something of the one domain that accounts have.
func drawDNS(t *rapid.T, w *world) {
	if rapid.Bool().Draw(t, "no dns") {
		return
	}
	n := schema.FoundName{Name: "www.example.org", Managed: rapid.SampledFrom([]string{"provider", "external", "unknown"}).Draw(t, "managed")}
	n.Error = rapid.SampledFrom([]string{"", "", "timeout \x1b"}).Draw(t, "dns error")
	n.Missing = rapid.Bool().Draw(t, "missing")
	for range rapid.IntRange(0, 5).Draw(t, "records") {
		n.Records = append(n.Records, schema.DNSRecord{Type: rapid.SampledFrom([]string{"A", "AAAA", "CNAME", "MX", "TXT", "CAA", "NS"}).Draw(t, "type"),
			Value: rapid.SampledFrom([]string{"192.0.2.10", "192.0.2.20", "::1", "client.example.net", "v=spf1 ip4:192.0.2.0/24 ip6:::/0 ip4:x", "\xff"}).Draw(t, "value"),
			Pref:  rapid.SampledFrom([]uint16{0, 5, 10}).Draw(t, "pref")})
	}
	w.dns = &schema.FoundDNS{Resolver: "test", Names: []schema.FoundName{n}}
	w.s.Names = []string{"client.example.net"}
}

// drawTrial adds a trial server, which may be anything but useful.
func drawTrial(t *rapid.T, w *world) {
	if rapid.Bool().Draw(t, "no trial") {
		return
	}
	w.cfg.Migration.Trial = "trial"
	w.cfg.Servers = append(w.cfg.Servers, schema.Server{Name: "trial"})
	w.x = &schema.FoundServer{Name: "trial", Presence: drawPresence(t), Machine: "machine-x", Can: allCan(), Engines: []schema.EngineOffer{{Name: "sqlite", Version: "3.50"}}}
	drawCannot(t, w.x, schema.CanTry)
}

// drawOwnRules adds waivers, renames, closed accounts and findings of own checks.
func drawOwnRules(t *rapid.T, w *world) {
	m := &w.cfg.Migration
	m.Timezone = rapid.SampledFrom([]string{"", "Europe/Paris", "No/Where"}).Draw(t, "timezone")
	codes := []string{codeOwnerMissing, codeRuntime, codeLinks, codeBackup, codeCertificate, "check:x", "policy:y", "fenced", "typo", codeRecordBlocked, codeTwice}
	for range rapid.IntRange(0, 4).Draw(t, "waivers") {
		m.Waivers = append(m.Waivers, schema.Waiver{Code: rapid.SampledFrom(codes).Draw(t, "code"), By: "ann", Reason: "r",
			Accounts: rapid.SampledFrom([][]string{nil, {"*"}, {"a*"}}).Draw(t, "waived"), Expires: rapid.SampledFrom([]string{"2026-11-01", "2026-11-02", "2099-01-01", "never"}).Draw(t, "day")})
	}
	names := rapid.SampledFrom([]string{"home", "0", "a", "..", "ghost", "x]"})
	for range rapid.IntRange(0, 3).Draw(t, "moved") {
		m.Moved = append(m.Moved, schema.Moved{From: names.Draw(t, "from"), To: names.Draw(t, "to")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "removed") {
		m.Removed = append(m.Removed, schema.Removed{Account: names.Draw(t, "removed name")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "checked") {
		w.checked = append(w.checked, schema.Finding{Code: "check:x", Severity: rapid.SampledFrom([]string{schema.Blocker, schema.Warning}).Draw(t, "severity"),
			Account: rapid.SampledFrom([]string{"", "home", "a", "ghost"}).Draw(t, "checked account"), Summary: "own"})
	}
}

// drawWorld is a world at the beginning of a journey that can be finished.
func drawWorld(t *rapid.T, processes []schema.Process) *world {
	names := rapid.SliceOfNDistinct(rapid.OneOf(rapid.StringMatching(`[a-z][a-z0-9-]{0,6}`), rapid.SampledFrom(awkward)), 1, 4, rapid.ID).Draw(t, "names")
	w := smallWorld()
	w.cfg.Processes = []schema.Process{rapid.SampledFrom(processes).Draw(t, "process")}
	m := &w.cfg.Migration
	m.Process = w.cfg.Processes[0].Name
	for _, n := range names {
		w.s.Accounts = append(w.s.Accounts, drawAccount(t, n))
	}
	slices.SortFunc(w.s.Accounts, func(a, b *schema.FoundAccount) int { return strings.Compare(a.Name, b.Name) })
	if rapid.Bool().Draw(t, "named") {
		names = slices.DeleteFunc(names, func(n string) bool { return !utf8.ValidString(n) }) // no text can name it, a pattern can
		for i, n := range names {
			c := schema.Account{Name: n}
			if i > 0 && rapid.Bool().Draw(t, "after") {
				c.After = []string{rapid.SampledFrom(names[:i]).Draw(t, "which")}
			}
			m.Accounts = append(m.Accounts, c)
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "serves") == 0 {
		w.cfg.Servers[0].Serves, w.s.Addresses, w.s.Listening = nil, nil, nil
	}
	drawRest(t, w, m)
	drawDNS(t, w)
	drawTrial(t, w)
	drawMachines(t, w)
	return w
}

// drawRest adds what is not an account that moves.
func drawRest(t *rapid.T, w *world, m *schema.Migration) {
	if rapid.Bool().Draw(t, "stays") {
		w.s.Accounts = append(w.s.Accounts, &schema.FoundAccount{Name: "zz-stays", Owner: schema.Ownership{State: schema.StateUnmanaged}})
		m.Stays = []schema.Stay{{Account: "zz-stays", Action: rapid.SampledFrom([]string{"archive", "retire", "elsewhere"}).Draw(t, "action"), Reason: "closed"}}
	}
	if rapid.Bool().Draw(t, "residue") {
		w.s.Residue = []schema.Residue{{Path: "/etc/x"}, {Path: "/srv/" + strings.Repeat("long", 80)}}
		for _, r := range w.s.Residue {
			m.Residue = append(m.Residue, schema.ResidueRule{Path: r.Path, Action: rapid.SampledFrom([]string{"carry", "archive", "discard"}).Draw(t, "residue action"), Reason: "because"})
		}
	}
	w.s.Runtimes = []schema.Runtime{{Name: "php", Version: "7.4"}, {Name: "php", Version: "8.2"}, {Name: "php", Version: "7.3"}}
	for _, c := range []schema.Capability{schema.CanReinstall, schema.CanRemoveRuntimes, schema.CanListResidue, schema.CanRetire} {
		drawCannot(t, w.s, c)
	}
	for _, c := range []schema.Capability{schema.CanProvision, schema.CanReroute, schema.CanRelease, schema.CanKeepFacts} {
		drawCannot(t, w.t, c)
	}
	if !w.s.Can[schema.CanListResidue] {
		w.s.Residue = nil
	}
}

func drawCannot(t *rapid.T, s *schema.FoundServer, c schema.Capability) {
	if rapid.IntRange(0, 3).Draw(t, string(c)) == 0 {
		s.Can[c] = false
	}
}

// checkWorld: there is exactly one owner or pending owner of each account.
func checkWorld(t failer, w *world) {
	t.Helper()
	for _, f := range append(slices.Clone(w.s.Accounts), w.t.Accounts...) {
		s, r := record(w.s.Account(f.Name)), record(w.t.Account(f.Name))
		n := 0
		for _, o := range []schema.Ownership{s, r} {
			if owns(o) || o.State == schema.StateUnmanaged || o.State == schema.StateRetired {
				n++
			}
		}
		if s.State == schema.StateMoved && r.State == schema.StatePrepared && s.Epoch == r.Epoch || r.State == schema.StateMoved && s.State == schema.StatePrepared && s.Epoch == r.Epoch {
			n++
		}
		if n != 1 {
			t.Fatalf("%q has %d owners: %+v and %+v", f.Name, n, s, r)
		}
	}
}

// continues: what is left after a part of a plan was done is a part of that
// plan, and the plan is not stale.
func continues(t failer, saved, fresh *Plan) {
	t.Helper()
	steps := map[ID]*Step{}
	for i := range saved.Steps {
		steps[saved.Steps[i].ID] = &saved.Steps[i]
	}
	for _, s := range fresh.Steps {
		old := steps[s.ID]
		if old == nil || old.Op != s.Op {
			t.Fatalf("%s was not in the plan before", s.ID)
		}
	}
	if why := Stale(saved, fresh); len(why) > 0 {
		t.Fatalf("stale: %v", why)
	}
	for _, s := range Within(saved, fresh).Runnable() {
		if steps[s.ID].Projected {
			t.Fatalf("%s was projected and would run", s.ID)
		}
	}
}

// traveller takes a world through its journey with faults, rollbacks and
// changing goals.
type traveller struct {
	*rapid.T
	w         *world
	faults    int
	rollbacks map[string]int
	pending   string // account whose rollback is asked for
}

func (v *traveller) compute() *Plan {
	v.Helper()
	in := v.w.input()
	p, err := Compute(in)
	if err != nil {
		v.Fatalf("%v", err)
	}
	checkLaws(v, in, p)
	checkWorld(v, v.w)
	return p
}

// round does what can be done now, perhaps interrupted, and closes gates.
func (v *traveller) round() (done bool) {
	v.Helper()
	v.choose()
	p := v.compute()
	if blockers := p.Blockers(); len(blockers) > 0 {
		v.Fatalf("%+v", blockers)
	}
	n := 0
	crash := rapid.IntRange(-1, 60).Draw(v.T, "crash")
	if v.faults == 0 {
		crash = -1
	}
	half := rapid.Bool().Draw(v.T, "half")
	err := v.w.run(p, func(s *Step) (bool, bool) {
		n++
		checkWorld(v, v.w)
		halves := half && (s.Op == OpSwitch || s.Op == OpPair)
		return crash == n && !halves, crash == n && halves
	})
	if err != nil {
		v.Fatalf("%v", err)
	}
	if crash > 0 && crash <= n {
		v.faults--
	}
	fresh := v.compute()
	continues(v, p, fresh)
	if len(p.Steps) == 0 && v.pending == "" && v.w.goal.Until == "" && len(v.w.goal.Accounts) == 0 {
		return true
	}
	if v.pending != "" && len(fresh.Steps) == 0 {
		v.pending, v.w.goal.Rollback = "", nil
	}
	v.closeGates(fresh)
	return false
}

// choose asks for a rollback now and then, or for a part of the journey only.
func (v *traveller) choose() {
	v.w.goal.Until, v.w.goal.Accounts = "", nil
	if v.pending != "" {
		return
	}
	switch rapid.IntRange(0, 9).Draw(v.T, "choice") {
	case 0:
		if v.faults > 0 {
			v.w.goal.Until = rapid.SampledFrom(schema.Phases()).Draw(v.T, "until")
		}
	case 1, 2:
		for _, a := range v.compute().Accounts {
			if a.RollbackOK && v.rollbacks[a.Name] < 2 && rapid.Bool().Draw(v.T, "back") {
				v.rollbacks[a.Name]++
				v.pending, v.w.goal.Rollback = a.Name, []string{escape(a.Name)}
				return
			}
		}
	}
}

func (v *traveller) closeGates(p *Plan) {
	v.Helper()
	for _, g := range p.Waiting() {
		if rapid.IntRange(0, 3).Draw(v.T, "close") == 0 {
			continue
		}
		if err := v.w.close(g); err != nil {
			v.Fatalf("%v", err)
		}
		if g.ID != GateID(schema.PhaseReinstall, "retire", g.Account) {
			continue
		}
		v.w.s.Account(g.Account).Owner.State = schema.StateRetired
	}
}

// TestJourneyLaws takes random worlds through whole journeys, interrupted
// anywhere. Every plan on the way obeys the laws, planning again continues, and
// the journey ends: no step is left, all accounts are where they belong, and
// none has moved more often than it had to.
func TestJourneyLaws(t *testing.T) {
	processes := builtin(t)
	rapid.Check(t, func(rt *rapid.T) {
		v := &traveller{T: rt, w: drawWorld(rt, processes), faults: rapid.IntRange(0, 6).Draw(rt, "faults"), rollbacks: map[string]int{}}
		rounds := 0
		for !v.round() {
			if rounds++; rounds > 150 {
				rt.Fatalf("the journey does not end: %+v", v.compute().Steps)
			}
			if v.w.confirmed != "" && rapid.Bool().Draw(rt, "forget") {
				v.w.confirmed = "" // a confirmation is of one run
			}
		}
		v.arrived()
	})
}

func (v *traveller) arrived() {
	v.Helper()
	oneWay := v.w.cfg.Processes[0].OneWay()
	moves := uint64(2)
	at := v.w.s
	if oneWay {
		moves, at = 1, v.w.t
	}
	n := 0
	for _, a := range at.Accounts {
		if a.Owner.State == schema.StateRetired || a.Name == "zz-stays" {
			continue
		}
		n++
		if want := moves + 2*uint64(v.rollbacks[a.Name]); a.Owner.State != schema.StateActive || a.Owner.Epoch != want {
			v.Fatalf("%q ended as %+v, want active at %d", a.Name, a.Owner, want)
		}
	}
	if n == 0 {
		v.Fatalf("nobody arrived")
	}
	if !oneWay && len(v.w.t.Accounts) > 0 {
		v.Fatalf("transit still has %d accounts", len(v.w.t.Accounts))
	}
	p := v.compute()
	for _, ph := range p.Phases {
		if ph.State != PhaseDone && ph.State != PhaseAbsent {
			v.Fatalf("with everything done, phase %s is %s", ph.Name, ph.State)
		}
	}
}

// TestAnyWorld: whatever two servers say, possible or not, a plan obeys the
// laws.
func TestAnyWorld(t *testing.T) {
	processes := builtin(t)
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt, processes)
		w.s.Presence, w.t.Presence = drawPresence(rt), drawPresence(rt)
		w.s.Known, w.t.Known = rapid.Bool().Draw(rt, "known"), rapid.Bool().Draw(rt, "t known")
		w.t.Machine = "machine-t"
		if rapid.Bool().Draw(rt, "sealed") {
			w.s.Seal = &schema.Seal{Number: 1}
		}
		if rapid.Bool().Draw(rt, "lineage") {
			w.t.Lineage = []string{rapid.SampledFrom([]string{"machine-s0", "machine-x"}).Draw(rt, "took")}
		}
		if rapid.Bool().Draw(rt, "listens") {
			w.t.Listening = append(slices.Clone(w.t.Addresses), w.s.Addresses...)
		}
		if rapid.Bool().Draw(rt, "full") {
			w.t.FreeBytes, w.t.FreeInodes = 1<<30, 5000
		}
		drawRecords(rt, w)
		drawOwnRules(rt, w)
		drawPast(rt, w)
		if rapid.Bool().Draw(rt, "unnamed") {
			w.cfg.Migration.Patterns = []schema.AccountsPattern{{Include: []string{"*a*", "h?me"}, DowntimeBudget: time.Second}}
		}
		w.confirmed = rapid.SampledFrom([]string{"", w.s.Name, w.t.Name}).Draw(rt, "confirmed")
		switch rapid.IntRange(0, 3).Draw(rt, "goal") {
		case 0:
			w.goal.Rollback = []string{rapid.SampledFrom([]string{"*", "a*", "ghost"}).Draw(rt, "rollback")}
		case 1:
			w.goal.Accounts = []string{"*a*"}
		case 2:
			w.goal.Until = rapid.SampledFrom(schema.Phases()).Draw(rt, "until")
		}
		in := w.input()
		p, err := Compute(in)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		checkLaws(rt, in, p)
	})
}

func drawPresence(t *rapid.T) string {
	return rapid.SampledFrom([]string{schema.Present, schema.Present, schema.Present, schema.Absent, schema.Unreachable}).Draw(t, "presence")
}

// drawRecords gives each account any two records.
func drawRecords(t *rapid.T, w *world) {
	states := []string{schema.StateUnmanaged, schema.StateActive, schema.StateFrozen, schema.StateStaged, schema.StatePrepared,
		schema.StateMoved, schema.StateRetired, schema.StateUnknown}
	record := func() schema.Ownership {
		o := schema.Ownership{State: rapid.SampledFrom(states).Draw(t, "state"), Epoch: rapid.Uint64Range(0, 3).Draw(t, "epoch"),
			Confirmed: rapid.Bool().Draw(t, "confirmed"), Migration: rapid.SampledFrom([]string{"id-1", "id-1", "id-1", "", "id-9"}).Draw(t, "migration")}
		if rapid.IntRange(0, 9).Draw(t, "fenced") == 0 {
			o.Blocker = "fenced"
		}
		return o
	}
	for _, a := range slices.Clone(w.s.Accounts) {
		a.Owner = record()
		if rapid.Bool().Draw(t, "on transit") {
			copyOf(w.t, a).Owner = record()
		}
		if rapid.IntRange(0, 5).Draw(t, "gone") == 0 {
			w.s.Accounts = slices.DeleteFunc(w.s.Accounts, func(x *schema.FoundAccount) bool { return x == a })
		}
	}
}

// drawPast remembers any facts, and approves whatever can be.
func drawPast(t *rapid.T, w *world) {
	if rapid.Bool().Draw(t, "claimed") {
		w.claim()
	}
	if rapid.Bool().Draw(t, "handover") {
		w.remember(schema.FactHandover, schema.FactHandover, "", true)
	}
	if rapid.IntRange(0, 5).Draw(t, "released") == 0 {
		w.remember(schema.FactReleased, schema.FactReleased, "", true)
	}
	for _, a := range w.t.Accounts {
		w.remember(ProbedID(a.Name, a.Owner.Epoch), schema.FactProbed, a.Name, ProbedFact{Epoch: a.Owner.Epoch, OK: rapid.Bool().Draw(t, "ok")})
	}
	if !rapid.Bool().Draw(t, "approve") {
		return
	}
	for range 3 {
		p, err := Compute(w.input())
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, g := range p.Waiting() {
			if g.Evidence != "" {
				w.remember(ApprovalID(g.ID, g.Evidence), schema.FactApproval, g.Account, schema.Approval{Gate: string(g.ID), By: "ann", Evidence: g.Evidence})
			}
		}
	}
}
