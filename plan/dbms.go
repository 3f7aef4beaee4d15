package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// keepsDatabases says whether databases of an engine are parts of accounts.
func keepsDatabases(engine string) bool {
	return slices.Contains([]string{"mariadb", "mysql", "postgresql", "mongodb", "couchdb"}, engine)
}

// checkEnginesRead stops the accounts of a server with an engine that could not
// be asked: what it holds is not known.
func (b *builder) checkEnginesRead() {
	for _, p := range []*place{b.s, b.t} {
		if !p.present || p.found.System == nil || b.past.has(schema.FactReleased) || !b.leavesFrom(p) {
			continue
		}
		for i := range p.found.System.Engines {
			e := &p.found.System.Engines[i]
			if !keepsDatabases(e.Name) || e.Running && e.Error == "" || !e.Running && e.Error == "" && e.Data == "" || saidOf(p, e.Name) {
				continue
			}
			f := b.finding(codeEngineUnread, "", p.name, e.Name, e.Name+" on "+p.name+" could not be asked: which databases it holds is not known")
			if !e.Running {
				f.Summary = e.Name + " on " + p.name + " does not run: which databases it holds is not known"
			}
			if e.Error != "" {
				f.Evidence = []string{short(e.Error)}
			}
			if b.put(f) {
				b.haltFrom(p, f.Code)
			}
		}
	}
}

// saidOf says whether the survey has said itself that an engine could not be read.
func saidOf(p *place, engine string) bool {
	return slices.ContainsFunc(p.found.Findings, func(f schema.Finding) bool {
		return f.Code == codeEngineUnread && f.Object == engine || f.Code == codeIncomplete && strings.EqualFold(f.Object, "databases in "+engine)
	})
}

// leavesFrom says whether an account on a server has a move before it.
func (b *builder) leavesFrom(p *place) bool {
	return slices.ContainsFunc(b.accounts, func(a *account) bool { return b.leaves(a) && p.index[a.name] == a.live })
}

// haltFrom stops what leaves a server, and what would delete it.
func (b *builder) haltFrom(p *place, code string) {
	phase := iMigrate
	if p == b.t {
		phase = iRelocate
	}
	for _, a := range b.accounts {
		if p.index[a.name] == a.live && a.live != nil {
			a.halt(code, phase)
		}
	}
	if p == b.s && !b.reinstalled {
		b.stop = min(b.stop, iReinstall)
	}
}

// checkDatabasesThere looks at what the databases of an account need on the
// target, whatever their engine is.
func (b *builder) checkDatabasesThere(p *passage) {
	var unread, keys, volatile []string
	for i := range p.live.Databases {
		d := &p.live.Databases[i]
		object := d.Engine + "/" + d.Name
		if p.there != nil && keepsDatabases(d.Engine) {
			b.checkEngineThere(p, d, object)
		}
		if d.Detail == nil {
			continue
		}
		if d.Detail.Error != "" {
			unread = append(unread, object+": "+short(d.Detail.Error))
		}
		for _, t := range d.Detail.Tables {
			if (t.Key == "" || t.Key == "nothing") && !isVolatile(&t) {
				keys = append(keys, object+": "+t.Name)
			}
			if isVolatile(&t) {
				volatile = append(volatile, object+": "+t.Name)
			}
		}
		for _, t := range d.Detail.Unlogged {
			volatile = append(volatile, object+": "+t)
		}
	}
	if unread = unique(unread); len(unread) > 0 {
		b.reportSeen(codeDatabaseUnread, p.name, "", "", count(len(unread), "database")+" could not be looked into, first "+unread[0], unread)
	}
	if keys = unique(keys); len(keys) > 0 {
		b.reportSeen(codeTableKey, p.name, "", "", count(len(keys), "table")+" "+plural(len(keys), "has", "have")+" nothing that identifies a row, first "+keys[0], keys)
	}
	if volatile = unique(volatile); len(volatile) > 0 {
		b.reportSeen(codeTableVolatile, p.name, "", "", count(len(volatile), "table")+" "+isAre(len(volatile))+" carried by no replication, first "+volatile[0], volatile)
	}
}

func isVolatile(t *schema.Table) bool { return strings.EqualFold(t.Engine, "memory") }

// checkEngineThere looks for the engine of a database on the target. Where the
// architecture says which version there is, checkEngines has compared it.
func (b *builder) checkEngineThere(p *passage, d *schema.Database, object string) {
	e := p.there.Engine(d.Engine)
	switch {
	case e == nil:
		b.stopSeen(p, codeEngineAbsent, object, p.to.name+" has no "+d.Engine+", which "+object+" needs", nil)
		return
	case !e.Running:
		b.stopSeen(p, codeEngineAbsent, object, d.Engine+" does not run on "+p.to.name+", and "+object+" needs it", evidenceOf(some(e.Error)))
		return
	case e.Version == "" || d.Version == "" || e.Version == d.Version || p.to == b.t && b.declares(d.Engine):
		return
	}
	step := d.Engine + " " + d.Version + " to " + e.Version
	switch {
	case compareVersions(e.Version, d.Version) < 0 && majorOf(d.Engine, e.Version) != majorOf(d.Engine, d.Version):
		b.refuseSeen(p, codeEngineDowngrade, object, object+" would go from "+step+", which is older", nil)
	case majorOf(d.Engine, e.Version) != majorOf(d.Engine, d.Version):
		b.report(codeEngineUpgrade, p.name, "", object, object+" goes from "+step+", a major step")
	}
	b.altered = append(b.altered, Altered{Account: p.name, Object: object, From: d.Engine + " " + d.Version, To: d.Engine + " " + e.Version,
		Why: "the target has another version of the engine"})
}

// declares says whether the configuration says which version of an engine the
// target has.
func (b *builder) declares(engine string) bool {
	return b.arch != nil && (slices.Contains(b.arch.Removed, engine) || slices.ContainsFunc(b.arch.Engines, func(e schema.EngineOffer) bool { return e.Name == engine }))
}

// checkReplication says which engines keep no log for replication, where
// databases that are still to move lie in them.
func (b *builder) checkReplication() {
	for _, p := range []*place{b.s, b.t} {
		if !p.present || p.found.System == nil {
			continue
		}
		for _, e := range p.found.System.Engines {
			n := 0
			for _, a := range b.accounts {
				if b.leaves(a) && p.index[a.name] == a.live {
					for _, d := range a.live.Databases {
						if d.Engine == e.Name {
							n++
						}
					}
				}
			}
			key, off := logOff(&e)
			if n > 0 && off {
				b.reportSeen(codeReplication, "", p.name, e.Name, e.Name+" on "+p.name+" keeps no log for replication ("+key+" = "+short(e.Settings[key])+"): "+count(n, "database")+" "+isAre(n)+" dumped within the cut", nil)
			}
		}
	}
}

// logOff is the setting that says that an engine keeps no log for replication.
func logOff(e *schema.Engine) (key string, off bool) {
	switch e.Name {
	case "mariadb", "mysql":
		v, ok := e.Settings["log_bin"]
		return "log_bin", ok && (strings.EqualFold(v, "off") || v == "0")
	case "postgresql":
		v, ok := e.Settings["wal_level"]
		return "wal_level", ok && !strings.EqualFold(v, "logical")
	}
	return "", false
}

// checkEngineSettings compares the settings of engines that databases of
// accounts on the source use.
func (b *builder) checkEngineSettings(from, to *place) {
	for i := range from.found.System.Engines {
		x := &from.found.System.Engines[i]
		y := to.found.System.Engine(x.Name)
		if y == nil || !x.Running || !y.Running {
			continue
		}
		b.compareSQLMode(from, to, x, y)
		if p, q := settingNumber(x.Settings["max_allowed_packet"]), settingNumber(y.Settings["max_allowed_packet"]); p > 0 && q > 0 && q < p {
			b.reportSeen(codePacket, "", to.name, x.Name, "max_allowed_packet of "+x.Name+" is "+size(p)+" on "+from.name+" and "+size(q)+" on "+to.name,
				[]string{"max_allowed_packet: " + x.Settings["max_allowed_packet"] + " → " + y.Settings["max_allowed_packet"]})
		}
		if p, q := x.Settings["lower_case_table_names"], y.Settings["lower_case_table_names"]; p != "" && q != "" && p != q {
			b.report(codeCase, "", to.name, x.Name, "lower_case_table_names of "+x.Name+" is "+short(p)+" on "+from.name+" and "+short(q)+" on "+to.name)
		}
	}
}

// settingNumber is a setting as a number; 0: it is none.
func settingNumber(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// compareSQLMode says which modes only one of the servers has.
func (b *builder) compareSQLMode(from, to *place, x, y *schema.Engine) {
	p, ok1 := x.Settings["sql_mode"]
	q, ok2 := y.Settings["sql_mode"]
	if !ok1 || !ok2 {
		return
	}
	here, there := modes(p), modes(q)
	var seen []string
	for _, m := range here {
		if !slices.Contains(there, m) {
			seen = append(seen, "only on "+from.name+": "+m)
		}
	}
	for _, m := range there {
		if !slices.Contains(here, m) {
			seen = append(seen, "only on "+to.name+": "+m)
		}
	}
	if len(seen) == 0 {
		return
	}
	f := b.finding(codeSQLMode, "", to.name, x.Name, "sql_mode of "+x.Name+" differs between "+from.name+" and "+to.name+", "+seen[0])
	f.Evidence = evidenceOf(unique(seen))
	if isModes(here) {
		f.Remedy = "On " + to.name + ", in the [mysqld] section: sql_mode = " + strings.Join(here, ",") + " (then restart the engine), until the applications are mended"
	}
	b.put(f)
}

// modes are the words of sql_mode, sorted.
func modes(s string) []string {
	var out []string
	for _, m := range strings.Split(s, ",") {
		if m = strings.ToUpper(strings.TrimSpace(m)); m != "" {
			out = append(out, m)
		}
	}
	return unique(out)
}

// isModes says whether words may stand in a line of settings as they are.
func isModes(list []string) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(m string) bool {
		return strings.ContainsFunc(m, func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
	})
}
