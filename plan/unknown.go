package plan

import (
	"slices"

	"github.com/stopover/stopover/schema"
)

// unknownRuled reports what on the source the survey does not understand, and
// databases that belong to no account: the reinstallation deletes them. A waiver
// is how somebody says that it has been seen to; of a path, a residue rule is
// one too.
func (b *builder) unknownRuled(severity string) bool {
	sys := b.s.found.System
	if sys == nil {
		return true
	}
	ok := true
	say := func(code, object, summary string, seen []string) {
		f := b.finding(code, "", b.s.name, object, summary)
		f.Severity, f.Evidence = severity, evidenceOf(seen)
		b.put(f)
		ok = ok && b.findings[len(b.findings)-1].Waived != nil
	}
	for _, u := range sys.Unknown {
		if u.Path != "" && b.residueRule(u.Path) != nil {
			continue
		}
		var seen []string
		if u.Path != "" {
			seen = []string{u.Path}
		}
		say(codeUnknown, u.Kind+"/"+u.Name, u.Kind+" "+u.Name+" on "+b.s.name+": "+u.Why, seen)
	}
	for _, e := range sys.Engines {
		for _, d := range e.Databases {
			object := e.Name + "/" + d.Name
			say(codeUnowned, object, object+" ("+size(d.Bytes)+") belongs to no account; the reinstallation would delete it", nil)
		}
	}
	return ok
}

// checkUnownedUsers names users of engines that belong to no account.
func (b *builder) checkUnownedUsers() {
	sys := b.s.found.System
	if sys == nil || b.reinstalled || b.past.has(schema.FactReleased) {
		return
	}
	for _, e := range sys.Engines {
		var seen []string
		for _, u := range e.Users {
			if !usual(e.Name, &u) {
				seen = append(seen, userText(&u))
			}
		}
		if seen = unique(seen); len(seen) > 0 {
			b.reportSeen(codeUserUnowned, "", b.s.name, e.Name, count(len(seen), "user")+" of "+e.Name+" on "+b.s.name+" "+plural(len(seen), "belongs", "belong")+" to no account, first "+seen[0], seen)
		}
	}
}

// usual says whether an engine makes a user by itself.
func usual(engine string, u *schema.DatabaseUser) bool {
	if engine == "postgresql" {
		return u.Name == "postgres" || len(u.Name) > 3 && u.Name[:3] == "pg_"
	}
	return slices.Contains([]string{"root", "mysql", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "debian-sys-maint", "PUBLIC", ""}, u.Name)
}

// userText is a user of an engine for people.
func userText(u *schema.DatabaseUser) string {
	if u.Host == "" {
		return u.Name
	}
	return u.Name + "@" + u.Host
}
