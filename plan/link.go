package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkLinks looks for symbolic links that lead out of the account.
func (b *builder) checkLinks(a *account) {
	if !b.leaves(a) || len(a.live.Links) == 0 {
		return
	}
	seen := make([]string, len(a.live.Links))
	for i, l := range a.live.Links {
		seen[i] = l.Path + " -> " + l.Target
	}
	slices.Sort(seen)
	n := count(len(seen), "symbolic link")
	if slices.Contains(a.live.Truncated, "links") {
		n = "more than " + n
	}
	verb := " lead out of the account: what they lead to is not copied"
	if len(seen) == 1 {
		verb = " leads out of the account: what it leads to is not copied"
	}
	b.reportSeen(codeLinks, a.name, "", "", n+verb, seen)
}

// leaves says whether an account has a move before it, out or home, so that
// what is inside of it is worth looking at.
func (b *builder) leaves(a *account) bool {
	switch a.found {
	case sideSource:
		return a.live != nil
	case sideTransit, sideToTransit:
		return a.live != nil && !b.proc.OneWay()
	case sideToSource:
		return a.live != nil && !b.reinstalled
	}
	return false
}

// goesOut says whether an account on the source has the move to transit before
// it. One that goes back in this plan does not: what transit lacks is nothing to
// it, and would be news to a plan that was made before it came back.
func (b *builder) goesOut(a *account) bool {
	return !b.back && a.s != nil && (a.found == sideSource || a.found == sideToSource && !b.reinstalled)
}

// checkMentions looks for files that name the server that the account is on.
// There is one finding for each name, however many files hold it, so that an
// edited file is no new finding.
func (b *builder) checkMentions(a *account) {
	if !b.leaves(a) || len(a.live.Mentions) == 0 {
		return
	}
	list := slices.Clone(a.live.Mentions)
	slices.SortFunc(list, compareMention)
	for from := 0; from < len(list); {
		to := from + 1
		for to < len(list) && list[to].What == list[from].What {
			to++
		}
		seen := make([]string, 0, to-from)
		for _, m := range list[from:to] {
			seen = append(seen, m.Path+":"+itoa(int64(m.Line))+": "+m.What)
		}
		n := count(to-from, "place")
		if slices.Contains(a.live.Truncated, "mentions") {
			n = "more than " + n
		}
		b.reportSeen(codeMentions, a.name, "", list[from].What, list[from].What+" of the server is written in "+n+" of the account's files, first "+
			list[from].Path+":"+itoa(int64(list[from].Line)), seen)
		from = to
	}
}

func compareMention(x, y schema.Mention) int {
	if c := strings.Compare(x.What, y.What); c != 0 {
		return c
	}
	if c := strings.Compare(x.Path, y.Path); c != 0 {
		return c
	}
	return x.Line - y.Line
}
