package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkDatabaseUsers looks at from where an account's databases are used, and at
// what its users may reach.
func (b *builder) checkDatabaseUsers(p *passage) {
	var hosts, across []string
	for i := range p.live.DatabaseUsers {
		u := &p.live.DatabaseUsers[i]
		if u.Host != "" && u.Host != "%" && !isLocal(u.Host) {
			hosts = append(hosts, u.Engine+": "+userText(u))
		}
		for _, g := range u.Grants {
			on, ok := grantedOn(u.Engine, g)
			switch {
			case !ok:
			case on == "*":
				across = append(across, u.Engine+": "+userText(u)+" has rights on all databases")
			default:
				if o := p.databaseOwner(u.Engine, on); o != "" && o != p.name {
					across = append(across, u.Engine+": "+userText(u)+" has rights on "+on+" of "+o)
				}
			}
		}
		if slices.Contains(u.Attributes, "superuser") {
			across = append(across, u.Engine+": "+userText(u)+" has all rights (superuser)")
		}
	}
	for _, c := range p.live.Clients {
		if slices.Contains([]string{"mariadb", "mysql", "postgresql"}, c.Service) && c.Address != "" && !isLocal(c.Address) {
			hosts = append(hosts, c.Service+": "+c.User+" was seen from "+c.Address)
		}
	}
	if hosts = unique(hosts); len(hosts) > 0 {
		b.reportSeen(codeUserHost, p.name, "", "", "its databases are used from "+plural(len(hosts), "another host: ", itoa(int64(len(hosts)))+" other places, first ")+hosts[0], hosts)
	}
	if across = unique(across); len(across) > 0 {
		b.reportSeen(codeUserAcross, p.name, "", "", "its users of databases reach beyond the account, first "+across[0], across)
	}
}

// grantedOn is the database that a grant is about, "*" for all of them. Rights
// to log in, and on roles and on single things of a server, are about none.
// PostgreSQL says of a right that it is on a database; its other rights are
// within one.
func grantedOn(engine, grant string) (database string, ok bool) {
	before, rest, ok := strings.Cut(grant, " ON ")
	if !ok || strings.EqualFold(strings.TrimSpace(before), "GRANT USAGE") || strings.EqualFold(strings.TrimSpace(before), "USAGE") || strings.Contains(strings.ToUpper(before), "PROXY") {
		return "", false
	}
	rest = strings.TrimSpace(rest)
	kinds := []string{"TABLE ", "PROCEDURE ", "FUNCTION "}
	if engine == "postgresql" {
		kinds = []string{"DATABASE "}
	}
	within := engine == "postgresql"
	for _, kind := range kinds {
		if len(rest) > len(kind) && strings.EqualFold(rest[:len(kind)], kind) {
			rest, within = strings.TrimSpace(rest[len(kind):]), false
		}
	}
	if within {
		return "", false
	}
	name, _ := identifier(rest)
	return name, name != ""
}

// identifier reads the first name of a text, quoted or not. In a quoted name of
// a grant, \_ and \% stand for themselves.
func identifier(s string) (name, rest string) {
	if s == "" {
		return "", ""
	}
	if q := s[0]; q == '`' || q == '"' {
		var out strings.Builder
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s):
				i++
				out.WriteByte(s[i])
			case s[i] == q && i+1 < len(s) && s[i+1] == q:
				i++
				out.WriteByte(q)
			case s[i] == q:
				return out.String(), s[i+1:]
			default:
				out.WriteByte(s[i])
			}
		}
		return out.String(), ""
	}
	i := strings.IndexAny(s, ". \t,;")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

// databaseOwner is the account on the same server whose database has a name.
func (p *passage) databaseOwner(engine, name string) string {
	if slices.ContainsFunc(p.live.Databases, func(d schema.Database) bool { return d.Engine == engine && d.Name == name }) {
		return p.name
	}
	return p.from.catalogued().databases[engine+"/"+name]
}
