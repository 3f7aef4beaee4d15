package plan

import (
	"slices"
	"strings"
)

// checkSites looks for sites whose domain belongs to another account: the two
// should move one right after the other.
func (b *builder) checkSites(a *account) {
	if !b.leaves(a) {
		return
	}
	byOwner := map[string][]string{}
	for _, s := range a.live.Sites {
		if s.Owner != "" && s.Owner != a.name {
			byOwner[s.Owner] = append(byOwner[s.Owner], s.Domain)
		}
	}
	owners := make([]string, 0, len(byOwner))
	for o := range byOwner {
		owners = append(owners, o)
	}
	slices.Sort(owners)
	for _, owner := range owners {
		domains := byOwner[owner]
		slices.Sort(domains)
		b.checkSite(a, owner, slices.Compact(domains))
	}
}

func (b *builder) checkSite(a *account, owner string, domains []string) {
	what := strings.Join(evidenceOf(domains), ", ") + " of " + a.name
	o := b.accountOf(owner)
	switch {
	case o == nil:
		b.reportSeen(codeSiteOwner, a.name, "", owner, what+" is on a domain of "+owner+", which does not move", domains)
	case a.waitsFor(b, o) || o.waitsFor(b, a):
	case b.leaves(o):
		b.reportSeen(codeSiteOrder, a.name, "", owner, what+" is on a domain of "+owner+": write after = ["+quoteHCL(owner)+"] in account "+a.name+
			", so that it moves right after it", domains)
	}
}

// waitsFor says whether `after` of one account names the other.
func (a *account) waitsFor(b *builder, o *account) bool {
	return slices.ContainsFunc(a.conf.After, func(name string) bool { return b.accountOf(name) == o })
}

// accountOf is an account that takes part, by the name it has now or had before.
func (b *builder) accountOf(name string) *account { return b.byName[b.renamed.current(name)] }
