package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// The small language of the golden cases; testdata/README.md describes it.

// parseInventory reads servers and accounts.
func parseInventory(t *testing.T, text string, cfg *schema.Config) *schema.Inventory {
	t.Helper()
	inv := &schema.Inventory{Servers: map[string]*schema.FoundServer{}}
	var server *schema.FoundServer
	var account *schema.FoundAccount
	for _, line := range strings.Split(text, "\n") {
		words := fields(t, line)
		switch {
		case len(words) == 0:
		case !strings.HasPrefix(line, " "):
			server = parseServer(t, words, cfg)
			inv.Servers[server.Name] = server
		case words[0] == "residue":
			server.Residue = append(server.Residue, schema.Residue{Path: words[1], Kind: "file", Bytes: 100})
		case words[0] == "finding":
			account.Findings = append(account.Findings, schema.Finding{Code: words[1], Severity: words[2], Summary: words[3]})
		default:
			account = parseAccount(t, words)
			server.Accounts = append(server.Accounts, account)
			slices.SortFunc(server.Accounts, func(a, b *schema.FoundAccount) int { return strings.Compare(a.Name, b.Name) })
		}
	}
	introduce(inv, cfg)
	return inv
}

// introduce lets records whose peer is not said name the other server.
func introduce(inv *schema.Inventory, cfg *schema.Config) {
	s, t := inv.Servers[cfg.Migration.Source], inv.Servers[cfg.Migration.Transit]
	for _, pair := range [][2]*schema.FoundServer{{s, t}, {t, s}} {
		if pair[0] == nil || pair[1] == nil {
			continue
		}
		for _, a := range pair[0].Accounts {
			switch a.Owner.State {
			case schema.StateUnmanaged, schema.StateUnknown, schema.StateRetired:
			default:
				if a.Owner.Peer == "" {
					a.Owner.Peer = pair[1].Machine
				}
			}
		}
	}
}

// fields splits a line at spaces; what is between double quotes is one word
// with Go's escapes.
func fields(t *testing.T, line string) []string {
	t.Helper()
	var out []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimLeft(line, " ") {
		if line[0] == '"' {
			q, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			word, _ := strconv.Unquote(q)
			out, line = append(out, word), line[len(q):]
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		out, line = append(out, word), rest
	}
	return out
}

func parseServer(t *testing.T, words []string, cfg *schema.Config) *schema.FoundServer {
	t.Helper()
	s := &schema.FoundServer{Name: words[0], Presence: words[1], Can: allCan(), Cannot: map[schema.Capability]string{}}
	if c := cfg.Server(s.Name); c != nil {
		s.Addresses = c.Serves
	}
	if s.Presence == "known" {
		s.Presence, s.Known = schema.Present, true
	}
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "error":
			s.Error = strings.ReplaceAll(value, "_", " ")
		case "machine":
			s.Machine = value
		case "architecture":
			s.Architecture = value
		case "listens":
			s.Listening = strings.Split(value, ",")
		case "runtimes":
			s.Runtimes = runtimes(value)
		case "removed":
			s.Removed = runtimes(value)
		case "cannot":
			c, why, _ := strings.Cut(value, ":")
			s.Can[schema.Capability(c)] = false
			s.Cannot[schema.Capability(c)] = strings.ReplaceAll(why, "_", " ")
		case "sealed":
			s.Seal = &schema.Seal{Number: 1}
		case "took":
			s.Lineage = []string{value}
		case "claimed":
			s.Claim.Migration, s.Claim.Name, _ = strings.Cut(value, ":")
		case "free":
			b, i, _ := strings.Cut(value, "/")
			s.FreeBytes, s.FreeInodes = parseSize(t, b), parseSize(t, i)
		default:
			parseServerMore(t, s, key, value)
		}
	}
	return s
}

func runtimes(list string) []schema.Runtime {
	var out []schema.Runtime
	for _, r := range strings.Split(list, ",") {
		name, version, _ := strings.Cut(r, "/")
		out = append(out, schema.Runtime{Name: name, Version: version})
	}
	return out
}

// parseAccount reads one account: name, state@epoch, contents.
func parseAccount(t *testing.T, words []string) *schema.FoundAccount {
	t.Helper()
	a := &schema.FoundAccount{Name: words[0]}
	state, epoch, _ := strings.Cut(words[1], "@")
	a.Owner = schema.Ownership{State: state, Epoch: number64(t, epoch), Serves: state == schema.StateActive || state == schema.StateUnmanaged}
	if state != schema.StateUnmanaged && state != schema.StateUnknown {
		a.Owner.Migration = "id-1"
	}
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		switch {
		case key == "confirmed":
			a.Owner.Confirmed = true
		case key == "of":
			a.Owner.Migration = value
		case key == "peer":
			a.Owner.Peer = value
		case key == "pairing":
			a.Owner.Pairing = value
		case key == "fenced":
			a.Owner.Blocker = strings.ReplaceAll(value, "_", " ")
		case key == "files":
			b, n, _ := strings.Cut(value, "/")
			a.Files = schema.Files{Bytes: parseSize(t, b), Entries: parseSize(t, n)}
		case key == "mail":
			b, box, _ := strings.Cut(value, ":")
			a.Mail = schema.Mail{Bytes: parseSize(t, b), Messages: 1, Mailboxes: strings.Split(box, ",")}
		case key == "domain":
			name, dns, _ := strings.Cut(value, ":")
			a.Domains = append(a.Domains, schema.Domain{Name: name, DNS: dns})
		case parseContent(t, a, key, value):
		case key == "uses":
			r, by, _ := strings.Cut(value, ":")
			u := runtimes(r)[0]
			a.Runtimes = append(a.Runtimes, schema.RuntimeUse{Name: u.Name, Version: u.Version, By: strings.ReplaceAll(by, "_", " ")})
		case key == "copied":
			for _, part := range strings.Split(value, ",") {
				a.Copied = append(a.Copied, schema.CopiedPart{Part: part, Epoch: a.Owner.Epoch})
			}
		case strings.Contains(key, ":"): // ENGINE:NAME=SIZE[:MODE-OR-VERSION]
			engine, name, _ := strings.Cut(key, ":")
			b, more, _ := strings.Cut(value, ":")
			d := schema.Database{Engine: engine, Name: name, Bytes: parseSize(t, b), Version: more}
			if engine == "sqlite" {
				d.Version, d.Mode = "", more
			}
			a.Databases = append(a.Databases, d)
		default:
			t.Fatalf("account: %s", w)
		}
	}
	return a
}

func number64(t *testing.T, s string) uint64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func parseSize(t *testing.T, s string) int64 {
	t.Helper()
	size := int64(1)
	for _, unit := range []string{"KB", "MB", "GB", "TB"} {
		size *= 1000
		if n, ok := strings.CutSuffix(s, unit); ok {
			return int64(number64(t, n)) * size
		}
	}
	return int64(number64(t, s))
}

// pastText is the past of a case: facts, timings, and the approvals whose
// evidence is found out by computing.
type pastText struct {
	past     Past
	approved [][]string // gate, who, "stale"
}

func parsePast(t *testing.T, text string) pastText {
	t.Helper()
	var p pastText
	for n, line := range strings.Split(text, "\n") {
		w := fields(t, line)
		if len(w) == 0 {
			continue
		}
		at := simStart.Add(time.Duration(n) * time.Minute)
		fact := func(id, kind, account string, value any) {
			raw, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			p.past.Facts = append(p.past.Facts, schema.Fact{ID: id, Kind: kind, Account: account, Value: raw, At: at})
		}
		switch w[0] {
		case "migration":
			fact(schema.FactMigration, schema.FactMigration, "", schema.MigrationFact{ID: w[1]})
		case "machine":
			fact(MachineID(w[1]), schema.FactMachine, "", schema.MachineFact{Machine: w[2]})
		case "handover":
			fact(schema.FactHandover, schema.FactHandover, "", true)
		case "baseline":
			for _, a := range strings.Split(w[1], ",") {
				fact(BaselineID(a, w[2]), schema.FactBaseline, a, schema.BaselineFact{Probe: w[2], Status: 200})
			}
		case "prepared":
			fact(PreparedID(w[1]), schema.FactPrepared, w[1], true)
		case "migrated":
			fact(MigratedID(w[1], number64(t, w[2][1:])), schema.FactMigrated, w[1], schema.MigratedFact{Epoch: number64(t, w[2][1:])})
		case "rebaselined":
			fact(BaselineAgainID(w[1], w[2], int(number64(t, w[3]))), schema.FactBaseline, w[1], schema.BaselineFact{Probe: w[2], Status: 200})
		case "probed":
			e := number64(t, w[2][1:])
			id := ProbedID(w[1], e)
			if len(w) > 4 {
				id = ProbedAgainID(w[1], e, int(number64(t, w[4])))
			}
			fact(id, schema.FactProbed, w[1], ProbedFact{Epoch: e, OK: w[3] == "ok"})
		case "approved":
			p.approved = append(p.approved, append(w[1:], ""))
		case "disposed":
			fact(DisposedResidueID(w[1]), schema.FactDisposed, "", DisposedFact{Action: w[2]})
		case "archived":
			fact(DisposedAccountID(w[1]), schema.FactDisposed, "", DisposedFact{Action: "archive"})
		case "placed":
			fact(PlacedResidueID(w[1]), schema.FactDisposed, "", DisposedFact{Action: "carry"})
		case "released":
			fact(schema.FactReleased, schema.FactReleased, "", true)
		case "named":
			v := schema.NamedFact{}
			if len(w) > 2 {
				v.ID = w[2]
			}
			fact(NamedID(w[1]), schema.FactNamed, w[1], v)
		case "trial":
			fact(TrialID(w[1], w[2], int(number64(t, w[3]))), schema.FactTrial, w[1], parseTrial(w[2], w[4], w[5:]))
		case "timing":
			d, err := time.ParseDuration(w[3])
			if err != nil {
				t.Fatal(err)
			}
			p.past.Timings = append(p.past.Timings, Timing{Op: w[1], Bytes: parseSize(t, w[2]), Duration: d})
		default:
			t.Fatalf("past: %s", line)
		}
	}
	return p
}

// approve adds the approvals, each with the evidence that its gate shows now.
func (p *pastText) approve(t *testing.T, in *Input) {
	t.Helper()
	for _, w := range p.approved {
		evidence := "sha256:" + strings.Repeat("0", 64)
		if w[len(w)-2] != "stale" {
			now := *in
			now.Goal = Goal{}
			evidence = evidenceNow(t, now, ID(w[0]))
		}
		raw, _ := json.Marshal(schema.Approval{Gate: w[0], By: w[1], Evidence: evidence})
		in.Past.Facts = append(in.Past.Facts, schema.Fact{ID: ApprovalID(ID(w[0]), evidence), Kind: schema.FactApproval, Value: raw, At: simStart})
	}
}

// evidenceNow is what a gate shows, or would show if nothing came before it.
func evidenceNow(t *testing.T, in Input, gate ID) string {
	t.Helper()
	p, err := Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	if g := p.Gate(gate); g != nil && g.Evidence != "" {
		return g.Evidence
	}
	b, err := newBuilder(in)
	if err != nil {
		t.Fatal(err)
	}
	b.survey()
	b.collect()
	for _, a := range b.accounts {
		b.read(a)
		if gateID(schema.PhaseVerify, "accept", a.esc) == gate {
			return b.evidence(gate, a.epoch, b.answers(a))
		}
	}
	t.Fatalf("no gate %s", gate)
	return ""
}

// parseGoal reads until=, accounts=, rollback=, verify=, baseline=, confirmed=, after= (since the
// start of the past).
func parseGoal(t *testing.T, text string, in *Input) {
	t.Helper()
	for _, w := range fields(t, strings.ReplaceAll(text, "\n", " ")) {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "until":
			in.Goal.Until = value
		case "accounts":
			in.Goal.Accounts = strings.Split(value, ",")
		case "verify":
			in.Goal.Verify = strings.Split(value, ",")
		case "baseline":
			in.Goal.Baseline = value == "yes"
		case "rollback":
			in.Goal.Rollback = strings.Split(value, ",")
		case "confirmed":
			in.Confirmed = value
		case "after":
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			in.Now = simStart.Add(d)
		default:
			t.Fatal(fmt.Errorf("goal: %s", w))
		}
	}
}
