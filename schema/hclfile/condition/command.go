package condition

import (
	"fmt"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Target is what a check by command is about: an account where its owner is, or,
// with neither, everything that was found.
type Target struct {
	Account *schema.FoundAccount
	Server  *schema.FoundServer
}

// Targets are what a check by command has to be run for: each account that its
// patterns match, by name, or everything once where it has none. A pattern that
// no account matches is a finding, as one that cannot be read is.
func Targets(c schema.Condition, inv *schema.Inventory, cfg *schema.Config) ([]Target, []schema.Finding) {
	r := &rule{Condition: c, kind: "check"}
	if len(c.Accounts) == 0 {
		return []Target{{}}, nil
	}
	for _, g := range c.Accounts {
		glob, err := schema.ParseGlob(g)
		if err != nil {
			return nil, []schema.Finding{r.broken("", r.fault("Wrong pattern", err.Error()))}
		}
		r.globs = append(r.globs, glob)
	}
	var out results
	var list []Target
	for _, f := range newWorld(inv).matching(r, cfg, &out) {
		list = append(list, Target{f.account, f.server})
	}
	return list, out.sorted()
}

// maxLines is how many lines of what a command printed are kept.
const maxLines = 20

// Said is the finding of a command that found something wrong: the first line
// that it printed says what, the others are what it saw.
func Said(c schema.Condition, account, printed string) schema.Finding {
	r := &rule{Condition: c, kind: "check"}
	f := r.base(account)
	f.Severity, f.Remedy = c.Severity, oneLine(c.Remedy)
	if f.Severity == "" {
		f.Severity = schema.Blocker
	}
	lines := printedLines(printed)
	if len(lines) == 0 {
		lines = []string{fmt.Sprintf("the check %q failed, and its command did not say why", oneLine(c.Name))}
	}
	f.Summary, f.Evidence = lines[0], append(lines[1:], r.where()...)
	return f
}

// Untold is the finding of a command that could not tell: it has not passed,
// whatever severity the check has.
func Untold(c schema.Condition, account, why, printed string) schema.Finding {
	r := &rule{Condition: c, kind: "check"}
	f := r.base(account)
	f.Severity = schema.Blocker
	f.Summary = oneLine(fmt.Sprintf("the check %q could not tell: %s", c.Name, why))
	f.Remedy = "run its command by hand, and mend it: 0 says that nothing is wrong, 1 that something is"
	f.Evidence = append(printedLines(printed), r.where()...)
	return f
}

// printedLines are the first lines that say anything, each fit for a list.
func printedLines(s string) []string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		if line = oneLine(line); line != "" && len(out) <= maxLines {
			out = append(out, shortened(line, 300))
		}
	}
	return out
}
