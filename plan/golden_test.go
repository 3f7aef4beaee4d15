package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stopover/stopover/schema/hclfile"
)

var update = flag.Bool("update", false, "write what the tests got as what they want")

// TestGolden runs each case under testdata: a configuration, an inventory, a
// past and a goal in, a plan out, as text that a support person could check.
// Every case is also held against the laws of every plan.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in := caseInput(t, archive)
			p, err := Compute(in)
			if err != nil {
				t.Fatal(err)
			}
			checkLaws(t, in, p)
			if judged := section(archive, "judged"); judged != "" {
				p.Judge(parseFindings(t, judged), nil)
			}
			got := render(p)
			dates := renderDates(&p.Dates)
			asked := has(archive, "dates")
			if *update {
				setSection(archive, "want", got)
				if asked {
					setSection(archive, "dates", dates)
				}
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(section(archive, "want"), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s(-want +got)\n%s", archive.Comment, diff)
			}
			if diff := cmp.Diff(strings.Split(section(archive, "dates"), "\n"), strings.Split(dates, "\n")); asked && diff != "" {
				t.Errorf("dates: %s(-want +got)\n%s", archive.Comment, diff)
			}
		})
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func has(a *txtar.Archive, name string) bool {
	return slices.ContainsFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
}

func setSection(a *txtar.Archive, name, text string) {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(text)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
}

// caseInput is the input of one case. What it does not say comes from
// testdata/servers.hcl and testdata/migration.hcl.
func caseInput(t *testing.T, a *txtar.Archive) Input {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"servers.hcl", "migration.hcl"} {
		if s := section(a, name); s != "" {
			files[name] = []byte(s)
			continue
		}
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	cfg, diags := hclfile.ParseFiles(files, hclfile.Options{})
	if diags.HasErrors() {
		t.Fatalf("%+v", diags)
	}
	in := Input{Config: cfg, Now: simStart.Add(24 * time.Hour)}
	in.Inventory = parseInventory(t, section(a, "inventory"), cfg)
	parseMachines(t, section(a, "machines"), in.Inventory)
	past := parsePast(t, section(a, "past"))
	in.Past = past.past
	parseGoal(t, section(a, "goal"), &in)
	parseMore(t, section(a, "more"), cfg)
	in.Checked = parseFindings(t, section(a, "checked"))
	in.Inventory.DNS = parseDNS(t, section(a, "dns"))
	applyTime(t, &in, section(a, "time"))
	past.approve(t, &in)
	return in
}

// render is a plan as text: findings, then per phase what is left of each
// server and account, then where the accounts are. A star is behind a gate.
func render(p *Plan) string {
	var out strings.Builder
	for _, f := range p.Findings {
		renderFinding(&out, "", &f)
	}
	for _, f := range p.Dates.Findings {
		renderFinding(&out, "dated ", &f)
	}
	for _, a := range p.Altered {
		fmt.Fprintf(&out, "altered %s: %s from %s to %s\n", plain(a.Account), plain(a.Object), a.From, a.To)
	}
	for _, ph := range p.Phases {
		if ph.State != PhaseAbsent {
			fmt.Fprintf(&out, "%s: %s\n", ph.Name, ph.State)
			renderPhase(&out, p, ph.Name)
		}
	}
	for _, a := range p.Accounts {
		fmt.Fprintf(&out, "account %s: %s %s @%d", plain(a.Name), a.Where, a.Stage, a.Epoch)
		if a.Downtime > 0 {
			fmt.Fprintf(&out, ", down %s", a.Downtime)
		}
		if a.RollbackOK {
			out.WriteString(", may go back")
		}
		if !a.RollbackBy.IsZero() {
			out.WriteString(" until " + a.RollbackBy.UTC().Format("2006-01-02"))
		}
		if a.Blocked != "" {
			out.WriteString(", stopped by " + a.Blocked)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func plain(s string) string {
	return strings.NewReplacer("\n", `\n`, "\x00", `\0`).Replace(s)
}

// renderPhase writes one line for the steps of one account or server that
// follow each other, and one for each gate.
func renderPhase(out *strings.Builder, p *Plan, phase string) {
	subject, cut := "", ""
	open := false
	end := func() {
		if open {
			out.WriteByte('\n')
		}
		open, subject = false, ""
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Phase != phase {
			continue
		}
		if s.Op == OpGate {
			end()
			renderGate(out, p.Gate(s.ID), s)
			continue
		}
		who := stepSubject(s)
		if who != subject {
			end()
			fmt.Fprintf(out, "  %s: ", plain(who))
			subject, open = who, true
		} else if s.Group == "" || s.Group != cut {
			out.WriteString("; ")
		}
		if s.Group != "" {
			if s.Group != cut {
				renderCut(out, p, s)
			}
			cut = s.Group
			continue
		}
		renderStep(out, p, s)
	}
	end()
	for _, g := range p.Gates {
		if g.Phase == phase && g.Closed != "" {
			fmt.Fprintf(out, "  gate %s closed: %s\n", g.ID, g.Closed)
		}
	}
}

func stepSubject(s *Step) string {
	if s.Account != "" {
		return s.Account
	}
	if s.Server == "" {
		return "migration"
	}
	return s.Server
}

func renderStep(out *strings.Builder, p *Plan, s *Step) {
	out.WriteString(string(s.Op))
	if s.Part != "" {
		out.WriteString(" " + s.Part)
	}
	if len(s.Objects) > 0 {
		out.WriteString(" " + plain(strings.Join(s.Objects, ",")))
	}
	if s.Method != "" && s.Method != "bulk" && s.Method != "warm" {
		out.WriteString(" by " + s.Method)
	}
	if s.Account != "" {
		fmt.Fprintf(out, " @%d", s.Epoch)
	}
	if s.Projected {
		out.WriteString("*")
	}
	renderEdges(out, p, s)
}

// renderCut writes a whole cutover.
func renderCut(out *strings.Builder, p *Plan, first *Step) {
	var parts []string
	var down time.Duration
	undo := ", no undo"
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Group != first.Group {
			continue
		}
		down += s.Estimate.Downtime
		switch {
		case s.Op == OpFinalSync && s.Part == PartDatabases:
			parts = append(parts, s.Part+" by "+s.Method)
		case s.Op == OpFinalSync:
			parts = append(parts, s.Part)
		case s.Undo:
			undo = ""
		}
	}
	fmt.Fprintf(out, "cutover @%d %s to %s (%s%s; %s)", first.Epoch, first.From, first.To, strings.Join(parts, ", "), undo, down)
	if len(first.Windows) > 0 {
		out.WriteString(" " + openIn(first.Windows))
	}
	if first.Projected {
		out.WriteString("*")
	}
	renderEdges(out, p, first)
}

// renderEdges writes what a step comes after, as far as it is not the step of
// the same account or server before it.
func renderEdges(out *strings.Builder, p *Plan, s *Step) {
	var others []string
	for _, id := range s.After {
		i := slices.IndexFunc(p.Steps, func(x Step) bool { return x.ID == id })
		if i < 0 || stepSubject(&p.Steps[i]) != stepSubject(s) {
			others = append(others, string(id))
		}
	}
	if len(others) > 0 {
		out.WriteString(" <- " + strings.Join(others, ", "))
	}
}

func renderGate(out *strings.Builder, g *Gate, s *Step) {
	state := "later"
	if g.Open {
		state = "open"
	}
	fmt.Fprintf(out, "  gate %s %s, %s, by %s", g.ID, state, g.Who, g.Closes)
	if g.Open {
		evidence := ""
		if g.Evidence == "" && g.Closes == closesApproval {
			evidence = " (no evidence)"
		}
		fmt.Fprintf(out, "%s: %s", evidence, plain(g.What))
	} else {
		out.WriteString(" <- " + strings.Join(idStrings(s.After), ", "))
	}
	out.WriteByte('\n')
}

func idStrings(ids []ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}
