package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// Prefixes of the codes of findings that the configuration's own rules make;
// behind them is the rule's name.
const (
	CheckPrefix  = "check:"
	PolicyPrefix = "policy:"
)

// waivers let findings pass that would stop something. What they let pass, and
// what they could not, is remembered to be said at the end.
type waivers struct {
	list   []waiver
	byCode map[string][]*waiver // nil without waivers
	names  renames              // accounts may be named as they were called before
}

// waiver is one block while findings are made.
type waiver struct {
	conf    *schema.Waiver
	globs   []schema.Glob // over names of accounts; none: any, and findings of none
	object  *schema.Glob  // nil: any
	expired bool
	used    bool
	refused bool // it names a finding that cannot be waived
}

func newWaivers(mig *schema.Migration, now time.Time) waivers {
	if len(mig.Waivers) == 0 {
		return waivers{}
	}
	w := waivers{list: make([]waiver, len(mig.Waivers)), byCode: map[string][]*waiver{}}
	for i := range mig.Waivers {
		c := &mig.Waivers[i]
		w.list[i] = waiver{conf: c, globs: globsOf(c.Accounts), expired: hasExpired(mig, c, now)}
		if c.Object != "" {
			w.list[i].object = &globsOf([]string{c.Object})[0]
		}
		w.byCode[c.Code] = append(w.byCode[c.Code], &w.list[i])
	}
	return w
}

// hasExpired says whether the last day of a waiver is over where the migration
// is. A waiver whose day cannot be read has none left.
func hasExpired(mig *schema.Migration, c *schema.Waiver, now time.Time) bool {
	day, err := time.ParseInLocation(time.DateOnly, c.Expires, zoneOf(mig))
	return err != nil || !now.Before(day.AddDate(0, 0, 1))
}

// zoneOf is the time zone of the migration's dates; UTC if it says none, or one
// that is not known here, which reading the configuration refuses.
func zoneOf(mig *schema.Migration) *time.Location {
	if zone, err := loadZone(mig.Timezone); err == nil {
		return zone
	}
	return time.UTC
}

// waive lets a finding pass if one of the waivers names it and its kind allows
// that. The first one that does is the one that is named.
func (w *waivers) waive(f *schema.Finding) {
	if w.byCode == nil {
		return
	}
	allowed := canWaive(f)
	for _, x := range w.byCode[f.Code] {
		switch {
		case !x.matches(f, &w.names):
		case !allowed:
			x.refused = true
		default:
			x.used = true
			if !x.expired && f.Waived == nil {
				f.Waived = &schema.Waived{By: x.conf.By, Reason: x.conf.Reason, Until: x.conf.Expires}
			}
		}
	}
}

// canWaive says whether a finding may pass at all. What a survey says that an
// account cannot be moved with may not, of whatever kind: it would be lost.
func canWaive(f *schema.Finding) bool {
	if k := kindIndex[f.Code]; k != nil && !(k.Survey && f.Severity == schema.Blocker) {
		return k.Waivable
	}
	return f.Severity != schema.Blocker || isOwnRule(f.Code)
}

// isOwnRule says whether a code is that of a check or a policy of the
// configuration.
func isOwnRule(code string) bool {
	return strings.HasPrefix(code, CheckPrefix) || strings.HasPrefix(code, PolicyPrefix)
}

// globsOf are the patterns of a list. One that cannot be read, which reading the
// configuration refuses, stands for itself.
func globsOf(list []string) []schema.Glob {
	out := make([]schema.Glob, len(list))
	for i, s := range list {
		g, err := schema.ParseGlob(s)
		if err != nil {
			g, _ = schema.ParseGlob(schema.QuoteGlob(s))
		}
		out[i] = g
	}
	return out
}

// matches says whether the waiver names a finding, by the name that its account
// has now or had before.
func (x *waiver) matches(f *schema.Finding, names *renames) bool {
	if x.object != nil && !x.object.Match(f.Object) {
		return false
	}
	if len(x.globs) == 0 {
		return true
	}
	named := func(name string) bool {
		return slices.ContainsFunc(x.globs, func(g schema.Glob) bool { return g.Match(name) })
	}
	return f.Account != "" && (named(f.Account) || slices.ContainsFunc(names.from[f.Account], named))
}

// sayWaivers reports waivers that do nothing, or not what they were written
// for. What depends on the clock is one of the dates.
func (b *builder) sayWaivers() (dated []schema.Finding) {
	for i := range b.waivers.list {
		x := &b.waivers.list[i]
		code := x.conf.Code
		k := kindIndex[code]
		switch {
		case b.hasPolicy(code) && !x.expired: // judged later
		case x.refused, k != nil && !k.Waivable:
			b.report(codeWaiverRefused, "", "", code, "the waiver of "+x.conf.By+" for "+code+" does not count: such findings cannot be waived")
		case k == nil && !x.used && !b.hasCheck(code) && !b.hasPolicy(code):
			b.report(codeWaiverUnknown, "", "", code, unknownCode(code))
		case x.expired:
			dated = append(dated, b.finding(codeWaiverExpired, "", "", code,
				"the waiver of "+x.conf.By+" for "+code+" was good until "+x.conf.Expires))
		case !x.used && k != nil && k.Dated && !b.hasLeft(x):
			dated = append(dated, b.finding(codeWaiverUnused, "", "", code, unusedWaiver(x.conf)))
		case !x.used && !b.hasLeft(x):
			b.report(codeWaiverUnused, "", "", code, unusedWaiver(x.conf))
		}
	}
	return dated
}

// hasLeft says whether an account that a waiver names is on its way: what let it
// go is not looked at again, and the waiver was of use.
func (b *builder) hasLeft(x *waiver) bool {
	named := func(name string) bool {
		return slices.ContainsFunc(x.globs, func(g schema.Glob) bool { return g.Match(name) })
	}
	return slices.ContainsFunc(b.accounts, func(a *account) bool {
		return (a.found == sideTransit || a.real > 0) && (named(a.name) || slices.ContainsFunc(b.renamed.from[a.name], named))
	})
}

func unusedWaiver(w *schema.Waiver) string {
	s := "the waiver of " + w.By + " for " + w.Code
	if len(w.Accounts) > 0 {
		s += " of " + strings.Join(w.Accounts, ", ")
	}
	if w.Object != "" {
		s += " on " + w.Object
	}
	return s + " matches no finding"
}

// unknownCode says that there is no such finding, and which one was probably
// meant.
func unknownCode(code string) string {
	codes := make([]string, 0, len(findingKinds))
	for i := range findingKinds {
		codes = append(codes, findingKinds[i].Code)
	}
	s := "no finding is called " + code
	if near := nearest(code, codes); near != "" {
		s += "; did you mean " + near + "?"
	}
	return s
}

// hasCheck says whether the configuration has an own check of that code.
func (b *builder) hasCheck(code string) bool {
	return hasRule(b.in.Config.Checks, code, CheckPrefix)
}

func (b *builder) hasPolicy(code string) bool {
	return hasRule(b.in.Config.Policies, code, PolicyPrefix)
}

func hasRule(list []schema.Condition, code, prefix string) bool {
	name, ok := strings.CutPrefix(code, prefix)
	for i := range list {
		if ok && list[i].Name == name {
			return true
		}
	}
	return false
}
