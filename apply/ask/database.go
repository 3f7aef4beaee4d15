package ask

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/stopover/stopover/schema"
)

// askDatabase puts one query, which may read only.
func (q *asking) askDatabase(ctx context.Context) error {
	d, err := schema.ParseProbedDatabase(q.SQL)
	if err != nil {
		return err
	}
	address, connect, err := q.reach(d.Service, d.Host, d.Port)
	if err != nil {
		return err
	}
	put := q.askMariaDB
	if d.Service == schema.ServicePostgreSQL {
		put = q.askPostgreSQL
	}
	conn, err := connect(ctx)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	defer conn.Close()
	if err := put(ctx, d, conn); err != nil && !q.distrusts(err) {
		return fmt.Errorf("ask %s for a row of %s: %w", address, schema.QuoteName(d.Name), err)
	}
	return nil
}

// row keeps a row as text; false: there is room for no more.
func (q *asking) row(values [][]byte) bool {
	a := &q.answer
	size := 0
	for _, row := range a.Rows {
		for _, c := range row {
			size += len(c)
		}
	}
	if len(a.Rows) == mostRows || size > mostCells {
		a.Cut = true
		return false
	}
	if len(values) > mostColumns {
		values, a.Cut = values[:mostColumns], true
	}
	row := make([]string, 0, len(values))
	for _, v := range values {
		row = append(row, cell(v))
	}
	a.Rows = append(a.Rows, row)
	return true
}

// cell is one value as people read it; bytes that are no text by their digits.
func cell(v []byte) string {
	switch {
	case v == nil:
		return "NULL"
	case !utf8.Valid(v):
		return fmt.Sprintf("0x%x", v[:min(len(v), mostLine/2)])
	}
	return string(v[:min(len(v), 16*mostLine)])
}
