//go:build linux

package engine

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// CountColumn is an expression of SQL over pg_class c: the column of a table,
// quoted, by which CountRows counts its rows; empty if there is none. number is
// the server's server_version_num. The column is of a type of the server's own,
// whose output runs nothing of anybody else, and as narrow as can be; one of no
// fixed length is taken only where the table has at most limit bytes with all
// that lies beside it, for it is read.
func CountColumn(number int, limit int64) string {
	stored := ""
	if number >= 120000 {
		stored = " AND a.attgenerated = ''" // which COPY refuses
	}
	return `coalesce((SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped` + stored + ` AND t.oid < 10000 AND t.typoutput < 10000 AND t.typtype = 'b' AND t.typelem = 0
AND CASE WHEN a.attlen > 0 THEN true ELSE pg_catalog.pg_table_size(c.oid) <= ` + strconv.FormatInt(limit, 10) + ` END
ORDER BY a.attlen <= 0, a.attlen, a.attnum LIMIT 1), '')`
}

// CountRows counts the rows of a table, itself without its children; table and
// column are as they are written in a query, the column is one of CountColumn.
//
// It asks no query of the table. To plan one, the server reads the predicates of
// the table's indexes and its constraints, and runs what is constant in them: code
// of the table's owner, with the rights of the session. COPY of a table plans
// nothing, and refuses a view that has taken the table's place.
func CountRows(ctx context.Context, c *pgconn.PgConn, table, column string) (int64, error) {
	tag, err := c.CopyTo(ctx, io.Discard, "COPY "+table+" ("+column+") TO STDOUT")
	if err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", table, err)
	}
	return tag.RowsAffected(), nil
}
