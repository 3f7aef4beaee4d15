package view

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"pgregory.net/rapid"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// hostile is any text that a server could send.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "bytes")) }),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.SampledFrom([]string{"a", "ab ", "漢", "e\u0301", "👩‍👩‍👧", "\u200b", "\x1b[2J", "\t", "'", "\\", "--", "%", "│", "¯"}).Draw(t, "piece"), rapid.IntRange(1, 100).Draw(t, "times"))
		}),
	)
}

// hostileName is a name that an account may have.
func hostileName() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := hostile().Filter(func(s string) bool { return s != "" }).Draw(t, "name")
		for {
			if _, err := schema.EscapeName(s); err == nil {
				return s
			}
			s = s[:len(s)/2]
		}
	})
}

// hostilePlan is a plan whose every text is somebody else's.
func hostilePlan(t *rapid.T) *plan.Plan {
	p := dated(seed(rapid.IntRange(0, 30).Draw(t, "accounts")))
	text := func() string { return hostile().Draw(t, "text") }
	renamed := map[string]string{}
	name := func(old string) string {
		if old == "" {
			return ""
		}
		if renamed[old] == "" {
			renamed[old] = hostileName().Draw(t, "account")
		}
		return renamed[old]
	}
	p.Migration, p.Config.Migration.Process, p.Config.Migration.Source, p.Config.Migration.Transit = text(), text(), hostileName().Draw(t, "source"), hostileName().Draw(t, "transit")
	for i := range p.Steps {
		s := &p.Steps[i]
		s.Account, s.Why, s.Server, s.From, s.To = name(s.Account), p.Migration, p.Config.Migration.Transit, p.Config.Migration.Source, p.Config.Migration.Transit
		if s.Projected {
			s.Why, s.Objects = text(), []string{text(), text()}
		}
	}
	for i := range p.Gates {
		g := &p.Gates[i]
		g.Account = name("gate")
		g.ID, g.What, g.Who = plan.GateID("verify", "accept", hostileName().Draw(t, "gate")), text(), text()
	}
	for i := range p.Findings {
		f := &p.Findings[i]
		f.Account, f.Summary, f.Remedy, f.Evidence = name(f.Account), text(), text(), []string{text(), text()}
	}
	for i := range p.Accounts {
		p.Accounts[i].Name, p.Accounts[i].Where = name(p.Accounts[i].Name), p.Config.Migration.Source
	}
	for i := range p.Dates.Timetable {
		p.Dates.Timetable[i].What, p.Dates.Timetable[i].Window, p.Dates.Timetable[i].Waited = text(), text(), text()
	}
	p.Downtime.Of, p.Dates.Cost.Currency, p.Dates.Deadlines[0].Why = text(), text(), text()
	p.Altered = []plan.Altered{{Account: text(), Object: text(), From: text(), To: text(), Why: text()}}
	return p
}

// Whatever names and texts are, a line for people has at most 80 columns, and
// nothing in it is for a terminal to obey.
func TestEightyColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := hostilePlan(t)
		verbose := rapid.Bool().Draw(t, "verbose")
		inv := inventory()
		text := hostile().Draw(t, "error")
		at := time.Unix(1e9, 0)
		out := show(Options{Verbose: verbose}, func(v *View) {
			v.Plan(p, []string{text}, hostileName().Draw(t, "file"))
			v.Planned(p, nil)
			v.Status(Situation{Plan: p, Inventory: inv, Last: &report.Run{Who: text, How: text, Began: at, Failed: []report.Failure{{Step: "x", Why: text}}}})
			v.Inventory(p.Config, inv, false)
			v.Inventory(p.Config, wholeMachines(3, text), rapid.Bool().Draw(t, "each"))
			v.Findings(p.Findings)
			v.Verified([]report.Probed{{Account: text, Server: text, At: at, Err: text, Probes: []report.ProbedOnce{{Probe: text, Now: &apply.Answer{Status: 1, Title: text}, Why: text}}}})
			for _, what := range []apply.What{apply.Progress, apply.Finished, apply.Failed, apply.Skipped, apply.Note, apply.Countdown, "new"} {
				for i := range 3 {
					v.Event(apply.Event{What: what, At: at.Add(time.Duration(i) * time.Minute), Account: text, Op: plan.Op(text), Part: text, From: text, To: text, Server: text, Text: text, Err: errors.New(text),
						Bytes: 1 << 60, Total: 1 << 62, Rate: 1, Duration: 1 << 61, Undone: true})
				}
			}
			v.Result(apply.Result{Accounts: []apply.AccountResult{{Account: text, State: apply.AccountFailed, Why: text, Cutovers: []apply.Cutover{{To: text, Downtime: time.Hour}}}}}, nil)
			v.Concluded(p)
			v.Approved(apply.Outcome{Approved: p.Gates})
			v.Revoked([]schema.Approval{{Gate: text}})
			v.Lost(text, []string{text}, []string{text})
			d := apply.Diagnosis{Account: text, Sides: []apply.Side{{Server: text, Presence: text, Error: text}}, Wrong: []string{text},
				Choices: []apply.Choice{{Order: apply.OrderAccept, Server: text, Means: text}}}
			v.Diagnosed(d)
			v.Recovered(apply.Recovery{Account: text, Order: text, Server: text}, d)
			v.Error(errors.New(text))
			v.Error(&apply.RefusedError{Reason: text, Details: []string{text}})
			v.Error(&apply.WaitingError{Gates: p.Gates, Windows: []apply.ClosedWindow{{Window: text, Accounts: []string{text}}}})
			v.Validated(schema.Diagnostics{{Severity: "error", Summary: text, Detail: text + "\n" + text, Snippet: text, Pos: schema.Pos{File: text, Line: 3}}})
			if err := v.Report(report.Build(report.Input{Plan: p, Inventory: inv, Now: at}), Text); err != nil {
				t.Fatal(err)
			}
		})
		fits(t, out)
	})
}

// Markdown and HTML of hostile texts hold nothing that was not said by us.
func TestHostilePages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := hostilePlan(t)
		for _, format := range []string{Markdown, HTML} {
			out := show(Options{}, func(v *View) {
				if err := v.PlanAs(p, nil, "", format); err != nil {
					t.Fatal(err)
				}
			})
			for line := range strings.Lines(out) {
				if line = strings.TrimSuffix(line, "\n"); clean(line) != line {
					t.Errorf("%s: control characters: %q", format, line)
				}
			}
		}
	})
}

func TestClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := hostile().Draw(t, "s")
		c := clean(s)
		if clean(c) != c {
			t.Errorf("cleaning %q twice differs: %q, %q", s, c, clean(c))
		}
		most := rapid.IntRange(4, 90).Draw(t, "most")
		for _, l := range fold(c, most) {
			if runewidth.StringWidth(l) > most {
				t.Errorf("%d columns: %q", most, l)
			}
		}
		if got := strings.Join(strings.Fields(strings.Join(fold(c, most), " ")), ""); got != strings.ReplaceAll(c, " ", "") {
			t.Errorf("fold loses something of %q: %q", c, got)
		}
		if short := shorten(c, most); runewidth.StringWidth(short) > most {
			t.Errorf("%d columns: %q", most, short)
		}
	})
}

// A command that is broken over lines is one word to a shell.
func TestCommand(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal("bash is needed: ", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		word := strings.ReplaceAll(hostileName().Draw(t, "word"), "\x00", "0") // no argument can hold it
		left := rapid.SampledFrom([]string{"", "      ", strings.Repeat(" ", 60)}).Draw(t, "left")
		text := show(Options{}, func(v *View) { v.command(left, "printf %s ", word) })
		fits(t, text)
		if strings.HasPrefix(word, "-") {
			return // printf would take it for an option; quoting cannot help
		}
		out, err := exec.Command(shell, "-c", text).Output()
		if err != nil || string(out) != word {
			t.Errorf("%v: %q instead of %q\n%s", err, out, word, text)
		}
	})
}

// BenchmarkPlanText: the text of a plan of 10,000 accounts with 25 steps each is
// to take half a second at most.
func BenchmarkPlanText(b *testing.B) {
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := wide(n)
			b.ReportAllocs()
			for b.Loop() {
				New(io.Discard, io.Discard, Options{}).Plan(p, nil, "")
			}
			b.ReportMetric(float64(len(p.Steps)), "steps")
		})
	}
}

func BenchmarkStatusText(b *testing.B) {
	p := wide(10000)
	for b.Loop() {
		New(io.Discard, io.Discard, Options{}).Status(Situation{Plan: p, Inventory: inventory()})
	}
}

// wide is a whole journey of n accounts, about as many steps as a real one has.
func wide(n int) *plan.Plan {
	p := dated(seed(n))
	for i := range p.Accounts {
		name := p.Accounts[i].Name
		for _, phase := range []string{schema.PhasePrepare, schema.PhaseInstall, schema.PhaseReinstall, schema.PhaseRelocate} {
			for _, op := range []plan.Op{plan.OpBaseline, plan.OpPair, plan.OpPrecopy, plan.OpConfirm, plan.OpProbe} {
				p.Steps = append(p.Steps, plan.Step{ID: plan.ID(phase + "." + string(op) + "[" + fmt.Sprint(i) + "]"), Phase: phase, Op: op, Account: name, Part: "files",
					From: "client", To: "transit", Server: "transit", Projected: true})
			}
		}
		p.Findings = append(p.Findings, schema.Finding{Code: "server-named", Severity: schema.Warning, Account: name, Summary: "files of " + clean(name) + " name the server", Evidence: []string{"home/www/config.php:12: 192.0.2.10"}})
		p.Altered = append(p.Altered, plan.Altered{Account: name, Object: "runtime php", From: "7.4", To: "8.1", Why: "not offered"})
	}
	for i := range p.Phases {
		if p.Phases[i].State == plan.PhaseDone {
			p.Phases[i].State = plan.PhaseAhead
		}
	}
	return p
}
