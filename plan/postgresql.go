package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// cluster is what was seen in the PostgreSQL databases of an account, by finding.
type cluster struct {
	missing, older, locales, types, objects, sorts, stale []string
}

// checkPostgreSQL looks into the databases of PostgreSQL.
func (b *builder) checkPostgreSQL(p *passage) {
	var c cluster
	here := p.here.Engine("postgresql")
	var there *schema.Engine
	if e := p.there.Engine("postgresql"); e != nil && e.Running {
		there = e
	}
	for i := range p.live.Databases {
		d := &p.live.Databases[i]
		if d.Engine != "postgresql" || d.Detail == nil {
			continue
		}
		object := d.Engine + "/" + d.Name
		if d.Detail.LargeObjects > 0 {
			c.objects = append(c.objects, fmt.Sprintf("%s: %d", object, d.Detail.LargeObjects))
		}
		c.sorting(p, object, d.Detail, here, there)
		if there == nil {
			continue
		}
		c.extensions(object, d.Detail.Extensions, there.Extensions)
		if compareVersions(there.Version, "12") >= 0 && there.Version != "" {
			for _, t := range d.Detail.OldTypes {
				c.types = append(c.types, object+": "+t)
			}
		}
	}
	b.sayCluster(p, &c)
}

// extensions compares those of a database with those that the target may create.
func (c *cluster) extensions(object string, used, offered []schema.Software) {
	if len(offered) == 0 {
		return // the survey did not tell
	}
	for _, x := range used {
		y := software(offered, x.Name)
		switch {
		case y == nil:
			c.missing = append(c.missing, object+": "+strings.TrimSpace(x.Name+" "+x.Version))
		case x.Version != "" && y.Version != "" && compareVersions(y.Version, x.Version) < 0:
			c.older = append(c.older, object+": "+x.Name+" "+x.Version+" → "+y.Version)
		}
	}
}

// sorting compares the versions of the libraries that text is sorted by: what
// was recorded, what this server has now, what the target has.
func (c *cluster) sorting(p *passage, object string, d *schema.ObjectDetail, here, there *schema.Engine) {
	used := slices.Clone(d.Collations)
	if d.Collation != "" {
		used = append(used, schema.UsedColl{Name: d.Collation, Version: d.CollVersion})
	}
	for _, u := range used {
		if plainOrder(u.Name) {
			continue
		}
		provider := d.Provider
		if strings.HasSuffix(u.Name, "-x-icu") {
			provider = "icu"
		}
		now := collationOf(here, u.Name, provider)
		recorded := u.Version
		if now != nil && now.Provider != "" {
			provider = now.Provider
		}
		switch {
		case recorded != "" && now != nil && now.Version != "" && recorded != now.Version:
			c.stale = append(c.stale, object+": "+u.Name+" was "+recorded+", is "+now.Version)
		case recorded == "" && now != nil:
			recorded = now.Version
		}
		if there == nil {
			continue
		}
		next := collationOf(there, u.Name, provider)
		if next != nil && recorded != "" && next.Version != "" && next.Version != recorded {
			c.sorts = append(c.sorts, object+": "+u.Name+" "+recorded+" → "+next.Version)
		}
		if u.Name == d.Collation && provider != "icu" && len(p.there.Locales) > 0 && !hasLocale(p.there.Locales, u.Name) {
			c.locales = append(c.locales, object+": "+u.Name)
		}
	}
}

// plainOrder says whether a collation sorts by bytes, which no library decides.
func plainOrder(name string) bool {
	return slices.Contains([]string{"", "C", "POSIX", "ucs_basic", "C.utf8", "pg_c_utf8", "pg_unicode_fast"}, locale(name))
}

func hasLocale(list []string, name string) bool {
	return slices.ContainsFunc(list, func(l string) bool { return locale(l) == locale(name) })
}

// collationOf is a collation as an engine has it now. Those of the C library all
// have its version, so that one of them tells for all; of ICU's, the root does.
func collationOf(e *schema.Engine, name, provider string) *schema.Collation {
	if e == nil {
		return nil
	}
	for i := range e.Collations {
		if x := &e.Collations[i]; locale(x.Name) == locale(name) && (provider == "" || x.Provider == provider) {
			return x
		}
	}
	for i := range e.Collations {
		x := &e.Collations[i]
		if provider == "libc" && x.Provider == "libc" && x.Version != "" || provider == "icu" && x.Name == "und-x-icu" {
			return x
		}
	}
	return nil
}

// sayCluster reports what was seen in the databases.
func (b *builder) sayCluster(p *passage, c *cluster) {
	if l := unique(c.missing); len(l) > 0 {
		b.stopSeen(p, codeExtension, "", count(len(l), "extension")+" "+isAre(len(l))+" missing on "+p.to.name+", first "+l[0], l)
	}
	if l := unique(c.locales); len(l) > 0 {
		b.stopSeen(p, codeCollation, "", count(len(l), "database")+" "+plural(len(l), "needs", "need")+" a locale that "+p.to.name+" does not have, first "+l[0], l)
	}
	if l := unique(c.types); len(l) > 0 {
		b.stopSeen(p, codeTypeRemoved, "", count(len(l), "column")+" "+plural(len(l), "has a type", "have types")+" that PostgreSQL on "+p.to.name+" does not have, first "+l[0], l)
	}
	if l := unique(c.older); len(l) > 0 {
		b.reportSeen(codeExtensionOld, p.name, "", "", count(len(l), "extension")+" "+isAre(len(l))+" older on "+p.to.name+", first "+l[0], l)
	}
	if l := unique(c.stale); len(l) > 0 {
		b.reportSeen(codeCollationStale, p.name, "", "", count(len(l), "collation")+" "+plural(len(l), "has", "have")+" changed under the indexes on "+p.from.name+" itself, first "+l[0], l)
	}
	if l := unique(c.sorts); len(l) > 0 {
		b.reportSeen(codeCollationLib, p.name, "", "", count(len(l), "collation")+" "+plural(len(l), "has", "have")+" another version on "+p.to.name+", first "+l[0], l)
	}
	if l := unique(c.objects); len(l) > 0 {
		b.reportSeen(codeLargeObjects, p.name, "", "", count(len(l), "database")+" "+plural(len(l), "has", "have")+" large objects, first "+l[0], l)
	}
}
