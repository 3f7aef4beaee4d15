//go:build linux

package look

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// inside looks into one database. A session in a database of somebody else
// calls nothing of that database: names are those of the catalog, and what is
// read of tables is how many rows they have.
func (p *postgres) inside(ctx context.Context, d *schema.Database) {
	c, err := p.at.Open(ctx, d.Name, pgReadOnly())
	if err != nil {
		detailError(d.Detail, "role %s cannot look into it: %w: GRANT CONNECT to it, or use a superuser", p.at.Role(), err)
		return
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	x := &pgInside{p: p, c: c, d: d.Detail}
	for _, ask := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"tables", x.tables}, {"extensions", x.extensions}, {"collations", x.collations}, {"large objects and sequences", x.numbers},
		{"columns", func(ctx context.Context) error { return x.oldTypes(ctx, []string{"abstime", "reltime", "tinterval"}) }},
		{"routines", x.routines}, {"rows", x.count},
	} {
		if err := ask.do(ctx); err != nil {
			detailError(d.Detail, "its %s could not be read: %w", ask.what, err)
		}
		if ctx.Err() != nil {
			return
		}
	}
	slices.SortFunc(d.Detail.Tables, func(a, b schema.Table) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(d.Detail.Routines, byRoutine)
	for i := range d.Detail.Tables {
		d.Detail.Rows += d.Detail.Tables[i].Rows
	}
}

type pgInside struct {
	p *postgres
	c *pgx.Conn
	d *schema.ObjectDetail
	// small are the tables that seem small enough to be counted.
	small []pgSmall
}

type pgSmall struct {
	at           int    // in d.Tables
	name, column string // as they are written in a query
}

// notSystem leaves out what every database has, and what only a session sees.
const notSystem = ` n.nspname NOT IN ('pg_catalog','information_schema','pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_'`

// tables: the parents of partitions hold nothing by themselves.
func (x *pgInside) tables(ctx context.Context) error {
	access := "''"
	if x.p.number >= 120000 {
		access = "coalesce((SELECT amname FROM pg_catalog.pg_am WHERE oid = c.relam), '')"
	}
	err := texts(ctx, x.c, `SELECT n.nspname || '.' || c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text, c.relpersistence::text, c.reltuples::bigint,
coalesce(pg_catalog.pg_total_relation_size(c.oid), 0), c.relreplident::text,
EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid),
EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND NOT i.indisprimary AND i.indisvalid),
`+access+`, coalesce(pg_catalog.pg_relation_size(c.oid), 0), `+engine.CountColumn(x.p.number, countBytes)+`
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r','m') AND`+notSystem+` ORDER BY 1`, func(v []string) {
		t := schema.Table{Name: v[0], Engine: v[9], Estimated: true}
		rows, _ := strconv.ParseInt(v[4], 10, 64)
		t.Rows = max(rows, 0) // -1: nobody has looked yet
		t.Bytes, _ = strconv.ParseInt(v[5], 10, 64)
		main, _ := strconv.ParseInt(v[10], 10, 64)
		switch {
		case v[2] == "m":
			t.Key = "nothing" // a materialised view is made anew, never replicated
		case v[6] == "f":
			t.Key = "full"
		case v[6] == "n":
			t.Key = "nothing"
		case v[6] == "i" && v[8] == "t":
			t.Key = "unique"
		case v[6] != "i" && v[7] == "t", v[6] == "i" && v[7] == "t":
			t.Key = "primary"
		}
		if v[3] == "u" {
			x.d.Unlogged = append(x.d.Unlogged, t.Name)
		}
		if v[2] == "r" && v[11] != "" && rows <= countRows && main <= countBytes {
			x.small = append(x.small, pgSmall{len(x.d.Tables), v[1], v[11]})
		}
		x.d.Tables = append(x.d.Tables, t)
	})
	slices.Sort(x.d.Unlogged)
	return err
}

func (x *pgInside) extensions(ctx context.Context) error {
	return texts(ctx, x.c, "SELECT extname, extversion FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1", func(v []string) {
		x.d.Extensions = append(x.d.Extensions, schema.Software{Name: v[0], Version: v[1]})
	})
}

// collations are those beside the database's own that columns or indexes name.
func (x *pgInside) collations(ctx context.Context) error {
	version := "''"
	if x.p.number >= 100000 {
		version = "coalesce(l.collversion, '')"
	}
	return texts(ctx, x.c, `SELECT l.collname, `+version+`, (SELECT count(DISTINCT i.indexrelid) FROM pg_catalog.pg_index i WHERE l.oid = ANY (i.indcollation::oid[]) AND i.indexrelid >= 16384)
FROM pg_catalog.pg_collation l WHERE l.collname NOT IN ('default','C','POSIX') AND (
EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE a.attcollation = l.oid AND a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r','m','p','v','f'))
OR EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE l.oid = ANY (i.indcollation::oid[]) AND i.indexrelid >= 16384)) ORDER BY 1`, func(v []string) {
		n, _ := strconv.ParseInt(v[2], 10, 64)
		x.d.Collations = append(x.d.Collations, schema.UsedColl{Name: v[0], Version: v[1], Objects: n})
	})
}

func (x *pgInside) numbers(ctx context.Context) error {
	return texts(ctx, x.c, `SELECT (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata),
(SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND`+notSystem+`)`, func(v []string) {
		x.d.LargeObjects, _ = strconv.ParseInt(v[0], 10, 64)
		x.d.Sequences, _ = strconv.ParseInt(v[1], 10, 64)
	})
}

// oldTypes are columns of the catalog's own types of those names, and tables
// with a hidden oid for each row.
func (x *pgInside) oldTypes(ctx context.Context, names []string) error {
	err := texts(ctx, x.c, `SELECT n.nspname || '.' || c.relname || '.' || a.attname || ' ' || t.typname
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type b ON b.oid = a.atttypid JOIN pg_catalog.pg_type t ON t.oid = CASE WHEN b.typelem <> 0 AND b.typlen = -1 THEN b.typelem ELSE b.oid END
WHERE c.relkind IN ('r','m','p','c') AND a.attnum > 0 AND NOT a.attisdropped AND t.typnamespace = 'pg_catalog'::regnamespace
AND t.typname = ANY (string_to_array('`+strings.Join(names, ",")+`', ',')) AND`+notSystem, func(v []string) {
		x.d.OldTypes = append(x.d.OldTypes, v[0])
	})
	if err == nil && x.p.number < 120000 {
		err = texts(ctx, x.c, `SELECT n.nspname || '.' || c.relname || ' oids' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relhasoids AND c.relkind = 'r' AND`+notSystem, func(v []string) { x.d.OldTypes = append(x.d.OldTypes, v[0]) })
	}
	slices.Sort(x.d.OldTypes)
	return err
}

// routines leaves out what extensions brought along.
func (x *pgInside) routines(ctx context.Context) error {
	kind := "CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END"
	if x.p.number < 110000 {
		kind = "'function'"
	}
	const notExtension = ` NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND e.objid = `
	add := func(v []string) {
		if len(x.d.Routines) < maxPerObject {
			x.d.Routines = append(x.d.Routines, schema.Routine{Kind: v[0], Name: v[1], Definer: v[2]})
		}
	}
	for _, q := range []string{
		`SELECT ` + kind + `, n.nspname || '.' || p.proname, pg_catalog.pg_get_userbyid(p.proowner) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE` + notSystem + ` AND` + notExtension + `p.oid AND e.classid = 'pg_catalog.pg_proc'::regclass) ORDER BY 1, 2, 3`,
		`SELECT 'trigger', n.nspname || '.' || c.relname || '.' || t.tgname, pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND` + notSystem + ` ORDER BY 2`,
		`SELECT 'view', n.nspname || '.' || c.relname, pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND` + notSystem + ` AND` + notExtension + `c.oid AND e.classid = 'pg_catalog.pg_class'::regclass) ORDER BY 2`,
		`SELECT 'event', evtname, pg_catalog.pg_get_userbyid(evtowner) FROM pg_catalog.pg_event_trigger ORDER BY 2`,
	} {
		if err := texts(ctx, x.c, q, add); err != nil {
			return err
		}
	}
	return nil
}

// count counts the tables that seem small, until the time for it is over. One
// that may not be read keeps its estimate.
func (x *pgInside) count(ctx context.Context) error {
	for _, t := range x.small {
		if x.p.counter.over() || ctx.Err() != nil {
			return ctx.Err()
		}
		if n, err := engine.CountRows(ctx, x.c.PgConn(), t.name, t.column); err == nil {
			x.d.Tables[t.at].Rows, x.d.Tables[t.at].Estimated = n, false
		}
		if x.c.IsClosed() {
			return fmt.Errorf("the session ended while %s was counted", x.d.Tables[t.at].Name)
		}
	}
	return nil
}
