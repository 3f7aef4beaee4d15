package ask

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stopover/stopover/schema"
)

// database is the URL of a database, taken apart.
type database struct {
	service string // schema.ServiceMariaDB or ServicePostgreSQL
	user    string
	host    string
	port    int // 0: the usual one
	name    string
}

// ParseDatabase reads scheme://USER@HOST[:PORT]/DATABASE. The scheme is mariadb,
// mysql, postgresql or postgres. Errors do not repeat the URL: it may hold a
// password, which it must not.
func ParseDatabase(raw string) (service, user, host string, port int, name string, err error) {
	d, err := parseDatabase(raw)
	return d.service, d.user, d.host, d.port, d.name, err
}

func parseDatabase(raw string) (database, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return database{}, fmt.Errorf("this is not the URL of a database")
	}
	d := database{host: u.Hostname(), name: strings.TrimPrefix(u.Path, "/"), user: u.User.Username()}
	switch u.Scheme {
	case "mariadb", "mysql":
		d.service = schema.ServiceMariaDB
	case "postgresql", "postgres":
		d.service = schema.ServicePostgreSQL
	default:
		return d, fmt.Errorf("the URL of a database begins with mariadb:// or postgresql://")
	}
	if u.Port() != "" {
		if d.port, err = strconv.Atoi(u.Port()); err != nil || d.port < 1 || d.port > 65535 {
			return d, fmt.Errorf("the URL of the database holds no port that could be")
		}
	}
	if d.user == "" || d.host == "" || d.name == "" || u.RawQuery != "" || u.Fragment != "" {
		return d, fmt.Errorf("the URL of a database is USER@HOST/DATABASE behind its scheme, and nothing else")
	}
	if _, has := u.User.Password(); has {
		return d, fmt.Errorf("the URL of the database holds a password")
	}
	return d, nil
}

// askDatabase puts one query, which may read only.
func (q *asking) askDatabase(ctx context.Context) error {
	d, err := parseDatabase(q.SQL)
	if err != nil {
		return err
	}
	address, connect, err := q.reach(d.service, d.host, d.port)
	if err != nil {
		return err
	}
	put := q.askMariaDB
	if d.service == schema.ServicePostgreSQL {
		put = q.askPostgreSQL
	}
	conn, err := connect(ctx)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	defer conn.Close()
	if err := put(ctx, d, conn); err != nil && !q.distrusts(err) {
		return fmt.Errorf("ask %s for a row of %s: %w", address, schema.QuoteName(d.name), err)
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
