package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// isMaria says whether a database is one of MariaDB or MySQL.
func isMaria(engine string) bool { return engine == "mariadb" || engine == "mysql" }

// inside is what was seen in the databases of an account, by finding.
type inside struct {
	locks, collations, rows, indexes, events, routines, definers, collide []string
}

// checkMariaDB looks into the databases of MariaDB and MySQL.
func (b *builder) checkMariaDB(p *passage) {
	var in inside
	for i := range p.live.Databases {
		d := &p.live.Databases[i]
		if isMaria(d.Engine) && d.Detail != nil {
			var there *schema.Engine
			if e := p.there.Engine(d.Engine); e != nil && e.Running {
				there = e
			}
			in.tables(p, d, there)
			in.stored(p, d, there)
		}
	}
	b.sayInside(p, &in)
	b.saySQLMode(p)
}

// tables looks at the tables of a database.
func (in *inside) tables(p *passage, d *schema.Database, there *schema.Engine) {
	object := d.Engine + "/" + d.Name
	lower := map[string]string{}
	folds := there != nil && there.Settings["lower_case_table_names"] != "" && there.Settings["lower_case_table_names"] != "0"
	in.collation(object, d.Detail.Collation, there)
	for _, t := range d.Detail.Tables {
		name := object + ": " + t.Name
		switch strings.ToLower(t.Engine) {
		case "myisam", "aria", "csv", "archive", "mrg_myisam", "merge":
			in.locks = append(in.locks, name+" ("+t.Engine+")")
		}
		in.collation(name, t.Collation, there)
		if there != nil && shortIndexes(there) {
			for _, x := range t.LongIndexes {
				in.indexes = append(in.indexes, name+"."+x)
			}
		}
		l := strings.ToLower(t.Name)
		if o, twice := lower[l]; folds && twice {
			in.collide = append(in.collide, object+": "+o+" and "+t.Name)
		}
		lower[l] = t.Name
	}
	if there != nil {
		if packet := settingNumber(there.Settings["max_allowed_packet"]); packet > 0 && d.Detail.LargestRow > packet {
			in.rows = append(in.rows, object+": "+size(d.Detail.LargestRow)+", the target takes "+size(packet))
		}
	}
}

// collation notes one that the target does not know.
func (in *inside) collation(where, name string, there *schema.Engine) {
	if name != "" && there != nil && len(there.Charsets) > 0 && !knowsCollation(there.Charsets, name) {
		in.collations = append(in.collations, where+": "+name)
	}
}

// knowsCollation says whether a list of collations has one. Some have two names:
// utf8 and utf8mb3 are one character set, and those of UCA 14.0.0 are listed
// without it.
func knowsCollation(list []string, name string) bool {
	names := []string{name}
	switch {
	case strings.HasPrefix(name, "utf8_"):
		names = append(names, "utf8mb3_"+name[len("utf8_"):])
	case strings.HasPrefix(name, "utf8mb3_"):
		names = append(names, "utf8_"+name[len("utf8mb3_"):])
	}
	if i := strings.Index(name, "_uca1400_"); i > 0 {
		names = append(names, name[i+1:])
	}
	return slices.ContainsFunc(names, func(n string) bool {
		return slices.ContainsFunc(list, func(c string) bool { return strings.EqualFold(c, n) })
	})
}

// shortIndexes says whether an engine makes tables whose indexes may have 767
// bytes only.
func shortIndexes(e *schema.Engine) bool {
	switch strings.ToLower(e.Settings["innodb_default_row_format"]) {
	case "compact", "redundant":
		return true
	case "":
		first := "10.2.2"
		if e.Name == "mysql" {
			first = "5.7.7"
		}
		return e.Version != "" && compareVersions(e.Version, first) < 0
	}
	return false
}

// stored looks at routines, views, triggers and events.
func (in *inside) stored(p *passage, d *schema.Database, there *schema.Engine) {
	object := d.Engine + "/" + d.Name
	users := p.from.catalogued().dbUsers[d.Engine] // nil: the survey did not tell them
	for _, r := range d.Detail.Routines {
		name := object + ": " + r.Kind + " " + r.Name
		if r.Kind == "event" {
			in.events = append(in.events, name)
		}
		if gone := droppedModes(there, r.SQLMode); len(gone) > 0 {
			in.routines = append(in.routines, name+" ("+strings.Join(gone, ", ")+")")
		}
		if users == nil || r.Definer == "" {
			continue
		}
		definer := definerOf(r.Definer)
		switch owner, is := users[definer]; {
		case !is:
			in.definers = append(in.definers, name+" of "+definer)
		case there != nil && len(there.Users) > 0 && owner == "" && !hasUser(there.Users, definer):
			in.definers = append(in.definers, name+" of "+definer+", which "+p.to.name+" does not have")
		}
	}
}

// droppedModes are the modes of a stored program that the target does not know.
func droppedModes(there *schema.Engine, mode string) []string {
	if there == nil || there.Name != "mysql" || compareVersions(there.Version, "8.0") < 0 {
		return nil
	}
	gone := []string{"DB2", "MAXDB", "MSSQL", "MYSQL323", "MYSQL40", "NO_AUTO_CREATE_USER", "NO_FIELD_OPTIONS", "NO_KEY_OPTIONS", "NO_TABLE_OPTIONS", "ORACLE", "POSTGRESQL"}
	return slices.DeleteFunc(modes(mode), func(m string) bool { return !slices.Contains(gone, m) })
}

// definerOf is a definer as users are written here: without quotes.
func definerOf(s string) string { return strings.NewReplacer("`", "", "'", "").Replace(s) }

func hasUser(list []schema.DatabaseUser, user string) bool {
	return slices.ContainsFunc(list, func(u schema.DatabaseUser) bool { return userText(&u) == user })
}

// sayInside reports what was seen in the databases.
func (b *builder) sayInside(p *passage, in *inside) {
	if l := unique(in.collations); len(l) > 0 {
		b.stopSeen(p, codeCollation, "", count(len(l), "collation")+" "+plural(len(l), "is", "are")+" not known on "+p.to.name+", first "+l[0], l)
	}
	if l := unique(in.collide); len(l) > 0 {
		f := b.finding(codeCase, p.name, "", "", count(len(l), "pair")+" of tables would become one on "+p.to.name+", first "+l[0])
		f.Severity, f.Evidence = schema.Blocker, evidenceOf(l)
		if b.put(f) {
			p.halt(codeCase, p.phase)
		}
	}
	if l := unique(in.rows); len(l) > 0 {
		b.stopSeen(p, codeRowLarge, "", count(len(l), "database")+" "+plural(len(l), "has a value that is", "have values that are")+" larger than the target takes, first "+l[0], l)
	}
	if l := unique(in.routines); len(l) > 0 {
		b.stopSeen(p, codeRoutineMode, "", count(len(l), "stored program")+" "+plural(len(l), "was", "were")+" made under a mode that "+p.to.name+" does not know, first "+l[0], l)
	}
	if l := unique(in.locks); len(l) > 0 {
		b.reportSeen(codeTableLock, p.name, "", "", count(len(l), "table")+" "+plural(len(l), "knows", "know")+" no transactions, first "+l[0], l)
	}
	if l := unique(in.indexes); len(l) > 0 {
		b.reportSeen(codeIndexLong, p.name, "", "", count(len(l), "index")+plural(len(l), " is", "es are")+" longer than "+p.to.name+" may take, first "+l[0], l)
	}
	if l := unique(in.definers); len(l) > 0 {
		b.reportSeen(codeDefiner, p.name, "", "", count(len(l), "stored program")+" "+plural(len(l), "has", "have")+" a definer that does not exist, first "+l[0], l)
	}
	b.sayEvents(p, unique(in.events))
}

// sayEvents reports events: a warning where they would not run on the target.
func (b *builder) sayEvents(p *passage, l []string) {
	if len(l) == 0 {
		return
	}
	f := b.finding(codeEvents, p.name, "", "", count(len(l), "event")+" "+plural(len(l), "runs", "run")+" inside the engine, first "+l[0])
	f.Evidence = evidenceOf(l)
	for _, name := range []string{"mariadb", "mysql"} {
		x, y := p.here.Engine(name), p.there.Engine(name)
		if x != nil && y != nil && isOn(x.Settings["event_scheduler"]) && y.Settings["event_scheduler"] != "" && !isOn(y.Settings["event_scheduler"]) {
			f.Severity = schema.Warning
			f.Summary = count(len(l), "event") + " would not run on " + p.to.name + ", whose event_scheduler is off, first " + l[0]
		}
	}
	b.put(f)
}

func isOn(v string) bool { return strings.EqualFold(v, "on") || v == "1" }

// saySQLMode names the places in files that set the mode themselves, and no
// more of them: the line may hold how to log in.
func (b *builder) saySQLMode(p *passage) {
	var seen []string
	for _, l := range p.lines("sql-mode") {
		seen = append(seen, l.Path+":"+itoa(int64(l.Line)))
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeSQLModeUsed, p.name, "", "", count(len(seen), "place")+" in its files "+plural(len(seen), "sets", "set")+" sql_mode, first "+seen[0], seen)
	}
}
