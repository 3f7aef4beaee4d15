package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const rulesPage = "../docs/rules.md"

// TestRulesPage: each case is named by a rule, each rule names cases that are
// there, no id is used twice, and the list of findings is the registry's.
func TestRulesPage(t *testing.T) {
	page, err := os.ReadFile(rulesPage)
	if err != nil {
		t.Fatal(err)
	}
	rules, findings, ok := strings.Cut(string(page), "\n## Findings\n")
	if !ok {
		t.Fatal("the page lists no findings")
	}
	named := map[string]bool{}
	ids := map[string]bool{}
	for _, line := range strings.Split(rules, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 8 || !regexp.MustCompile(`^ [A-Z][0-9]+ $`).MatchString(cells[1]) {
			continue
		}
		id := strings.TrimSpace(cells[1])
		if ids[id] {
			t.Errorf("rule %s twice", id)
		}
		ids[id] = true
		for _, name := range strings.Split(cells[6], ",") {
			name = strings.TrimSpace(name)
			named[name] = true
			if _, err := os.Stat(filepath.Join("testdata", name+".txtar")); err != nil {
				t.Errorf("rule %s: %v", id, err)
			}
		}
	}
	cases, _ := filepath.Glob("testdata/*.txtar")
	for _, c := range cases {
		if name := strings.TrimSuffix(filepath.Base(c), ".txtar"); !named[name] {
			t.Errorf("no rule names the case %s", name)
		}
	}
	want := findingsTable()
	_, got, _ := strings.Cut(findings, "\n| code")
	if got = "| code" + got; got == want {
		return
	}
	if !*update {
		t.Error("the findings on the page are not those of the registry; go test ./plan -run TestRulesPage -update")
		return
	}
	text, _, _ := strings.Cut(string(page), "\n| code")
	if err := os.WriteFile(rulesPage, []byte(strings.TrimRight(text, "\n")+"\n\n"+want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// findingsTable is the registry as a table.
func findingsTable() string {
	var out strings.Builder
	out.WriteString("| code | severity | what is wrong | checks |\n|---|---|---|---|\n")
	for _, k := range FindingKinds() {
		fmt.Fprintf(&out, "| [%s](findings.md#%s) | %s | %s | %s |\n", k.Code, k.Code, k.Severity, k.Title, strings.Join(k.Checks, ", "))
	}
	return out.String()
}

// TestGoldenCoverage: each op and each finding is in what some case wants, but
// for findings that a configuration file cannot lead to.
func TestGoldenCoverage(t *testing.T) {
	var all strings.Builder
	cases, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range cases {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(section(a, "want") + section(a, "dates"))
	}
	text := all.String()
	inCutover := []Op{OpFreeze, OpFinalSync, OpCompare, OpPrepareCopy, OpThaw, OpGate}
	for _, op := range Ops() {
		if !slices.Contains(inCutover, op) && !strings.Contains(text, string(op)) {
			t.Errorf("no case has %s", op)
		}
	}
	elsewhere := []string{codeNameUnusable, codeStaysNamed, codeAfterCycle} // TestContradictions
	for _, k := range FindingKinds() {
		if !slices.Contains(elsewhere, k.Code) && !strings.Contains(text, " "+k.Code+" ") {
			t.Errorf("no case has %s", k.Code)
		}
	}
}
