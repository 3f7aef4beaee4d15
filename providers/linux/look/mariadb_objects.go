//go:build linux

package look

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// What accounts have is asked of information_schema for all databases at once.
// Nothing here makes a server work on its statistics: cardinalities are not
// asked for, and joins are done here, where they are cheap.

// notOwn leaves out the server's own databases.
const notOwn = ` NOT IN ('information_schema','mysql','performance_schema','sys')`

func (m *mariadb) databases(ctx context.Context) error {
	return m.each(ctx, `SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME`+notOwn, func(v []string) error {
		m.db[v[0]] = &foundDatabase{found: schema.Database{Name: v[0], Detail: &schema.ObjectDetail{Charset: v[1], Collation: v[2]}}}
		return nil
	})
}

// listTables lists tables with the engine's estimate of their rows. What cannot
// be opened has no engine, and its comment says why.
func (m *mariadb) listTables(ctx context.Context) error {
	var order [][2]string
	err := m.each(ctx, `SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, IFNULL(TABLE_ROWS,0), IFNULL(DATA_LENGTH,0)+IFNULL(INDEX_LENGTH,0), ROW_FORMAT, TABLE_COLLATION,
IF(ENGINE IS NULL, TABLE_COMMENT, '') FROM information_schema.TABLES WHERE TABLE_TYPE NOT IN ('VIEW','SYSTEM VIEW','TEMPORARY') AND TABLE_SCHEMA`+notOwn, func(v []string) error {
		d := m.db[v[0]]
		switch {
		case d == nil: // made since
			return nil
		case v[2] == "SEQUENCE":
			d.found.Detail.Sequences++
			return nil
		case v[3] == "":
			detailError(d.found.Detail, "table %s cannot be opened: %s", v[1], v[8])
		}
		rows, _ := strconv.ParseInt(v[4], 10, 64)
		bytes, _ := strconv.ParseInt(v[5], 10, 64)
		charset, _, _ := strings.Cut(v[7], "_")
		k := [2]string{v[0], v[1]}
		m.tables[k] = &schema.Table{Name: v[1], Engine: v[3], Rows: rows, Bytes: bytes, RowFormat: v[6], Collation: v[7], Charset: charset,
			Estimated: !slices.Contains([]string{"MyISAM", "Aria", "MEMORY"}, v[3])} // which keep the number itself
		order = append(order, k)
		if v[3] == "MEMORY" {
			d.found.Detail.Unlogged = append(d.found.Detail.Unlogged, v[1])
		}
		return nil
	})
	for _, k := range order { // a temporary list: keys and counts change the tables before they are copied
		d := m.db[k[0]].found.Detail
		d.Tables = append(d.Tables, schema.Table{Name: k[1]})
	}
	return err
}

// keys tells what identifies a row of each table, and which indexes have a
// prefix longer than the 767 bytes of old row formats.
func (m *mariadb) keys(ctx context.Context) error {
	long, err := m.longColumns(ctx)
	if err != nil {
		return err
	}
	type index struct {
		unique, whole bool
		long          bool
	}
	indexes := map[[3]string]*index{}
	err = m.each(ctx, `SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, NON_UNIQUE, NULLABLE, IFNULL(SUB_PART,''), INDEX_TYPE
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA`+notOwn, func(v []string) error {
		k := [3]string{v[0], v[1], v[2]}
		if m.tables[[2]string{v[0], v[1]}] == nil {
			return nil
		}
		i := indexes[k]
		if i == nil {
			i = &index{unique: v[4] == "0", whole: true}
			indexes[k] = i
		}
		i.whole = i.whole && v[5] != "YES" && v[6] == ""
		if c, ok := long[[3]string{v[0], v[1], v[3]}]; ok && v[7] == "BTREE" { // others have no prefix
			bytes := c.bytes
			if v[6] != "" {
				n, _ := strconv.ParseInt(v[6], 10, 64)
				bytes = n * c.perChar
			}
			i.long = i.long || bytes > 767
		}
		return nil
	})
	for k, i := range indexes {
		t := m.tables[[2]string{k[0], k[1]}]
		switch {
		case k[2] == "PRIMARY":
			t.Key = "primary"
		case i.unique && i.whole && t.Key == "":
			t.Key = "unique"
		}
		if i.long {
			t.LongIndexes = append(t.LongIndexes, k[2])
		}
	}
	for _, t := range m.tables {
		slices.Sort(t.LongIndexes)
	}
	return err
}

type longColumn struct{ bytes, perChar int64 }

// longColumns are the columns that an index of more than 767 bytes may be on.
func (m *mariadb) longColumns(ctx context.Context) (map[[3]string]longColumn, error) {
	per := map[string]int64{}
	if err := m.each(ctx, "SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS", func(v []string) error {
		per[v[0]], _ = strconv.ParseInt(v[1], 10, 64)
		return nil
	}); err != nil {
		return nil, err
	}
	out := map[[3]string]longColumn{}
	return out, m.each(ctx, `SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, CHARACTER_OCTET_LENGTH, CHARACTER_SET_NAME FROM information_schema.COLUMNS
WHERE CHARACTER_OCTET_LENGTH > 767 AND TABLE_SCHEMA`+notOwn, func(v []string) error {
		n, _ := strconv.ParseInt(v[3], 10, 64)
		out[[3]string{v[0], v[1], v[2]}] = longColumn{n, max(per[v[4]], 1)}
		return nil
	})
}

func (m *mariadb) routine(db string, r schema.Routine) error {
	if d := m.db[db]; d != nil && len(d.found.Detail.Routines) < maxPerObject {
		d.found.Detail.Routines = append(d.found.Detail.Routines, r)
	}
	return nil
}

func (m *mariadb) routines(ctx context.Context) error {
	return m.each(ctx, `SELECT ROUTINE_SCHEMA, LOWER(ROUTINE_TYPE), ROUTINE_NAME, DEFINER, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA`+notOwn, func(v []string) error {
		return m.routine(v[0], schema.Routine{Kind: v[1], Name: v[2], Definer: v[3], SQLMode: v[4]})
	})
}

func (m *mariadb) triggers(ctx context.Context) error {
	return m.each(ctx, `SELECT TRIGGER_SCHEMA, TRIGGER_NAME, DEFINER, SQL_MODE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA`+notOwn, func(v []string) error {
		return m.routine(v[0], schema.Routine{Kind: "trigger", Name: v[1], Definer: v[2], SQLMode: v[3]})
	})
}

func (m *mariadb) events(ctx context.Context) error {
	return m.each(ctx, `SELECT EVENT_SCHEMA, EVENT_NAME, DEFINER, SQL_MODE FROM information_schema.EVENTS WHERE EVENT_SCHEMA`+notOwn, func(v []string) error {
		return m.routine(v[0], schema.Routine{Kind: "event", Name: v[1], Definer: v[2], SQLMode: v[3]})
	})
}

func (m *mariadb) views(ctx context.Context) error {
	return m.each(ctx, `SELECT TABLE_SCHEMA, TABLE_NAME, DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA`+notOwn, func(v []string) error {
		return m.routine(v[0], schema.Routine{Kind: "view", Name: v[1], Definer: v[2]})
	})
}

// count counts tables that seem small, many in one query, until the time for it
// is over. Tables of engines that lead elsewhere are never read.
func (m *mariadb) count(ctx context.Context) error {
	var small [][2]string
	for k, t := range m.tables {
		if t.Engine == "InnoDB" && t.Rows <= countRows && t.Bytes <= countBytes {
			small = append(small, k)
		}
	}
	slices.SortFunc(small, func(a, b [2]string) int { // the smallest first: most are exact when the time is over
		if c := m.tables[a].Bytes - m.tables[b].Bytes; c != 0 {
			return int(max(min(c, 1), -1))
		}
		return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1])
	})
	until := time.Now().Add(countTime)
	for batch := range slices.Chunk(small, countBatch) {
		if time.Now().After(until) || ctx.Err() != nil {
			break
		}
		m.countSome(ctx, batch)
	}
	return ctx.Err()
}

// countSome counts some tables. One that cannot be read is found by halves, and
// keeps its estimate. A view may have taken a table's place since it was listed,
// and would run its owner's functions with the rights of this session: the hint
// without an index is for a table only, and the server refuses to open a view
// with it.
func (m *mariadb) countSome(ctx context.Context, tables [][2]string) {
	var q strings.Builder
	for i, k := range tables {
		if i > 0 {
			q.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&q, "SELECT %d, COUNT(*) FROM %s.%s USE INDEX ()", i, engine.Ident(k[0]), engine.Ident(k[1]))
	}
	err := m.each(ctx, q.String(), func(v []string) error {
		i, err := strconv.Atoi(v[0])
		if err != nil || i < 0 || i >= len(tables) {
			return fmt.Errorf("an answer that was not asked for")
		}
		t := m.tables[tables[i]]
		t.Rows, err = strconv.ParseInt(v[1], 10, 64)
		t.Estimated = err != nil
		return err
	})
	if err != nil && len(tables) > 1 && ctx.Err() == nil {
		m.countSome(ctx, tables[:len(tables)/2])
		m.countSome(ctx, tables[len(tables)/2:])
	}
}

// sizes are those of the files where they can be seen: what the engine says of
// tables leaves out what it has not given back.
func (m *mariadb) sizes(ctx context.Context) error {
	dirs := map[string]string{}
	if err := m.each(ctx, "SELECT SCHEMA_NAME, HEX(CONVERT(SCHEMA_NAME USING filename)) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME"+notOwn, func(v []string) error {
		b, err := hex.DecodeString(v[1])
		if dir := string(b); err == nil && filepath.IsLocal(dir) && filepath.Base(dir) == dir {
			dirs[v[0]] = dir
		}
		return nil
	}); err != nil {
		return err
	}
	for name, d := range m.db {
		for _, t := range d.found.Detail.Tables {
			d.found.Bytes += m.tables[[2]string{name, t.Name}].Bytes
		}
		if dir := dirs[name]; dir != "" && filepath.IsAbs(m.e.Data) {
			if n, err := dirBytes(m.w.path(filepath.Join(m.e.Data, dir))); err == nil {
				d.found.Bytes = max(n, d.found.Bytes) // tables may lie in files of the server's own
			}
		}
	}
	return nil
}
